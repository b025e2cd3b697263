"""Preferences: the loss by an independent formula, rows as people keep them, and a model that learns which of two answers is better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.models.decoder import load_writer
from tailorlm.models.resolve import resolve
from tailorlm.models.row_losses import RowLosses
from tailorlm.objectives.preference import Preference
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.training.preferences import PreferenceLesson, losses_of
from tailorlm.training.token_rows import TokenRows
from writers import tiny_writer

PAIRS = [
    ("say cat", "dog", "bird"),
    ("say sun", "moon", "cold ice"),
    ("say up", "down", "two"),
    ("say one", "two", "up"),
]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_writer(tmp_path_factory.mktemp("writer"), "qwen2")


def said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def rows(*, messages: bool = False) -> Rows:
    plain = [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in PAIRS]
    talked = [
        {"prompt": said("user", p), "chosen": said("assistant", c), "rejected": said("assistant", r)}
        for p, c, r in PAIRS
    ]
    values = talked if messages else plain
    return Rows(tuple(Row(v, "p.jsonl", i) for i, v in enumerate(values, 1)), ("prompt", "chosen", "rejected"))


def recipe(writer: Path, weights: str = "lora", epochs: int = 15, **settings: Any) -> Recipe:
    train = {"epochs": epochs, "rows_per_step": 4, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}
    lr = 0.1 if weights == "prefix" else 0.01
    stage = {"weights": {"part": weights, "lr": lr}, "objective": {"part": "preference", **settings}, "train": train}
    return validate({"name": "x", "base": str(writer), "task": "generate", "stages": [stage]}, Recipe)


def prepared(made: Recipe, given: Rows) -> Any:
    return made.task.make().prepare(given, what="train")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_by_an_independent_formula(smoothing: float) -> None:
    random = np.random.default_rng(0)
    policy, before = -random.uniform(1, 30, (2, 6)), -random.uniform(1, 30, (2, 6))
    gain = 0.3 * ((policy[0] - policy[1]) - (before[0] - before[1]))
    sigmoid = 1 / (1 + np.exp(-gain))
    expected = -(1 - smoothing) * np.log(sigmoid) - smoothing * np.log(1 - sigmoid)
    rise = torch.from_numpy(policy - before)
    losses = Preference(Preference.Settings(beta=0.3, smoothing=smoothing)).losses(rise[0], rise[1])
    assert np.allclose(losses.numpy(), expected, atol=1e-9)


def test_a_pair_in_any_company_by_a_plain_forward_pass(writer: Path) -> None:
    model = load_writer(resolve(str(writer)))
    random = np.random.default_rng(1)
    ids = [
        random.integers(20, 40, length).tolist() for length in (6, 9, 7, 5)
    ]  # two pairs: chosen 0 and 1, rejected 2 and 3
    learned = [[i >= 3 for i in range(len(row))] for row in ids]
    tokens = TokenRows.of(list(zip(ids, learned, strict=True)), ["a", "b", "a", "b"])
    losses = RowLosses(model.body, pad=model.pad_id)
    start = losses_of(losses, tokens)
    for row, mask, loss in zip(ids, learned, start.tolist(), strict=True):
        with torch.no_grad():
            logs = model.body(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
        expected = -sum(float(logs[i - 1, row[i]]) for i in range(1, len(row)) if mask[i])
        assert loss == pytest.approx(expected, abs=1e-3)
    lesson = PreferenceLesson(losses, tokens, start, Preference(Preference.Settings()), model)
    with torch.no_grad():
        assert torch.allclose(lesson.losses([0, 1]), torch.full((2,), float(np.log(2))), atol=1e-5), (
            "nothing has risen yet"
        )
    moved = PreferenceLesson(losses, tokens, start + torch.tensor([1.0, 2.0, 0.0, 5.0]), lesson.objective, model)
    with torch.no_grad():
        gains = 0.1 * np.array([1.0 - 0.0, 2.0 - 5.0])
        assert moved.losses([1, 0]).tolist() == pytest.approx(np.log(1 + np.exp(-gains))[::-1].tolist(), abs=1e-5)
    assert lesson.counts == [1, 1]
    assert lesson.lengths == [13, 14]


def margin(adaptation: Adaptation) -> np.ndarray:
    """By how much each chosen answer is likelier than its rejected one."""
    model = adaptation.model
    found = []
    for prompt, *answers in PAIRS:
        shown = [model.chat.render([*said("user", prompt), *said("assistant", text)], learn="last") for text in answers]
        tokens = TokenRows.of([(row.ids, row.learned) for row in shown], ["a", "b"])
        chosen, rejected = losses_of(RowLosses(model.body, pad=model.pad_id, packed=False), tokens).tolist()
        found.append(rejected - chosen)
    return np.array(found)


@pytest.mark.parametrize("weights", ["lora", "full", "prefix"])
def test_what_was_chosen_becomes_likelier_and_the_folder_answers_the_same(
    weights: str, writer: Path, tmp_path: Path
) -> None:
    made = recipe(writer, weights)
    given = prepared(made, rows())
    untouched = fit(recipe(writer, weights, epochs=1).changed({"stages.0.weights.lr": 1e-12}), given)
    fitted = fit(made, given, given)
    losses = fitted.trained[0].losses
    if weights != "prefix":  # which begins as something else than the base
        assert losses[0] == pytest.approx(np.log(2), abs=1e-4)
    assert losses[-1] < losses[0]
    assert (margin(fitted.adaptation) > margin(untouched.adaptation)).all()
    assert fitted.score is not None
    assert fitted.score.loss < np.log(2)
    again = Adaptation.load(fitted.adaptation.save(tmp_path / "kept"))
    assert np.allclose(margin(again), margin(fitted.adaptation), atol=1e-4)


def test_pairs_may_be_texts_or_messages() -> None:
    task = validate({"name": "x", "task": "generate", "context": "instruction"}, Recipe).task.make()
    plain, talked = (task.prepare(rows(messages=kind), what="train") for kind in (False, True))
    assert plain.gold == talked.gold == tuple(c for _, c, _ in PAIRS)
    assert plain.against == talked.against == tuple(r for _, _, r in PAIRS)
    assert plain.inputs == talked.inputs
    assert plain.select([2]).against == ("two",)
    assert plain.fingerprint == talked.fingerprint
    bad = Rows((Row({"prompt": "a", "chosen": "b", "rejected": ""}, "p.jsonl", 7),), ("prompt", "chosen", "rejected"))
    with pytest.raises(CheckError, match="no answer in the column 'rejected'"):
        task.prepare(bad, what="train")


def test_what_cannot_be(writer: Path) -> None:
    made = recipe(writer)
    one = Rows((Row({"prompt": "a", "completion": "b"}, "p.jsonl", 1),), ("prompt", "completion"))
    with pytest.raises(UsageError, match="a better and a worse answer"):
        fit(made, prepared(made, one))
    other = made.changed({"stages.0.objective": "distill"})
    with pytest.raises(TailorError, match="distill is not for models that write"):
        fit(other, prepared(made, rows()))
