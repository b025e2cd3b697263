"""Several ways on the same test rows, and thousands of resamples of those rows for all of them at once."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import Metric, fits
from tailorlm.evaluation.metrics._base import Evidence, FloatArray, IntArray
from tailorlm.evaluation.predictions import Predictions

_BLOCK = 1 << 20
# Independent random streams of one seed: which rows are drawn must not depend on how many ways are drawn for.
_ROWS, _SEEDS = 0, 1


@dataclass(frozen=True)
class SharedRows:
    """The answers of K ways on the same n rows. Equal answers have equal codes, whatever their kind.

    `names`: K names, sorted. `answers`: for each way the predictions of its seeds. `gold`: (n,) codes. `predicted`: for each way
    (seeds, n) codes. `hits`: for each way (n,), how many of its seeds answer each row rightly.
    """

    names: tuple[str, ...]
    answers: tuple[tuple[Predictions, ...], ...]
    gold: IntArray
    predicted: tuple[IntArray, ...]
    hits: tuple[IntArray, ...]

    def __len__(self) -> int:
        return len(self.gold)

    def steady(self, way: int) -> bool:
        """Whether all seeds of way number `way` give the same answers: one seed, or nothing random in its training."""
        answers = self.predicted[way]
        return bool((answers == answers[0]).all())

    def right(self, way: int) -> IntArray:
        """How many seeds of way number `way` answer each row rightly, (n,)."""
        return self.hits[way]

    def evidence(self, metric: Metric) -> list[list[Evidence]]:
        """What every seed of every way says to a metric; a UsageError where the metric is for another kind of answers."""
        kind = self.answers[0][0].kind
        if not fits(metric, kind):
            raise UsageError(
                f"the metric '{metric.name}' scores answers of the kind '{metric.reads}'",
                got=f"answers of the kind '{kind}'",
            )
        return [[metric.evidence(predictions) for predictions in seeds] for seeds in self.answers]

    def rows_that_differ(self, first: int, second: int) -> int:
        """The number of rows on which not all seeds of both ways give one and the same answer."""
        both = np.concatenate([self.predicted[first], self.predicted[second]])
        return int(np.count_nonzero((both != both[0]).any(axis=0)))


def share_rows(ways: Mapping[str, Sequence[Predictions]]) -> SharedRows:
    """Line the ways up; a TailorError names the first row in which ids, their order or gold labels are not the same."""
    if not ways:
        raise TailorError("there is no way to score", got="no predictions", allowed="at least one way")
    names = tuple(sorted(ways))
    for name in names:
        if not ways[name]:
            raise TailorError(f"the way '{name}' has no predictions", got="0 seeds", allowed="at least one seed")
    first = ways[names[0]][0]
    for name in names:
        for seed, predictions in enumerate(ways[name]):
            _same_rows(names[0], first, f"{name}, seed {seed}" if len(ways[name]) > 1 else name, predictions)
    answers, kind = tuple(tuple(ways[name]) for name in names), kind_of(first.kind)
    known: dict[Hashable, int] = {}
    gold = _codes(first.gold, known)
    predicted = tuple(np.stack([_codes(one.predicted, known) for one in seeds]) for seeds in answers)
    if first.kind == "label":  # codes settle it, at once for all rows
        hits = tuple(np.count_nonzero(codes == gold, axis=0).astype(np.int64) for codes in predicted)
    else:
        hits = tuple(
            np.sum(
                [[kind.right(g, p) for g, p in zip(one.gold, one.predicted)] for one in seeds], axis=0, dtype=np.int64
            )
            for seeds in answers
        )
    return SharedRows(names, answers, gold, predicted, hits)


def _codes(values: Sequence[Any], known: dict[Hashable, int]) -> IntArray:
    """A number for each answer, equal for equal ones; `known` grows."""
    keys = (value if isinstance(value, str) else (json.dumps(value, sort_keys=True),) for value in values)
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def _same_rows(name: str, first: Predictions, other_name: str, other: Predictions) -> None:
    hint = "score every way on the same test rows, in the same order"
    if len(first) != len(other):
        got = f"{len(first)} rows for {name}, {len(other)} for {other_name}"
        raise TailorError("the ways were not scored on the same rows", got=got, hint=hint)
    if first.kind != other.kind:
        raise TailorError(
            "the ways did not answer in the same kind", got=f"{first.kind} for {name}, {other.kind} for {other_name}"
        )
    for kind, mine, theirs in (("id", first.ids, other.ids), (f"gold {first.kind}", first.gold, other.gold)):
        if mine != theirs:
            row = next(i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b)
            got = f"row {row}: {kind} {mine[row]!r} for {name}, {theirs[row]!r} for {other_name}"
            raise TailorError("the ways were not scored on the same rows", got=got, hint=hint)


def check_settings(level: float, resamples: int, seed: int) -> None:
    """Refuse settings that give no trustworthy interval or p-value, as a UsageError."""
    if not 0.5 <= level < 1.0:
        raise UsageError("the level of an interval is out of bounds", got=str(level), allowed="0.5 <= level < 1")
    least = int(np.ceil(10 / (1 - level) - 1e-6))
    if resamples < least:
        raise UsageError(
            f"{resamples} resamples are too few for a level of {level}",
            allowed=f"at least {least}",
            hint="2000 or more",
        )
    if seed < 0:
        raise UsageError("the seed of the resampling is negative", got=str(seed), allowed="0 or more")


def drawn_rows(n: int, resamples: int, seed: int) -> Iterator[tuple[slice, IntArray]]:
    """Rows drawn with replacement, n for each of `resamples` resamples, in blocks of bounded memory."""
    rng = np.random.default_rng([seed, _ROWS])
    step = max(1, _BLOCK // n)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        yield slice(start, stop), rng.integers(0, n, size=(stop - start, n), dtype=np.int32).astype(np.int64)


def bootstrap(metric: Metric, rows: SharedRows, resamples: int, seed: int) -> list[FloatArray]:
    """The metric of every seed of every way on the same resamples of the rows: for each way (seeds, resamples)."""
    drawn, evidence = [np.empty((len(codes), resamples)) for codes in rows.predicted], rows.evidence(metric)
    for where, index in drawn_rows(len(rows), resamples, seed):
        for values, seeds in zip(drawn, evidence):
            for one, said in zip(values, seeds):
                one[where] = said.resampled(index)
    return drawn


def seed_values(metric: Metric, rows: SharedRows) -> list[FloatArray]:
    """The metric of every seed of every way on all rows: for each way (seeds,)."""
    return [np.array([said.score() for said in seeds]) for seeds in rows.evidence(metric)]


@dataclass(frozen=True)
class SeedEffect:
    """How much a way's mean over seeds would move if it were trained again with other seeds, beyond what rows explain.

    `variance`: (K,) of the mean over each way's seeds; 0 for a way with one seed, whose seed effect nobody can know,
    and for one whose seeds answer alike.
    `freedom`: degrees of freedom of those variances; 0 when no way has two seeds.
    """

    variance: FloatArray
    freedom: int

    def draw(self, resamples: int, seed: int) -> FloatArray:
        """Seed effects for each way and resample, (K, resamples), from Student's t with `freedom` degrees."""
        if not self.variance.any():
            return np.zeros((len(self.variance), resamples))
        rng = np.random.default_rng([seed, _SEEDS])
        drawn = rng.standard_t(self.freedom, size=(len(self.variance), resamples))
        effects: FloatArray = np.sqrt(self.variance)[:, None] * drawn
        return effects


