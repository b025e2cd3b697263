"""What the loop is asked to do and what it leaves: jobs, scores, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from tailorlm.models.arithmetic import precision
from tailorlm.training.lesson import Lesson
from tailorlm.training.order import SeededOrder
from tailorlm.training.rehearsal import Forecast, Needs
from tailorlm.training.settings import TrainSettings

Event = dict[str, Any]
Listener = Callable[[Event], None]
# A row as text, in stretches with whether they are learned.
Shown = Callable[[], Sequence[tuple[str, bool]]]
# Settings that say where and how a run is computed, not what: one may go on with others.
PLACE = {"sharding", "recompute"}


class Told(dict[str, Any]):
    """An event that can show a row. Files, logs and trackers keep its items alone; who shows it asks for the text, which is nowhere else.

    row: its name. example: makes its text; None where there is none to show.
    """

    def __init__(self, items: Mapping[str, Any], row: str = "", example: Shown | None = None):
        super().__init__(items)
        self.row, self.example = row, example


class Order(Protocol):
    """Which rows make each step of each pass."""

    def steps(self, epoch: int) -> Sequence[list[int]]:
        """Row indices, one list a step."""

    def total(self, epochs: int) -> int:
        """Steps of so many passes."""


class Limit(Protocol):
    """Something that may not grow above `limit` while a model learns."""

    limit: float

    def __call__(self) -> float:
        """How large it is with the weights as they stand."""


@dataclass(frozen=True)
class Score:
    """A validation score: `value` is the metric (higher is better), `loss` the mean log loss in nats.

    by_loss: the loss decides and the value settles ties, as is right where rows are so few that the value moves in coarse steps.
    """

    value: float
    loss: float
    by_loss: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """What scores are ordered by: larger is better."""
        return (-self.loss, self.value) if self.by_loss else (self.value, -self.loss)

    def beats(self, other: Score | None) -> bool:
        """Whether this one is better."""
        return other is None or self.rank > other.rank


@dataclass
class Trained:
    """What a run of the loop left.

    losses: of each step, mean over its labels, nats. validation: by pass. limited: by pass, what each limit measured. best_epoch: the pass kept.
    row_losses: (rows,) mean loss per label of each row over the passes, while the model was learning it: the largest are often
    wrongly labelled. ids: the names of those rows. notes: what a person should know of the run. resumed: the step it went on from, 0 for a
    whole run;
    earlier: seconds of the sittings before, which `seconds` includes. tokens_seen: by this process, without padding; busy: seconds of its steps.
    needs: the memory that it surely takes. forecast: of the memory, where the run was long enough for one. operations: floating point operations of
    matrix products for a token that is no padding, forward and backward. computed_in: `float32` or `bfloat16`.
    """

    losses: list[float] = field(default_factory=list)
    validation: list[Score] = field(default_factory=list)
    limited: list[list[float]] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    rows_seen: int = 0
    row_losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ids: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    resumed: int = 0
    earlier: float = 0.0
    tokens_seen: int = 0
    busy: float = 0.0
    needs: Needs | None = None
    forecast: Forecast | None = None
    operations: float = 0.0
    computed_in: str = "float32"

    @property
    def best(self) -> Score | None:
        """Validation score of the pass whose weights were kept."""
        return self.validation[self.best_epoch - 1] if self.validation else None

    def hardest(self, count: int) -> list[int]:
        """The rows that were hardest to learn, hardest first."""
        return [int(i) for i in np.argsort(-self.row_losses, kind="stable")[:count]]


@dataclass
class Job:
    """One training run: what is learnt from, which parameters learn, how.

    trainable: names in `lesson.module.named_parameters()`. ids: row names for messages. rates: factors on the learning rate by
    parameter, where they are not 1. begins: the pass (0 is the first) in which a parameter begins to learn, where it is a later one.
    penalties: losses added once a step, each a function of the weights alone (L2-SP, EWC); held: what they are, as written. limits:
    measured after every pass; once one is over its own, the pass before is kept and no other begins.
    base: a fingerprint of the weights it starts from, parts: what else decides what is computed (weights and objective as written, the stages
    before, ...), by the words a message would use; both for checkpoints.
    ends: in how many rows the token that an answer or text ends with is learned, where tokens are. example: the first row as text, for the
    terminal alone.
    """

    lesson: Lesson
    trainable: Sequence[str]
    ids: Sequence[str]
    settings: TrainSettings
    lr: float
    seed: int
    order: Order | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    begins: Mapping[str, int] = field(default_factory=dict)
    penalties: Sequence[Callable[[], Tensor]] = ()
    held: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[Limit] = ()
    base: str = ""
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: int | None = None
    example: Shown | None = None

    def rows_in_order(self) -> Order:
        """The order given, or the seeded one."""
        s = self.settings
        return self.order or SeededOrder(self.lesson.lengths, s.rows_per_step, self.seed, s.tokens_per_step)

    @property
    def computed_in(self) -> str:
        """What products are computed in on the device where the model lies: `float32` or `bfloat16`."""
        return precision(self.settings.precision, next(self.lesson.module.parameters()).device)

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on from a checkpoint, by the words a message would use."""
        return {
            "rows": self.lesson.fingerprint,
            "base weights": self.base,
            "learning rate": self.lr,
            "seed": self.seed,
            "parameters that learn": sorted(self.trainable),
            "rate factors": dict(sorted(self.rates.items())),
            "penalties": [dict(penalty) for penalty in self.held],
            "computed in": self.computed_in,
            "passes of beginning": dict(sorted(self.begins.items())),
            **{
                f"{at}.{name}": value
                for at, part in self.parts.items()
                for name, value in part.items()
                if name != "lr"  # which stands above
            },
        } | {f"train.{name}": v for name, v in self.settings.model_dump(mode="json").items() if name not in PLACE}
