"""What tasks share that ask one answer of one text, or of two that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.rows import Rows, as_text
from tailorlm.data.shapes import detect
from tailorlm.tasks._pairs import read_pairs
from tailorlm.tasks.base import Limits
from tailorlm.tasks.columns import require_column, require_labelled, text_fault, texts_given
from tailorlm.tasks.readings import Readings, ragged_ids

# Rows that are looked at to tell whether they are pairs.
SAMPLE = 100
# How the setting `second` is told.
SECOND = (
    "the column with a second text, where rows are pairs: premise and hypothesis, two questions, question and passage"
)


class LabelledText:
    """The common manners of tasks with a column of texts and a column of answers, read as one vector a text.

    A subclass says in `label_fault` what is wrong with an answer. Its settings have `text`, `second`, `label` and `id`. Where `second` names
    a column an input is a pair, [first, second]; the model reads both together as its tokenizer frames a pair, each as long as the other allows.
    """

    tokens: ClassVar[bool] = False
    limits: Limits = "text"

    def __init__(self, settings: Any):
        self.settings = settings

    def label_fault(self, value: object) -> str | None:
        """What is wrong with a cell of the column of answers; None where it can be used."""
        raise TailorError(f"{type(self).__name__} does not say what is wrong with an answer")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that an input is made of: one, or two where rows are pairs."""
        s = self.settings
        return (s.text,) if s.second is None else (s.text, s.second)

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The column of the right answer."""
        return (str(self.settings.label),)

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names the columns there are, and the nearest, or those of a pair."""
        if self.settings.text not in rows.columns and self.settings.second is None:
            _refuse_unnamed_pair(rows, self.settings.text, what)
        require_labelled(rows, self.settings.text, self.settings.label, self.settings.id, what)
        if self.settings.second is not None:
            require_column(rows, self.settings.second, what, "--column second=")

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason: a text that is not there, or what `label_fault` says."""
        found: dict[int, str] = {}
        for i, row in enumerate(rows):
            faults = [text_fault(row.values.get(column), column) for column in self.text_columns]
            fault = next(filter(None, faults), None) or self.label_fault(row.values.get(self.settings.label))
            if fault is not None:
                found[i] = fault
        return found

    def given(self, rows: Rows) -> tuple[Any, ...]:
        """The inputs of rows without faults: texts, or pairs of texts."""
        first, *second = ([as_text(value) for value in rows.column(name)] for name in self.text_columns)
        return tuple(first) if not second else tuple([one, other] for one, other in zip(first, second[0], strict=True))

    def shown(self, value: Any) -> str:
        """An input as one text; a pair under the names of its columns."""
        if isinstance(value, str):
            return value
        return "\n".join(f"{_words(name)}: {text}" for name, text in zip(self.text_columns, value, strict=True))

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """The texts of rows to predict: strings, or mappings that hold the text column; for pairs mappings that hold both."""
        if self.settings.second is None:
            return list(texts_given(rows, self.settings.text))
        if isinstance(rows, str | Mapping):
            raise TailorError("predict takes many rows at once", hint="put it in a list: predict([row])")
        every = list(rows)
        for number, row in enumerate(every, 1):
            if not isinstance(row, Mapping):
                raise TailorError(
                    f"row {number} is no pair of texts",
                    got=type(row).__name__,
                    allowed=f"a mapping with '{self.settings.text}' and '{self.settings.second}'",
                )
        sides = [texts_given(every, column) for column in self.text_columns]
        return [list(pair) for pair in zip(*sides, strict=True)]

    def read(self, tokenizer: Any, inputs: Sequence[Any], max_length: int) -> Readings:
        """Each text whole, as far as `max_length`; of a pair the longer text gives way first."""
        if self.settings.second is not None:
            return read_pairs(tokenizer, inputs, max_length)
        return Readings(ragged_ids(tokenizer, inputs, max_length))

    def read_apart(self, tokenizer: Any, inputs: Sequence[Any], max_length: int) -> Readings:
        """Each text of a pair by itself, as far as `max_length`; what is no pair as `read` reads it."""
        if self.settings.second is None:
            return self.read(tokenizer, inputs, max_length)
        first, second = (ragged_ids(tokenizer, [pair[side] for pair in inputs], max_length) for side in (0, 1))
        return Readings(first, others=second)


def _refuse_unnamed_pair(rows: Rows, text: str, what: str) -> None:
    """UsageError that says what to type, where rows without the column of the text are pairs by the names of their columns."""
    try:
        found = detect(rows.columns, rows.rows[:SAMPLE], shape="pair").columns
    except UsageError:
        return
    label = f" --label {found['label']}" if found.get("label") not in (None, "label") else ""
    raise UsageError(
        f"the {what} rows have no column '{text}', but two texts each",
        got=f"columns: {', '.join(rows.columns)}",
        hint=f"--text {found['first']} --column second={found['second']}{label}",
    )


def _words(column: str) -> str:
    return " ".join(column.replace("_", " ").split())
