"""Giveaways: signs in the text that tell the label without the text being understood."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tailorlm.core.errors import UsageError
from tailorlm.data.audit.words import spaced

Place = Literal["anywhere", "first", "last", "form"]
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LEVEL = 1e-3
"""Chance that even one token of a set without any tie between tokens and labels is named."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A token that tells a label. The token stands in rows, so it is kept out of the repr.

    place: where it counts: anywhere, as the first or the last token of the text, or as the form of the whole text ('no
    capital letter'; see `forms`). label: what it tells. rows: how many
    rows of the label have it; elsewhere: how many other rows. coverage: share of the label's rows that have it. purity:
    share of the rows with it that have the label, smoothed. information: what its presence tells about the label, in
    bits; `told`: the same as a share of all there is to tell (the entropy of the labels). p: chance of so pure a token if
    labels were dealt at random, times the number of tokens looked at.
    """

    token: str = field(repr=False)
    place: Place
    label: str
    rows: int
    elsewhere: int
    coverage: float
    purity: float
    information: float
    told: float
    p: float


def leaks(texts: Sequence[str], labels: Sequence[str], *, support: int = 10, purity: float = 0.9) -> list[Leak]:
    """Tokens that stand in `support` rows or more and nearly only in those of one label, the most telling first.

    Tokens are words, single signs, and the first and last token of each text, case folded. purity: of the rows with the
    token, the share that must have the label; counted with half a row of doubt on either side. A token is named only
    where chance is excluded (binomial tail, corrected for all tokens looked at), so labels dealt at random give nothing.
    Time: linear in the tokens, some 10 s for 100,000 rows of 60 words. Memory: counts of the tokens with enough support.
    Raises UsageError for lists of different lengths.

    Choose it to see what a model could learn instead of the task. A telling word need not be a fault: see
    `checks.giveaway` for the rule that separates.
    """
    if len(texts) != len(labels):
        raise UsageError("texts and labels must come in pairs", got=f"{len(texts)} texts and {len(labels)} labels")
    sizes = Counter(labels)
    counts = _counts(texts, labels, support)
    entropy = _entropy(list(sizes.values()))
    found = []
    for (place, token), inside in counts.items():
        # So pure a token can only tell the label that most of its rows have.
        name = min(inside, key=lambda name: (-inside[name], name))
        leak = _leak((place, token), name, inside, sizes, entropy, len(counts))
        if leak.purity >= purity and leak.rows >= support and leak.p <= _LEVEL:
            found.append(leak)
    return sorted(found, key=lambda leak: (-leak.information, leak.label, leak.token, leak.place))


def tokens(text: str) -> Iterator[tuple[Place, str]]:
    """The different tokens of a text with the place they count in."""
    for form in forms(text):
        yield "form", form
    found = _TOKEN.findall(spaced(text).casefold())
    if found:
        yield "first", found[0]
        yield "last", found[-1]
    for token in dict.fromkeys(found):
        yield "anywhere", token


def forms(text: str) -> Iterator[str]:
    """What is peculiar about the outer form of a text: marks that tell where a row came from, and not what it says."""
    if text[:1].isspace():
        yield "blank at the start"
    if text[-1:].isspace():
        yield "blank at the end"
    if "\n" in text.strip():
        yield "line break"
    if "  " in text.strip():
        yield "two blanks in a row"
    if text.isupper():
        yield "capitals only"
    elif text.islower():
        yield "no capital letter"
    if not text.isascii():
        yield "sign beyond ASCII"


def _counts(texts: Sequence[str], labels: Sequence[str], support: int) -> dict[tuple[Place, str], Counter[str]]:
    totals: Counter[tuple[Place, str]] = Counter()
    for text in texts:
        totals.update(tokens(text))
    counts: dict[tuple[Place, str], Counter[str]] = {
        key: Counter() for key, total in totals.items() if total >= support
    }
    del totals
    for text, label in zip(texts, labels, strict=True):
        for key in tokens(text):
            if key in counts:
                counts[key][label] += 1
    return counts


def _leak(
    key: tuple[Place, str], label: str, inside: Counter[str], sizes: Counter[str], entropy: float, looked_at: int
) -> Leak:
    n, rows, total = sizes.total(), inside[label], inside.total()
    information = _information(rows, total, sizes[label], n)
    return Leak(
        token=key[1],
        place=key[0],
        label=label,
        rows=rows,
        elsewhere=total - rows,
        coverage=rows / sizes[label],
        purity=(rows + 0.5) / (total + 1),
        information=information,
        told=information / entropy if entropy else 0.0,
        p=min(1.0, _tail(rows, total, sizes[label] / n) * looked_at * len(sizes)),
    )


def _information(rows: int, with_token: int, with_label: int, n: int) -> float:
    """Mutual information, in bits, of having the token and having the label, from counts with half a row added each."""
    table = [
        [rows + 0.5, with_token - rows + 0.5],
        [with_label - rows + 0.5, n - with_token - with_label + rows + 0.5],
    ]
    total = sum(map(sum, table))
    across, down = [sum(line) for line in table], [table[0][k] + table[1][k] for k in (0, 1)]
    return sum(
        table[i][k] / total * math.log2(table[i][k] * total / (across[i] * down[k])) for i in (0, 1) for k in (0, 1)
    )


def _tail(hits: int, trials: int, chance: float) -> float:
    """P(X >= hits) for X binomial; an upper bound (Chernoff), which is all a limit needs and never underflows to a lie."""
    share = hits / trials if trials else 0.0
    if share <= chance:
        return 1.0
    divergence = share * math.log(share / chance)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.exp(-trials * divergence)


def _entropy(sizes: Sequence[int]) -> float:
    total = sum(sizes)
    return -sum(size / total * math.log2(size / total) for size in sizes if size)
