"""Words: those of a split that are never seen in training, and labels whose rows use very few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from tailorlm.data.audit.effect import rarefied
from tailorlm.data.audit.finding import Finding, count, listed, share
from tailorlm.data.audit.subject import Subject
from tailorlm.data.audit.words import words

_TIMES = 1.5
_POINTS = 0.01
_SURE = 4.0
_DRAWS = 200
_POOR = 0.5


def vocabulary(subject: Subject) -> Iterator[Finding]:
    """`new-words`: far more words of a split are unknown to the rows learnt from than a random split would give.

    `few-words`: labels whose rows use less than half as many different words as the middle label, counted over equally
    many words. What a random split gives is computed, not drawn (hypergeometric).
    """
    train = subject.train
    if train is not None:
        for name in sorted(subject.parts):
            if name != train:
                yield from _new_words(subject, train, name)
    yield from _few_words(subject)


def _new_words(subject: Subject, train: str, name: str) -> Iterator[Finding]:
    learnt, asked = Counter[str](), Counter[str]()
    for counts, part in ((learnt, train), (asked, name)):
        for i in subject.parts[part]:
            counts.update(set(words(subject.texts[i])))
    total = asked.total()
    if not total:
        return
    seen = sum(rows for word, rows in asked.items() if word not in learnt)
    rows_learnt, rows_asked = len(subject.parts[train]), len(subject.parts[name])
    expected, spread = _by_chance(list((learnt + asked).values()), rows_learnt, rows_asked)
    known, usual = seen / total, expected / total
    if seen - expected < _SURE * spread or known < _TIMES * usual or known - usual < _POINTS:
        return
    yield Finding(
        "new-words",
        "warning" if known >= 2 * usual and known >= 0.05 else "note",
        f"{share(seen, total)} of the words of '{name}' never occur in '{train}'; with a random split of the same rows it "
        f"would be {share(expected, total)}.",
        f"'{name}' is about other things, in another wording or language, or from another source. Learn from some rows "
        "like it, or expect lower scores than on rows like those of the training.",
        numbers={"unknown": known, "by_chance": usual, "spread": spread / total},
    )


def _by_chance(counts: list[int], learnt: int, asked: int) -> tuple[float, float]:
    """Mean and standard deviation of the unknown words (each counted once a row) if the rows were split at random."""
    from scipy.special import gammaln

    rows = np.asarray(counts, dtype=np.float64)
    inside = rows <= asked
    rows = rows[inside]
    whole = learnt + asked
    # Chance that all rows with a word fall to the split that is asked: C(asked, k) / C(whole, k).
    all_asked = np.exp(gammaln(asked + 1) - gammaln(asked - rows + 1) - gammaln(whole + 1) + gammaln(whole - rows + 1))
    return float((rows * all_asked).sum()), float(np.sqrt((rows**2 * all_asked * (1 - all_asked)).sum()))


def _few_words(subject: Subject) -> Iterator[Finding]:
    counts = {
        name: Counter(word for i in rows for word in words(subject.texts[i])) for name, rows in subject.by_label.items()
    }
    rich = {
        name: rarefied(list(inside.values()), _DRAWS) for name, inside in counts.items() if inside.total() >= _DRAWS
    }
    if len(rich) < 2:
        return
    middle = float(np.median(list(rich.values())))
    poor = sorted((name for name in rich if rich[name] < _POOR * middle), key=lambda name: (rich[name], name))
    if not poor:
        return
    yield Finding(
        "few-words",
        "note",
        f"The rows of {count(len(poor), 'label')} use few different words: {listed(poor)}. In {_DRAWS} words of "
        f"'{poor[0]}' {rich[poor[0]]:.0f} are different, in those of the middle label {middle:.0f}.",
        "Such rows often come from a template or are near copies of each other. Deduplicate, and see whether people "
        "really write like this.",
        rows=tuple(i for name in poor for i in subject.by_label[name]),
        numbers={"labels": len(poor), "least": rich[poor[0]], "middle": middle},
        details=tuple({"label": name, f"different in {_DRAWS}": rich[name]} for name in poor[: subject.settings.shown]),
    )
