"""As many new rows as each label lacks, no more copies, none whose label does not hold."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from tailorlm.core.config import Settings, setting, validate
from tailorlm.core.errors import UsageError
from tailorlm.data.audit.words import order
from tailorlm.data.augment._agreement import Agreement
from tailorlm.data.augment._draft import Draft, Pool, Way
from tailorlm.data.quality import normalised

Check = Callable[[Sequence[Draft]], Sequence[bool]]
"""Whether each draft still has its label."""

_TRIES = 3
"""Drafts tried for each that a row may give: copies and rejected ones count."""


class AugmentSettings(Settings):
    """How many rows are made, and which are kept."""

    word = "the settings of augmentation"

    target: int | Literal["largest", "median"] = setting(
        "median", help="rows that each label should have in the end: a number, or as many as the largest or middle one"
    )
    per_row: int = setting(4, ge=1, le=1000, help="most new rows made from one row, so that none is repeated too often")
    check: Literal["classifier", "none"] = setting(
        "classifier", help="what says whether the label still holds; `none` keeps all that are no copies"
    )
    floor: float = setting(0.5, gt=0, lt=1, help="probability that the classifier must give the label")
    seed: int = setting(0, ge=0, help="decides what is changed where")


@dataclass(frozen=True)
class Augmentation:
    """What came of it.

    rows: the new rows, by label. made: rows by way. rejected: drafts that were left out, by way and reason ('copy' of a
    row that is there or of a held-out one, 'label' does not hold, 'empty', 'nothing to change'). short: labels that did
    not reach the target, with how many rows they lack.
    """

    rows: tuple[Draft, ...] = field(repr=False)
    made: Mapping[str, int]
    rejected: Mapping[tuple[str, str], int]
    short: Mapping[str, int]


def augment(
    texts: Sequence[str],
    labels: Sequence[str],
    ways: Sequence[Way],
    *,
    splits: Sequence[str] | None = None,
    avoid: Iterable[str] = (),
    check: Check | None = None,
    settings: AugmentSettings | None = None,
) -> Augmentation:
    """New train rows, until every label has as many as the target says, or nothing more can be made.

    Drawn from are rows of the split 'train' (all rows without `splits`) with a text and a label, each text once, and none
    that stands with two labels. A draft is kept when it is no copy (normalised) of any row of any split, of a text of
    `avoid` (test rows held elsewhere), or of another draft, and when `check` says that its label holds (the cheap
    classifier of `Agreement`, unless the settings or a function of the caller's say otherwise). Ways take turns. The
    texts made depend on the train rows, the ways and the seed, not on the order of the rows.
    Memory: what `Agreement` needs, and 8 bytes a text. Raises UsageError for lists of different lengths, no way, and a
    target that is not positive; what the ways raise passes through.

    Choose it for labels with too few rows, after splitting: rows made before splitting land in the test rows too.
    It shows a model variants, not new cases; rows that people write are worth more.

    >>> from tailorlm.data.augment.typos import Typos
    >>> settings = AugmentSettings(target=2, check="none")
    >>> made = augment(["Where is my parcel?"], ["delivery"], [Typos()], settings=settings)
    >>> [(row.label, row.mark, row.origins) for row in made.rows]
    [('delivery', 'augmented: typos', (0,))]
    """
    settings = settings or AugmentSettings()
    _check(texts, labels, splits, ways, settings)
    train = [i for i in range(len(texts)) if splits is None or splits[i] == "train"]
    train = [i for i in train if texts[i].strip() and labels[i].strip()]
    pool = _pool(texts, labels, train, settings.seed)
    sizes = Counter(labels[i] for i in train)
    wanted = {label: max(0, _target(sizes, settings) - size) for label, size in sorted(sizes.items())}
    if not any(wanted.values()):
        return Augmentation((), {}, {}, {})
    seen = {_key(text) for text in [*texts, *avoid]}
    judge = check or _judge(texts, labels, train, settings)
    run = _Run(pool, ways, judge, seen, settings)
    run.fill(wanted)
    short = {label: n - len(run.kept[label]) for label, n in wanted.items() if n > len(run.kept[label])}
    rows = tuple(draft for label in wanted for draft in run.kept[label])
    return Augmentation(rows, dict(Counter(draft.way for draft in rows)), dict(run.rejected), short)


def way_of(name: str, values: Mapping[str, Any] | None = None, function: Any = None) -> Way:
    """The way registered as `name`, with settings from a YAML file or the command line, checked.

    function: what `rewrite` calls. Raises UsageError for an unknown name, with near misses, and for wrong settings.
    """
    from tailorlm.data.augment import WAYS

    part = WAYS.get(name)
    settings = validate(dict(values or {}), part.Settings)
    return cast(Way, part(settings, function) if function is not None else part(settings))


class _Run:
    """The drafts kept so far, and what is needed to judge the next."""

    def __init__(self, pool: Pool, ways: Sequence[Way], check: Check, seen: set[bytes], settings: AugmentSettings):
        self.pool, self.ways, self.check, self.seen, self.settings = pool, ways, check, seen, settings
        self.kept: dict[str, list[Draft]] = {}
        self.rejected: Counter[tuple[str, str]] = Counter()
        self._from: Counter[int] = Counter()

    def fill(self, wanted: Mapping[str, int]) -> None:
        """Make drafts in rounds, one try for each row that is still needed, until all is full or all is tried."""
        self.kept = {label: [] for label in wanted}
        for turn in range(_TRIES * self.settings.per_row):
            by_way: dict[int, list[int]] = {}
            for label, n in wanted.items():
                missing = n - len(self.kept[label])
                free = [i for i in self.pool.of.get(label, ()) if self._from[i] < self.settings.per_row]
                for k, origin in enumerate(self._next(free, missing, turn)):
                    by_way.setdefault((turn + k) % len(self.ways), []).append(origin)
            if not by_way:
                return
            for place, origins in sorted(by_way.items()):
                self._round(self.ways[place], origins, turn, wanted)

    def _next(self, free: Sequence[int], missing: int, turn: int) -> list[int]:
        """The rows to try in this turn: those used least first, in an order that the turn decides."""
        ranked = sorted(free, key=lambda i: (self._from[i], order(self.settings.seed, str(turn), self.pool.texts[i])))
        # Some will be rejected: a few more than are needed, so that few rounds do.
        return ranked[: missing + missing // 2 + 2] if missing else []

    def _round(self, way: Way, origins: Sequence[int], turn: int, wanted: Mapping[str, int]) -> None:
        seeds = [self._seed(way, origin, turn) for origin in origins]
        fresh: list[Draft] = []
        for draft in way.drafts(origins, self.pool, seeds):
            reason = self._fault(draft)
            if reason:
                self.rejected[way.name, reason] += 1
            elif draft is not None:
                self.seen.add(_key(draft.text))
                fresh.append(draft)
        for draft, holds in zip(fresh, self.check(fresh) if fresh else [], strict=True):
            if not holds:
                self.rejected[way.name, "label"] += 1
            elif len(self.kept[draft.label]) < wanted[draft.label]:
                self.kept[draft.label].append(draft)
                self._from.update(draft.origins[:1])

    def _fault(self, draft: Draft | None) -> str:
        if draft is None:
            return "nothing to change"
        if not draft.text.strip():
            return "empty"
        return "copy" if _key(draft.text) in self.seen else ""

    def _seed(self, way: Way, origin: int, turn: int) -> int:
        text = self.pool.texts[origin]
        return int.from_bytes(order(self.settings.seed, way.name, str(turn), self.pool.labels[origin], text), "big")


def _pool(texts: Sequence[str], labels: Sequence[str], train: Sequence[int], seed: int) -> Pool:
    first: dict[str, int] = {}
    torn: set[str] = set()
    # In an order of content, so that of trivially equal texts the same one is taken in any order of rows.
    for i in sorted(train, key=lambda i: (order(seed, texts[i]), i)):
        key = normalised(texts[i])
        if labels[first.setdefault(key, i)] != labels[i]:
            torn.add(key)
    of: dict[str, list[int]] = {}
    for key, i in first.items():
        if key not in torn:
            of.setdefault(labels[i], []).append(i)
    return Pool(texts, labels, of)


def _judge(texts: Sequence[str], labels: Sequence[str], train: Sequence[int], settings: AugmentSettings) -> Check:
    if settings.check == "none":
        return lambda drafts: [True] * len(drafts)
    fitted = Agreement(settings.floor, settings.seed).fit([texts[i] for i in train], [labels[i] for i in train])
    place = {i: k for k, i in enumerate(train)}

    def holds(drafts: Sequence[Draft]) -> list[bool]:
        # The classifier knows the train rows alone, by their place among them.
        return fitted([Draft(d.text, d.label, d.way, tuple(place[i] for i in d.origins), d.source) for d in drafts])

    return holds


def _target(sizes: Counter[str], settings: AugmentSettings) -> int:
    if not sizes or isinstance(settings.target, int):
        return settings.target if isinstance(settings.target, int) else 0
    ranked = sorted(sizes.values())
    return ranked[-1] if settings.target == "largest" else ranked[len(ranked) // 2]


def _key(text: str) -> bytes:
    return hashlib.blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _check(
    texts: Sequence[str],
    labels: Sequence[str],
    splits: Sequence[str] | None,
    ways: Sequence[Way],
    settings: AugmentSettings,
) -> None:
    for name, values in (("labels", labels), ("splits", splits)):
        if values is not None and len(values) != len(texts):
            raise UsageError(f"texts and {name} must come in pairs", got=f"{len(texts)} texts and {len(values)} {name}")
    if not ways:
        raise UsageError("no way of augmenting is named", allowed="one at least, such as 'typos'")
    if isinstance(settings.target, int) and settings.target < 1:
        raise UsageError(
            "the target is out of bounds", got=str(settings.target), allowed="1 or more, largest or median"
        )
