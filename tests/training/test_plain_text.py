"""Learning from plain text: the head over the vocabulary, texts in pieces, and stages of text before a stage of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.worded import Tied, Worded
from tailorlm.objectives import objectives
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.plain_text import text_lesson
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)
NAMES, TEXTS = [f"t{i}" for i in range(6)], [*list(ROWS.texts[:5]), " ".join(ROWS.texts)]


def objective(name: str, **settings: Any) -> Any:
    part = objectives.get(name)
    return part(validate(settings, part.Settings))


def model_of(folder: Path, pooling: str = "mean") -> TextModel:
    return load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)


@pytest.fixture(scope="module")
def with_head(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT as a masked language model, whose folder holds a head with weights of its own."""
    from transformers import AutoTokenizer, BertForMaskedLM

    folder = tmp_path_factory.mktemp("masked")
    torch.manual_seed(3)
    whole = BertForMaskedLM.from_pretrained(base("bert", "native"))
    with torch.no_grad():
        for parameter in whole.cls.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    whole.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base("bert", "native")).save_pretrained(folder)
    return folder


def test_the_models_own_head_is_used_and_stays_as_it_is(with_head: Path) -> None:
    from transformers import BertForMaskedLM

    model = model_of(with_head)
    worded = Worded(model, "masked")
    assert worded.made == []
    assert not any(p.requires_grad for n, p in worded.named_parameters() if ".cls." in n)
    ids = torch.tensor([[5, 9, 20, 30]])
    expected = BertForMaskedLM.from_pretrained(with_head).eval()(input_ids=ids).logits
    assert torch.allclose(worded.eval().whole(input_ids=ids).logits, expected, atol=1e-5)
    names = {name for name, _ in worded.named_parameters()}
    assert {name for name, _ in model.named_parameters()} <= names, "the body goes by other names"


def test_a_folder_without_a_head_gets_one_over_its_embeddings(base: Base) -> None:
    model = model_of(base("bert", "mean"))
    worded = Worded(model, "masked")
    assert isinstance(worded.whole, Tied)
    assert worded.made == ["whole.turn.bias", "whole.turn.weight", "whole.words.bias"]
    ids = torch.tensor([[5, 9, 20]])
    states = model.transformer(input_ids=ids).last_hidden_state
    expected = states @ model.transformer.get_input_embeddings().weight.T
    assert torch.allclose(worded.whole(input_ids=ids).logits, expected, atol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "modernbert", "distilbert"])
def test_pieces_hold_every_token_once_between_special_tokens(architecture: str, base: Base) -> None:
    model = model_of(base(architecture, "mean"))
    lesson, _ = text_lesson(objective("masked_lm", max_length=16), model, NAMES, TEXTS, 0)
    rows, tokenizer = lesson.rows, model.tokenizer
    assert max(rows.lengths) <= 16
    inside = tokenizer(TEXTS, add_special_tokens=False)["input_ids"]
    assert rows.ids[rows.learned].tolist() == [i for ids in inside for i in ids]
    assert next(n for n in rows.names if n.startswith("t5")).startswith("t5 (1 of ")
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert all(int(i) in special for i in rows.ids[~rows.learned])
    assert lesson.losses(range(len(rows))).shape == (len(rows),)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen2"])
def test_texts_for_a_model_that_writes_end_with_its_end_of_text(architecture: str, base: Base) -> None:
    model = model_of(base(architecture, "last"))
    lesson, _ = text_lesson(objective("causal_lm", max_length=20, overlap=4), model, NAMES, TEXTS, 0)
    ends = [lesson.rows.row(i)[-1] for i, name in enumerate(lesson.rows.names) if "(" not in name]
    assert ends
    assert set(ends) == {model.tokenizer.eos_token_id}
    whole = model.tokenizer(TEXTS)["input_ids"]
    assert sum(lesson.counts) == sum(len(ids) for ids in whole)  # an end more, a beginning less
    assert torch.isfinite(lesson.losses(range(len(lesson.rows)))).all()


