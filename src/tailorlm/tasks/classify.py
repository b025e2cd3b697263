"""`classify`: one text in, one of a fixed set of labels out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, UsageError, near_misses
from tailorlm.core.marks import NONE_OF_THESE
from tailorlm.data.quality import find_conflicts
from tailorlm.data.rows import Rows, as_text
from tailorlm.tasks._calibration import bar_for, chances, temperature_of
from tailorlm.tasks._labelled import SECOND, LabelledText
from tailorlm.tasks.base import Answers, Asked, Examples, Target
from tailorlm.tasks.columns import (
    SHOWN,
    count,
    has_words,
    refuse,
    refuse_faults,
    row_ids,
)
from tailorlm.tasks.readings import Readings


class Classify(LabelledText):
    """One label for one text: intents, topics, sentiment.

    Output is read back as the label with the highest score. How sure it is comes from a temperature fitted on the validation rows, so that of a
    hundred answers given with 0.8 about eighty are right; below a bar (`reject_below`, or found for a `wanted_accuracy`) no label is
    given. Scores: accuracy, macro-F1, balanced accuracy; Brier score, calibration error and log loss of the probabilities. Where several labels
    may apply take `many_labels`, where they are steps of a scale `score`.
    """

    class Settings(config.Settings):
        """Settings of `classify`: the columns, and words for the labels."""

        text: str = setting("text", help="the column that holds the text", min_length=1)
        second: str | None = setting(None, help=SECOND, min_length=1)
        label: str = setting("label", help="the column that holds the label", min_length=1)
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        descriptions: dict[str, str] = setting(
            {}, help="words for a label, shown to ways that read label names (zero-shot)"
        )
        labels: tuple[str, ...] = setting(
            (), help="labels beyond those of the train rows, which ways that read label names can answer"
        )
        outside: Literal["refuse", "none"] = setting(
            "refuse",
            help="rows to score with a label that is not known: refuse them, or `(none of these)` is their right answer",
        )
        temperature: float | None = setting(
            None,
            gt=0,
            le=1e6,
            help="what scores are divided by before they are probabilities; without it fitted on the validation rows",
        )
        reject_below: float | None = setting(
            None, ge=0, le=1, help="no label is given where the probability of the best one is lower than this"
        )
        wanted_accuracy: float | None = setting(
            None, gt=0, le=1, help="finds `reject_below`: so many of the labels given to validation rows are right"
        )
        max_length: int = setting(
            256, ge=8, le=131_072, help="longest text; what is beyond is cut, and counted", unit="tokens"
        )

    answers = "label"
    metrics = ("accuracy", "macro_f1", "balanced_accuracy", "brier", "ece", "log_loss")
    target: Target = "one"

    def label_fault(self, value: object) -> str | None:
        """An answer is one label: neither a list or object, nor empty."""
        if isinstance(value, list | dict):
            return f"a list or object in the column '{self.settings.label}' (one label a row)"
        return None if has_words(value) else f"no label in the column '{self.settings.label}'"

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into texts with labels.

        what: the word for these rows in messages ("train", "test"). labels: the label set to hold to; without it the rows'
        own, which must be two or more, and those of the settings. Raises UsageError (missing column) and CheckError (rows at fault, one
        label only, labels that are not known, ids that stand twice), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        gold = tuple(as_text(value).strip() for value in rows.column(self.settings.label))
        known = tuple(sorted({*gold, *self.settings.labels})) if labels is None else tuple(labels)
        if labels is None and len(set(gold)) < 2:
            raise CheckError(
                f"all {len(rows)} {what} rows have the same label" if len(rows) else f"there are no {what} rows",
                got=f"{self.settings.label} = {gold[0]!r}" if gold else None,
                allowed="two labels or more",
                hint=f"is '{self.settings.label}' the right column? the columns are: {', '.join(rows.columns)}",
            )
        if self.settings.outside == "none":
            gold = tuple(value if value in set(known) else NONE_OF_THESE for value in gold)
        else:
            self._refuse_strange(rows, gold, known)
        inputs = self.given(rows)
        return Examples(row_ids(rows, self.settings.id), tuple(map(self.shown, inputs)), gold, known, inputs)

    @staticmethod
    def _refuse_strange(rows: Rows, gold: Sequence[str], known: Sequence[str]) -> None:
        strange = [i for i, value in enumerate(gold) if value not in set(known)]
        names = ", ".join(sorted({repr(gold[i]) for i in strange})[:SHOWN])
        refuse(
            rows,
            strange,
            f"{'has' if len(strange) == 1 else 'have'} a label that no train row has ({names})",
            hint="mend the labels, add train rows, name them with --column labels=[...] for ways that read label names, "
            "or count them as none: --column outside=none",
        )

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """One output a label."""
        return tuple(labels)

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """The code of each row's label, (1,)."""
        return [examples.codes[row : row + 1] for row in readings.rows]

    def choose(
        self, scores: Sequence[np.ndarray], readings: Readings | None, examples: Examples, *, votes: bool = False
    ) -> dict[str, Any]:
        """Settings that validation rows decide: the `temperature`, and `reject_below` where an accuracy is wanted."""
        if not len(scores):
            return {}
        table, found, asked = np.concatenate(scores), {}, self.settings
        if asked.temperature is None:
            found["temperature"] = temperature_of(table, examples.codes, votes=votes)
        if asked.wanted_accuracy is not None and asked.reject_below is None:
            sure = chances(table, found.get("temperature", asked.temperature), votes=votes).max(axis=1)
            found["reject_below"] = bar_for(sure, table.argmax(1) == examples.codes, asked.wanted_accuracy)
        return found

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings | None,
        inputs: Sequence[str],
        labels: Sequence[str],
        *,
        votes: bool = False,
    ) -> Answers:
        """The label of the highest score, or none where it is not sure enough; scores become probabilities."""
        table = np.concatenate(scores) if len(scores) else np.zeros((0, len(labels)), np.float32)
        best = table.argmax(1) if len(table) else np.zeros(0, int)
        given = chances(table, self.settings.temperature, votes=votes)
        sure = given[np.arange(len(table)), best]
        bar = self.settings.reject_below or 0.0
        return Answers([labels[i] if known >= bar else None for i, known in zip(best, sure)], sure, given)

    def ask(self, value: Any) -> Asked:
        """The text, or both under the names of their columns."""
        return Asked(self.shown(value))

    def written(self, gold: str, given: Any) -> str:
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
        return {"kind": "classify", "inputs": self.text_columns, "answer": self.settings.label, "labels": words}

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Conflicting labels, nearly empty labels, imbalance."""
        return findings(train)

    def cells(self, value: str | None, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The label; empty where none is given."""
        return {"predicted": value}

    def label_texts(self, labels: Sequence[str]) -> list[str]:
        """Words for each label: its description where one is given, else its name with separators opened up, the whole path where it is one."""
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
    """`card/lostAbroad` as `card lost abroad`: a level alone would not say of what."""
    return " ".join(
        "".join(f" {c}" if c.isupper() and i and label[i - 1].islower() else c for i, c in enumerate(label))
        .replace("_", " ")
        .replace("-", " ")
        .replace("/", " ")
        .split()
    )
