"""Spans: counted by hand, against conlleval's way of counting tags, as kinds of answers, in tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tailorlm.core.errors import TailorError
from tailorlm.evaluation import Predictions, compare, interval
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import metric_of

NAMES = ("span_f1", "span_precision", "span_recall", "span_overlap_f1")


def made(gold: list[Any], predicted: list[Any]) -> Predictions:
    return Predictions(tuple(map(str, range(len(gold)))), tuple(gold), tuple(predicted), ("A", "B"), None, "spans")


def score(name: str, gold: list[Any], predicted: list[Any]) -> float:
    return metric_of(name).evidence(made(gold, predicted)).score()


def test_values_by_hand() -> None:
    gold = [[[0, 3, "A"], [5, 9, "B"]], [], [[0, 4, "A"]]]
    answers = [[[0, 3, "A"], [6, 9, "B"]], [[2, 3, "A"]], [[0, 4, "B"]]]
    assert score("span_precision", gold, answers) == pytest.approx(1 / 4)
    assert score("span_recall", gold, answers) == pytest.approx(1 / 3)
    assert score("span_f1", gold, answers) == pytest.approx(2 / 7)
    assert score("span_overlap_f1", gold, answers) == pytest.approx(4 / 7), (
        "the moved edge counts, the other type does not"
    )


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_find_and_nothing_answered_is_right(name: str) -> None:
    assert score(name, [[], []], [[], []]) == 1.0
    assert score(name, [[], []], [[[0, 1, "A"]], []]) == 0.0
    assert score(name, [[[0, 1, "A"]], []], [[], []]) == 0.0


def test_a_span_is_matched_once() -> None:
    assert score("span_overlap_f1", [[[0, 9, "A"]]], [[[0, 3, "A"], [4, 6, "A"]]]) == pytest.approx(2 / 3)
    assert score("span_f1", [[[0, 9, "A"]]], [[[0, 9, "A"], [0, 9, "A"]]]) == pytest.approx(2 / 3)


def chunks(tags: list[str]) -> Iterator[tuple[int, int, str]]:
    """Spans as conlleval reads them off tags, token by token: the independent way."""
    start = -1
    for i, tag in enumerate([*tags, "O"]):
        before = tags[i - 1] if i else "O"
        ends = before != "O" and (tag == "O" or tag[0] == "B" or tag[2:] != before[2:])
        begins = tag != "O" and (tag[0] == "B" or before == "O" or tag[2:] != before[2:])
        if ends:
            yield (start, i, before[2:])
        if begins:
            start = i


def test_equal_to_counting_tags_on_200_random_cases() -> None:
    rng = np.random.default_rng(0)
    names = ["O", "B-A", "I-A", "B-B", "I-B"]
    for _ in range(200):
        sides = []
        for _ in range(2):
            rows = [[str(tag) for tag in rng.choice(names, rng.integers(1, 9))] for _ in range(3)]
            sides.append([list(map(list, chunks(row))) for row in rows])
        gold, answers = sides
        pairs = list(zip(gold, answers, strict=True))
        hits = sum(1 for g, p in pairs for span in g if span in p)
        asked, said = sum(map(len, gold)), sum(map(len, answers))
        expected = 2 * hits / (asked + said) if asked + said else 1.0
        assert score("span_f1", gold, answers) == pytest.approx(expected, abs=1e-12)
        assert score("span_overlap_f1", gold, answers) >= score("span_f1", gold, answers) - 1e-12


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("A", "not a list"),
        ([[0, 1]], "not made of [start, end, type]"),
        ([[1, 1, "A"]], "not made of rising offsets"),
        ([[0.0, 1, "A"]], "not made of rising offsets"),
        ([[4, 5, "A"], [0, 1, "A"]], "out of order"),
    ],
)
def test_what_is_no_list_of_spans_is_refused(answer: Any, said: str) -> None:
    with pytest.raises(TailorError) as error:
        made([[]], [answer])
    assert said in str(error.value)


def test_tables_by_type() -> None:
    gold = [[[0, 3, "A"], [5, 9, "B"]], [[0, 4, "A"]]]
    answers = [[[0, 3, "A"], [5, 9, "A"]], [[1, 2, "B"]]]
    tables = kind_of("spans").tables(made(gold, answers))
    assert [(row["label"], row["n"], row["precision"], row["recall"]) for row in tables["per_label"]] == [
        ("A", 2, 0.5, 0.5),
        ("B", 1, 0.0, 0.0),
    ]
    assert tables["confusion"] == {"labels": ["A", "B", "(none)"], "counts": [[1, 0, 1], [1, 0, 0], [0, 1, 0]]}
    assert {(pair["gold"], pair["predicted"]) for pair in tables["most_confused"]} == {
        ("A", "(none)"),
        ("B", "A"),
        ("(none)", "B"),
    }


def test_ways_are_compared_and_files_read_back(tmp_path: Any) -> None:
    rng = np.random.default_rng(1)
    gold = [[[0, 3, "A"], [5, 9, "B"]] for _ in range(80)]

    def way(share: float) -> Predictions:
        return made(gold, [[span for span in spans if rng.random() < share] for spans in gold])

    good, bad = way(0.9), way(0.4)
    good.to_jsonl(tmp_path / "p.jsonl")
    assert Predictions.from_jsonl(tmp_path / "p.jsonl") == good
    found = compare("span_f1", {"good": [good], "bad": [bad]}, resamples=1000)
    assert found.best == "good"
    assert found.verdict("bad") == "worse"
    one = interval("span_f1", [good])
    assert one.low < one.value < one.high
    assert one.method == "bca"
