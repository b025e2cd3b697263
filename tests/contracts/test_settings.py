"""What every registered part's settings hold to, whatever the part: help, bounds, near misses, YAML there and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
import pytest
from pydantic.fields import FieldInfo

from tailorlm.context import contexts
from tailorlm.core.config import Settings, field_extra, load, search_grid, validate
from tailorlm.core.errors import UsageError
from tailorlm.core.yaml import dump_yaml
from tailorlm.objectives import objectives
from tailorlm.objectives.penalties import penalties
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.tasks import tasks
from tailorlm.training.optimisers import optimisers
from tailorlm.training.settings import TrainSettings
from tailorlm.weights import weights

REGISTRIES = {
    "weights": weights,
    "objective": objectives,
    "context": contexts,
    "task": tasks,
    "optimiser": optimisers,
    "penalty": penalties,
}
PARTS = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]
SCHEMAS: dict[str, type[Settings]] = {f"{kind}-{name}": REGISTRIES[kind].get(name).Settings for kind, name in PARTS}
SCHEMAS |= {"train": TrainSettings, "stage": Stage, "recipe": Recipe}
FIELDS = [(where, name) for where, schema in SCHEMAS.items() for name in schema.model_fields]
# Settings that stand for nothing but themselves, so that a part without required settings can be checked alone.
REQUIRED = {"stage": {"weights": "head"}, "recipe": {"name": "x", "context": "instruction"}}


def test_the_suite_found_every_part() -> None:
    assert len(PARTS) >= 24
    assert len(SCHEMAS) == len(PARTS) + 3
    assert len(FIELDS) > 40


def field(where: str, name: str) -> FieldInfo:
    return SCHEMAS[where].model_fields[name]


def bounds(info: FieldInfo) -> dict[str, Any]:
    kinds = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt, annotated_types.MinLen)
    found = {}
    for entry in info.metadata:
        if isinstance(entry, kinds):
            key = {"MinLen": "min_length"}.get(type(entry).__name__, type(entry).__name__.lower())
            found[key] = getattr(entry, key)
    return found


def kind_of(info: FieldInfo) -> Any:
    """The field's type without `None`."""
    arguments = [a for a in get_args(info.annotation) if a is not type(None)]
    return arguments[0] if type(None) in get_args(info.annotation) and len(arguments) == 1 else info.annotation


@pytest.mark.parametrize(("where", "name"), FIELDS)
def test_every_field_says_what_it_buys(where: str, name: str) -> None:
    help_text = field(where, name).description
    assert help_text
    assert "\n" not in help_text
    assert 8 <= len(help_text) <= 140
    assert not help_text.endswith(".")


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_is_a_card(kind: str, name: str) -> None:
    part = REGISTRIES[kind].get(name)
    first, _, rest = (part.__doc__ or "").partition("\n")
    assert first.endswith(".")
    assert len(first) <= 120
    assert len(rest.split()) >= 10, "a card says more than one sentence"
    assert part.Settings.__doc__
    assert part.Settings.__doc__.startswith(f"Settings of `{name}`")
    assert issubclass(part.Settings, Settings)
    assert part(part.Settings()).settings == part.Settings()


def bad_values(where: str, name: str) -> list[Any]:
    info = field(where, name)
    kind, limits = kind_of(info), bounds(info)
    bad: list[Any] = []
    if get_origin(kind) is Literal:
        bad += ["nothing like it", 7]
    if kind in (int, float):
        step = 1 if kind is int else 1e-9
        bad += [limits["ge"] - max(step, abs(limits["ge"]) * 1e-6)] if "ge" in limits else []
        bad += [limits["gt"]] if "gt" in limits else []
        bad += [limits["le"] + max(step, abs(limits["le"]) * 1e-6)] if "le" in limits else []
        bad += [limits["lt"]] if "lt" in limits else []
        bad += ["many", float("nan"), float("inf"), -float("inf"), [1]]
        bad += [1.5] if kind is int else []
    if kind is str:
        bad += [7, ["a"], {"a": 1}]
        bad += [""] if "min_length" in limits else []
    return bad


@pytest.mark.parametrize(("where", "name"), FIELDS)
def test_numbers_have_bounds(where: str, name: str) -> None:
    info = field(where, name)
    if kind_of(info) in (int, float):
        limits = bounds(info)
        assert {"ge", "gt"} & set(limits), "no lower bound"
        assert {"le", "lt"} & set(limits) or name == "stop_after", "no upper bound"


