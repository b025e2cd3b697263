"""Picture 1: the score of every way against what fitting it took. Geometry only; the template draws it.

The picture is drawn here rather than by a charting library: it needs names that do not cover one another, colours that
follow the reader's light or dark page, and three widths, each in a few kilobytes of SVG that no script has to animate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tailorlm.comparison.report import format as fmt
from tailorlm.comparison.report.placing import Anchor, Box, place

NO_TIME = 0.01  # seconds; what takes less stands in a column of its own, for a log scale has no zero
FONT, SMALL_FONT, LINE = 13.0, 11.5, 16.0
MARK = 6.5
MOST_LINES = 3

_SIZES = (("wide", 1080, 480, 17.0), ("medium", 660, 440, 16.0), ("narrow", 340, 460, 14.0))
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_COARSE = (0.001, 0.01, 0.1, 1.0, 10.0, _MINUTE, 10 * _MINUTE, _HOUR, 10 * _HOUR, 4 * _DAY, 40 * _DAY)
_STEPS = (1, 2, 5, 10, 20, 30)
_FINE = (
    *(step * power for power in (0.001, 0.01, 0.1) for step in (1, 2, 5)),
    *(float(step) for step in _STEPS),
    *(step * _MINUTE for step in _STEPS),
    *(step * _HOUR for step in (1, 2, 5, 10)),
    *(step * _DAY for step in (1, 2, 5, 10, 20, 50)),
)


@dataclass(frozen=True)
class Scale:
    """From a value to pixels, straight or (log) by powers of ten."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of `value`, in pixels."""
        at = math.log10(value) if self.log else value
        return self.start + (at - self.low) / (self.high - self.low) * (self.end - self.start)


def pictures(ways: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """The scatter picture in three widths, or none without a scored way.

    ways: rows as `view` makes them (`title`, `value`, `low`, `high`, `fit`, `shape`, `recommended`, `tip`).
    """
    shown = [way for way in ways if way["value"] is not None]
    return [_picture(shown, metric, *size) for size in _SIZES] if shown else []


def score_domain(ways: list[dict[str, Any]]) -> tuple[float, float]:
    """The smallest range that holds all scores and intervals, and is never empty."""
    ends = [end for way in ways for end in (way["value"], way["low"], way["high"]) if end is not None] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    least = 0.02 * max(1.0, abs(high))
    if high - low < least:
        inside = low >= 0 and high <= 1
        low, high = low - least / 2, high + least / 2
        if inside:
            low, high = max(low, 0.0), min(high, 1.0)
    return low, high


def score_ticks(low: float, high: float, most: int = 7) -> list[tuple[float, str]]:
    """Round numbers inside a range, with their text."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(i * step, f"{i * step:.{decimals}f}".replace("-", fmt.MINUS)) for i in range(first, last + 1)]


def time_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Times that people know (10 s, 1 min, 1 h) inside a range of seconds, at most about `most` of them."""
    fine = [tick for tick in _FINE if low <= tick <= high]
    coarse = [tick for tick in _COARSE if low <= tick <= high]
    chosen = fine if len(fine) <= most or len(coarse) < 2 else coarse
    return [(tick, _time_name(tick)) for tick in chosen]


def _time_name(tick: float) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1.0, "s")):
        if tick >= unit:
            return f"{tick / unit:g} {name}"
    return f"{tick * 1000:g} ms"


def _picture(
    ways: list[dict[str, Any]], metric: str, name: str, width: int, height: int, longest: float
) -> dict[str, Any]:
    low, high = score_domain(ways)
    ticks_y = score_ticks(low, high)
    left = 14 + max(fmt.width(text, SMALL_FONT) for _, text in ticks_y or [(0, "0.00")])
    frame: Box = (left, 30.0, width - 8.0, height - 46.0)
    timed = [way["fit"] for way in ways if way["fit"] is not None and way["fit"] >= NO_TIME]
    zero_x = frame[0] + 34.0 if len(timed) < len(ways) else None
    x = _time_scale(timed, frame, zero_x)
    y = Scale(low, high, frame[3] - 16.0, frame[1] + 36.0)
    points = [_point(way, x, y, zero_x, longest) for way in ways]
    _place_labels(points, frame)
    fast = [way["fit"] for way in ways if way["fit"] is None or way["fit"] < NO_TIME]
    best = next((point["y"] for point in points if point["shape"] == "best"), None)
    most = max(3, int((frame[2] - frame[0]) / 75))
    return {
        "name": name,
        "width": width,
        "height": height,
        "frame": {"left": frame[0], "top": frame[1], "right": frame[2], "bottom": frame[3]},
        "y_title": metric,
        "y_ticks": [{"y": y(value), "text": text} for value, text in ticks_y],
        "x_ticks": [{"x": x(value), "text": text} for value, text in _visible_ticks(x, most)] if timed else [],
        "zero": {"x": zero_x, "text": "0 s" if not any(fast) else "< 10 ms"} if zero_x is not None else None,
        "broken_at": zero_x + 30.0 if zero_x is not None and timed else None,
        "best_y": best,
        "points": points,
    }


