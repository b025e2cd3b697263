"""`prefix`: keys and values in front of every block's own, and the head, learn. Stands on PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.models.layers import blocks
from tailorlm.weights import _peft
from tailorlm.weights._virtual import Front
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class Prefix(TrainedPart):
    """Train keys and values that every block attends to before the text's own, and the head (prefix tuning).

    Speaks to every block without touching a weight, and requests of many tasks can share a batch. Texts lose as many positions as there are
    tokens. Between `bias` and `lora` in size; `lora` usually learns more from the same rows and costs nothing at prediction once merged.
    Needs a model that takes keys and values from outside: BERT, RoBERTa and models that write; not DistilBERT, ModernBERT or T5,
    which are refused. Saved in PEFT's layout. Source: Li and Liang 2021 (arXiv:2101.00190), peft 0.21 `tuners/prefix_tuning`.
    """

    class Settings(WeightsSettings):
        """Settings of `prefix`."""

        lr: float = setting(1e-2, gt=0, le=1, help="learning rate", search=(3e-3, 1e-2, 3e-2))
        tokens: int = setting(16, ge=1, le=1000, help="keys and values in front of each block's own", unit="tokens")
        projection: bool = setting(
            False,
            help="learn through a two-layer network that is dropped afterwards: slower, steadier for large models",
        )
        projection_width: int = setting(512, ge=1, le=65_536, help="width of that network", unit="columns")

    settings: Settings
    wraps: ClassVar[bool] = True
    folds: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._front = Front(settings.tokens, shown=False)

    def attach(self, model: TextModel) -> list[str]:
        """Wrap the body with PEFT; the prefix and the head learn. TailorError where the model takes no keys from outside."""
        import peft

        config = peft.PrefixTuningConfig(
            task_type=_peft.task_type(model),
            num_virtual_tokens=self.settings.tokens,
            token_dim=model.width,
            num_layers=len(blocks(model.body)),
            num_attention_heads=model.config.num_attention_heads,
            num_transformer_submodules=1,
            prefix_projection=self.settings.projection,
            encoder_hidden_size=self.settings.projection_width if self.settings.projection else None,
            modules_to_save=_peft.native_heads(model),
        )
        names = self._front.put(model, config)
        if names is None:
            raise TailorError(
                "prefix tuning needs a model that takes keys and values from outside, and this one does not",
                got=str(model.config.model_type),
                hint="--method prompt, or --method lora",
            )
        return names

    def detach(self, model: TextModel) -> None:
        """Take the prefix off again; the base is as it was."""
        self._front.take_off(model)

    def save(self, model: TextModel, folder: Path) -> None:
        """Write PEFT's own files, free of absolute paths."""
        _peft.save(model, folder)

    def load(self, model: TextModel, folder: Path) -> None:
        """Wrap a fresh base with the saved prefix."""
        self._front.load(model, folder, "a prefix")