def test_a_tokenizer_without_a_mask_is_refused(base: Base) -> None:
    with pytest.raises(TailorError, match="no token that stands for a hidden word"):
        text_lesson(objective("masked_lm"), model_of(base("llama", "last")), NAMES, TEXTS, 0)


@pytest.mark.parametrize("architecture", ["bert", "modernbert", "t5"])
def test_the_next_token_is_not_asked_of_a_model_that_sees_it(architecture: str, base: Base) -> None:
    with pytest.raises(TailorError, match="reads a text from both sides"):
        text_lesson(objective("causal_lm"), model_of(base(architecture)), NAMES, TEXTS, 0)


def test_texts_come_from_the_rows_or_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "domain.jsonl"
    path.write_text('{"body": "one text"}\n{"body": " "}\n{"body": "two"}\n')
    assert objective("masked_lm").texts(["a", "b"], ["x", " "]) == (["a"], ["x"])
    names, texts = objective("masked_lm", text=str(path), column="body").texts([], [])
    assert texts == ["one text", "two"]
    assert names == [f"{path}:1", f"{path}:3"]
    with pytest.raises(UsageError, match="has no column 'text'"):
        objective("causal_lm", text=str(path)).texts([], [])
    with pytest.raises(CheckError, match="no text to learn from"):
        objective("causal_lm").texts(["a"], [" "])


def staged(folder: Path, weights: str, **text: Any) -> Recipe:
    train = {"epochs": 2, "rows_per_step": 4}
    passes = {"epochs": 8, "rows_per_step": 4} if weights == "full" else train  # enough for the loss to fall
    text_stage = {"weights": {"part": weights, "lr": 1e-2}, "objective": {"part": "masked_lm", **text}, "train": passes}
    stages = [text_stage, {"weights": {"part": weights, "lr": 2e-3}, "objective": "labels", "train": train}]
    return validate({"name": "two", "base": str(folder), "pooling": "mean", "stages": stages}, Recipe)


@pytest.mark.parametrize("weights", ["full", "lora", "bias"])
def test_a_stage_of_text_comes_before_a_stage_of_labels(weights: str, base: Base, tmp_path: Path) -> None:
    folder = base("bert", "mean")
    fitted = fit(staged(folder, weights), ROWS, ROWS, checkpoints=Checkpoints(tmp_path / "kept"))
    assert [len(trained.losses) for trained in fitted.trained] == [40 if weights == "full" else 10, 10]
    if weights == "full":
        assert sum(fitted.trained[0].losses[-10:]) < sum(fitted.trained[0].losses[:10])
    assert not fitted.trained[0].validation
    assert len(fitted.trained[1].validation) == 2
    plain = fit(
        validate(staged(folder, weights).plain() | {"stages": staged(folder, weights).plain()["stages"][1:]}, Recipe),
        ROWS,
    )
    before, after = (found.adaptation.scores(ROWS.texts) for found in (plain, fitted))
    assert np.abs(before - after).max() > 1e-3, "the text has taught nothing"
    fitted.adaptation.save(tmp_path / "kept.adaptation")
    again = Adaptation.load(tmp_path / "kept.adaptation").scores(ROWS.texts)
    assert np.array_equal(after, again)


def test_features_answer_behind_a_stage_of_text(base: Base) -> None:
    value = staged(base("bert", "mean"), "full").plain()
    value["stages"][1] = {"weights": "features"}
    assert fit(validate(value, Recipe), ROWS, ROWS).score is not None


def test_stages_that_cannot_be_kept_together_are_refused(base: Base) -> None:
    value = staged(base("bert", "mean"), "full").plain()
    for stages, words in (
        (value["stages"][:1], "nothing else gives them"),
        ([{"weights": "features"}, value["stages"][1]], "a classical classifier"),
    ):
        with pytest.raises(UsageError, match=words):
            validate(value | {"stages": stages}, Recipe)
