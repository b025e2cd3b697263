"""`spans`: stretches of a text, each with a type: names, slots, any marked words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

NONE = "(none)"


class Spans:
    """A list of `[start, end, type]`, in the order in which they stand; offsets in characters, `end` behind the last one."""

    name = "spans"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """Three values each: two offsets and a type of the label set (gold may have others), none empty, in order."""
        if not isinstance(value, list | tuple):
            return "not a list"
        last = -1
        for span in value:
            if not isinstance(span, list | tuple) or len(span) != 3 or not isinstance(span[2], str):
                return "not made of [start, end, type]"
            if not all(isinstance(offset, int) for offset in span[:2]) or not 0 <= span[0] < span[1]:
                return "not made of rising offsets"
            if span[0] < last:
                return "out of order"
            last = span[0]
        return None

    def right(self, gold: Any, predicted: Any) -> bool:
        """The same stretches with the same types, and no other."""
        return Counter(map(tuple, gold)) == Counter(map(tuple, predicted))

    def shown(self, value: Any) -> str:
        """`person 0-5, place 9-14`, or a dash."""
        return ", ".join(f"{kind} {start}-{end}" for start, end, kind in value) or "–"

    def marks(self, value: Any) -> list[list[Any]]:
        """Where they stand: `[start, end, type]` each."""
        return [list(span) for span in value]

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """`per_label` (strict, by type), `confusion` of types on equal stretches, `most_confused` pairs; `(none)`: no such stretch."""
        from tailorlm.evaluation.tables import label_score

        types = sorted(
            {span[2] for side in (predictions.gold, predictions.predicted) for spans in side for span in spans}
        )
        pairs = Counter(
            pair for gold, answer in zip(predictions.gold, predictions.predicted) for pair in _paired(gold, answer)
        )
        names = [*types, NONE]
        counts = np.array([[pairs[g, p] for p in names] for g in names], dtype=np.int64)
        wrong = sorted(((n, g, p) for (g, p), n in pairs.items() if g != p), key=lambda found: (-found[0], *found[1:]))
        return {
            "per_label": [
                asdict(label_score(kind, int(counts[i, i]), int(counts[i].sum()), int(counts[:, i].sum())))
                for i, kind in enumerate(types)
            ],
            "confusion": {"labels": names, "counts": counts.tolist()},
            "most_confused": [{"gold": g, "predicted": p, "count": n} for n, g, p in wrong[:15]],
        }

    def cases(self) -> Iterator[Predictions]:
        """One row, rows without spans, all right, all wrong, wrong types, moved edges, many spans of one type."""
        yield _predictions([[(0, 4, "A")]], [[(0, 4, "A")]])
        yield _predictions([[(0, 4, "A")]], [[(0, 4, "B")]])
        yield _predictions(
            [[(0, 4, "A"), (6, 9, "B")], [], [(1, 2, "A")]], [[(0, 4, "A"), (6, 9, "B")], [], [(1, 2, "A")]]
        )
        yield _predictions([[(0, 4, "A")], [(5, 7, "B")]], [[], [(8, 9, "B")]])
        rng = np.random.default_rng(0)
        for rows in (10, 60):
            gold = [
                [(10 * i, 10 * i + 4, str(rng.choice(list("ABC")))) for i in range(rng.integers(0, 4))]
                for _ in range(rows)
            ]
            yield _predictions(gold, [[_changed(span, rng) for span in spans if rng.random() < 0.8] for spans in gold])


def _paired(gold: Any, predicted: Any) -> Iterator[tuple[str, str]]:
    """Gold and predicted type of each stretch, those of equal edges together."""
    left, right = Counter(map(tuple, gold)), Counter(map(tuple, predicted))
    same = left & right
    for (_, _, kind), times in same.items():
        yield from [(kind, kind)] * times
    rest = list((right - same).elements())
    for start, end, kind in (left - same).elements():
        match = next((span for span in rest if span[:2] == (start, end)), None)
        if match is not None:
            rest.remove(match)
        yield kind, match[2] if match is not None else NONE
    yield from ((NONE, kind) for _, _, kind in rest)


def _changed(span: tuple[int, int, str], rng: np.random.Generator) -> tuple[int, int, str]:
    start, end, kind = span
    if rng.random() < 0.2:
        return start, end, "C"
    return (start, end + 1, kind) if rng.random() < 0.2 else span


def _predictions(gold: list[Any], predicted: list[Any]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(gold)))
    sides = [tuple([list(span) for span in spans] for spans in side) for side in (gold, predicted)]
    return Predictions(ids, sides[0], sides[1], ("A", "B", "C"), None, "spans")
