"""Rows out that are empty, broken, too short or long, full of symbols, repetitive, of a wrong language or of a template."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.clean import MEASURES, FrequentKeys, identify, template_key
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally

_FENCE = 3.0
"""A proposed threshold lies this many times the middle half's width beyond that half: Tukey's 'far out'."""
_FINE = 16
_PARTS = 1000
PROPOSED = "would drop: "
_WORDS = {
    "min_characters": "too short",
    "max_characters": "too long",
    "min_words": "too few words",
    "max_words": "too many words",
    "max_symbols": "too many symbols",
    "max_repetition": "too repetitive",
    "max_broken": "broken characters",
    "max_placeholders": "template left unfilled",
}


class Filter(Step):
    """Drops rows by measures of their text; proposes thresholds from the set's own distribution.

    Without settings only rows without any letter or digit go. For everything else a threshold is proposed and shown with
    the rows it would drop; `learn: apply` uses the proposals, and writes them into the kept YAML as plain numbers, so that
    a later delivery meets the same ones. Rows that are merely unlike the others are not proposed: bounds in
    `clean/measures.py` hold the proposals off.
    Choose it behind `repair`. Instead of it: `deduplicate` for copies, `audit` for labels.
    """

    class Settings(BaseSettings):
        """Bounds; what is not given is not filtered by."""

        empty: bool = setting(True, help="drop rows whose text has no letter and no digit")
        min_characters: int | None = setting(None, ge=0, help="shorter texts go", unit="characters")
        max_characters: int | None = setting(None, ge=1, help="longer texts go", unit="characters")
        min_words: int | None = setting(None, ge=0, help="texts with fewer words go", unit="words")
        max_words: int | None = setting(None, ge=1, help="texts with more words go", unit="words")
        max_symbols: float | None = setting(None, ge=0, le=1, help="share of characters that are signs of no language")
        max_repetition: float | None = setting(
            None, ge=0, le=1, help="share of the words that stand in repeated runs of three"
        )
        max_broken: float | None = setting(None, ge=0, le=1, help="share of characters that replaced unreadable ones")
        max_placeholders: float | None = setting(None, ge=0, help="unfilled places of a template, like {{name}}")
        languages: tuple[str, ...] = setting(
            (), help="languages that stay (en, de, ...); texts too short or unclear to tell stay as well"
        )
        max_of_template: int | None = setting(
            None,
            ge=1,
            help="rows that one template made (equal but for numbers and names); the first ones stay",
            unit="rows",
        )
        learn: Literal["propose", "apply", "no"] = setting(
            "propose", help="thresholds from the distribution: shown with the rows they would drop, applied, or none"
        )

    settings: Settings

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self.surveys = settings.learn != "no" or settings.max_of_template is not None
        self._bounds = _bounds(settings)
        self._proposed: dict[str, float] = {}
        self._templates: dict[str, int] = {}
        self._surplus: frozenset[int] = frozenset()

    def look(self, items: Sequence[Item]) -> Any:
        """Histograms of the measures, and the template of each row."""
        texts = [self.context.fields.text(item.values) for item in items]
        bins: dict[str, Counter[str]] = {name: Counter() for name in MEASURES}
        for name, measure in MEASURES.items():
            for value, count in Counter(map(measure.of, texts)).items():
                bins[name][str(_bin(value, log=measure.log))] += count
        keys = [(place, key) for place, text in enumerate(texts) if (key := template_key(text)) is not None]
        return {
            "bins": {name: dict(found) for name, found in bins.items()},
            "templates": dict(Counter(key for _, key in keys)),
            "keys": keys if self.settings.max_of_template is not None else [],
            "rows": len(items),
        }

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """Proposed thresholds, templates that made many rows, and rows beyond the limit of their template."""
        bins: dict[str, Counter[str]] = {name: Counter() for name in MEASURES}
        frequent = FrequentKeys()
        seen: Counter[str] = Counter()
        surplus: list[int] = []
        limit = self.settings.max_of_template
        before = 0
        for look in looks:
            for name, found in look["bins"].items():
                bins[name].update(found)
            frequent.add(look["templates"].items())
            for number, key in look["keys"]:
                seen[key] += 1
                if limit is not None and seen[key] > limit:
                    surplus.append(before + number)
            before += look["rows"]
        proposed = _proposals(bins) if self.settings.learn != "no" else {}
        many = frequent.at_least(max(20, len(rows) // 100))
        return {"proposed": proposed, "templates": dict(list(many.items())[:20]), "surplus": surplus}

    def begin(self, learned: Any) -> None:
        """Take the proposals; as bounds where they are to be applied."""
        super().begin(learned)
        if learned is None:
            return
        self._templates = learned["templates"]
        self._surplus = frozenset(learned["surplus"])
        own = {name: value for name, value in learned["proposed"].items() if name not in self._bounds}
        if self.settings.learn == "apply":
            self._bounds = {**own, **self._bounds}
        else:
            self._proposed = own

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row, or why it goes; what a proposed threshold would drop is counted beside."""
        text = self.context.fields.text(item.values)
        if self.settings.empty and not any(map(str.isalnum, text)):
            return Dropped("empty")
        values: dict[str, float] = {}
        for key, bound in self._bounds.items():
            if _is_beyond(key, bound, text, values):
                return Dropped(*_fault(key, values))
        if self.settings.languages:
            guess = identify(text)
            if guess is not None and guess.code not in self.settings.languages:
                return Dropped("wrong language", f"{guess.code} ({guess.probability:.2f})")
        if item.number in self._surplus:
            return Dropped("one of many rows from one template")
        for key, bound in self._proposed.items():
            if _is_beyond(key, bound, text, values):
                why, detail = _fault(key, values)
                self._propose(tally, f"{why} ({key}: {bound:g})", item, text, detail)
        if self._templates and template_key(text) in self._templates:
            self._propose(tally, "one of many rows from one template (max_of_template)", item, text, "")
        return item

    def facts(self) -> dict[str, Any]:
        """The bounds in use and the proposed ones."""
        if self.learned is None:
            return {"bounds": self._bounds}
        templates = sorted(self._templates.values(), reverse=True)
        return {
            "bounds": self._bounds,
            "proposed": self.learned["proposed"],
            "rows of the largest templates": templates,
        }

    def learned_settings(self) -> dict[str, Any]:
        """Bounds that were learned and applied, as plain settings."""
        if self.settings.learn != "apply":
            return {}
        return {**{key: _as_setting(key, value) for key, value in self._bounds.items()}, "learn": "no"}

    @staticmethod
    def _propose(tally: Tally, reason: str, item: Item, text: str, detail: str) -> None:
        tally.numbers[PROPOSED + reason] += 1
        tally.show(PROPOSED + reason, item.where, text, None, detail)


