"""What is particular to one context; what all hold to is in tests/contracts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tailorlm.context.examples import Examples
from tailorlm.context.instruction import Instruction
from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError


def test_instruction_puts_the_words_into_its_template() -> None:
    made = Instruction(Instruction.Settings(template="a text about {} ({})"))
    assert made.texts(["money", "{}", r"\1"]) == [
        "a text about money (money)",
        "a text about {} ({})",
        r"a text about \1 (\1)",
    ]
    with pytest.raises(UsageError, match="template: string should match pattern"):
        validate({"template": "no place"}, Instruction.Settings)


def test_instruction_answers_by_cosine() -> None:
    vectors = np.array([[0.0, 3.0], [5.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    head = Instruction(Instruction.Settings()).head(vectors, np.arange(3), 3).eval()
    scores = head(torch.tensor([[4.0, 3.0]]))[0]
    assert scores.tolist() == pytest.approx([0.6, 0.8, -0.8])
    assert torch.isfinite(
        Instruction(Instruction.Settings()).head(np.zeros((2, 2), np.float32), np.arange(2), 2)(torch.ones(1, 2))
    ).all()


def test_instruction_puts_labels_into_their_places() -> None:
    vectors = np.eye(3, dtype=np.float32)
    head = Instruction(Instruction.Settings()).head(vectors[[2, 0, 1]], np.array([2, 0, 1]), 3).eval()
    assert head(torch.eye(3)).argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_examples_show_k_rows(k: int) -> None:
    angles = np.radians([0, 10, 20, 30, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    head = Examples(Examples.Settings(k=k)).head(vectors, np.array([0, 1, 1, 2, 2]), 3).eval()
    shares = head(torch.tensor([[1.0, 0.0]]))[0].numpy()
    votes = np.zeros(3)
    for i in range(k):
        votes[[0, 1, 1, 2, 2][i]] += np.cos(angles[i])
    assert np.abs(shares - votes / votes.sum()).max() < 1e-5


def test_examples_answer_a_train_row_with_its_own_label() -> None:
    random = np.random.default_rng(0)
    vectors, codes = random.normal(size=(50, 8)).astype(np.float32), random.integers(0, 4, 50)
    head = Examples(Examples.Settings(k=1)).head(vectors, codes, 4).eval()
    assert np.array_equal(head(torch.from_numpy(vectors)).argmax(1).numpy(), codes)
