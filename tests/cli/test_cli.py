"""The verbs as people type them: what they print, write and answer with."""

from __future__ import annotations

import csv
import getpass
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, f1_score, log_loss
from words import Said, Tailor, pairs

from asked import asked as asked_of_texts
from sought import sought
from tailorlm.cli.app import VERBS
from tailorlm.core.config import load
from tailorlm.core.runs import find_runs, read_run
from tailorlm.evaluation import Predictions
from tailorlm.recipes.presets import PRESETS, STANDARD
from tailorlm.recipes.schema import Recipe
from writers import tiny_writer

Base = Callable[..., Path]
Put = Callable[..., str]
SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def rows(put: Put) -> str:
    return put("rows.csv", pairs(36))


@pytest.fixture
def fitted(tailor: Tailor, rows: str, base: Base) -> str:
    """An adaptation in the folder `fitted`."""
    said = tailor("fit", rows, "--model", base(), "--no-search", "--out", "fitted")
    assert said.code == 0, said.err
    return "fitted"


def test_compare_prints_table_answer_report_and_next_steps(tailor: Tailor, rows: str, base: Base) -> None:
    said = tailor("compare", rows, "--model", base(), "--methods", "zero-shot, features-lr")
    assert said.code == 0, said.err
    assert "27 train rows, 9 test rows, 3 labels" in said.out
    assert "compares 2 ways: zero-shot, features-lr" in said.out
    assert "Features + logistic" in said.out  # the rest may stand on the next line
    assert "Answer" in said.out
    report = next(line.split()[1] for line in said.out.splitlines() if line.startswith("report"))
    assert Path(report).is_file()
    assert "next     tailor predict tailor-runs/compare-" in said.out.replace("\n", "")
    assert "--seeds 3" in said.out
    for line in said.err.splitlines():
        assert json.loads(line)["event"]
    again = tailor("compare", rows, "--model", base(), "--methods", "zero-shot,features-lr")
    assert "2 of 2 runs are finished from before" in again.out


def test_compare_as_json_is_json_and_nothing_else(tailor: Tailor, rows: str, base: Base) -> None:
    said = tailor("compare", rows, "--model", base(), "--methods", "features-lr", "--json", "--metric", "macro_f1")
    assert said.code == 0
    assert said.err == ""
    result = json.loads(said.out)
    assert result["metric"]["name"] == "macro_f1"
    assert result["recommended"] == "features-lr"


def test_plan_runs_nothing(tailor: Tailor, rows: str, base: Base) -> None:
    said = tailor("compare", rows, "--model", base(), "--plan")
    assert said.code == 0
    assert "compares 9 ways" in said.out
    assert "on this machine" in said.out
    assert not Path("tailor-runs").exists()
    as_json = tailor("compare", rows, "--model", base(), "--plan", "--json")
    assert as_json.code == 0
    plan = json.loads(as_json.out)
    assert set(plan["plan"]) == set(STANDARD)
    assert plan["total_seconds"] == pytest.approx(sum(plan["plan"].values()))
    assert plan["finished"] == []
    assert not Path("tailor-runs").exists()


