"""The one training loop. Methods hand it parts; nobody overrides it.

A step: the rows of the step in parts that fit memory, loss summed and divided by the labels of the whole step, gradient
clipped, AdamW, learning rate moved. A pass: all steps, then the validation score; the best pass's weights are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.training.order import SeededOrder, micro_batches
from tailorlm.training.schedule import rate
from tailorlm.training.settings import TrainSettings

Event = dict[str, Any]


class Source(Protocol):
    """Where scores come from: a model over token ids, or a head over vectors computed once."""

    module: nn.Module
    lengths: Sequence[int]

    def scores(self, index: Sequence[int]) -> Tensor:
        """Label scores (rows, labels) of the rows with these indices, with gradients."""


class Objective(Protocol):
    """What is learnt from: returns the summed loss and how many labels it counts."""

    def loss(self, scores: Tensor, codes: Tensor) -> tuple[Tensor, int]:
        """scores: (rows, labels). codes: (rows,)."""


class Order(Protocol):
    """Which rows make each step of each pass."""

    def steps(self, epoch: int) -> list[list[int]]:
        """Row indices, one list a step."""


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
    """What a run of the loop left: losses per step (mean per label, nats), validation by pass, and the pass kept."""

    losses: list[float] = field(default_factory=list)
    validation: list[Score] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    rows_seen: int = 0

    @property
    def best(self) -> Score | None:
        """Validation score of the pass whose weights were kept."""
        return self.validation[self.best_epoch - 1] if self.validation else None


@dataclass
class Job:
    """One training run: what scores, what learns, from what, in what order.

    trainable: names in `source.module.named_parameters()`. codes: (rows,) label codes. ids: row names for messages.
    """

    source: Source
    trainable: Sequence[str]
    objective: Objective
    codes: np.ndarray
    ids: Sequence[str]
    settings: TrainSettings
    lr: float
    seed: int
    order: Order | None = None


def train(
    job: Job, *, validate: Callable[[], Score] | None = None, listen: Callable[[Event], None] = lambda event: None
) -> Trained:
    """Run the job to its end and leave the best pass's weights in the model (the last pass's, without `validate`).

    listen: receives one event a step and one a pass. Raises TailorError when a loss or gradient is not finite, naming step and
    rows; the weights are then those of the best pass so far.
    """
    torch.manual_seed(job.seed)
    parameters = dict(job.source.module.named_parameters())
    learning = {name: parameters[name] for name in job.trainable}
    optimiser = _adamw(learning, job)
    order = job.order or SeededOrder(job.source.lengths, job.settings.rows_per_step, job.seed)
    codes = torch.from_numpy(job.codes).to(next(iter(learning.values())).device)
    result, kept, step, start = Trained(), _copy(learning), 0, time.perf_counter()
    epochs = job.settings.epochs
    for epoch in range(min(epochs, job.settings.stop_after or epochs)):
        steps = order.steps(epoch)
        job.source.module.train()
        for index in steps:
            _set_rate(optimiser, job, step, epochs * len(steps))
            try:
                loss = _step(job, index, codes, learning, optimiser)
            except _NotFinite as fault:
                _restore(learning, kept)
                raise _not_finite(job, index, step, str(fault)) from None
            step += 1
            result.losses.append(loss)
            result.rows_seen += len(index)
            listen(
                {"event": "step", "step": step, "epoch": epoch + 1, "epochs": epochs, "loss": loss, "rows": len(index)}
            )
        job.source.module.eval()
        score = validate() if validate else None
        if score is None:
            result.best_epoch = epoch + 1
            continue
        improved = score.beats(result.best)
        result.validation.append(score)
        if improved:
            result.best_epoch, kept = epoch + 1, _copy(learning)
        listen({"event": "validation", "epoch": epoch + 1, "score": score.value, "loss": score.loss, "best": improved})
        if epoch + 1 - result.best_epoch >= job.settings.patience:
            break
    if validate:
        _restore(learning, kept)
    job.source.module.eval()
    result.seconds = time.perf_counter() - start
    return result


class _NotFinite(Exception):
    """A loss or gradient that is NaN or infinite."""


def _step(
    job: Job, index: list[int], codes: Tensor, learning: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer
) -> float:
    total = 0.0
    optimiser.zero_grad(set_to_none=True)
    for part in micro_batches(index, job.source.lengths, job.settings.micro_tokens):
        loss, _ = job.objective.loss(job.source.scores(part), codes[part])
        # Every row has one label here, so the labels of the whole step are its rows.
        (loss / len(index)).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    if not np.isfinite(total):
        raise _NotFinite("loss")
    norm = nn.utils.clip_grad_norm_(learning.values(), job.settings.clip)
    if not torch.isfinite(norm):
        raise _NotFinite("gradient")
    optimiser.step()
    return total / len(index)


def _adamw(learning: dict[str, nn.Parameter], job: Job) -> torch.optim.Optimizer:
    # Biases and norms are not pulled towards zero: their zero means nothing (Devlin et al. 2018, and every Trainer since).
    plain = [p for name, p in learning.items() if p.ndim < 2 or name.endswith("bias")]
    decayed = [p for name, p in learning.items() if not (p.ndim < 2 or name.endswith("bias"))]
    groups = [{"params": decayed, "weight_decay": job.settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=job.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)


def _set_rate(optimiser: torch.optim.Optimizer, job: Job, step: int, total: int) -> None:
    factor = rate(step, total, schedule=job.settings.schedule, warmup=job.settings.warmup)
    for group in optimiser.param_groups:
        group["lr"] = job.lr * factor


def _copy(learning: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in learning.items()}


@torch.no_grad()
def _restore(learning: dict[str, nn.Parameter], kept: dict[str, Tensor]) -> None:
    for name, parameter in learning.items():
        parameter.copy_(kept[name])


def _not_finite(job: Job, index: list[int], step: int, what: str) -> TailorError:
    rows = ", ".join(job.ids[i] for i in index[:8])
    return TailorError(
        f"the {what} of step {step + 1} is not a finite number",
        got=f"rows of that step: {rows}{' ...' if len(index) > 8 else ''}",
        hint=f"a smaller learning rate (now {job.lr:g}), or look at these rows",
    )
