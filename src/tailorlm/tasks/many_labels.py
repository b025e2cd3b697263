"""`many_labels`: one text in, all labels that apply to it out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError
from tailorlm.data.rows import Rows, as_text
from tailorlm.tasks._calibration import logistic_of, single_chances
from tailorlm.tasks._labelled import SECOND, LabelledText
from tailorlm.tasks._lists import listed
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

SEPARATORS = ("|", ";", ",")


class ManyLabels(LabelledText):
    """Any number of labels for one text: emotions, topics, tags of an article.

    Rows hold a list of labels, or a text with `|`, `;` or `,` between them. Each label is a question of its own: answered where its
    probability reaches a threshold, one for all labels, at which micro-F1 is highest on the validation rows; the probability comes from
    `temperature` and `shift`, fitted there too.
    Scores: micro-F1, samples F1, macro-F1 over labels, subset accuracy, mean average precision. Where each row has one label, take `classify`.
    """

    class Settings(config.Settings):
        """Settings of `many_labels`: the columns, and when a label is answered."""

        text: str = setting("text", help="the column that holds the text", min_length=1)
        second: str | None = setting(None, help=SECOND, min_length=1)
        label: str = setting("labels", help="the column with the labels, as a list or with a separator", min_length=1)
        separator: str | None = setting(
            None,
            help="what stands between the labels of a text; without it the first of | ; , that the column holds",
            min_length=1,
        )
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        labels: tuple[str, ...] = setting(
            (),
            help="labels beyond those of the train rows, which rows to score may have; never answered by ways that learn",
        )
        threshold: float | None = setting(
            None, ge=0, le=1, help="a label is answered from this probability; without it found on the validation rows"
        )
        temperature: float | None = setting(
            None,
            gt=0,
            le=1e6,
            help="what scores are divided by before they are probabilities; without it fitted on the validation rows",
        )
        shift: float | None = setting(
            None, ge=-100, le=100, help="what is added to them then; without it fitted on the validation rows"
        )
        least: int | None = setting(
            None,
            ge=0,
            le=10_000,
            help="labels that every answer has at the least; without it 1 where every train row has one",
        )
        max_length: int = setting(
            256, ge=8, le=131_072, help="longest text; what is beyond is cut, and counted", unit="tokens"
        )

    answers = "labels"
    metrics = ("micro_f1", "samples_f1", "labels_macro_f1", "subset_accuracy", "map")
    target: Target = "many"

    # ---- rows

    def label_fault(self, value: object) -> str | None:
        """An answer is a list of labels with names, or a text of labels."""
        if isinstance(value, list):
            named = all(has_words(one) and not isinstance(one, list | dict) for one in value)
            return None if named else f"a label without a name in the column '{self.settings.label}'"
        if value is None or isinstance(value, dict):
            return f"no list of labels in the column '{self.settings.label}' (an empty one says that none applies)"
        return None

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into texts with sorted lists of labels.

        labels: the label set to hold to; without it the rows' own, which must be two or more. Raises UsageError (missing column) and
        CheckError (rows at fault, fewer than two labels, labels that train does not have), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        gold = self._labels(rows.column(self.settings.label), frozenset(labels or self.settings.labels))
        totals = Counter(label for some in gold for label in some)
        known = tuple(sorted({*totals, *self.settings.labels})) if labels is None else tuple(labels)
        if labels is None and len(totals) < 2:
            raise CheckError(
                f"the {what} rows have {count(len(totals), 'label')}" if len(rows) else f"there are no {what} rows",
                got=f"{self.settings.label} = {min(totals)!r}" if totals else None,
                allowed="two labels or more",
                hint=f"is '{self.settings.label}' the right column? the columns are: {', '.join(rows.columns)}",
            )
        strange = [i for i, some in enumerate(gold) if not set(some) <= set(known)]
        names = ", ".join(sorted(repr(label) for label in set(totals) - set(known))[:SHOWN])
        refuse(
            rows,
            strange,
            f"with a label that no train row has ({names})",
            hint="mend the labels, add train rows, or name them with --column labels=[...]: they then count as missed",
        )
        inputs = self.given(rows)
        # A split keeps the share of the rarest label that a row has.
        strata = tuple(min(some, key=lambda label: (totals[label], label)) if some else "(none)" for some in gold)
        return Examples(row_ids(rows, self.settings.id), tuple(map(self.shown, inputs)), gold, known, inputs, strata)

    def _labels(self, values: Sequence[Any], known: frozenset[str]) -> tuple[list[str], ...]:
        """The labels of each row, sorted. known: labels that are whole, whatever signs they hold."""
        separator = self.settings.separator
        if separator is None:
            texts = [value for value in values if isinstance(value, str)]
            separator = next((sign for sign in SEPARATORS if any(sign in text for text in texts)), SEPARATORS[0])
        found = []
        for value in values:
            if isinstance(value, list):
                parts = [as_text(one) for one in value]
            else:
                parts = [as_text(value)] if as_text(value).strip() in known else as_text(value).split(separator)
            found.append(sorted({part.strip() for part in parts if part.strip()}))
        return tuple(found)

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Labels of which there are too few rows to learn or to judge them."""
        totals = Counter(label for some in train.gold for label in some)
        rare = sorted(label for label, n in totals.items() if n < 10)
        if not rare:
            return []
        message = f"{count(len(rare), 'label')} with fewer than ten rows: hardly learnt, and the score is chance"
        return [{"code": "rare-label", "message": message, "rows": rare[:SHOWN]}]

    # ---- a head on pooled vectors

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """One output a label."""
        return tuple(labels)

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """(1, labels) ones for the row's labels, zeros for the others."""
        table = _table(examples)
        return [table[row : row + 1] for row in readings.rows]

    def settle(self, train: Examples) -> dict[str, Any]:
        """Settings that the train rows decide: `least`."""
        return {} if self.settings.least is not None else {"least": int(all(train.gold))}

    def choose(
        self, scores: Sequence[np.ndarray], readings: Readings, examples: Examples, *, votes: bool = False
    ) -> dict[str, Any]:
        """Settings that validation rows decide: `temperature` and `shift`, and the `threshold` at which micro-F1 over them is highest, half-way
        to the next probability."""
        if not len(scores):
            return {}
        table, wanted, found = np.concatenate(scores), _table(examples), {}
        asked = self.settings
        if asked.temperature is None and asked.shift is None:
            found["temperature"], found["shift"] = logistic_of(table, wanted, votes=votes)
        if asked.threshold is None:
            temperature, shift = found.get("temperature", asked.temperature), found.get("shift", asked.shift)
            found["threshold"] = best_threshold(single_chances(table, temperature, shift, votes=votes), wanted)
        return found

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings,
        inputs: Sequence[str],
        labels: Sequence[str],
        *,
        votes: bool = False,
    ) -> Answers:
        """The labels from the threshold on, at least `least`; how sure is the chance that all are right, as if each stood for itself."""
        table = np.concatenate(scores) if len(scores) else np.zeros((0, len(labels)), np.float32)
        chances = single_chances(table, self.settings.temperature, self.settings.shift, votes=votes)
        said = chances >= (0.5 if self.settings.threshold is None else self.settings.threshold)
        least = min(self.settings.least or 0, len(labels))
        if least:
            best = np.argsort(-chances, axis=1, kind="stable")[:, :least]
            np.put_along_axis(said, best, True, axis=1)
        sure = np.where(said, chances, 1 - chances).prod(axis=1)
        return Answers([[labels[i] for i in np.flatnonzero(row).tolist()] for row in said], sure, chances)

    # ---- a model that writes

    def ask(self, value: Any) -> Asked:
        """The text, or both under the names of their columns."""
        return Asked(self.shown(value))

    def written(self, gold: Sequence[str], given: Any) -> str:
        """The labels as a JSON list."""
        return json.dumps(list(gold), ensure_ascii=False)

    def choices(self, labels: Sequence[str]) -> list[str]:
        """None: there are as many answers as sets of labels."""
        return []

    def schema(self, labels: Sequence[str]) -> dict[str, Any]:
        """The JSON that a written answer has: a list of labels, as many as there are at most."""
        return {"type": "array", "items": {"enum": list(labels)}, "maxItems": len(labels)}

    def hear(self, text: str | None, labels: Sequence[str], given: Any) -> list[str] | None:
        """The known labels of the JSON list that was written, sorted; None where there is no list."""
        items = listed(text)
        return None if items is None else sorted({str(item) for item in items if item in labels})

    def aside(self, text: str | None, labels: Sequence[str], given: Any) -> dict[str, Any]:
        """`unread`: whether no list was written. `unknown`: how many of its items are no label."""
        items = listed(text)
        return {"unread": items is None, "unknown": sum(item not in labels for item in items or ())}

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """The labels."""
        words = {label: label for label in labels}
        return {"kind": "many_labels", "inputs": self.text_columns, "answer": self.settings.label, "labels": words}

    def cells(self, value: list[str] | None, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The labels; none where what was written was no list."""
        return {"predicted": value or []}


def best_threshold(chances: np.ndarray, wanted: np.ndarray) -> float:
    """Where to cut so that micro-F1 is highest: chances (rows, labels) 0 to 1, wanted zeros and ones alike; 0.5 where nothing is wanted."""
    order = np.argsort(-chances, axis=None, kind="stable")
    sorted_chances, hits = chances.ravel()[order].astype(np.float64), wanted.ravel()[order].cumsum()
    if not len(hits) or not hits[-1]:
        return 0.5
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    below = np.append(sorted_chances[1:], 0.0)
    f1[below == sorted_chances] = -1.0  # equal chances are answered together
    best = int(f1.argmax())
    return round(float((sorted_chances[best] + below[best]) / 2), 6)


def _table(examples: Examples) -> np.ndarray:
    place = {label: i for i, label in enumerate(examples.labels)}
    table = np.zeros((len(examples), len(place)), np.float32)
    for row, some in enumerate(examples.gold):
        table[row, [place[label] for label in some]] = 1
    return table
