"""Bottleneck adapters by hand: what they compute, where they stand, how they are stacked and fused, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.layers import Block, places
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.weights._bottleneck import ACTIVATIONS, Bottleneck, Fusion, Shape
from tailorlm.weights.adapter import Adapter
from tiny import LAYERS, WIDTH, labelled

Base = Callable[..., Path]
ROWS = labelled(12, 3)
PLACES = {
    "bert": ("encoder.layer.{}.", ["attention.output.dense"], "intermediate.dense", "output.dense"),
    "roberta": ("encoder.layer.{}.", ["attention.output.dense"], "intermediate.dense", "output.dense"),
    "distilbert": ("transformer.layer.{}.", ["attention.out_lin"], "ffn.lin1", "ffn.lin2"),
    "modernbert": ("layers.{}.", ["attn.Wo"], "mlp.Wi", "mlp.Wo"),
    "gpt2": ("h.{}.", ["attn.c_proj"], "mlp.c_fc", "mlp.c_proj"),
    "llama": ("layers.{}.", ["self_attn.o_proj"], "mlp.gate_proj", "mlp.down_proj"),
    "qwen2": ("layers.{}.", ["self_attn.o_proj"], "mlp.gate_proj", "mlp.down_proj"),
    "gptj": ("h.{}.", ["attn.out_proj"], "mlp.fc_in", "mlp.fc_out"),
    "t5": ("encoder.block.{}.", ["layer.0.SelfAttention.o"], "layer.1.DenseReluDense.wi", "layer.1.DenseReluDense.wo"),
}


def model_of(folder: Path, pooling: str = "mean") -> TextModel:
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)
    model.head = (
        None if pooling == "native" else Linear.fresh(model.width, 3, generator=torch.Generator().manual_seed(1))
    )
    return model


def adapter(**settings: object) -> Adapter:
    return Adapter(Adapter.Settings(**settings))


@pytest.mark.parametrize("architecture", PLACES)
def test_places_by_name(architecture: str, base: Base) -> None:
    stack, attention, enters, leaves = PLACES[architecture]
    found = places(model_of(base(architecture)).body)
    expected = [
        Block(tuple(stack.format(i) + name for name in attention), stack.format(i) + enters, stack.format(i) + leaves)
        for i in range(LAYERS)
    ]
    assert found == expected


def test_both_attentions_of_a_decoder_have_places(base: Base) -> None:
    found = places(model_of(base("t5"), "native").body)
    assert len(found) == 2 * LAYERS
    assert found[0].attention_out == ("transformer.encoder.block.0.layer.0.SelfAttention.o",)
    assert found[LAYERS].attention_out == (
        "transformer.decoder.block.0.layer.0.SelfAttention.o",
        "transformer.decoder.block.0.layer.1.EncDecAttention.o",
    )
    assert found[LAYERS].mlp_out == "transformer.decoder.block.0.layer.2.DenseReluDense.wo"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_bottleneck_by_hand(activation: str) -> None:
    made = Bottleneck(2, Shape("pfeiffer", 1, activation, 3.0, 0.5)).eval()
    with torch.no_grad():
        made.down.copy_(torch.tensor([[1.0, 2.0]]))
        made.down_bias.copy_(torch.tensor([0.5]))
        made.up.copy_(torch.tensor([[1.0], [-1.0]]))
        made.up_bias.copy_(torch.tensor([0.0, 0.25]))
    inner = float(ACTIVATIONS[activation](torch.tensor(1.0 * 2 + 2.0 * 3 + 0.5)))
    assert made(torch.tensor([2.0, 3.0])).tolist() == pytest.approx([3 * inner, 3 * (0.25 - inner)])


def test_a_fresh_adapter_changes_hardly_anything(base: Base) -> None:
    for placement in ("houlsby", "pfeiffer", "parallel"):
        model = model_of(base())
        before = embed(model, ROWS.texts)
        adapter(placement=placement).attach(model)
        after = embed(model, ROWS.texts)
        assert not np.array_equal(after, before)
        assert np.abs(after - before).max() < 0.02 * np.abs(before).max()


@pytest.mark.parametrize("placement", ["houlsby", "pfeiffer", "parallel"])
def test_the_whole_model_against_one_written_out(placement: str, base: Base) -> None:
    """BERT's block written out with the adapters in it, against the hooks."""
    model, plain = model_of(base()), model_of(base())
    part = adapter(placement=placement, size=4, scale=2.0)
    part.attach(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".adapter." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))) * 0.3)
    tensors = {n.removeprefix("body."): p.detach() for n, p in model.named_parameters() if ".adapter." in n}
    ids, mask = model.pad(model.tokenize(ROWS.texts[:4]))

    def change(place: str, x: torch.Tensor) -> torch.Tensor:
        down, down_bias, up, up_bias = (
            tensors[f"{place}.adapter.bottlenecks.0.{n}"] for n in ("down", "down_bias", "up", "up_bias")
        )
        return 2.0 * (torch.relu(x @ down.T + down_bias) @ up.T + up_bias)

    with torch.no_grad():
        body = plain.body
        hidden = body.embeddings(ids)
        seen = (mask[:, None, None, :] == 0) * torch.finfo(torch.float32).min
        for i, block in enumerate(body.encoder.layer):
            at = f"encoder.layer.{i}"
            attended = block.attention.self(hidden, attention_mask=seen)[0]
            out = block.attention.output.dense(attended)
            out = out + change(f"{at}.attention.output.dense", out) if placement == "houlsby" else out
            hidden = block.attention.output.LayerNorm(out + hidden)
            out = block.output.dense(block.intermediate(hidden))
            out = out + change(f"{at}.output.dense", hidden if placement == "parallel" else out)
            hidden = block.output.LayerNorm(out + hidden)
        assert torch.allclose(model.body(input_ids=ids, attention_mask=mask).last_hidden_state, hidden, atol=1e-5)


