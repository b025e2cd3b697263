"""Registered parts as values of settings: a name with the settings that belong to it, in YAML and in Python alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, InstanceOf, PlainSerializer, ValidationError, WithJsonSchema

from tailorlm.core.config import PartFault, Settings
from tailorlm.core.errors import TailorError
from tailorlm.core.registry import Registry


@dataclass(frozen=True)
class Part:
    """A registered part with its settings: `name` in the table of `registry`, `settings` an instance of its Settings."""

    name: str
    settings: Any  # an instance of the part's own Settings
    registry: Registry

    def make(self) -> Any:
        """The part itself, with these settings."""
        return self.registry.get(self.name)(self.settings)

    @property
    def trains(self) -> bool:
        """Whether the part is trained by the loop, in passes (weights parts alone are)."""
        return bool(getattr(self.registry.get(self.name), "trains", False))

    @property
    def body_learns(self) -> bool:
        """Whether fitting the part moves the model's body, which is what makes passes dear."""
        return bool(getattr(self.registry.get(self.name), "body_learns", False))

    @property
    def learns_from(self) -> str:
        """What an objective learns from: `labels` of the task, or `text` alone."""
        return str(getattr(self.registry.get(self.name), "learns_from", "labels"))

    @property
    def acts_on(self) -> str:
        """What a penalty changes: the `loss` of a step, its `rows`, or how many `passes` there are."""
        return str(getattr(self.registry.get(self.name), "acts_on", "loss"))

    @property
    def answers(self) -> bool:
        """Whether an objective teaches the task's answers, so that its stage may be the last one."""
        return bool(getattr(self.registry.get(self.name), "answers", self.learns_from == "labels"))

    @property
    def bundles(self) -> bool:
        """Whether an objective tells the rows of a step from each other, so that a step is so many of them."""
        return bool(getattr(self.registry.get(self.name), "bundles", False))

    def plain(self) -> dict[str, Any]:
        """As written in YAML: the name and every setting."""
        return {"part": self.name, **self.settings.model_dump()}


def settings_in(value: Any, at: str = "") -> Iterator[tuple[str, Settings]]:
    """Every settings object inside a value, parts' own included, with the dotted key at which it stands ("" for the value itself)."""
    if isinstance(value, Part):
        value = value.settings
    if isinstance(value, Settings):
        yield at, value
        inner: Any = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, tuple | list):
        inner = enumerate(value)
    else:
        return
    for name, one in inner:
        yield from settings_in(one, f"{at}.{name}" if at else str(name))


def part_of(registry: Registry) -> Any:
    """The type of a settings field that holds a part of this registry: a name, or a mapping with `part` and its settings."""
    schema = {
        "oneOf": [
            {"enum": list(registry)},
            {"type": "object", "required": ["part"], "properties": {"part": {"enum": list(registry)}}},
        ]
    }
    plain = PlainSerializer(lambda part: part.plain(), return_type=dict)
    return Annotated[InstanceOf[Part], BeforeValidator(_reader(registry)), plain, WithJsonSchema(schema)]


def _reader(registry: Registry) -> Any:
    def read(value: Any) -> Any:
        if isinstance(value, Part):
            return value
        value = {"part": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping) or not isinstance(value.get("part"), str):
            raise ValueError(f"names a {registry.kind}: one of {', '.join(registry)}")
        try:
            settings: type[BaseModel] = registry.get(value["part"]).Settings
        except TailorError as error:
            raise ValueError(str(error).replace("\n ", ";")) from None
        try:
            made = settings.model_validate({k: v for k, v in value.items() if k != "part"})
        except ValidationError as error:
            raise PartFault(error, settings) from None
        return Part(value["part"], made, registry)

    return read
