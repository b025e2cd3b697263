"""Models that write: prompts, examples, tuning and labels through one fit, one folder, one comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.held_out import HeldOut
from tailorlm.data.rows import Row, Rows
from tailorlm.models.answers import Answer
from tailorlm.models.decoder import load_writer
from tailorlm.models.local import Local
from tailorlm.models.resolve import resolve
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.writing import WriteAnswering
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tiny import labelled
from writers import tiny_writer

PAIRS = [("say cat", "dog"), ("say sun", "moon"), ("say up", "down"), ("say hot", "cold ice"), ("say one", "two")]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_writer(tmp_path_factory.mktemp("writer"), "qwen2")


def recipe(writer: Path, **changes: Any) -> Recipe:
    return validate({"name": "x", "base": str(writer), "task": "generate"} | changes, Recipe)


def pairs(count: int = 5) -> Rows:
    values = [{"prompt": p, "completion": a} for p, a in PAIRS[:count]]
    return Rows(tuple(Row(v, "p.jsonl", i) for i, v in enumerate(values, 1)), ("prompt", "completion"))


def prepared(made: Recipe, rows: Rows) -> Any:
    return made.task.make().prepare(rows, what="train")


def tuned(weights: dict[str, Any], epochs: int = 60) -> dict[str, Any]:
    train = {"epochs": epochs, "rows_per_step": 5, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}
    return {"stages": [{"weights": weights, "train": train}]}


def test_pairs_learnt_by_heart_come_back_and_stop(writer: Path, tmp_path: Path) -> None:
    made = recipe(writer, **tuned({"part": "full", "lr": 0.01}))
    fitted = fit(made, prepared(made, pairs()))
    assert fitted.trained[0].losses[-1] < 0.1
    answers = fitted.adaptation.predict([{"prompt": p} for p, _ in PAIRS])
    assert [answer.value for answer in answers] == [answer for _, answer in PAIRS]
    assert all(answer.detail["finished"] for answer in answers)
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept").predict([p for p, _ in PAIRS])
    assert [answer.value for answer in again] == [answer for _, answer in PAIRS]
    assert [a.confidence for a in again] == pytest.approx([a.confidence for a in answers], abs=1e-6)


@pytest.mark.parametrize("part", ["lora", "bias", "ia3", "adapter", "prefix", "prompt"])
def test_every_part_learns_and_is_kept(part: str, writer: Path, tmp_path: Path) -> None:
    lr = 0.2 if part in ("prefix", "prompt") else 0.02  # a few vectors before a random body have far to go
    made = recipe(writer, **tuned({"part": part, "lr": lr}, epochs=20))
    fitted = fit(made, prepared(made, pairs()))
    losses = fitted.trained[0].losses
    assert losses[-1] < losses[0] - 0.3
    answers = fitted.adaptation.predict([p for p, _ in PAIRS])
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept").predict([p for p, _ in PAIRS])
    assert [answer.value for answer in again] == [answer.value for answer in answers]
    assert [a.confidence for a in again] == pytest.approx([a.confidence for a in answers], abs=1e-6)


def test_the_score_is_that_of_the_answers_and_the_loss_that_of_the_gold(writer: Path) -> None:
    made = recipe(writer, **tuned({"part": "full", "lr": 0.01}, epochs=40))
    rows = prepared(made, pairs())
    fitted = fit(made, rows, rows)
    assert fitted.score is not None
    assert fitted.score.value == 1.0
    assert fitted.score.by_loss
    assert fitted.score.loss == pytest.approx(fitted.trained[0].losses[-1], abs=0.3)


def test_examples_are_train_rows_and_never_the_row_itself(writer: Path, tmp_path: Path) -> None:
    context = {"part": "prompt", "instruction": "Answer.", "encoder": None} | {
        "examples": {"part": "nearest", "k": 2, "retriever": "bm25"},
        "writing": {"max_new_tokens": 4},
    }
    made = recipe(writer, context=context)
    rows = prepared(made, pairs())
    fitted = fit(made, rows)
    answering = fitted.adaptation.answering
    assert isinstance(answering, WriteAnswering)
    for i, prompt in enumerate(answering.prompts(rows.inputs, rows.ids)):
        shown = [message["content"] for message in prompt]
        assert shown[0] == "Answer."
        assert shown[-1] == PAIRS[i][0]
        assert PAIRS[i][0] not in shown[1:-1]
        assert len(shown) == 1 + 2 * 2 + 1
    same = answering.prompts(["say cat"] and [rows.inputs[0]])[0]
    assert PAIRS[0][1] in [message["content"] for message in same], "asked anew, the same question may be shown"
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept")
    assert again.answering.prompts(rows.inputs, rows.ids) == answering.prompts(rows.inputs, rows.ids)  # type: ignore[union-attr]
    assert [a.value for a in again.predict(["say cat"])] == [a.value for a in fitted.adaptation.predict(["say cat"])]


def classified(writer: Path, **changes: Any) -> Recipe:
    return recipe(writer, task="classify", answers="written", **changes)


@pytest.mark.parametrize("choose", ["score", "write"])
def test_labels_are_scored_or_written(choose: str, writer: Path) -> None:
    made = classified(writer, context={"part": "prompt", "choose": choose, "encoder": None})
    rows = labelled(9, 3)
    fitted = fit(made, rows, rows)
    answers = fitted.adaptation.predict(list(rows.texts))
    assert {answer.value for answer in answers} <= set(rows.labels)
    assert all(0 < float(answer.confidence or 0) <= 1 for answer in answers)
    assert fitted.score is not None
    right = np.mean([a.value == gold for a, gold in zip(answers, rows.gold, strict=True)])
    assert fitted.score.value == pytest.approx(right)
    if choose == "score":
        scores = fitted.adaptation.scores(list(rows.texts))
        assert scores.shape == (9, 3)
        assert [rows.labels[i] for i in scores.argmax(1)] == [answer.value for answer in answers]


def test_an_instruction_is_proposed_from_the_labels_and_kept(writer: Path, tmp_path: Path) -> None:
    made = classified(writer, context="instruction")
    rows = labelled(6, 3)
    fitted = fit(made, rows)
    answering = fitted.adaptation.answering
    assert isinstance(answering, WriteAnswering)
    assert all(label in answering.prompter.instruction for label in rows.labels)
    fitted.adaptation.save(tmp_path / "kept")
    assert json.loads((tmp_path / "kept" / "shown.json").read_text())["instruction"] == answering.prompter.instruction


def test_calibration_takes_off_what_is_said_to_nothing(writer: Path) -> None:
    made = classified(writer, context={"part": "prompt", "calibrate": True, "encoder": None})
    plain = classified(writer, context={"part": "prompt", "encoder": None})
    rows = labelled(6, 3)
    ours, other = (fit(one, rows).adaptation.scores(list(rows.texts)) for one in (made, plain))
    assert not np.allclose(ours, other)
    shift = ours - other
    assert np.allclose(shift - shift[:, :1], shift[0] - shift[0, 0], atol=1e-6), "the same shift for every row"


def test_calibration_asks_nothing_in_each_rows_own_prompt(writer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nearest = {"part": "nearest", "k": 2, "retriever": "bm25"}
    context = {
        "part": "prompt",
        "calibrate": True,
        "encoder": None,
        "examples": nearest,
        "layout": {"examples": "text"},
    }
    answering = fit(classified(writer, context=context), labelled(9, 3)).adaptation.answering
    assert isinstance(answering, WriteAnswering)
    asked: list[Any] = []
    score = Local.score

    def watched(self: Local, prompts: Any, candidates: Any, **more: Any) -> Any:
        asked.append([[dict(message) for message in prompt] for prompt in prompts])
        return score(self, prompts, candidates, **more)

    monkeypatch.setattr(Local, "score", watched)
    texts = list(labelled(3, 3, start=30).texts)
    answering.scores(texts)
    own, empty = asked
    for text, one, other in zip(texts, own, empty, strict=True):
        said = str(one[-1]["content"])
        assert said.count("Input:") == 3
        assert str(other[-1]["content"]) == said.replace(f"Input: {text}\n", "Input: N/A\n")


def test_a_text_is_limited_and_not_what_is_shown_beside_it(writer: Path) -> None:
    """`max_length` of a task of labels is that of a text; examples and instruction have the rest of the model's room."""
    examples = {"part": "nearest", "k": 2, "retriever": "bm25"}
    context = {"part": "prompt", "encoder": None, "instruction": "Which?", "examples": examples}
    made = classified(writer, context=context).changed({"task.max_length": 8})
    rows = labelled(9, 3)
    answering = fit(made, rows).adaptation.answering
    assert isinstance(answering, WriteAnswering)
    text = rows.texts[0] + " and then the rest of it that nobody reads"
    answers = answering.answer([text])
    (fact,) = answers.detail
    encode = answering.model.chat.tokens.encode  # type: ignore[union-attr]
    assert fact["cut"] == len(encode(text)) - 8
    assert fact["examples"] == 2
    assert "left_out" not in fact
    said = [message["content"] for message in answering.prompts([text])[0]]
    assert len(encode(said[-1])) <= 8 + 1
    assert text.startswith(said[-1].strip())
    narrow = fit(made.changed({"context.budget": 0}), rows).adaptation.answering.answer([text])  # type: ignore[union-attr]
    assert narrow.detail[0]["examples"] == 0
    assert narrow.detail[0]["left_out"] == 2


