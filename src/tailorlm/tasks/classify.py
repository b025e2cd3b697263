"""`classify`: one text in, one of a fixed set of labels out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, UsageError, near_misses
from tailorlm.data.quality import find_conflicts
from tailorlm.data.rows import Rows, as_text
from tailorlm.tasks._labelled import LabelledText
from tailorlm.tasks.base import Answers, Asked, Examples, Target
from tailorlm.tasks.columns import (
    SHOWN,
    count,
    has_words,
    refuse,
    refuse_faults,
    row_ids,
)
from tailorlm.tasks.readings import Readings, shares


class Classify(LabelledText):
    """One label for one text: intents, topics, sentiment.

    Scores: accuracy, macro-F1, balanced accuracy. Output is read back as the label with the highest score.
    """

    class Settings(config.Settings):
        """Settings of `classify`: the columns, and words for the labels."""

        text: str = setting("text", help="the column that holds the text", min_length=1)
        label: str = setting("label", help="the column that holds the label", min_length=1)
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        descriptions: dict[str, str] = setting(
            {}, help="words for a label, shown to ways that read label names (zero-shot)"
        )
        max_length: int = setting(
            256, ge=8, le=131_072, help="longest text; what is beyond is cut, and counted", unit="tokens"
        )

    answers = "label"
    metrics = ("accuracy", "macro_f1", "balanced_accuracy")
    target: Target = "one"

    def label_fault(self, value: object) -> str | None:
        """An answer is one label: neither a list or object, nor empty."""
        if isinstance(value, list | dict):
            return f"a list or object in the column '{self.settings.label}' (one label a row)"
        return None if has_words(value) else f"no label in the column '{self.settings.label}'"

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into texts with labels.

        what: the word for these rows in messages ("train", "test"). labels: the label set to hold to; without it the rows'
        own, which must be two or more. Raises UsageError (missing column) and CheckError (rows at fault, one label only, labels
        that train does not have, ids that stand twice), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        gold = tuple(as_text(value).strip() for value in rows.column(self.settings.label))
        known = tuple(sorted(set(gold))) if labels is None else tuple(labels)
        if labels is None and len(known) < 2:
            raise CheckError(
                f"all {len(rows)} {what} rows have the same label" if len(rows) else f"there are no {what} rows",
                got=f"{self.settings.label} = {known[0]!r}" if known else None,
                allowed="two labels or more",
                hint=f"is '{self.settings.label}' the right column? the columns are: {', '.join(rows.columns)}",
            )
        strange = [i for i, value in enumerate(gold) if value not in set(known)]
        names = ", ".join(sorted({repr(gold[i]) for i in strange})[:SHOWN])
        refuse(
            rows,
            strange,
            f"{'has' if len(strange) == 1 else 'have'} a label that no train row has ({names})",
            hint="mend the labels, or add train rows",
        )
        texts = tuple(as_text(value) for value in rows.column(self.settings.text))
        return Examples(row_ids(rows, self.settings.id), texts, gold, known)

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """One output a label."""
        return tuple(labels)

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """The code of each row's label, (1,)."""
        return [examples.codes[row : row + 1] for row in readings.rows]

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings,
        inputs: Sequence[str],
        labels: Sequence[str],
        *,
        votes: bool = False,
    ) -> Answers:
        """The label of the highest score; its share of the scores is how sure."""
        table = np.concatenate(scores) if len(scores) else np.zeros((0, len(labels)), np.float32)
        best = table.argmax(1) if len(table) else np.zeros(0, int)
        sure = shares(table, votes=votes)[np.arange(len(table)), best]
        return Answers([labels[i] for i in best], sure, table)

    def ask(self, value: str) -> Asked:
        """The text."""
        return Asked(value)

    def written(self, gold: str) -> str:
        """The label."""
        return gold

    def choices(self, labels: Sequence[str]) -> list[str]:
        """The labels."""
        return list(labels)

    def hear(self, text: str | None, labels: Sequence[str], given: Any) -> str | None:
        """The label that was written, spelled as it is; None for anything else."""
        return text.strip() if text is not None and text.strip() in labels else None

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """The labels with their words."""
        words = {label: self.settings.descriptions.get(label, label) for label in labels}
        return {"kind": "classify", "inputs": (self.settings.text,), "answer": self.settings.label, "labels": words}

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Conflicting labels, nearly empty labels, imbalance."""
        return findings(train)

    def cells(self, value: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The label."""
        return {"predicted": value}

    def label_texts(self, labels: Sequence[str]) -> list[str]:
        """Words for each label: its description where one is given, else its name with separators opened up."""
        unknown = sorted(set(self.settings.descriptions) - set(labels))
        if unknown:
            near = near_misses(unknown[0], labels)
            raise UsageError(
                f"descriptions names a label that no train row has: '{unknown[0]}'",
                hint=f"did you mean '{near[0]}'?" if near else None,
            )
        return [self.settings.descriptions.get(label, _opened(label)) for label in labels]


def findings(train: Examples) -> list[dict[str, object]]:
    """What a careful person would want to know of train rows before fitting: conflicts and nearly empty labels."""
    found: list[dict[str, object]] = []
    conflicts = find_conflicts(train.texts, train.gold)
    if conflicts:
        rows = [" and ".join(f"{train.ids[i]} ({train.gold[i]})" for i in c.indices[:3]) for c in conflicts]
        found.append(
            {
                "code": "conflicting-labels",
                "message": f"{count(len(conflicts), 'text')} with two or more labels",
                "rows": rows[:SHOWN],
            }
        )
    counts = Counter(train.gold)
    single = sorted(label for label, n in counts.items() if n == 1)
    if single:
        message = f"{count(len(single), 'label')} with one row only: it is trained on, and cannot be validated"
        found.append({"code": "single-row-label", "message": message, "rows": single[:SHOWN]})
    most, least = max(counts.values()), min(counts.values())
    if most >= 20 * least:
        found.append(
            {
                "code": "imbalance",
                "message": f"labels have {least} to {most} rows; look at macro_f1 beside accuracy",
                "rows": [],
            }
        )
    return found


def _opened(label: str) -> str:
    return " ".join(
        "".join(f" {c}" if c.isupper() and i and label[i - 1].islower() else c for i, c in enumerate(label))
        .replace("_", " ")
        .replace("-", " ")
        .split()
    )
