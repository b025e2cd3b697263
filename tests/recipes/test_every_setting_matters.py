"""Every key of a recipe changes something that can be seen; a new key without a line in the table here fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.context import contexts
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Row, Rows
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.objectives import objectives
from tailorlm.objectives.penalties import penalties
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.tasks import tasks
from tailorlm.training import plain_text, processes
from tailorlm.training.optimisers import optimisers
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource
from tailorlm.weights import weights
from tiny import labelled

Base = Callable[..., Path]
ROWS, VALIDATION = labelled(18, 3), labelled(9, 3, start=40)
ASKED = [*labelled(6, 3, start=60).texts, "money " * 40]
# Six steps: enough that steps, passes and schedules differ.
QUICK = {"epochs": 2, "warmup": 0.0, "rows_per_step": 6}
RECIPES: dict[str, Recipe] = {}


# ---- ways of seeing a difference: each takes a recipe and gives something that can be compared


@cache
def _fitted(key: str) -> Fitted:
    return fit(RECIPES[key], ROWS)


def fitted(recipe: Recipe) -> Fitted:
    """Fitted once for each key, which names all that a fit depends on."""
    RECIPES[recipe.key] = recipe
    return _fitted(recipe.key)


def scores(recipe: Recipe) -> Any:
    return fitted(recipe).adaptation.scores(ASKED).round(7).tolist()


def steps(recipe: Recipe) -> Any:
    return len(fitted(recipe).trained[0].losses)


def learning(recipe: Recipe) -> Any:
    return fitted(recipe).trainable


def card(recipe: Recipe) -> Any:
    from tailorlm.recipes.card import model_card

    record = {"labels": ["a", "b"], "base": {"origin": "somewhere"}, "pooling": "mean"}
    return model_card(recipe, record, {})


def passes_until_it_stops(recipe: Recipe) -> Any:
    still = recipe.changed(
        {"stages.0.weights.lr": 1e-12, "stages.0.train.epochs": 8}
    )  # no pass is better than the first
    return len(fit(still, ROWS, VALIDATION).trained[0].validation)


def parts_of_a_step(recipe: Recipe) -> Any:
    calls: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            TokenSource,
            "scores",
            lambda self, index, real=TokenSource.scores: (calls.append(len(index)), real(self, index))[1],
        )
        fit(recipe, ROWS)
    return calls


def how_processes_share(recipe: Recipe) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "join", lambda: (0, 2))
        return type(processes.group_for(recipe.stages[0].train.sharding)).__name__


def kept_for_backward(recipe: Recipe) -> Any:
    sizes: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
        fit(recipe, ROWS)
    return sum(sizes)


def words_to_hide(recipe: Recipe) -> Any:
    """How many there are, when the tokenizer says that each text is one word."""
    model = load_model(resolve(recipe.base), labels=ROWS.labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            plain_text,
            "_pieces",
            lambda *given, real=plain_text._pieces: (real(*given)[0], np.zeros(len(real(*given)[0].ids), bool)),
        )
        lesson, _ = plain_text.text_lesson(recipe.stages[0].objective.make(), model, ROWS.ids, ROWS.texts, 0)
    return int(lesson.words[-1])


def prepared(recipe: Recipe) -> Any:
    values = [
        {"text": "a b", "label": "x", "other": "c d", "second": "y", "no": "7"},
        {"text": "e", "label": "z", "other": "f", "second": "w", "no": "8"},
    ]
    rows = Rows(tuple(Row(v, "f.csv", i) for i, v in enumerate(values, 2)), tuple(values[0]))
    ready = recipe.task.make().prepare(rows, what="train")
    return ready.ids, ready.texts, ready.gold


NAMED = Rows(tuple(Row({"text": "a", "label": one}, "f.csv", i) for i, one in enumerate("xyz", 2)), ("text", "label"))


def held_to_two_labels(recipe: Recipe) -> Any:
    try:
        return recipe.task.make().prepare(NAMED, what="test", labels=("x", "y")).gold
    except TailorError:
        return "refused"


def answers_given(recipe: Recipe) -> Any:
    answers = recipe.task.make().decode([np.array([[1.0, 0.0]])], None, ["a"], ("x", "y"))
    return answers.values, answers.confidence


def what_is_found(recipe: Recipe) -> Any:
    return sorted(recipe.task.make().choose([np.array([[1.0, 0.0]])], None, ROWS.select([0])))


def scores_of_pairs(recipe: Recipe) -> Any:
    asked = recipe.changed({"task.second": "other"})
    texts = zip(labelled(12, 2).texts, labelled(12, 2, start=5).texts, "xy" * 6, strict=True)
    values = [{"text": one, "other": other, "label": label} for one, other, label in texts]
    rows = Rows(tuple(Row(v, "f.csv", i) for i, v in enumerate(values, 2)), tuple(values[0]))
    ready = asked.task.make().prepare(rows, what="train")
    return fit(asked, ready).adaptation.scores(ready.inputs).round(7).tolist()


def grid(recipe: Recipe) -> Any:
    return recipe.grid


TABLE: dict[tuple[str, str], tuple[Any, Callable[[Recipe], Any]]] = {
    ("weights-features", "classifier"): ("linear_svm", scores),
    ("weights-features", "c"): (0.1, scores),
    ("weights-features", "gamma"): (0.01, scores),
    ("weights-features", "k"): (1, scores),
    ("weights-features", "pairs"): ("cross_encoder", scores_of_pairs),
    ("weights-head", "lr"): (0.001, scores),
    ("weights-head", "head_start"): ("probe", scores),
    ("weights-top_layers", "lr"): (0.001, scores),
    ("weights-top_layers", "layers"): (1, learning),
    ("weights-top_layers", "head_start"): ("random", scores),
    ("weights-bias", "lr"): (0.01, scores),
    ("weights-bias", "head_start"): ("random", scores),
    ("weights-lora", "lr"): (0.01, scores),
    ("weights-lora", "head_start"): ("random", scores),
    ("weights-lora", "r"): (2, learning),
    ("weights-lora", "alpha"): (64.0, scores),
    ("weights-lora", "dropout"): (0.5, scores),
    ("weights-lora", "targets"): ("query_value", learning),
    ("weights-lora", "names"): (["query"], learning),
    ("weights-lora", "rank_stabilised"): (True, scores),
    ("weights-lora", "dora"): (True, learning),
    ("weights-lora", "start"): ("gaussian", scores),
    ("weights-lora", "b_ratio"): (16.0, scores),
    ("weights-top_layers", "unfreeze"): (1, scores),
    ("recipe", "quantise"): ("nf4", scores),
    ("recipe", "answers"): ("written", lambda recipe: recipe.written),
    ("weights-lora", "bias"): ("all", learning),
    ("weights-lora", "ranks"): ({"query": 2}, learning),
    ("weights-lora", "alphas"): ({"query": 64.0}, scores),
    ("weights-adapter", "lr"): (0.01, scores),
    ("weights-adapter", "head_start"): ("random", scores),
    ("weights-adapter", "placement"): ("houlsby", learning),
    ("weights-adapter", "reduction"): (4, learning),
    ("weights-adapter", "size"): (5, learning),
    ("weights-adapter", "activation"): ("tanh", scores),
    ("weights-adapter", "dropout"): (0.5, scores),
    ("weights-adapter", "scale"): (4.0, scores),
    ("weights-adapter", "over"): (["<adapter 1>"], scores),
    ("weights-adapter", "join"): ("fuse", learning),
    ("weights-prefix", "lr"): (0.1, scores),
    ("weights-prefix", "head_start"): ("random", scores),
    ("weights-prefix", "tokens"): (3, learning),
    ("weights-prefix", "projection"): (True, learning),
    ("weights-prefix", "projection_width"): (8, learning),
    ("weights-prompt", "lr"): (0.1, scores),
    ("weights-prompt", "head_start"): ("random", scores),
    ("weights-prompt", "tokens"): (3, learning),
    ("weights-prompt", "start"): ("random", scores),
    ("weights-ia3", "lr"): (0.1, scores),
    ("weights-ia3", "head_start"): ("random", scores),
    ("weights-bias", "which"): ("query_mlp", learning),
    ("weights-full", "dropout"): (0.5, scores),
    ("weights-full", "lr"): (0.001, scores),
    ("weights-full", "head_start"): ("random", scores),
    ("objective-labels", "smoothing"): (0.5, scores),
    ("objective-labels", "class_weights"): ({"money": 9.0}, scores),
    ("objective-labels", "focal"): (2.0, scores),
    ("objective-contrastive", "pairs"): (2, steps),
    ("objective-masked_lm", "text"): ("<texts>", scores),
    ("objective-masked_lm", "column"): ("other", scores),
    ("objective-masked_lm", "max_length"): (8, scores),
    ("objective-masked_lm", "share"): (0.5, scores),
    ("objective-masked_lm", "hidden"): ("tokens", words_to_hide),
    ("objective-causal_lm", "text"): ("<texts>", scores),
    ("objective-causal_lm", "column"): ("other", scores),
    ("objective-causal_lm", "max_length"): (8, scores),
    ("objective-causal_lm", "overlap"): (2, scores),
    ("objective-masked_lm", "warm_up"): (0, scores),
    ("objective-distill", "teacher"): ("<teacher 2>", scores),
    ("objective-distill", "temperature"): (20.0, scores),
    ("objective-distill", "labels"): (0.0, scores),
    ("objective-distill", "hidden"): (10.0, scores),
    ("objective-distill", "rows"): ("<texts>", steps),
    ("objective-simcse", "text"): ("<texts>", scores),
    ("objective-simcse", "column"): ("other", scores),
    ("objective-simcse", "max_length"): (8, scores),
    ("objective-simcse", "temperature"): (1.0, scores),
    ("objective-denoising", "text"): ("<texts>", scores),
    ("objective-denoising", "column"): ("other", scores),
    ("objective-denoising", "max_length"): (8, scores),
    ("objective-denoising", "warm_up"): (0, scores),
    ("objective-denoising", "delete"): (0.2, scores),
    ("objective-denoising", "blocks"): (2, scores),
    ("context-instruction", "template"): ("this is about {}", scores),
    ("context-examples", "k"): (1, scores),
    ("task-classify", "text"): ("other", prepared),
    ("task-classify", "second"): ("other", prepared),
    ("task-classify", "label"): ("second", prepared),
    ("task-classify", "id"): ("no", prepared),
    ("task-classify", "descriptions"): ({"money": "wallet and bank"}, scores),
    ("task-classify", "max_length"): (8, scores),
    ("task-classify", "labels"): (["beyond"], lambda recipe: recipe.task.make().prepare(NAMED, what="train").labels),
    ("task-classify", "outside"): ("none", held_to_two_labels),
    ("task-classify", "temperature"): (3.0, answers_given),
    ("task-classify", "reject_below"): (1.0, answers_given),
    ("task-classify", "wanted_accuracy"): (1.0, what_is_found),
    ("train", "epochs"): (3, steps),
    ("train", "stop_after"): (1, steps),
    ("train", "rows_per_step"): (4, steps),
    ("train", "micro_tokens"): (16, parts_of_a_step),
    ("train", "precision"): ("bf16", scores),
    ("train", "recompute"): ("on", kept_for_backward),
    ("train", "sharding"): ("shards", how_processes_share),
    ("train", "schedule"): ("constant", scores),
    ("train", "warmup"): (0.5, scores),
    ("train", "weight_decay"): (5.0, scores),
    ("objective-masked_lm", "with_rows"): (True, scores),
    ("objective-causal_lm", "with_rows"): (True, scores),
    ("objective-domain_distance", "text"): ("<old rows 1>", scores),
    ("objective-domain_distance", "column"): ("other", scores),
    ("objective-domain_distance", "max_length"): (8, scores),
    ("objective-domain_distance", "kind"): ("coral", scores),
    ("objective-domain_distance", "strength"): (50.0, scores),
    ("objective-domain_distance", "rise"): (5, scores),
    ("objective-domain_distance", "smoothing"): (0.4, scores),
    ("train", "clip"): (1e-6, scores),
    ("train", "patience"): (1, passes_until_it_stops),
    ("train", "tokens_per_step"): (30, steps),
    ("train", "optimiser"): ("sgd", scores),
    ("train", "average"): (0.9, scores),
    ("train", "layer_decay"): (0.25, scores),
    ("optimiser-adamw", "beta1"): (0.5, scores),
    ("optimiser-adamw", "beta2"): (0.5, scores),
    ("optimiser-adamw", "eps"): (1.0, scores),
    ("optimiser-adafactor", "beta2_decay"): (-0.1, scores),
    ("optimiser-adafactor", "clip_threshold"): (1000.0, scores),
    ("optimiser-lion", "beta1"): (0.1, scores),
    ("optimiser-lion", "beta2"): (0.1, scores),
    ("optimiser-sgd", "momentum"): (0.1, scores),
    ("optimiser-sgd", "nesterov"): (True, scores),
    ("stage", "weights"): ("bias", learning),
    ("stage", "objective"): ({"part": "labels", "smoothing": 0.3}, scores),
    ("stage", "train"): ({"epochs": 1}, steps),
    ("stage", "anew"): (True, scores),
    ("stage", "penalties"): ([{"part": "l2_sp", "strength": 100.0}], scores),
    ("penalty-l2_sp", "strength"): (100.0, scores),
    ("penalty-l2_sp", "head"): (10.0, scores),
    ("penalty-ewc", "strength"): (1e9, scores),
    ("penalty-ewc", "rows"): ("<old rows 2>", scores),
    ("penalty-ewc", "count"): (6, scores),
    ("penalty-ewc", "labels"): ("given", scores),
    ("recipe", "layers"): (2, scores),
    ("penalty-rehearsal", "rows"): ("<old rows 2>", scores),
    ("penalty-rehearsal", "share"): (0.0, scores),
    ("penalty-rehearsal", "learn"): ("labels", scores),
    ("penalty-rehearsal", "column"): ("label", scores),
    ("penalty-rehearsal", "strength"): (90.0, scores),
    ("recipe", "name"): ("another", card),
    ("recipe", "method"): ("lora", card),
    ("recipe", "base"): ("<another base>", scores),
    ("recipe", "pooling"): ("cls", scores),
    ("recipe", "task"): ({"part": "classify", "max_length": 8}, scores),
    ("recipe", "stages"): ([{"weights": "features"}], learning),
    ("recipe", "context"): ("examples", scores),
    ("recipe", "search"): ({"stages.0.train.epochs": [1, 2]}, grid),
}


# What a key needs beside it to be read at all.
GIVEN: dict[tuple[str, str], dict[str, Any]] = {
    ("weights-features", "gamma"): {"classifier": "rbf_svm"},
    ("weights-features", "k"): {"classifier": "knn"},
    ("weights-prefix", "projection_width"): {"projection": True},
    ("penalty-ewc", "strength"): {"rows": "<old rows 1>"},
    ("penalty-ewc", "rows"): {"rows": "<old rows 1>", "strength": 1e6},
    ("penalty-ewc", "count"): {"rows": "<old rows 1>", "strength": 1e6},
    ("penalty-ewc", "labels"): {"rows": "<old rows 1>", "strength": 1e6},
    **{
        ("penalty-rehearsal", key): {"rows": "<old rows 1>", "share": 0.4, "strength": 30}
        for key in ("rows", "share", "learn", "column", "strength")
    },
    ("weights-adapter", "join"): {"over": ["<adapter 1>", "<adapter 2>"]},
    ("objective-masked_lm", "column"): {"text": "<texts>"},
    ("objective-causal_lm", "column"): {"text": "<texts>"},
    ("objective-simcse", "column"): {"text": "<texts>"},
    **{
        ("objective-distill", key): {"teacher": "<teacher 1>"}
        for key in ("teacher", "temperature", "labels", "hidden", "rows")
    },
    ("objective-denoising", "column"): {"text": "<texts>"},
    ("objective-masked_lm", "with_rows"): {"text": "<texts>"},
    ("objective-causal_lm", "with_rows"): {"text": "<texts>"},
    **{
        ("objective-domain_distance", key): {"text": "<texts>", "strength": 20}
        for key in ("text", "column", "max_length", "kind", "strength", "rise", "smoothing")
    },
    ("objective-causal_lm", "overlap"): {"max_length": 8},
}


TEXT_MODEL = {
    "masked_lm": ("bert", "mean"),
    "causal_lm": ("llama", "last"),
    "simcse": ("bert", "mean"),
    "denoising": ("bert", "mean"),
}


def all_keys() -> set[tuple[str, str]]:
    found = {("recipe", name) for name in Recipe.model_fields} | {("stage", name) for name in Stage.model_fields}
    found |= {("train", name) for name in TrainSettings.model_fields}
    kinds = {"weights": weights, "objective": objectives, "context": contexts, "task": tasks, "optimiser": optimisers}
    kinds["penalty"] = penalties
    for kind, registry in kinds.items():
        found |= {(f"{kind}-{name}", key) for name in registry for key in registry.get(name).Settings.model_fields}
    found -= {("recipe", "steps")}  # test_steps.py
    # test_every_task_setting_matters.py, and test_preference.py for what heads cannot learn
    elsewhere = {f"task-{name}" for name in tasks if name != "classify"} | {"context-prompt", "objective-preference"}
    # test_limits.py: texts that are generated, which heads cannot, and what ends passes
    elsewhere |= {"penalty-forgetting_limit"}
    # test_several_tasks.py: what needs another task's rows
    elsewhere |= {"objective-multi_task", "objective-intermediate_task"}
    # test_searching.py: what searches for passages
    elsewhere |= {"context-search", "objective-ranking", "objective-triplet"}
    written = {("penalty-rehearsal", "texts"), ("penalty-rehearsal", "tokens")}
    # adamw_8bit works on a GPU only
    return {(where, key) for where, key in found if where not in {"optimiser-adamw_8bit", *elsewhere}} - written


def test_the_table_holds_every_key() -> None:
    assert set(TABLE) == all_keys()
    assert len(TABLE) >= 104


def with_files(value: Any, base: Base) -> Any:
    """The value with folders of fitted adapters, and files of old rows, in the places marked for them."""
    if isinstance(value, dict):
        return {key: with_files(inner, base) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_files(inner, base) for inner in value]
    if str(value).startswith("<old rows "):
        path = base("bert", "mean").parent / f"old-{value[10]}.csv"
        old = labelled(12, 2, start=30 * int(value[10]))
        lines = [f"{text},{label}" for text, label in zip(old.texts, old.gold, strict=True)]
        path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
        return str(path)
    if value == "<texts>":
        path = base("bert", "mean").parent / "texts.csv"
        pairs = zip(labelled(8, 2, start=5).texts, labelled(8, 2, start=90).texts, strict=True)
        path.write_text("\n".join(["text,other", *(",".join(pair) for pair in pairs)]) + "\n", encoding="utf-8")
        return str(path)
    if str(value).startswith("<teacher "):
        folder = base("bert", "mean").parent / f"teacher-{value[9]}"
        if not folder.exists():
            plain = {"name": "x", "base": str(base("bert", "mean")), "stages": [{"weights": "features"}]}
            fit(validate(plain, Recipe), ROWS.select(range(9 * int(value[9])))).adaptation.save(folder)
        return str(folder)
    if not str(value).startswith("<adapter "):
        return value
    folder = base("bert", "mean").parent / f"adapter-{value[9]}"
    if not folder.exists():
        stage = {"weights": {"part": "adapter", "lr": 0.01}, "train": QUICK}
        plain = {"name": "x", "base": str(base("bert", "mean")), "stages": [stage]}
        fit(validate(plain, Recipe), ROWS, seed=int(value[9])).adaptation.save(folder)
    return str(folder)


def before_and_after(where: str, key: str, value: Any, base: Base) -> tuple[Recipe, Recipe]:
    kind, _, name = where.partition("-")
    part = {"part": name, **GIVEN.get((where, key), {})} if name else None
    if name in ("adapter", "ewc", "rehearsal", "distill", "domain_distance", *TEXT_MODEL):
        part, value = with_files(part, base), with_files(value, base)
    weight = {"part": "head", "lr": 0.05} if kind == "task" else {"part": "bias", "lr": 0.01}
    stage: dict[str, Any] = {"weights": part if kind == "weights" else weight, "train": QUICK}
    if kind == "objective" and name != "labels":  # what learns no answers leaves them to a classifier behind it
        stage["objective"] = part
    if kind == "penalty":
        stage["penalties"] = [part]
    if kind == "optimiser":
        stage["train"] = QUICK | {"optimiser": part}
    plain: dict[str, Any] = {"name": "x", "base": str(base("bert", "mean")), "stages": [stage]}
    plain["stages"] += [{"weights": "features"}] if kind == "objective" and name != "labels" else []
    if name in TEXT_MODEL:  # a stage of text before the one of labels
        full: dict[str, Any] = {"weights": {"part": "full", "lr": 0.01}, "train": QUICK}
        plain |= {"stages": [full | {"objective": part}, full], "base": str(base(*TEXT_MODEL[name]))}
    if kind == "context" or key == "descriptions":
        plain |= {"stages": [], "context": part if kind == "context" else "instruction"}
    if where == "stage" and key == "weights":
        stage["weights"] = "lora"
    if where == "stage" and key == "anew":  # of the second of two, which are one LoRA or two
        stage["weights"] = {"part": "lora", "lr": 0.01}
        plain["stages"] = [stage, dict(stage)]
    if where == "recipe" and key == "base":
        value = str(base("bert", "mean", seed=4))
    at = {
        "weights": "stages.0.weights.",
        "objective": "stages.0.objective.",
        "train": "stages.0.train.",
        "optimiser": "stages.0.train.optimiser.",
        "penalty": "stages.0.penalties.0.",
        "stage": "stages.0." if key != "anew" else "stages.1.",
    }
    prefix = at.get(kind, {"context": "context.", "task": "task.", "recipe": ""}.get(kind))
    before = validate(plain, Recipe)
    return before, before.changed({f"{prefix}{key}": value})


@pytest.mark.parametrize(("where", "key"), TABLE, ids=[f"{where}-{key}" for where, key in TABLE])
def test_changing_it_changes_something(where: str, key: str, base: Base) -> None:
    value, see = TABLE[where, key]
    before, after = before_and_after(where, key, value, base)
    assert before != after
    assert (before.key != after.key) == (key not in {"name", "method"} or where != "recipe")
    assert see(before) != see(after)


@pytest.mark.parametrize("where", ["weights-full", "weights-lora"])
def test_what_is_seen_is_not_noise(where: str, base: Base) -> None:
    before, _ = before_and_after(where, "lr", 0.001, base)
    one = scores(before)
    _fitted.cache_clear()
    assert scores(before) == one