def test_answers_that_break_off_are_told_before_training_and_never_learn_to_stop(writer: Path) -> None:
    made = recipe(writer, **tuned({"part": "lora", "lr": 0.01}, epochs=1)).changed({"task.max_length": 40})
    long = ("say more", "cold ice " * 40)
    values = [{"prompt": p, "completion": a} for p, a in [*PAIRS, long]]
    rows = Rows(tuple(Row(v, "p.jsonl", i) for i, v in enumerate(values, 1)), ("prompt", "completion"))
    events: list[Any] = []
    fitted = fit(made, prepared(made, rows), listen=events.append)
    kinds = [event["event"] for event in events]
    assert kinds.index("cut") < kinds.index("preflight") < kinds.index("step")
    cut, told = events[kinds.index("cut")], events[kinds.index("preflight")]
    assert (cut["rows"], cut["of"], cut["answers"], cut["max_length"]) == (1, 6, 1, 40)
    assert cut["answer_tokens"] > 20
    assert fitted.cut == cut
    assert (told["rows"], told["ends"], told["learned"]) == (6, 5, "tokens")
    least, median, most = told["learned_per_row"]
    assert least <= median < most <= 40
    assert told.row == "p.jsonl:1"
    answer = [text for text, learned in told.example() if learned]
    assert answer == ["dog<|im_end|>"]
    assert "say cat" in "".join(text for text, _ in told.example())
    assert "say cat" not in json.dumps(events), "what files and logs are given holds no text"
    whole = fit(recipe(writer, **tuned({"part": "lora", "lr": 0.01}, epochs=1)), prepared(made, pairs()))
    assert whole.cut == {}


