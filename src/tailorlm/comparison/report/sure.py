"""How sure the recommended way is, as pictures: reliability, and coverage against accuracy. Geometry only; the template draws it."""

from __future__ import annotations

from typing import Any

from tailorlm.comparison.report import format as fmt
from tailorlm.comparison.report.scatter import Scale

WIDTH, HEIGHT = 420, 380
LEFT, RIGHT, TOP, BOTTOM = 52.0, 396.0, 26.0, 268.0
BARS_TOP, BARS_BOTTOM = 292.0, 330.0


def reliability(table: dict[str, Any] | None) -> dict[str, Any] | None:
    """Points of the share that is right against how sure answers were, their whiskers, and bars of how many there are; None without bins."""
    bins = (table or {}).get("bins") or []
    if not table or not bins:
        return None
    across, up = Scale(0.0, 1.0, LEFT, RIGHT), Scale(0.0, 1.0, BOTTOM, TOP)
    most = max(one["n"] for one in bins)
    points = [
        {
            "x": across(one["sure"]),
            "y": up(one["right"]),
            "top": up(one["high"]),
            "bottom": up(one["low"]),
            "bar": BARS_BOTTOM - (BARS_BOTTOM - BARS_TOP) * one["n"] / most,
            "tip": f"{fmt.whole(one['n'])} {fmt.one_line(table['what'])}: sure {one['sure']:.2f}, right {one['right']:.2f} "
            f"[{one['low']:.2f}, {one['high']:.2f}]",
        }
        for one in bins
    ]
    gap = table["sure"] - table["right"]
    lean = "neither too sure nor too modest" if abs(gap) < 0.02 else f"too {'sure' if gap > 0 else 'modest'}"
    words = (
        f"{fmt.whole(table['n'])} {fmt.one_line(table['what'])}: {table['sure']:.3f} sure on average, {table['right']:.3f} right, "
        f"so {lean} on the whole. Calibration error {table['ece']:.3f}."
    )
    return _frame() | {"points": points, "words": words, "most": fmt.whole(most)}


def coverage(table: dict[str, Any] | None) -> dict[str, Any] | None:
    """The curve of accuracy among the answers that are given, by the share that is given, and where this way stands; None without points."""
    points = (table or {}).get("points") or []
    if not table or not points:
        return None
    lowest = min(point["accuracy"] for point in points)
    floor = max(0.0, int(lowest * 10) / 10 - (0.1 if lowest * 10 % 1 < 0.2 else 0.0))
    across, up = Scale(0.0, 1.0, LEFT, RIGHT), Scale(floor, 1.0, BOTTOM, TOP)
    curve = [(across(point["coverage"]), up(point["accuracy"])) for point in points]
    here = None
    if table["right"] is not None:
        share = table["answered"] / table["of"]
        here = {"x": across(share), "y": up(max(floor, table["right"])), "held": table["answered"] < table["of"]}
    steps = [point for point in points if point["accuracy"] >= 0.95]
    words = f"{fmt.whole(table['answered'])} of {fmt.whole(table['of'])} rows were answered"
    words += (
        f", {_percent(table['right'])} of them rightly [{_percent(table['low'])}, {_percent(table['high'])}]."
        if here
        else "."
    )
    if steps:
        best = steps[-1]
        words += f" On these rows {_percent(best['coverage'])} could be answered with at least 95 % right, by reject_below: {best['bar']:.3f}."
    frame = _frame(floor)
    return frame | {"line": curve, "here": here, "words": words, "points": [], "most": ""}


def _percent(share: float) -> str:
    return fmt.percent(round(share, 3))


def _frame(floor: float = 0.0) -> dict[str, Any]:
    up = Scale(floor, 1.0, BOTTOM, TOP)
    step = 0.2 if floor < 0.5 else 0.1 if floor < 0.8 else 0.05
    marks, value = [], 1.0
    while value >= floor - 1e-9:
        marks.append({"y": up(value), "text": f"{value * 100:.0f} %"})
        value -= step
    across = [{"x": LEFT + (RIGHT - LEFT) * i / 5, "text": f"{i * 20} %"} for i in range(6)]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "top": TOP,
        "bottom": BOTTOM,
        "bars_bottom": BARS_BOTTOM,
        "y_ticks": marks,
        "x_ticks": across,
    }
