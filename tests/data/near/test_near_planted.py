"""Copies planted among real rows: every exact one and nine in ten of the lightly edited ones are found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tailorlm.data import read
from tailorlm.data.near import Bar, across, find_near
from tailorlm.data.overlap import Overlap

BANKING = Path(__file__).parents[4] / "shared" / "data" / "banking77"


def lightly_edited(text: str, how: int, rnd: random.Random) -> str:
    """One small edit: a typing error, a word left out, put in or replaced, two swapped, a greeting, capitals."""
    words = text.split()
    at = rnd.randrange(len(words))
    if how == 0:
        place = rnd.randrange(len(text))
        return text[:place] + rnd.choice("aeinst") + text[place + 1 :]
    if how == 1:
        return " ".join(words[:at] + words[at + 1 :])
    if how == 2:
        return " ".join([*words[:at], rnd.choice(["please", "really", "now"]), *words[at:]])
    if how == 3:
        return " ".join([*words[:at], rnd.choice(["card", "bank"]), *words[at + 1 :]])
    if how == 4:
        return " ".join([*words[:at], *words[at : at + 2][::-1], *words[at + 2 :]])
    return f"Hello, {text}" if how == 5 else text.upper().rstrip("?.!") + " !!"


@pytest.mark.shared
@pytest.mark.parametrize(("seed", "threshold"), [(0, 0.6), (1, 0.6), (2, 0.6), (0, Bar()), (1, Bar()), (2, Bar())])
def test_copies_of_test_rows_in_train(seed: int, threshold: float | Bar) -> None:
    rnd = random.Random(seed)
    test = [row.values["text"] for row in read(BANKING / "test.jsonl")][:1500]
    train = [row.values["text"] for row in read(BANKING / "train.jsonl.gz")][:3000]
    test = [text for text in test if len(text.split()) >= 5]
    chosen = rnd.sample(range(len(test)), 100)
    exact, edited = chosen[:50], chosen[50:]
    planted = [test[i] for i in exact] + [lightly_edited(test[i], n % 7, rnd) for n, i in enumerate(edited)]
    sizes = [len(train) + 100, len(test)]
    clusters = across(find_near([*train, *planted, *test], threshold=threshold), sizes)
    cluster_of = {row: number for number, cluster in enumerate(clusters) for row in cluster.indices}
    found = [
        cluster_of.get(len(train) + n, -1) == cluster_of.get(sizes[0] + i, -2) for n, i in enumerate(exact + edited)
    ]
    assert sum(found[:50]) == 50
    assert sum(found[50:]) >= 45
    overlap = Overlap()
    overlap.add_test(test)
    assert all(overlap.check(planted[n]) for n in range(50))
