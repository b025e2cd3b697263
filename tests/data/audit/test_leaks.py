"""Giveaways: planted ones are found, chance and topics give none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from audit_rows import made_rows

from tailorlm.core.errors import UsageError
from tailorlm.data import read
from tailorlm.data.audit import AuditSettings, Finding, audit, leaks
from tailorlm.data.audit.leaks import forms, tokens

SHARED = Path(__file__).parents[4] / "shared" / "data"


def giveaway(texts: list[str], labels: list[str]) -> list[Finding]:
    return audit(texts, labels, settings=AuditSettings(checks=("giveaway",)))


def test_by_hand() -> None:
    # 'x' stands in 20 rows of 'p' and in no other, of 30 'p' and 30 'q'.
    texts = ["x a"] * 20 + ["b a"] * 10 + ["c a"] * 30
    labels = ["p"] * 30 + ["q"] * 30
    found = {(leak.place, leak.token): leak for leak in leaks(texts, labels)}
    leak = found["anywhere", "x"]
    assert (leak.label, leak.rows, leak.elsewhere) == ("p", 20, 0)
    assert leak.coverage == pytest.approx(2 / 3)
    assert leak.purity == pytest.approx(20.5 / 21)
    # Counts 20.5, 0.5, 10.5 and 30.5 of 62, margins 21 and 41, 31 and 31.
    cells = [(20.5, 21, 31), (0.5, 21, 31), (10.5, 41, 31), (30.5, 41, 31)]
    bits = sum(n / 62 * math.log2(n * 62 / (a * b)) for n, a, b in cells)
    assert leak.information == pytest.approx(bits)
    assert leak.told == pytest.approx(bits)  # two even labels hold one bit
    # Tokens with ten rows or more: a, x, b, c, each where it stands, and one form.
    assert leak.p == pytest.approx(0.5**20 * 2 * 10 - 0.5**20 * 2 * 1, rel=0.2)
    assert ("anywhere", "a") not in found
    assert ("first", "x") in found
    with pytest.raises(UsageError, match="in pairs"):
        leaks(["a"], [])


def test_tokens_and_forms() -> None:
    assert list(tokens("Ab, ab 日本")) == [
        ("form", "sign beyond ASCII"),
        ("first", "ab"),
        ("last", "本"),
        ("anywhere", "ab"),
        ("anywhere", ","),
        ("anywhere", "日"),
        ("anywhere", "本"),
    ]
    assert list(forms(" a\nb  c ")) == [
        "blank at the start",
        "blank at the end",
        "line break",
        "two blanks in a row",
        "no capital letter",
    ]
    assert list(forms("OK!")) == ["capitals only"]
    assert list(forms("")) == list(forms("7")) == []


@pytest.mark.parametrize("seed", range(5))
def test_labels_dealt_at_random_give_none(seed: int) -> None:
    texts, labels = made_rows(600, seed)
    random = np.random.default_rng(seed)
    mixed = [labels[i] for i in random.permutation(600)]
    assert leaks(texts, mixed, purity=0.5) == []
    assert giveaway(texts, mixed) == []
    assert giveaway(texts, labels) == []  # every word of a topic is pure, and none is a giveaway


PLANTS = {
    "word in every row": lambda text: text.replace(" ", " zq ", 1),
    "first word": lambda text: f"re: {text}",
    "last sign": lambda text: text.rstrip(".") + " >",
    "code": lambda text: text.replace(" ", " kx7 ", 1),
    "blank at the end": lambda text: text + " ",
    "capitals": str.upper,
    "fastText label": lambda text: f"__label__garden {text}",
}


@pytest.mark.parametrize("name", PLANTS)
def test_planted_giveaways_are_found(name: str) -> None:
    assert len(PLANTS) == 7
    texts, labels = made_rows(400)
    rows = [i for i, label in enumerate(labels) if label == "garden"]
    if name != "word in every row":
        rows = rows[: int(0.6 * len(rows))]
    for i in rows:
        texts[i] = PLANTS[name](texts[i])
    found = giveaway(texts, labels)
    assert [finding.code for finding in found] == ["giveaway"]
    assert set(found[0].rows) == set(rows)
    assert found[0].numbers["labels"] == 1
    assert {line["label"] for line in found[0].details} == {"garden"}


def test_words_of_rows_stand_in_the_details_alone() -> None:
    texts, labels = made_rows(400)
    texts = [f"{text} zqzq" if label == "music" else text for text, label in zip(texts, labels, strict=True)]
    found = giveaway(texts, labels)[0]
    assert "zqzq" not in found.message + found.advice + repr(found) + repr(leaks(texts, labels))
    assert "zqzq" in str(found.details)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["banking77", "hwu64", "clothing_reviews", "product_reviews", "pros_cons", "movie_reviews"]
)
def test_real_sets_give_none(name: str) -> None:
    file = next((SHARED / name).glob("train.jsonl*"))
    rows = read(file)
    texts, labels = rows.column("text"), [str(label) for label in rows.column("label")]
    assert len(texts) >= 800
    assert giveaway(texts, labels) == []
