"""Test rows are read by the final scorer alone; copies stay on one side; validation rows are in no trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from small import quick, some_rows, write_rows

from tailorlm.comparison import way
from tailorlm.comparison.request import CompareRequest, prepare
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import fold, split_rows
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError
from tailorlm.data.quality import normalised
from tailorlm.data.rows import Row, Rows
from tailorlm.models.encoder import TextModel
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.tasks.base import Examples
from tailorlm.tasks.classify import Classify

Base = Callable[..., Path]
TASK = Classify(Classify.Settings())


def given_rows(pairs: list[tuple[str, str]], source: str = "rows.csv") -> Rows:
    return Rows(tuple(Row({"text": t, "label": y}, source, i + 2) for i, (t, y) in enumerate(pairs)), ("text", "label"))


def labelled_of(pairs: list[tuple[str, str]]) -> Examples:
    return TASK.prepare(given_rows(pairs), what="train")


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("separate", [True, False])
def test_no_test_text_reaches_a_model_before_the_last_prediction(
    refit: bool, separate: bool, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows(tmp_path / "rows.csv", some_rows(36))
    held = [str(write_rows(tmp_path / "test.csv", some_rows(12, start=100)))] if separate else []
    ways = ["zero-shot", "nearest", "features-lr", quick("mine", search={"stages.0.weights.lr": [0.01, 0.1]})]
    ways.append(quick("deep", "lora"))
    value = {"rows": str(rows), "test": held, "base": str(base()), "ways": ways, "settings": {"refit": refit}}
    prepared = prepare(validate(value, CompareRequest), tmp_path / "runs")
    test = set(prepared.split.test.texts)
    assert len(test) >= 9
    seen: list[str] = []
    answering: list[bool] = [False]
    leaked: list[str] = []
    real_tokenize, real_read, real_predict = TextModel.tokenize, Classify.read, way._predict

    def look(texts: Any) -> None:
        seen.extend(texts)
        if not answering[0]:
            leaked.extend(text for text in texts if text in test)

    def tokenize(model: TextModel, texts: Any) -> Any:
        look(texts)
        return real_tokenize(model, texts)

    def read(task: Classify, tokenizer: Any, inputs: Any, max_length: int) -> Any:
        look(inputs)
        return real_read(task, tokenizer, inputs, max_length)

    def predict(fitted: Any, rows: Examples) -> Any:
        answering[0] = True
        try:
            return real_predict(fitted, rows)
        finally:
            answering[0] = False

    monkeypatch.setattr(TextModel, "tokenize", tokenize)
    monkeypatch.setattr(Classify, "read", read)
    monkeypatch.setattr(way, "_predict", predict)
    prepared.comparer.plan()
    prepared.comparer.run()
    assert leaked == []
    assert test <= set(seen)  # the spy sees the final prediction
    assert set(prepared.split.train.texts) & set(seen)


def test_the_store_of_nearest_examples_holds_train_rows_alone(base: Base, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", some_rows(36))
    value = {"rows": str(rows), "base": str(base()), "ways": ["nearest"]}
    prepared = prepare(validate(value, CompareRequest), tmp_path / "runs")
    run = prepared.comparer.run().ways[0].runs[0]
    head: Any = Adaptation.load(run.folder).model.head
    store = max((t for t in head.state_dict().values() if t.ndim == 2), key=len).numpy()
    assert len(store) == len(prepared.split.train)
    model = Adaptation.load(run.folder).model
    from tailorlm.models.run import embed

    def unit(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    train, test = (unit(embed(model, part.texts)) for part in (prepared.split.train, prepared.split.test))
    assert np.allclose(unit(store), train, atol=1e-4)
    assert (test @ unit(store).T).max(1).min() < 1 - 1e-4  # no test row is certain to be in it


def test_a_share_is_held_out_with_every_label(tmp_path: Path) -> None:
    split = split_rows(TASK, given_rows(some_rows(60)), None, CompareSettings(test_share=0.25))
    assert Counter(split.test.gold) == {"food": 5, "health": 5, "money": 5}
    assert len(split.train) == 45
    assert not set(split.train.ids) & set(split.test.ids)
    assert any("15 of 60 rows were held out" in note for note in split.notes)


def test_the_split_is_a_function_of_rows_and_seed() -> None:
    rows = given_rows(some_rows(60))
    one, two = (split_rows(TASK, rows, None, CompareSettings(seed=3)) for _ in range(2))
    assert (one.train, one.test) == (two.train, two.test)
    assert one.test.ids != split_rows(TASK, rows, None, CompareSettings(seed=4)).test.ids
    train = one.train
    assert fold(train, CompareSettings(), 1) == fold(train, CompareSettings(), 1)
    assert fold(train, CompareSettings(), 1).validation.ids != fold(train, CompareSettings(), 2).validation.ids


PAIRS = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("abc"), st.sampled_from(["{}", "{}!", " {} ", "{}."])),
    min_size=8,
    max_size=60,
)


@given(pairs=PAIRS, seed=st.integers(0, 5))
@effort(max_examples=60, deadline=None)
def test_copies_stay_on_one_side_of_every_split(pairs: list[tuple[int, str, str]], seed: int) -> None:
    rows = [(shape.format(f"word{number} more"), label) for number, label, shape in pairs]
    if len({label for _, label in rows}) < 2:
        return
    try:
        split = split_rows(TASK, given_rows(rows), None, CompareSettings(seed=seed))
        part = fold(split.train, CompareSettings(), seed)
    except CheckError:  # too few different rows to hold any out
        return
    sides = [{normalised(text) for text in rows.texts} for rows in (split.train, split.test)]
    assert not sides[0] & sides[1]
    inner = [{normalised(text) for text in rows.texts} for rows in (part.trial, part.validation)]
    assert not inner[0] & inner[1]
    assert set(split.train.ids) | set(split.test.ids) == {f"rows.csv:{i + 2}" for i in range(len(rows))}


def test_validation_rows_are_in_no_trial_and_all_are_in_the_last_fit() -> None:
    train = labelled_of(some_rows(80))
    part = fold(train, CompareSettings(validation_share=0.25), 0)
    assert not set(part.trial.ids) & set(part.validation.ids)
    assert set(part.trial.ids) | set(part.validation.ids) == set(train.ids)
    assert part.everything == train
    assert len(part.validation) == pytest.approx(20, abs=2)


def test_a_trial_sees_search_rows_at_most_with_every_label() -> None:
    train = labelled_of(some_rows(90))
    part = fold(train, CompareSettings(search_rows=12), 0)
    assert len(part.trial) == 12
    assert Counter(part.trial.gold) == {"food": 4, "health": 4, "money": 4}
    more = fold(train, CompareSettings(search_rows=30), 0)
    assert set(part.trial.ids) < set(more.trial.ids)
    assert part.validation == more.validation


def test_validation_rows_at_most() -> None:
    part = fold(labelled_of(some_rows(90)), CompareSettings(validation_rows=9, validation_share=0.5), 0)
    assert len(part.validation) == 9


def test_labels_of_test_rows_must_be_known() -> None:
    with pytest.raises(CheckError, match=r"a label that no train row has \('sport'\)") as fault:
        split_rows(TASK, given_rows(some_rows(30)), given_rows([("a b", "sport")], "test.csv"), CompareSettings())
    assert "test.csv:2" in str(fault.value)


def test_test_rows_may_lack_labels_that_train_has() -> None:
    split = split_rows(
        TASK, given_rows(some_rows(30)), given_rows([("quite new", "food"), ("new too", "money")]), CompareSettings()
    )
    assert split.test.labels == split.train.labels == ("food", "health", "money")
    assert list(split.test.codes) == [0, 2]


def test_too_few_rows_to_hold_any_out() -> None:
    with pytest.raises(CheckError, match=r"too few|no row can be held out"):
        split_rows(TASK, given_rows([("one", "a"), ("two", "b")]), None, CompareSettings())


def test_dropping_leaks_keeps_rows_that_are_no_copies() -> None:
    train = [*some_rows(30), ("Full-Width １", "food")]
    test = [("full width 1", "food"), ("other", "money"), (train[4][0], "health")]
    split = split_rows(TASK, given_rows(train), given_rows(test, "test.csv"), CompareSettings(leaks="drop"))
    assert len(split.train) == 29
    kept = split.findings[0]["rows"]
    assert kept == ["rows.csv:32 = test.csv:2 (trivially different)", "rows.csv:6 = test.csv:4 (exact)"]
