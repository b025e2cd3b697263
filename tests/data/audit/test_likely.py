"""Likely label errors: planted ones come first, on made rows and on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audit_rows import made_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data import read
from tailorlm.data.audit import likely_errors
from tailorlm.data.audit.crossfit import CrossFit, folds_of
from tailorlm.data.audit.hashing import BUCKETS, ngrams
from tailorlm.data.audit.vectors import TextVectors

SHARED = Path(__file__).parents[4] / "shared" / "data"


def planted(labels: list[str], part: float, seed: int) -> tuple[list[str], np.ndarray]:
    random = np.random.default_rng(seed)
    names = sorted(set(labels))
    wrong = random.choice(len(labels), int(part * len(labels)), replace=False)
    noisy = list(labels)
    for i in wrong:
        noisy[i] = str(random.choice([name for name in names if name != labels[i]]))
    return noisy, wrong


def test_planted_errors_are_flagged_and_come_first() -> None:
    texts, labels = made_rows(400)
    noisy, wrong = planted(labels, 0.05, 1)
    found = likely_errors(texts, noisy, trial=True)
    assert set(found.ranking[:20]) == set(wrong)
    # As many as the joint says: rows below the mean probability of their true label count for none.
    assert set(found.flagged) <= set(wrong)
    assert 10 <= len(found.flagged) <= found.expected <= 20
    assert found.accuracy == pytest.approx(0.95)
    assert [found.other[i] for i in wrong] == [labels[i] for i in wrong]
    assert sorted(found.ranking) == list(range(400))
    assert found.flagged == tuple(i for i in found.ranking if i in set(found.flagged))
    assert found.trial > 0.9


def test_clean_rows_give_none_and_random_labels_do_not_pass_for_learnt() -> None:
    texts, labels = made_rows(400)
    clean = likely_errors(texts, labels)
    assert clean.flagged == ()
    assert clean.expected == 0
    assert np.isnan(clean.trial)
    shuffled = [labels[i] for i in np.random.default_rng(0).permutation(400)]
    lost = likely_errors(texts, shuffled, trial=True)
    assert lost.accuracy < 0.35
    assert lost.trial < 0.35


def test_order_of_rows_makes_no_difference() -> None:
    texts, labels = made_rows(120)
    texts[7], labels[7] = texts[3], "music"
    noisy, _ = planted(labels, 0.1, 2)
    mixed = np.random.default_rng(3).permutation(120)
    one = likely_errors(texts, noisy, trial=True)
    other = likely_errors([texts[i] for i in mixed], [noisy[i] for i in mixed], trial=True)
    assert other.margin.tolist() == one.margin[mixed].tolist()
    assert {int(mixed[i]) for i in other.flagged} == set(one.flagged)
    assert other.trial == one.trial


def test_the_seed_matters_and_repeats() -> None:
    texts, labels = made_rows(120)
    one, same, other = (likely_errors(texts, labels, seed=seed).margin for seed in (0, 0, 1))
    assert one.tolist() == same.tolist()
    assert one.tolist() != other.tolist()


def test_copies_cannot_vouch_for_each_other() -> None:
    texts, labels = made_rows(200)
    # Five copies, retyped, of one garden row, all labelled wrongly alike.
    copies = [texts[0], texts[0].upper(), f" {texts[0]}", texts[0].replace(" ", "  "), texts[0] + "!"]
    found = likely_errors(texts[1:] + copies, labels[1:] + ["music"] * 5)
    assert set(found.ranking[:5]) == set(range(199, 204))


def test_labels_with_one_text_are_not_judged() -> None:
    texts, labels = made_rows(100)
    found = likely_errors([*texts, "quite alone", "Twice.", "twice"], [*labels, "single", "pair", "pair"])
    assert found.unjudged == (100, 101, 102)
    assert np.isnan(found.margin[100:]).all()
    assert set(found.ranking[-3:]) == {100, 101, 102}
    assert not set(found.flagged) & {100, 101, 102}


def test_vectors_of_the_caller_are_used() -> None:
    labels = ["a", "b"] * 50
    texts = [f"t{i}" for i in range(100)]
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]] * 50, dtype=np.float32)
    noisy = ["b", *labels[1:]]
    assert likely_errors(texts, noisy, vectors=vectors).ranking[0] == 0
    for bad, message in ((vectors[:9], "one a row"), (vectors * np.nan, "finite")):
        with pytest.raises(UsageError, match=message):
            likely_errors(texts, noisy, vectors=bad)


@pytest.mark.parametrize(
    ("texts", "labels"),
    [([], []), (["a"], ["x"]), (["a", "b"], ["x", "y"]), (["a b"] * 4, ["x"] * 4), (["", " ", "?"], ["x", "y", "x"])],
)
def test_too_little_to_judge_leaves_all_rows_unjudged(texts: list[str], labels: list[str]) -> None:
    found = likely_errors(texts, labels, trial=True)
    assert found.unjudged == tuple(range(len(texts)))
    assert found.flagged == ()
    assert sorted(found.ranking) == list(range(len(texts)))


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="in pairs"):
        likely_errors(["a"], [])
    with pytest.raises(UsageError, match="folds"):
        likely_errors(["a", "b"], ["x", "y"], folds=1)
    with pytest.raises(TailorError, match="no word in common"):
        TextVectors().fit(["abc", "xyz"])


ODD = [
    "日本語の文章です",
    "中文句子在这里",
    "😀😀 ok 👍🏽",
    "\ud800 lone \udfff",
    "a\x00b",
    "x" * 5000,
    "नमस्ते दुनिया",
    "\u2028",
    "",
]


def test_odd_texts_are_taken_as_they_are() -> None:
    texts = [text + end for text in ODD for end in ("", " a", " b", " c")]
    labels = ["x", "y"] * (len(texts) // 2)
    found = likely_errors(texts, labels)
    assert len(found.ranking) == 36
    vectors = TextVectors(8).fit(texts).transform(texts)
    assert np.isfinite(vectors).all()
    assert TextVectors(8).fit(texts).transform([]).shape == (0, 8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6))
def test_ngrams_of_a_block_are_those_of_its_texts(texts: list[str]) -> None:
    rows, buckets = ngrams(texts)
    assert ((buckets >= 0) & (buckets < BUCKETS)).all()
    for i, text in enumerate(texts):
        assert sorted(buckets[rows == i]) == sorted(ngrams([text])[1])


def test_ngrams_by_count() -> None:
    # Words: red, car, (red car); characters: ' re' 'red' 'ed ', ' red' 'red ', ' red ', and the same for car.
    assert len(ngrams(["Red car"])[1]) == 3 + 2 * 6
    assert sorted(ngrams(["Red car"])[1]) == sorted(ngrams(["red  CAR"])[1])
    # Each sign a word: three, two pairs; characters of one run with its blanks: 3 + 2 + 1.
    assert len(ngrams(["日本語"])[1]) == 5 + 6
    assert len(ngrams([])[1]) == 0


def test_vectors_do_not_depend_on_the_order_or_on_the_block() -> None:
    texts, _ = made_rows(60)
    one = TextVectors(16).fit(texts)
    other = TextVectors(16).fit(texts[::-1])
    assert one.transform(texts).tolist() == other.transform(texts).tolist()
    assert one.transform(texts[5:6])[0] == pytest.approx(one.transform(texts)[5], abs=1e-6)
    assert np.linalg.norm(one.transform(texts), axis=1) == pytest.approx(np.ones(60), abs=1e-5)


def test_folds_are_even_by_label_and_keep_copies_together() -> None:
    texts, labels = made_rows(100)
    codes = np.array([sorted(set(labels)).index(label) for label in labels])
    folds = folds_of([*texts, texts[4].upper()], np.append(codes, codes[4]), 5, 0)
    assert folds[100] == folds[4]
    for code in range(4):
        assert np.bincount(folds[:100][codes == code], minlength=5).tolist() == [5] * 5


def test_new_rows_are_judged_by_the_model_that_did_not_see_their_origin() -> None:
    texts, labels = made_rows(80)
    codes = np.array([sorted(set(labels)).index(label) for label in labels])
    vectors = TextVectors(16).fit(texts).transform(texts)
    folds = folds_of(texts, codes, 4, 0)
    fitted = CrossFit(4).fit(vectors, codes, folds)
    assert fitted.probabilities(vectors, folds) == pytest.approx(fitted.held_out)
    assert fitted.held_out.sum(axis=1) == pytest.approx(np.ones(80), abs=1e-5)


@pytest.mark.shared
@pytest.mark.parametrize("seed", [0, 1])
def test_five_per_cent_planted_in_banking77(seed: int) -> None:
    rows = read(SHARED / "banking77" / "train.jsonl.gz")
    # A third of the rows: the whole set stands in benchmarks/label_errors.py.
    chosen = rows.select(range(0, len(rows), 3))
    labels, wrong = planted(list(chosen.column("label")), 0.05, seed)
    found = likely_errors(chosen.column("text"), labels, seed=seed)
    assert len(chosen) == 3335
    assert np.isin(wrong, found.ranking[: len(labels) // 10]).mean() >= 0.6