@pytest.mark.parametrize(("where", "name"), FIELDS)
def test_bad_values_are_refused_by_name(where: str, name: str) -> None:
    for bad in bad_values(where, name):
        with pytest.raises(UsageError) as error:
            validate(REQUIRED.get(where, {}) | {name: bad}, SCHEMAS[where])
        assert f" {name}" in str(error.value), bad
        assert error.value.exit_code == 2


def test_bad_values_were_found_for_most_fields() -> None:
    assert sum(bool(bad_values(where, name)) for where, name in FIELDS) >= 35


@pytest.mark.parametrize(("where", "name"), FIELDS)
def test_unknown_keys_answer_with_the_nearest(where: str, name: str) -> None:
    value = REQUIRED.get(where, {}) | {f"{name}{name[-1]}": 1}
    with pytest.raises(UsageError, match=rf"there is no key '{name}{name[-1]}'; did you mean '{name}'\?"):
        validate(value, SCHEMAS[where])
    with pytest.raises(UsageError, match="there is no key 'qqqqqqqq'; known keys: ") as error:
        validate(REQUIRED.get(where, {}) | {"qqqqqqqq": 1}, SCHEMAS[where])
    assert name in str(error.value)


@pytest.mark.parametrize("where", SCHEMAS)
def test_settings_do_not_change(where: str) -> None:
    made = validate(REQUIRED.get(where, {}), SCHEMAS[where])
    name = next(iter(type(made).model_fields))
    with pytest.raises(Exception, match="frozen"):
        setattr(made, name, getattr(made, name))
    assert made.with_() == made
    assert made.with_() is not made


@pytest.mark.parametrize("where", SCHEMAS)
def test_grids_hold_allowed_values_the_default_among_them_or_near(where: str) -> None:
    for name, values in search_grid(SCHEMAS[where]).items():
        assert len(values) == len(set(values)) >= 2
        for value in values:
            assert getattr(validate(REQUIRED.get(where, {}) | {name: value}, SCHEMAS[where]), name) == value
        default = field(where, name).default
        assert min(values) <= default <= max(values), f"the default {default} of {name} lies outside its grid"
        assert field_extra(field(where, name))["search"] == values


# Values of fields that hold settings or parts of their own.
NESTED: dict[tuple[str, str], Any] = {
    ("context-prompt", "examples"): {"part": "random", "k": 2},
    ("context-prompt", "encoder"): {"max_length": 64},
    ("context-prompt", "search"): {"k": 5},
    ("context-prompt", "layout"): {"query": "Q: {}"},
    ("context-prompt", "writing"): {"max_new_tokens": 7},
    ("objective-labels", "class_weights"): {"money": 2.0, "1e-5": 3.0},
    ("objective-multi_task", "tasks"): [{"name": "a", "rows": "a.csv", "task": {"part": "score"}}, {"rows": "b.csv"}],
    ("objective-intermediate_task", "name"): "topics",
    ("objective-intermediate_task", "task"): {"part": "tag"},
    ("task-score", "levels"): [1.0, 2.0],
    ("task-score", "cuts"): [1.5],
}


def other_value(where: str, name: str) -> Any:
    """A valid value that is not the default."""
    if (where, name) in NESTED:
        return NESTED[where, name]
    info = field(where, name)
    kind, limits, default = kind_of(info), bounds(info), info.default
    if get_origin(kind) is Literal:
        return next(value for value in get_args(kind) if value != default)
    if kind is bool:
        return not default
    if kind is float:
        if default and default == limits.get("ge"):
            return default + 1
        return (default or limits.get("ge", limits.get("gt", 0.0))) / 2 or 0.25
    if kind is int:
        return (default or 1) + 1
    if get_origin(kind) is tuple:
        return ["first", "second"]
    if get_origin(kind) is dict and name != "descriptions":
        return {"query": 4}
    return {"template": "This is about {}: 'no', 1e-5 #x", "descriptions": {"on": "yes", "1e-5": "no\n: x"}}.get(
        name, "Spalte: é #1"
    )


