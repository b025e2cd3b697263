"""Two texts as one row of tokens: as the tokenizer itself would, cut fairly, with a border where it knows none."""

from __future__ import annotations

import numpy as np
import pytest

from tailorlm.models.resolve import resolve
from tailorlm.tasks._pairs import fair, frame_of, read_pairs
from tiny import WORDS, tokenizer


def drawn(rng: np.random.Generator, most: int) -> str:
    return " ".join(rng.choice(WORDS, int(rng.integers(0, most))))


@pytest.mark.parametrize("kind", ["bert", "roberta", "llama", "t5"])
def test_pairs_are_framed_and_cut_as_the_tokenizer_does(kind: str) -> None:
    made, rng = tokenizer(kind), np.random.default_rng(0)
    pairs = [[drawn(rng, 30), drawn(rng, 30)] for _ in range(100)]
    for limit in (64, 21, 12):
        ours = read_pairs(made, pairs, limit)
        theirs = made(
            [one for one, _ in pairs],
            [two for _, two in pairs],
            truncation="longest_first",
            max_length=limit,
            return_token_type_ids=True,
        )
        assert list(ours.tokens) == theirs["input_ids"]
        assert ours.types is not None
        assert list(ours.types) == theirs["token_type_ids"]
        assert ours.cut == sum(len(made(*pair)["input_ids"]) > limit for pair in pairs)


@pytest.mark.starter
def test_pairs_are_those_of_the_starter_s_tokenizer() -> None:
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(resolve("starter").folder)
    pairs = [["Wo ist 東京?", "naïve 😀 café " * 40], ["", "x"], ["a" * 300, "Unbelievable! " * 90]]
    ours = read_pairs(made, pairs, 128)
    theirs = made(*map(list, zip(*pairs, strict=True)), truncation="longest_first", max_length=128)
    assert list(ours.tokens) == theirs["input_ids"]
    assert list(ours.types or ()) == theirs["token_type_ids"]


@pytest.mark.parametrize("kind", ["gpt", "qwen"])
def test_tokenizers_without_a_border_get_one(kind: str) -> None:
    made = tokenizer(kind)
    frame = frame_of(made)
    assert frame.between[0]
    assert not frame.leads
    one, other = (made(text)["input_ids"] for text in ("pay the fee", "now"))
    assert read_pairs(made, [["pay the fee", "now"]], 64).tokens[0] == [*one, *frame.between[0], *other]
    assert read_pairs(made, [["pay", "the fee"]], 64).tokens[0] != read_pairs(made, [["pay the", "fee"]], 64).tokens[0]


def test_a_tokenizer_that_frames_one_text_alone_frames_two() -> None:
    made = tokenizer("bert")
    from tokenizers import processors

    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", made.cls_token_id), ("[SEP]", made.sep_token_id)]
    )
    words = made("pay now", add_special_tokens=False)["input_ids"]
    expected = [made.cls_token_id, words[0], made.sep_token_id, words[1], made.sep_token_id]
    assert read_pairs(made, [["pay", "now"]], 64).tokens[0] == expected


def test_the_longer_text_gives_way_until_both_are_equal() -> None:
    assert fair(5, 3, 10) == (5, 3)
    assert fair(20, 3, 10) == (7, 3)
    assert fair(3, 20, 10) == (3, 7)
    assert fair(20, 30, 9) == (4, 5)
    assert fair(30, 20, 9) == (5, 4)
    assert fair(0, 20, 9) == (0, 9)
    for first in range(12):
        for second in range(12):
            assert sum(fair(first, second, 7)) == min(7, first + second)
