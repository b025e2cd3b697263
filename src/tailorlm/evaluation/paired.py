"""Exact tests of two ways on the same rows, from which rows each answers rightly."""

from __future__ import annotations

import math

import numpy as np

from tailorlm.evaluation.metrics._base import FloatArray, IntArray


def mcnemar(first_right: IntArray, second_right: IntArray) -> float:
    """Exact two-sided McNemar test: p that as few or fewer of the discordant rows fall on one side by a fair coin.

    `first_right`, `second_right`: (n,) of 0 and 1, whether each way answers a row rightly. No discordant row: p = 1.
    Equal to `scipy.stats.binomtest` on the rows that just one way gets right.
    Source: McNemar, Psychometrika 12 (1947); its use for classifiers: Dietterich, Neural Computation 10 (1998).
    """
    from scipy.special import bdtr

    only_first = int(np.count_nonzero(first_right > second_right))
    only_second = int(np.count_nonzero(second_right > first_right))
    if only_first == only_second:
        return 1.0
    # A fair coin's two tails are equal; the two sides differ, so the tails share no outcome.
    return float(2 * bdtr(min(only_first, only_second), only_first + only_second, 0.5))


def sign_flip(first_right: IntArray, second_right: IntArray, seeds: tuple[int, int]) -> float:
    """McNemar's test for several seeds: p under swapping the two ways on any row, exact (no random flips).

    `first_right`, `second_right`: (n,) counts of the seeds, of `seeds` each, that answer a row rightly. The statistic
    is the summed difference of each row's share of right seeds; its distribution over all 2^n swaps is worked out by
    convolution. With one seed each this is exact McNemar. It speaks of these trained models, not of training again.
    Source: Fisher's randomisation test, as in Noreen, "Computer-Intensive Methods for Testing Hypotheses" (1989).
    """
    if seeds == (1, 1):
        return mcnemar(first_right, second_right)
    common = math.lcm(*seeds)
    gaps = first_right * (common // seeds[0]) - second_right * (common // seeds[1])
    sizes, times = np.unique(np.abs(gaps[gaps != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    chance, *others = [_heads(count, size) for size, count in zip(sizes.tolist(), times.tolist())]
    for other in others:
        chance = _convolved(chance, other)
    # Position k of `chance` is the sum 2k - total, in steps of the common denominator.
    total = len(chance) - 1
    sums = np.abs(2 * np.arange(total + 1) - total)
    return float(min(1.0, chance[sums >= abs(int(gaps.sum()))].sum()))


def _heads(count: int, size: int) -> FloatArray:
    """The chance of k * size being the summed size of the rows not swapped, `count` rows of one size."""
    from scipy.special import gammaln

    heads = np.arange(count + 1)
    likely = np.exp(gammaln(count + 1) - gammaln(heads + 1) - gammaln(count - heads + 1) - count * np.log(2))
    chance = np.zeros(count * size + 1)
    chance[::size] = likely / likely.sum()
    return chance


def _convolved(first: FloatArray, second: FloatArray) -> FloatArray:
    size = len(first) + len(second) - 1
    product = np.fft.irfft(np.fft.rfft(first, 2 * size) * np.fft.rfft(second, 2 * size), 2 * size)[:size]
    # Fourier rounding leaves specks of about 1e-17 where the truth is 0; a chance is not negative.
    return np.asarray(np.maximum(product, 0.0), dtype=np.float64)


def least_p(rows_that_differ: int) -> float:
    """The smallest two-sided p that any swap of answers on so many differing rows can give: 2 / 2^rows, at most 1.

    A floor for resampling p-values: three rows, all for one way, are never proof, though every resample agrees.
    """
    return float(min(1.0, 2.0 ** (1 - rows_that_differ)))
