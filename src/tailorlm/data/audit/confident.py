"""Confident learning: from held-out probabilities to the rows whose label is probably another one.

Written from the paper: Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
arXiv:1911.00068 (v6), sections 3.1 and 3.2.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

_SLACK = 1e-6
"""Probabilities this near to a threshold reach it: rows that are all alike must not fall to rounding."""


def thresholds(codes: Ints, probabilities: NDArray[np.floating]) -> Floats:
    """(L,) how sure one must be of each label: the mean probability of the label over the rows that have it.

    A label without rows gets infinity: nothing is ever confidently it.
    """
    n_labels = probabilities.shape[1]
    sizes = np.bincount(codes, minlength=n_labels)
    own = probabilities[np.arange(len(codes)), codes].astype(np.float64)
    sums = np.bincount(codes, weights=own, minlength=n_labels)
    found: Floats = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    return found


def confident_labels(codes: Ints, probabilities: NDArray[np.floating]) -> Ints:
    """(n,) the label each row confidently belongs to (the likeliest of those at or over their threshold), or -1."""
    if not len(codes):
        return np.zeros(0, np.int64)
    reached = probabilities >= thresholds(codes, probabilities) - _SLACK
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    found: Ints = np.where(reached.any(axis=1), best, -1).astype(np.int64)
    return found


def confident_joint(codes: Ints, probabilities: NDArray[np.floating]) -> Ints:
    """(L, L) counts: entry (i, j) is how many rows with the given label i confidently belong to label j."""
    n_labels = probabilities.shape[1]
    confident = confident_labels(codes, probabilities)
    sure = confident >= 0
    pairs = codes[sure] * n_labels + confident[sure]
    counts: Ints = np.bincount(pairs, minlength=n_labels * n_labels).reshape(n_labels, n_labels)
    return counts


def joint(codes: Ints, probabilities: NDArray[np.floating]) -> Floats:
    """(L, L) estimated share of all rows with given label i and true label j; sums to 1 (0 where there are no rows).

    The confident joint, each line scaled to the size of its label; a label with no confident row counts as right.
    """
    sizes = np.bincount(codes, minlength=probabilities.shape[1]).astype(np.float64)
    counts = confident_joint(codes, probabilities).astype(np.float64)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1.0
    scaled: Floats = counts / counts.sum(axis=1, keepdims=True) * sizes[:, None]
    scaled /= max(scaled.sum(), 1.0)
    return scaled


def margins(codes: Ints, probabilities: NDArray[np.floating]) -> Floats:
    """(n,) normalised margin: probability of the given label minus that of the likeliest other; -1 (wrong) to 1."""
    rows = np.arange(len(codes))
    others = probabilities.astype(np.float64, copy=True)
    own = others[rows, codes]
    others[rows, codes] = -np.inf
    best = others.max(axis=1, initial=-np.inf)
    found: Floats = np.where(np.isfinite(best), own - best, 1.0)
    return found


def suggested(codes: Ints, probabilities: NDArray[np.floating]) -> Ints:
    """(n,) the likeliest label other than the given one; the given one where there is no other."""
    if probabilities.shape[1] < 2:
        return codes.copy()
    others = probabilities.copy()
    others[np.arange(len(codes)), codes] = -np.inf
    found: Ints = others.argmax(axis=1).astype(np.int64)
    return found


def prune_by_noise_rate(codes: Ints, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(n,) True for the rows taken to be mislabelled: for each pair of labels as many as the joint says.

    For given label i and other label j the n * joint[i, j] rows with the largest p(j) - p(i), among those where j is
    likelier than i (a row whose own label is the likelier is never taken). Ties go to the earlier row.
    """
    taken = np.zeros(len(codes), bool)
    wanted = np.rint(joint(codes, probabilities) * len(codes)).astype(np.int64)
    for i, j in np.argwhere((wanted > 0) & ~np.eye(len(wanted), dtype=bool)):
        rows = np.flatnonzero(codes == i)
        lead = probabilities[rows, j] - probabilities[rows, i]
        best = np.argsort(-lead, kind="stable")[: wanted[i, j]]
        taken[rows[best[lead[best] > 0]]] = True
    return taken
