"""A bar by length: by hand, at its ends, and that search and choice both hold to it."""

import numpy as np
import pytest

from tailorlm.core.errors import UsageError
from tailorlm.data.near import Bar, Cluster, Given, Near, Shingles, choose, find_near


def test_by_hand():
    bar = Bar()
    assert bar.of([0, 10, 40, 60, 90, 5000], [0, 10, 40, 60, 90, 5000]).tolist() == pytest.approx(
        [0.6, 0.6, 0.6, 50 / 70, 0.8, 0.8]
    )
    assert float(bar.of(50, 70)) == pytest.approx(50 / 70)  # the mean of the two counts
    assert Bar(0.7, 0.7).of([1, 1000], [1, 1000]).tolist() == [0.7, 0.7]
    assert np.all(np.diff(Bar(0.1, 1.0).of(np.arange(200), np.arange(200))) >= 0)


@pytest.mark.parametrize("bounds", [(0.0, 0.5), (0.8, 0.6), (0.5, 1.1)])
def test_bounds(bounds):
    with pytest.raises(UsageError, match="out of bounds"):
        Bar(*bounds)


def texts_with_edits() -> list[str]:
    """Short and long texts, each with a copy in which one word of seven letters is another."""
    rnd = np.random.default_rng(3)
    words = ["".join(rnd.choice(list("abcdefghijklmnopqrstuvwxyz"), 7)) for _ in range(900)]
    texts = []
    for size in (5, 5, 5, 40, 40, 40):
        own = [str(word) for word in rnd.choice(words, size)]
        texts += [" ".join(own), " ".join([*own[:2], "changed", *own[3:]])]
    # A long text and one that shares three quarters of it: alike, and yet another text.
    texts.append(" ".join([*texts[6].split()[:35], *texts[8].split()[:5]]))
    return texts


def test_short_copies_are_found_and_long_texts_must_be_more_alike():
    texts = texts_with_edits()
    sets = Shingles(3).sets(texts)
    similar = [len(sets[i] & sets[i + 1]) / len(sets[i] | sets[i + 1]) for i in (0, 2, 4, 6, 8, 10)]
    assert all(0.5 < s < 0.65 for s in similar[:3])
    assert all(s > 0.85 for s in similar[3:])
    bar = Bar(low=min(similar), spoilt=12)
    found = {cluster.indices for cluster in find_near(texts, threshold=bar, shingle=3)}
    assert found == {(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)}
    # At one low number the long text that is another one is taken for a copy.
    assert (6, 7, 12) in {cluster.indices for cluster in find_near(texts, threshold=bar.low, shingle=3)}
    fetch = [texts[i] for i in (6, 12)].__getitem__
    pair = [Cluster((0, 1), ())]
    assert choose(pair, lambda asked: [fetch(i) for i in asked], threshold=bar) == []
    [given] = choose(pair, lambda asked: [fetch(i) for i in asked], threshold=bar.low)
    assert isinstance(given, Given)
    assert bar.low < given.similarity < 0.8


def test_bands_are_made_for_the_lowest_bar():
    assert Near(threshold=Bar(0.6, 0.9)).bands == Near(threshold=0.6).bands
