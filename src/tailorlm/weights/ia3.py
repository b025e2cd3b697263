"""`ia3`: factors on keys, values and the inside of the MLP, and the head, learn. Stands on PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tailorlm.core.config import setting
from tailorlm.models.layers import projections
from tailorlm.weights import _peft
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class IA3(TrainedPart):
    """Train one factor for each output of keys and values and each input of the MLP's last layer, and the head.

    The fewest parameters of all that reach every block (0.05% of BERT-base); factors begin at one and can be merged. Its best
    rates are high. Choose it for very many small tasks over one base; `lora` learns more from the same rows, `bias` does without PEFT. Where
    query, key and value are one projection (GPT-2, ModernBERT) its whole output is scaled, as PEFT does. Saved in PEFT's layout. Source:
    Liu et al. 2022 (arXiv:2205.05638), peft 0.21 `tuners/ia3`.
    """

    class Settings(WeightsSettings):
        """Settings of `ia3`."""

        lr: float = setting(1e-2, gt=0, le=1, help="learning rate", search=(3e-3, 1e-2, 3e-2))

    wraps: ClassVar[bool] = True

    def attach(self, model: TextModel) -> list[str]:
        """Wrap the body with PEFT; the factors and the head learn."""
        import peft

        inside = projections(model.body, "mlp_out")
        config = peft.IA3Config(
            task_type=_peft.task_type(model),
            target_modules=[*projections(model.body, "key_value"), *inside],
            feedforward_modules=inside,
            fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in model.body.modules()),
            modules_to_save=_peft.native_heads(model),
        )
        return _peft.wrap(model, config)

    def detach(self, model: TextModel) -> None:
        """Take the factors off again; the base is as it was."""
        if _peft.is_wrapped(model):
            _peft.unwrap(model)
        super().detach(model)

    def fold(self, model: TextModel) -> list[str]:
        """Merge, so that another part can be trained over it."""
        self._before = _peft.changed_by_merging(model)
        self.merge(model)
        return sorted(self._before)

    def merge(self, model: TextModel) -> None:
        """Multiply the factors into the base weights; answers stay the same, to rounding."""
        _peft.merge(model)

    def save(self, model: TextModel, folder: Path) -> None:
        """Write PEFT's own files, free of absolute paths."""
        _peft.save(model, folder)

    def load(self, model: TextModel, folder: Path) -> None:
        """Wrap a fresh base with the saved factors."""
        _peft.load(model, folder, "an IA3 adaptation")
