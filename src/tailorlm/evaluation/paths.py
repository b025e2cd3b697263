"""Labels whose names are paths, `card/lost`: their levels, and what is right at each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailorlm.evaluation.predictions import Predictions

BETWEEN = "/"


def path_of(label: str) -> list[str]:
    """`a/b/c` as `a`, `a/b`, `a/b/c`; a name with an empty step is one step."""
    steps = label.split(BETWEEN)
    if not all(step.strip() for step in steps):
        return [label]
    return [BETWEEN.join(steps[: i + 1]) for i in range(len(steps))]


def has_levels(labels: Sequence[str]) -> bool:
    """Whether some label stands below another, or two share what stands above them; `n/a` alone makes no levels."""
    above = [step for label in labels for step in path_of(label)[:-1]]
    return len(above) > len(set(above)) or bool(set(above) & set(labels))


def levels(predictions: Predictions) -> list[dict[str, Any]]:
    """Each level with its names, the rows that reach it, and the share of them that is right there and above; empty where names are no paths."""
    if not has_levels(predictions.labels):
        return []
    paths = {label: path_of(label) for label in {*predictions.labels, *predictions.gold, *predictions.predicted}}
    rows: list[dict[str, Any]] = []
    depth = 0
    pairs = [(paths[gold], paths[answer]) for gold, answer in zip(predictions.gold, predictions.predicted)]
    while True:
        reaching = [(gold, answer) for gold, answer in pairs if len(gold) > depth]
        if not reaching:
            return rows
        right = sum(answer[: depth + 1] == gold[: depth + 1] for gold, answer in reaching)
        names = {path[depth] for path in paths.values() if len(path) > depth}
        depth += 1
        rows.append({"level": depth, "names": len(names), "n": len(reaching), "right": right / len(reaching)})
