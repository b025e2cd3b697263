"""Rows with two texts through `classify`, `many_labels` and `score`: read together, asked by name, copies told apart as pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tagged import rows_of
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import split_rows
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.models.run import embed
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.writing import WriteAnswering
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks import tasks
from tiny import TOPICS, tokenizer

Base = Callable[..., Path]
COLUMNS = {"text": "premise", "second": "the_hypothesis"}
ANSWERS: dict[str, Any] = {
    "classify": ("label", "yes", "no"),
    "many_labels": ("labels", ["a"], ["b"]),
    "score": ("score", 1, 2),
}


def made(name: str, **changes: Any) -> Any:
    part = tasks.get(name)
    return part(part.Settings(**COLUMNS, **changes))


def pairs(name: str, count: int, start: int = 0) -> Any:
    """Two words of one topic (yes), or of two."""
    column, yes, no = ANSWERS[name]
    topics, values = sorted(TOPICS)[:2], []
    for i in range(start, start + count):
        same = i % 2 == 0
        one, other = topics[i // 2 % 2], topics[(i // 2 + (not same)) % 2]
        texts = TOPICS[one].split()[i % 20], TOPICS[other].split()[(i * 3 + 1) % 20]
        values.append({"premise": texts[0], "the_hypothesis": texts[1], column: yes if same else no})
    return rows_of(*values)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_pairs_become_inputs_of_two_texts(name: str) -> None:
    rows, task = pairs(name, 8), made(name)
    ready = task.prepare(rows, what="train")
    assert ready.inputs[1] == [rows[1].values["premise"], rows[1].values["the_hypothesis"]]
    assert ready.texts[1] == f"premise: {ready.inputs[1][0]}\nthe hypothesis: {ready.inputs[1][1]}"
    assert list(ready.inputs) == task.inputs([dict(row.values) for row in rows])
    readings = task.read(tokenizer("bert"), ready.inputs, 8)
    assert readings.tokens[1] == tokenizer("bert")(*ready.inputs[1])["input_ids"]
    assert readings.types is not None
    assert set(readings.types[1]) == {0, 1}
    assert len(task.targets(readings, ready)) == len(ready)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_faults_of_pairs_are_named(name: str) -> None:
    column, yes, no = ANSWERS[name]
    good = {"premise": "fee", "the_hypothesis": "tax", column: yes}
    rows = rows_of(good, good | {"the_hypothesis": " "}, good | {"premise": ["fee"]}, good | {column: no})
    assert made(name).faults(rows) == {
        1: "no text in the column 'the_hypothesis'",
        2: "a list or object in the column 'premise'",
    }
    with pytest.raises(CheckError, match=r"t\.jsonl:2"):
        made(name).prepare(rows, what="train")
    with pytest.raises(UsageError) as usage:
        made(name).prepare(rows_of({"premise": "fee", "hypothesis": "tax", column: yes}), what="train")
    assert "--column second=hypothesis" in str(usage.value)
    part = tasks.get(name)
    with pytest.raises(UsageError) as usage:
        part(part.Settings()).prepare(rows_of({"premise": "fee a", "hypothesis": "tax b", column: yes}), what="train")
    assert "but two texts each" in str(usage.value)
    assert "--text premise --column second=hypothesis" in str(usage.value)
    for wrong, said in (
        (["fee"], "row 1 is no pair"),
        ([{"premise": "fee"}], "row 1 has no text"),
        ("fee", "many rows"),
    ):
        with pytest.raises(TailorError, match=said):
            made(name).inputs(wrong)


def test_copies_are_copies_of_the_whole_pair() -> None:
    column = ANSWERS["classify"][0]
    train = [{"premise": f"the fee {i // 2}", "the_hypothesis": f"a tax {i}", column: "ab"[i % 2]} for i in range(12)]
    other = {"premise": "the fee 0", "the_hypothesis": "a loan", column: "a"}
    split = split_rows(
        made("classify"), rows_of(*train), rows_of(other, other | {"the_hypothesis": "a bus"}), CompareSettings()
    )
    assert not split.findings, "one text alone may stand on both sides"
    copy = train[3] | {"the_hypothesis": "A  tax 3!"}
    with pytest.raises(CheckError, match="a copy of test rows"):
        split_rows(made("classify"), rows_of(*train), rows_of(copy, other), CompareSettings())
    turned = {"premise": "a tax 3", "the_hypothesis": "the fee 1", column: "a"}
    split_rows(made("classify"), rows_of(*train), rows_of(turned, other), CompareSettings())


def recipe(base: Base, stages: list[Any], **more: Any) -> Recipe:
    task = {"part": "classify", **COLUMNS}
    folder = str(base("bert", "mean", hidden_dropout_prob=0.0))
    return validate({"name": "x", "base": folder, "task": task, "stages": stages} | more, Recipe)


@pytest.mark.parametrize(
    ("stages", "more"),
    [
        ([{"weights": {"part": "full", "lr": 0.01}, "train": {"epochs": 8}}], {}),
        ([{"weights": "features"}], {}),
        ([{"weights": {"part": "features", "pairs": "cross_encoder"}}], {}),
        ([], {"context": "examples"}),
        ([], {"context": "instruction"}),
    ],
    ids=["full", "features", "features together", "nearest", "zero-shot"],
)
def test_ways_answer_pairs_and_keep_their_answers(stages: list[Any], more: Any, base: Base, tmp_path: Path) -> None:
    asked = recipe(base, stages, **more)
    task = asked.task.make()
    train, test = (
        task.prepare(pairs("classify", 60), what="train"),
        task.prepare(pairs("classify", 20, 200), what="test"),
    )
    fitted = fit(asked, train, test)
    rows = [dict(row.values) for row in pairs("classify", 6, 300)]
    answers = fitted.adaptation.predict(rows)
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept").predict(rows)
    assert [(one.value, one.confidence) for one in answers] == [(one.value, one.confidence) for one in again]
    card = (tmp_path / "kept" / "README.md").read_text(encoding="utf-8")
    assert 'predict([{"premise": "some text", "the_hypothesis": "some text"}])[0].value' in card
    turned = [row | {"premise": row["the_hypothesis"], "the_hypothesis": row["premise"]} for row in rows]
    assert [one.confidence for one in fitted.adaptation.predict(turned)] != [one.confidence for one in answers]


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize("classifier", ["logistic", "linear_svm", "knn"])
def test_a_classifier_sees_what_the_vectors_of_both_texts_make_together(
    name: str, classifier: str, base: Base, tmp_path: Path
) -> None:
    """u, v, |u - v|, u * v, by hand from the vectors of single texts; and the same answers from the folder."""
    part = {"part": "features", "classifier": classifier, "pairs": "bi_encoder"}
    asked = recipe(base, [{"weights": part}], task={"part": name, **COLUMNS})
    train, test = (asked.task.make().prepare(pairs(name, *some), what="train") for some in ((30,), (8, 200)))
    adaptation = fit(asked, train, test).adaptation
    model = adaptation.model
    u, v = (embed(model, [pair[side] for pair in test.inputs]) for side in (0, 1))
    together = torch.from_numpy(np.concatenate([u, v, np.abs(u - v), u * v], axis=1))
    assert model.head is not None
    with torch.inference_mode():
        expected = model.head(together).numpy()
    assert np.abs(adaptation.scores(test.inputs) - expected).max() < 1e-4
    adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept")
    assert np.array_equal(again.scores(test.inputs), adaptation.scores(test.inputs))
    assert again.scores([]).shape == (0, expected.shape[1])


def test_a_body_learns_from_pairs_read_together_before_a_classifier_reads_them_apart(
    base: Base, tmp_path: Path
) -> None:
    full = {"weights": {"part": "full", "lr": 0.01}, "train": {"epochs": 1}}
    apart = {"weights": {"part": "features", "pairs": "bi_encoder"}}
    train = made("classify").prepare(pairs("classify", 20), what="train")
    adaptation = fit(recipe(base, [full, apart]), train).adaptation
    alone = fit(recipe(base, [apart]), train).adaptation
    assert adaptation.answering.apart
    assert np.abs(adaptation.scores(train.inputs) - alone.scores(train.inputs)).max() > 1e-3
    adaptation.save(tmp_path / "kept")
    assert np.array_equal(Adaptation.load(tmp_path / "kept").scores(train.inputs), adaptation.scores(train.inputs))


def test_how_pairs_are_read_is_searched_where_rows_are_pairs(base: Base) -> None:
    asked = recipe(base, [{"weights": "features"}])
    assert asked.grid["stages.0.weights.pairs"] == ["cross_encoder", "bi_encoder"]
    assert list(asked.changed({"task.second": None}).grid) == ["stages.0.weights.c"]


def test_prompts_name_both_texts(writers: Callable[..., Any]) -> None:
    model = writers("qwen2")
    asked = validate(
        {
            "name": "x",
            "base": "starter",
            "answers": "written",
            "context": "instruction",
            "task": {"part": "classify", **COLUMNS},
        },
        Recipe,
    )
    rows = asked.task.make().prepare(pairs("classify", 8), what="train")
    prompt = WriteAnswering.of(asked, model, rows).prompts(rows.inputs[:1])[0]
    said = "\n".join(str(message["content"]) for message in prompt)
    one, other = rows.inputs[0]
    assert f"premise: {one}\nthe hypothesis: {other}" in said
    assert "premise and the hypothesis" in said
    assert np.isfinite(WriteAnswering.of(asked, model, rows).scores(rows.inputs[:2])).all()
