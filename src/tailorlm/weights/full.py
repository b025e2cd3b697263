"""`full`: every parameter learns (full fine-tuning)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class Full(TrainedPart):
    """Train every parameter of the body and the head (fine-tuning II).

    The strongest way with thousands of rows or a far domain, and the dearest: gradients and two optimiser moments for every
    parameter, a whole model to store, the most forgetting. Choose `lora` when memory or storage is short, `features` when the
    comparison cannot tell them apart. Saved in transformers' own layout. Source: Devlin et al. 2018 (arXiv:1810.04805).
    """

    class Settings(WeightsSettings):
        """Settings of `full`."""

        lr: float = setting(5e-5, gt=0, le=1, help="learning rate", search=(2e-5, 5e-5, 1.5e-4))

    # The saved folder is a whole model: it is read without the base.
    whole: ClassVar[bool] = True

    def trainable(self, model: TextModel) -> list[str]:
        """All of the body, but a pooler whose output nobody reads."""
        names = [n for n, _ in model.named_parameters() if n.startswith("body.")]
        return [n for n in names if model.pooling == "native" or ".pooler." not in f".{n}"]

    def save(self, model: TextModel, folder: Path) -> None:
        """Write the whole model as transformers does: config.json, model.safetensors, tokenizer files."""
        model.body.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]
        model.tokenizer.save_pretrained(folder)
        if model.pooling != "native":
            # The place where sentence encoders name their pooling, so that the folder can be a base model in its turn.
            name = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}[model.pooling]
            (folder / "1_Pooling").mkdir(exist_ok=True)
            (folder / "1_Pooling" / "config.json").write_text(
                json.dumps({f"pooling_mode_{name}": True}) + "\n", encoding="utf-8"
            )

    def load(self, model: TextModel, folder: Path) -> None:
        """Put the saved body in place of the base's; a folder without one is a TailorError."""
        from tailorlm.models.encoder import load_model
        from tailorlm.models.resolve import BaseModel

        if not (folder / "model.safetensors").is_file():
            raise TailorError(f"{folder} holds no model.safetensors", hint="fit it again")
        labels = list(model.config.id2label.values()) if model.pooling == "native" else []
        saved = BaseModel(model.base.name, folder, model.base.origin)
        model.body = load_model(saved, labels=labels, pooling=model.pooling, max_length=model.max_length).body
