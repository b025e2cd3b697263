"""What a stage is asked for is what it does: its rate, its room, its dropout, its penalties; what nothing would hear is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sought import prepared
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError
from tailorlm.data.held_out import HeldOut
from tailorlm.data.rows import Row, Rows
from tailorlm.models.layers import dropouts
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.token_rows import TokenRows
from tiny import labelled
from writers import tiny_writer

Base = Callable[..., Path]
ROWS = labelled(12, 3)
FULL = {"part": "full", "lr": 1e-3}
QUICK = {"epochs": 2, "rows_per_step": 6}


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_writer(tmp_path_factory.mktemp("writer"), "qwen2")


def recipe(base: Path, *stages: Any, **more: Any) -> Recipe:
    return validate({"name": "x", "base": str(base), "stages": stages} | more, Recipe)


def said(count: int = 4) -> Rows:
    values = [{"prompt": f"say {word}", "completion": word} for word in ("cat", "sun", "up", "hot")[:count]]
    return Rows(tuple(Row(v, "p.jsonl", i) for i, v in enumerate(values, 1)), ("prompt", "completion"))


def moved(made: Recipe, rows: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in fit(made, rows).adaptation.model.body.named_parameters()}


def test_a_second_stage_of_a_model_that_writes_has_a_rate_of_its_own(writer: Path) -> None:
    lora = {"part": "lora", "lr": 0.01}
    made = recipe(
        writer, {"weights": lora, "train": QUICK}, {"weights": lora | {"lr": 1e-9}, "train": QUICK}, task="generate"
    )
    rows = made.task.make().prepare(said(), what="train")
    both, once = moved(made, rows), moved(made.changed({"stages": made.plain()["stages"][:1]}), rows)
    assert all(torch.allclose(both[name], once[name], atol=1e-5) for name in once)


def test_rates_fall_by_block_in_models_that_write_too(writer: Path) -> None:
    one, other = (
        moved(recipe(writer, {"weights": FULL, "train": QUICK | {"layer_decay": d}}, task="generate"), rows)
        for d in (1.0, 0.1)
        for rows in [recipe(writer, task="generate", context="prompt").task.make().prepare(said(), what="train")]
    )
    assert not torch.equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


@pytest.mark.parametrize(
    "stage",
    [
        {"penalties": [{"part": "rehearsal", "learn": "labels", "rows": "old.jsonl"}]},
        {"penalties": [{"part": "rehearsal", "rows": "old.jsonl"}]},
        {"penalties": [{"part": "ewc", "rows": "old.jsonl"}]},
        {"objective": {"part": "distill", "teacher": "teacher", "rows": "old.jsonl"}},
    ],
)
def test_test_rows_are_refused_wherever_a_stage_reads_rows(
    stage: dict[str, Any], base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = labelled(6, 3, start=40)
    lines = [json.dumps({"text": text, "label": gold}) for text, gold in zip(other.texts, other.gold, strict=True)]
    Path("old.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = replace(ROWS, held_out=HeldOut.of([other.texts[4]]))
    if "objective" in stage:
        fit(recipe(base("bert"), {"weights": "features"}, pooling="mean"), ROWS).adaptation.save(Path("teacher"))
    with pytest.raises(CheckError, match="among the test rows") as error:
        fit(recipe(base("bert"), {"weights": FULL, "train": QUICK} | stage, pooling="mean"), rows)
    assert "old.jsonl:5" in str(error.value)


def test_old_rows_of_a_model_that_writes_are_no_test_rows(writer: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    old.write_text('{"prompt": "say moon", "completion": "sun"}\n', encoding="utf-8")
    penalty = {"part": "rehearsal", "learn": "labels", "rows": str(old)}
    made = recipe(writer, {"weights": FULL, "train": QUICK, "penalties": [penalty]}, task="generate")
    rows = made.task.make().prepare(said(), what="train")
    with pytest.raises(CheckError, match="among the test rows"):
        fit(made, replace(rows, held_out=HeldOut.of(["say moon"])))
    assert fit(made, rows).trained


@pytest.mark.parametrize("objective", ["masked_lm", "denoising"])
@pytest.mark.parametrize("penalty", ["l2_sp", "rehearsal"])
def test_penalties_stand_beside_a_head_that_learns_alone_first(objective: str, penalty: str, base: Base) -> None:
    folder = base("bert")
    stages = [
        {"weights": FULL, "objective": {"part": objective, "warm_up": 1}, "train": QUICK, "penalties": [penalty]},
        {"weights": "features"},
    ]
    fitted = fit(recipe(folder, *stages, pooling="mean"), ROWS)
    assert np.isfinite(fitted.trained[0].losses).all()


def test_numbers_are_taught_on_no_scale(base: Base, tmp_path: Path) -> None:
    """A teacher of numbers around 3 teaches a student whose own rows lie around 30 what it means, not its own spreads."""

    def rows(many: list[float]) -> Any:
        return replace(labelled(len(many), 1), gold=tuple(many), labels=(), strata=("",) * len(many))

    def scored(middle: float, spread: float, *stages: Any) -> Recipe:
        task = {"part": "score", "label": "label", "middle": middle, "spread": spread, "low": -1e3, "high": 1e3}
        return recipe(base("bert"), *stages, pooling="mean", task=task)

    teacher = fit(scored(3.0, 2.0, {"weights": "features"}), rows([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).adaptation
    folder = teacher.save(tmp_path / "teacher")
    stage = {
        "weights": {"part": "head", "lr": 0.05, "head_start": "random"},
        "objective": {"part": "distill", "teacher": str(folder), "labels": 0.0},
        "train": {"epochs": 150, "rows_per_step": 6, "patience": None},
    }
    student = fit(scored(30.0, 10.0, stage), rows([20.0, 25.0, 30.0, 35.0, 40.0, 45.0])).adaptation
    texts = list(rows([0.0] * 6).texts)
    told, learnt = ([answer.value for answer in one.predict(texts)] for one in (teacher, student))
    assert np.allclose(told, learnt, atol=0.8), (told, learnt)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"weights": {"part": "lora", "lr": 1e-3, "alpha": 64.0}}, "weights.alpha was 16"),
        ({"objective": {"part": "labels", "smoothing": 0.2}}, "objective.smoothing was 0.0, is 0.2"),
    ],
)
def test_no_fit_goes_on_with_other_weights_or_another_objective(
    changed: dict[str, Any], named: str, base: Base, tmp_path: Path
) -> None:
    stage = {"weights": {"part": "lora", "lr": 1e-3}, "train": QUICK}
    kept, folder = Checkpoints(tmp_path / "kept"), base("bert")
    stopped(recipe(folder, stage, pooling="mean"), kept)
    with pytest.raises(TailorError, match="interrupted run of something else") as error:
        fit(recipe(folder, stage | changed, pooling="mean"), ROWS, checkpoints=kept)
    assert named in str(error.value)


def stopped(made: Recipe, kept: Checkpoints, rows: Any = ROWS, validation: Any = None) -> None:
    """Fit, and be interrupted in the first step of the last stage: only that one has a checkpoint."""
    stages: list[int] = []

    def stop(event: Any) -> None:
        stages.extend([1] if event["event"] == "step" and event["step"] == 1 else [])
        if len(stages) == len(made.stages):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(made, rows, validation, listen=stop, checkpoints=kept)


TWO = (
    {"weights": {"part": "lora", "lr": 1e-3}, "objective": "masked_lm", "train": QUICK, "anew": True},
    {"weights": {"part": "lora", "lr": 1e-3}, "train": QUICK, "anew": True},
)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"stages.0.weights.lr": 2e-3}, "stage 1.weights.lr was 0.001, is 0.002"),
        ({"stages.0.train.epochs": 1}, "stage 1.train.epochs was 2, is 1"),
        ({"stages.0.objective.share": 0.3}, "stage 1.objective.share was 0.15, is 0.3"),
        ({"pooling": "cls"}, "recipe.pooling was mean, is cls"),
        ({"task.max_length": 99}, "recipe.task.max_length was 256, is 99"),
        ({"stages.1.anew": False, "stages.0.weights.r": 8}, "weights.anew was True, is False"),
    ],
)
def test_no_fit_goes_on_behind_other_stages_or_with_another_recipe(
    changed: dict[str, Any], named: str, base: Base, tmp_path: Path
) -> None:
    kept, made = Checkpoints(tmp_path / "kept"), recipe(base("bert"), *TWO, pooling="mean")
    stopped(made, kept)
    assert not list(kept.folder.glob("step-*")), "the first stage was over before its first checkpoint"
    with pytest.raises(TailorError, match="interrupted run of something else") as error:
        fit(made.changed(changed), ROWS, checkpoints=kept)
    assert named in str(error.value)
    here = made.changed({"stages.0.train.recompute": "off", "name": "another"})
    assert fit(here, ROWS, checkpoints=kept).trained[1].resumed == 1, "where it is computed may change"


def test_no_fit_goes_on_with_other_validation_rows_another_metric_or_other_files(base: Base, tmp_path: Path) -> None:
    text = tmp_path / "domain.csv"
    text.write_text("text\n" + "".join(f"{row}\n" for row in ROWS.texts))
    first = TWO[0] | {"objective": {"part": "masked_lm", "text": str(text)}}
    kept, made = Checkpoints(tmp_path / "kept"), recipe(base("bert"), first, TWO[1], pooling="mean")
    held = labelled(6, 3, start=20)
    stopped(made, kept, validation=held)

    def refused(validation: Any, metric: str | None = None) -> str:
        with pytest.raises(TailorError, match="interrupted run of something else") as error:
            fit(made, ROWS, validation, metric=metric, checkpoints=kept)
        return str(error.value.got)

    assert refused(held.select(range(5))) == "other validation.rows"
    assert refused(held, "macro_f1") == "validation.metric was accuracy, is macro_f1"
    text.write_text(text.read_text() + "one more\n")
    assert refused(held) == "other contents.stages.0.objective.text"


def test_no_fit_of_a_model_that_writes_or_searches_goes_on_with_another_recipe(
    writer: Path, base: Base, tmp_path: Path
) -> None:
    lora = {"weights": {"part": "lora", "lr": 1e-3}, "train": QUICK}
    before = lora | {"objective": "causal_lm", "anew": True}
    made = recipe(writer, before, lora | {"anew": True}, task="generate")
    rows, kept = made.task.make().prepare(said(), what="train"), Checkpoints(tmp_path / "written")
    stopped(made, kept, rows)
    with pytest.raises(TailorError, match=r"stage 1\.weights\.lr was 0\.001, is 0\.01"):
        fit(made.changed({"stages.0.weights.lr": 0.01}), rows, checkpoints=kept)
    kept = Checkpoints(tmp_path / "sought")
    made = recipe(base("bert"), lora | {"objective": "ranking"}, task="retrieve", pooling="mean")
    stopped(made, kept, prepared(12))
    with pytest.raises(TailorError, match=r"recipe\.pooling was mean, is cls"):
        fit(made.changed({"pooling": "cls"}), prepared(12), checkpoints=kept)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"weights": "features", "objective": {"part": "labels", "class_weights": "balanced"}}, "class_weights"),
        ({"weights": "features", "penalties": ["l2_sp"]}, "hears nothing of penalties"),
        ({"weights": FULL, "objective": "domain_distance", "train": {"tokens_per_step": 512}}, "rows_per_step"),
    ],
)
def test_what_nothing_would_hear_is_refused(stage: dict[str, Any], words: str, base: Base) -> None:
    with pytest.raises(TailorError, match=words):
        recipe(base("bert"), stage)


def test_a_model_that_writes_smooths_no_labels(writer: Path) -> None:
    with pytest.raises(TailorError, match="learns every token of an answer alike"):
        recipe(writer, {"weights": "lora", "objective": {"part": "labels", "smoothing": 0.1}}, task="generate")


def test_a_rank_for_no_projection_is_refused(base: Base) -> None:
    with pytest.raises(TailorError, match="no projection is called 'qurey'"):
        fit(recipe(base("bert"), {"weights": {"part": "lora", "ranks": {"qurey": 16}}, "train": QUICK}), ROWS)


@pytest.mark.parametrize("part", ["prefix", "prompt"])
def test_texts_leave_room_for_what_stands_in_front(part: str, base: Base, tmp_path: Path) -> None:
    long = replace(ROWS, texts=tuple(text + " money pay" * 40 for text in ROWS.texts), inputs=(), groups=())
    stage = {"weights": {"part": part, "lr": 1e-3, "tokens": 4}, "train": QUICK | {"epochs": 1}}
    made = fit(recipe(base("bert"), stage, pooling="mean", task={"part": "classify", "max_length": 512}), long)
    again = Adaptation.load(made.adaptation.save(tmp_path / part))
    assert np.array_equal(again.scores(long.texts), made.adaptation.scores(long.texts))


def test_lora_with_biases_below_another_part_is_kept(base: Base, tmp_path: Path) -> None:
    stages = [{"weights": {"part": "lora", "bias": "all"}, "train": QUICK}, {"weights": "adapter", "train": QUICK}]
    made = fit(recipe(base("bert"), *stages, pooling="mean"), ROWS).adaptation
    again = Adaptation.load(made.save(tmp_path / "both"))
    assert np.array_equal(again.scores(ROWS.texts), made.scores(ROWS.texts))


def test_dropout_of_a_stage_ends_with_it(base: Base) -> None:
    seen: list[set[float]] = []

    def look(event: Any) -> None:
        if event["event"] == "step":
            seen.append({share for _, _, share in dropouts(watched[0].body)})

    watched: list[Any] = []
    from tailorlm.weights.full import Full

    attach = Full.attach

    def noted(self: Any, model: Any) -> Any:
        watched.append(model)
        return attach(self, model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Full, "attach", noted)
        stages = [{"weights": FULL | {"dropout": 0.3}, "train": QUICK}, {"weights": "lora", "train": QUICK}]
        fit(recipe(base("bert"), *stages, pooling="mean"), ROWS, listen=look)
    assert seen[0] == {0.3}
    assert 0.3 not in seen[-1]


def test_a_last_window_of_one_token_is_left_out() -> None:
    rows = TokenRows.of([(range(9), [True] * 9), (range(4), [True] * 4)], ["long", "short"])
    cut = rows.windows(8).learnable()
    assert cut.lengths.tolist() == [8, 4]
    assert cut.targets().sum() == 7 + 3


def test_what_learnt_in_earlier_stages_is_counted(base: Base) -> None:
    stages = [{"weights": FULL, "objective": "contrastive", "train": QUICK}, {"weights": "features"}]
    fitted = fit(recipe(base("bert"), *stages, pooling="mean"), ROWS)
    body = sum(p.numel() for name, p in fitted.adaptation.model.body.named_parameters() if "pooler" not in name)
    assert fitted.trainable >= body
