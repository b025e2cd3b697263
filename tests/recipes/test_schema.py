"""Recipes and presets: what builds, what a recipe's key and grid are, and what a fault in the file says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tailorlm.core.config import load, set_key, validate
from tailorlm.core.errors import UsageError
from tailorlm.core.yaml import dump_yaml
from tailorlm.recipes.presets import DOMAIN, METHODS, PRESETS, STANDARD, preset
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks import tasks
from tailorlm.weights import weights

TASK = {"part": "classify", "text": "utterance", "label": "intent"}


def recipe(**changes: Any) -> Recipe:
    return validate({"name": "x", "stages": [{"weights": "lora"}]} | changes, Recipe)


# ---- presets


def test_all_presets_build() -> None:
    assert len(PRESETS) == 18
    assert len(STANDARD) == 9
    assert set(STANDARD) < set(PRESETS)
    for name, made in PRESETS.items():
        built = made.recipe(name, "some/base", TASK)
        assert (built.name, built.method, built.base) == (name, name, "some/base")
        assert built.task.settings.text == "utterance"
        assert validate(built.plain(), Recipe) == built
        assert made.title
        assert made.summary[0].islower()
        assert bool(built.stages) != (built.context is not None)
        assert built.stages == () or len(built.stages) == 1 + len(made.before)
    assert {r.stages[0].weights.name for r in (p.recipe(n, "b", TASK) for n, p in PRESETS.items()) if r.stages} == set(
        weights
    )
    assert PRESETS["features-svm"].recipe("f", "b", TASK).stages[0].weights.settings.classifier == "linear_svm"
    assert PRESETS["head"].recipe("h", "b", TASK).stages[0].train.epochs == 60


def test_methods_with_plain_text_name_what_they_read(base: Callable[..., Path]) -> None:
    for architecture, pooling, objective in (("bert", "mean", "masked_lm"), ("gpt2", "native", "causal_lm")):
        folder = str(base(architecture, pooling))
        made = {name: preset.recipe(name, folder, TASK, domain="texts.csv") for name, preset in DOMAIN.items()}
        assert [(stage.weights.name, stage.objective.name) for stage in made["two-step"].stages] == [
            ("adapter", objective),
            ("adapter", "labels"),
        ]
        first, second = made["two-step"].parts()
        assert first is second, "the same adapters go on"
        assert [stage.weights.name for stage in made["adaptive"].stages] == ["full", "full"]
        assert [stage.objective.name for stage in made["domain-distance"].stages] == ["domain_distance"]
        assert all(recipe.stages[0].objective.settings.text == "texts.csv" for recipe in made.values())
    with pytest.raises(UsageError, match=r"(?s)'two-step' learns from plain text .* no file of it is named.*--domain"):
        DOMAIN["two-step"].recipe("two-step", folder, TASK)
    assert not DOMAIN["domain-distance"].answers(tasks.get("tag"))
    assert not DOMAIN["domain-distance"].answers(tasks.get("generate"))
    assert DOMAIN["two-step"].answers(tasks.get("tag"))


def test_an_unknown_method_answers_with_the_nearest() -> None:
    assert preset("lora") is PRESETS["lora"]
    with pytest.raises(UsageError, match=r"(?s)there is no method called 'Lora '.*did you mean 'lora'"):
        preset("Lora ")
    with pytest.raises(UsageError, match=r"(?s)no method called 'feature-svm'.*did you mean 'features-svm'") as error:
        preset("feature-svm")
    assert all(name in str(error.value) for name in METHODS)


# ---- grid, changed, key


def test_the_grid_is_that_of_the_last_part() -> None:
    assert recipe().grid == {"stages.0.weights.lr": [3e-4, 1e-3, 3e-3]}
    assert recipe(stages=[{"weights": "features"}]).grid == {"stages.0.weights.c": [0.3, 1.0, 3.0, 10.0, 30.0, 100.0]}
    assert recipe(stages=[{"weights": "lora"}, {"weights": "features"}]).grid == {
        "stages.1.weights.c": [0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
    }
    assert recipe(stages=[], context="examples").grid == {"context.k": [1, 3, 5, 10]}
    assert recipe(stages=[], context="instruction").grid == {}
    assert recipe(context="examples").grid == {"context.k": [1, 3, 5, 10]}, "what answers is tuned"


def test_a_grid_of_its_own_comes_first() -> None:
    own = {"stages.0.weights.r": [4, 8], "stages.0.train.epochs": [2, 3]}
    assert recipe(search=own).grid == own
    assert recipe(search={}).grid == {}
    assert validate(recipe(search=own).plain(), Recipe).grid == own


def test_changed_sets_dotted_keys_and_checks_them() -> None:
    before = recipe()
    after = before.changed({"stages.0.weights.lr": 0.5, "stages.0.train.epochs": 3, "task.max_length": 64})
    assert after.stages[0].weights.settings.lr == 0.5
    assert after.stages[0].train.epochs == 3
    assert after.task.settings.max_length == 64
    assert before == recipe(), "the recipe it came from stays"
    assert before.changed({}) == before
    with pytest.raises(UsageError, match=r"there is no key 'stages\.0\.weights\.lrr'; did you mean 'lr'"):
        before.changed({"stages.0.weights.lrr": 0.5})
    with pytest.raises(UsageError, match=r"stages\.0\.weights\.lr: input should be less than or equal to 1 \(got 5\)"):
        before.changed({"stages.0.weights.lr": 5})
    for nowhere in ("stages.7.weights.lr", "stages.x.weights", "context.k", "stages.0.weights.lr.deeper"):
        with pytest.raises(UsageError, match=f"no place called '{nowhere}'"):
            before.changed({nowhere: 1})
    with pytest.raises(UsageError, match="name: input should be a valid string"):
        before.changed({"name.deep": 1})
    with pytest.raises(UsageError, match="there is no key 'nane'; did you mean 'name'"):
        before.changed({"nane": 1})


def test_set_key_makes_what_is_missing() -> None:
    value: dict[str, Any] = {"name": "x"}
    set_key(value, "task.max_length", 8)
    assert value == {"name": "x", "task": {"max_length": 8}}


def test_the_key_knows_everything_but_the_name() -> None:
    key = recipe().key
    assert key == recipe(name="y").key == recipe(method="lora").key == validate(recipe().plain(), Recipe).key
    assert len(key) == 64
    others = [
        recipe(base="b"),
        recipe(pooling="mean"),
        recipe(task={"part": "classify", "max_length": 64}),
        recipe(stages=[{"weights": "full"}]),
        recipe(stages=[{"weights": {"part": "lora", "r": 4}}]),
        recipe(stages=[{"weights": "lora", "objective": {"part": "labels", "smoothing": 0.1}}]),
        recipe(stages=[{"weights": "lora", "train": {"epochs": 2}}]),
        recipe(context="examples"),
        recipe(search={}),
    ]
    assert len({key, *(other.key for other in others)}) == len(others) + 1
    assert recipe(stages=[{"weights": {"part": "lora", "alpha": 16}}]).key == key, (
        "a default written out changes nothing"
    )


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (["features", "lora"], "a classical classifier .features. reads what comes out at the end"),
        (["lora", "features", "features"], "a classical classifier .features."),
        (["prompt", "full"], "prompt stands in front of every text and cannot be trained over"),
        (["prefix", "lora"], "prefix stands in front of every text"),
        (["adapter", "lora", "bias"], "lora over adapters cannot be merged without changing answers"),
        (["adapter", "ia3", "full"], "ia3 over adapters"),
    ],
)
def test_stages_that_cannot_stand_over_one_another_are_refused(stages: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=f"stages: {', '.join(stages)}: {words}"):
        recipe(stages=[{"weights": name} for name in stages])
    if "adapter" not in stages:
        return
    with pytest.raises(UsageError, match="lora over a quantised base cannot be merged"):
        recipe(stages=[{"weights": "lora"}, {"weights": "adapter"}], quantise="nf4")


def test_a_stage_goes_on_with_the_same_part_unless_told_to_begin_anew() -> None:
    same = {"weights": {"part": "adapter", "lr": 0.1}}, {"weights": {"part": "adapter", "lr": 0.2}}
    one, other = recipe(stages=same).parts()
    assert one is other
    one, other = recipe(stages=[same[0], same[1] | {"anew": True}]).parts()
    assert one is not other
    one, other, last = recipe(stages=[{"weights": "full"}, {"weights": "lora"}, {"weights": "features"}]).parts()
    assert len({one, other, last}) == 3


# ---- faults in the file


@pytest.fixture
def fault(tmp_path: Path) -> Callable[[str], str]:
    def read(text: str) -> str:
        (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError) as error:
            load(tmp_path / "my.yaml", Recipe)
        assert error.value.exit_code == 2
        return str(error.value).replace(str(tmp_path) + "/", "")

    return read


HEAD = "name: x\nstages:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nstagse:\n  - weights: lora\n", "line 2: there is no key 'stagse'; did you mean 'stages'?"),
        (
            HEAD + "  - weights:\n      part: lora\n      lrr: 1e-3\n",
            "line 5: there is no key 'stages.0.weights.lrr'; did you mean 'lr'?",
        ),
        (
            HEAD + "  - weights: lora\n    trian: {}\n",
            "line 4: there is no key 'stages.0.trian'; did you mean 'train'?",
        ),
        (
            HEAD + "  - weights: lora\n    train:\n      epoch: 3\n",
            "line 5: there is no key 'stages.0.train.epoch'; did you mean 'epochs'?",
        ),
        (
            HEAD + "  - weights: lora\n    train: {epochs: many}\n",
            "line 4: stages.0.train.epochs: input should be a valid integer, unable to parse string as an integer (got 'many')",
        ),
        (
            HEAD + "  - weights: lora\n    train: 5\n",
            "line 4: stages.0.train: input should be lines of `key: value` (got 5)",
        ),
        (
            HEAD + "  - weights: {part: lora, lr: 2}\n",
            "line 3: stages.0.weights.lr: input should be less than or equal to 1 (got 2)",
        ),
        (
            HEAD + "  - weights: {part: lora, dropout: -0.1}\n",
            "line 3: stages.0.weights.dropout: input should be greater than or equal to 0 (got -0.1)",
        ),
        (
            HEAD + "  - weights: {part: lora, targets: every}\n",
            "line 3: stages.0.weights.targets: input should be 'all', 'attention', 'query_value' or 'mlp' (got 'every')",
        ),
        (HEAD + "  - weights: {part: lora, lr: .nan}\n", "line 3: stages.0.weights.lr: input should be a valid number"),
        (
            HEAD + "  - weights: lorra\n",
            "line 3: stages.0.weights: there is no weights part called 'lorra'; expected: adapter, bias, "
            "features, full, head, ia3, lora, prefix, prompt, top_layers; try:      did you mean 'lora'?",
        ),
        (HEAD + "  - objective: labels\n", "line 3: the key 'stages.0.weights' is missing"),
        (HEAD + "  - lora\n", "line 3: stages.0: input should be lines of `key: value` (got 'lora')"),
        ("stages:\n  - weights: lora\n", "line 1: the key 'name' is missing"),
        ("name: x y\ncontext: examples\n", "line 1: name: string should match pattern"),
        (
            "name: x\ncontext:\n  part: examples\n  k: 0\n",
            "line 4: context.k: input should be greater than or equal to 1 (got 0)",
        ),
        ("name: x\ncontext:\n  part: examples\n  kk: 3\n", "line 4: there is no key 'context.kk'; did you mean 'k'?"),
        (
            "name: x\ntask:\n  part: classify\n  txt: a\ncontext: examples\n",
            "line 4: there is no key 'task.txt'; did you mean 'text'?",
        ),
        ("name: x\n", "a recipe needs a stage (weights that learn) or a context (something shown)"),
        (
            "name: x\npooling: max\ncontext: examples\n",
            "line 2: pooling: input should be 'auto', 'mean', 'cls', 'last' or 'native' (got 'max')",
        ),
        (
            "name: x\ncontext: examples\nsearch: [1]\n",
            "line 3: search: input should be lines of `key: value` (got [1])",
        ),
        (
            "name: x\ncontext: examples\nsearch:\n  context.k: 3\n",
            "line 4: search.context.k: input should be a list (got 3)",
        ),
        ("", "line 1: the key 'name' is missing"),
        ("name: x\nname: y\n", "my.yaml:2: the key 'name' stands twice"),
        ("name: &a x\nbase: *a\n", "my.yaml:2: anchors and aliases are not allowed in a recipe"),
        ("name: x\nstages:\n\t- weights: lora\n", "my.yaml:3: not valid YAML"),
    ],
)
def test_a_fault_says_where_what_and_what_else(text: str, message: str, fault: Callable[[str], str]) -> None:
    found = fault(text)
    assert message in found
    assert found.startswith("my.yaml")
    assert "pydantic" not in found
    assert "Traceback" not in found


def test_all_faults_come_in_one_message(fault: Callable[[str], str]) -> None:
    text = """nam: x
