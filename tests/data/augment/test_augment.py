"""The whole of augmentation: how many, from which rows, which are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from tailorlm.core.errors import UsageError
from tailorlm.data import normalised
from tailorlm.data.augment import Agreement, AugmentSettings, Draft, augment, way_of
from tailorlm.data.augment._run import Way

WORDS = {
    "garden": "rose tulip soil spade seed hedge lawn compost pruning blossom weeds watering",
    "kitchen": "oven flour butter whisk simmer garlic onion recipe saucepan spice dough baking",
    "travel": "train ticket luggage passport airport hotel platform delay flight border visa tour",
}


def made_rows(sizes: dict[str, int], seed: int = 0) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for label, size in sizes.items():
        words = WORDS[label].split()
        for _ in range(size):
            texts.append("Please tell me about " + " ".join(str(w) for w in random.choice(words, 5, False)))
            labels.append(label)
    return texts, labels


def ways(*names: str) -> list[Way]:
    return [way_of(name) for name in names]


SIZES = {"garden": 40, "kitchen": 20, "travel": 10}


def test_every_label_reaches_the_target() -> None:
    texts, labels = made_rows(SIZES)
    for target, wanted in (("largest", (0, 20, 30)), ("median", (0, 0, 10)), (45, (5, 25, 35))):
        settings = AugmentSettings(target=target)
        made = augment(texts, labels, ways("typos", "word_swap", "word_drop"), settings=settings)
        assert Counter(row.label for row in made.rows) == Counter(dict(zip(SIZES, wanted, strict=True)))
        assert made.short == {}
        assert sum(made.made.values()) == len(made.rows)
        assert [labels[row.origins[0]] for row in made.rows] == [row.label for row in made.rows]
        assert max(Counter(row.origins[0] for row in made.rows).values()) <= 4
    assert set(made.made) == {"typos", "word_swap", "word_drop"}
    assert made.rows[0].mark == f"augmented: {made.rows[0].way}"


def test_no_copies_and_no_words_of_held_out_rows() -> None:
    texts = ["a b", "b a!", "B, C", "x y", "y x"]
    labels = ["one", "two", "two", "one", "one"]
    splits = ["train", "test", "train", "train", "validation"]
    settings = AugmentSettings(target=9, check="none")
    made = augment(texts, labels, ways("word_swap"), splits=splits, settings=settings)
    # 'a b' swapped is a test row and 'x y' a validation row: only 'C B,' is new.
    assert [(row.text, row.origins) for row in made.rows] == [("C B,", (2,))]
    assert made.short == {"one": 7, "two": 7}
    assert made.rejected["word_swap", "copy"] > 0
    avoided = augment(texts, labels, ways("word_swap"), splits=splits, avoid=["c b"], settings=settings)
    assert avoided.rows == ()


def test_sources_are_train_rows_without_contradiction() -> None:
    texts, labels = made_rows(SIZES)
    splits = ["train" if i % 2 else "test" for i in range(len(texts))]
    texts += ["The same text here", "the same text here!", "", "no label at all"]
    labels += ["garden", "travel", "garden", " "]
    splits += ["train"] * 4
    made = augment(
        texts, labels, ways("word_swap"), splits=splits, settings=AugmentSettings(target=60, check="none", per_row=9)
    )
    origins = {row.origins[0] for row in made.rows}
    assert len(made.rows) > 60
    assert all(splits[i] == "train" for i in origins)
    assert not origins & {70, 71, 72, 73}
    keys = [normalised(row.text) for row in made.rows]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {normalised(text) for text in texts}


def test_order_of_rows_and_other_labels_make_no_difference() -> None:
    texts, labels = made_rows(SIZES)
    settings = AugmentSettings(target=50)
    one = augment(texts, labels, ways("typos", "word_drop"), settings=settings)
    mixed = np.random.default_rng(1).permutation(len(texts))
    other = augment(
        [texts[i] for i in mixed], [labels[i] for i in mixed], ways("typos", "word_drop"), settings=settings
    )
    assert [(row.text, row.label, row.way) for row in one.rows] == [(r.text, r.label, r.way) for r in other.rows]
    assert [texts[row.origins[0]] for row in one.rows] == [texts[mixed[row.origins[0]]] for row in other.rows]
    again = augment(texts, labels, ways("typos", "word_drop"), settings=AugmentSettings(target=50, seed=1))
    assert {row.text for row in again.rows} != {row.text for row in one.rows}


def test_the_check_keeps_only_rows_whose_label_holds() -> None:
    texts, labels = made_rows(SIZES)

    def turned(rows: list[str], seeds: list[int]) -> list[str | None]:
        """Half of the rewrites are about another topic."""
        other = {"kitchen": "rose tulip soil spade seed", "travel": "oven flour butter whisk simmer"}
        found: list[str | None] = []
        for text, seed in zip(rows, seeds, strict=True):
            label = labels[texts.index(text)]
            same = seed % 2 == 0
            found.append(f"Please {seed} " + (text[22:] if same else other.get(label, "train ticket hotel delay visa")))
        return found

    settings = AugmentSettings(target=40, per_row=10)
    made = augment(texts, labels, [way_of("rewrite", function=turned)], settings=settings)
    assert len(made.rows) > 30
    assert made.rejected["rewrite", "label"] > 10
    wrong = [row for row in made.rows if not set(row.text.split()[2:]) & set(WORDS[row.label].split())]
    assert len(wrong) == 0
    free = augment(texts, labels, [way_of("rewrite", function=turned)], settings=settings.with_(check="none"))
    assert sum(not set(r.text.split()[2:]) & set(WORDS[r.label].split()) for r in free.rows) > 10


def test_a_row_with_a_wrong_label_does_not_pass_its_error_on() -> None:
    texts, labels = made_rows({"garden": 40, "kitchen": 40, "travel": 39})
    wrong = [0, 1, 2]
    for i in wrong:
        labels[i] = "travel"
    made = augment(texts, labels, ways("typos", "word_swap"), settings=AugmentSettings(target=80))
    assert len(made.rows) > 80
    assert not {row.origins[0] for row in made.rows} & set(wrong)


def test_a_check_of_the_callers_own() -> None:
    texts, labels = made_rows(SIZES)
    asked: list[Draft] = []

    def check(drafts: Sequence[Draft]) -> list[bool]:
        asked.extend(drafts)
        return [draft.origins[0] % 2 == 0 for draft in drafts]

    made = augment(texts, labels, ways("typos"), check=check, settings=AugmentSettings(target="largest"))
    assert made.rows
    assert all(row.origins[0] % 2 == 0 for row in made.rows)
    assert {row.text for row in made.rows} <= {draft.text for draft in asked}


def test_rare_labels_are_not_rejected_for_being_rare() -> None:
    texts, labels = made_rows({"garden": 400, "kitchen": 8})
    made = augment(texts, labels, ways("typos"), settings=AugmentSettings(target=24))
    assert len(made.rows) == 16


def test_agreement_by_label_and_without_origin() -> None:
    texts, labels = made_rows({"garden": 30, "kitchen": 30})
    check = Agreement().fit(texts, labels)
    good = Draft("Tell me about tulip and hedge and lawn", "garden", "templates")
    assert check([good, Draft(good.text, "kitchen", "templates"), Draft(good.text, "unknown", "templates")]) == [
        True,
        False,
        False,
    ]
    assert sum(check.chances([good, Draft(good.text, "kitchen", "templates")])) == pytest.approx(1.0, abs=1e-5)
    assert check([]) == []
    assert Agreement().fit(["a", "b"], ["x", "y"])([Draft("a", "x", "typos", (0,))]) == [False]


@pytest.mark.parametrize(("texts", "labels"), [([], []), (["a b"], ["x"]), ([""], ["x"]), (["a b"], [""])])
def test_next_to_nothing(texts: list[str], labels: list[str]) -> None:
    made = augment(texts, labels, ways("word_swap"), settings=AugmentSettings(target=3))
    assert made.rows == ()


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="in pairs"):
        augment(["a"], [], ways("typos"))
    with pytest.raises(UsageError, match="splits"):
        augment(["a"], ["x"], ways("typos"), splits=[])
    with pytest.raises(UsageError, match="no way"):
        augment(["a"], ["x"], [])
    with pytest.raises(UsageError, match="target"):
        augment(["a"], ["x"], ways("typos"), settings=AugmentSettings(target=0))


def test_private_text_stays_out_of_reprs() -> None:
    made = augment(["secret words here"], ["x"], ways("word_swap"), settings=AugmentSettings(target=2, check="none"))
    assert len(made.rows) == 1
    assert "secret" not in repr(made) + repr(made.rows)
