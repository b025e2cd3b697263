"""`extract`: offsets survive every tokenizer and window, the best stretch is the best of all, no answer has its place, faults name their rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asked import asked
from tagged import rows_of
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import read
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import metric_of
from tailorlm.models.resolve import resolve
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import PRESETS
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks._quotes import best_stretches, found_in, trimmed
from tailorlm.tasks.extract import Extract, best_margin
from tailorlm.weights import weights
from tiny import tokenizer

Base = Callable[..., Path]
SHARED = Path(__file__).parents[3] / "shared" / "data"
KINDS = ("bert", "roberta", "gpt", "llama", "t5", "qwen")
AWKWARD = [
    {"question": "what money?", "context": "pay  the\ttax 東京 now, bake😀bread\u200b!", "answers": {"text": ["東京"], "answer_start": [13]}},
    {"question": "what", "context": "cafe\u0301 fee e\u0301", "answers": [{"text": "cafe\u0301", "answer_start": 0}]},
    {"question": "who " * 40, "context": "fee " * 60 + "the loan", "answers": "the loan"},
    {"question": "why 😀", "context": "tax", "answers": [{"text": "tax", "answer_start": 0}]},
    {"question": "😀", "context": "\ud83d half a sign", "answers": [{"text": "half a", "answer_start": 2}]},
    {"question": "what", "context": "nothing here", "answers": []},
]  # fmt: skip


def task(**changes: Any) -> Extract:
    return Extract(Extract.Settings(**changes))


def right_scores(targets: list[np.ndarray], sizes: list[int]) -> list[np.ndarray]:
    return [np.eye(size)[row].T * 20 for row, size in zip(targets, sizes, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [384, 24])
def test_right_scores_give_the_gold_answers_back(kind: str, limit: int) -> None:
    """Whatever the tokenizer, windows or not: what is read at each place leads back to the very stretch."""
    made = task(max_length=limit if kind != "qwen" else limit * 4, stride=6)
    for rows in (asked(30, none=5), rows_of(*AWKWARD)):
        ready = made.prepare(rows, what="train")
        readings = made.read(tokenizer(kind), ready.inputs, made.settings.max_length)
        assert max(readings.lengths) <= made.settings.max_length
        assert [len(row) for row in readings.types or ()] == readings.lengths
        assert all(
            0 <= place < size
            for places, size in zip(readings.places or (), readings.lengths, strict=True)
            for place in places
        )
        assert all(len(set(places)) == len(places) for places in readings.places or ())
        targets = made.targets(readings, ready)
        held = {row for row, (start, _) in zip(readings.rows, targets, strict=True) if start}
        expected = {i for i, gold in enumerate(ready.gold) if gold}
        if kind == "qwen" or limit > 24 or rows[0].source == "asked.jsonl":
            assert held == expected, "every answer stands in a window"
        answers = made.decode(right_scores(targets, readings.sizes), readings, ready.inputs, ready.labels)
        for i, (value, gold, (_, context)) in enumerate(zip(answers.values, ready.gold, ready.inputs, strict=True)):
            if i in held or not gold:
                assert value == (gold[0] if gold else {"text": "", "start": None})
            for one in answers.detail[i]["candidates"]:
                if one["start"] is not None:
                    assert context[one["start"] : one["start"] + len(one["text"])] == one["text"]
    if limit == 24:
        assert len(readings) > len(rows)


@pytest.mark.shared
@pytest.mark.starter
def test_offsets_hold_on_real_rows() -> None:
    from transformers import AutoTokenizer

    if not (SHARED / "squad_dev").is_dir():
        pytest.skip("no SQuAD here")
    rows = read(SHARED / "squad_dev" / "train.jsonl.gz").select(range(2000))
    made, rng = task(max_length=128, stride=32), np.random.default_rng(0)
    ready = made.prepare(rows, what="train")
    readings = made.read(AutoTokenizer.from_pretrained(resolve("starter").folder), ready.inputs, 128)
    noise = [rng.normal(size=(size, 2)) for size in readings.sizes]
    shown = 0
    for answers in (
        made.decode(noise, readings, ready.inputs, ()),
        made.decode(right_scores(made.targets(readings, ready), readings.sizes), readings, ready.inputs, ()),
    ):
        for text, value in zip(ready.texts, answers.values, strict=True):
            if value["start"] is not None:
                assert text[value["start"] : value["start"] + len(value["text"])] == value["text"]
                shown += 1
    assert shown > 3000
    wrong = [(value["text"], gold) for value, gold in zip(answers.values, ready.gold, strict=True) if value not in gold]
    assert len(wrong) < 10, wrong[:10]


def test_the_best_stretches_are_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        pieces, longest, wanted = int(rng.integers(1, 300)), int(rng.integers(1, 30)), int(rng.integers(1, 9))
        starts, ends = rng.normal(size=(2, pieces))
        offsets = np.stack([np.arange(pieces) * 3, np.arange(pieces) * 3 + 2], axis=1).astype(np.int32)
        every = [
            (starts[i] + ends[j], i, j) for i in range(pieces) for j in range(i, pieces) if 3 * (j - i) + 2 <= longest
        ]
        expected = sorted(every, key=lambda one: (-one[0], one[1], one[2]))[:wanted]
        if wanted == 4:
            starts = ends = np.zeros(pieces)  # ties: the earlier one
            expected = [(0.0, i, j) for _, i, j in every][:wanted]
        found = best_stretches(starts, ends, offsets, longest, wanted)
        assert [one[1:] for one in found] == [one[1:] for one in expected]
        assert [one[0] for one in found] == pytest.approx([one[0] for one in expected])
    assert best_stretches(np.zeros(0), np.zeros(0), np.zeros((0, 2), np.int32), 5, 3) == []


def test_of_several_right_answers_the_first_in_the_window_is_learnt_and_any_is_right() -> None:
    row = {
        "question": "what",
        "context": "fee tax loan",
        "answers": {"text": ["tax", "loan", "tax"], "answer_start": [4, 8, 4]},
    }
    made = task()
    ready = made.prepare(rows_of(row), what="train")
    assert ready.gold == ([{"text": "tax", "start": 4}, {"text": "loan", "start": 8}],)
    readings = made.read(tokenizer("bert"), ready.inputs, 64)
    assert made.targets(readings, ready)[0].tolist() == [2, 2]
    said = predictions_of(
        made, ready, made.decode(right_scores([np.array([3, 3])], readings.sizes), readings, ready.inputs, ()), ()
    )
    assert metric_of("exact_match").evidence(said).score() == 1.0


def test_windows_are_compared_by_shares_and_the_answer_is_found_where_it_is_surest() -> None:
    made = task(max_length=16, stride=2, no_answer=False)
    ready = made.prepare(rows_of({"question": "what", "context": "a " * 30 + "fee", "answers": "fee"}), what="train")
    readings = made.read(tokenizer("bert"), ready.inputs, 16)
    assert len(readings) > 2
    scores = [np.zeros((size, 2)) for size in readings.sizes]
    scores[0] += 50.0  # the level of a window's scores says nothing
    scores[-1][-1] += 6.0
    answers = made.decode(scores, readings, ready.inputs, ())
    assert answers.values == [{"text": "fee", "start": 60}]


def test_no_answer_is_answered_from_the_threshold_on() -> None:
    rows = rows_of(
        *({"question": "what", "context": "fee tax", "answers": "fee" if held else []} for held in (True, True, False))
    )
    made = task()
    ready = made.prepare(rows, what="train")
    assert made.settle(ready) == {"longest": 3, "no_answer": True}
    assert made.settle(ready.select([0, 1])) == {"longest": 3, "no_answer": False}
    readings = made.read(tokenizer("bert"), ready.inputs, 64)

    def scored(*margins: float) -> list[np.ndarray]:
        return [np.array([[margin, margin], [0, 0], [-9, -9]]) for margin in margins]

    scores = scored(1.0, -3.0, 2.0)
    plain = made.decode(scores, readings, ready.inputs, ())
    assert [value["text"] for value in plain.values] == ["", "fee", ""]
    chosen = made.choose(scores, readings, ready)
    assert 2 < chosen["threshold"] < 4, "half-way between twice the margins of 1 and 2"
    assert [v["text"] for v in task(**chosen).decode(scores, readings, ready.inputs, ()).values] == ["fee", "fee", ""]
    never = task(no_answer=False).decode(scores, readings, ready.inputs, ())
    assert [value["text"] for value in never.values] == ["fee"] * 3
    assert all(one["text"] for found in never.detail for one in found["candidates"])
    assert task(no_answer=False).choose(scores, readings, ready) == {}
    assert made.choose(scored(1.0, 1.0), readings.select([0, 1]), ready.select([0, 1])) == {}
    assert best_margin(np.array([1.0, 1.0, 2.0]), np.array([1.0, -1.0, -1.0])) == 0.0


def test_candidates_fall_and_hold_no_stretch_twice() -> None:
    made, rng = task(candidates=8), np.random.default_rng(1)
    ready = made.prepare(asked(6), what="train")
    readings = made.read(tokenizer("bert"), ready.inputs, 64)
    for found in made.decode(
        [rng.normal(size=(size, 2)) for size in readings.sizes], readings, ready.inputs, ()
    ).detail:
        told = found["candidates"]
        assert len(told) == 8
        assert len({(one["start"], one["text"]) for one in told}) == 8
        scores = [one["score"] for one in told[1:]]
        assert scores == sorted(scores, reverse=True)


def test_stretches_are_trimmed_and_keep_their_marks() -> None:
    assert trimmed(" a b ", 0, 5) == (1, 4)
    assert trimmed("cafe\u0301!", 0, 4) == (0, 5)
    assert trimmed("   ", 0, 3) == (3, 3)


@pytest.mark.parametrize(
    ("said", "stretch"),
    [
        ("the Red\nFox", "the  Red Fox"),
        ("“THE red fox”.", "the  Red Fox"),
        ("Straße", "STRASSE"),
        ("東京", "東京"),
        ("blue fox", None),
    ],
)
def test_written_words_are_looked_for_in_the_context(said: str, stretch: str | None) -> None:
    context = "In 東京 the  Red Fox ran down STRASSE 7."
    place = found_in(context, said)
    assert (context[slice(*place)] if place is not None else None) == stretch
    heard = task().hear(said, (), ["who?", context])
    assert heard is not None
    assert heard["text"] == (stretch or said)
    assert (heard["start"] is None) == (stretch is None)


def test_what_is_written_for_no_answer_is_heard() -> None:
    made = task(no_answer=True)
    assert made.hear("No answer.", (), ["what", "fee"]) == {"text": "", "start": None}
    assert made.hear(None, (), ["what", "fee"]) is None
    assert made.told(())["nothing"] == "no answer"
    assert task(no_answer=False).told(())["nothing"] == ""
    assert made.cells(None, {}) == {"predicted": None, "start": None, "end": None}


def test_faults_are_named_with_their_rows() -> None:
    good = {"question": "what", "context": "fee tax", "answers": "tax"}
    rows = rows_of(
        good,
        good | {"answers": "loan"},
        good | {"answers": {"text": ["tax"], "answer_start": [5]}},
        good | {"answers": {"text": ["tax"], "answer_start": [90]}},
        good | {"answers": [{"text": "tax", "answer_start": -4}]},
        good | {"question": " "},
        good | {"context": ""},
        good | {"context": ["fee"]},
        good | {"answers": 7},
    )
    faults = task().faults(rows)
    misplaced = "an answer that does not stand in its context, or not where it says, in the column 'answers'"
    assert [faults.get(i) for i in (0, 1, 2, 3)] == [None, misplaced, misplaced, misplaced]
    assert "in the form of SQuAD" in faults[4]
    assert faults[5] == "no text in the column 'question'"
    assert faults[6] == "no text in the column 'context'"
    assert len(faults) == 8
    with pytest.raises(CheckError) as error:
        task().prepare(rows, what="train")
    assert "8 rows cannot be used\n  an answer that does not stand in its context" in str(error.value)
    assert "t.jsonl:2, t.jsonl:3, t.jsonl:4" in str(error.value)
    assert "fee tax" not in str(error.value)
    with pytest.raises(CheckError, match="no train row has an answer"):
        task().prepare(rows_of(good | {"answers": []}), what="train")
    with pytest.raises(UsageError) as usage:
        task().prepare(rows_of({"question": "what", "passage": "fee", "answers": "fee"}), what="train")
    assert "no column 'context'" in str(usage.value)
    assert "--column context=" in str(usage.value)


def test_rows_to_predict_need_both_texts() -> None:
    made = task()
    assert made.inputs([{"question": "what", "context": "fee", "answers": 3}]) == [["what", "fee"]]
    for wrong, said in (
        (["what"], "no text 'question'"),
        ([{"question": "what", "context": " "}], "no text 'context'"),
        ("what", "many rows"),
    ):
        with pytest.raises(TailorError, match=said):
            made.inputs(wrong)


def test_questions_about_one_context_stay_on_one_side() -> None:
    from tailorlm.comparison.settings import CompareSettings
    from tailorlm.comparison.split import fold, split_rows

    values = [
        {"question": f"what {i}", "context": f"the fee is {i // 5} here", "answers": str(i // 5)} for i in range(60)
    ]
    split = split_rows(task(), rows_of(*values), None, CompareSettings())
    sides = [{context for _, context in part.inputs} for part in (split.train, split.test)]
    assert not sides[0] & sides[1]
    assert all(sides)
    assert not split.findings
    told = split_rows(
        task(), rows_of(*values[:50]), rows_of(values[49] | {"question": "who"}, values[55]), CompareSettings()
    )
    assert [(one["code"], one["rows"]) for one in told.findings] == [("shared-texts", ["t.jsonl:1"])]
    part = fold(split.train, CompareSettings(), 0)
    assert not {c for _, c in part.validation.inputs} & {c for _, c in part.trial.inputs}


def test_what_a_careful_person_is_told() -> None:
    row = {"question": "what", "context": "fee tax", "answers": "fee"}
    made = task()
    ready = made.prepare(rows_of(row, row | {"answers": "tax"}, row | {"question": "who", "answers": []}), what="train")
    assert [(one["code"], len(one["rows"])) for one in made.findings(ready)] == [
        ("no-answer", 1),
        ("several-answers", 2),
    ]  # type: ignore[arg-type]


def test_the_ways_that_can_answer_it() -> None:
    able = [name for name, preset in PRESETS.items() if preset.answers(Extract)]
    assert "lora" in able
    assert "full" in able
    assert "head" in able
    assert not set(able) & {"zero-shot", "nearest", "features-lr", "features-svm", "features-rbf", "contrastive"}


@pytest.mark.parametrize("part", ["full", "lora", "head"])
def test_answers_are_learnt_kept_and_given_alike(part: str, base: Base, tmp_path: Path) -> None:
    recipe = validate(
        {
            "name": "x",
            "base": str(base("bert", "mean", hidden_dropout_prob=0.0)),
            "task": {"part": "extract", "max_length": 40},
            "stages": [
                {
                    "weights": {"part": part, "lr": 0.01 if part == "full" else 0.02},
                    "train": {"epochs": 12 if part == "full" else 2},
                }
            ],
        },
        Recipe,
    )
    made = recipe.task.make()
    train, test = made.prepare(asked(90, none=6), what="train"), made.prepare(asked(30, 500, none=6), what="test")
    fitted = fit(recipe, train, test)
    assert fitted.score is not None
    if part == "full":
        assert fitted.score.value > 0.6
    assert set(fitted.found) == {"threshold"}
    assert fitted.adaptation.recipe.task.settings.no_answer is True
    rows = [dict(row.values) for row in asked(5, 900)]
    answers = fitted.adaptation.predict(rows)
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept").predict(rows)
    assert [(one.value, one.confidence, one.detail) for one in answers] == [
        (one.value, one.confidence, one.detail) for one in again
    ]
    card = (tmp_path / "kept" / "README.md").read_text(encoding="utf-8")
    assert "to the task `extract`" in card
    assert 'predict([{"question": "some text", "context": "some text"}])[0].value' in card
    for row, one in zip(rows, answers, strict=True):
        cells = made.cells(one.value, one.detail)
        if cells["start"] is not None:
            assert row["context"][cells["start"] : cells["end"]] == cells["predicted"]
        assert 0 <= one.confidence <= 1  # type: ignore[operator]


def test_features_are_no_way_to_find_a_place(base: Base) -> None:
    recipe = validate(
        {"name": "x", "base": str(base("bert", "mean")), "task": "extract", "stages": [{"weights": "features"}]}, Recipe
    )
    rows = recipe.task.make().prepare(asked(12), what="train")
    with pytest.raises(TailorError, match="no classifier finds places"):
        fit(recipe, rows)


PARTS = [name for name in weights if weights.get(name).trains]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_learns_from_pairs_and_answers_alone_as_together(part: str, base: Base) -> None:
    """Segment ids go with every part, and a row's answer is the same in any company."""
    for task_settings, rows in (
        ({"part": "extract", "max_length": 32}, asked(10)),
        ({"part": "classify", "text": "question", "second": "context", "label": "label"}, labelled_pairs(10)),
    ):
        recipe = validate(
            {
                "name": "x",
                "base": str(base("bert", "mean")),
                "task": task_settings,
                "stages": [{"weights": part, "train": {"epochs": 1, "rows_per_step": 5}}],
            },
            Recipe,
        )
        examples = recipe.task.make().prepare(rows, what="train")
        answering = fit(recipe, examples).adaptation.answering
        together, alone = answering.answer(examples.inputs), answering.answer(examples.inputs[3:4])
        assert together.values[3] == alone.values[0]
        assert together.confidence is not None
        assert alone.confidence is not None
        assert together.confidence[3] == pytest.approx(alone.confidence[0], abs=1e-4)


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "modernbert", "gpt2", "llama", "qwen2", "t5"])
def test_every_architecture_finds_places(architecture: str, base: Base) -> None:
    recipe = validate(
        {
            "name": "x",
            "base": str(base(architecture, "mean")),
            "task": {"part": "extract", "max_length": 64},
            "stages": [{"weights": "head", "train": {"epochs": 2}}],
        },
        Recipe,
    )
    examples = recipe.task.make().prepare(asked(8), what="train")
    answers = fit(recipe, examples).adaptation.answering.answer(examples.inputs)
    for value, (_, context) in zip(answers.values, examples.inputs, strict=True):
        assert value["start"] is not None
        assert context[value["start"] : value["start"] + len(value["text"])] == value["text"]


