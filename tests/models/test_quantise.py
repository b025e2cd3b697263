"""A base in 4 or 8 bits: what its projections compute, that it computes the same always, and what learns on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear, load_head, save_head
from tailorlm.models.layers import projections
from tailorlm.models.quantise import KINDS, dequantised
from tailorlm.models.resolve import resolve
from tailorlm.models.run import label_scores
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Job
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource
from tailorlm.weights import weights
from tiny import labelled

pytest.importorskip("bitsandbytes")

Base = Callable[..., Path]
ROWS = labelled(12, 3)
SHORT = KINDS[1:]
# The code book of 4-bit normal floats: figures of appendix E of arXiv:2305.14314.
NF4 = (
    "-1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635 -0.18477343022823334 -0.09105003625154495 0.0 "
    "0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224 0.44070982933044434 0.5626170039176941 "
    "0.7229568362236023 1.0"
)


def model_of(folder: Path, kind: str, pooling: str = "mean") -> TextModel:
    torch.manual_seed(0)
    model = load_model(resolve(str(folder), kind), labels=ROWS.labels, pooling=pooling)
    if pooling != "native":
        model.head = Linear.fresh(model.width, 3, generator=torch.Generator().manual_seed(1))
    return model


def test_the_kinds() -> None:
    assert KINDS == ("none", "nf4", "nf4_plain", "int8")


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("architecture", ["bert", "llama", "qwen2", "t5"])
def test_every_projection_is_kept_short_and_nothing_else(kind: str, architecture: str, base: Base) -> None:
    bare, short = model_of(base(architecture), "none"), model_of(base(architecture), kind)
    names = projections(bare.body, "all")
    assert projections(short.body, "all") == names
    for name, parameter in short.body.named_parameters():
        inside = name.removesuffix(".weight") in names
        assert parameter.is_floating_point() != inside, name
        if not inside:
            assert torch.equal(parameter, bare.body.get_parameter(name))
    assert np.abs(label_scores(short, ROWS.texts) - label_scores(bare, ROWS.texts)).max() < 0.2


def test_four_bits_by_hand(base: Base) -> None:
    """Each block of 64 weights is scaled by its largest and rounded to the nearest of 16 values."""
    bare, short = model_of(base("bert"), "none"), model_of(base("bert"), "nf4_plain")
    name = projections(bare.body, "all")[0]
    weight = bare.body.get_parameter(f"{name}.weight").detach()
    blocks = weight.flatten().reshape(-1, 64)
    scale = blocks.abs().max(1, keepdim=True).values
    book = torch.tensor([float(v) for v in NF4.split()])
    nearest = book[(blocks / scale).unsqueeze(-1).sub(book).abs().argmin(-1)] * scale
    assert torch.allclose(dequantised(short.body.get_submodule(name)), nearest.reshape(weight.shape), atol=1e-6)


def test_eight_bits_by_hand(base: Base) -> None:
    bare, short = model_of(base("bert"), "none"), model_of(base("bert"), "int8")
    name = projections(bare.body, "all")[0]
    weight = bare.body.get_parameter(f"{name}.weight").detach().half().float()
    scale = weight.abs().max(1, keepdim=True).values / 127
    expected = (weight / scale).round() * scale
    assert torch.allclose(dequantised(short.body.get_submodule(name)), expected, atol=1e-5)


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("width", [32, 64, 96, 100, 384])
def test_one_answer_in_training_and_in_prediction(kind: str, width: int) -> None:
    """bitsandbytes itself answers otherwise without gradients, repacks on the first evaluation, and fails for odd widths."""
    from tailorlm.models.quantise import quantise

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Sequential(nn.Linear(width, 24))])

    torch.manual_seed(0)
    body, x = Body(), torch.randn(2, 5, width)
    quantise(body, kind)
    layer = body.layers[0][0]
    expected = nn.functional.linear(x, dequantised(layer), layer.bias)
    kept = layer.weight.data.clone()
    for training in (True, False, True):
        body.train(training)
        asked = x.clone().requires_grad_(training)
        with torch.set_grad_enabled(training):
            answer = layer(asked)
        assert torch.allclose(answer, expected, atol=1e-5)
        if training:
            answer.sum().backward()
            assert torch.allclose(asked.grad, dequantised(layer).sum(0).expand_as(x), atol=1e-4)
        with torch.inference_mode():
            assert torch.equal(layer(x), answer.detach())
    assert torch.equal(layer.weight.data, kept)
    assert layer.weight.grad is None


CASES = [
    (part, kind) for part in ("lora", "adapter", "prefix", "prompt", "ia3", "bias", "head") for kind in ("nf4", "int8")
]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=["-".join(case) for case in CASES])
def test_parts_learn_over_it(name: str, kind: str, base: Base, tmp_path: Path) -> None:
    model = model_of(base("bert"), kind)
    bare = label_scores(model, ROWS.texts)
    part = weights.get(name)(weights.get(name).Settings(lr=0.01))
    names = part.attach(model)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    settings = TrainSettings(epochs=1, rows_per_step=4, warmup=0.0, weight_decay=0.0)
    train(
        Job(
            LabelLesson(
                TokenSource(model, Readings(model.tokenize(ROWS.texts))), Labels(Labels.Settings()), ROWS.codes
            ),
            names,
            ROWS.ids,
            settings,
            0.01,
            0,
        )
    )
    for n, parameter in model.named_parameters():
        assert torch.equal(parameter, before[n]) == (n not in names), n
    answers = label_scores(model, ROWS.texts)
    part.save(model, tmp_path)
    save_head(model.head, tmp_path)
    fresh = model_of(base("bert"), kind)
    type(part)(part.settings).load(fresh, tmp_path)
    fresh.head = load_head(tmp_path)
    assert np.array_equal(label_scores(fresh.eval(), ROWS.texts), answers)
    part.detach(model)
    model.head = model_of(base("bert"), kind).head
    assert np.array_equal(label_scores(model, ROWS.texts), bare)


@pytest.mark.parametrize("name", ["full", "top_layers"])
def test_weights_in_whole_numbers_cannot_learn(name: str, base: Base) -> None:
    with pytest.raises(TailorError, match="quantised weights cannot learn") as error:
        weights.get(name)(weights.get(name).Settings()).attach(model_of(base("bert"), "nf4"))
    assert "lora" in error.value.hint


def test_merging_into_short_weights_is_refused(base: Base) -> None:
    model = model_of(base("bert"), "nf4")
    for name in ("lora", "ia3"):
        part = weights.get(name)(weights.get(name).Settings())
        part.attach(model)
        with pytest.raises(TailorError, match="cannot be merged into quantised weights"):
            part.merge(model)
        part.detach(model)


def test_starts_that_take_matrices_out_of_the_base_are_refused(base: Base) -> None:
    lora = weights.get("lora")
    with pytest.raises(UsageError, match="start: pissa takes matrices out of base weights"):
        lora(lora.Settings(start="pissa")).attach(model_of(base("bert"), "nf4"))


def test_transposed_projections_are_refused(base: Base) -> None:
    with pytest.raises(TailorError, match="this model's projections cannot be quantised") as error:
        model_of(base("gpt2"), "nf4")
    assert "Conv1D" in error.value.got


def test_it_is_another_base(base: Base) -> None:
    prints = {resolve(str(base("bert")), kind).fingerprint for kind in KINDS}
    assert len(prints) == len(KINDS)
    assert resolve(str(base("bert"))).fingerprint == resolve(str(base("bert")), "none").fingerprint
