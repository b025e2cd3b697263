"""The parts of the test rows that a report looks at: length of text, frequency of the label in train, and columns that the user names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import Split
from tailorlm.evaluation import Predictions
from tailorlm.evaluation.groups import by_group

STRETCHES = 4
MOST_VALUES = 20
# Train rows of a label: none at all (it was only named), too few to learn from, and so on.
FREQUENCIES = ((0, 0), (1, 4), (5, 19), (20, 99), (100, 499), (500, None))
EMPTY, OTHERS = "(empty)", "(others)"


def group_tables(
    split: Split, ways: Mapping[str, Predictions], chosen: str, settings: CompareSettings
) -> list[dict[str, Any]]:
    """One table a way of parting the test rows: `by`, `rows` (see `evaluation.groups.by_group`). What would have one part is left out.

    ways: predictions of the test rows, in their order.
    """
    parted = {"length of text, characters": lengths(split.test.texts)}
    asked = "train queries of the passage" if split.test.pool else "train rows of the label"
    parted[asked] = frequencies(split.train.gold, split.test.gold)
    metric, level = str(settings.metric), settings.level
    tables = [
        {"by": by, "rows": rows}
        for by, (groups, order) in parted.items()
        if len(rows := by_group(metric, ways, groups, order, chosen=chosen, level=level)) > 1
    ]
    return tables + slice_tables(split.columns, ways, chosen, metric, level)


def slice_tables(
    columns: Mapping[str, Sequence[str]], ways: Mapping[str, Predictions], chosen: str, metric: str, level: float
) -> list[dict[str, Any]]:
    """One table a column that the user names, even where all rows have one value in it. columns: its value in each row."""
    tables = []
    for column, values in columns.items():
        groups, order = slices(values)
        rows = by_group(metric, ways, groups, order, chosen=chosen, level=level)
        if rows:
            tables.append({"by": column, "rows": rows})
    return tables


def lengths(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The stretch of lengths that each text lies in, four with as many rows each, and their names in order."""
    return stretches([len(text) for text in texts])


def stretches(numbers: Sequence[float]) -> tuple[list[str], list[str]]:
    """The stretch that each number lies in, named `7-23`; equal numbers in one, so there may be fewer than four."""
    given = np.array(numbers, dtype=np.float64)
    if not len(given):
        return [], []
    borders = np.unique(np.quantile(given, np.arange(1, STRETCHES) / STRETCHES, method="inverted_cdf"))
    place = np.searchsorted(borders, given, side="left")
    names = {}
    for at in np.unique(place).tolist():
        inside = given[place == at]
        low, high = (f"{value:g}" for value in (inside.min(), inside.max()))
        names[at] = low if low == high else f"{low}\u2013{high}"
    return [names[at] for at in place.tolist()], list(names.values())


def frequencies(train: Sequence[Any], test: Sequence[Any]) -> tuple[list[str], list[str]]:
    """How many train rows have the label of each test row (the rarest of several), and the names of these stretches, rarest first.

    Empty groups for answers that are no labels. A label that no train row has was only named to the model.
    """
    counts = Counter(label for gold in train for label in set(labels_of(gold)))
    names = {span: _frequency(*span) for span in FREQUENCIES}
    found = []
    for gold in test:
        labels = labels_of(gold)
        if not labels:
            found.append("")
            continue
        rows = min(counts[label] for label in labels)
        found.append(next(name for (_, high), name in names.items() if high is None or rows <= high))
    return found, list(names.values())


def labels_of(gold: Any) -> list[str]:
    """The labels, passages, or types of spans, of a right answer; none for texts in a list, numbers and the like."""
    if isinstance(gold, str):
        return [gold]
    if not isinstance(gold, list | tuple):
        return []
    if all(isinstance(one, str) for one in gold):
        return list(gold)
    return [one[2] for one in gold if isinstance(one, list | tuple) and len(one) == 3]


def slices(values: Sequence[str]) -> tuple[list[str], list[str]]:
    """The value of each row, commonest first; numbers of many values in stretches, and values beyond the twenty commonest together."""
    given = [value.strip() or EMPTY for value in values]
    counts = Counter(given)
    if len(counts) > MOST_VALUES:
        numbers = [_number(value) for value in given]
        if all(number is not None for number in numbers):
            return stretches([number for number in numbers if number is not None])
    common = [value for value, _ in counts.most_common(MOST_VALUES)]
    kept = set(common)
    named = [value if value in kept else OTHERS for value in given]
    return named, [*common, *([OTHERS] if len(counts) > len(common) else [])]


def _frequency(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} and more"
    return f"{low}" if low == high else f"{low}\u2013{high}"


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
