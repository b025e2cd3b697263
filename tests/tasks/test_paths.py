"""Sequences of tags: the best legal one and its probabilities against all sequences tried one by one, with and without a chain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tailorlm.tasks._paths import chained, likeliest

TAGS = 5


def legal(path: tuple[int, ...]) -> bool:
    return all(tag % 2 or not tag or (i > 0 and path[i - 1] in (tag - 1, tag)) for i, tag in enumerate(path))


def every(words: int) -> list[tuple[int, ...]]:
    return [path for path in itertools.product(range(TAGS), repeat=words) if legal(path)]


def test_the_likeliest_path_is_the_best_of_all_legal_ones() -> None:
    rng, tried = np.random.default_rng(0), 0
    for _ in range(20):
        sizes = [1, 0, 2, 4, 0]
        logs = rng.normal(size=(sum(sizes), TAGS))
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        path, chance = likeliest(logs, sizes)
        assert chance == pytest.approx(np.exp(logs[np.arange(len(path)), path]))
        at = 0
        for words in sizes:
            here = logs[at : at + words]
            best = max(every(words), key=lambda tags: sum(here[i, tag] for i, tag in enumerate(tags)))
            assert tuple(path[at : at + words]) == best
            at, tried = at + words, tried + 1
    assert tried == 100
    assert likeliest(np.zeros((0, TAGS)), [])[0].tolist() == []
    assert likeliest(np.zeros((3, TAGS)), [3])[0].tolist() == [0, 0, 0], "of equal ones the lower tags"


def test_a_chain_weighs_every_legal_sequence() -> None:
    """Best path and probability of each of its tags, from the sum over all legal sequences."""
    rng, tried = np.random.default_rng(1), 0
    for _ in range(12):
        sizes, links = [3, 0, 1, 4, 2], rng.normal(size=(TAGS, TAGS))
        scores = 2 * rng.normal(size=(sum(sizes), TAGS))
        path, chance = chained(scores, sizes, links)
        at = 0
        for words in sizes:
            here, weights = scores[at : at + words], {}
            for tags in every(words):
                total = sum(here[i, tag] for i, tag in enumerate(tags))
                weights[tags] = np.exp(total + sum(links[a, b] for a, b in itertools.pairwise(tags)))
            if words:
                best = max(weights, key=lambda tags: weights[tags])
                assert tuple(path[at : at + words]) == best
                shares = [
                    sum(weight for tags, weight in weights.items() if tags[i] == best[i]) / sum(weights.values())
                    for i in range(words)
                ]
                assert chance[at : at + words] == pytest.approx(shares)
                tried += 1
            at += words
    assert tried == 48


def test_without_links_a_chain_says_what_no_chain_says() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(0, 12, size=40).tolist()
    scores = rng.normal(size=(sum(sizes), TAGS))
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    assert chained(scores, sizes, np.zeros((TAGS, TAGS)))[0].tolist() == likeliest(logs, sizes)[0].tolist()


def test_large_scores_and_long_texts_stay_finite() -> None:
    rng = np.random.default_rng(3)
    scores, links = 300 * rng.normal(size=(500, TAGS)), 20 * rng.normal(size=(TAGS, TAGS))
    path, chance = chained(scores, [500], links)
    assert legal(tuple(path.tolist()))
    assert np.isfinite(chance).all()
    assert ((chance >= 0) & (chance <= 1 + 1e-9)).all()
