"""Answers that stand in a text, shown in it: the text in pieces, some of them marked with what they are and whether they are right."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tailorlm.comparison.report import format as fmt

TONES = 8
"""Colours there are; further types take them again, and every mark also says its type."""
AROUND, LONGEST = 140, 1500
"""Characters shown before the first and behind the last mark of a long text, and of a text in all."""


def marked_row(row: dict[str, Any], tones: dict[str, int]) -> dict[str, Any] | None:
    """The right answer in the text, and what each way answered; None where answers do not stand in a text.

    row: with `text` and `marks` (`gold`: `[start, end, name]` each, `answers`: these by way). tones: colour of each name, which grows.
    """
    marks = row.get("marks")
    if not marks:
        return None
    text, gold = str(row.get("text") or ""), [tuple(mark) for mark in marks["gold"]]
    sides = [gold, *([tuple(mark) for mark in side] for side in marks["answers"].values())]
    for _, _, name in sorted({mark for side in sides for mark in side}):
        tones.setdefault(str(name), len(tones) % TONES)
    low, high = _window(text, [mark for side in sides for mark in side])
    shown = {way: [tuple(mark) for mark in side] for way, side in marks["answers"].items()}
    answers = {}
    for way, side in shown.items():
        extra, missed = Counter(side) - Counter(gold), Counter(gold) - Counter(side)
        answers[way] = {
            "pieces": _pieces(text, side, low, high, tones, set(extra)),
            "missed": [f"{fmt.one_line(text[a:b], 60)} ({fmt.one_line(name, 40)})" for a, b, name in sorted(missed)],
        }
    return {"gold": _pieces(text, gold, low, high, tones, set()), "answers": answers}


def _window(text: str, marks: list[tuple[Any, ...]]) -> tuple[int, int]:
    """What is shown of a text: the whole of it, or the surroundings of its marks."""
    if len(text) <= LONGEST:
        return 0, len(text)
    low = max(0, min((start for start, _, _ in marks), default=0) - AROUND)
    high = min(len(text), max((end for _, end, _ in marks), default=LONGEST) + AROUND)
    return low, min(high, low + LONGEST)


def _pieces(
    text: str, marks: list[tuple[Any, ...]], low: int, high: int, tones: dict[str, int], wrong: set[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """The text from `low` to `high`, cut where marks begin and end; of marks that overlap the first and longest is shown."""
    pieces: list[dict[str, Any]] = [_plain("…")] if low else []
    at = low
    for mark in sorted(set(marks), key=lambda found: (found[0], -found[1], found[2])):
        start, end, name = mark
        if start < at or end > high:
            continue
        pieces += [_plain(text[at:start])] if start > at else []
        tone = tones[str(name)]
        pieces.append(
            {"text": fmt.clean(text[start:end]), "name": fmt.one_line(name, 40), "tone": tone, "wrong": mark in wrong}
        )
        at = end
    pieces += [_plain(text[at:high])] if high > at else []
    return pieces + ([_plain("…")] if high < len(text) else [])


def _plain(text: str) -> dict[str, Any]:
    return {"text": fmt.clean(text), "name": "", "tone": 0, "wrong": False}