def _bounds(settings: Filter.Settings) -> dict[str, float]:
    found = settings.model_dump(exclude_none=True)
    return {key: float(found[key]) for key in found if key.split("_", 1)[-1] in MEASURES}


def _is_beyond(key: str, bound: float, text: str, known: dict[str, float]) -> bool:
    """Whether a text is beyond a bound. known: its measures so far."""
    name = key[4:]
    value = known.get(name)
    if value is None:
        value = known[name] = MEASURES[name].of(text)
    return value < bound if key.startswith("min") else value > bound


def _fault(key: str, known: dict[str, float]) -> tuple[str, str]:
    name = key[4:]
    value = known[name]
    return _WORDS[key], f"{value:,.0f} {MEASURES[name].unit}" if value >= 1 else f"{value:.2g} {MEASURES[name].unit}"


def _as_setting(key: str, value: float) -> float | int:
    return int(value) if key.endswith(("characters", "words")) else value


def _bin(value: float, *, log: bool) -> int:
    return round(_FINE * math.log2(value + 1)) if log else round(_PARTS * value)


def _proposals(bins: dict[str, Counter[str]]) -> dict[str, float]:
    """Tukey's outer fences (of the logarithm, for lengths), held off by the bounds of each measure."""
    proposed: dict[str, float] = {}
    for name, measure in MEASURES.items():
        counts = sorted((int(bin_), n) for bin_, n in bins[name].items())
        if not counts:
            continue
        low, high = _quantile(counts, 0.25), _quantile(counts, 0.75)
        width = high - low
        if measure.log:
            under = 2 ** ((low - _FENCE * width) / _FINE) - 1
            over = 2 ** ((high + _FENCE * width) / _FINE) - 1
            assert measure.lowest is not None
            assert measure.highest is not None
            lower, upper = math.floor(min(under, measure.lowest)), math.ceil(max(over, measure.highest))
            if lower > 1:
                proposed[f"min_{name}"] = lower
            proposed[f"max_{name}"] = upper
        else:
            assert measure.highest is not None
            proposed[f"max_{name}"] = round(max((high + _FENCE * width) / _PARTS, measure.highest), 3)
    return proposed


def _quantile(counts: Sequence[tuple[int, int]], share: float) -> int:
    wanted = share * sum(n for _, n in counts)
    seen = 0
    for bin_, n in counts:
        seen += n
        if seen >= wanted:
            return bin_
    return counts[-1][0]
