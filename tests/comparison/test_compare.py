"""A comparison of all nine methods, and what a comparison refuses, survives and records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import Nine, quick, some_rows, write_rows

from tailorlm import api
from tailorlm.comparison.finish import finish
from tailorlm.comparison.request import load_request, prepare
from tailorlm.core.config import load
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.core.runs import find_runs, read_run
from tailorlm.evaluation import Predictions
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.presets import STANDARD
from tailorlm.recipes.schema import Recipe

Base = Callable[..., Path]
SCORES = {"accuracy", "macro_f1", "balanced_accuracy", "brier", "ece", "log_loss"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.csv", some_rows(40))


def test_all_nine_take_part_with_scores_costs_and_verdicts(nine: Nine) -> None:
    ways = {way["name"]: way for way in nine.comparison.result["ways"]}
    assert set(ways) == set(STANDARD)
    assert len(ways) == 9
    for name, way in ways.items():
        assert way["status"] == "ok", (name, way["error"])
        assert set(way["scores"]) == SCORES
        for metric, score in way["scores"].items():
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= (np.inf if metric == "log_loss" else 2)
            assert score["n"] == 15
        cost = way["cost"]
        assert cost["fit_seconds"] >= cost["last_fit_seconds"] > 0
        assert 0 < cost["predict_ms_per_row"] < 1000
        assert 50e6 < cost["peak_memory_bytes"] < 20e9
        assert cost["stored_bytes"] > 500
        assert (cost["trainable_parameters"] == 0) == (name in {"zero-shot", "nearest"})
        assert way["verdict"] in {"best", "cannot be told apart", "worse"}
    assert [way["verdict"] for way in ways.values()].count("best") == 1
    assert ways["full"]["cost"]["trainable_parameters"] == max(w["cost"]["trainable_parameters"] for w in ways.values())
    assert (
        ways["full"]["cost"]["stored_bytes"]
        > ways["lora"]["cost"]["stored_bytes"]
        > ways["head"]["cost"]["stored_bytes"]
    )
    values = [way["scores"]["accuracy"]["value"] for way in nine.comparison.result["ways"]]
    assert values == sorted(values, reverse=True)
    assert nine.comparison.recommended in ways
    assert nine.comparison.reason.startswith(nine.comparison.recommended)


def test_report_and_result_lie_in_the_folder(nine: Nine) -> None:
    folder = nine.comparison.folder
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    assert "features-svm" in (folder / "report.md").read_text(encoding="utf-8")
    assert json.loads((folder / "comparison.json").read_text(encoding="utf-8")) == nine.comparison.result


def test_every_run_folder_is_whole(nine: Nine) -> None:
    assert len(nine.runs) == 9
    assert len(find_runs(nine.comparison.folder)) == 9
    for folder in nine.runs:
        run = read_run(folder)
        assert run is not None
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        assert any(event["event"] == "last-fit" for event in events)
        assert all("t" in event for event in events)
        assert run.record["data"]["test"]["rows"] == 15
        assert run.record["environment"]["torch"]
        scores = run.scores()
        assert set(scores) == SCORES
        for score in scores.values():
            assert {"version", "higher_is_better", "low", "high", "n", "data", "seed", "commit"} <= set(score)
            assert score["seed"] == 0
            assert score["data"] == nine.comparison.result["data"]["test"]["fingerprint"]


def test_the_recipe_in_a_run_is_the_one_that_was_fitted(nine: Nine) -> None:
    for folder in nine.runs:
        run = read_run(folder)
        assert run is not None
        kept = load(folder / "recipe.yaml", Recipe)
        asked = next(way for way in nine.comparison.result["ways"] if way["name"] == run.record["name"])
        started = Recipe.model_validate(asked["recipe"])
        chosen = {key: value for key, value in run.record["chosen"].items() if "." in key}
        expected = started.changed(chosen).with_task({"temperature": kept.task.settings.temperature})
        if "epochs" in run.record["chosen"]:  # the search sets how long the last fit goes on
            train = kept.stages[0].train
            expected = expected.changed(
                {"stages.0.train.epochs": train.epochs, "stages.0.train.stop_after": train.stop_after}
            )
        assert kept == expected
        assert kept.key == expected.key
        assert load(folder / "adaptation" / "recipe.yaml", Recipe).stages == kept.stages


def test_a_kept_adaptation_predicts_what_the_run_recorded(nine: Nine) -> None:
    by_id = {f"{nine.rows}:{i + 2}": text for i, (text, _) in enumerate(some_rows(60))}
    for folder in nine.runs:
        kept = Predictions.from_jsonl(folder / "predictions.jsonl")
        model = Adaptation.load(folder)
        answers = model.answering.answer([by_id[i] for i in kept.ids])
        assert kept.scores is not None
        assert answers.scores is not None
        assert np.array_equal(answers.scores.astype(np.float32), np.asarray(kept.scores, np.float32)), folder.name
        assert tuple(answers.values) == kept.predicted


def test_no_absolute_path_in_an_adaptation(nine: Nine) -> None:
    for folder in nine.runs:
        for path in (folder / "adaptation").rglob("*"):
            if path.suffix in {".json", ".yaml", ".md"}:
                assert str(nine.base.parent) not in path.read_text(encoding="utf-8"), path


def test_a_way_cannot_be_told_apart_from_itself(rows: Path, base: Base, tmp_path: Path) -> None:
    ways = [quick("one"), quick("two")]
    done = api.compare(rows, methods=ways, base=str(base()), folder=tmp_path / "runs")
    other = next(way for way in done.result["ways"] if way["name"] != done.result["best"])
    assert other["verdict"] == "cannot be told apart"
    assert other["against_best"]["difference"] == 0
    one, two = (
        Predictions.from_jsonl(done.folder / "runs" / way["runs"][0] / "predictions.jsonl")
        for way in done.result["ways"]
    )
    assert one == two


def test_seeds_repeat_every_way(rows: Path, base: Base, tmp_path: Path) -> None:
    ways = ["features-lr", quick("trained")]
    done = api.compare(rows, methods=ways, base=str(base()), folder=tmp_path / "runs", seeds=2, seed=5)
    assert done.result["settings"]["seeds"] == [5, 6]
    for way in done.result["ways"]:
        runs = [read_run(done.folder / "runs" / name) for name in way["runs"]]
        assert [run.record["seed"] for run in runs if run] == [5, 6]
        each = [run.scores()["accuracy"]["value"] for run in runs if run]
        assert way["scores"]["accuracy"]["value"] == pytest.approx(np.mean(each))
        validation = {run.record["data"]["validation"]["fingerprint"] for run in runs if run}
        assert len(validation) == 2


def test_more_seeds_keep_the_runs_there_are(rows: Path, base: Base, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"methods": [quick()], "base": str(base()), "folder": tmp_path / "runs"}
    first = api.compare(rows, **settings)
    more = api.compare(rows, **settings, seeds=3)
    assert more.folder == first.folder
    assert more.result["ways"][0]["runs"][0] == first.result["ways"][0]["runs"][0]
    assert len(more.result["ways"][0]["runs"]) == 3


def test_two_ways_of_one_name_are_refused(rows: Path, base: Base, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two ways are called 'same'"):
        api.compare(rows, methods=[quick("same"), quick("same", "bias")], base=str(base()), folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_recipes_of_different_tasks_are_refused(rows: Path, base: Base, tmp_path: Path) -> None:
    other = quick("other", task={"part": "classify", "text": "label", "label": "text"})
    with pytest.raises(UsageError, match="same task"):
        api.compare(rows, methods=[quick("one"), other], base=str(base()), folder=tmp_path / "runs")


def test_a_way_that_fails_is_recorded_and_the_others_finish(rows: Path, base: Base, tmp_path: Path) -> None:
    model = str(base("llama", "last"))  # it has no bias at all
    done = api.compare(rows, methods=["bitfit", "features-lr"], base=model, folder=tmp_path / "runs")
    ways = {way["name"]: way for way in done.result["ways"]}
    assert ways["bitfit"]["status"] == "failed"
    assert "bias" in ways["bitfit"]["error"]
    assert ways["bitfit"]["runs"] == []
    assert ways["features-lr"]["verdict"] == "best"
    assert done.recommended == "features-lr"
    assert done.scores().keys() == {"features-lr"}
    assert "bitfit" in (done.folder / "report.md").read_text(encoding="utf-8")
    assert not [p for p in (done.folder / "runs").iterdir() if "bitfit" in p.name]


def test_if_all_ways_fail_the_first_error_is_raised(rows: Path, base: Base, tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="bias"):
        api.compare(rows, methods=["bitfit"], base=str(base("llama", "last")), folder=tmp_path / "runs")
    assert not list(tmp_path.rglob("comparison.json"))


@pytest.mark.parametrize("leaks", ["stop", "drop", "keep"])
def test_train_rows_that_are_copies_of_test_rows(leaks: str, base: Base, tmp_path: Path) -> None:
    train, test = some_rows(30), some_rows(12, start=100)
    rows = write_rows(tmp_path / "train.csv", [*train, (test[0][0].upper() + "!", test[0][1])])
    held = write_rows(tmp_path / "test.csv", test)
    settings: dict[str, Any] = {"methods": ["features-lr"], "base": str(base()), "folder": tmp_path / "runs"}
    if leaks == "stop":
        with pytest.raises(CheckError, match="1 train row is a copy of test rows") as fault:
            api.compare(rows, test=held, **settings)
        assert f"{rows}:32 = {held}:2 (trivially different)" in str(fault.value)
        assert "--leaks drop" in str(fault.value)
        return
    done = api.compare(rows, test=held, **settings, leaks=leaks)
    assert done.result["data"]["train"]["rows"] == (30 if leaks == "drop" else 31)
    assert done.result["data"]["test"]["rows"] == 12
    found = next(f for f in done.result["data"]["findings"] if f["code"] == "test-train-copies")
    assert ("dropped" if leaks == "drop" else "kept") in found["message"]


def test_a_comparison_in_yaml_finds_its_files_beside_it(base: Base, tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    write_rows(place / "rows.csv", some_rows(30))
    write_rows(place / "test.csv", some_rows(12, start=100))
    (place / "compare.yaml").write_text(
        f"""rows: rows.csv
