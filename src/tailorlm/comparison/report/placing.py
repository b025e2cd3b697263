"""Where the names of points stand in a picture, so that none covers another, a mark or an interval bar.

Every label has some hundred places around its point. Labels move one at a time until nothing gets better, from many
starts, of which the best result is taken; points number in the tens, so this takes a blink. The starts are drawn from a
fixed seed: equal input, equal places.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # left, top, right, bottom; y grows downwards

NEAR = 10.0
LEADER_FROM = 16.0

_DISTANCES = (NEAR, 15.0, 24.0, 36.0, 50.0, 68.0, 90.0, 115.0)
_SIDES = (1.0, -1.0)
# Direction from the point to its label, with what it costs to stand there: right and left read best.
_DIRECTIONS = (
    *((x, y, 0.0 if x > 0 else 1.5) for x in _SIDES for y in (0.0,)),
    *((x, y, 2.5 if x > 0 else 4.0) for x in _SIDES for y in (-0.5, 0.5, -1.0, 1.0)),
    *((x, y, 4.0) for y in (-1.0, 1.0) for x in (0.0, 0.5, -0.5)),
)
_PADDING = 2.0
_PASSES = 30
_STARTS = 400  # shared among the labels: the more labels, the fewer starts


@dataclass(frozen=True)
class Anchor:
    """A point and the size of its label, in pixels. reach: the sizes of the things drawn at the point itself."""

    x: float
    y: float
    width: float
    height: float
    own: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where one label stands. leader: the line from the point to a label that stands apart, or None."""

    box: Box
    leader: tuple[float, float, float, float] | None


def place(anchors: Sequence[Anchor], frame: Box) -> list[Place]:
    """The places of all labels inside `frame`, in the order of `anchors`.

    Every anchor's `own` boxes are kept free by all labels. A label that finds no free place takes the least bad one.
    """
    obstacles = [box for anchor in anchors for box in anchor.own]
    choices = [_choices(anchor, [a for a in anchors if a is not anchor], obstacles, frame) for anchor in anchors]
    draw = random.Random(0)
    starts = [[0] * len(choices)] + [
        [draw.randrange(min(30, len(c))) for c in choices] for _ in range(_STARTS // max(len(choices), 1))
    ]
    results = [_settle(choices, start, draw.sample(range(len(choices)), len(choices))) for start in starts]
    best = min(results, key=lambda result: result[0], default=(0.0, []))
    return [choices[i][chosen][1] for i, chosen in enumerate(best[1])]


def overlap(one: Box, other: Box, padding: float = 0.0) -> float:
    """The area that two boxes share, in square pixels, the first grown by `padding` on every side."""
    across = min(one[2] + padding, other[2]) - max(one[0] - padding, other[0])
    down = min(one[3] + padding, other[3]) - max(one[1] - padding, other[1])
    return across * down if across > 0 and down > 0 else 0.0


def _settle(choices: list[list[tuple[float, Place]]], start: list[int], order: list[int]) -> tuple[float, list[int]]:
    """Moves one label at a time to its best place until none moves; the cost that is left and the places."""
    chosen = list(start)
    for _ in range(_PASSES):
        moved = False
        for i in order:
            others = [choices[j][chosen[j]][1] for j in range(len(choices)) if j != i]
            alone, spot = choices[i][chosen[i]]
            least, best = alone + sum(_clash(spot, other) for other in others) - 1e-9, chosen[i]
            for c, (alone, spot) in enumerate(choices[i]):
                if alone >= least:
                    break  # they are sorted: no later one can cost less
                cost = alone + sum(_clash(spot, other) for other in others)
                if cost < least:
                    least, best = cost, c
            moved, chosen[i] = moved or best != chosen[i], best
        if not moved:
            break
    places = [choices[i][c][1] for i, c in enumerate(chosen)]
    total = sum(choices[i][c][0] for i, c in enumerate(chosen))
    total += sum(_clash(one, other) for i, one in enumerate(places) for other in places[:i])
    return total, chosen


def _choices(anchor: Anchor, others: list[Anchor], obstacles: list[Box], frame: Box) -> list[tuple[float, Place]]:
    found = []
    for distance in _DISTANCES:
        for across, down, price in _DIRECTIONS:
            box = _box(anchor, across, down, distance)
            leader = _leader(anchor, box) if distance >= LEADER_FROM else None
            cost = price + 0.5 * distance + (8.0 if leader else 0.0) + 50.0 * _outside(box, frame)
            cost += sum(60.0 + area for o in obstacles if (area := overlap(box, o, _PADDING)))
            cost += 45.0 * _nearer_to_others(box, anchor, others)
            cost += 12.0 * sum(_crosses(leader, o) for o in obstacles if o not in anchor.own)
            found.append((cost, Place(box, leader)))
    return sorted(found, key=lambda item: item[0])[:100]


def _box(anchor: Anchor, across: float, down: float, distance: float) -> Box:
    x = anchor.x + across * (anchor.width / 2 + distance)
    y = anchor.y + down * (anchor.height / 2 + distance)
    return (x - anchor.width / 2, y - anchor.height / 2, x + anchor.width / 2, y + anchor.height / 2)


def _leader(anchor: Anchor, box: Box) -> tuple[float, float, float, float]:
    """From just outside the mark to the nearest edge of the label."""
    end_x, end_y = min(max(anchor.x, box[0]), box[2]), min(max(anchor.y, box[1]), box[3])
    length = max(((end_x - anchor.x) ** 2 + (end_y - anchor.y) ** 2) ** 0.5, 1.0)
    start = min(8.0 / length, 1.0)
    return (anchor.x + (end_x - anchor.x) * start, anchor.y + (end_y - anchor.y) * start, end_x, end_y)


def _nearer_to_others(box: Box, anchor: Anchor, others: list[Anchor]) -> int:
    """How many other points could be taken for the one that the label names."""
    own = _gap(box, anchor)
    return sum(1 for other in others if _gap(box, other) < own + 6.0)


def _gap(box: Box, anchor: Anchor) -> float:
    across = max(box[0] - anchor.x, 0.0, anchor.x - box[2])
    down = max(box[1] - anchor.y, 0.0, anchor.y - box[3])
    return float((across**2 + down**2) ** 0.5)


def _outside(box: Box, frame: Box) -> float:
    return max(frame[0] - box[0], 0) + max(frame[1] - box[1], 0) + max(box[2] - frame[2], 0) + max(box[3] - frame[3], 0)


def _clash(one: Place, other: Place) -> float:
    area = overlap(one.box, other.box, _PADDING)
    return (80.0 + area if area else 0.0) + 25.0 * (_crosses(one.leader, other.box) + _crosses(other.leader, one.box))


def _crosses(line: tuple[float, float, float, float] | None, box: Box) -> bool:
    if line is None or max(line[0], line[2]) < box[0] or min(line[0], line[2]) > box[2]:
        return False
    if max(line[1], line[3]) < box[1] or min(line[1], line[3]) > box[3]:
        return False
    steps = [i / 8 for i in range(1, 8)]
    points = ((line[0] + (line[2] - line[0]) * t, line[1] + (line[3] - line[1]) * t) for t in steps)
    return any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in points)
