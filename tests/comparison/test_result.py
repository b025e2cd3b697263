"""The result is what the runs say: every figure in it can be computed again from the run folders."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from small import Nine

from tailorlm.core.runs import Run, read_run
from tailorlm.evaluation import Predictions


def runs_of(nine: Nine) -> dict[str, Run]:
    found = [run for run in map(read_run, nine.runs) if run is not None]
    return {str(run.record["name"]): run for run in found}


def answers_of(nine: Nine) -> dict[str, Predictions]:
    return {name: Predictions.from_jsonl(run.folder / "predictions.jsonl") for name, run in runs_of(nine).items()}


def test_scores_are_those_of_scikit_learn_on_the_kept_predictions(nine: Nine) -> None:
    answers = answers_of(nine)
    for way in nine.comparison.result["ways"]:
        kept = answers[way["name"]]
        assert way["scores"]["accuracy"]["value"] == pytest.approx(accuracy_score(kept.gold, kept.predicted))
        macro = f1_score(kept.gold, kept.predicted, average="macro", zero_division=0)
        assert way["scores"]["macro_f1"]["value"] == pytest.approx(macro)


def test_all_ways_answered_the_same_rows(nine: Nine) -> None:
    answers = list(answers_of(nine).values())
    assert len({(kept.ids, kept.gold) for kept in answers}) == 1
    assert len(answers[0]) == nine.comparison.result["data"]["test"]["rows"] == 15


def test_differences_are_against_the_best(nine: Nine) -> None:
    scores = nine.comparison.scores()
    best = nine.comparison.result["best"]
    for way in nine.comparison.result["ways"]:
        if way["name"] == best:
            assert way["against_best"] is None
            continue
        against = way["against_best"]
        assert abs(against["difference"]) == pytest.approx(scores[best] - scores[way["name"]])
        assert against["low"] <= against["difference"] <= against["high"]
        assert 0 <= against["p_bootstrap"] <= against["p_adjusted"] <= 1


def test_tables_are_of_the_recommended_way(nine: Nine) -> None:
    result, kept = nine.comparison.result, answers_of(nine)[nine.comparison.recommended]
    labels = result["confusion"]["labels"]
    assert np.array_equal(result["confusion"]["counts"], confusion_matrix(kept.gold, kept.predicted, labels=labels))
    assert [row["label"] for row in result["per_label"]] == labels == ["food", "health", "money"]
    wrong = sum(entry["count"] for entry in result["most_confused"])
    assert wrong == sum(g != p for g, p in zip(kept.gold, kept.predicted, strict=True))


def test_rows_shown_carry_text_and_every_answer(nine: Nine) -> None:
    result, answers = nine.comparison.result, answers_of(nine)
    texts = {line.rsplit(",", 1)[0] for line in nine.rows.read_text().splitlines()}
    assert result["disagreements"]
    for row in [*result["disagreements"], *result["all_wrong"]]:
        assert row["text"] in texts
        place = answers["lora"].ids.index(row["id"])
        assert row["answers"] == {name: kept.predicted[place] for name, kept in answers.items()}
    for row in result["disagreements"]:
        assert len(set(row["answers"].values())) > 1
    assert all(row["gold"] not in row["answers"].values() for row in result["all_wrong"])


def test_costs_are_those_of_the_runs(nine: Nine) -> None:
    runs = runs_of(nine)
    for way in nine.comparison.result["ways"]:
        assert way["cost"] == pytest.approx(runs[way["name"]].record["cost"])
        searched = sum(trial["seconds"] for trial in way["search"][0])
        assert way["cost"]["fit_seconds"] >= searched
    assert statistics.median(way["cost"]["fit_seconds"] for way in nine.comparison.result["ways"]) < 60


def test_the_result_is_plain_json_that_names_its_format(nine: Nine) -> None:
    result = nine.comparison.result
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["format"], result["version"]) == ("tailorlm-comparison", 1)
    assert result["repeat"].startswith("tailor compare ")
    assert {"train", "validation", "test", "notes", "findings"} == set(result["data"])
    assert result["environment"]["python"]
