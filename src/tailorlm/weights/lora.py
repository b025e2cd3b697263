"""`lora`: low-rank matrices beside frozen projections, and the head, learn. Stands on PEFT."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.models.layers import projections
from tailorlm.weights import _peft
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel

# Starts that take their matrices out of the base weights, which are changed while the part learns.
FROM_BASE = ("pissa", "olora")


class LoRA(TrainedPart):
    """Train two low-rank matrices beside each chosen projection, W + (alpha / r) B A, and the head.

    Frozen weights keep no gradients or optimiser moments, and an adaptation is about 1% of the model; it can be merged
    into the base. Not much faster than `full` per step on a small model. Its best learning rate is about ten times
    that of full tuning, and all projections beat attention alone. Choose it when several adaptations share a base or memory is
    short; `full` when storage does not matter and rows are many. Saved in PEFT's layout: loads with plain
    `PeftModel.from_pretrained`. Sources: Hu et al. 2021 (arXiv:2106.09685), peft 0.21 `tuners/lora`; `rank_stabilised`: Kalajdzievski 2023
    (arXiv:2312.03732); `dora`: Liu et al. 2024 (2402.09353); `b_ratio`: Hayou et al. 2024 (2402.12354); `pissa`: Meng et al. 2024
    (2404.02948); `olora`: Büyükakyüz 2024 (2406.01775).
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
        names: tuple[str, ...] = setting(
            (), help="projections by the end of their names (`query`, `mlp.c_fc`) in place of `targets`"
        )
        rank_stabilised: bool = setting(
            False, help="scale alpha / sqrt(r) in place of alpha / r, so that higher ranks learn as fast (rsLoRA)"
        )
        dora: bool = setting(
            False, help="direction and length of each column learn apart (DoRA): often better at low rank, slower"
        )
        start: Literal["zero", "gaussian", "orthogonal", "pissa", "olora"] = setting(
            "zero", help="what the matrices begin as; `pissa` and `olora` take them out of the base weights"
        )
        b_ratio: float = setting(
            1.0, ge=1, le=1000, help="learning rate of B as a multiple of that of A (LoRA+); 16 in its paper"
        )
        bias: Literal["none", "all", "lora_only"] = setting(
            "none", help="biases that learn besides: none, all, or those of the chosen projections"
        )
        ranks: dict[str, int] = setting({}, help="other ranks by the end of a projection's name")
        alphas: dict[str, float] = setting({}, help="other alphas by the end of a projection's name")

        @model_validator(mode="after")
        def _fits(self) -> LoRA.Settings:
            if self.start == "orthogonal" and any(rank % 2 for rank in (self.r, *self.ranks.values())):
                raise ValueError("start: orthogonal needs even ranks")
            if self.start in FROM_BASE and (self.dora or self.bias != "none"):
                raise ValueError(f"start: {self.start} goes with neither dora nor biases that learn")
            if any(rank < 1 for rank in self.ranks.values()) or any(not alpha > 0 for alpha in self.alphas.values()):
                raise ValueError("ranks and alphas are above zero")
            return self

    settings: Settings
    wraps: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        # While a start takes matrices out of the base: the base's own weights, and the matrices as they began.
        self._taken: dict[str, tuple[Any, Any, Any]] = {}

    def attach(self, model: TextModel) -> list[str]:
        """Wrap the body with PEFT; the low-rank matrices and the head learn."""
        targets = self._targets(model)
        if self.settings.start in FROM_BASE and model.base.quantise != "none":
            raise UsageError(
                f"start: {self.settings.start} takes matrices out of base weights, which quantised ones do not allow",
                got=f"quantise: {model.base.quantise}",
                allowed="zero, gaussian, orthogonal",
            )
        if self.settings.start in FROM_BASE:
            parameters = dict(model.body.named_parameters())
            own = {name: parameters[f"{name}.weight"].detach().clone() for name in targets}
        if self.settings.bias != "none":
            self._before = {
                n: p.detach().clone()
                for n, p in model.named_parameters()
                if n.startswith("body.") and n.endswith("bias")
            }
        names = _peft.wrap(model, self._config(model, targets))
        if self.settings.start in FROM_BASE:
            self._taken = {
                name: (
                    own[name],
                    layer.lora_A["default"].weight.detach().clone(),
                    layer.lora_B["default"].weight.detach().clone(),
                )
                for name, layer in _layers(model, targets)
            }
        return names

    def _targets(self, model: TextModel) -> list[str]:
        if self.settings.names:
            known = projections(model.body, "all")
            self._check_ends(self.settings.names, known)
            targets = [name for name in known if any(_ends(name, wanted) for wanted in self.settings.names)]
        else:
            targets = projections(model.body, self.settings.targets)
        self._check_ends([*self.settings.ranks, *self.settings.alphas], targets)
        return targets

    @staticmethod
    def _check_ends(wanted: Sequence[str], known: Sequence[str]) -> None:
        for end in wanted:
            if not any(_ends(name, end) for name in known):
                raise UsageError(
                    f"lora: no projection is called '{end}'",
                    allowed=", ".join(sorted({name.split(".", 3)[-1] for name in known})[:20]),
                )

    def _config(self, model: TextModel, targets: list[str]) -> Any:
        import peft

        s = self.settings
        return peft.LoraConfig(
            task_type=_peft.task_type(model),
            r=s.r,
            lora_alpha=s.alpha,
            lora_dropout=s.dropout,
            target_modules=targets,
            fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in model.body.modules()),
            modules_to_save=_peft.native_heads(model),
            use_rslora=s.rank_stabilised,
            use_dora=s.dora,
            init_lora_weights=True if s.start == "zero" else s.start,
            bias=s.bias,
            # PEFT reads the keys as ends of patterns; ours are plain ends of names.
            rank_pattern={name: rank for end, rank in s.ranks.items() for name in targets if _ends(name, end)},
            alpha_pattern={name: alpha for end, alpha in s.alphas.items() for name in targets if _ends(name, end)},
        )

    def rates(self, names: Sequence[str]) -> dict[str, float]:
        """B learns `b_ratio` times as fast as A."""
        return {n: self.settings.b_ratio for n in names if ".lora_B." in n} if self.settings.b_ratio != 1 else {}

    def settle(self, model: TextModel) -> None:
        """Put back what a start took out of the base, and keep the difference as matrices of twice the rank."""
        import torch

        config = _peft.wrapper_of(model).peft_config["default"]
        for name, layer in _layers(model, list(self._taken)):
            own, a, b = self._taken[name]
            rank = 2 * layer.r["default"]
            narrow = (layer.lora_A["default"].weight, layer.lora_B["default"].weight)
            wide = torch.cat([narrow[0].detach(), a]), torch.cat([narrow[1].detach(), -b], dim=1)
            for matrices, weight in ((layer.lora_A, wide[0]), (layer.lora_B, wide[1])):
                matrices["default"] = torch.nn.Linear(
                    weight.shape[1], weight.shape[0], bias=False, device=weight.device
                )
                matrices["default"].weight.data.copy_(weight)
            with torch.no_grad():
                layer.get_base_layer().weight.copy_(own)
            layer.r["default"] = rank
            grown = math.sqrt(2) if self.settings.rank_stabilised else 2
            layer.lora_alpha["default"] *= grown
            config.rank_pattern[name], config.alpha_pattern[name] = rank, layer.lora_alpha["default"]
        if self._taken:
            config.init_lora_weights = True
            model.requires_grad_(False)
        self._taken = {}

    def detach(self, model: TextModel) -> None:
        """Take the matrices off again; the base is as it was, a native head included."""
        if _peft.is_wrapped(model):
            self.settle(model)
            _peft.unwrap(model)
        super().detach(model)

    def fold(self, model: TextModel) -> list[str]:
        """Merge, so that another part can be trained over it."""
        self.settle(model)
        self._before = (
            _peft.changed_by_merging(model) | self._before
        )  # biases have learned already: those kept are the base's
        _peft.merge(model)
        return sorted(self._before)

    def merge(self, model: TextModel) -> None:
        """Add the low-rank change into the base weights; answers stay the same, to rounding."""
        self.settle(model)
        _peft.merge(model)

    def save(self, model: TextModel, folder: Path) -> None:
        """Write PEFT's own files, free of absolute paths."""
        self.settle(model)
        _peft.save(model, folder)

    def load(self, model: TextModel, folder: Path) -> None:
        """Wrap a fresh base with the saved matrices; a key that does not fit is an error, not a warning."""
        _peft.load(model, folder, "a LoRA adaptation")


def _layers(model: TextModel, targets: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """PEFT's layers over these projections of the base."""
    base = _peft.wrapper_of(model).get_base_model()
    for name in targets:
        yield name, base.get_submodule(name)


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")
