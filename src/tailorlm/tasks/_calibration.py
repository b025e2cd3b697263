"""How sure an answer is: scores made into probabilities that come true as often as they say, and the point below which no answer is given."""

from __future__ import annotations

import numpy as np

from tailorlm.tasks.readings import log_shares

UNSEEN = 0.1
"""What is added to each label's share of a vote before its logarithm is taken. Labels without a vote are often right: with next to nothing
here, one temperature would have to flatten all votes to allow for them. Of 0.0001 to 0.2, tried on votes among 25 intents, this has the
lowest calibration error."""
FLAT, SHARP = 1e-3, 1e3
"""Bounds of the factor on scores: cosines of label names need 50, margins of a machine about 5, logits of an overfitted head 0.3."""
FAR = 30.0
"""Beyond this a score of one label is as good as certain; a label that training never saw stands at -10,000."""


def chances(scores: np.ndarray, temperature: float | None = None, *, votes: bool = False) -> np.ndarray:
    """Scores (n, labels) as probabilities that sum to one, float64: the softmax of scores / temperature.

    votes: scores are shares of a vote, which are probabilities as they stand, and through their logarithms where there is a temperature.
    """
    if not len(scores):
        return scores.astype(np.float64)
    if votes and temperature is None:
        return np.asarray(scores / scores.sum(1, keepdims=True).astype(np.float64))
    return np.asarray(np.exp(log_shares(_logits(scores, votes) / (temperature or 1.0))))


def temperature_of(scores: np.ndarray, codes: np.ndarray, *, votes: bool = False, prior: float = 1.0) -> float:
    """The temperature at which the log loss of these rows is least: scores (n, labels), codes (n,) of the right ones.

    It never changes which label is highest. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).
    prior: how many rows more are imagined to be wrong, the runner-up right in their place (Platt's target 1 / (n + 2)), without which a
    validation set that is answered rightly throughout would make every answer certain. A way that knows little is given a high
    temperature, whatever its scores look like. Instead: `logistic_of`, where each label is a question of its own.
    """
    from scipy.optimize import minimize_scalar

    logits = _logits(scores, votes)
    logits = logits - logits.max(axis=1, keepdims=True)
    places = np.arange(len(codes))
    right = logits[places, codes]
    others = logits.copy()
    others[places, codes] = -np.inf
    share = prior / (len(codes) + 2 * prior)
    wanted = (1 - share) * right + share * others.max(axis=1)

    def loss(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(np.mean(np.log(np.exp(factor * logits).sum(axis=1)) - factor * wanted))

    found = minimize_scalar(loss, bounds=(np.log(FLAT), np.log(SHARP)), method="bounded", options={"xatol": 1e-7})
    return float(f"{np.exp(-found.x):.6g}")


def single_chances(
    scores: np.ndarray, temperature: float | None = None, shift: float | None = None, *, votes: bool = False
) -> np.ndarray:
    """Scores (n, labels) as the chance that each label applies, alone: the logistic function of scores / temperature + shift."""
    from scipy.special import expit

    if votes and temperature is None and shift is None:
        return np.asarray(scores, dtype=np.float64)
    return np.asarray(expit(_odds(scores, votes) / (temperature or 1.0) + (shift or 0.0)))


def logistic_of(scores: np.ndarray, wanted: np.ndarray, *, votes: bool = False) -> tuple[float, float]:
    """Temperature and shift at which the log loss of single labels is least: scores (n, labels), wanted zeros and ones alike.

    One pair for all labels, so that the order of all (row, label) pairs stays. Source: Platt 1999, "Probabilistic Outputs for Support
    Vector Machines", with its targets (N+ + 1) / (N+ + 2) and 1 / (N- + 2). Without labels that apply, or that do not, it is (1, 0).
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    odds, ones = _odds(scores, votes).ravel(), wanted.ravel() > 0
    yes, no = int(ones.sum()), int((~ones).sum())
    if not yes or not no:
        return 1.0, 0.0
    target = np.where(ones, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(factors: np.ndarray) -> tuple[float, np.ndarray]:
        given = factors[0] * odds + factors[1]
        off = expit(given) - target
        return float(np.mean(np.logaddexp(0, given) - target * given)), np.array([np.mean(off * odds), np.mean(off)])

    bounds = [(FLAT, SHARP), (-FAR, FAR)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-9})
    return float(f"{1 / found.x[0]:.6g}"), float(f"{found.x[1]:.6g}")


def bar_for(sure: np.ndarray, right: np.ndarray, accuracy: float) -> float:
    """The lowest bar above which at least this share of answers is right, half-way to the next answer; 1 where there is none.

    sure: (n,) how sure each answer is. right: (n,) whether it is right. Equal ones are answered together. What it promises is what these
    rows showed: with few rows above the bar, others may fall short (Geifman and El-Yaniv 2017, arXiv:1705.08500, for a bound).
    """
    order = np.argsort(-sure, kind="stable")
    falling, hits = sure[order], right[order].cumsum()
    below = np.append(falling[1:], -1.0)
    good = np.flatnonzero((hits >= accuracy * np.arange(1, len(hits) + 1) - 1e-9) & (below < falling))
    if not len(good):
        return 1.0
    last = int(good[-1])
    return 0.0 if last + 1 == len(hits) else round(float((falling[last] + below[last]) / 2), 6)


def _logits(scores: np.ndarray, votes: bool) -> np.ndarray:
    given = scores.astype(np.float64)
    return np.log(given + UNSEEN) if votes else given


def _odds(scores: np.ndarray, votes: bool) -> np.ndarray:
    given = scores.astype(np.float64)
    if votes:
        given = np.log((given + UNSEEN) / (1 - given + UNSEEN))
    return np.clip(given, -FAR, FAR)