def _time_scale(timed: list[float], frame: Box, zero_x: float | None) -> Scale:
    low, high = (math.log10(min(timed)), math.log10(max(timed))) if timed else (0.0, 1.0)
    if high - low < 0.6:
        middle = (low + high) / 2
        low, high = middle - 0.3, middle + 0.3
    start = frame[0] + 24.0 if zero_x is None else zero_x + 60.0
    return Scale(low, high, start, frame[2] - 24.0, log=True)


def _visible_ticks(x: Scale, most: int) -> list[tuple[float, str]]:
    # The axis goes a little beyond the outermost points; ticks may stand there too.
    beyond = 20.0 / (x.end - x.start) * (x.high - x.low)
    kept: list[tuple[float, str]] = []
    free_from = -math.inf
    for value, text in time_ticks(10 ** (x.low - beyond), 10 ** (x.high + beyond), most):
        half = fmt.width(text, SMALL_FONT) / 2 + 4.0
        if x(value) - half >= free_from:
            kept.append((value, text))
            free_from = x(value) + half
    return kept


def _point(way: dict[str, Any], x: Scale, y: Scale, zero_x: float | None, longest: float) -> dict[str, Any]:
    timed = way["fit"] is not None and way["fit"] >= NO_TIME
    at = x(way["fit"]) if timed or zero_x is None else zero_x
    whisker = way["low"] is not None and way["high"] is not None
    return {
        "x": at,
        "y": y(way["value"]),
        "top": y(way["high"]) if whisker else None,
        "bottom": y(way["low"]) if whisker else None,
        "shape": way["shape"],
        "recommended": way["recommended"],
        "tip": way["tip"],
        "lines": _lines(way["title"], longest),
    }


def _lines(title: str, longest: float) -> list[str]:
    """A title on one line, or on up to three where it is long; `longest` in letters."""
    limit = longest * 0.62 * FONT
    lines = [""]
    for word in title.split():
        joined = f"{lines[-1]} {word}".strip()
        if lines[-1] and fmt.width(joined, FONT) > limit:
            lines.append(word)
        else:
            lines[-1] = joined
    kept = lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        kept[-1] += "…"
    return [fmt.fit_width(line, FONT, limit * 1.1) for line in kept]


def _place_labels(points: list[dict[str, Any]], frame: Box) -> None:
    anchors = []
    for point in points:
        lines = point["lines"]
        wide = max(fmt.width(line, FONT) * (1.06 if point["recommended"] else 1.0) for line in lines)
        tall = LINE * len(lines)
        if point["recommended"]:
            wide, tall = max(wide, fmt.width("recommended", SMALL_FONT)), tall + LINE - 2
        reach = MARK + (4.5 if point["recommended"] else 1.0)
        own: list[Box] = [(point["x"] - reach, point["y"] - reach, point["x"] + reach, point["y"] + reach)]
        if point["top"] is not None:
            own.append((point["x"] - 3, point["top"], point["x"] + 3, point["bottom"]))
        anchors.append(Anchor(point["x"], point["y"], wide, tall, tuple(own)))
    room: Box = (frame[0] + 6.0, frame[1] - 14.0, frame[2], frame[3] - 4.0)
    for point, spot in zip(points, place(anchors, room), strict=True):
        middle = (spot.box[0] + spot.box[2]) / 2
        side = "end" if spot.box[2] <= point["x"] else "start" if spot.box[0] >= point["x"] else "middle"
        point["text_x"] = {"end": spot.box[2], "start": spot.box[0], "middle": middle}[side]
        point["text_y"], point["side"], point["leader"] = spot.box[1] + 12.0, side, spot.leader
