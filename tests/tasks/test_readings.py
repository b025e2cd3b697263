"""Rows of tokens as models read them."""

from __future__ import annotations

import pytest

from tailorlm.tasks.readings import Readings
from tiny import tokenizer


def test_rows_in_one_array_are_the_lists_they_were() -> None:
    from tailorlm.tasks.readings import Ragged, ragged_ids, token_ids

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