def seed_effect(values: Sequence[FloatArray], drawn: Sequence[FloatArray]) -> SeedEffect:
    """Estimate the seed effect of K ways from their seeds' values, (seeds,) each, and resamples, (seeds, B) each.

    Analysis of variance: the variance between seeds less the part that resampling rows already explains (two seeds
    differ on rows by chance), pooled over the ways. A way's variance is its own or the pooled one, whichever is larger:
    two or three seeds that happen to score alike are no proof of a small effect. Seeds that answer every row alike are:
    nothing in that way's training is random, and it has no seed effect.
    """
    own, freedom = np.zeros(len(values)), np.zeros(len(values), dtype=np.int64)
    for way, (value, draws) in enumerate(zip(values, drawn)):
        seeds = len(value)
        if seeds > 1 and np.ptp(draws, axis=0).any():
            by_rows = (draws - draws.mean(axis=0)).var(axis=1).mean() * seeds / (seeds - 1)
            own[way], freedom[way] = value.var(ddof=1) - by_rows, seeds - 1
    total = int(freedom.sum())
    pooled = max(0.0, float(own @ freedom) / total) if total else 0.0
    seeds_each = np.array([len(value) for value in values])
    variance = np.where(freedom > 0, np.maximum(own, pooled) / seeds_each, 0.0)
    return SeedEffect(variance, total)