def labelled_pairs(count: int) -> Any:
    values = [dict(row.values) | {"label": "ab"[i % 2]} for i, row in enumerate(asked(count))]
    return rows_of(*values)


@pytest.mark.parametrize("stages", [[], [{"weights": "lora", "train": {"epochs": 1}}]], ids=["shown", "lora"])
def test_a_model_that_writes_answers_and_what_does_not_stand_there_is_counted(
    stages: list[Any], writers: Any, tmp_path: Path
) -> None:
    folder = writers("qwen2").base.folder
    context = {"part": "prompt", "writing": {"max_new_tokens": 6}}
    recipe = validate(
        {
            "name": "x",
            "base": str(folder),
            "task": {"part": "extract", "max_length": 200},
            "answers": "written",
            "stages": stages,
            "context": context,
        },
        Recipe,
    )
    made = recipe.task.make()
    train, test = made.prepare(asked(8, none=4), what="train"), made.prepare(asked(6, 50, none=3), what="test")
    fitted = fit(recipe, train, test)
    assert fitted.adaptation.recipe.task.settings.no_answer is True
    prompt = fitted.adaptation.answering.prompts(test.inputs[:1])[0]
    said = "\n".join(str(message["content"]) for message in prompt)
    assert test.texts[0] in said
    assert "no answer" in said
    predictions = predictions_of(made, test, fitted.adaptation.answering.answer(test.inputs), ())
    table = kind_of("quote").tables(predictions)["quotes"]
    assert sum(row["n"] for row in table) == len(test)
    assert sum(row["quoted"] + row["not_in_text"] + row["no_answer"] for row in table) == len(test)
    fitted.adaptation.save(tmp_path / "kept")
    rows = [dict(row.values) for row in asked(2, 90)]
    assert [one.value for one in Adaptation.load(tmp_path / "kept").predict(rows)] == [
        one.value for one in fitted.adaptation.predict(rows)
    ]
