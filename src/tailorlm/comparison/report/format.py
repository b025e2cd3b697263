"""Numbers and texts for people: the same words in the HTML page, in the Markdown page and on the terminal."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime
from typing import Any

from tailorlm.evaluation.wording import metric_words

NOTHING = "–"
MINUS = "\u2212"
VERDICTS = ("best", "cannot be told apart", "worse")

# Control characters can drive a terminal and lone surrogates cannot be written as UTF-8; both become U+FFFD.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Marks that turn the reading direction around: harmless in a file of rows, misleading in a table of labels.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SECOND_STEPS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def number(value: Any) -> float | None:
    """`value` as a finite float, or None for everything else (missing, text, NaN, infinite)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def clean(text: Any) -> str:
    """Text that can be shown anywhere: without control characters, lone surrogates and direction marks."""
    return _DIRECTION.sub("", _UNPRINTABLE.sub("\ufffd", "" if text is None else str(text)))


def one_line(text: Any, limit: int | None = None) -> str:
    """Clean text on one line; with `limit`, cut to that many characters with an ellipsis."""
    line = " ".join(clean(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def score(value: Any) -> str:
    """A score with three decimals: '0.868'; scores of 100 and more with one."""
    plain = number(value)
    if plain is None:
        return NOTHING
    text = f"{plain:.1f}" if abs(plain) >= 100 else f"{plain:.3f}"
    return _minus("0.000" if text == "-0.000" else text)


def interval(low: Any, high: Any) -> str:
    """'[0.843, 0.891]', or nothing where there is no interval."""
    return "" if number(low) is None or number(high) is None else f"[{score(low)}, {score(high)}]"


def score_interval(entry: dict[str, Any] | None) -> str:
    """A score with its interval: '0.868 [0.843, 0.891]'. entry: `value`, `low`, `high`."""
    entry = entry or {}
    return f"{score(entry.get('value'))} {interval(entry.get('low'), entry.get('high'))}".strip()


def difference(value: Any) -> str:
    """A difference of scores with its sign: '−0.012', '+0.004', '0.000'."""
    plain = number(value)
    if plain is None:
        return NOTHING
    text = f"{plain:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else _minus(text)


def difference_interval(entry: dict[str, Any] | None) -> str:
    """A difference with its interval: '−0.012 [−0.030, +0.004]'. entry: `difference`, `low`, `high`, or None."""
    entry = entry or {}
    low, high = entry.get("low"), entry.get("high")
    bracket = "" if number(low) is None or number(high) is None else f" [{difference(low)}, {difference(high)}]"
    return difference(entry.get("difference")) + bracket


def p_value(value: Any) -> str:
    """A probability: '<0.001', '0.004', '0.27', '1'."""
    plain = number(value)
    if plain is None:
        return NOTHING
    if plain < 0.001:
        return "<0.001"
    return f"{plain:.3f}" if plain < 0.0995 else f"{plain:.2f}" if plain < 0.995 else "1"


def percent(share: Any) -> str:
    """0.95 -> '95 %', 0.999 -> '99.9 %'."""
    plain = number(share)
    return NOTHING if plain is None else f"{plain * 100:.4g} %"


def seconds(value: Any) -> str:
    """A duration in at most three digits: '3.1 ms', '0.45 s', '96 s', '6.9 min', '2.1 h'."""
    plain = number(value)
    if plain is None or plain < 0:
        return NOTHING
    if plain == 0:
        return "0 s"
    if plain < 0.0995:
        return f"{_time_digits(plain * 1000)} ms"
    for size, unit in _SECOND_STEPS:
        if plain >= 2 * size or (unit == "min" and plain >= 119.5):
            return f"{_digits(plain / size)} {unit}"
    return f"{_time_digits(plain)} s"


def milliseconds(value: Any) -> str:
    """A duration given in milliseconds: '3.1 ms', '0.02 ms', '1.2 s'."""
    plain = number(value)
    if plain is None or plain < 0:
        return NOTHING
    return f"{_time_digits(plain)} ms" if plain < 999.5 else seconds(plain / 1000)


def size(value: Any) -> str:
    """A byte count in decimal units: '0 B', '1.2 MB', '900 MB', '22.7 GB'."""
    return _scaled(value, ("B", "kB", "MB", "GB", "TB", "PB"), plain_below=1000)


def price(value: Any) -> str:
    """A price in whatever currency, to three digits that matter: '0.125', '12.3'; 0 is nothing paid."""
    plain = number(value)
    return NOTHING if not plain else f"{plain:.3g}" if plain < 1000 else f"{plain:,.0f}"


def count(value: Any) -> str:
    """A count of parameters: '9,636', '123 k', '22.7 M'."""
    return _scaled(value, ("", "k", "M", "G", "T"), plain_below=10_000)


def whole(value: Any) -> str:
    """A whole number with thousands marked: '3,080'."""
    plain = number(value)
    return NOTHING if plain is None else f"{plain:,.0f}"


def setting(value: Any) -> str:
    """A setting as one short text: '0.0003', '1e-05', 'yes', 'a, b'."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value) or NOTHING
    if isinstance(value, dict):
        return ", ".join(f"{one_line(key)} {setting(item)}" for key, item in value.items()) or NOTHING
    return one_line(value)


def date(value: Any) -> str:
    """'2026-11-21T10:00:00Z' -> '21 November 2026'; anything else is shown as it is."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return one_line(value)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def plural(amount: int, one: str, many: str | None = None) -> str:
    """'1 row', '750 rows'."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def width(text: str, font_size: float) -> float:
    """Roughly how wide a line of system type is, in pixels; errs on the wide side."""
    return sum(_advance(char) for char in text) * font_size


def fit_width(text: str, font_size: float, limit: float) -> str:
    """The text, cut with an ellipsis to at most `limit` pixels."""
    if width(text, font_size) <= limit:
        return text
    kept = text
    while kept and width(kept + "…", font_size) > limit:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _advance(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char in " .,:;'|!ijl()[]":
        return 0.34
    return 0.88 if char in "mwMW@%—" else 0.7 if char.isupper() else 0.6


def _scaled(value: Any, units: tuple[str, ...], plain_below: int) -> str:
    plain = number(value)
    if plain is None or plain < 0:
        return NOTHING
    if plain < plain_below:
        return f"{plain:,.0f} {units[0]}".rstrip()
    for unit in units:
        if plain < 999.5 or unit == units[-1]:
            return f"{_digits(plain)} {unit}".rstrip()
        plain /= 1000
    return NOTHING


def _digits(value: float) -> str:
    """Two to three digits that matter, with at most one decimal: 0.5, 3.1, 12.3, 123."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}"


def _time_digits(value: float) -> str:
    """Two digits that matter: 0.025, 0.45, 3.1, 96."""
    if value >= 0.995:
        return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def forgotten(found: Any) -> str:
    """What a way has forgotten, in one cell: how far its vectors of general text have drifted, or what such text costs it more.

    `nothing` where the body did not learn, `0.042 drift` for an encoder (1 - linear CKA), `+0.31 nats` a token for a model that writes; of
    a recipe in steps each step that learnt.
    """
    if not isinstance(found, dict):
        return NOTHING
    if found.get("moved") is False:
        return "nothing"
    if found.get("steps"):
        moved = {name: one for name, one in found["steps"].items() if one.get("moved")}
        return ", ".join(f"{one_line(name, 40)} {forgotten(one)}" for name, one in moved.items())
    drift, language = number(found.get("drift")), _change(found, "nats_per_token")
    if drift is not None:
        return f"{max(0.0, drift):.3f} drift"
    return NOTHING if language is None else f"{_signed(language)} nats"


def forgotten_lines(found: Any) -> list[str]:
    """The same in sentences, one for each thing that was measured."""
    if not isinstance(found, dict):
        return []
    if found.get("moved") is False:
        return ["forgotten: nothing, the body did not learn"]
    if found.get("steps"):
        each = ((name, line) for name, one in found["steps"].items() for line in forgotten_lines(one))
        return [f"step {one_line(name, 40)}: {line}" for name, line in each]
    told = []
    drift, states = number(found.get("drift")), number(found.get("states"))
    if drift is not None:
        inner = f", {max(0.0, states):.3f} token by token" if states is not None else ""
        told.append(
            f"forgotten: vectors of general text drifted by {max(0.0, drift):.3f}{inner} (1 - linear CKA; 0 is none)"
        )
    for key, words in (("nats_per_token", "nats a token"), ("bits_per_byte", "bits a byte")):
        pair, change = (found.get("language") or {}).get(key) or {}, _change(found, key)
        if change is not None:
            told.append(
                f"forgotten: general text costs {pair['after']:.3f} {words}, before {pair['before']:.3f} ({_signed(change)})"
            )
    for name, pair in (found.get("probes") or {}).items():
        change = 100 * (pair["after"] - pair["before"])
        told.append(
            f"forgotten: probe {one_line(name, 80)} {pair['after']:.3f}, before {pair['before']:.3f} ({_signed(change, 1)} points)"
        )
    return told


def tasks(found: Any) -> list[dict[str, Any]]:
    """What other tasks score, ready to print: one dict a task.

    began: as the first stage that learns it began; own: behind the last that does; end: behind the last stage; lost: what that is less than `own`,
    where stages came between. More is worse in `lost`, whatever the metric.
    """
    told = []
    for name, one in (found or {}).items():
        scores = {int(stage): value for stage, value in (one.get("after") or {}).items()}
        if not scores:
            continue
        own, end = scores[max(one["learnt"])], scores[max(scores)]
        points = one.get("unit") == "fraction"
        lost = (own - end if one.get("higher_is_better") else end - own) * (100 if points else 1)
        later = max(scores) > max(one["learnt"])
        told.append(
            {
                "task": one_line(name, 80),
                "metric": metric_words(one["metric"]),
                "rows": whole(one["test_rows"]),
                "began": score(one.get("before")),
                "own": score(own),
                "end": score(end),
                "lost": _minus(f"{lost:.1f} points" if points else f"{lost:.2f}") if later else NOTHING,
                "dropped": int(one.get("dropped") or 0),
            }
        )
    return told


def task_lines(found: Any) -> list[str]:
    """The same in sentences, one a task."""
    lines = []
    for one in tasks(found):
        later = f", {one['end']} at the end: forgotten {one['lost']}" if one["lost"] != NOTHING else ""
        lines.append(
            f"task {one['task']}: {one['metric']} {one['own']} behind its stage, {one['began']} before it{later} ({one['rows']} rows held out)"
        )
        if one["dropped"]:
            lines.append(f"task {one['task']}: {one['dropped']} rows left out, which stand among test rows")
    return lines


def task_facts(found: Any) -> dict[str, str]:
    """The same for a model card: what to call it, and its score at the end."""
    return {
        f"task {one['task']}": f"{one['metric']} {one['end']} on {one['rows']} rows held out" for one in tasks(found)
    }


def _change(found: dict[str, Any], key: str) -> float | None:
    pair = (found.get("language") or {}).get(key) or {}
    before, after = number(pair.get("before")), number(pair.get("after"))
    return None if before is None or after is None else after - before


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", MINUS)
