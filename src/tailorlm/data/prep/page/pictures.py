"""Pictures of the audit: geometry only, the template draws. Widths are in pixels of a picture 640 wide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 640.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 8.0, 10.0, 34.0
_BINS = 8
_LETTER = 6.6
MOST_BARS = 24


def lengths(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Any] | None:
    """Two histograms of text lengths on one logarithmic axis, as outlines; None without rows.

    before, after: bin -> rows, where bin b holds lengths from 2 ** (b / 8) characters on (-1: empty).
    """
    bins = sorted(int(b) for b in {*before, *after} if int(b) >= 0)
    if not bins:
        return None
    low, high = bins[0], max(bins[-1] + 1, bins[0] + 2)
    step = 1 if high - low <= 60 else 2
    most = max(_grouped(counts, low, high, step)[1] for counts in (before, after))
    x = _scale(low, high, _LEFT, WIDTH - _RIGHT)
    y = _scale(0, most or 1, HEIGHT - _BOTTOM, _TOP)
    outlines = []
    for name, counts in (("before", before), ("after", after)):
        values, _ = _grouped(counts, low, high, step)
        points = [(x(low), y(0))]
        for i, value in enumerate(values):
            points += [(x(low + i * step), y(value)), (x(min(high, low + (i + 1) * step)), y(value))]
        points.append((x(high), y(0)))
        outlines.append({"name": name, "path": "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)})
    return {
        "outlines": outlines,
        "x_ticks": _length_ticks(low, high, x),
        "y_ticks": [{"at": y(value), "text": f"{value:,}"} for value in round_ticks(most, 4)],
        "bottom": HEIGHT - _BOTTOM,
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
    }


def bars(rows: Sequence[tuple[str, Mapping[str, int]]], most: int = MOST_BARS) -> dict[str, Any] | None:
    """Horizontal bars, stacked by the keys of each row, the longest first in the order given; None without rows.

    rows: (name, part -> count). Beyond `most` rows the others become one line that says how many there are.
    """
    if not rows:
        return None
    shown = list(rows[:most])
    left = rows[most:]
    largest = max(sum(parts.values()) for _, parts in shown) or 1
    lines = []
    for name, parts in shown:
        at = 0.0
        pieces = []
        for part, count in parts.items():
            wide = 100 * count / largest
            pieces.append({"part": part, "at": at, "wide": wide, "count": count})
            at += wide
        lines.append({"name": name, "pieces": pieces, "total": sum(parts.values())})
    return {"lines": lines, "left": len(left), "left_rows": sum(sum(parts.values()) for _, parts in left)}


def round_ticks(most: int, about: int) -> list[int]:
    """Round numbers from 0 up to `most`, about so many of them."""
    if most <= 0:
        return [0]
    rough = most / about
    power = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = int(next(size * power for size in (1, 2, 5, 10) if size * power >= rough))
    return list(range(0, most + 1, max(1, step)))


def _grouped(counts: Mapping[str, int], low: int, high: int, step: int) -> tuple[list[int], int]:
    values = [0] * math.ceil((high - low) / step)
    for bin_, count in counts.items():
        if int(bin_) >= 0:
            values[(int(bin_) - low) // step] += count
    return values, max(values)


def _length_ticks(low: int, high: int, x: Any) -> list[dict[str, Any]]:
    ticks = []
    free_from = -math.inf
    for power in range(0, 9):
        for factor in (1, 2, 5):
            value = factor * 10**power
            bin_ = _BINS * math.log2(value)
            text = f"{value:,}"
            half = len(text) * _LETTER / 2 + 8
            if low <= bin_ <= high and x(bin_) - half > free_from:
                ticks.append({"at": x(bin_), "text": text})
                free_from = x(bin_) + half
    return ticks


def _scale(low: float, high: float, start: float, end: float) -> Any:
    def place(value: float) -> float:
        return start + (value - low) / ((high - low) or 1) * (end - start)

    return place
