"""`labels`: the loss between the model's scores and the right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.tasks.base import Target


class Labels:
    """Supervised learning of a task's right answers.

    `losses` returns one loss a row; the loop divides their sum by the labels of the whole optimiser step, so that accumulation and
    uneven batches change nothing.
    """

    class Settings(config.Settings):
        """Settings of `labels`."""

        smoothing: float = setting(
            0.0, ge=0, lt=1, help="label smoothing: share of the target spread over all labels, against overconfidence"
        )

    learns_from: ClassVar[str] = "labels"

    def __init__(self, settings: Settings):
        self.settings = settings

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
            return functional.cross_entropy(scores, targets, reduction="none", label_smoothing=smoothing)
        wanted = targets.reshape(scores.shape).to(scores.dtype)
        if target == "many":
            soft = wanted * (1 - smoothing) + smoothing / 2
            return functional.binary_cross_entropy_with_logits(scores, soft, reduction="none").sum(1)
        return 0.5 * (scores - wanted).square().sum(1)

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
