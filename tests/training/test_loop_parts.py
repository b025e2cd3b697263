"""The parts of the loop: optimisers, the other schedules, token steps, running average, penalties, back-off, watch and checks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toy import ROWS, Toy, job, scripted

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.training.average import Average
from tailorlm.training.checks import checksums, postflight, preflight
from tailorlm.training.job import Score, Trained
from tailorlm.training.loop import train
from tailorlm.training.optimisers import optimisers
from tailorlm.training.order import SeededOrder
from tailorlm.training.schedule import rate
from tailorlm.training.watch import Watch

ON_CPU = [name for name in optimisers if name != "adamw_8bit"]


# ---- optimisers


def test_the_suite_found_every_optimiser() -> None:
    assert list(optimisers) == ["adamw", "adamw_8bit", "adafactor", "lion", "sgd"]


def made(name: str, groups: list[dict[str, Any]], **changes: Any) -> torch.optim.Optimizer:
    part = optimisers.get(name)
    return part(validate(changes, part.Settings)).make(groups)


@pytest.mark.parametrize("name", ON_CPU)
def test_it_finds_the_bottom_of_a_bowl(name: str) -> None:
    parameter = nn.Parameter(torch.tensor([[3.0, -2.0], [1.0, 4.0]]))
    optimiser = made(name, [{"params": [parameter], "lr": 0.05, "weight_decay": 0.0}])
    first = float(parameter.square().sum())
    for _ in range(300):
        optimiser.zero_grad()
        parameter.square().sum().backward()
        optimiser.step()
    assert float(parameter.square().sum()) < first / 50


@pytest.mark.parametrize("name", ON_CPU)
def test_weight_decay_pulls_and_rate_zero_stands_still(name: str) -> None:
    for lr, decay, moves in ((0.1, 0.5, True), (0.0, 0.5, False)):
        parameter = nn.Parameter(torch.full((3, 3), 2.0))
        optimiser = made(name, [{"params": [parameter], "lr": lr, "weight_decay": decay}])
        parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
        assert (float(parameter.detach()[0, 0]) < 2.0) == moves


def test_lion_by_hand() -> None:
    parameter = nn.Parameter(torch.tensor([1.0, -1.0, 0.5]))
    optimiser = made("lion", [{"params": [parameter], "lr": 0.1, "weight_decay": 0.2}], beta1=0.9, beta2=0.5)
    parameter.grad = torch.tensor([2.0, -3.0, 0.0])
    optimiser.step()  # first: decay by 1 - 0.02, then 0.1 against the sign
    assert parameter.tolist() == pytest.approx([0.98 - 0.1, -0.98 + 0.1, 0.49])
    parameter.grad = torch.tensor([-2.0, -3.0, 1.0])  # momentum is [1, -1.5, 0]; direction 0.9 m + 0.1 g
    optimiser.step()
    assert parameter.tolist() == pytest.approx([0.88 * 0.98 - 0.1, -0.88 * 0.98 + 0.1, 0.49 * 0.98 - 0.1])


def test_eight_bits_need_a_gpu() -> None:
    with pytest.raises(UsageError, match="GPU only"):
        made("adamw_8bit", [{"params": [nn.Parameter(torch.zeros(2))], "lr": 0.1}])
    with pytest.raises(UsageError, match="nesterov needs momentum"):
        made("sgd", [{"params": [nn.Parameter(torch.zeros(2))], "lr": 0.1}], momentum=0, nesterov=True)


# ---- schedules and order


@pytest.mark.parametrize(("total", "warmup"), [(10, 0.3), (50, 0.1), (101, 0.25)])
def test_one_cycle_is_torchs(total: int, warmup: float) -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1.0, total_steps=total, pct_start=warmup, cycle_momentum=False
    )
    for step in range(total):
        assert rate(step, total, schedule="one_cycle", warmup=warmup) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step() if step < total - 1 else None


def test_wsd_rises_stays_and_falls_in_the_last_tenth() -> None:
    rates = [rate(step, 100, schedule="wsd", warmup=0.05) for step in range(100)]
    assert rates[:6] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:91] == [1.0] * 86
    assert rates[91:] == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=120), st.integers(1, 200), st.integers(0, 3))
def test_token_steps_hold_every_row_once_within_their_tokens(lengths: list[int], tokens: int, epoch: int) -> None:
    order = SeededOrder(lengths, 16, 1, tokens)
    steps = order.steps(epoch)
    assert sorted(i for step in steps for i in step) == list(range(len(lengths)))
    assert all(len(step) == 1 or sum(lengths[i] for i in step) <= tokens for step in steps)
    assert order.total(3) == sum(len(order.steps(e)) for e in range(3))


# ---- running average, penalties, back-off


def test_the_average_is_scored_and_kept_and_the_weights_go_on() -> None:
    toy, plain, seen = Toy(), Toy(), []

    def validate() -> Score:
        seen.append(toy.weights())
        return Score(len(seen), 0.0)

    trained = train(job(toy, average=0.9), validate=validate)
    other = train(job(plain))
    assert trained.losses == other.losses, "learning itself does not see the average"
    assert all(torch.equal(value, seen[-1][name]) for name, value in toy.weights().items())
    assert any(not torch.equal(value, plain.weights()[name]) for name, value in toy.weights().items())


def test_the_average_by_hand() -> None:
    parameter = nn.Parameter(torch.tensor([0.0]))
    average = Average({"x": parameter}, 0.5)
    for step, value in enumerate((1.0, 2.0, 4.0), 1):
        with torch.no_grad():
            parameter.fill_(value)
        average.update(step)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0), 1):
        memory = min(0.5, (1 + step) / (10 + step))
        expected = memory * expected + (1 - memory) * value
    assert float(average.values["x"]) == pytest.approx(expected)
    average.show()
    average.show()
    assert float(parameter.detach()) == pytest.approx(expected)
    average.hide()
    average.hide()
    assert float(parameter.detach()) == 4.0


def test_a_penalty_is_added_once_a_step() -> None:
    toy = Toy()
    toy.module[0].p = 0.0
    made_job = job(toy, epochs=1, micro_tokens=16, warmup=0.0, weight_decay=0.0)
    made_job.penalties = [lambda: 100.0 * toy.module[1].weight.square().sum()]
    before = float(toy.module[1].weight.detach().square().sum())
    trained = train(made_job)
    assert trained.losses[0] > 100.0 * before * 0.9
    assert float(toy.module[1].weight.detach().square().sum()) < before


class Short(Toy):
    """Has memory for `most` rows at once."""

    def __init__(self, most: int, error: BaseException):
        super().__init__()
        self.most, self.error = most, error

    def scores(self, index: Sequence[int]) -> Tensor:
        if len(index) > self.most:
            raise self.error
        return super().scores(index)


OUT = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT, ids=["gpu", "cpu", "python"])
def test_too_little_memory_halves_what_is_at_once_and_keeps_steps_and_order(error: BaseException) -> None:
    short, plain, events = Short(2, error), Toy(), []
    for toy in (short, plain):
        toy.module[0].p = 0.0
    trained = train(job(short, micro_tokens=64), listen=events.append)
    assert trained.losses == pytest.approx(train(job(plain)).losses, abs=1e-5)
    told = [event for event in events if event["event"] == "back-off"]
    sizes = [event["micro_tokens"] for event in told]
    assert sizes[:3] == [32, 16, 8]
    assert all(small < large for large, small in pairwise(sizes))
    assert all("memory was short" in note for note in trained.notes[: len(told)])


def test_a_row_that_never_fits_is_said() -> None:
    with pytest.raises(TailorError, match=r"one row of \d tokens does not fit into memory"):
        train(job(Short(0, MemoryError())))


def test_too_little_memory_beside_the_parts_is_said_and_the_best_pass_stands() -> None:
    toy, plain = Toy(), Toy()

    def validate(left: list[int] = [1]) -> Score:  # noqa: B006
        if not left:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Score(float(left.pop()), 0.0)

    with pytest.raises(TailorError, match="memory ran out beside the parts of a step"):
        train(job(toy, patience=9), validate=validate)
    train(job(plain, stop_after=1))
    assert all(torch.equal(value, plain.weights()[name]) for name, value in toy.weights().items())


def test_another_error_is_not_taken_for_memory() -> None:
    with pytest.raises(RuntimeError, match="something else"):
        train(job(Short(1, RuntimeError("something else"))))


# ---- watch


def test_a_spike_names_the_rows_behind_it() -> None:
    watch = Watch(job(Toy()))
    chance = np.random.default_rng(0)
    for step in range(1, 31):
        assert watch.step(step, 1.0 + 0.02 * chance.random(), [0, 1], np.array([1.0, 1.0])) is None
    watch.job.lesson.counts = [20 if row == 5 else 1 for row in range(ROWS)]
    event = watch.step(31, 9.0, [4, 7, 5, 9], np.array([0.5, 20.0, 30.0, 3.0]))
    assert event is not None
    assert event["rows"] == ["r7", "r9", "r5", "r4"], "by label"
    assert event["usual"] == pytest.approx(1.01, abs=0.02)
    assert Watch(job(Toy())).step(1, 1e9, [0], np.array([1e9])) is None, "nothing is usual yet"


def test_two_falls_in_a_row_are_told_once_each() -> None:
    events: list[dict[str, Any]] = []
    train(job(Toy(), patience=9), validate=scripted([0.9, 0.8, 0.7, 0.75, 0.7]), listen=events.append)
    told = [event for event in events if event["event"] == "declining"]
    assert [event["epoch"] for event in told] == [3]
    assert len(told[0]["rows"]) == 8


def test_the_hardest_rows_are_those_with_a_wrong_label() -> None:
    toy = Toy()
    toy.module[0].p = 0.0
    with torch.no_grad():
        toy.codes = toy.module(toy.vectors).argmax(1).numpy()
    toy.codes[[3, 11]] = (toy.codes[[3, 11]] + 1) % 3
    trained = train(job(toy, lr=1e-6))
    assert set(trained.hardest(2)) == {3, 11}
    assert trained.row_losses.shape == (ROWS,)
    assert trained.row_losses.mean() == pytest.approx(np.mean(trained.losses), rel=0.1)


# ---- checks


def test_preflight_names_rows_with_nothing_to_learn() -> None:
    made_job = job(Toy())
    assert preflight(made_job) == {
        "event": "preflight", "rows": 22, "labels": 22, "learned": "labels", "learned_per_row": [1, 1, 1], "ends": None,
        "tokens": sum(made_job.lesson.lengths), "longest": 7, "parameters": 18,
    }  # fmt: skip
    made_job.lesson.counts = [0 if i in (2, 5) else 1 for i in range(ROWS)]
    with pytest.raises(CheckError, match="2 of 22 rows hold nothing to learn") as fault:
        train(made_job)
    assert fault.value.got == "r2, r5"
    made_job.lesson.counts = [0] * ROWS
    with pytest.raises(CheckError, match="no row holds anything to learn"):
        train(made_job)


def test_unequal_label_counts_divide_by_the_labels_of_the_whole_step() -> None:
    losses = []
    for micro in (16, 4096):
        toy = Toy()
        toy.module[0].p = 0.0
        made_job = job(toy, micro_tokens=micro, lr=0.01)
        made_job.lesson.counts = [1 + i % 5 for i in range(ROWS)]
        losses.append(train(made_job).losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int8])
def test_a_checksum_sees_one_bit(dtype: torch.dtype) -> None:
    module = nn.Module()
    module.register_buffer("x", torch.ones(7, dtype=dtype))
    module.register_buffer("empty", torch.zeros(0, dtype=dtype))
    module.register_buffer("place", torch.ones(7), persistent=False)
    before = checksums(module)
    assert set(before) == {"x", "empty"}
    module.x[3] = 1.0078125 if dtype.is_floating_point else 2
    changed = checksums(module)
    assert changed["x"] != before["x"]
    module.x[3], module.x[4] = module.x[4].clone(), module.x[3].clone()
    assert checksums(module)["x"] not in (before["x"], changed["x"])


def test_a_checksum_sees_places_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.training.checks.PIECE", 16)
    module = nn.Linear(10, 10)
    before = checksums(module)
    with torch.no_grad():
        module.weight[[0, 9]] = module.weight[[9, 0]]
    assert checksums(module)["weight"] != before["weight"]


def test_postflight_refuses_a_frozen_tensor_that_moved_and_tells_one_that_did_not() -> None:
    module = nn.Linear(2, 2)
    before = checksums(module)
    assert postflight(module, ["weight"], before, 5) == ["1 of 1 tensors that should learn never moved: weight"]
    with torch.no_grad():
        module.bias[0] += 1
    with pytest.raises(TailorError, match="1 frozen tensors have changed"):
        postflight(module, ["weight"], before, 5)
    assert postflight(module, ["weight", "bias"], before, 1) == ["1 of 2 tensors that should learn never moved: weight"]
    with torch.no_grad():
        module.weight[0, 0] = float("inf")
    with pytest.raises(TailorError, match="not finite"):
        postflight(module, ["weight", "bias"], before, 5)


def test_a_meddling_lesson_is_caught() -> None:
    class Meddles(Toy):
        def scores(self, index: Sequence[int]) -> Tensor:
            with torch.no_grad():
                self.module[1].bias += 0.1
            return super().scores(index)

    toy = Meddles()
    made_job = job(toy)
    made_job.trainable = ["1.weight"]
    with pytest.raises(TailorError, match="frozen tensors have changed in training"):
        train(made_job)


def test_a_result_begins_empty() -> None:
    assert Trained().hardest(3) == []
