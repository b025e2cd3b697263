"""The confusion matrix as a picture: rows are the right labels, columns the answers. Geometry only."""

from __future__ import annotations

from typing import Any

from tailorlm.comparison.report import format as fmt

LARGEST = 40

_FONT = 12.0
_LONGEST_NAME = 215.0
# Mistakes are rare, so their shades begin early: at most 3 %, 10 %, 25 %, 50 % of a line, and more.
_MISTAKE_STEPS = (0.03, 0.1, 0.25, 0.5)
_SLANT = 0.7071  # the column names stand at 45 degrees


def heatmap(confusion: dict[str, Any] | None) -> dict[str, Any] | None:
    """The picture's geometry, or None where there is no matrix or more than `LARGEST` labels.

    confusion: `labels` and `counts`, one list of counts per right label. A cell's shade (1 to 5) grows with its share
    of its row.
    """
    labels = [fmt.one_line(label) for label in (confusion or {}).get("labels") or []]
    counts = (confusion or {}).get("counts") or []
    if not labels or len(labels) > LARGEST:
        return None
    cell = 44.0 if len(labels) <= 6 else 32.0 if len(labels) <= 15 else 25.0
    rows = [fmt.fit_width(label, _FONT, _LONGEST_NAME) for label in labels]
    widest = max(fmt.width(text, _FONT) for text in rows)
    left, top = max(widest + 34.0, 76.0), widest * _SLANT + 40.0
    side = cell * len(labels)
    return {
        "width": left + side + max(widest * _SLANT, 60.0),
        "height": top + side + 4.0,
        "left": left,
        "top": top,
        "side": side,
        "cell": cell,
        "rows": [{"y": top + (i + 0.5) * cell + 4.0, "text": text, "full": labels[i]} for i, text in enumerate(rows)],
        "columns": [
            {"x": left + (i + 0.5) * cell + 4.0, "y": top - 7.0, "text": text, "full": labels[i]}
            for i, text in enumerate(rows)
        ],
        "cells": _cells(labels, counts, left, top, cell),
    }


def _cells(labels: list[str], counts: list[list[int]], left: float, top: float, cell: float) -> list[dict[str, Any]]:
    cells = []
    for i, row in enumerate(counts[: len(labels)]):
        total = sum(row)
        for j, amount in enumerate(row[: len(labels)]):
            if amount <= 0:
                continue
            cells.append(
                {
                    "x": left + j * cell + 0.5,
                    "y": top + i * cell + 0.5,
                    "size": cell - 1.0,
                    "middle_x": left + (j + 0.5) * cell,
                    "middle_y": top + (i + 0.5) * cell + 4.0,
                    "right": i == j,
                    "shade": _shade(amount / total, i == j),
                    "count": fmt.whole(amount),
                    "tip": f"{labels[i]} answered as {labels[j]}: {amount:,} of {fmt.plural(total, 'row')}",
                }
            )
    return cells


def _shade(share: float, right: bool) -> int:
    steps = (0.2, 0.4, 0.6, 0.8) if right else _MISTAKE_STEPS
    return 1 + sum(1 for step in steps if share > step)