def test_the_command_in_the_report_repeats_the_comparison(tailor: Tailor, rows: str, base: Base) -> None:
    words = ["--model", base(), "--methods", "features-lr", "--test-share", "0.3", "--no-refit", "--leaks", "drop"]
    said = tailor("compare", rows, *words, "--json")
    again = tailor(*json.loads(said.out)["repeat"].split()[1:], "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["ways"] == json.loads(said.out)["ways"]
    assert len(list(Path("tailor-runs").glob("compare-*"))) == 1


def test_what_flags_cannot_say_is_repeated_from_the_kept_yaml(tailor: Tailor, rows: str, base: Base) -> None:
    Path("words.yaml").write_text("food: things to eat\n", encoding="utf-8")
    Path("mine.yaml").write_text("name: mine\nstages:\n  - weights: {part: features, c: 3}\n", encoding="utf-8")
    words = ["--model", base(), "--methods", "zero-shot", "--recipe", "mine.yaml", "--descriptions", "words.yaml"]
    first = json.loads(tailor("compare", rows, *words, "--out", "elsewhere", "--json").out)
    assert re.fullmatch(r"tailor compare elsewhere/compare-\S+/compare.yaml --out elsewhere", first["repeat"])
    assert first["next"][1].startswith(f"{first['repeat']} --seeds 3 ")
    again = tailor(*first["repeat"].split()[1:], "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["ways"] == first["ways"]
    assert len(list(Path("elsewhere").glob("compare-*"))) == 1


def test_compare_from_yaml_with_flags_on_top(tailor: Tailor, rows: str, base: Base) -> None:
    Path("compare.yaml").write_text(
        f"rows: rows.csv\nbase: {base()}\nways: [features-lr, zero-shot]\nsettings: {{seeds: 2}}\n", encoding="utf-8"
    )
    said = tailor("compare", "compare.yaml", "--seeds", "1", "--methods", "features-lr", "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert result["settings"]["seeds"] == [0]
    assert [way["name"] for way in result["ways"]] == ["features-lr"]


def test_compare_takes_a_recipe_beside_methods(tailor: Tailor, rows: str, base: Base) -> None:
    Path("mine.yaml").write_text(
        "name: mine\nstages: [{weights: {part: features, c: 3}}]\nsearch: {}\n", encoding="utf-8"
    )
    said = tailor("compare", rows, "--model", base(), "--methods", "zero-shot", "--recipe", "mine.yaml", "--json")
    assert said.code == 0, said.err
    assert {way["name"] for way in json.loads(said.out)["ways"]} == {"zero-shot", "mine"}


def test_compare_reads_standard_input(tailor: Tailor, rows: str, base: Base) -> None:
    data = Path(rows).read_bytes()
    said = tailor("compare", "-", "--model", base(), "--methods", "zero-shot", "--json", stdin=data)
    assert said.code == 0, said.err
    assert json.loads(said.out)["data"]["test"]["rows"] == 9
    assert list(Path("tailor-runs").glob("compare-stdin-*"))


@pytest.mark.parametrize("changed", ["--text", "--label"])
def test_columns_may_have_other_names(changed: str, tailor: Tailor, put: Put, base: Base) -> None:
    data = pairs(24)
    name = put(
        "odd.csv",
        ("\n".join(["was, ist,text,label".replace(changed[2:], "x y")] + [f"a,b,{t},{y}" for t, y in data])).encode(),
    )
    said = tailor("compare", name, changed, "x y", "--model", base(), "--methods", "zero-shot", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["task"][changed[2:]] == "x y"


def test_descriptions_reach_zero_shot(tailor: Tailor, rows: str, base: Base) -> None:
    Path("words.yaml").write_text("food: eat bread\nhealth: doctor pain\nmoney: pay invoice\n", encoding="utf-8")
    words = ["compare", rows, "--model", base(), "--methods", "zero-shot", "--json"]
    plain, described = tailor(*words), tailor(*words, "--descriptions", "words.yaml")
    assert described.code == 0, described.err
    runs = [json.loads(said.out)["ways"][0]["runs"] for said in (plain, described)]
    assert runs[0] != runs[1]


def test_fit_keeps_an_adaptation_and_says_what_next(tailor: Tailor, rows: str, base: Base) -> None:
    said = tailor("fit", rows, "--model", base())
    assert said.code == 0, said.err
    assert "features-lr: fitted on 36 rows" in said.out
    assert "validation rows" in said.out
    runs = find_runs(Path("tailor-runs"))
    assert len(runs) == 1
    assert runs[0].id.startswith("fit-features-lr-s0-")
    assert f"tailor predict tailor-runs/{runs[0].id}" in said.out
    assert len(runs[0].record["search"]) > 1
    before = (runs[0].folder / "COMPLETE").stat().st_mtime_ns
    assert tailor("fit", rows, "--model", base()).code == 0
    assert (runs[0].folder / "COMPLETE").stat().st_mtime_ns == before  # the same fit is not repeated


def test_fit_with_set_no_search_seed_and_json(tailor: Tailor, rows: str, base: Base) -> None:
    words = ["--method", "head", "--set", "stages.0.weights.lr=2e-2", "--set", "stages.0.train.epochs=2", "--seed", "7"]
    said = tailor("fit", rows, "--model", base(), *words, "--no-search", "--out", "mine", "--json")
    assert said.code == 0, said.err
    assert said.err == ""
    record = json.loads(said.out)
    assert (record["seed"], record["name"], len(record["search"])) == (7, "head", 1)
    recipe = load(Path("mine/recipe.yaml"), Recipe)
    assert recipe.stages[0].weights.settings.lr == 0.02
    assert recipe.stages[0].train.epochs == record["chosen"]["epochs"] <= 2


def test_what_was_set_by_hand_is_not_searched(tailor: Tailor, rows: str, base: Base) -> None:
    said = tailor("fit", rows, "--model", base(), "--set", "stages.0.weights.c=7", "--json")
    assert load(next(Path("tailor-runs").glob("fit-*")) / "recipe.yaml", Recipe).stages[0].weights.settings.c == 7
    assert len(json.loads(said.out)["search"]) <= 1


@pytest.mark.parametrize("method", PRESETS)
def test_show_recipe_prints_a_recipe_that_loads(method: str, tailor: Tailor) -> None:
    said = tailor("fit", "--method", method, "--show-recipe", "--model", "some/model", "--text", "utterance")
    assert said.code == 0
    Path("shown.yaml").write_text(said.out, encoding="utf-8")
    recipe = load(Path("shown.yaml"), Recipe)
    assert (recipe.name, recipe.method, recipe.base, recipe.task.settings.text) == (
        method,
        method,
        "some/model",
        "utterance",
    )
    again = tailor("fit", "--recipe", "shown.yaml", "--show-recipe")
    assert again.out == said.out


def test_a_recipe_that_was_shown_can_be_fitted(tailor: Tailor, rows: str, base: Base) -> None:
    shown = tailor("fit", "--method", "zero-shot", "--show-recipe", "--model", base())
    Path("shown.yaml").write_text(shown.out, encoding="utf-8")
    assert tailor("fit", rows, "--recipe", "shown.yaml", "--out", "one").code == 0
    assert load(Path("one/recipe.yaml"), Recipe).context is not None


def test_a_folder_that_is_there_is_not_overwritten(tailor: Tailor, rows: str, base: Base, fitted: str) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in Path(fitted).rglob("*"))
    same = tailor("fit", rows, "--model", base(), "--no-search", "--out", fitted)
    assert same.code == 0, "the same fit is taken as it is"
    said = tailor("fit", rows, "--model", base(), "--method", "zero-shot", "--out", fitted)
    assert said.code == 1
    assert "fitted exists already" in said.err
    assert "--out" in said.err
    assert sorted((p, p.stat().st_mtime_ns) for p in Path(fitted).rglob("*")) == before


def test_predict_gives_csv_for_csv(tailor: Tailor, put: Put, fitted: str) -> None:
    name = put("new.csv", b'id,text,note\n007,"bread, cake",=1+1\n8,"loan\nmoney",-x\n9,,@sum\n')
    said = tailor("predict", fitted, name)
    assert said.code == 0, said.err
    found = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["id"] for row in found] == ["007", "8", "9"]
    assert [row["text"] for row in found] == ["bread, cake", "loan\nmoney", ""]
    assert [row["note"] for row in found] == ["'=1+1", "'-x", "'@sum"]
    assert {row["predicted"] for row in found} <= {"food", "health", "money"}
    assert all(0 < float(row["confidence"]) <= 1 for row in found)


def test_predict_gives_jsonl_for_anything_else(tailor: Tailor, put: Put, fitted: str) -> None:
    lines = b'{"text": "bread", "n": 1e5, "note": "=1+1"}\n{"text": "loan", "n": null, "note": ""}\n'
    said = tailor("predict", fitted, put("new.jsonl", lines), "--scores")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [row["note"] for row in found] == ["=1+1", ""]
    assert [row["n"] for row in found] == [1e5, None]
    for row in found:
        assert set(row["scores"]) == {"food", "health", "money"}
        assert row["predicted"] == max(row["scores"], key=row["scores"].get)
    piped = tailor("predict", fitted, "-", "--scores", stdin=lines)
    assert piped.out == said.out


def test_predict_one_text_or_into_a_file(tailor: Tailor, rows: str, fitted: str) -> None:
    said = tailor("predict", fitted, "--say", "bread cake cheese")
    assert json.loads(said.out)["text"] == "bread cake cheese"
    assert json.loads(said.out)["predicted"] in {"food", "health", "money"}
    for name in ("answers.csv", "answers.jsonl"):
        done = tailor("predict", fitted, rows, "--out", name)
        assert (done.code, done.out) == (0, "")
        assert f"36 rows written to {name}" in done.err
    both = list(csv.DictReader(io.StringIO(Path("answers.csv").read_text())))
    assert [r["predicted"] for r in both] == [
        json.loads(x)["predicted"] for x in Path("answers.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["new.csv"], ["no column 'text'", "--text texts"]),
        ([], ["nothing to predict", "tailor predict fitted rows.csv"]),
        (["new.csv", "--say", "x"], ["--say and files were both given"]),
        (["new.csv", "--out", "x.xlsx"], ["neither .csv nor .jsonl", "--out x.csv"]),
    ],
)
def test_predict_refuses_what_it_cannot_do(
    words: list[str], expected: list[str], tailor: Tailor, put: Put, fitted: str
) -> None:
    put("new.csv", b"id,texts\n1,a\n2,b\n")
    said = tailor("predict", fitted, *words)
    assert said.code == 2
    assert all(part in said.err for part in expected), said.err


def jsonl(name: str, rows: Iterable[dict[str, Any]]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


def predicted(said: Said) -> list[Any]:
    assert said.code == 0, said.err
    return [json.loads(line)["predicted"] for line in said.out.splitlines()]


def talk(*said: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in zip(("user", "assistant"), said, strict=False)]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (lambda i: {"prompt": f"say {i}", "completion": f"{i}"}, "prompt"),
        (lambda i: {"messages": talk(f"say {i}", f"{i}")}, "prompt"),
        (lambda i: {"ask": f"say {i}", "completion": f"{i}"}, "ask"),
    ],
)
def test_predict_prompts_by_another_column_and_one_alone(
    row: Callable[[int], dict[str, Any]], name: str, tailor: Tailor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer, train = tiny_writer(tmp_path_factory.mktemp("writer"), "qwen2"), jsonl("train.jsonl", map(row, range(8)))
    keys = ["--set", "context.writing.max_new_tokens=6", "--no-search", "--column", "max_length=64"]
    keys += ["--column", "prompt=ask"] if name == "ask" else []
    said = tailor("fit", train, "--task", "generate", "--model", writer, *keys, "--out", "writes")
    assert said.code == 0, said.err
    asked = ["the card fee", "a bus to the gate", "soup"]
    plain = predicted(tailor("predict", "writes", jsonl("new.jsonl", ({name: one} for one in asked))))
    assert len(set(plain)) == 3, "each prompt has an answer of its own"
    # The column that would be taken by its usual name says something else.
    other = jsonl("other.jsonl", ({name: "not this", "frage": one, "input": "nor this"} for one in asked))
    assert predicted(tailor("predict", "writes", other, "--text", "frage")) == plain
    assert predicted(tailor("predict", "writes", other)) != plain
    assert [predicted(tailor("predict", "writes", "--say", one))[0] for one in asked] == plain
    talks = ({name: "not this", "talk": talk(one)} for one in asked)
    assert predicted(tailor("predict", "writes", jsonl("talks.jsonl", talks), "--text", "talk")) == plain
    said = tailor("predict", "writes", other, "--text", "frag")
    assert said.code == 2
    assert "--text frage" in said.err
    if name == "ask":
        assert "--text asks" in tailor("predict", "writes", jsonl("bare.jsonl", [{"asks": "soup"}])).err


def test_predict_queries_by_another_column_and_one_alone(tailor: Tailor, base: Base) -> None:
    rows = [dict(row.values) for row in sought(20)]
    way = ("--task", "retrieve", "--method", "as-is", "--model", base())
    said = tailor("fit", jsonl("asked.jsonl", rows), *way, "--out", "finds")
    assert said.code == 0, said.err
    asked = [row["query"] for row in rows[:4]]
    plain = predicted(tailor("predict", "finds", jsonl("new.jsonl", ({"query": one} for one in asked))))
    assert len(set(plain)) > 1
    other = jsonl("other.jsonl", ({"query": "not this", "frage": one} for one in asked))
    assert predicted(tailor("predict", "finds", other, "--text", "frage")) == plain
    assert predicted(tailor("predict", "finds", other)) != plain
    assert [predicted(tailor("predict", "finds", "--say", one))[0] for one in asked] == plain


def test_predict_takes_no_one_column_where_several_are_asked_with(tailor: Tailor, base: Base) -> None:
    rows = [dict(row.values) for row in asked_of_texts(24)]
    way = (
        "--task",
        "extract",
        "--method",
        "head",
        "--model",
        base(),
        "--no-search",
        "--set",
        "stages.0.train.epochs=1",
    )
    said = tailor("fit", jsonl("rows.jsonl", rows), *way, "--out", "reads")
    assert said.code == 0, said.err
    assert len(predicted(tailor("predict", "reads", "rows.jsonl"))) == 24
    for words, expected in (
        (["rows.jsonl", "--text", "context"], ["--text names one column", "it reads question, context"]),
        (["--say", "what fee"], ["--say gives one text", "put the row into a file"]),
        (["--say", "what fee", "--text", "context"], ["--say is a text itself", "leave --text out"]),
    ):
        said = tailor("predict", "reads", *words)
        assert said.code == 2
        assert all(part in said.err for part in expected), said.err


def test_predict_without_an_adaptation(tailor: Tailor, rows: str, fitted: str) -> None:
    said = tailor("predict", "nowhere", rows)
    assert said.code == 1
    assert "nowhere is not an adaptation" in said.err
    assert "tailor fit" in said.err
    head = next(Path(fitted).rglob("head*.safetensors"))
    head.write_bytes(head.read_bytes()[:-1] + b"\x7f")
    said = tailor("predict", fitted, rows)
    assert said.code == 1
    assert "incomplete or changed" in said.err


def test_eval_gives_the_scores_that_scikit_learn_gives(tailor: Tailor, put: Put, fitted: str) -> None:
    name = put("test.csv", [*pairs(20, start=50), ("rice", "health")])
    said = tailor("eval", fitted, name, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    kept = Predictions.from_jsonl(Path(result["run"]) / "predictions.jsonl")
    assert len(kept) == 21
    expected = {
        "accuracy": accuracy_score(kept.gold, kept.predicted),
        "macro_f1": f1_score(
            kept.gold, kept.predicted, average="macro", labels=sorted(set(kept.gold)), zero_division=0
        ),
        "balanced_accuracy": balanced_accuracy_score(kept.gold, kept.predicted),
        "brier": brier_score_loss(kept.gold, kept.scores, labels=list(kept.labels), scale_by_half=False),
        "log_loss": log_loss(kept.gold, kept.scores, labels=list(kept.labels)),
    }
    assert set(result["scores"]) == {*expected, "ece"}
    del result["scores"]["ece"]
    assert {key: score["value"] for key, score in result["scores"].items()} == pytest.approx(expected, abs=1e-12)
    assert tailor("predict", fitted, name, "--out", "p.jsonl").code == 0
    answers = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    assert tuple(row["predicted"] for row in answers) == kept.predicted
    shown = tailor("eval", fitted, name)
    assert f"{expected['accuracy']:.3f}" in shown.out
    assert "precision" in shown.out
    assert len([run for run in find_runs(Path("tailor-runs")) if run.record["kind"] == "eval"]) == 1


def test_eval_tells_the_score_by_the_values_of_columns(tailor: Tailor, fitted: str) -> None:
    """Groups are those of the column, their scores those of their rows; a column that is not there is named before anything is predicted."""
    values = [(*pair, ["shop", "[bold]mail", ""][i % 3]) for i, pair in enumerate(pairs(20, start=50))]
    rows = [{"text": text, "label": label, "source": source, "one": "x"} for text, label, source in values]
    Path("test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = tailor("eval", fitted, "test.jsonl", "--slice", "source", "--slice", "one", "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    by_source, by_one = result["groups"]
    kept = Predictions.from_jsonl(Path(result["run"]) / "predictions.jsonl")
    for group, name in zip(by_source["rows"], ("shop", "[bold]mail", ""), strict=True):
        right = [g == p for g, p, row in zip(kept.gold, kept.predicted, rows, strict=True) if row["source"] == name]
        assert (group["group"], group["n"]) == (name or "(empty)", len(right))
        (score,) = group["scores"].values()
        assert score == pytest.approx(sum(right) / len(right))
        assert group["low"] <= score <= group["high"]
    assert [(group["group"], group["n"]) for group in by_one["rows"]] == [("x", 20)]
    shown = tailor("eval", fitted, "test.jsonl", "--slice", "source").out
    assert "[bold]mail" in shown
    assert "(empty)" in shown
    assert f"[{by_source['rows'][0]['low']:.3f}, " in shown
    said = tailor("eval", fitted, "test.jsonl", "--slice", "sorce")
    assert said.code == 2
    assert "sorce" in said.err
    assert "source" in said.err


def test_eval_refuses_labels_it_never_learnt(tailor: Tailor, put: Put, fitted: str) -> None:
    said = tailor("eval", fitted, put("test.csv", [("a", "food"), ("b", "sport")]))
    assert said.code == 3
    assert "'sport'" in said.err
    assert "test.csv:3" in said.err


def test_runs_lists_and_shows(tailor: Tailor, rows: str, base: Base) -> None:
    assert "no runs in tailor-runs" in tailor("runs").out
    assert json.loads(tailor("runs", "--json").out) == []
    tailor("compare", rows, "--model", base(), "--methods", "zero-shot,features-lr", "--json")
    found = json.loads(tailor("runs", "--json").out)
    assert {run["name"] for run in found} == {"zero-shot", "features-lr"}
    listed = tailor("runs").out
    assert all(run["id"] in listed for run in found)
    one = tailor("runs", found[0]["id"])
    assert one.code == 0
    assert "accuracy" in one.out
    assert json.loads(tailor("runs", found[0]["id"][:12], "--json").out)["id"] == found[0]["id"]
    wrong = tailor("runs", "zero-shto")
    assert wrong.code == 1
    assert "there is no run 'zero-shto'" in wrong.err
    assert "did you mean zero-shot-s0-" in wrong.err


def test_doctor_names_nobody(tailor: Tailor) -> None:
    said = tailor("doctor", "--json")
    assert said.code == 0
    facts = json.loads(said.out)
    assert {"tailorlm", "torch", "cores", "memory_bytes", "gpu", "extra starter", "free_disk_bytes"} <= set(facts)
    plain = tailor("doctor").out
    for text in (said.out, plain):
        assert str(Path.home()) not in text
        assert str(Path.cwd()) not in text
        assert getpass.getuser() not in text.split()


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb(verb: str, tailor: Tailor) -> None:
    said = tailor(verb, "--help")
    assert said.code == 0
    assert "Usage: tailor" in said.out
    assert said.err == ""


def test_help_lists_the_verbs(tailor: Tailor) -> None:
    said = tailor("--help")
    assert said.code == 0
    assert all(verb in said.out for verb in VERBS)
    assert tailor().code in {0, 2}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["comprae", "x.csv"], ["no command 'comprae'", "tailor compare"]),
        (["compare", "x.csv", "--metod", "lora"], ["--metod", "--methods"]),
        (["compare"], ["tailor compare --help"]),
        (["fit", "--seed", "-1"], ["--seed"]),
        (["fit", "--seed", "x"], ["--seed"]),
        (["fit", "--set", "nothing"], ["--set key=value"]),
        (["fit", "--set", "stages.7.weights.lr=1"], ["no place called 'stages.7.weights.lr'", "--show-recipe"]),
        (["fit", "--set", "stages.0.weights.cc=1", "--show-recipe"], ["no key 'stages.0.weights.cc'", "'c'"]),
        (["fit", "--method", "lora", "--recipe", "x.yaml"], ["both given"]),
        (["fit"], ["no rows were given"]),
        (["eval", "x"], ["tailor eval --help"]),
    ],
)
def test_usage_faults_leave_with_2_and_a_hint(words: list[str], expected: list[str], tailor: Tailor) -> None:
    said = tailor(*words)
    assert said.code == 2, said.err
    assert said.out == ""
    assert all(part in said.err for part in expected), said.err


def test_help_is_quick_and_loads_no_torch() -> None:
    code = "import sys; sys.argv = ['tailor', '--help']\nfrom tailorlm.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False"


AGAIN = """
import sys
from tailorlm.cli.app import run
for folder in sys.argv[1:]:
    sys.argv = ["tailor", "predict", folder, "test.csv", "--scores", "--out", folder.replace("/", "_") + ".jsonl"]
    try:
        run()
    except SystemExit as end:
        assert not end.code
"""


def test_a_fresh_process_predicts_the_same_to_the_bit_with_every_method(tailor: Tailor, put: Put, base: Base) -> None:
    train, test = put("train.csv", pairs(24)), put("test.csv", pairs(11, start=60))
    words: list[Any] = []
    for method in STANDARD:
        short = [] if method in {"zero-shot", "nearest"} else ["--set", "stages.0.train.epochs=1"]
        shown = tailor("fit", "--method", method, "--no-search", "--show-recipe", "--model", base(), *short)
        Path(f"{method}.yaml").write_text(shown.out, encoding="utf-8")
        words += ["--recipe", f"{method}.yaml"]
    said = tailor("compare", train, "--test", test, "--model", base(), *words, "--json", "--out", "out")
    assert said.code == 0, said.err
    ways = json.loads(said.out)["ways"]
    assert len(ways) == 9
    folders = [str(next(Path("out").glob(f"compare-*/runs/{way['runs'][0]}"))) for way in ways]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", AGAIN, *folders], env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    for folder in folders:
        run = read_run(Path(folder))
        assert run is not None
        kept = Predictions.from_jsonl(run.folder / "predictions.jsonl", labels=run.record["labels"])
        fresh = [json.loads(line) for line in Path(folder.replace("/", "_") + ".jsonl").read_text().splitlines()]
        assert tuple(row["predicted"] for row in fresh) == kept.predicted
        scores = np.array([[row["scores"][label] for label in kept.labels] for row in fresh], np.float32)
        assert np.array_equal(scores, np.asarray(kept.scores, np.float32)), folder


def test_predict_tags_lists_of_tokens(tailor: Tailor, put: Put) -> None:
    lines = [{"tokens": ["pay", "the", name], "tags": ["O", "O", "B-who"]} for name in ("nurse", "doctor", "coach") * 4]
    rows = put("tagged.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    tailor("fit", rows, "--task", "tag", "--method", "features-lr", "--no-search", "--out", "tagger")
    said = tailor("predict", "tagger", put("new.jsonl", b'{"tokens": ["pay", "the", "coach"]}\n'))
    assert said.code == 0, said.err
    assert "predicted" in json.loads(said.out)
