"""The search against comparing all with all; what comes in in which order and on how many threads must not matter."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from near_rows import edited, rows, sentence

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data import find_repeats, normalised
from tailorlm.data.near import Cluster, Near, Pair, Shingles, across, bands, find_near, place, shingle_for, sketch
from tailorlm.data.near import index as index_module
from tailorlm.data.near import sketches as sketch_module
from tailorlm.data.near.bands import Bands, band_keys, buckets, choose_bands


def all_pairs(texts: Sequence[str], shingles: Shingles, threshold: float) -> list[tuple[int, int]]:
    """Every pair at the threshold, by brute force."""
    sets = shingles.sets(texts)
    return [
        (i, j)
        for j, right in enumerate(sets)
        for i, left in enumerate(sets[:j])
        if left | right and len(left & right) / len(left | right) >= threshold
    ]


def together(clusters: Sequence[Cluster]) -> dict[int, int]:
    return {row: number for number, cluster in enumerate(clusters) for row in cluster.indices}


def test_by_hand():
    texts = [
        "Where is my new card",
        "close my account",
        "where is my new card?",
        "where is my new card now",
        "close",
        "",
    ]
    [cluster] = find_near(texts, threshold=0.7, shingle=3)
    assert cluster.indices == (0, 2, 3)
    # 'whereismynewcard' has 14 different runs of three, three more come with 'now'.
    assert cluster.pairs == (Pair(0, 2, 1.0, "normalised"), Pair(0, 3, 14 / 17, "near"))
    assert find_near([]) == find_near(["one"]) == []


def test_kinds_of_equal_rows():
    [cluster] = find_near(["A b", "a b", "A b", "a b", "ab!"])
    assert cluster.indices == (0, 1, 2, 3, 4)
    assert [(p.left, p.right, p.kind) for p in cluster.pairs] == [
        (0, 1, "normalised"),
        (0, 2, "exact"),
        (0, 4, "normalised"),
        (1, 3, "exact"),
    ]


@pytest.mark.parametrize(
    ("threshold", "shingle", "unit"),
    [(0.5, 3, "characters"), (0.7, 3, "characters"), (0.8, 5, "characters"), (0.9, 2, "characters"), (0.6, 2, "words")],
)
def test_recall_and_precision_against_all_pairs(threshold: float, shingle: int, unit: str) -> None:
    texts = rows(450, seed=1)
    expected = all_pairs(texts, Shingles(shingle, unit), threshold)  # type: ignore[arg-type]
    found = find_near(texts, threshold=threshold, shingle=shingle, unit=unit)  # type: ignore[arg-type]
    numbers = together(found)
    met = sum(numbers.get(i, -1) == numbers.get(j, -2) for i, j in expected)
    assert len(expected) > 60
    assert met / len(expected) >= 0.97
    near = [(p.left, p.right) for cluster in found for p in cluster.pairs if p.kind == "near"]
    assert set(near) <= set(expected)
    assert len(near) > 15


def test_candidates_alone_reach_the_recall_even_for_short_rows_at_the_threshold():
    """Without the help of clusters: pairs just at the threshold, of texts of 8 to 40 characters, over several seeds."""
    rnd = random.Random(5)
    made: list[tuple[str, str]] = []
    while len(made) < 400:
        text = sentence(rnd, rnd.randint(2, 8))
        other = edited(text, rnd)
        left, right = Shingles(3).sets([text, other])
        if 0.7 <= len(left & right) / len(left | right) < 0.75:
            made.append((text, other))
    found = 0
    for seed in range(3):
        near = Near(threshold=0.7, shingle=3, seed=seed)
        signed = sketch([text for pair in made for text in pair], near.signatures).signatures
        keys = [band_keys(signed, band, near.bands.rows) for band in range(near.bands.number)]
        found += sum(any(own[i] == own[i + 1] for own in keys) for i in range(0, len(signed), 2))
    assert found / (3 * len(made)) >= 0.97


def test_every_pair_is_explained_by_its_true_similarity():
    texts = rows(500, seed=2)
    sets = Shingles(3).sets(texts)
    seen = 0
    for cluster in find_near(texts, threshold=0.6, shingle=3):
        assert list(cluster.indices) == sorted(set(cluster.indices))
        assert len(cluster.pairs) == len(cluster.indices) - 1
        assert {row for p in cluster.pairs for row in (p.left, p.right)} == set(cluster.indices)
        for p in cluster.pairs:
            left, right = sets[p.left], sets[p.right]
            assert p.left < p.right
            assert p.similarity == len(left & right) / len(left | right) >= 0.6
            assert (p.kind == "exact") == (texts[p.left] == texts[p.right])
            assert (p.kind != "near") == (normalised(texts[p.left]) == normalised(texts[p.right]))
            seen += 1
    assert seen > 150


def test_the_same_whatever_the_portions_and_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = rows(1500, seed=4)
    expected = find_near(texts)
    assert find_near(texts, workers=3) == expected
    asked: list[int] = []

    def fetch(indices: Sequence[int]) -> list[str]:
        assert list(indices) == sorted(set(indices))
        asked.extend(indices)
        return [texts[i] for i in indices]

    def stream() -> Iterator[str]:
        yield from texts

    assert find_near(stream(), fetch=fetch) == expected
    assert asked
    near = Near()
    for at in range(0, len(texts), 37):
        assert near.add(iter(texts[at : at + 37])) == range(at, min(at + 37, len(texts)))
    assert len(near) == 1500
    assert near.clusters(fetch) == expected == near.clusters(fetch)
    monkeypatch.setattr(sketch_module, "_TEXTS", 11)
    monkeypatch.setattr(sketch_module, "_LONG", 40)  # most texts take the way of the long ones
    assert [c.indices for c in find_near(texts, workers=2)] == [c.indices for c in expected]


def test_long_texts_go_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from tailorlm.data.near import shingles, verify

    texts = [sentence(random.Random(i), 900) for i in range(4)]
    texts += [texts[1].upper(), texts[2] + " and more", "x", "日本語" * 2000]
    expected = {unit: find_near(texts, shingle=5, unit=unit) for unit in ("characters", "words")}
    assert [c.indices for c in expected["words"]] == [(1, 4), (2, 5)]
    monkeypatch.setattr(sketch_module, "_LONG", 100)
    monkeypatch.setattr(shingles, "_PIECE", 64)
    assert {unit: find_near(texts, shingle=5, unit=unit) for unit in ("characters", "words")} == expected
    monkeypatch.setattr(verify, "_CHARACTERS", 1000)
    thinned = find_near(texts, shingle=5)
    assert [c.indices for c in thinned] == [(1, 4), (2, 5)]
    assert thinned[1].pairs[0].similarity == pytest.approx(expected["characters"][1].pairs[0].similarity, abs=0.02)


def test_sketches_made_elsewhere_go_together():
    texts = rows(600, seed=6)
    near = Near(shingle=3)
    for at in range(0, 600, 250):
        near.take(sketch(texts[at : at + 250], near.signatures))
    assert near.clusters(lambda asked: [texts[i] for i in asked]) == find_near(texts, shingle=3)
    with pytest.raises(TailorError, match="other settings"):
        near.take(sketch(texts[:3], Near(permutations=64).signatures))


def test_crowds_are_led_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template fills buckets with more rows than are compared each with each; copies still come together."""
    rnd = random.Random(0)
    texts = [f"the order {sentence(rnd, 2)} has been sent to you today by our house" for _ in range(300)]
    texts += [f"{text}!" for text in texts[:50]] + [text.replace("sent", "zent") for text in texts[50:100]]
    whole = Near(threshold=0.8, shingle=3)
    whole.add(texts)
    whole.clusters(lambda asked: [texts[i] for i in asked])
    assert whole.crowded == 0
    monkeypatch.setattr(bands, "_WHOLE", 10)
    near = Near(threshold=0.8, shingle=3)
    near.add(texts)
    numbers = together(near.clusters(lambda asked: [texts[i] for i in asked]))
    assert near.crowded > 100
    assert all(numbers[i] == numbers[300 + i] for i in range(100))


