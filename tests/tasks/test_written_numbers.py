"""Numbers by writing: what is read as one, what is none or out of range is never right and counted, and what that costs in each metric."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagged import rows_of
from tailorlm.comparison.evidence import counted
from tailorlm.comparison.report.answered import told
from tailorlm.context.prompt import TaskWords, propose
from tailorlm.core.config import validate
from tailorlm.evaluation import Predictions
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import metric_of
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks._numerals import in_words, numeral
from tailorlm.tasks.score import Score
from writers import tiny_writer


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("4", 4),
        (" 4.5\n", 4.5),
        ("-3", -3),
        ("\u22123,5", -3.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1,234,567.5", 1234567.5),
        ("1,234", 1234),
        ("12,34", 12.34),
        ("4/5", 4),
        ("4 out of 5 stars", 4),
        ("4. The 2 rooms were clean.", 4),
        ("**4** because of 3 things", 4),
        ("Rating: 4", 4),
        ("Score (1 star): 1", 1),
        ("50%", 50),
        ("４点", 4),
        ("評価は4です", 4),
        ("★ 4 😀", 4),
        ("3-4", None),
        ("3 to 4", None),
        ("3 \u2013 4", None),
        ("between 3 and 4", None),
        ("1.2.3", None),
        ("1e999", None),
        ("four", None),
        ("nan", None),
        ("inf", None),
        ("GPT4", None),
        ("", None),
        (None, None),
    ],
)
def test_a_number_is_read_whatever_stands_around_it(said: str | None, number: float | None) -> None:
    assert numeral(said) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_would_be_written_is_read_back(number: float) -> None:
    assert numeral(in_words(number)) == number


def test_whole_numbers_are_written_without_a_point() -> None:
    assert [in_words(number) for number in (4.0, 2.5, -0.1, 1e300)] == ["4", "2.5", "-0.1", "1e+300"]


def test_what_is_none_or_outside_the_range_is_no_answer_and_counted() -> None:
    task = Score(Score.Settings(low=1.0, high=5.0))
    for said, number, aside in (
        ("5", 5.0, {"no_number": False, "outside": False}),
        ("3.4", 3.4, {"no_number": False, "outside": False}),
        ("6", None, {"no_number": False, "outside": True}),
        ("0.99", None, {"no_number": False, "outside": True}),
        ("very good", None, {"no_number": True, "outside": False}),
        (None, None, {"no_number": True, "outside": False}),
    ):
        assert task.hear(said, (), "x") == number
        assert task.aside(said, (), "x") == aside
    assert task.cells(None, {}) == {"predicted": None}
    steps = Score(Score.Settings(low=1.0, high=5.0, rounding="nearest", levels=(1.0, 2.0, 5.0)))
    assert [steps.hear(said, (), "x") for said in ("1.4", "3.2", "3.6", "9")] == [1.0, 2.0, 5.0, None]
    assert Score(Score.Settings()).hear("-1e6", (), "x") == -1e6, "no range is known"


def test_no_number_is_never_right_and_costs_the_most_that_it_can() -> None:
    kind, gold = kind_of("number"), [1.0, 3.0, 4.0, 5.0]
    assert not kind.right(3.0, None)
    assert kind.shown(None) == "(no number)"
    missing = Predictions(tuple("abcd"), tuple(gold), (1.0, None, None, None), (), None, "number")
    by_hand = Predictions(tuple("abcd"), tuple(gold), (1.0, 5.0, 1.0, 1.0), (), None, "number")
    for name in ("mae", "rmse", "spearman", "qwk"):
        metric = metric_of(name)
        assert metric.evidence(missing).score() == metric.evidence(by_hand).score()
    assert metric_of("mae").evidence(missing).score() == (0 + 2 + 3 + 4) / 4
    alike = Predictions(("a", "b"), (2.0, 2.0), (None, 2.0), (), None, "number")
    assert metric_of("mae").evidence(alike).score() == 0.5
    tables = kind.tables(missing)
    assert tables["confusion"]["labels"][-1] == "(no number)"
    assert np.array(tables["confusion"]["counts"])[:, -1].tolist() == [0, 1, 1, 1, 0]


def test_predictions_without_a_number_are_kept_as_they_are(tmp_path: Path) -> None:
    some = Predictions(("a", "b"), (1.0, 2.0), (None, 2.0), (), None, "number")
    some.to_jsonl(tmp_path / "p.jsonl")
    assert Predictions.from_jsonl(tmp_path / "p.jsonl") == some
    with pytest.raises(Exception, match="the gold number"):
        Predictions(("a",), (None,), (1.0,), (), None, "number")


def test_an_instruction_names_the_range_or_the_steps() -> None:
    ranged = Score(Score.Settings(low=0.0, high=2.5, second="other"))
    stepped = Score(Score.Settings(low=1.0, high=3.0, rounding="nearest", levels=(1.0, 2.0, 3.0)))
    for task, said in ((ranged, "from 0 to 2.5"), (stepped, "one of: 1, 2, 3")):
        wordings = propose(TaskWords(**task.told(())))
        assert len(wordings) == 3
        assert all(said in words and "number" in words for words in wordings)
    assert "text and other" in propose(TaskWords(**ranged.told(())))[0]
    assert "a number. " in propose(TaskWords(**Score(Score.Settings()).told(())))[0]


def test_a_model_that_writes_answers_with_numbers(tmp_path: Path) -> None:
    """Random weights write no number: no row is right, the score is the worst, and each answer says why."""
    writer = tiny_writer(tmp_path / "writer", "qwen2")
    examples: dict[str, Any] = {"part": "random", "k": 1}
    context = {"part": "prompt", "examples": examples, "encoder": None, "writing": {"max_new_tokens": 3}}
    task = {"part": "score", "max_length": 512}
    plain = {"name": "x", "base": str(writer), "task": task, "answers": "written", "context": context}
    recipe = validate(plain, Recipe)
    rows = rows_of(*({"text": f"fee {i}", "score": 1 + i % 4} for i in range(10)))
    ready = recipe.task.make().prepare(rows, what="train")
    fitted = fit(recipe, ready.select(range(6)), ready.select(range(6, 10)), metric="mae")
    assert fitted.adaptation.recipe.task.settings.high == 4.0, "the range is that of the train rows"
    assert fitted.score is not None
    prompts = fitted.adaptation.answering.prompts(ready.inputs[:1])  # type: ignore[union-attr]
    assert "from 1 to 4" in str(prompts)
    answers = fitted.adaptation.answering.answer(ready.inputs)
    facts = counted(answers)
    silent = sum(value is None for value in answers.values)
    assert facts.get("no_number", 0) + facts.get("outside", 0) == silent > 0
    assert all(value is None or math.isfinite(value) for value in answers.values)
    assert told({"rows": 3, "no_number": 1, "outside": 2}).endswith(
        "1 wrote no number, 2 wrote a number outside the range"
    )
