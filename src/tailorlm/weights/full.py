"""`full`: every parameter learns (full fine-tuning)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.models.layers import dropouts
from tailorlm.weights.base import TrainedPart, WeightsSettings, mounted

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.models.encoder import TextModel


class Full(TrainedPart):
    """Train every parameter of the body and the head (fine-tuning II).

    The strongest way with thousands of rows or a far domain, and the dearest: gradients and two optimiser moments for every
    parameter, a whole model to store, the most forgetting. Choose `lora` when memory or storage is short, `features` when the
    comparison cannot tell them apart. Weight decay and rates by block
    are the loop's (`train.weight_decay`, `train.layer_decay`). Saved in transformers' own layout. Source: Devlin et al. 2018 (arXiv:1810.04805).
    """

    class Settings(WeightsSettings):
        """Settings of `full`."""

        lr: float = setting(5e-5, gt=0, le=1, help="learning rate", search=(2e-5, 5e-5, 1.5e-4))
        dropout: float | None = setting(
            None, ge=0, lt=1, help="dropout everywhere in the body while it learns, in place of the model's own shares"
        )

    settings: Settings
    whole: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._dropouts: list[tuple[Any, str, float]] = []  # what `dropout` set, and what it was

    def attach(self, model: TextModel) -> list[str]:
        """Every parameter learns; dropout is set where it is asked for."""
        if self.settings.dropout is not None:
            self._dropouts = list(dropouts(model.body))
            for module, name, _ in self._dropouts:
                setattr(module, name, self.settings.dropout)
        return super().attach(model)

    def fold(self, model: TextModel) -> list[str]:
        """What changed stays; what another part learns over it learns with the model's own dropout."""
        self._own_dropout()
        return super().fold(model)

    def release(self) -> None:
        """Give the model its own dropout back, and forget the base's own values."""
        super().release()
        self._own_dropout()

    def _own_dropout(self) -> None:
        for module, name, share in self._dropouts:
            setattr(module, name, share)
        self._dropouts = []

    def detach(self, model: TextModel) -> None:
        """Put the base's own values and dropout back and freeze everything."""
        super().detach(model)
        self.release()

    def trainable(self, model: TextModel) -> list[str]:
        """All of the body, but a pooler whose output nobody reads."""
        names = [n for n, _ in model.named_parameters() if n.startswith("body.")]
        return [n for n in names if model.pooling == "native" or ".pooler." not in f".{n}"]

    def save(self, model: TextModel, folder: Path) -> None:
        """Write the whole model as transformers does: config.json, model.safetensors, tokenizer files."""
        save_whole(model, folder, own_state(model))

    def load(self, model: TextModel, folder: Path) -> None:
        """Put the saved body in place of the base's; a folder without one is a TailorError."""
        from tailorlm.models.encoder import load_model
        from tailorlm.models.resolve import BaseModel

        if not (folder / "model.safetensors").is_file():
            raise TailorError(f"{folder} holds no model.safetensors", hint="fit it again")
        labels = list(model.config.id2label.values()) if model.pooling == "native" else []
        saved = BaseModel(model.base.name, folder, model.base.origin)
        model.body = load_model(saved, labels=labels, pooling=model.pooling, max_length=model.max_length).body


def own_state(model: TextModel) -> dict[str, Tensor]:
    """The state of a body that nothing wraps, without what adapters have put beside it; the tensors are the body's own, no copies."""
    beside = {name.removeprefix("body.") for name in mounted(model)}
    return {name: value for name, value in model.body.state_dict().items() if name not in beside}


def save_whole(model: TextModel, folder: Path, state: Mapping[str, Tensor]) -> None:
    """Write a body in transformers' own layout. state: as `own_state` gave it, maybe before another part wrapped the body."""
    body: Any = model.body
    plain = body.get_base_model() if hasattr(body, "get_base_model") else body
    plain.save_pretrained(folder, state_dict=dict(state), safe_serialization=True)
    model.tokenizer.save_pretrained(folder)
    if model.pooling not in ("native", "written"):
        # The place where sentence encoders name their pooling, so that the folder can be a base model in its turn.
        # A model read token by token names the mean, for whoever takes it as a sentence encoder.
        name = {"cls": "cls_token", "last": "lasttoken"}.get(model.pooling, "mean_tokens")
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(
            json.dumps({f"pooling_mode_{name}": True}) + "\n", encoding="utf-8"
        )