def test_sizes(base: Base) -> None:
    for settings, size in (({"reduction": 4}, WIDTH // 4), ({"size": 5}, 5), ({"reduction": 1000}, 1)):
        names = adapter(**settings).attach(model := model_of(base()))
        inside = [n for n in names if ".adapter." in n]
        assert len(inside) == 4 * LAYERS
        shapes = dict(model.named_parameters())
        assert sum(shapes[n].numel() for n in inside) == LAYERS * (2 * WIDTH * size + WIDTH + size)


# ---- files, stacking, fusing


def fitted(base: Base, folder: Path, *, seed: int, pooling: str = "mean", **settings: object) -> Path:
    """A folder of adapters with weights that matter."""
    model, part = model_of(base("bert"), pooling), adapter(**settings)
    part.attach(model)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".adapter." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.2)
    folder.mkdir()
    part.save(model, folder)
    return folder


def test_the_folder_is_laid_out_as_pefts(base: Base, tmp_path: Path) -> None:
    folder = fitted(base, tmp_path / "a", seed=0, placement="houlsby", size=3)
    assert {p.name for p in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["peft_type"] == "TAILORLM_BOTTLENECK"
    assert config["base_model_name_or_path"] == base("bert").name
    assert config["bottlenecks"] == [
        {"activation": "relu", "dropout": 0.0, "placement": "houlsby", "scale": 1.0, "size": 3}
    ]


def test_stacked_over_others_only_the_new_one_learns_and_all_are_kept(base: Base, tmp_path: Path) -> None:
    first = fitted(base, tmp_path / "a", seed=0, size=3)
    alone = model_of(base("bert"))
    adapter().load(alone, first)
    model, part = model_of(base("bert")), adapter(over=(str(first),), placement="houlsby", size=2)
    names = part.attach(model)
    assert np.abs(embed(model, ROWS.texts) - embed(alone, ROWS.texts)).max() < 0.02
    assert all(".bottlenecks.1." in n for n in names if ".adapter." in n)
    assert not any(p.requires_grad for n, p in model.named_parameters() if ".bottlenecks.0." in n)
    (tmp_path / "both").mkdir()
    part.save(model, tmp_path / "both")
    for file in first.iterdir():
        file.unlink()  # what is saved needs nothing else
    fresh = model_of(base("bert"))
    adapter(over=(str(first),), placement="houlsby", size=2).load(fresh, tmp_path / "both")
    assert np.array_equal(embed(fresh, ROWS.texts), embed(model, ROWS.texts))
    part.detach(model)
    assert np.array_equal(embed(model, ROWS.texts), embed(model_of(base("bert")), ROWS.texts))


def test_a_fusion_by_hand() -> None:
    """Of two changes the one whose key answers the query is heard; equal ones are averaged."""
    fusion = Fusion(2)
    hidden, changes = torch.tensor([1.0, 0.0]), torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    with torch.no_grad():
        fusion.query.zero_()
        fusion.key.zero_()
        assert fusion(hidden, changes).tolist() == [1.0, 2.0]
        fusion.query.copy_(torch.eye(2))
        fusion.key.copy_(torch.eye(2) * 3)
        share = torch.softmax(torch.tensor([6.0, 0.0]), 0)
        assert fusion(hidden, changes).tolist() == pytest.approx([2 * float(share[0]), 4 * float(share[1])])
        fusion.value.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        assert fusion(hidden, changes).tolist() == pytest.approx([4 * float(share[1]), 2 * float(share[0])])


def test_fused_adapters_stay_as_they_are_and_the_fusion_learns(base: Base, tmp_path: Path) -> None:
    folders = tuple(str(fitted(base, tmp_path / n, seed=i, size=3 + i)) for i, n in enumerate("ab"))
    model, part = model_of(base("bert")), adapter(over=folders, join="fuse")
    names = [n for n in part.attach(model) if not n.startswith("head.")]
    assert len(names) == 5 * LAYERS
    assert all(".adapter.fusion." in n for n in names)
    shapes = dict(model.named_parameters())
    assert sum(shapes[n].numel() for n in names) == LAYERS * (3 * WIDTH**2 + 2 * WIDTH)
    model(*model.pad(model.tokenize(ROWS.texts))).sum().backward()
    assert all(shapes[n].grad is not None and shapes[n].grad.any() for n in names if "key_bias" not in n)
    (tmp_path / "fused").mkdir()
    part.save(model, tmp_path / "fused")
    fresh = model_of(base("bert"))
    adapter(over=folders, join="fuse").load(fresh, tmp_path / "fused")
    assert np.array_equal(embed(fresh, ROWS.texts), embed(model, ROWS.texts))
    with pytest.raises(TailorError, match="fused already"):
        adapter(over=(str(tmp_path / "fused"),)).attach(model_of(base("bert")))


def test_an_earlier_native_head_is_left_out_below_a_new_adapter(base: Base, tmp_path: Path) -> None:
    first = fitted(base, tmp_path / "a", seed=0, pooling="native")
    names = adapter(over=(str(first),)).attach(model_of(base("bert"), "native"))
    assert "body.classifier.weight" in names


def test_what_is_no_adapter_is_refused(base: Base, tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="cannot be loaded as adapters"):
        adapter(over=(str(tmp_path),)).attach(model_of(base("bert")))
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(TailorError, match="cannot be loaded as adapters") as error:
        adapter().load(model_of(base("bert")), tmp_path)
    assert "LORA" in error.value.got
    model = model_of(base("llama"))
    with pytest.raises(TailorError, match="does not fit the base model"):
        adapter(over=(str(fitted(base, tmp_path / "a", seed=0)),)).attach(model)
    assert not [n for n, _ in model.named_parameters() if "adapter" in n], "nothing half-way"
    with pytest.raises(ValidationError, match="join: fuse needs two folders"):
        Adapter.Settings(join="fuse", over=("one",))


# ---- two steps: domain text, then the task, by the same adapter over a frozen base


def two_steps(base: Base, *, first: bool = True) -> Recipe:
    weights, train = {"part": "adapter", "lr": 0.01}, {"epochs": 2, "rows_per_step": 6, "warmup": 0}
    text = {"weights": weights, "objective": "masked_lm", "train": train}
    labels = {"weights": weights, "objective": "labels", "train": train}
    stages = [text, labels] if first else [labels]
    return validate({"name": "x", "base": str(base("bert")), "pooling": "mean", "stages": stages}, Recipe)


def test_domain_text_then_the_task_by_one_adapter_over_a_frozen_base(base: Base, tmp_path: Path) -> None:
    made = fit(two_steps(base), ROWS).adaptation
    bare = model_of(base("bert"))
    compared = 0
    for name, parameter in made.model.body.named_parameters():
        if ".adapter." not in name:
            assert torch.equal(parameter, bare.body.get_parameter(name)), name
            compared += 1
    assert compared == len(list(bare.body.parameters()))
    scores = made.scores(ROWS.texts)
    assert np.array_equal(Adaptation.load(made.save(tmp_path / "a")).scores(ROWS.texts), scores)
    alone = fit(two_steps(base, first=False), ROWS).adaptation.scores(ROWS.texts)
    assert np.abs(scores - alone).max() > 1e-3, "the first step left something behind"
