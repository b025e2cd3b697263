"""Test rows and what became of them: what each way answered, and what is not the ordinary about that."""

from __future__ import annotations

from typing import Any

from tailorlm.comparison.report import format as fmt
from tailorlm.comparison.report.marked import TONES, marked_row

LONGEST_TEXT, LONGEST_ANSWER = 600, 300


def told(answered: dict[str, Any]) -> str:
    """What became of a way's rows, where that is not the ordinary: answers that failed, broke off, or cite what was not shown."""
    rows = fmt.whole(answered.get("rows"))
    parts = [
        f"{fmt.whole(count)} without an answer ({fmt.one_line(why)})"
        for why, count in (answered.get("faults") or {}).items()
    ]
    words = {"unfinished": "broke off", "cut": "with a prompt that was cut", "ungrounded": "cite what was not shown"}
    words |= {
        "kept": "answered before, and not asked again (the time a row is that of then)",
        "left_out": "without room for all examples or passages",
        "unread": "wrote no list",
        "invented": "spans that stand nowhere in their text",
        "unknown": "items of no known type",
        "no_number": "wrote no number",
        "outside": "wrote a number outside the range",
    }
    parts += [f"{fmt.whole(answered[key])} {word}" for key, word in words.items() if answered.get(key)]
    return f"of {rows} rows {', '.join(parts)}" if parts else ""


def rows(result: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Test rows with what each way answered; ways that gave one answer stand together, right answers first, then the better ones."""
    titles = {
        way.get("name"): fmt.one_line(way.get("title") or way.get("name"), 80) for way in result.get("ways") or []
    }
    made: list[dict[str, Any]] = []
    tones: dict[str, int] = {}  # one colour a type, on the whole page
    for label in (result.get("task") or {}).get("labels") or []:
        tones[str(label)] = len(tones) % TONES
    for row in result.get(key) or []:
        groups: dict[str, list[str]] = {}
        marked = marked_row(row, tones)
        places: dict[str, Any] = {}
        for name, answer in (row.get("answers") or {}).items():
            places.setdefault(fmt.clean(answer), marked["answers"][name] if marked else None)
            groups.setdefault(fmt.clean(answer), []).append(titles.get(name) or fmt.one_line(name, 80))
        given = {name: fmt.clean(answer) for name, answer in (row.get("answers") or {}).items()}
        answers = [
            _answer(label, ways, row, given, titles) | {"marked": places[label]} for label, ways in groups.items()
        ]
        answers.sort(key=lambda one: (not one["right"], one["rank"], -len(one["ways"]), one["label"]))
        shown = {
            "id": fmt.one_line(row.get("id"), 120),
            "gold": fmt.one_line(row.get("gold"), LONGEST_ANSWER),
            "answers": answers,
        }
        made.append({**shown, **_short_text(row.get("text")), "marked": marked})
    return made


def _answer(
    label: str, ways: list[str], row: dict[str, Any], given: dict[str, str], titles: dict[Any, str]
) -> dict[str, Any]:
    """One answer to a row, with the ways that gave it. given: name of each way to its answer."""
    right, scores, cited = row.get("right"), row.get("scores") or {}, row.get("cited") or {}
    names = [name for name, answer in given.items() if answer == label]
    said = [f"{titles.get(name) or name}: {', '.join(cited[name])}" for name in names if cited.get(name)]
    score = scores.get(names[0])
    return {
        "label": fmt.one_line(label, LONGEST_ANSWER) or "(no answer)",
        "right": label == fmt.clean(row.get("gold")) if right is None else names[0] in right,
        "ways": ways,
        "score": "" if score is None else fmt.score(score),
        "cited": [fmt.one_line(one, 300) for one in said],
        "rank": -float(score or 0.0),
    }


def _short_text(text: Any) -> dict[str, Any]:
    whole = fmt.clean(text)
    if len(whole) <= LONGEST_TEXT:
        return {"text": whole, "cut": ""}
    return {"text": whole[:LONGEST_TEXT].rstrip() + "…", "cut": f"{fmt.whole(len(whole))} characters in all"}
