"""What a run needs and how it computes: forecasts, back-off, recomputing, bfloat16, frozen weights in 16 bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import beside
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy import Toy, job

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models import arithmetic
from tailorlm.models.arithmetic import precision
from tailorlm.models.decoder import load_writer
from tailorlm.models.resolve import resolve
from tailorlm.models.row_losses import RowLosses
from tailorlm.training import rehearsal
from tailorlm.training.frozen import in_bfloat16
from tailorlm.training.job import Job, Trained
from tailorlm.training.language import NextTokens
from tailorlm.training.loop import train
from tailorlm.training.memory import micro_tokens
from tailorlm.training.optimisers import optimisers
from tailorlm.training.recompute import can_recompute, recomputing
from tailorlm.training.rehearsal import Forecast, telling
from tailorlm.training.settings import TrainSettings
from tailorlm.training.speed import gain_of_bfloat16, speed, telling_row
from tailorlm.training.token_rows import TokenRows
from tailorlm.weights.full import Full
from tailorlm.weights.lora import LoRA
from writers import tiny_writer

Base = Callable[..., Path]
CPU = torch.device("cpu")


# ---- the rehearsal


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is worth a forecast."""
    monkeypatch.setattr(rehearsal, "STEPS", 1)
    monkeypatch.setattr(rehearsal, "TOKENS", 1)


