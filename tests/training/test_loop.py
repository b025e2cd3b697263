"""The one loop: order, schedule, early stopping, repeats to the bit, faults that name their rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toy import ROWS, Toy, job, scripted

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Job, Score, Trained
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.order import WINDOW, SeededOrder, micro_batches
from tailorlm.training.schedule import rate
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource
from tailorlm.weights.full import Full
from tiny import labelled

# ---- the order of rows

orders = st.tuples(
    st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 9), st.integers(0, 5), st.integers(0, 3)
)


@settings(max_examples=60, deadline=None)
@given(orders)
def test_every_row_comes_once_a_pass_in_whole_steps(case: tuple[list[int], int, int, int]) -> None:
    lengths, rows_per_step, seed, epoch = case
    steps = SeededOrder(lengths, rows_per_step, seed).steps(epoch)
    assert sorted(i for step in steps for i in step) == list(range(len(lengths)))
    assert len(steps) == -(-len(lengths) // rows_per_step)
    short = [len(step) for step in steps if len(step) != rows_per_step]
    assert short == ([len(lengths) % rows_per_step] if len(lengths) % rows_per_step else [])
    for step in steps:
        assert [lengths[i] for i in step] == sorted((lengths[i] for i in step), reverse=True)


def test_the_order_is_a_function_of_seed_pass_and_lengths() -> None:
    lengths = [i * 7 % 31 + 1 for i in range(100)]
    first = SeededOrder(lengths, 4, 1).steps(2)
    torch.manual_seed(5)
    np.random.seed(5)
    assert SeededOrder(list(lengths), 4, 1).steps(2) == first
    assert SeededOrder(lengths, 4, 2).steps(2) != first
    assert SeededOrder(lengths, 4, 1).steps(3) != first
    assert SeededOrder(lengths[::-1], 4, 1).steps(2) != first
    assert all(type(i) is int for step in first for i in step)


def test_windows_save_padding_and_steps_come_in_no_order_of_length() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 100, 8 * WINDOW * 4).tolist()
    steps = SeededOrder(lengths, 8, 0).steps(0)
    padded = sum(len(step) * max(lengths[i] for i in step) for step in steps)
    shuffled = random.permutation(len(lengths)).reshape(-1, 8)
    unsorted = sum(8 * max(lengths[i] for i in step) for step in shuffled)
    assert sum(lengths) <= padded < 1.15 * sum(lengths) < unsorted
    longest = [max(lengths[i] for i in step) for step in steps]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200), st.randoms(use_true_random=False))
def test_micro_batches_stay_within_their_budget(lengths: list[int], budget: int, random: Any) -> None:
    index = list(range(len(lengths)))
    random.shuffle(index)
    parts = micro_batches(index, lengths, budget)
    assert [i for part in parts for i in part] == index
    assert all(parts)
    for part in parts:
        size = len(part) * max(lengths[i] for i in part)
        assert size <= budget or len(part) == 1
    for one, two in pairwise(parts):  # no part ends before it must
        assert (len(one) + 1) * max(lengths[i] for i in [*one, two[0]]) > budget


# ---- the schedule


@pytest.mark.parametrize("warmup", [0.0, 0.03, 0.1, 0.35, 1.0])
@pytest.mark.parametrize("total", [1, 2, 7, 30, 101])
@pytest.mark.parametrize("name", ["linear", "cosine", "constant"])
def test_the_schedule_is_transformers_own(name: str, total: int, warmup: float) -> None:
    import math

    from transformers import get_scheduler

    kind = "constant_with_warmup" if name == "constant" else name
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(kind, optimiser, num_warmup_steps=math.ceil(warmup * total), num_training_steps=total)
    for step in range(total):
        theirs = optimiser.param_groups[0]["lr"] if total > 1 else 1.0  # theirs learns nothing in a run of one step
        assert rate(step, total, schedule=name, warmup=warmup) == pytest.approx(theirs, abs=1e-12)
        optimiser.step()
        scheduler.step()


# ---- repeats


def test_two_runs_are_equal_to_the_bit(base: Callable[..., Path]) -> None:
    rows, folder = labelled(20, 3), base("bert", "native")
    found = []
    for noise in (1, 2):
        torch.manual_seed(3)
        model = load_model(resolve(str(folder)), labels=rows.labels)
        assert model.body.config.hidden_dropout_prob > 0
        names = Full(Full.Settings()).attach(model)
        made = TrainSettings(epochs=2, rows_per_step=4)
        torch.manual_seed(noise)
        np.random.seed(noise)
        lesson = LabelLesson(
            TokenSource(model, Readings(model.tokenize(rows.texts))), Labels(Labels.Settings()), rows.codes
        )
        trained = train(Job(lesson, names, rows.ids, made, 1e-3, 5))
        found.append((trained.losses, {name: p.detach().clone() for name, p in model.named_parameters()}))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(value, found[1][1][name]) for name, value in found[0][1].items())


def test_another_seed_is_another_run() -> None:
    one, two = Toy(), Toy()
    assert train(job(one, seed=0)).losses != train(job(two, seed=1)).losses


# ---- passes, early stopping, what is kept


def test_without_validation_all_passes_run() -> None:
    toy = Toy()
    trained = train(job(toy))
    assert len(trained.losses) == 5 * 6
    assert trained.best_epoch == 5
    assert trained.best is None
    assert trained.validation == []
    assert trained.rows_seen == 5 * ROWS
    assert trained.seconds > 0
    assert not toy.module.training
    assert train(job(Toy(), stop_after=2)).best_epoch == 2
    assert train(job(Toy(), stop_after=9)).best_epoch == 5


@pytest.mark.parametrize("best", [1, 2, 4])
def test_the_best_pass_is_kept_to_the_bit(best: int) -> None:
    values = [0.5] * 5
    values[best - 1] = 0.9
    stopped, plain = Toy(), Toy()
    trained = train(job(stopped, patience=9), validate=scripted(values))
    train(job(plain, stop_after=best))
    assert trained.best_epoch == best
    assert trained.best == Score(0.9, 1.0)
    assert len(trained.validation) == 5
    for name, value in stopped.weights().items():
        assert torch.equal(value, plain.weights()[name])


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_patience_counts_passes_without_a_better_one(patience: int) -> None:
    trained = train(job(Toy(), epochs=9, patience=patience), validate=scripted([0.1, 0.2, 0.3, *[0.3] * 6], [1.0] * 9))
    assert trained.best_epoch == 3
    assert len(trained.validation) == 3 + patience


def test_without_patience_every_pass_is_made_and_the_last_is_kept() -> None:
    judged, plain = Toy(), Toy()
    trained = train(job(judged, epochs=6, patience=None), validate=scripted([0.9, *[0.1] * 5], [1.0] * 6))
    train(job(plain, epochs=6))
    assert (trained.best_epoch, len(trained.validation), trained.best) == (6, 6, Score(0.1, 1.0))
    for name, value in judged.weights().items():
        assert torch.equal(value, plain.weights()[name])


def test_equal_scores_are_settled_by_the_loss() -> None:
    trained = train(job(Toy(), patience=9), validate=scripted([0.5, 0.5, 0.5, 0.5, 0.4], [0.9, 0.7, 0.7, 0.8, 0.1]))
    assert trained.best_epoch == 2, "the earlier of two equal passes"
    assert Score(0.5, 1.0).beats(None)
    assert Score(0.6, 9.0).beats(Score(0.5, 0.1))
    assert Score(0.5, 0.1).beats(Score(0.5, 0.2))
    assert not Score(0.5, 0.1).beats(Score(0.5, 0.1))
    assert not Score(0.4, 0.0).beats(Score(0.5, 9.0))


def test_validation_sees_the_model_at_rest_and_draws_nothing_from_its_chance() -> None:
    toy, plain = Toy(), Toy()
    modes: list[bool] = []

    def validate() -> Score:
        modes.append(toy.module.training)
        return Score(len(modes), 0.0)

    trained = train(job(toy), validate=validate)
    assert modes == [False] * 5
    assert trained.losses == train(job(plain)).losses


def test_events_tell_steps_and_passes() -> None:
    events: list[dict[str, Any]] = []
    trained = train(job(Toy(), epochs=2), validate=scripted([0.5, 0.25]), listen=events.append)
    steps = [e for e in events if e["event"] == "step"]
    passes = [e for e in events if e["event"] == "validation"]
    assert [e["step"] for e in steps] == list(range(1, 13))
    assert [e["loss"] for e in steps] == trained.losses
    assert {e["epochs"] for e in steps} == {2}
    assert sum(e["rows"] for e in steps) == 2 * ROWS
    assert [(e["epoch"], e["score"], e["best"]) for e in passes] == [(1, 0.5, True), (2, 0.25, False)]


def test_the_loss_told_is_the_mean_over_the_rows_of_the_step() -> None:
    toy = Toy()
    toy.module[0].p = 0.0
    with torch.no_grad():
        logits = toy.module(toy.vectors)
        expected = nn.functional.cross_entropy(logits, torch.from_numpy(toy.codes), reduction="none")
    trained = train(job(toy, lr=1e-12, epochs=1, micro_tokens=16))
    steps = SeededOrder(toy.lengths, 4, 0).steps(0)
    assert len(toy.asked) > len(steps), "steps were cut into parts"
    for loss, step in zip(trained.losses, steps, strict=True):
        assert loss == pytest.approx(float(expected[step].mean()), abs=1e-6)


# ---- faults


def planted(toy: Toy, row: int) -> None:
    toy.vectors[row] = float("nan")


def test_a_nan_names_step_and_rows() -> None:
    toy = Toy()
    planted(toy, 13)
    started = toy.weights()
    steps = SeededOrder(toy.lengths, 4, 0).steps(0)
    number = next(i for i, step in enumerate(steps) if 13 in step)
    with pytest.raises(TailorError, match=rf"the loss of step {number + 1} is not a finite number") as error:
        train(job(toy))
    assert error.value.got == "rows without a finite loss: r13"
    assert "0.05" in str(error.value), "the learning rate is named"
    assert all(torch.equal(value, started[name]) for name, value in toy.weights().items()), "the start is put back"


def test_after_a_nan_the_best_pass_stands() -> None:
    toy, plain = Toy(), Toy()
    calls = []

    def validate() -> Score:
        calls.append(1)
        if len(calls) == 2:
            planted(toy, 0)
        return Score(1.0 - len(calls), 0.0)

    with pytest.raises(TailorError, match="the loss of step"):
        train(job(toy, patience=9), validate=validate)
    train(job(plain, stop_after=1))
    assert all(torch.equal(value, plain.weights()[name]) for name, value in toy.weights().items())


def test_many_rows_are_shortened() -> None:
    toy = Toy()
    toy.vectors[:] = float("nan")
    with pytest.raises(TailorError, match="is not a finite number") as error:
        train(job(toy, rows_per_step=22))
    shown = str(error.value.got).removeprefix("rows without a finite loss: ")
    assert shown.endswith(" ...")
    assert len(shown.split(", ")) == 8


def test_an_infinite_gradient_of_a_finite_loss_is_found() -> None:
    class Root:
        def losses(self, scores: Tensor, *_: Any) -> Tensor:
            return (scores - scores.detach()).square().sum(1).sqrt()

    with pytest.raises(TailorError, match="the gradient of step 1 is not a finite number") as error:
        train(job(Toy(), Root()))
    assert str(error.value.got).startswith("rows of that step: ")


def test_a_result_without_passes_has_no_best() -> None:
    assert Trained().best is None
