"""`score`: one text in, a number out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError
from tailorlm.data.rows import Rows, as_text
from tailorlm.tasks._labelled import SECOND, LabelledText
from tailorlm.tasks._numerals import in_words, numeral
from tailorlm.tasks.base import Answers, Asked, Examples, Target
from tailorlm.tasks.columns import (
    SHOWN,
    count,
    refuse_faults,
    row_ids,
)
from tailorlm.tasks.readings import Readings

# A rating has no more steps than this; tables and cuts of more would say nothing.
MOST_LEVELS = 20
# Places at which each cut is tried, and rounds over all cuts.
TRIED, ROUNDS = 200, 5
# Up to so many different numbers a split keeps the share of each; beyond, that of ten stretches.
FEW = 20


class Score(LabelledText):
    """A number for one text: ratings 1 to 5, similarity, prices, ages.

    The model learns how many spreads a number lies from the middle of the train rows (squared error); answers are read back and stay
    within the lowest and highest train number. Scores: Spearman's rank correlation, root mean squared error, mean absolute error,
    quadratic weighted kappa.

    Ratings and other steps with an order: `rounding: fitted` answers one of the numbers that train rows have, cut where kappa over the validation
    rows is highest. One number with cut points is what a cumulative link model is too (McCullagh 1980), and what graded essays and ratings
    are scored by is how far off an answer is, not whether it is the very step; only the cuts are fitted after the number, so any way
    and any base gives it. With plain `nearest` answers crowd in the middle, because squared error pulls doubtful ones there. Where steps
    have no order, or neighbours are not alike, `classify` learns each for itself.

    A model that writes is asked for a number. What is none, or lies outside the range, counts as no answer: it is never right, it is scored as
    the number farthest from the right one, and it is counted apart.
    """

    class Settings(config.Settings):
        """Settings of `score`: the columns, and the scale, which the train rows give where it is not given."""

        text: str = setting("text", help="the column that holds the text", min_length=1)
        second: str | None = setting(None, help=SECOND, min_length=1)
        label: str = setting("score", help="the column that holds the number", min_length=1)
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        middle: float | None = setting(
            None, ge=-1e300, le=1e300, help="the number that the model sees as 0; the train rows' mean"
        )
        spread: float | None = setting(
            None, gt=0, le=1e300, help="the distance that the model sees as 1; the train rows' standard deviation"
        )
        low: float | None = setting(None, ge=-1e300, le=1e300, help="the lowest answer; the train rows' lowest number")
        high: float | None = setting(
            None, ge=-1e300, le=1e300, help="the highest answer; the train rows' highest number"
        )
        rounding: Literal["none", "nearest", "fitted"] = setting(
            "none",
            help="answers are any number, the nearest one that train rows have, or cut where validation rows say",
        )
        levels: tuple[float, ...] | None = setting(
            None, help="the numbers that rounded answers have, rising; those of the train rows", min_length=2
        )
        cuts: tuple[float, ...] | None = setting(
            None, help="where one level ends and the next begins; half-way, or found on the validation rows"
        )
        max_length: int = setting(
            256, ge=8, le=131_072, help="longest text; what is beyond is cut, and counted", unit="tokens"
        )

        @model_validator(mode="after")
        def _levels_and_cuts(self) -> Self:
            for name in ("levels", "cuts"):
                values = getattr(self, name)
                if values is not None and list(values) != sorted(set(values)):
                    raise ValueError(f"{name}: the numbers must rise, each once")
            if self.cuts is not None and self.levels is not None and len(self.cuts) != len(self.levels) - 1:
                raise ValueError(f"cuts: {len(self.levels)} levels have {len(self.levels) - 1} cuts between them")
            return self

    answers = "number"
    metrics = ("spearman", "rmse", "mae", "qwk")
    target: Target = "number"

    # ---- rows

    def label_fault(self, value: object) -> str | None:
        """An answer is a finite number."""
        return f"no number in the column '{self.settings.label}'" if _number(value) is None else None

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into texts with numbers.

        labels: given for rows that are scored alone; without it these are rows to learn from, which must differ in their numbers. Raises
        UsageError (missing column) and CheckError (rows at fault, one number for all), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        gold = tuple(number for value in rows.column(self.settings.label) if (number := _number(value)) is not None)
        if labels is None and len(set(gold)) < 2:
            raise CheckError(
                f"all {len(rows)} {what} rows have the same number" if len(rows) else f"there are no {what} rows",
                got=f"{self.settings.label} = {gold[0]:g}" if gold else None,
                allowed="two numbers or more",
                hint=f"is '{self.settings.label}' the right column? the columns are: {', '.join(rows.columns)}",
            )
        inputs = self.given(rows)
        return Examples(
            row_ids(rows, self.settings.id), tuple(map(self.shown, inputs)), gold, (), inputs, _strata(gold)
        )

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Numbers so far from the others that squared error sees little else."""
        numbers = np.array(train.gold)
        far = np.flatnonzero(np.abs(numbers - numbers.mean()) > 6 * numbers.std())
        if not len(far):
            return []
        message = f"{count(len(far), 'row')} with a number more than six standard deviations from the mean"
        return [{"code": "far-number", "message": message, "rows": [train.ids[i] for i in far[:SHOWN]]}]

    # ---- a head on pooled vectors

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """One output: the number."""
        return (self.settings.label,)

    def settle(self, train: Examples) -> dict[str, Any]:
        """Settings that the train rows decide: the scale, and the range of answers."""
        numbers = np.array(train.gold)
        scale = {"middle": numbers.mean(), "spread": numbers.std() or 1.0, "low": numbers.min(), "high": numbers.max()}
        found: dict[str, Any] = {
            name: float(value) for name, value in scale.items() if getattr(self.settings, name) is None
        }
        if self.settings.rounding == "none" or self.settings.levels is not None:
            return found
        levels = sorted(set(train.gold))
        if len(levels) > MOST_LEVELS:
            raise CheckError(
                f"the train rows have {len(levels)} different numbers, which is no scale of steps",
                allowed=f"up to {MOST_LEVELS}",
                hint="--column rounding=none, or name the steps: --column levels=[1,2,3,4,5]",
            )
        return found | {"levels": levels}

    def choose(
        self, scores: Sequence[np.ndarray], readings: Readings, examples: Examples, *, votes: bool = False
    ) -> dict[str, Any]:
        """Settings that validation rows decide: the `cuts` at which quadratic weighted kappa over them is highest."""
        asked = self.settings
        if asked.rounding != "fitted" or asked.cuts is not None or asked.levels is None or not len(scores):
            return {}
        return {"cuts": best_cuts(self._numbers(scores), np.array(examples.gold, dtype=np.float64), asked.levels)}

    @property
    def _scale(self) -> tuple[float, float]:
        s = self.settings
        return (0.0 if s.middle is None else s.middle), (1.0 if s.spread is None else s.spread)

    def on_scale(self, numbers: np.ndarray) -> np.ndarray:
        """How many spreads numbers lie above the middle, as the head is to give them, float32."""
        middle, spread = self._scale
        return ((numbers - middle) / spread).astype(np.float32)

    def off_scale(self, scores: np.ndarray) -> np.ndarray:
        """The numbers that such scores stand for, of any size."""
        middle, spread = self._scale
        return middle + spread * scores.astype(np.float64)

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """(1, 1): how many spreads the row's number lies above the middle."""
        numbers = self.on_scale(np.array(examples.gold))
        return [numbers[row].reshape(1, 1) for row in readings.rows]

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings,
        inputs: Sequence[str],
        labels: Sequence[str],
        *,
        votes: bool = False,
    ) -> Answers:
        """The numbers on the scale of the rows, within their range, rounded where that is asked. Nothing tells how sure they are."""
        return Answers(self._rounded(self._numbers(scores)))

    def _rounded(self, numbers: np.ndarray) -> list[float]:
        """Numbers as answers: as they are, or the levels in whose stretches they lie."""
        levels = self.settings.levels
        if self.settings.rounding != "none" and levels is not None:
            cuts = self.settings.cuts if self.settings.cuts is not None else half_way(levels)
            numbers = np.array(levels)[np.searchsorted(cuts, numbers, side="right")]
        found: list[float] = numbers.tolist()
        return found

    def _numbers(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        numbers = self.off_scale(np.concatenate(scores)[:, 0] if len(scores) else np.zeros(0))
        low, high = self.settings.low, self.settings.high
        return np.asarray(np.clip(numbers, -np.inf if low is None else low, np.inf if high is None else high))

    # ---- a model that writes

    def ask(self, value: Any) -> Asked:
        """The text, or both under the names of their columns."""
        return Asked(self.shown(value))

    def written(self, gold: float, given: Any) -> str:
        """The number."""
        return in_words(gold)

    def choices(self, labels: Sequence[str]) -> list[str]:
        """None: a number is written."""
        return []

    def hear(self, text: str | None, labels: Sequence[str], given: Any) -> float | None:
        """The number that was written, rounded where that is asked; None where it is none, or outside the range."""
        number = numeral(text)
        return None if number is None or self._outside(number) else self._rounded(np.array([number]))[0]

    def aside(self, text: str | None, labels: Sequence[str], given: Any) -> dict[str, Any]:
        """`no_number`: whether none was written. `outside`: whether it lies outside the range."""
        number = numeral(text)
        return {"no_number": number is None, "outside": number is not None and self._outside(number)}

    def _outside(self, number: float) -> bool:
        low, high = self.settings.low, self.settings.high
        return (low is not None and number < low) or (high is not None and number > high)

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """The columns, and the steps or the range of the numbers."""
        s = self.settings
        scale = ""
        if s.rounding != "none" and s.levels is not None:
            scale = f"one of: {', '.join(map(in_words, s.levels))}"
        elif s.low is not None and s.high is not None:
            scale = f"from {in_words(s.low)} to {in_words(s.high)}"
        return {"kind": "score", "inputs": self.text_columns, "answer": s.label, "scale": scale}

    def cells(self, value: float | None, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The number, to six significant digits; nothing where what was written is none, or outside the range."""
        return {"predicted": None if value is None else float(f"{value:.6g}")}


def half_way(levels: Sequence[float]) -> np.ndarray:
    """The middles between neighbours."""
    return np.asarray((np.array(levels[1:]) + np.array(levels[:-1])) / 2)


def best_cuts(numbers: np.ndarray, gold: np.ndarray, levels: Sequence[float]) -> list[float]:
    """Rising cuts, one fewer than levels, at which the quadratic weighted kappa of `numbers` cut there with `gold` is high.

    From half-way on, one cut after the other is put where kappa is highest while the others stay, until none moves.
    """
    steps, cuts = np.array(levels), half_way(levels)
    ordered = np.unique(numbers)
    places = (ordered[1:] + ordered[:-1]) / 2
    if len(places) > TRIED:
        places = np.unique(np.quantile(numbers, np.linspace(0, 1, TRIED + 2)[1:-1]))
    for _ in range(ROUNDS):
        before = cuts.copy()
        for i in range(len(cuts)):
            low, high = (cuts[i - 1] if i else -np.inf), (cuts[i + 1] if i + 1 < len(cuts) else np.inf)
            tried = [cuts[i], *places[(places > low) & (places < high)]]
            values = []
            for place in tried:
                cuts[i] = place
                values.append(_kappa(gold, steps[np.searchsorted(cuts, numbers, side="right")]))
            cuts[i] = tried[int(np.argmax(values))]
        if (cuts == before).all():
            break
    return [float(f"{cut:.6g}") for cut in cuts]


def _kappa(gold: np.ndarray, said: np.ndarray) -> float:
    by_chance = gold.var() + said.var() + (gold.mean() - said.mean()) ** 2
    return 1 - float(((gold - said) ** 2).mean() / by_chance) if by_chance > 0 else 1.0


def _number(value: object) -> float | None:
    """A cell as a finite number; None where it is none."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    text = as_text(value).strip()
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _strata(numbers: Sequence[float]) -> tuple[str, ...]:
    different = sorted(set(numbers))
    if len(different) <= FEW:
        return tuple(f"{number:g}" for number in numbers)
    edges = np.quantile(numbers, np.arange(1, 10) / 10)
    return tuple(f"stretch {place}" for place in np.searchsorted(edges, numbers))
