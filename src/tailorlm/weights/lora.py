"""`lora`: low-rank matrices beside frozen projections, and the head, learn. Stands on PEFT."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.models.layers import projections
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class LoRA(TrainedPart):
    """Train two low-rank matrices beside each chosen projection, W + (alpha / r) B A, and the head.

    Frozen weights keep no gradients or optimiser moments, and an adaptation is about 1% of the model; it can be merged
    into the base. Not much faster than `full` per step on a small model. Its best learning rate is about ten times
    that of full tuning, and all projections beat attention alone. Choose it when several adaptations share a base or memory is
    short; `full` when storage does not matter and rows are many. Saved in PEFT's layout: loads with plain
    `PeftModel.from_pretrained`. Source: Hu et al. 2021 (arXiv:2106.09685), peft 0.21 `tuners/lora`.
    """

    class Settings(WeightsSettings):
        """Settings of `lora`."""

        lr: float = setting(
            1e-3, gt=0, le=1, help="learning rate (about ten times that of full tuning)", search=(3e-4, 1e-3, 3e-3)
        )
        r: int = setting(8, ge=1, le=1024, help="rank: room for change; more for more rows", unit="columns")
        alpha: float = setting(16, gt=0, le=4096, help="scale of the change, which is alpha / r")
        dropout: float = setting(
            0.0, ge=0, lt=1, help="share of a projection's inputs dropped in training, against overfitting"
        )
        targets: Literal["all", "attention", "query_value", "mlp"] = setting(
            "all", help="the projections that get matrices"
        )

    settings: Settings

    def attach(self, model: TextModel) -> list[str]:
        """Wrap the body with PEFT; the low-rank matrices and the head learn."""
        import peft

        native = model.pooling == "native"
        heads = sorted({n.split(".")[1] for n in model.head_parameters()}) if native else None
        config = peft.LoraConfig(
            task_type="SEQ_CLS" if native else "FEATURE_EXTRACTION",
            r=self.settings.r,
            lora_alpha=self.settings.alpha,
            lora_dropout=self.settings.dropout,
            target_modules=projections(model.body, self.settings.targets),
            fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in model.body.modules()),
            modules_to_save=heads,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # transformers' own names, met inside PEFT
            model.body = peft.get_peft_model(model.body, config)
        if model.head is not None:
            model.head.requires_grad_(True)
        return sorted(name for name, p in model.named_parameters() if p.requires_grad)

    def detach(self, model: TextModel) -> None:
        """Take the matrices off again; the base is as it was, a native head included."""
        from peft.utils import ModulesToSaveWrapper

        for module in model.body.modules():
            if isinstance(module, ModulesToSaveWrapper):  # PEFT would leave the trained copy in place
                module.modules_to_save[module.active_adapters[0]].load_state_dict(module.original_module.state_dict())
        model.body = _peft(model).unload()
        model.requires_grad_(False)

    def merge(self, model: TextModel) -> None:
        """Add the low-rank change into the base weights; answers stay the same, to rounding."""
        model.body = _peft(model).merge_and_unload()

    def save(self, model: TextModel, folder: Path) -> None:
        """Write PEFT's own files, free of absolute paths."""
        # No embedding is ever resized here; looking for that, PEFT would ask the hub for the base's configuration.
        _peft(model).save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
        path = folder / "adapter_config.json"
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        # PEFT notes the folder the base was read from, which means nothing on another machine.
        config["base_model_name_or_path"] = model.base.origin
        for name in ("target_modules", "modules_to_save"):
            config[name] = sorted(config[name]) if config.get(name) else config.get(name)
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's is an empty form

    def load(self, model: TextModel, folder: Path) -> None:
        """Wrap a fresh base with the saved matrices; a key that does not fit is an error, not a warning."""
        import peft
        from safetensors import SafetensorError, safe_open

        try:
            model.body = peft.PeftModel.from_pretrained(model.body, folder)
            with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
                saved = set(file.keys())
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise TailorError(
                f"{folder} cannot be loaded as a LoRA adaptation", got=str(error).splitlines()[0]
            ) from None
        known = set(peft.get_peft_model_state_dict(model.body, save_embedding_layers=False))
        if saved != known:
            raise TailorError(
                f"{folder} does not fit the base model", got=f"{len(saved ^ known)} keys differ", hint="fit it again"
            )


def _peft(model: TextModel) -> Any:
    return model.body  # PEFT's wrapper, which has more methods than a module
