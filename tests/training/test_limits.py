"""Limits of forgetting: which pass is kept, when it ends, and what is measured; texts that a model writes for itself to rehearse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import Toy, job, scripted

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.decoder import load_writer
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.row_losses import RowLosses
from tailorlm.models.run import embed
from tailorlm.objectives.penalties.ewc import diagonal_fisher
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.old import WritingScene, written_freely
from tailorlm.recipes.forgotten import Known, Memory
from tailorlm.recipes.schema import Recipe
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.loop import train
from tiny import labelled
from writers import tiny_writer

Base = Callable[..., Path]
ROWS = labelled(18, 3)


@dataclass
class Scripted:
    """A limit that reads these values, one a pass."""

    values: Sequence[float]
    limit: float = 0.5
    read: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.read.append(self.values[len(self.read)])
        return self.read[-1]


def run(source: Toy, limit: Scripted, validate: Any = None, **changes: Any) -> Any:
    made = job(source, patience=None, **changes)
    made.limits = [limit]
    return train(made, validate=validate)


def test_the_pass_before_the_crossing_is_kept_and_no_other_begins() -> None:
    source, limit = Toy(), Scripted([0.1, 0.5, 0.6, 9.0])
    result = run(source, limit)
    assert limit.read == [0.1, 0.5, 0.6], "equal is not over"
    assert result.limited == [[0.1], [0.5], [0.6]]
    assert result.best_epoch == 2
    assert result.notes == ["pass 3 crossed a limit (0.6, at most 0.5): the weights of pass 2 at most are kept"]
    two = Toy()
    train(job(two, patience=None, stop_after=2))
    assert all(torch.equal(value, two.weights()[name]) for name, value in source.weights().items())


def test_the_first_pass_is_kept_where_none_is_within() -> None:
    result = run(Toy(), Scripted([0.7]))
    assert (result.best_epoch, len(result.limited)) == (1, 1)
    assert result.notes == ["pass 1 crossed a limit (0.7, at most 0.5): the first pass is kept, there is none before"]


def test_what_is_never_crossed_changes_nothing() -> None:
    held, free = Toy(), Toy()
    assert run(held, Scripted([0.0] * 5)).best_epoch == 5
    train(job(free, patience=None))
    assert all(torch.equal(value, free.weights()[name]) for name, value in held.weights().items())


def test_a_better_score_over_the_limit_is_not_kept() -> None:
    made = job(Toy(), patience=3)
    made.limits = [Scripted([0.0, 0.1, 0.9])]
    result = train(made, validate=scripted([0.5, 0.4, 0.9]))
    assert (result.best_epoch, len(result.validation)) == (1, 3)


def test_a_stopped_run_goes_on_with_what_was_measured(tmp_path: Path) -> None:
    whole = Toy()
    run(whole, Scripted([0.1, 0.2, 0.6]))
    source, limit, seen = Toy(), Scripted([0.1, 0.2, 0.6]), []
    kept = Checkpoints(tmp_path, every=0)

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 3 and not seen:
            seen.append(event)
            raise KeyboardInterrupt

    made = job(source, patience=None)
    made.limits = [limit]
    with pytest.raises(KeyboardInterrupt):
        train(made, listen=stop, checkpoints=kept)
    again = job(source := Toy(), patience=None)
    again.limits = [Scripted([0.6])]
    result = train(again, checkpoints=kept)
    assert result.limited == [[0.1], [0.2], [0.6]]
    assert result.best_epoch == 2
    assert all(torch.equal(value, whole.weights()[name]) for name, value in source.weights().items())


# ---- what is measured in a fit


def recipe(base: Path, penalty: Any, *, answers: str = "auto", weights: str = "full", lr: float = 0.02) -> Recipe:
    train = {"epochs": 3, "rows_per_step": 6, "warmup": 0, "patience": None}
    stage = {"weights": {"part": weights, "lr": lr}, "train": train, "penalties": [penalty]}
    return validate({"name": "x", "base": str(base), "answers": answers, "stages": [stage]}, Recipe)


def limited(recipe: Recipe) -> tuple[list[float], Fitted]:
    fitted = fit(recipe, ROWS)
    return [values[0] for values in fitted.trained[0].limited], fitted


def test_drift_of_an_encoder_is_what_the_report_says(base: Base) -> None:
    found, fitted = limited(recipe(base("bert", "mean"), {"part": "forgetting_limit", "limit": 100}))
    assert len(found) == 3
    told = Memory(Known.read()).forgotten(fitted.adaptation)
    assert found[-1] == pytest.approx(told["drift"], abs=1e-6)
    first, stopped = limited(recipe(base("bert", "mean"), {"part": "forgetting_limit", "limit": found[0] + 1e-9}))
    assert len(first) == (2 if found[1] > found[0] else 3)
    assert stopped.trained[0].best_epoch == (1 if found[1] > found[0] else 3)


def probe(folder: Path) -> str:
    rows = labelled(24, 3, start=40)
    path = folder / "probe.csv"
    lines = [f"{text},{label}" for text, label in zip(rows.texts, rows.gold, strict=True)]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_a_probe_is_accuracy_lost(base: Base, tmp_path: Path) -> None:
    penalty = {"part": "forgetting_limit", "limit": 100, "probe": probe(tmp_path)}
    found, fitted = limited(recipe(base("bert", "mean"), penalty))
    told = Memory(Known.read(None, [penalty["probe"]])).forgotten(fitted.adaptation)["probes"]["probe"]
    assert found[-1] == pytest.approx(told["before"] - told["after"])


def test_a_model_that_writes_is_asked_nats_a_token(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path / "writer", "llama")
    found, fitted = limited(recipe(folder, {"part": "forgetting_limit", "limit": 100}, answers="written"))
    told = Memory(Known.read()).forgotten(fitted.adaptation)["language"]["nats_per_token"]
    assert found[-1] == pytest.approx(told["after"] - told["before"], rel=1e-4)
    with pytest.raises(UsageError, match="a probe reads vectors"):
        fit(recipe(folder, {"part": "forgetting_limit", "probe": probe(tmp_path)}, answers="written"), ROWS)


# ---- texts of its own, and pulls, for models that write


def test_own_texts_are_draws_of_the_model(tmp_path: Path) -> None:
    writer = load_writer(resolve(str(tiny_writer(tmp_path / "writer", "llama"))))
    rows = written_freely(writer, 6, 9, seed=1)
    assert np.array_equal(rows.ids, written_freely(writer, 6, 9, seed=1).ids)
    assert not np.array_equal(rows.ids[:20], written_freely(writer, 6, 9, seed=2).ids[:20])
    begin = writer.chat.tokens.before_text
    assert begin
    assert 1 <= len(rows) <= 6
    for i in range(len(rows)):
        assert rows.row(i)[: len(begin)].tolist() == begin
        assert len(rows.row(i)) <= len(begin) + 9
    assert rows.learned.sum() == len(rows.ids) - len(begin) * len(rows)


def test_rehearsing_own_texts_changes_the_fit_and_an_encoder_has_none(base: Base, tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path / "writer", "llama")
    own = {"part": "rehearsal", "share": 0.4, "learn": "generated", "texts": 8, "tokens": 6}
    found = []
    for penalty in ({"part": "rehearsal", "share": 0.0}, own, own | {"texts": 3}, own | {"tokens": 3}):
        fitted = fit(recipe(folder, penalty, answers="written"), ROWS)
        found.append(fitted.adaptation.scores(ROWS.texts[:3]).tolist())
    assert len({str(scores) for scores in found}) == 4
    with pytest.raises(UsageError, match="an encoder writes no texts"):
        fit(recipe(base("bert", "mean"), own), ROWS)


def test_pulls_hold_a_model_that_writes(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path / "writer", "llama")
    before = dict(load_writer(resolve(str(folder))).body.named_parameters())

    def moved(penalty: Any) -> float:
        body = fit(recipe(folder, penalty, answers="written", lr=0.002), ROWS).adaptation.model.body
        with torch.no_grad():
            return sum(float((p - before[n]).square().sum()) for n, p in body.named_parameters())

    free = moved({"part": "l2_sp", "strength": 0.0})
    assert moved({"part": "l2_sp", "strength": 100.0}) < free
    assert moved({"part": "ewc", "strength": 1e6, "rows": probe(tmp_path), "count": 6}) < free


def test_old_rows_of_a_model_that_writes_cost_what_the_loss_says(tmp_path: Path) -> None:
    from tailorlm.training.token_rows import TokenRows

    writer = load_writer(resolve(str(tiny_writer(tmp_path / "writer", "llama"))))
    rows = TokenRows.of([([1, 5, 9, 7], [False, False, True, True]), ([1, 6, 8], [False, True, True])], ["a", "b"])
    scene = WritingScene(writer, [], RowLosses(writer.body), lambda file, count: [rows])
    asked: list[int] = []
    writer.body.lm_head.register_forward_hook(lambda module, inputs, output: asked.append(output.shape[-2]))
    list(scene.old("", 2))
    assert asked == [2, 2], "the vocabulary is asked at learned places alone"
    parameters = dict(writer.body.named_parameters())

    def whole() -> Any:
        for row, learned in (([1, 5, 9, 7], [2, 3]), ([1, 6, 8], [1, 2])):
            ids = torch.tensor(row)
            yield writer.body(input_ids=ids[None]).logits[0, [i - 1 for i in learned]], ids[learned]

    for drawn in (True, False):
        found, expected = (diagonal_fisher(some, parameters, drawn=drawn) for some in (scene.old("", 2), whole()))
        assert all(torch.allclose(found[name], expected[name], rtol=1e-4, atol=1e-7) for name in parameters)
    with torch.no_grad():
        found = [torch.nn.functional.cross_entropy(s, c, reduction="sum") for s, c in scene.old("", 2)]
        for loss, row, learned in zip(found, ([1, 5, 9, 7], [1, 6, 8]), ([2, 3], [1, 2]), strict=True):
            shares = writer.body(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
            assert float(loss) == pytest.approx(-sum(float(shares[i - 1, row[i]]) for i in learned), rel=1e-5)


def test_vectors_are_measured_from_where_the_stage_began(base: Base) -> None:
    folder = base("bert", "mean")
    found, fitted = limited(recipe(folder, {"part": "forgetting_limit", "limit": 100}, weights="lora"))
    start = load_model(resolve(str(folder)), labels=(), pooling="mean", max_length=256)
    assert found[-1] > 0
    assert not np.allclose(embed(start, ["a rate"]), embed(fitted.adaptation.model, ["a rate"]))


def test_a_limit_of_a_head_alone_says_nothing_was_forgotten(base: Base) -> None:
    found, _ = limited(recipe(base("bert", "mean"), {"part": "forgetting_limit", "limit": 0.001}, weights="head"))
    assert found == pytest.approx([0.0] * 3, abs=1e-6)
    with pytest.raises(TailorError, match=r"no file nowhere\.csv"):
        fit(recipe(base("bert", "mean"), {"part": "forgetting_limit", "general": "nowhere.csv"}), ROWS)