def recipe_with(kind: str, part: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"name": "x", "stages": [{"weights": "head"}]}
    named = part.get("part") if isinstance(part, dict) else None
    if named in ("ranking", "triplet"):  # what a search learns from
        return {"name": "x", "task": "retrieve", "stages": [{"weights": "head", "objective": part}]}
    if named in ("search", "retrieve"):
        return {"name": "x", "task": "retrieve", kind: part}
    if kind == "objective":  # some learn no answers, and leave them to a classifier
        return value | {"stages": [{"weights": "bias", "objective": part}, {"weights": "features"}]}
    if kind == "weights":
        return value | {"stages": [{"weights": "head"} | {kind: part}]}
    if kind == "optimiser":
        return value | {"stages": [{"weights": "head", "train": {"optimiser": part}}]}
    if kind == "penalty":
        return value | {"stages": [{"weights": "head", "penalties": [part]}]}
    if kind == "task" and isinstance(part, dict) and part.get("part") == "language":  # has no answers to learn
        return {"name": "x", kind: part}
    return value | {kind: part}


def recipe_of(kind: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    return recipe_with(kind, {"part": name, **settings})


def part_in(recipe: Recipe, kind: str) -> Any:
    if kind == "optimiser":
        return recipe.stages[0].train.optimiser
    if kind == "penalty":
        return recipe.stages[0].penalties[0]
    return getattr(recipe.stages[0], kind) if kind in ("weights", "objective") else getattr(recipe, kind)


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_recipe_with_the_part_survives_yaml(kind: str, name: str, tmp_path: Path) -> None:
    where = f"{kind}-{name}"
    for settings in ({}, {key: other_value(where, key) for key in SCHEMAS[where].model_fields}):
        recipe = validate(recipe_of(kind, name, settings), Recipe)
        path = tmp_path / "recipe.yaml"
        path.write_text(dump_yaml(recipe.plain()), encoding="utf-8")
        assert load(path, Recipe) == recipe
        assert load(path, Recipe).key == recipe.key
        assert load(path, Recipe).plain() == recipe.plain()
        part = part_in(load(path, Recipe), kind)
        assert part.name == name
        made = SCHEMAS[where].model_validate(settings).model_dump()
        assert part.settings.model_dump() == made
        assert made == SCHEMAS[where]().model_dump() | {key: made[key] for key in settings}
        assert isinstance(part.make(), REGISTRIES[kind].get(name))


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_misspelt_answers_with_the_nearest(kind: str, name: str) -> None:
    for wrong in (name[:-1], name + "s", name.upper()):
        if wrong in REGISTRIES[kind]:
            continue
        with pytest.raises(UsageError, match=rf"there is no .* called '{wrong}'.*did you mean .*'{name}'") as error:
            validate(recipe_of(kind, wrong, {}), Recipe)
        assert all(known in str(error.value) for known in REGISTRIES[kind])


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_faults_inside_a_part_carry_its_whole_path(kind: str, name: str) -> None:
    at = {
        "weights": r"stages\.0\.weights",
        "objective": r"stages\.0\.objective",
        "optimiser": r"stages\.0\.train\.optimiser",
        "penalty": r"stages\.0\.penalties\.0",
    }
    at = at.get(kind, kind)
    first = next(iter(SCHEMAS[f"{kind}-{name}"].model_fields))
    with pytest.raises(UsageError, match=rf"there is no key '{at}\.{first}_'; did you mean '{first}'\?"):
        validate(recipe_of(kind, name, {f"{first}_": 1}), Recipe)


@pytest.mark.parametrize("kind", REGISTRIES)
@pytest.mark.parametrize("bad", [None, 7, [], {}, {"lr": 1}, {"part": 7}, ["head"]])
def test_what_is_no_part_is_refused_with_the_list(kind: str, bad: Any) -> None:
    if kind == "context" and bad is None:
        return  # a recipe may have none
    with pytest.raises(
        UsageError, match=rf"names an? {REGISTRIES[kind].kind}: one of {re.escape(', '.join(REGISTRIES[kind]))}"
    ):
        validate(recipe_with(kind, bad), Recipe)


def test_files_that_are_learnt_from_are_marked_as_files() -> None:
    named = {(where, name) for where, name in FIELDS if where.split("-")[0] in ("objective", "weights", "penalty")}
    said = {one for one in named if re.search(r"^(a )?(labelled )?(file|folder)", field(*one).description or "")}
    assert said == {one for one in named if field_extra(field(*one)).get("file")}
    assert len(said) >= 10
