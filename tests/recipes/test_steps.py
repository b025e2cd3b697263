"""Recipes in steps: what cannot be, what each step learns from, where rows go, folders, and what a comparison says of each step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailorlm
from tailorlm.comparison.report.format import forgotten, forgotten_lines
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.course import Course, as_column, given, rows_key
from tailorlm.recipes.fit import fit
from tailorlm.recipes.forgotten import Known, Memory
from tailorlm.recipes.reload import check_reload
from tailorlm.recipes.schema import Recipe, Step
from tailorlm.recipes.steps import check_columns, fields, filled, journeys, reads, row_columns
from tailorlm.tasks.base import Examples
from tiny import text_of
from writers import tiny_writer

Base = Callable[..., Path]
KIND = {
    "task": {"part": "classify", "text": "text", "label": "kind"},
    "stages": [{"weights": "features"}],
    "search": {},
}
SAID = {
    "task": {"part": "classify", "text": "both", "label": "label"},
    "stages": [{"weights": "features"}],
    "search": {},
}


def steps(*made: dict[str, Any], **whole: Any) -> dict[str, Any]:
    return {"name": "parts", "task": {"part": "classify"}, "search": {}, "steps": list(made)} | whole


def two(base: str, **kind: Any) -> Recipe:
    """A kind first, then a label that reads text and kind together."""
    first = {"name": "kind", "recipe": {**KIND, "base": base}} | kind
    last = {"name": "said", "recipe": {**SAID, "base": base}, "texts": {"both": "{kind} {text}"}}
    return validate(steps(first, last), Recipe)


LABELS = {
    "money": ("spend", "much"),
    "travel": ("spend", "little"),
    "food": ("live", "much"),
    "sport": ("live", "little"),
}


def rows_of(count: int = 40, *, without: Callable[[int], bool] = lambda i: False) -> Rows:
    """Rows of four topics: the kind is one half of them, the label the other. without: which rows do not say their kind."""
    made = []
    for i in range(count):
        topic = list(LABELS)[i % 4]
        kind, label = LABELS[topic]
        values = {"text": text_of(topic, i), "kind": "" if without(i) else kind, "label": label}
        made.append(Row(values, "rows.csv", i + 2))
    return Rows(tuple(made), ("text", "kind", "label"))


def examples_of(recipe: Recipe, rows: Rows) -> Examples:
    from dataclasses import replace

    return replace(recipe.task.make().prepare(rows, what="train"), rows=rows.rows)


# ---- what cannot be


def faulty(recipe: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as error:
        validate(recipe, Recipe)
    return str(error.value)


def step(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "recipe": {**SAID, "task": {"part": "classify"}}, **more}


def router(**more: Any) -> dict[str, Any]:
    return {"name": "kind", "recipe": KIND} | more


def test_what_cannot_run_in_order_says_so() -> None:
    assert "two steps are called 'kind'" in faulty(steps(router(), router()))
    said = faulty(steps(router(routes={"spend": "splend"}), step("spend")))
    assert "sends rows to 'splend', and there is no such step; did you mean 'spend'?" in said
    circle = steps(step("first"), router(routes={"live": "first"}, otherwise="last"), step("last"))
    assert (
        "sends rows to 'first', which stands before it: steps run once, in order, and cannot go in a circle"
        in faulty(circle)
    )
    assert "which it is itself" in faulty(steps(router(otherwise="kind"), step("last")))
    later = steps(step("one", texts={"text": "{two} {text}"}), step("two"))
    assert "the step 'one' reads 'two', which is answered only after it" in faulty(later)
    assert "which is its own answer" in faulty(steps(step("one", texts={"text": "{one}"})))
    some = steps(router(routes={"live": "a"}, otherwise="b"), step("a"), step("b", texts={"text": "{a}"}))
    assert "the step 'b' reads 'a', and some rows come there without an answer of that step" in faulty(some)
    gold = steps(router(), step("last", texts={"text": "{label} {text}"}))
    assert "reads the column 'label', which holds the right answers of '(the whole task)'" in faulty(gold)
    assert "which its task does not read (it reads text)" in faulty(steps(step("one", texts={"other": "{text}"})))
    assert "has braces without a column's name" in faulty(steps(step("one", texts={"text": "{} {text}"})))
    assert "cannot be read" in faulty(steps(step("one", texts={"text": "{text"})))
    number = {"name": "n", "recipe": {**KIND, "task": "score"}, "otherwise": "last"}
    assert "routes, and its task 'score' has no labels" in faulty(steps(number, step("last")))
    assert "not both" in faulty(steps(step("one"), stages=[{"weights": "features"}]))
    assert "has steps of its own" in faulty(steps({"name": "a", "recipe": steps(step("b"))}))
    wrong = {"name": "n", "recipe": {**KIND, "task": "score"}}
    assert "rows that end at the step 'n' get answers of the task 'score', where 'classify' is asked" in faulty(
        steps(wrong)
    )
    bare = steps({"name": "w", "recipe": {"context": "prompt"}}, task="generate")
    assert "does not say which column asks" in faulty(bare)
    places = steps(
        {"name": "w", "recipe": {"task": {"part": "extract", "context": "found"}, "stages": [{"weights": "full"}]}},
        task="extract",
    )
    assert "gives places in 'found', where places in 'context' are asked" in faulty(places)
    assert "cannot be one of several steps" in faulty(
        steps({"name": "w", "recipe": {"task": "language", "stages": [{"weights": "full", "objective": "causal_lm"}]}})
    )


def test_columns_that_nobody_makes_are_told_before_anything_is_fitted(base: Base) -> None:
    recipe = two(str(base("bert", "mean")))
    check_columns(recipe, rows_of(), "train")
    lacking = Rows((Row({"txt": "a", "kind": "b", "label": "c"}, "f", 1),), ("txt", "kind", "label"))
    with pytest.raises(UsageError, match=r"(?s)the step 'kind' reads the column 'text'.*is it 'txt'\?"):
        check_columns(recipe, lacking, "train")
    lacking = Rows((Row({"text": "a", "label": "c"}, "f", 1),), ("text", "label"))
    with pytest.raises(UsageError, match="the step 'kind' learns from the column 'kind'"):
        check_columns(recipe, lacking, "train")
    check_columns(recipe, lacking, "test")  # rows that are only scored need not have it


def test_texts_and_ways_of_rows() -> None:
    assert fields("Q: {question} {{x}} {found}{question}") == ("question", "found")
    assert filled("{a}-{b}-{c}-{{}}", {"a": 7, "b": None, "c": ["x"]}) == '7--["x"]-{}'
    recipe = validate(
        steps(
            router(routes={"live": "a"}, otherwise="b"),
            step("a"),
            step("b"),
            step("c", texts={"text": "{kind} {text}"}),
        ),
        Recipe,
    )
    assert [[one.name for one in way] for way in journeys(recipe.steps)] == [["kind", "a", "c"], ["kind", "b", "c"]]
    assert reads(recipe.steps[3]) == ("kind", "text")
    assert row_columns(recipe) == ("text",)
    assert validate(recipe.plain(), Recipe) == recipe


def test_rows_take_their_course() -> None:
    recipe = validate(
        steps(router(routes={"live": "a"}), step("a"), step("b", texts={"text": "{kind}: {text}"})), Recipe
    )
    kind, a, b = recipe.steps
    course = Course(
        recipe.steps, [{"text": "one", "kind": "hidden"}, {"text": "two"}, {"text": None}, {"text": "four"}]
    )
    assert course.reaching(kind) == [0, 1, 3]
    assert course.lost == {2: "nothing that the step 'kind' can read"}
    for i, label in ((0, "live"), (1, "spend"), (3, None)):
        course.move(kind, i, label, label)
    assert course.reaching(a) == [0]
    course.move(a, 0, "x", "x")
    assert course.reaching(b) == [0, 1]
    assert course.columns(b, 0)["text"] == "live: one"  # the step's answer, never the row's own column of that name
    assert course.lost[3] == "no answer of the step 'kind'"


def test_answers_as_columns() -> None:
    task = validate(steps(step("a")), Recipe).task
    assert as_column(task.make(), "yes", "text") == "yes"
    assert as_column(task.make(), None, "text") is None
    from tailorlm.recipes.schema import tasks

    quote = tasks.get("extract")(tasks.get("extract").Settings())
    assert as_column(quote, {"text": "here", "start": 3}, ["q", "c"]) == "here"
    assert as_column(quote, {"text": "", "start": None}, ["q", "c"]) == "no answer"
    assert as_column(quote, [{"text": "here", "start": 3}], ["q", "c"], gold=True) == "here"


def test_every_key_of_a_step_is_held_to_something_here() -> None:
    told = {
        "name",
        "recipe",
        "texts",
        "routes",
        "otherwise",
        "passes_on",
        "folds",
    }  # each changes what a test of this file sees
    assert set(Step.model_fields) == told


def test_the_grid_names_the_keys_of_the_steps_and_search_may_narrow_it() -> None:
    recipe = validate({**steps(router(), step("a", texts={"text": "{kind}: {text}"})), "search": None}, Recipe)
    assert recipe.grid == {}  # both say `search: {}` themselves
    open_end = recipe.changed({"steps.0.recipe.search": None})
    assert open_end.grid.keys() == {"steps.0.recipe.stages.0.weights.c"}
    narrowed = open_end.with_(search={"steps.0.recipe.stages.0.weights.c": [1.0, 2.0]})
    assert [one.grid for one in narrowed.step_recipes()] == [{"stages.0.weights.c": [1.0, 2.0]}, {}]
    assert [one.grid for one in open_end.with_(search={}).step_recipes()] == [{}, {}]
    assert open_end.stage_keys == ["steps.0.recipe.stages.0", "steps.1.recipe.stages.0"]
    assert open_end.bases == ("starter",)
    assert {open_end.key} == {open_end.with_(name="other").key}


def test_models_that_write_take_the_starter_that_can() -> None:
    recipe = validate(steps(router(), {"name": "w", "recipe": {"context": "prompt", "answers": "written"}}), Recipe)
    assert [one.recipe.base for one in recipe.steps] == ["starter", "starter-lm"]
    assert recipe.bases == ("starter", "starter-lm")


# ---- what steps learn from


@pytest.mark.parametrize("passes_on", ["gold", "out_of_fold", "answers"])
def test_a_later_step_learns_from_what_the_earlier_passes_on(base: Base, passes_on: str) -> None:
    recipe = two(str(base("bert", "mean")), passes_on=passes_on)
    rows = examples_of(recipe, rows_of(40, without=lambda i: i >= 32))
    fitted = fit(recipe, rows)
    counts = {
        "gold": {"gold": 32, "answers": 8},
        "out_of_fold": {"out_of_fold": 32, "answers": 8},
        "answers": {"answers": 40},
    }
    assert fitted.steps[0]["passed_on"] == counts[passes_on]
    assert (fitted.steps[0]["rows"], fitted.steps[0]["with_answer"]) == (40, 32)
    assert "passed_on" not in fitted.steps[1]
    assert len(fitted.adaptation.answering.parts) == 2


def test_out_of_fold_answers_come_from_fits_that_did_not_see_the_row(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tailorlm.recipes.fit as module

    seen: list[frozenset[str]] = []
    plain = module.fit

    def watched(recipe: Recipe, rows: Examples, *more: Any, **named: Any) -> Any:
        if not recipe.steps:
            seen.append(frozenset(rows.ids))
        return plain(recipe, rows, *more, **named)

    monkeypatch.setattr(module, "fit", watched)
    recipe = two(str(base("bert", "mean")), passes_on="out_of_fold", folds=4)
    rows = examples_of(recipe, rows_of(40))
    watched(recipe, rows)
    assert len(seen) == 1 + 4 + 1
    whole, folds = seen[0], seen[1:5]
    left = [whole - fold for fold in folds]
    assert frozenset().union(*left) == whole == frozenset(rows.ids)
    assert sum(map(len, left)) == len(whole), "every row is left out once"


def test_a_routed_step_learns_from_its_own_rows_alone(base: Base) -> None:
    name = str(base("bert", "mean"))
    ends = [{"name": end, "recipe": {**SAID, "base": name}, "texts": {"both": "{text}"}} for end in ("a", "b")]
    recipe = validate(
        steps({"name": "kind", "recipe": {**KIND, "base": name}, "routes": {"live": "a", "spend": "b"}}, *ends), Recipe
    )
    fitted = fit(recipe, examples_of(recipe, rows_of(40)))
    assert [told["rows"] for told in fitted.steps] == [40, 20, 20]
    texts = [row.values["text"] for row in rows_of(40)]
    found = fitted.adaptation.predict(texts)
    kinds = [one.detail["steps"]["kind"]["value"] for one in found]
    for one, kind in zip(found, kinds, strict=True):
        assert set(one.detail["steps"]) == {"kind", {"live": "a", "spend": "b"}[kind]}
        assert one.value in ("much", "little")
        assert abs(sum(one.scores.values()) - 1) < 1e-5
    assert np.mean([one.value == LABELS[list(LABELS)[i % 4]][1] for i, one in enumerate(found)]) > 0.9


def test_routes_are_held_to_the_labels(base: Base) -> None:
    name = str(base("bert", "mean"))
    first = {"name": "kind", "recipe": {**KIND, "base": name}}
    last = {"name": "a", "recipe": {**SAID, "base": name}, "texts": {"both": "{text}"}}
    recipe = validate(steps({**first, "routes": {"lives": "a"}}, last), Recipe)
    with pytest.raises(
        UsageError, match=r"(?s)a route for the label 'lives', which no train row has.*did you mean 'live'\?"
    ):
        fit(recipe, examples_of(recipe, rows_of(40)))
    stars = {"part": "score", "label": "stars"}
    rated = {"base": name, "task": stars, "stages": [{"weights": "features"}], "search": {}}
    recipe = validate(steps({**first, "routes": {"live": "a"}}, {"name": "a", "recipe": rated}, task=stars), Recipe)
    made = [Row({**row.values, "stars": i % 5}, row.source, row.line) for i, row in enumerate(rows_of(40))]
    rows = Rows(tuple(made), ("text", "kind", "label", "stars"))
    with pytest.raises(UsageError, match=r"(?s)rows that end at the step 'kind'.*labels without a route: spend"):
        fit(recipe, examples_of(recipe, rows))


def test_a_row_without_a_label_goes_no_further_unless_told(base: Base) -> None:
    name = str(base("bert", "mean"))
    unsure = {**KIND, "base": name, "task": {**KIND["task"], "reject_below": 1.0, "temperature": 100.0}}
    for otherwise in (None, "said"):
        first = {"name": "kind", "recipe": unsure, "otherwise": otherwise}
        last = {"name": "said", "recipe": {**SAID, "base": name}, "texts": {"both": "{text}"}}
        recipe = validate(steps(first, last), Recipe)
        found = fit(recipe, examples_of(recipe, rows_of(40))).adaptation.predict(["a card", "a plane"])
        if otherwise:
            assert all(one.value in ("much", "little") and "fault" not in one.detail for one in found)
        else:
            assert [one.value for one in found] == [None, None]
            assert {one.detail["fault"] for one in found} == {"no answer of the step 'kind'"}


# ---- folders


def test_a_folder_answers_the_same_in_a_fresh_process(base: Base, tmp_path: Path) -> None:
    recipe = two(str(base("bert", "mean")))
    rows = examples_of(recipe, rows_of(40))
    fitted = fit(recipe, rows)
    fitted.adaptation.save(tmp_path / "kept")
    texts = [text_of("money", 3), text_of("sport", 5), "日本 emoji 🙂", "a " * 500]
    here = fitted.adaptation.predict(texts)
    there = Adaptation.load(tmp_path / "kept")
    assert [one.value for one in there.predict(texts)] == [one.value for one in here]
    assert there.answering.scores([{"text": one} for one in texts]) == pytest.approx(
        fitted.adaptation.answering.scores([{"text": one} for one in texts]), abs=1e-6
    )
    assert there.predict([]) == []
    check_reload(tmp_path / "kept", fitted.adaptation, given(recipe, rows).inputs)
    assert sorted(path.name for path in (tmp_path / "kept" / "steps").iterdir()) == ["kind", "said"]
    assert "\nsteps:" in (tmp_path / "kept" / "recipe.yaml").read_text()
    (tmp_path / "kept" / "steps" / "said" / "head.json").write_text("{}")
    with pytest.raises(TailorError, match="is incomplete or changed"):
        Adaptation.load(tmp_path / "kept")


def test_rows_to_predict_are_told_what_they_lack(base: Base) -> None:
    recipe = two(str(base("bert", "mean")))
    adaptation = fit(recipe, examples_of(recipe, rows_of(40))).adaptation
    with pytest.raises(TailorError, match=r"row 2 has no column 'text', which a step reads"):
        adaptation.predict([{"text": "a"}, {"txt": "b"}])
    (empty,) = adaptation.predict([{"text": None}])
    assert (empty.value, empty.detail["fault"]) == (None, "nothing that the step 'kind' can read")


def test_keys_follow_the_rows_of_the_steps(base: Base) -> None:
    recipe = two(str(base("bert", "mean")))
    one = rows_of(40)
    other = Rows(tuple(Row({**row.values, "kind": "live"}, row.source, row.line) for row in one), one.columns)
    first, second = examples_of(recipe, one), examples_of(recipe, other)
    assert first.fingerprint == second.fingerprint
    assert rows_key(recipe, first) != rows_key(recipe, second)


# ---- in a comparison, with a model that writes


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Any:
    folder = tmp_path_factory.mktemp("steps")
    writer = tiny_writer(folder / "writer", "qwen2")
    for split, begin, count in (("train", 0, 32), ("test", 100, 12)):
        lines = []
        for i in range(begin, begin + count):
            topic = list(LABELS)[i % 4]
            asked = {"question": text_of(topic, i) + f" {i}", "about": LABELS[topic][0], "answer": f"{split}word{i}"}
            lines.append(json.dumps(asked) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines))
    short = {"part": "prompt", "encoder": None, "writing": {"max_new_tokens": 4}}
    shown = {"part": "nearest", "k": 1, "retriever": "bm25"}
    asked = {"part": "classify", "text": "question", "label": "about"}
    about = {"base": str(base("bert", "mean")), "task": asked, "stages": [{"weights": "features"}]}
    in_steps = {
        "name": "route-then-write",
        "steps": [
            {"name": "about", "recipe": about, "routes": {"live": "long"}, "otherwise": "short"},
            {"name": "short", "recipe": {"context": short}, "texts": {"question": "{about}: {question}"}},
            {"name": "long", "recipe": {"context": {**short, "examples": shown}}},
        ],
    }
    plain = {"name": "plain", "search": {}, "context": short}
    return tailorlm.compare(
        folder / "train.jsonl",
        test=folder / "test.jsonl",
        task={"part": "generate", "prompt": "question", "answer": "answer"},
        base=str(writer),
        methods=[plain, in_steps],
        folder=folder / "runs",
    )


def test_steps_stand_beside_one_step_methods(compared: Any) -> None:
    ways = {way["name"]: way for way in compared.result["ways"]}
    assert {way["status"] for way in ways.values()} == {"ok"}
    assert ways["plain"]["steps"] is None
    about, short, long = ways["route-then-write"]["steps"]
    assert (about["rows"], short["rows"] + long["rows"]) == (12, 12)
    assert about["scores"]["accuracy"]["n"] == 12
    assert about["scores"]["accuracy"]["low"] <= about["scores"]["accuracy"]["value"]
    assert short["scores"]["token_f1"]["n"] == short["rows"]
    assert about["learnt"]["passed_on"] == {"gold": 32}
    assert (short["learnt"]["rows"], long["learnt"]["rows"]) == (16, 16)
    assert [one["learnt"]["learns"] for one in (about, short, long)] == [True, False, True]
    assert ways["route-then-write"]["cost"]["trainable_parameters"] > 0
    n = ways["route-then-write"]["scores"]["token_f1"]["n"]
    assert n == ways["plain"]["scores"]["token_f1"]["n"] == 12
    assert len(compared.result["bases"]) == 2
    assert ways["route-then-write"]["chosen"][0].keys() == {"steps.0.recipe.stages.0.weights.c"}


def test_the_report_tells_each_step(compared: Any) -> None:
    for name in ("report.html", "report.md"):
        page = (compared.folder / name).read_text(encoding="utf-8")
        assert "Step by step" in page
        assert name == "report.md" or 'href="#steps"' in page
        assert "32 with right answers" in page


def test_a_second_sitting_repeats_nothing_and_rows_are_scored_again(compared: Any, tmp_path: Path) -> None:
    from tailorlm.comparison.evaluate import evaluate_adaptation
    from tailorlm.data import read

    adaptation = compared.adaptation("route-then-write")
    rows = read([str(compared.folder.parent.parent / "test.jsonl")])
    done = evaluate_adaptation(adaptation, rows, text=None, label=None, root=tmp_path)
    way = next(way for way in compared.result["ways"] if way["name"] == "route-then-write")
    assert done.scores["token_f1"]["value"] == way["scores"]["token_f1"]["value"]
    assert [one["rows"] for one in done.run.record["steps"]] == [one["rows"] for one in way["steps"]]
    bare = adaptation.predict([{"question": "which card"}])[0]
    assert bare.detail["tokens_in"] == sum(one.get("tokens_in", 0) for one in bare.detail["steps"].values())


def test_no_test_row_and_no_gold_of_a_test_row_reaches_a_fit(compared: Any) -> None:
    for path in (compared.folder / "runs").rglob("adaptation/**/*"):
        if path.is_file():
            assert b"testword" not in path.read_bytes(), path


def test_what_each_step_forgot_is_told(base: Base) -> None:
    folder = str(base("bert", "mean"))
    learns = {"weights": {"part": "bias", "lr": 0.02}, "train": {"epochs": 2, "warmup": 0.0}}
    made = two(folder).changed({"steps.1.recipe.stages": [learns]})
    memory = Memory(Known(("the bank", "a plane and a ticket", "we sleep well", "the price of bread")))
    found = memory.forgotten(fit(made, examples_of(made, rows_of())).adaptation)
    assert found["moved"]
    assert found["steps"]["kind"] == {"moved": False}
    assert found["steps"]["said"]["drift"] > 0
    assert re.fullmatch(r"said \d\.\d{3} drift", forgotten(found))
    assert forgotten_lines(found)[0] == "step kind: forgotten: nothing, the body did not learn"
    still = memory.forgotten(fit(two(folder), examples_of(two(folder), rows_of())).adaptation)
    assert forgotten(still) == "nothing"
