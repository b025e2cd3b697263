"""Rows of tokens as models read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tailorlm.tasks._pairs import read_pairs
from tailorlm.tasks.readings import Ragged, Readings, left_out, ragged_ids, token_ids
from tiny import WORDS, tokenizer


def test_rows_in_one_array_are_the_lists_they_were() -> None:
    rows = [[5, 70_000, 2], [], [1], list(range(300))]
    ragged = Ragged(rows)
    assert (len(ragged), list(ragged), ragged[-1], ragged[1:3]) == (4, rows, rows[3], [[], [1]])
    assert ragged == rows
    assert type(ragged[0][0]) is int
    assert Readings(ragged).fingerprint == Readings(rows).fingerprint
    assert Readings(ragged).lengths == [3, 0, 1, 300]
    assert Readings(ragged).select([3, 0]).tokens == [rows[3], rows[0]]
    with pytest.raises(IndexError):
        ragged[4]
    assert list(Ragged([])) == []
    made = tokenizer("bert")
    texts = ["money bank", "", "a salary and a tax"] * 3
    assert ragged_ids(made, texts, 4) == token_ids(made, texts, 4)
    assert ragged_ids(made, [], 4) == []


def test_what_is_too_long_is_counted_in_tokens() -> None:
    made, rng = tokenizer("bert"), np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, int(rng.integers(1, 30)))) for _ in range(50)]
    whole = [len(ids) for ids in made(texts)["input_ids"]]

    def read(some: Sequence[str], most: int) -> Readings:
        return Readings(ragged_ids(made, some, most))

    for limit in (10, 20, 1000):
        longer = [length - limit for length in whole if length > limit]
        assert left_out(read, texts, read(texts, limit), limit) == (len(longer), sum(longer))
    pairs = list(zip(texts[:25], texts[25:], strict=True))

    def together(some: Sequence[Sequence[str]], most: int) -> Readings:
        return read_pairs(made, some, most)

    cut = together(pairs, 24)
    lost = [len(made(*pair)["input_ids"]) - length for pair, length in zip(pairs, cut.lengths, strict=True)]
    assert left_out(together, pairs, cut, 24) == (sum(one > 0 for one in lost), sum(lost))

    def apart(some: Sequence[Sequence[str]], most: int) -> Readings:
        one, two = (ragged_ids(made, [pair[side] for pair in some], most) for side in (0, 1))
        return Readings(one, others=two)

    lost = [sum(max(0, len(made(text)["input_ids"]) - 12) for text in pair) for pair in pairs]
    assert left_out(apart, pairs, apart(pairs, 12), 12) == (sum(one > 0 for one in lost), sum(lost))

    def windows(some: Sequence[str], most: int) -> Readings:
        cut = [
            (row, ids[at : at + most])
            for row, ids in enumerate(made(list(some))["input_ids"])
            for at in range(0, len(ids), most)
        ]
        return Readings([ids for _, ids in cut], [row for row, _ in cut])

    assert left_out(windows, texts, windows(texts, 10), 10) == (0, 0), "in windows all is read"