@pytest.mark.parametrize("changes", [{}, {"micro_tokens": 16}, {"optimiser": "lion", "average": 0.9}])
def test_a_rehearsal_changes_no_bit(changes: dict[str, Any], always: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = Toy()
    events: list[dict[str, Any]] = []
    result = train(job(rehearsed, **changes), listen=events.append)
    assert [event["event"] for event in events][:3] == ["preflight", "needs", "forecast"]
    assert result.forecast is not None
    assert result.forecast.peak > 0
    assert result.operations > 0
    monkeypatch.setattr(rehearsal, "STEPS", 10**9)
    monkeypatch.setattr("tailorlm.training.loop.operations_of", lambda run: 0.0)
    plain = Toy()
    expected = train(job(plain, **changes))
    assert expected.forecast is None
    assert len(rehearsed.asked) == len(plain.asked) + 3
    assert result.losses == expected.losses
    assert {n: v.tolist() for n, v in rehearsed.weights().items()} == {
        n: v.tolist() for n, v in plain.weights().items()
    }


def test_short_runs_are_not_rehearsed() -> None:
    toy = Toy()
    assert train(job(toy)).forecast is None


def test_the_telling_parts_are_found() -> None:
    lengths = [1] * 40 + [9, 50, 3, 30, 30]
    steps = [list(range(40)), [40], [42, 41], [43, 44]]
    assert telling(steps, lengths, lambda step: [list(step)]) == [list(range(40)), [42, 41], [42, 41]]
    assert telling(steps, lengths, lambda step: [[i] for i in step])[-1] == [41]
    assert telling(steps, lengths, lambda step: []) == []


def test_what_a_run_surely_takes_is_said_before_the_first_step() -> None:
    events: list[dict[str, Any]] = []
    toy = Toy()
    result = train(job(toy), listen=events.append)
    assert [event["event"] for event in events][:3] == ["preflight", "needs", "step"]
    told = events[1]
    assert (told["weights"], told["gradients"], told["optimiser"]) == (4 * 18, 4 * 18, 8 * 18 + 2 * 4)
    assert told["least"] > told["gradients"] + told["optimiser"] + 10**7, "this program is counted in"
    assert told["available"] > told["least"]
    assert result.needs is not None
    assert told["bfloat16"] is None


def test_exact_says_what_it_costs_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.training.speed.facts", lambda: {"gflops": 2.0, "gflops_bfloat16": 8.0})
    events: list[dict[str, Any]] = []
    train(job(Toy(), precision="exact"), listen=events.append)
    assert events[1]["bfloat16"] == 4.0
    monkeypatch.setattr(
        "tailorlm.training.speed._measured", lambda device, kind: {"float32": 1.0, "bfloat16": 7.5}[kind]
    )
    assert gain_of_bfloat16(torch.device("cuda")) == 7.5, "a GPU is asked itself"
    monkeypatch.setattr("tailorlm.training.speed.facts", dict)
    assert gain_of_bfloat16(CPU) is None


def test_operations_of_a_token_are_counted_in_every_run() -> None:
    """A linear layer of 5 x 3: 2 x 15 forward, as many for its weights' gradient; its inputs need none."""
    toy = Toy()
    toy.lengths = [1] * len(toy.codes)
    result = train(job(toy))
    assert result.forecast is None
    assert result.operations == 60


@pytest.mark.parametrize("part", ["full", "lora"])
def test_all_products_of_a_model_that_writes_are_counted(part: str, tmp_path: Path) -> None:
    """Every product by hand: projections, attention, the vocabulary at the learned places, the low-rank steps."""
    model = load_writer(resolve(str(tiny_writer(tmp_path / "writer", "gpt2"))))
    names = {"full": lambda: Full(Full.Settings()), "lora": lambda: LoRA(LoRA.Settings())}[part]().attach(model)
    length, learned, width, blocks = 12, 5, 32, 2
    rows = TokenRows.of([(list(range(5, 5 + length)), [False] * (length - learned) + [True] * learned)], ["a"])
    lesson = NextTokens(RowLosses(model.body, pad=model.pad_id), rows, model)
    result = train(Job(lesson, names, ["a"], TrainSettings(epochs=1, precision="exact"), 1e-3, 0))
    layers = 12 * width * width * blocks  # weights of a block of GPT-2: 3 + 1 + 4 + 4 squares of its width
    attention = 2 * 2 * length * length * width * blocks
    vocabulary = learned * width * model.config.vocab_size
    if part == "full":
        expected = 3 * (2 * layers * length + attention) + 3 * 2 * vocabulary
    else:
        steps = sum(p.numel() for name, p in model.named_parameters() if name in set(names))
        below = [
            p.numel()
            for n, p in model.named_parameters()
            if n in set(names) and "h.0.attn.c_attn" in n and "lora_A" in n
        ]
        # The first layer's input needs no gradient: neither its own nor that of the low-rank step into it.
        expected = 2 * (2 * layers * length + 2 * vocabulary) + 3 * attention + 3 * 2 * steps * length
        expected -= 2 * length * (3 * width * width + sum(below))
    assert result.operations * length == expected


def test_the_row_that_is_counted_stands_for_all() -> None:
    assert telling_row([4, 4, 4, 4], [1, 1, 1, 1]) == 0
    assert telling_row([2, 2, 2, 2, 40, 39], [1] * 6) in (4, 5), "most tokens are in long rows"
    assert telling_row([10, 10, 10], [1, 9, 5]) == 2, "labels a token as in all rows"


@pytest.mark.parametrize("name", [name for name in optimisers if name != "adamw_8bit"])
@pytest.mark.parametrize("size", [(7,), (5, 3), (2, 4, 6)])
def test_the_optimisers_rule_is_what_it_keeps(name: str, size: tuple[int, ...]) -> None:
    parameter = nn.Parameter(torch.ones(size))
    part = optimisers.get(name)
    part = part(part.Settings())
    made = part.make([{"params": [parameter], "lr": 0.1, "weight_decay": 0.0}])
    parameter.grad = torch.ones(size)
    made.step()
    kept = sum(v.numel() * v.element_size() for v in made.state[parameter].values() if isinstance(v, Tensor))
    assert part.state_bytes(size) == kept


def test_speed_counts_tokens_and_what_the_machine_could(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.training.speed.facts", lambda: {"gflops": 2.0, "gflops_bfloat16": 8.0})
    ran = Trained(tokens_seen=1000, busy=4.0)
    assert speed(ran, CPU) == {"tokens_per_second": 250.0, "busy_seconds": 4.0, "computed_in": "float32"}
    ran.operations = 2e6
    assert speed(ran, CPU)["share_of_peak"] == 0.25
    assert speed(ran, CPU, processes=2)["share_of_peak"] == 0.125
    ran.computed_in = "bfloat16"
    assert speed(ran, CPU)["share_of_peak"] == 0.0625
    monkeypatch.setattr("tailorlm.training.speed.facts", dict)
    assert "share_of_peak" not in speed(ran, CPU)


# ---- memory that does not suffice


class Tight:
    """A forecast that holds for the first so many questions, then suffices."""

    def __init__(self, times: int):
        self.left = times

    def __call__(self, run: Any) -> Forecast | None:
        self.left -= 1
        return Forecast(10**10, 0, 10**9, 10**9 if self.left >= 0 else 10**11)


def tight(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.setattr("tailorlm.training.loop.forecast_of", Tight(times))


def test_before_the_first_step_parts_are_halved_then_blocks_recomputed(
    base: Base, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = beside.run(base(), micro_tokens=32)
    tight(monkeypatch, 3)
    found = beside.run(base(), micro_tokens=32)
    assert ["16 tokens" in note for note in found["notes"]] == [True, False, False][: len(found["notes"])]
    assert "computed again" in found["notes"][-1]
    assert np.abs(np.array(found["losses"]) - np.array(expected["losses"])).max() < 2e-6


def test_what_cannot_fit_is_said_before_anything_runs(always: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tight(monkeypatch, 99)
    toy = Toy()
    with pytest.raises(TailorError, match=r"needs about 10\.0 GB") as caught:
        train(job(toy))
    assert "adafactor" in str(caught.value)
    assert toy.asked == []


# ---- recomputing


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "modernbert", "gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("part", ["full", "lora"])
def test_recomputing_gives_the_same_bits(architecture: str, part: str, base: Base) -> None:
    folder = base(architecture, "mean" if architecture in {"bert", "distilbert", "modernbert"} else "last")
    plain = beside.run(folder, part=part, dropout=0.2, epochs=1)
    again = beside.run(folder, part=part, dropout=0.2, epochs=1, recompute="on")
    for key in ("losses", "weights", "scores"):
        assert plain[key] == again[key], key


def test_recomputing_keeps_less_and_is_undone(base: Base) -> None:
    def kept(wanted: bool) -> int:
        model, made = beside.job(base())
        model.train()
        saved: list[int] = []
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: (saved.append(t.numel()), t)[1], lambda t: t)
        if wanted:
            with recomputing(model), hooks:
                made.lesson.losses([0, 1, 2])
        else:
            with hooks:
                made.lesson.losses([0, 1, 2])
        return sum(saved)

    plain = kept(False)
    assert kept(True) < 0.7 * plain
    model, _ = beside.job(base())
    with recomputing(model):
        pass
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def test_a_model_without_blocks_cannot() -> None:
    assert not can_recompute(Toy().module)
    with pytest.raises(UsageError, match="cannot compute its blocks again"):
        train(job(Toy(), recompute="on"))


# ---- precision


def test_auto_takes_bfloat16_where_it_was_measured_to_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    for ratio, chosen in ((0.02, "float32"), (1.4, "float32"), (1.9, "bfloat16")):
        monkeypatch.setattr(arithmetic, "facts", lambda ratio=ratio: {"route": "highest", "bfloat16": ratio})
        assert precision("auto", CPU) == chosen
        assert (precision("exact", CPU), precision("bf16", CPU)) == ("float32", "bfloat16")


def test_in_bfloat16_products_alone_are_short(base: Base) -> None:
    kinds: dict[str, set[torch.dtype]] = {"linear": set(), "weights": set(), "scores": set()}
    model, made = beside.job(base(), precision="bf16", epochs=1)

    def look(module: nn.Module, given: Sequence[Tensor], out: Tensor) -> None:
        kinds["linear"].add(out.dtype)
        kinds["weights"].add(module.weight.dtype)  # type: ignore[arg-type]

    model.body.encoder.layer[0].intermediate.dense.register_forward_hook(look)
    result = train(made)
    assert result.computed_in == "bfloat16"
    assert kinds["linear"] == {torch.bfloat16}
    assert kinds["weights"] == {torch.float32}, "weights that learn stay whole"
    exact = beside.run(base(), epochs=1)
    difference = np.abs(np.array(result.losses) - np.array(exact["losses"]))
    assert 0 < difference.max() < 0.02


def test_frozen_weights_lie_in_bfloat16_where_no_bit_is_lost(base: Base) -> None:
    model, made = beside.job(base(), part="lora", precision="bf16", epochs=1)
    frozen = {n: p for n, p in model.named_parameters() if n not in set(made.trainable)}
    with torch.no_grad():  # as published models are
        for name, parameter in frozen.items():
            if "layer.1" not in name:
                parameter.copy_(parameter.bfloat16().float())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with in_bfloat16(model, made.trainable) as saved:
        kinds = {name: p.dtype for name, p in frozen.items()}
    short = {name for name, kind in kinds.items() if kind == torch.bfloat16}
    assert saved == 2 * sum(frozen[name].numel() for name in short) > 0
    assert all(name.endswith("weight") for name in short)
    assert not any("layer.1." in name or "embed" in name.lower() or "norm" in name.lower() for name in short)
    train(made)
    for name, parameter in frozen.items():
        assert torch.equal(parameter, before[name]), name


def test_it_says_how_much_is_computed_at_once_on_a_gpu() -> None:
    assert micro_tokens(torch.device("cuda")) > micro_tokens(CPU)