test: [test.csv]
base: {base()}
ways:
  - features-lr
  - name: mine
    stages:
      - weights: {{part: head, lr: 1e-2}}
        train: {{epochs: 1}}
    search: {{}}
settings:
  seeds: 2
  level: 0.9
""",
        encoding="utf-8",
    )
    request = load_request(place / "compare.yaml", {"settings.seeds": 1, "settings.metric": "macro_f1"})
    assert request.rows == (str(place / "rows.csv"),)
    assert request.test == (str(place / "test.csv"),)
    assert (request.settings.seeds, request.settings.metric, request.settings.level) == (1, "macro_f1", 0.9)
    prepared = prepare(request, tmp_path / "runs")
    result = finish(prepared, prepared.comparer.run())
    assert {way["name"] for way in result["ways"]} == {"features-lr", "mine"}
    assert result["metric"]["name"] == "macro_f1"
    mine = next(way for way in result["ways"] if way["name"] == "mine")
    assert mine["recipe"]["stages"][0]["weights"]["lr"] == 0.01
    assert mine["recipe"]["base"] == str(base())


def test_a_recipe_object_and_its_mapping_are_the_same_way(rows: Path, base: Base, tmp_path: Path) -> None:
    plain = quick("mine", base=str(base()))
    settings: dict[str, Any] = {"base": str(base()), "folder": tmp_path / "runs"}
    one = api.compare(rows, methods=[plain], **settings)
    two = api.compare(rows, methods=[Recipe.model_validate(plain)], **settings)
    assert one.result["ways"][0]["runs"] == two.result["ways"][0]["runs"]


def test_any_way_uses_the_metric_that_was_asked_for(rows: Path, base: Base, tmp_path: Path) -> None:
    done = api.compare(rows, methods=["features-lr"], base=str(base()), folder=tmp_path / "runs", metric="macro_f1")
    assert done.result["metrics"] == ["macro_f1", "accuracy"]
    assert done.scores() == done.scores("macro_f1")