def test_no_words_are_no_likeness():
    assert find_near(["?!", "😀 😀", "…", "", "one"], unit="words", shingle=1) == []
    assert [c.indices for c in find_near(["?!", " ", "?! ", ""])] == [(0, 2), (1, 3)]


def test_cjk_emoji_and_surrogates():
    texts = [
        "我的新卡在哪里我想知道",
        "我的新卡在哪裡我想知道",
        "我的新卡在哪里?我想知道!",
        "😀" * 9,
        "😀" * 9 + "😡",
        "\ud800 lone",
        "\ud800  LONE",
    ]
    assert [c.indices for c in find_near(texts, threshold=0.5, shingle=2)] == [(0, 1, 2), (3, 4), (5, 6)]


def test_one_space_for_several_lists():
    train, test = ["one and the same row", "other words", "other words"], ["One and the same row.", "new"]
    clusters = find_near([*train, *test])
    assert [c.indices for c in clusters] == [(0, 3), (1, 2)]
    assert [c.indices for c in across(clusters, [3, 2])] == [(0, 3)]
    assert [place(i, [3, 0, 2]) for i in (0, 2, 3, 4)] == [(0, 0), (0, 2), (2, 0), (2, 1)]
    with pytest.raises(IndexError):
        place(5, [3, 2])


