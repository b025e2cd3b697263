"""Predictions: what is refused, codes, and files that read back to the very same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.core.errors import TailorError
from tailorlm.evaluation import Predictions

GOOD: dict[str, Any] = {"ids": ("1", "2"), "gold": ("a", "b"), "predicted": ("a", "a"), "labels": ("a", "b", "c")}


def test_codes_follow_the_label_set() -> None:
    predictions = Predictions(**GOOD)
    gold, predicted = predictions.codes()
    assert gold.tolist() == [0, 1]
    assert predicted.tolist() == [0, 0]
    assert predictions.codes(("0", "a", "b"))[0].tolist() == [1, 2]
    assert len(predictions) == 2


def test_other_sequences_become_tuples_and_scores_read_only_floats() -> None:
    listed: dict[str, Any] = {name: list(values) for name, values in GOOD.items()}
    predictions = Predictions(**listed, scores=np.ones((2, 3), dtype=np.float32))
    assert predictions.ids == ("1", "2")
    assert predictions.scores is not None
    assert predictions.scores.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        predictions.scores[0, 0] = 2.0


def test_equality_includes_scores() -> None:
    plain, scored = Predictions(**GOOD), Predictions(**GOOD, scores=np.ones((2, 3)))
    assert plain == Predictions(**GOOD)
    assert hash(plain) == hash(Predictions(**GOOD))
    assert scored == Predictions(**GOOD, scores=np.ones((2, 3)))
    assert plain != scored
    assert scored != Predictions(**GOOD, scores=np.zeros((2, 3)))
    assert plain != "something else"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": ("1",)}, "1 ids, 2 gold, 2 predicted"),
        ({"ids": ("1", "1")}, "'1', again at row 1"),
        ({"ids": (1, 2)}, "`ids` of predictions must be strings"),
        ({"ids": (), "gold": (), "predicted": ()}, "there are no predictions"),
        ({"gold": ("a", "z")}, "the gold label of row 1 (id '2') is not in the label set"),
        ({"predicted": ("z", "a")}, "the predicted label of row 0 (id '1')"),
        ({"labels": ("b", "a")}, "must be sorted"),
        ({"labels": ("a", "a", "b")}, "must be sorted and hold each label once"),
        ({"scores": np.ones((2, 2))}, "one number for each row and label"),
        ({"scores": np.array([[0, 0, 1], [0, np.nan, 1]])}, "the score of row 1 for label 1 is not a number"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(TailorError) as error:
        Predictions(**GOOD | change)
    assert said in str(error.value)


@pytest.mark.parametrize("with_scores", [False, True])
def test_a_file_reads_back_to_the_same_predictions(tmp_path: Path, with_scores: bool) -> None:
    rng = np.random.default_rng(0)
    labels = ("", "a\nb", "é", "ラベル", "最初")
    gold = tuple(labels[i] for i in rng.integers(0, 4, 60))
    scores = rng.normal(size=(60, 5)) * 10.0 ** rng.integers(-300, 300, (60, 5)) if with_scores else None
    ids = tuple(f'row "{i}"\u2028\t' for i in range(60))
    predictions = Predictions(ids, gold, gold[::-1], labels, scores)
    path = tmp_path / "predictions.jsonl"
    predictions.to_jsonl(path)
    back = Predictions.from_jsonl(path)
    assert back == predictions
    assert back.labels == labels  # "最初" never occurs, and is kept
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == 60
    if scores is not None:
        assert rows[7]["score"] == scores[7, labels.index(predictions.predicted[7])]


def test_a_plain_file_of_another_tool_is_read(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text('{"id":"7","gold":"b","predicted":"a","extra":1}\n\n{"id":"8","gold":"b","predicted":"b"}')
    assert Predictions.from_jsonl(path).labels == ("a", "b")
    assert Predictions.from_jsonl(path, labels=["a", "b", "c"]).labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id":"1","gold":"a","predicted":"a"}\n{"id":"2"', "p.jsonl:2 is not JSON"),
        ('{"id":"1","gold":"a"}', "p.jsonl:1 lacks predicted"),
        ("[1]", "p.jsonl:1 lacks id, gold, predicted"),
        ('{"id":1,"gold":"a","predicted":"a"}', "p.jsonl:1: id must be a string"),
        ("\n", "there are no predictions"),
        ('{"id":"1","gold":"a","predicted":"a","scores":[1.0]}', "has scores but lacks its label set"),
        (
            '{"id":"1","gold":"a","predicted":"a","labels":["a"],"scores":[1]}\n{"id":"2","gold":"a","predicted":"a"}',
            "lacks scores on 1 rows",
        ),
        ('{"id":"1","gold":"a","predicted":"a","labels":["a"],"scores":["x"]}', "one list of numbers a row"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(TailorError) as error:
        Predictions.from_jsonl(path)
    assert said in str(error.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="cannot be read"):
        Predictions.from_jsonl(tmp_path / "none.jsonl")


def test_make_keeps_rows_in_order(make: Callable[..., Predictions]) -> None:
    assert make("aab", "abb").ids == ("0", "1", "2")
