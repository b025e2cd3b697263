"""`labels`: the loss between the model's scores and the right answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.tasks.base import Target


class Labels:
    """Supervised learning of a task's right answers.

    `losses` returns one loss a row; the loop divides their sum by the labels of the whole optimiser step, so that accumulation and
    uneven batches change nothing. Where labels differ much in size and small ones matter as much (`--metric macro_f1`), take `class_weights:
    balanced`; where most rows are easy and drown the hard ones, `focal` (Lin et al. 2017, arXiv:1708.02002). Both move probabilities away from
    what is true; the temperature fitted on the validation rows puts their height right again, not their tilt. `smoothing` is against
    overconfidence and labels that are wrong now and then.
    """

    class Settings(config.Settings):
        """Settings of `labels`."""

        smoothing: float = setting(
            0.0, ge=0, lt=1, help="label smoothing: share of the target spread over all labels, against overconfidence"
        )

        class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0, le=1e6)]] = setting(
            "none",
            help="weight of each label's rows: all alike, as if labels were equally frequent, or `label: weight`",
        )
        focal: float = setting(
            0.0,
            ge=0,
            le=10,
            help="gamma of the focal loss: rows that are right already count (1 - p)^gamma; 2 is usual",
        )

    learns_from: ClassVar[str] = "labels"

    def __init__(self, settings: Settings):
        self.settings = settings
        self.weights: np.ndarray | None = None  # (2, outputs): of an output that is not wanted, and of one that is

    def weigh(self, names: Sequence[str], targets: np.ndarray, target: Target) -> None:
        """Settle the weights of the outputs `names` by all targets there are: (places,) codes, or (places, outputs) zeros and ones.

        Balanced is scikit-learn's: n / (labels * n of the label), for `many` of both sides of each label; the mean over all places is 1.
        Named weights are for rows that have the label. TailorError for answers without labels, and for names there are not.
        """
        asked = self.settings.class_weights
        if target not in ("one", "many") and (asked != "none" or self.settings.focal):
            raise TailorError(
                f"class_weights and focal are for labels, each answered for itself, and this task's target is a '{target}'",
                hint="class_weights: none, focal: 0",
            )
        if asked == "none":
            return
        weights = np.ones((2, len(names)))
        if isinstance(asked, dict):
            strange = sorted(set(asked) - set(names))
            if strange:
                raise unknown_name("label that class_weights could be about", strange[0], names)
            weights[1] = [asked.get(name, 1.0) for name in names]
        elif target == "one":
            counts = np.bincount(targets[targets >= 0], minlength=len(names))
            weights[1] = counts.sum() / np.maximum(1, np.count_nonzero(counts) * counts)
        else:
            ones = targets.reshape(-1, len(names)).sum(axis=0)
            sides = np.stack([len(targets) - ones, ones])
            weights = np.where(sides.min(axis=0) > 0, len(targets) / np.maximum(1, 2 * sides), 1.0)
        self.weights = weights

    def losses(
        self,
        scores: Tensor,
        targets: Tensor,
        target: Target = "one",
        sizes: Tensor | None = None,
        links: Tensor | None = None,
    ) -> Tensor:
        """The loss of each row, (rows,), in nats (squared error for numbers), summed over its places and outputs.

        scores: (places, outputs), row after row. sizes: (rows,) places of each row, one each without it. targets, by `target`: `one`:
        (places,) codes, cross-entropy, -100 for a place at which nothing is asked; `chain`: (places,) codes, minus the log-probability of the
        row's whole sequence, with `links` (outputs, outputs) between neighbours; `many`: (places, outputs) zeros and ones, binary cross-entropy of
        each output; `number`: (places, outputs), half the squared error; `place`: (rows * outputs,), for each output the place within the
        row at which it should be highest, cross-entropy over the places.
        """
        if target == "place":
            return self._place(scores, targets, sizes)
        if target == "chain":
            return self._chain(scores, targets, sizes, links)
        losses = self._each(scores, targets, target)
        if sizes is None or len(sizes) == len(scores) == int((sizes == 1).sum()):
            return losses
        import torch

        rows = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes)
        return losses.new_zeros(len(sizes)).index_add(0, rows, losses)

    def _each(self, scores: Tensor, targets: Tensor, target: Target) -> Tensor:
        from torch.nn import functional

        smoothing = self.settings.smoothing
        if target == "one":
            losses = functional.cross_entropy(scores, targets, reduction="none", label_smoothing=smoothing)
            if self.settings.focal:
                plain = functional.cross_entropy(scores, targets, reduction="none") if smoothing else losses
                losses = losses * self._focus(plain)
            return losses if self.weights is None else losses * self._weight(scores)[1][targets.clamp_min(0)]
        wanted = targets.reshape(scores.shape).to(scores.dtype)
        if target == "many":
            soft = wanted * (1 - smoothing) + smoothing / 2
            losses = functional.binary_cross_entropy_with_logits(scores, soft, reduction="none")
            if self.settings.focal:
                losses = losses * self._focus(
                    functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
                )
            if self.weights is not None:
                no, yes = self._weight(scores)
                losses = losses * (wanted * yes + (1 - wanted) * no)
            return losses.sum(1)
        return 0.5 * (scores - wanted).square().sum(1)

    def _focus(self, losses: Tensor) -> Tensor:
        # The floor keeps the slope finite where p is 1 and gamma below 1.
        focus: Tensor = (1 - (-losses).exp()).clamp_min(1e-12) ** self.settings.focal
        return focus

    def _weight(self, like: Tensor) -> Tensor:
        import torch

        return torch.as_tensor(self.weights, dtype=like.dtype, device=like.device)

    def _chain(self, scores: Tensor, targets: Tensor, sizes: Tensor | None, links: Tensor | None) -> Tensor:
        from tailorlm.models.chain import chain_losses

        assert sizes is not None
        assert links is not None
        if self.settings.smoothing:
            raise TailorError(
                "a chain is learnt from whole sequences, over which no smoothing is defined",
                got=f"smoothing: {self.settings.smoothing:g}",
                hint="smoothing: 0, or decoder: viterbi",
            )
        return chain_losses(scores, targets, sizes, links.to(scores.dtype))

    def _place(self, scores: Tensor, targets: Tensor, sizes: Tensor | None) -> Tensor:
        import torch

        assert sizes is not None
        parts = torch.split(scores, sizes.tolist())
        wanted = targets.reshape(len(sizes), -1)
        smoothing = self.settings.smoothing
        return torch.stack(
            [
                torch.nn.functional.cross_entropy(part.T, row, reduction="sum", label_smoothing=smoothing)
                for part, row in zip(parts, wanted, strict=True)
            ]
        )
