"""The best legal sequence of tags of each text, and how sure each tag of it is.

A tag `I-x` stands behind `B-x` or `I-x` alone, and never first. Tags are numbered as `_spans.outputs_of` names them: `O`, then `B-` and `I-` of
each type, so that even numbers above 0 are `I-` and the one below each is its `B-`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Cells of the largest table that is computed at once, (texts, tags, tags).
CELLS = 1 << 22


def likeliest(logs: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest legal tags where words are independent but for what is legal: (words,) tags and their probabilities.

    logs: (words, tags) log probabilities, text after text. sizes: words of each text. Of equal sequences the lower tags win. Where the best
    tag of each word gives a legal sequence, that is it; only other texts are searched (Viterbi 1967).
    """
    path = logs.argmax(axis=1) if len(logs) else np.zeros(0, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    before = np.concatenate([[0], path[:-1]]) if len(path) else path
    before[starts[:-1][np.asarray(sizes) > 0]] = 0
    inner = (path > 0) & (path % 2 == 0)
    illegal = np.flatnonzero(inner & (before != path) & (before != path - 1))
    for row in np.unique(np.searchsorted(starts, illegal, side="right") - 1):
        start, end = starts[row], starts[row + 1]
        path[start:end] = _searched(logs[start:end])
    return path, np.exp(logs[np.arange(len(path)), path])


def _searched(logs: np.ndarray) -> np.ndarray:
    """The likeliest legal tags of one text, (words,): transitions are free or forbidden, so one look at the best tag so far is enough."""
    words, tags = logs.shape
    inner = np.arange(2, tags, 2)
    best, back = logs[0].copy(), np.zeros((words, tags), dtype=np.int64)
    best[inner] = -np.inf
    for i in range(1, words):
        top = int(best.argmax())
        back[i] = top
        arrived = np.full(tags, best[top])
        begun, going = best[inner - 1], best[inner]
        back[i, inner] = np.where(begun >= going, inner - 1, inner)
        arrived[inner] = np.maximum(begun, going)
        best = arrived + logs[i]
    path = np.zeros(words, dtype=np.int64)
    path[-1] = int(best.argmax())
    for i in range(words - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


def chained(scores: np.ndarray, sizes: Sequence[int], links: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best legal tags under a chain (a linear-chain CRF): (words,) tags and the probability of each, over all legal sequences.

    scores: (words, tags), text after text. sizes: words of each text. links: (tags, tags), what is added where the second tag stands behind
    the first. Texts of like length are searched together.
    """
    tags = scores.shape[1]
    path, chance = np.zeros(len(scores), dtype=np.int64), np.ones(len(scores))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    order = [row for row in np.argsort(sizes, kind="stable").tolist() if sizes[row]]
    allowed = _legal(np.asarray(links, dtype=np.float64))
    step = max(1, CELLS // (tags * tags))
    for at in range(0, len(order), step):
        rows = order[at : at + step]
        longest = sizes[rows[-1]]
        table = np.zeros((len(rows), longest, tags))
        for i, row in enumerate(rows):
            table[i, : sizes[row]] = scores[starts[row] : starts[row + 1]]
        lengths = np.array([sizes[row] for row in rows])
        found, sure = _best(table, lengths, allowed), _marginals(table, lengths, allowed)
        for i, row in enumerate(rows):
            here = found[i, : sizes[row]]
            path[starts[row] : starts[row + 1]] = here
            chance[starts[row] : starts[row + 1]] = sure[i, np.arange(len(here)), here]
    return path, chance


def _legal(links: np.ndarray) -> np.ndarray:
    """The links, with minus infinity where the second tag cannot stand behind the first."""
    tags = np.arange(len(links))
    inner = (tags > 0) & (tags % 2 == 0)
    fits = (tags[:, None] == tags[None]) | (tags[:, None] == tags[None] - 1)
    return np.where(inner[None] & ~fits, -np.inf, links)


def _first(scores: np.ndarray) -> np.ndarray:
    """Scores (texts, tags) of first words: none goes on with what has not begun."""
    scores = scores.copy()
    scores[:, 2::2] = -np.inf
    return scores


def _best(table: np.ndarray, lengths: np.ndarray, links: np.ndarray) -> np.ndarray:
    """(texts, longest) tags of the best sequences; what stands behind a text's last word means nothing."""
    texts, longest, tags = table.shape
    best, back = _first(table[:, 0]), np.zeros((texts, longest, tags), dtype=np.int64)
    for i in range(1, longest):
        arrived = best[:, :, None] + links
        back[:, i] = arrived.argmax(axis=1)
        best = np.where((i < lengths)[:, None], arrived.max(axis=1) + table[:, i], best)
    path = np.zeros((texts, longest), dtype=np.int64)
    path[np.arange(texts), lengths - 1] = best.argmax(axis=1)
    for i in range(longest - 1, 0, -1):
        came = back[np.arange(texts), i, path[:, i]]
        path[:, i - 1] = np.where(i < lengths, came, path[:, i - 1])
    return path


def _marginals(table: np.ndarray, lengths: np.ndarray, links: np.ndarray) -> np.ndarray:
    """(texts, longest, tags) probability of each tag at each word, by sums forwards and backwards over all legal sequences."""
    longest = table.shape[1]
    ahead, behind = np.zeros(table.shape), np.zeros(table.shape)
    ahead[:, 0] = _first(table[:, 0])
    for i in range(1, longest):
        ahead[:, i] = _passed_on(ahead[:, i - 1], links) + table[:, i]
    for i in range(longest - 2, -1, -1):
        came = _passed_on(behind[:, i + 1] + table[:, i + 1], links.T)
        behind[:, i] = np.where((i + 1 < lengths)[:, None], came, 0.0)
    both = ahead + behind
    both -= both.max(axis=2, keepdims=True)
    powers = np.exp(both)
    return np.asarray(powers / powers.sum(axis=2, keepdims=True))


def _passed_on(sums: np.ndarray, links: np.ndarray) -> np.ndarray:
    """log sum over the tags before of exp(sums + links): (texts, tags), as a product of matrices."""
    top, most = sums.max(axis=1, keepdims=True), links[np.isfinite(links)].max(initial=0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(sums - top) @ np.exp(links - most)) + top + most)
