"""What a preparation is asked to do, as data: the same from flags, from a YAML file and from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from tailorlm.core.config import Settings, setting
from tailorlm.core.parts import Part, part_of
from tailorlm.core.yaml import dump_yaml
from tailorlm.data.steps import steps

if TYPE_CHECKING:
    StepPart = Part
else:
    StepPart = part_of(steps)
USUAL = ("repair", "filter", "deduplicate", "redact", "split", "audit")
"""The steps where none are named; `split` is left out where validation or test rows were given."""


class PrepRead(Settings):
    """How the files are read."""

    format: str | None = setting(None, help="csv, jsonl, parquet, pdf, ...; without it names and contents decide")
    encoding: str | None = setting(None, help="the files' encoding where it is not UTF-8, e.g. cp1252")
    delimiter: str | None = setting(
        None, help="what separates the fields of a CSV, where it is not plain: one character, or `tab`"
    )
    max_bad: int = setting(0, ge=0, help="broken rows that are set aside before it stops", unit="rows")


class PrepColumns(Settings):
    """What the columns are for; what is not told is detected, with the evidence printed."""

    shape: str | None = setting(None, help="classify, pair, messages, documents, ...; without it the columns decide")
    roles: dict[str, str] = setting({}, help="columns by role, e.g. `text: body`, `label: stars`")


class PrepSettings(Settings):
    """A whole preparation: files, columns, steps in order, and the form of what comes out."""

    word: ClassVar[str] = "the preparation"

    rows: tuple[str, ...] = setting(help="files, folders or patterns of rows, or `-` for standard input", min_length=1)
    validation: tuple[str, ...] = setting((), help="files of validation rows, where they are kept apart already")
    test: tuple[str, ...] = setting((), help="files of test rows, where they are kept apart already")
    read: PrepRead = setting(PrepRead(), help="how the files are read")
    columns: PrepColumns = setting(PrepColumns(), help="what the columns are for")
    steps: tuple[StepPart, ...] | None = setting(None, help=f"the steps in order; without them {', '.join(USUAL)}")
    format: Literal["jsonl", "csv", "parquet"] = setting(
        "jsonl", help="of the rows that come out; parquet needs the extra `hub`"
    )
    seed: int = setting(0, ge=0, le=2**31 - 1, help="of all that is drawn: splits, augmentation")
    key_file: str | None = setting(
        None,
        help="the key of pseudonyms (made if it is missing): the same key gives the same person the same name in a later delivery",
    )

    @field_validator("rows", "validation", "test", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _stdin_once(self) -> PrepSettings:
        if sum(name == "-" for name in (*self.rows, *self.validation, *self.test)) > 1:
            raise ValueError("standard input (-) can be read once only")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> PrepSettings:
        names = [part.name for part in self.steps or ()]
        if "augment" in names and "split" in names[names.index("augment") :]:
            raise ValueError("steps: `augment` must come behind `split`, or copies of test rows are trained on")
        if names.count("split") > 1:
            raise ValueError("steps: rows are split once; leave the second `split` out")
        return self

    @property
    def chosen_steps(self) -> tuple[Any, ...]:
        """The steps as they will run."""
        if self.steps is not None:
            return tuple(self.steps)
        given = bool(self.validation or self.test)
        names = [name for name in USUAL if not (given and name == "split")]
        return tuple(type(self).model_validate({"rows": ("-",), "steps": names}).steps or ())

    def with_learned(self, learned: list[dict[str, Any]], columns: PrepColumns) -> str:
        """The YAML that gives later rows the same treatment: every default and all that was learned written out.

        learned: for each step the settings that it found. columns: what the rows were found to be.
        """
        plain = self.model_dump(mode="json") | {"columns": columns.model_dump(mode="json")}
        parts = [part.plain() | found for part, found in zip(self.chosen_steps, learned, strict=True)]
        plain["steps"] = [{k: _plain(v) for k, v in part.items()} for part in parts]
        return dump_yaml({k: v for k, v in plain.items() if v not in (None, [])})


def default_out(settings: PrepSettings) -> Path:
    """The output folder where none is named: beside the first file, with `-prep` behind its name."""
    first = settings.rows[0]
    if first == "-" or any(sign in first for sign in "*?["):
        return Path("rows-prep")
    path = Path(first)
    name = path.name.split(".")[0] if path.suffix else path.name
    return Path(f"{name or 'rows'}-prep")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