def test_labels_are_learnt_by_writing_them(writer: Path) -> None:
    made = classified(writer, **tuned({"part": "full", "lr": 0.01}, epochs=30))
    rows = labelled(12, 3)
    fitted = fit(made, rows, rows)
    assert fitted.score is not None
    assert fitted.score.value > 0.9


def test_what_needs_a_head_is_refused(writer: Path) -> None:
    rows = labelled(6, 3)
    for weights in ("features", "head"):
        with pytest.raises(TailorError, match="a model that writes has none"):
            fit(classified(writer, stages=[{"weights": weights}]), rows)
    made = validate({"name": "x", "base": str(writer), "task": "classify", "context": "prompt"}, Recipe)
    with pytest.raises(TailorError, match="a prompt is for models that write"):
        fit(made, rows)


def test_the_best_prompt_is_found_on_validation_rows_within_its_budget(
    writer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that answers rightly under one wording with examples, and wrongly else."""
    context = {"part": "prompt", "encoder": None, "examples": {"part": "nearest", "k": 2, "retriever": "bm25"}}
    made = classified(writer, context=context | {"optimise": 60, "choose": "write", "writing": {"max_new_tokens": 4}})
    rows, validation = labelled(12, 3), labelled(6, 3, start=40)
    gold = dict(zip([*rows.texts, *validation.texts], [*rows.gold, *validation.gold], strict=True))
    asked: list[str] = []

    def written(self: Local, prompts: Any, *more: Any, **named: Any) -> list[Answer]:
        asked.extend(prompt[-1]["content"] for prompt in prompts)
        good = ("Read the" in prompt[0]["content"] and len(prompt) > 2 for prompt in prompts)
        texts = (gold[p[-1]["content"]] if right else "nonsense" for p, right in zip(prompts, good, strict=True))
        return [Answer(text, True, 1, 1, -1.0) for text in texts]

    monkeypatch.setattr(Local, "answers", written)
    events: list[dict[str, Any]] = []
    fitted = fit(made, rows, validation, listen=events.append)
    told = next(event for event in events if event["event"] == "optimised")
    assert told["calls"] <= 60
    assert len(asked) == told["calls"] + 6, "and once more, to score the fit"
    assert set(asked) == set(validation.texts)
    assert fitted.score is not None
    assert fitted.score.value == 1.0
    chosen = made.with_task(fitted.found)
    settings = chosen.context.settings  # type: ignore[union-attr]
    assert settings.instruction.startswith("Read the")
    assert settings.examples.settings.k == 2
    assert settings.optimise == 0
    assert fitted.adaptation.recipe == chosen
    asked.clear()
    again = fit(chosen, rows)
    assert not asked, "the last fit tries nothing"
    assert [answer.value for answer in again.adaptation.predict(list(validation.texts))] == list(validation.gold)
    with pytest.raises(UsageError, match="too few to ask each"):
        fit(made.changed({"context.optimise": 3}), rows, validation)

    held = replace(rows, held_out=HeldOut.of(validation.texts[:2]))
    with pytest.raises(CheckError, match="2 validation rows are among the test rows"):
        fit(made, held, validation)


def plain_texts(count: int = 6) -> Rows:
    values = [{"text": f"the {a} then the {b} and the {a}"} for a, b in (PAIRS * 2)[:count]]
    return Rows(tuple(Row(v, "t.jsonl", i) for i, v in enumerate(values, 1)), ("text",))


def test_plain_text_is_read_learnt_and_kept(writer: Path, tmp_path: Path) -> None:
    as_is = validate({"name": "x", "base": str(writer), "task": "language"}, Recipe)
    rows = prepared(as_is, plain_texts())
    base = fit(as_is, rows, rows)
    assert base.score is not None
    assert base.trained == []
    stage = {"weights": {"part": "lora", "lr": 0.02}, "objective": "causal_lm", "train": {"epochs": 20}}
    tuned = fit(as_is.with_(stages=[stage]), rows, rows)
    assert tuned.score is not None
    assert tuned.score.value > base.score.value, "fewer bits a byte, and so a higher score"
    assert tuned.score.by_loss
    tuned.adaptation.save(tmp_path / "kept")
    texts = list(rows.texts)
    before, again = (one.predict(texts) for one in (tuned.adaptation, Adaptation.load(tmp_path / "kept")))
    assert np.allclose([a.value for a in again], [a.value for a in before])
    cells = as_is.task.make().cells(before[0].value, {})
    nats, tokens, size = before[0].value
    assert cells == {
        "bits_per_byte": pytest.approx(nats / np.log(2) / size, abs=1e-4),
        "perplexity": pytest.approx(np.exp(nats / tokens), rel=1e-4),
        "tokens": tokens,
    }
    assert size == len(texts[0].encode())


def test_surprise_of_plain_text_by_an_independent_formula(writer: Path) -> None:
    import torch
    import transformers

    as_is = validate({"name": "x", "base": str(writer), "task": "language"}, Recipe)
    texts = [*prepared(as_is, plain_texts()).texts, "東京 🙂 é", "a"]
    found = fit(as_is, prepared(as_is, plain_texts())).adaptation.predict(texts)
    model = transformers.AutoModelForCausalLM.from_pretrained(writer, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(writer)
    for text, one in zip(texts, found, strict=True):
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
        with torch.no_grad():
            loss = float(model(input_ids=ids, labels=ids).loss)  # the mean over all tokens but the first
        nats, tokens, size = one.value
        assert tokens == ids.shape[1] - 1
        assert nats == pytest.approx(loss * tokens, rel=1e-4)
        assert size == len(text.encode())


def test_plain_text_has_no_answers(writer: Path) -> None:
    plain = {"name": "x", "base": str(writer), "task": "language"}
    for wrong in ({"context": "prompt"}, {"stages": [{"weights": "lora"}]}):
        with pytest.raises(UsageError, match="'language' has no answers"):
            validate(plain | wrong, Recipe)


def test_an_encoder_cannot_write(base: Callable[..., Path]) -> None:
    made = validate({"name": "x", "base": str(base("bert", "mean")), "task": "generate", "context": "prompt"}, Recipe)
    with pytest.raises(TailorError, match="cannot be loaded as a model that writes") as error:
        fit(made, prepared(made, pairs()))
    assert "bert reads and cannot write" in str(error.value)


def test_the_rendering_that_is_learnt_begins_with_what_is_served(writer: Path) -> None:
    made = recipe(writer, **tuned({"part": "full", "lr": 0.01}, epochs=1))
    rows = prepared(made, pairs())
    answering = WriteAnswering.of(made, load_writer(resolve(str(writer)), max_length=64), rows)
    for prompt, (_, answer) in zip(answering.prompts(rows.inputs), PAIRS, strict=True):
        served = answering.model.chat.prompt(prompt).ids
        learnt = answering.model.chat.render([*prompt, {"role": "assistant", "content": answer}])
        assert learnt.ids[: len(served)] == served
        assert not any(learnt.learned[: len(served)])
