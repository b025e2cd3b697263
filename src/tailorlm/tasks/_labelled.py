"""What tasks share that ask one answer of one text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Rows
from tailorlm.tasks.columns import require_labelled, text_fault, texts_given
from tailorlm.tasks.readings import Readings, ragged_ids


class LabelledText:
    """The common manners of tasks with a column of texts and a column of answers, read as one vector a text.

    A subclass says in `label_fault` what is wrong with an answer. Its settings have `text`, `label` and `id`.
    """

    tokens: ClassVar[bool] = False

    def __init__(self, settings: Any):
        self.settings = settings

    def label_fault(self, value: object) -> str | None:
        """What is wrong with a cell of the column of answers; None where it can be used."""
        raise TailorError(f"{type(self).__name__} does not say what is wrong with an answer")

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names the columns there are, and the nearest."""
        require_labelled(rows, self.settings.text, self.settings.label, self.settings.id, what)

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason: no text, or what `label_fault` says."""
        text, label = self.settings.text, self.settings.label
        found: dict[int, str] = {}
        for i, (words, value) in enumerate(zip(rows.column(text), rows.column(label), strict=True)):
            fault = text_fault(words, text) or self.label_fault(value)
            if fault is not None:
                found[i] = fault
        return found

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[str]:
        """The texts of rows to predict: strings, or mappings that hold the text column."""
        return texts_given(rows, self.settings.text)

    def read(self, tokenizer: Any, inputs: Sequence[str], max_length: int) -> Readings:
        """Each text whole, as far as `max_length`."""
        return Readings(ragged_ids(tokenizer, inputs, max_length))
