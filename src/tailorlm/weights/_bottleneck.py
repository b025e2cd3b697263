"""The modules of bottleneck adapters, how they are put into a body, and their files.

A body gets, under each projection that a placement names, a submodule `adapter` and a hook: nothing of the base is wrapped, renamed or
changed, so that taking hooks and submodules off gives it back to the bit. Works over quantised projections and under PEFT's layers too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.layers import places

CONFIG, TENSORS, NAME = "adapter_config.json", "adapter_model.safetensors", "adapter"
KIND = "TAILORLM_BOTTLENECK"
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
}

Placement = Literal["houlsby", "pfeiffer", "parallel"]


@dataclass(frozen=True)
class Shape:
    """One adapter: where it stands, the width of its bottleneck, what bends it, the scale of its change, dropout before it is added."""

    placement: Placement
    size: int
    activation: str
    scale: float
    dropout: float


class Bottleneck(nn.Module):
    """The change that an adapter makes: scale * up(f(down(x))), which is nearly nothing in the beginning.

    x: (..., width). Returns (..., width). 2 * width * size + width + size parameters. `spread`: standard deviation of the weights at
    the start, drawn within two of them (Houlsby et al. 2019, section 3.6: any below 0.01 trains well).
    """

    def __init__(self, width: int, shape: Shape, *, spread: float = 0.01, device: torch.device | None = None):
        super().__init__()
        self.shape = shape
        self.down = nn.Parameter(torch.empty(shape.size, width, device=device))
        self.down_bias = nn.Parameter(torch.zeros(shape.size, device=device))
        self.up = nn.Parameter(torch.empty(width, shape.size, device=device))
        self.up_bias = nn.Parameter(torch.zeros(width, device=device))
        self.dropout = nn.Dropout(shape.dropout)
        for weight in (self.down, self.up):
            nn.init.trunc_normal_(weight, std=spread, a=-2 * spread, b=2 * spread)

    def forward(self, x: Tensor) -> Tensor:
        """The change for these states."""
        inner = ACTIVATIONS[self.shape.activation](nn.functional.linear(x, self.down, self.down_bias))
        change: Tensor = self.dropout(nn.functional.linear(inner, self.up, self.up_bias)) * self.shape.scale
        return change


class Fusion(nn.Module):
    """Weighs the changes of several adapters for each token: softmax of query(hidden) . key(change), over value(change).

    3 * width * width + 2 * width parameters. Values begin as they are (identity), so that a fresh fusion is nearly their mean.
    Source: Pfeiffer et al. 2021 (arXiv:2005.00247), section 3.
    """

    def __init__(self, width: int, *, device: torch.device | None = None):
        super().__init__()
        self.query, self.key = (nn.Parameter(torch.empty(width, width, device=device)) for _ in range(2))
        self.query_bias, self.key_bias = (nn.Parameter(torch.zeros(width, device=device)) for _ in range(2))
        self.value = nn.Parameter(torch.eye(width, device=device))
        for weight in (self.query, self.key):
            nn.init.normal_(weight, std=0.02)

    def forward(self, hidden: Tensor, changes: Tensor) -> Tensor:
        """hidden: (..., width). changes: (..., adapters, width). Returns the joined change (..., width)."""
        query = nn.functional.linear(hidden, self.query, self.query_bias).unsqueeze(-2)
        key = nn.functional.linear(changes, self.key, self.key_bias)
        share = (query * key).sum(-1, keepdim=True).softmax(-2)
        return (share * nn.functional.linear(changes, self.value)).sum(-2)


class Place(nn.Module):
    """The adapters behind one projection, by number, applied in order; with a fusion they are joined instead.

    `entered`: what went into the MLP, which adapters placed `parallel` read in place of what left it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bottlenecks = nn.ModuleDict()
        self.fusion: Fusion | None = None
        self.entered: Tensor | None = None

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden: (..., width) as the projection left it. Returns it with the changes added."""
        if self.fusion is not None:
            changes = torch.stack([self._change(b, hidden) for b in self.bottlenecks.values()], dim=-2)
            joined: Tensor = hidden + self.fusion(hidden, changes)
            return joined
        for bottleneck in self.bottlenecks.values():
            hidden = hidden + self._change(bottleneck, hidden)
        return hidden

    def _change(self, bottleneck: nn.Module, hidden: Tensor) -> Tensor:
        assert isinstance(bottleneck, Bottleneck)
        beside = bottleneck.shape.placement == "parallel" and self.entered is not None
        change: Tensor = bottleneck(self.entered if beside else hidden)
        return change


class Mounted:
    """Adapters on a body: the places by the name of their projection, and the hooks that make them act.

    Another set of adapters on the same body stands over this one: it reads what this one leaves. name: of the submodule that holds a place,
    `adapter` for the first set, `adapter_2` for the next; in files it is always `adapter`.
    """

    def __init__(self, body: nn.Module):
        self.body = body
        below = {path.rpartition(".")[2] for path, module in body.named_modules() if isinstance(module, Place)}
        self.name = f"{NAME}_{len(below) + 1}" if below else NAME
        self.shapes: list[Shape] = []
        self.places: dict[str, Place] = {}
        self._hooks: list[Any] = []

    def add(self, shape: Shape, *, spread: float = 0.01) -> list[str]:
        """Put one more adapter into every place of its placement; returns the names of its parameters within the body."""
        number, names = str(len(self.shapes)), []
        self.shapes.append(shape)
        for block in places(self.body):
            enters = block.mlp_in if shape.placement == "parallel" else None
            for name in [*(block.attention_out if shape.placement == "houlsby" else ()), block.mlp_out]:
                place, layer = self._place(name, enters), self.body.get_submodule(name)
                width = int(layer.out_features if isinstance(layer, nn.Linear) else layer.nf)  # type: ignore[arg-type]
                made = Bottleneck(width, shape, spread=spread, device=next(layer.parameters()).device)
                place.bottlenecks[number] = made.train(layer.training)
                names += [f"{name}.{self.name}.bottlenecks.{number}.{inner}" for inner, _ in made.named_parameters()]
        return names

    def fuse(self) -> list[str]:
        """Join the adapters of each place by a fusion; returns the names of its parameters within the body."""
        names = []
        for name, place in self.places.items():
            first = next(iter(place.bottlenecks.values()))
            assert isinstance(first, Bottleneck)
            place.fusion = Fusion(len(first.up_bias), device=first.up.device)
            names += [f"{name}.{self.name}.fusion.{inner}" for inner, _ in place.fusion.named_parameters()]
        return names

    def remove(self) -> None:
        """Take every hook and adapter off: the body is as it was."""
        for hook in self._hooks:
            hook.remove()
        for name in self.places:
            del self.body.get_submodule(name)._modules[self.name]
        self._hooks, self.places, self.shapes = [], {}, []

    def tensors(self) -> dict[str, Tensor]:
        """All parameters of all adapters by the names that they have in files."""
        return {
            f"{name}.{NAME}.{inner}": parameter
            for name, place in self.places.items()
            for inner, parameter in place.named_parameters()
        }

    def filed(self, name: str) -> str:
        """The name in files of a parameter that has this name within the body."""
        return name.replace(f".{self.name}.", f".{NAME}.", 1)

    def _place(self, name: str, enters: str | None) -> Place:
        place = self.places.get(name)
        layer = self.body.get_submodule(name)
        if place is None:
            place = self.places[name] = Place()
            layer.add_module(self.name, place)
            self._hooks.append(layer.register_forward_hook(lambda module, args, output: place(output)))
        if enters is not None:

            def remember(module: nn.Module, args: tuple[Tensor, ...]) -> None:
                place.entered = args[0]

            self._hooks.append(self.body.get_submodule(enters).register_forward_pre_hook(remember))
        return place


def save(mounted: Mounted, folder: Path, *, origin: str, heads: Mapping[str, Tensor]) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`, laid out as PEFT lays out its own. heads: a native head's tensors."""
    config = {
        "peft_type": KIND,
        "base_model_name_or_path": origin,
        "bottlenecks": [asdict(shape) for shape in mounted.shapes],
        "fused": any(place.fusion is not None for place in mounted.places.values()),
        "modules_to_save": sorted(heads),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tensors = {**mounted.tensors(), **heads}
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, folder / TENSORS)


@dataclass(frozen=True)
class Saved:
    """What an adapter folder holds."""

    folder: Path
    shapes: Sequence[Shape]
    fused: bool
    tensors: Mapping[str, Tensor]


def read(folder: Path) -> Saved:
    """Read an adapter folder. Raises TailorError when it holds something else."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config["peft_type"] != KIND:
            raise ValueError(f"peft_type {config['peft_type']}")
        shapes = [Shape(**shape) for shape in config["bottlenecks"]]
        return Saved(folder, shapes, bool(config["fused"]), load_file(folder / TENSORS))
    except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise TailorError(
            f"{folder} cannot be loaded as adapters", got=str(error).splitlines()[0], hint="fit it again"
        ) from None
