"""LoRA's variants by hand: which layers, ranks and scales, what each start begins as, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.weights._peft import wrapper_of
from tailorlm.weights.lora import LoRA
from tiny import LAYERS, labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)
QUERY = "encoder.layer.1.attention.self.query"


def model_of(folder: Path) -> TextModel:
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling="mean")
    model.head = Linear.fresh(model.width, 3, generator=torch.Generator().manual_seed(1))
    return model


def attached(folder: Path, **settings: Any) -> tuple[TextModel, LoRA, list[str]]:
    model, part = model_of(folder), LoRA(LoRA.Settings(**settings))
    return model, part, part.attach(model)


def layer(model: TextModel, name: str = QUERY) -> Any:
    return wrapper_of(model).get_base_model().get_submodule(name)


def test_names_in_place_of_roles(base: Base) -> None:
    _, _, names = attached(base(), names=("query", "output.dense"))
    wrapped = {name.partition(".lora_")[0].partition("layer.")[2][2:] for name in names if ".lora_" in name}
    assert wrapped == {"attention.self.query", "attention.output.dense", "output.dense"}
    with pytest.raises(UsageError, match="lora: no projection is called 'querry'") as error:
        attached(base(), names=("querry",))
    assert "attention.self.query" in error.value.allowed


def test_ranks_and_alphas_by_the_end_of_a_name(base: Base) -> None:
    model, _, _ = attached(base(), r=4, alpha=8, ranks={"attention.self.query": 2}, alphas={"value": 12})
    assert layer(model).lora_A["default"].weight.shape[0] == 2
    assert layer(model).scaling == {"default": 4.0}
    value, key = (layer(model, QUERY.replace("query", word)) for word in ("value", "key"))
    assert (value.r["default"], value.scaling["default"]) == (4, 3.0)
    assert (key.r["default"], key.scaling["default"]) == (4, 2.0)


def test_rank_stabilised_scales_by_the_root(base: Base) -> None:
    model, _, _ = attached(base(), r=16, alpha=8, rank_stabilised=True)
    assert layer(model).scaling == {"default": 2.0}


@pytest.mark.parametrize("start", ["zero", "gaussian", "orthogonal", "pissa", "olora"])
@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_every_start_begins_with_the_answers_of_the_base(start: str, architecture: str, base: Base) -> None:
    model, part, _ = attached(base(architecture), r=4, start=start)
    bare = embed(model_of(base(architecture)), ROWS.texts)
    assert np.abs(embed(model, ROWS.texts) - bare).max() < 1e-4
    part.detach(model)
    assert np.array_equal(embed(model, ROWS.texts), bare), "to the bit"


def test_pissa_takes_the_largest_directions(base: Base) -> None:
    model, _, _ = attached(base(), r=4, alpha=4, start="pissa")
    weight = model_of(base()).body.get_parameter(f"{QUERY}.weight").detach()
    u, s, v = torch.linalg.svd(weight)
    best = u[:, :4] @ torch.diag(s[:4]) @ v[:4]
    product = layer(model).lora_B["default"].weight @ layer(model).lora_A["default"].weight
    assert torch.allclose(product, best, atol=1e-4)
    assert torch.allclose(layer(model).base_layer.weight, weight - best, atol=1e-4)


@pytest.mark.parametrize("start", ["pissa", "olora"])
@pytest.mark.parametrize("stabilised", [False, True])
def test_what_came_out_of_the_base_goes_back(start: str, stabilised: bool, base: Base, tmp_path: Path) -> None:
    """Kept as a plain change of twice the rank: the base stays its own, and the folder loads on it."""
    settings = {"r": 3, "start": start, "rank_stabilised": stabilised, "ranks": {"key": 2}}
    model, part, _ = attached(base(), **settings)
    with torch.no_grad():
        for name, parameter in model.body.named_parameters():
            if ".lora_" in name:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))))
    before = embed(model, ROWS.texts)
    part.settle(model)
    settled = embed(model, ROWS.texts)
    assert np.abs(settled - before).max() < 1e-4
    own = model_of(base()).body.get_parameter(f"{QUERY}.weight")
    assert torch.equal(layer(model).base_layer.weight, own)
    assert layer(model).lora_A["default"].weight.shape[0] == 6
    part.save(model, tmp_path)
    fresh = model_of(base())
    LoRA(LoRA.Settings(**settings)).load(fresh, tmp_path)
    assert np.array_equal(embed(fresh, ROWS.texts), settled)
    part.merge(model)
    assert np.abs(embed(model, ROWS.texts) - settled).max() < 1e-4


@pytest.mark.parametrize(("bias", "count"), [("all", 9 * LAYERS - LAYERS + 1), ("lora_only", 6 * LAYERS)])
def test_biases_that_learn_besides_come_back(bias: str, count: int, base: Base, tmp_path: Path) -> None:
    model, part, names = attached(base(), bias=bias)
    found = [name for name in names if name.endswith("bias") and not name.startswith("head.")]
    assert len(found) == count
    with torch.no_grad():
        for name in found:
            model.get_parameter(name).add_(0.3)
    moved = embed(model, ROWS.texts)
    part.save(model, tmp_path)
    fresh = model_of(base())
    LoRA(LoRA.Settings(bias=bias)).load(fresh, tmp_path)
    assert np.array_equal(embed(fresh, ROWS.texts), moved)
    part.detach(model)
    assert np.array_equal(embed(model, ROWS.texts), embed(model_of(base()), ROWS.texts))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": "orthogonal", "r": 3}, "orthogonal needs even ranks"),
        ({"start": "pissa", "dora": True}, "pissa goes with neither dora nor biases"),
        ({"ranks": {"query": 0}}, "ranks and alphas are above zero"),
    ],
)
def test_what_does_not_go_together(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        LoRA.Settings(**settings)


def recipe(base: Base, **weights: Any) -> Recipe:
    stage = {"weights": {"part": "lora", "lr": 0.01} | weights, "train": {"epochs": 1, "rows_per_step": 6, "warmup": 0}}
    return validate({"name": "mine", "base": str(base()), "stages": [stage]}, Recipe)


@pytest.mark.parametrize(
    "settings", [{"dora": True}, {"start": "pissa"}, {"start": "olora"}, {"bias": "all", "b_ratio": 8.0}]
)
def test_through_a_fit_and_back(settings: dict[str, Any], base: Base, tmp_path: Path) -> None:
    made = fit(recipe(base, **settings), ROWS).adaptation
    expected = made.scores(ROWS.texts)
    assert np.array_equal(Adaptation.load(made.save(tmp_path / "a")).scores(ROWS.texts), expected)


def test_b_learns_faster_by_its_ratio(base: Base) -> None:
    part = LoRA(LoRA.Settings(b_ratio=16))
    assert part.rates(["x.lora_A.default.weight", "x.lora_B.default.weight", "head.weight"]) == {
        "x.lora_B.default.weight": 16
    }


def test_over_a_base_in_four_bits(base: Base, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    made = fit(recipe(base).changed({"quantise": "nf4"}), ROWS).adaptation
    expected = made.scores(ROWS.texts)
    loaded = Adaptation.load(made.save(tmp_path / "a"))
    assert loaded.model.base.quantise == "nf4"
    assert np.array_equal(loaded.scores(ROWS.texts), expected)
    assert np.abs(fit(recipe(base), ROWS).adaptation.scores(ROWS.texts) - expected).max() > 1e-4