def test_the_shingle_follows_the_first_texts():
    short, long = rows(50), [sentence(random.Random(i), 200) for i in range(50)]
    assert (shingle_for(short), shingle_for(long), shingle_for([])) == (3, 5, 3)
    near = Near()
    near.add(iter(long))
    near.clusters(lambda asked: [long[i] for i in asked])
    assert near.shingles == Shingles(5)


def test_memory_is_what_it_says():
    near = Near(permutations=64)
    near.add(rows(3000))
    assert near.bytes_per_row == 84
    held = [near._exact, near._folded, near._lengths, near._signed]
    assert sum(array.itemsize * array[0].size for array in held) == 84
    assert held[0].shape[0] <= 3000 + index_module._GROW


@given(st.lists(st.text("ab ", max_size=5), max_size=10))
def test_equal_rows_are_those_of_quality(texts: list[str]) -> None:
    found = [list(c.indices) for c in find_near(texts, threshold=1.0, shingle=5)]
    # At 1.0 a set of shingles may still be equal for texts that are not ('aaaaaa', 'aaaaa'): never fewer than equal rows.
    numbers = {row: number for number, cluster in enumerate(found) for row in cluster}
    assert all(len({numbers.get(row, -row - 1) for row in group}) == 1 for group in find_repeats(texts))


def test_bands_are_as_wide_as_the_recall_allows():
    assert choose_bands(0.7, 128, 0.97) == Bands(25, 5)
    assert choose_bands(0.8, 128, 0.97) == Bands(18, 7)
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.999999):
        chosen = choose_bands(threshold, 128, 0.97)
        assert chosen.chance(threshold) >= 0.97
        assert chosen.number * chosen.rows <= 128
    assert Bands(2, 1).chance(0.5) == 0.75
    with pytest.raises(UsageError, match="so few"):
        choose_bands(0.01, 8, 0.97)


def test_buckets_by_hand():
    met = buckets(np.array([7, 3, 7, 9, 3, 7], np.uint64))
    assert met.members.tolist() == [1, 4, 0, 2, 5]
    assert met.starts.tolist() == [0, 2, 5]
    assert np.concatenate(list(met.stars())).tolist() == [[1, 4], [0, 2], [0, 5]]
    assert np.concatenate(list(met.rest(lambda x: x))).tolist() == [[2, 5]]
    assert list(met.rest(lambda x: x * 0)) == []
    none = buckets(np.array([1, 2], np.uint64))
    assert (list(none.stars()), list(none.rest(lambda x: x))) == ([], [])


def test_bounds_and_faults():
    with pytest.raises(UsageError, match="threshold"):
        find_near([], threshold=0)
    with pytest.raises(UsageError, match="threshold"):
        find_near([], threshold=1.01)
    with pytest.raises(UsageError, match="workers"):
        find_near([], workers=0)
    with pytest.raises(UsageError, match="recall"):
        Near(recall=1)
    with pytest.raises(UsageError, match="stream"):
        find_near(iter(["a"]))
    with pytest.raises(TailorError, match="1 texts for 2 indices"):
        find_near(iter(["a row of words", "a row of word"]), fetch=lambda asked: ["x"], threshold=0.6)


def test_the_typical_length_of_documents_takes_little_memory():
    import tracemalloc

    from tailorlm.data.near import typical_length

    document = "some words of a long document, " * 30_000
    tracemalloc.start()
    assert typical_length([document] * 40 + ["short"]) > 300
    assert typical_length(["short one"] * 40 + [document]) < 300
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
