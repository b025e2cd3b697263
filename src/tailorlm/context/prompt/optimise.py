"""The best of many prompts by trying them: wordings x example sets on validation rows, within a budget of calls."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from tailorlm.core.errors import TailorError, UsageError

P = TypeVar("P")
Ask = Callable[[Sequence[P]], Sequence[str | None]]
"""Prompts in, answers out in the same order; None for a call that failed."""
ScoreRows = Callable[[Sequence[str], Sequence[int]], float]
"""Answers and the places of their validation rows in; one number out, higher is better. A failed call comes as an empty answer."""


@dataclass(frozen=True)
class Candidate(Generic[P]):
    """One prompt to try. name: in the log. prompt: makes the prompt of a validation row from its place. cost: of ties the cheaper wins,
    such as tokens of the instruction and the examples.
    """

    name: str
    prompt: Callable[[int], P]
    cost: float = 0.0


@dataclass(frozen=True)
class Trial:
    """One candidate's standing after a round. rows: validation rows it has answered in all; failed: calls without an answer."""

    round: int
    candidate: str
    rows: int
    score: float
    failed: int
    kept: bool


@dataclass(frozen=True)
class Optimised:
    """What came of it. winner: a candidate's name. score: on `rows` validation rows, which chose it, so it flatters.

    calls: prompts asked, never above the budget. trials: every round's standings, for the log.
    """

    winner: str
    score: float
    rows: int
    calls: int
    budget: int
    seed: int
    trials: tuple[Trial, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """As it stands in a log (JSON)."""
        return asdict(self)


def optimise(
    candidates: Sequence[Candidate[P]], rows: int, ask: Ask[P], score: ScoreRows, *, budget: int, seed: int = 0
) -> Optimised:
    """Find the best candidate by successive halving on validation rows 0 .. rows - 1.

    Every round asks the candidates that are left on more rows, all on the same ones (in an order that the seed gives), and keeps the
    better half; each round may spend an equal share of the budget, and answers of earlier rounds count on. Ties go to the lower
    cost, then to the earlier one. The same seed and answers give the same result. budget: prompts asked in all, at most.

    Raises UsageError for no candidate, two of one name, no row, or a budget that does not pay one row for each; TailorError when
    `ask` gives another number of answers than it was asked for.
    Choose it with a few dozen validation rows at least: on fewer, luck decides. Test rows have no place here.
    Source: Jamieson & Talwalkar 2016, arXiv:1502.07943; Karnin et al. 2013.
    """
    _check(candidates, rows, budget)
    order = sorted(range(rows), key=lambda i: hashlib.sha256(f"{seed}|{i}".encode()).digest())
    left = [_Standing(candidate, place) for place, candidate in enumerate(candidates)]
    rounds = max(1, math.ceil(math.log2(len(candidates))))
    trials: list[Trial] = []
    calls = 0
    for number in range(1, rounds + 1):
        # What earlier rounds did not spend is shared by those to come.
        share = (budget - calls) // (rounds - number + 1)
        each = min(rows, len(left[0].answers) + max(share // len(left), 1))
        if calls + (each - len(left[0].answers)) * len(left) > budget:
            break
        for standing in left:
            calls += standing.ask(order[:each], ask, score)
        left.sort(key=lambda standing: (-round(standing.score, 9), standing.candidate.cost, standing.place))
        kept = left[: math.ceil(len(left) / 2)]
        trials += [standing.trial(number, kept=standing in kept) for standing in left]
        left = kept
        if len(left) == 1:
            break
    best = left[0]
    return Optimised(best.candidate.name, best.score, len(best.answers), calls, budget, seed, tuple(trials))


class _Standing(Generic[P]):
    """A candidate with the answers it has so far."""

    def __init__(self, candidate: Candidate[P], place: int):
        self.candidate, self.place = candidate, place
        self.answers: list[str | None] = []
        self.score = -math.inf

    def ask(self, rows: Sequence[int], ask: Ask[P], score: ScoreRows) -> int:
        """Answer the rows that were not asked yet, and score all; returns the number of calls."""
        new = rows[len(self.answers) :]
        if new:
            answers = ask([self.candidate.prompt(row) for row in new])
            if len(answers) != len(new):
                raise TailorError(
                    "the model gave another number of answers than it was asked for",
                    got=f"{len(answers)} answers to {len(new)} prompts",
                )
            self.answers += answers
        self.score = float(score([answer or "" for answer in self.answers], rows))
        if not math.isfinite(self.score):
            raise TailorError(f"the score of '{self.candidate.name}' is not a number", got=str(self.score))
        return len(new)

    def trial(self, number: int, *, kept: bool) -> Trial:
        failed = sum(answer is None for answer in self.answers)
        return Trial(number, self.candidate.name, len(self.answers), self.score, failed, kept)


def _check(candidates: Sequence[Candidate[P]], rows: int, budget: int) -> None:
    if not candidates or rows < 1:
        raise UsageError(
            "there is nothing to try", got=f"{len(candidates)} candidates, {rows} rows", allowed="one of each at least"
        )
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two candidates are called '{twice}'", hint="give each a name of its own")
    if budget < len(candidates):
        raise UsageError(
            f"{budget} calls are too few to ask each of {len(candidates)} candidates once",
            allowed=f"{len(candidates)} or more; {20 * len(candidates)} gives each ten rows in the first round or so",
            hint=f"--budget {20 * len(candidates)}, or fewer candidates",
        )
