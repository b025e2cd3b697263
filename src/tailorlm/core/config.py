"""Typed settings: one declaration from which YAML, CLI help, JSON schema, search space and doc tables derive.

A settings class is a pydantic model whose fields are made with `setting(...)`: default, bounds, unit, one line of
help that says what the field buys, and (where the way is tuned on it) the grid that the search tries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from tailorlm.core.errors import UsageError, near_misses
from tailorlm.core.yaml import Document, read_yaml

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """The base of every settings class: unknown keys are errors, values are typed, instances do not change."""

    # Defaults are validated too: `16` for a float must be 16.0, or a recipe read back would have another key.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False, validate_default=True)

    # What messages call a value that stands in no file.
    word: ClassVar[str] = "the settings"

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated like a new one."""
        return type(self).model_validate(self.model_dump() | changes)

    def search_space(self) -> dict[str, list[Any]]:
        """What the search tries: the fields with a grid, which a part may narrow to those that its other settings leave alive."""
        return search_grid(type(self))


def setting(
    default: Any = ...,
    *,
    help: str,
    unit: str | None = None,
    search: tuple[Any, ...] | None = None,
    file: bool = False,
    **bounds: Any,
) -> Any:
    """Declare one field: `help` says what it buys, `search` is the grid tried when the way is tuned.

    file: it names a file or folder (or several) that is learnt from or searched, which runs know by what it holds. bounds: pydantic's
    own (`ge`, `gt`, `le`, `lt`, `min_length`, ...). A field without a default is required.
    """
    extra = {"unit": unit, "search": list(search) if search else None, "file": file or None}
    return Field(
        default, description=help, json_schema_extra={k: v for k, v in extra.items() if v is not None}, **bounds
    )


def search_grid(settings: type[Settings]) -> dict[str, list[Any]]:
    """The fields of a settings class that declare a grid, with their grids."""
    return {name: field_extra(f)["search"] for name, f in settings.model_fields.items() if field_extra(f).get("search")}


def field_extra(field: FieldInfo) -> dict[str, Any]:
    """Unit, grid and whether it names a file, of one field as declared with `setting`."""
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def load(path: Path | str, settings: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """Read a YAML file into a settings class; every fault of the file comes in one error, with its line.

    overrides: dotted keys (`stages.0.weights.lr`) with values that replace what the file says.
    Raises UsageError naming file, line, key, what was got, what is allowed and the nearest known key.
    """
    document = read_yaml(path)
    value = document.value
    for key, new in (overrides or {}).items():
        set_key(value, key, new)
    return validate(value, settings, document)


def validate(value: Any, settings: type[S], document: Document | None = None) -> S:
    """Check a plain value against a settings class, with all faults in one UsageError."""
    try:
        return settings.model_validate(value)
    except ValidationError as error:
        faults = list(_faults(error, settings, document, ()))
        where = str(document.path) if document else settings.word
        head = f"{where}: {len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise UsageError("\n".join([head, *[f"  {f}" for f in faults]])) from None


def set_key(value: Any, key: str, new: Any) -> None:
    """Set a dotted key (`stages.0.weights.lr`) in nested mappings and lists; a path that leads nowhere is a UsageError.

    A part written as its name alone (`weights: lora`) is opened up to take the key.
    """
    *parents, last = key.split(".")
    try:
        for name in parents:
            place = int(name) if isinstance(value, list) else name
            inner = value.setdefault(place, {}) if isinstance(value, dict) else value[place]
            if isinstance(inner, str):
                inner = value[place] = {"part": inner}
            value = inner
        value[int(last) if isinstance(value, list) else last] = new
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        raise UsageError(
            f"the recipe has no place called '{key}'", hint="`tailor fit --show-recipe` prints every key"
        ) from None


# What pydantic calls by Python's types, in the words of a YAML file.
_PLAINLY = (
    (re.compile(r"a valid tuple\b"), "a list"),
    (re.compile(r"^tuple should have\b", re.IGNORECASE), "the list should have"),
    (re.compile(r"a valid dictionary(?: or instance of \w+)?"), "lines of `key: value`"),
)


class PartFault(ValueError):
    """Faults inside a registered part's settings, carried through the outer model with their own paths."""

    def __init__(self, error: ValidationError, settings: type[BaseModel]):
        super().__init__(str(error))
        self.error, self.settings = error, settings


def _faults(
    error: ValidationError, settings: type[BaseModel], document: Document | None, at: tuple[Any, ...]
) -> Iterator[str]:
    details = error.errors(include_url=False)
    deep = {detail["loc"][:i] for detail in details for i in range(len(detail["loc"]))}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"] in deep:
            continue  # a list counts as short only because its items are at fault
        path = tuple(
            p for p in detail["loc"] if not (isinstance(p, str) and p.startswith(("function-", "lax-", "is-")))
        )
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, PartFault):
            yield from _faults(inner.error, inner.settings, document, at + path)
        else:
            yield _fault(detail, settings, document, at, path)


def _fault(
    detail: Any, settings: type[BaseModel], document: Document | None, at: tuple[Any, ...], inner: tuple[Any, ...]
) -> str:
    path = at + inner
    where = f"line {document.line(path)}: " if document else ""
    key = ".".join(str(p) for p in path) or "(the whole)"
    if detail["type"] == "extra_forbidden":
        known = sorted(_keys_at(settings, inner[:-1]))
        near = near_misses(str(path[-1]), known)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"{where}there is no key '{key}'; {hint}"
    if detail["type"] == "missing":
        return f"{where}the key '{key}' is missing"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    for typed, said in _PLAINLY:
        message = typed.sub(said, message)
    if detail["type"] == "value_error":
        return f"{where}{key}: {message}"
    return f"{where}{key}: {message[0].lower() + message[1:]} (got {detail['input']!r})"


def _keys_at(settings: type[BaseModel], path: tuple[Any, ...]) -> Iterator[str]:
    current: Any = settings
    for name in path:
        fields = getattr(current, "model_fields", {})
        if isinstance(name, str) and name in fields:
            current = _inner_model(fields[name].annotation)
    yield from getattr(current, "model_fields", {})


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _inner_model(inner)
        if found is not None:
            return found
    return None