base: 7
stages:
  - weights:
      part: lora
      lr: 5
      rr: 3
    train:
      epochs: 0
      warm: 1
  - weights: nothing
context:
  part: examples
  k: many
"""
    found = fault(text).splitlines()
    assert found[0] == "my.yaml: 9 faults"
    lines = [int(line.split()[1].rstrip(":")) for line in found[1:]]
    assert sorted(lines) == [1, 1, 2, 6, 7, 9, 10, 11, 14]
    assert len(found) == 10


def test_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: no\nstages:\n  - weights: {part: lora, lr: 1e-5, alpha: 16}\n    train: {warmup: 0}\n")
    made = load(path, Recipe)
    assert made.stages[0].weights.settings.lr == 1e-5
    assert made.name == "no"
    assert repr(made.stages[0].weights.settings.alpha) == "16.0"
    assert repr(made.stages[0].train.warmup) == "0.0"
    assert "lr: 1.0e-05" in dump_yaml(made.plain())


def test_overrides_replace_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: x\nstages:\n  - weights: lora\n    train: {epochs: 3}\n")
    made = load(path, Recipe, {"stages.0.train.epochs": 5, "base": "b", "stages.0.weights.r": 4})
    assert (made.stages[0].train.epochs, made.base, made.stages[0].weights.settings.r) == (5, "b", 4)
    with pytest.raises(UsageError, match="there is no key 'bass'; did you mean 'base'"):
        load(path, Recipe, {"bass": 5})
