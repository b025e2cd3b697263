"""Copies, repeats and contradictions among texts: what makes a score look better, or a model worse, than it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tailorlm.core.errors import TailorError

Kind = Literal["exact", "trivially different"]
_RUN = re.compile(" +")
_NOT_BETWEEN_DIGITS = re.compile(r"(?<!\d) | (?!\d)")
# Variation selectors: the same sign, drawn in colour or in black.
_INVISIBLE = frozenset({0xFE0E, 0xFE0F})


@dataclass(frozen=True, slots=True)
class Copy:
    """A text that stands in train and in test; indices from 0 into the two lists."""

    train_index: int
    test_index: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Conflict:
    """Equal texts with different labels: their indices (rising) and the label of each.

    kind: 'exact' when two texts that are equal to the letter disagree, else 'trivially different'.
    """

    indices: tuple[int, ...]
    labels: tuple[str, ...]
    kind: Kind


class _Signs(dict[int, str | None]):
    """What becomes of each character, decided when it is first met."""

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        kept: str | None = chr(code)
        if category[0] in "PZ" or category == "Cc":
            kept = " "
        elif category == "Cf" or code in _INVISIBLE:
            kept = None
        self[code] = kept
        return kept


_SIGNS = _Signs()
_LONG = 1 << 18
_CUT = re.compile("[A-Za-z\u4e00-\u9fff](?=[A-Za-z\u4e00-\u9fff])")


def normalised(text: str) -> str:
    """`text` with everything gone that a retyped or reformatted copy may change; equal results mean trivially equal.

    NFKC (full-width, ligatures), case folded; punctuation, white space and invisible characters removed, except that a
    break between two digits stays one blank, so that 1.5 is not 15. Letters of every script, digits, symbols and emoji
    stay. A text of punctuation alone is returned stripped, so that '?!' and '...' are not equal.
    """
    kept = _folded(text) if len(text) < _LONG else "".join(map(_folded, _pieces(text)))
    return kept or text.strip()


def _folded(text: str) -> str:
    # Once more behind the folding: 'ß' and the like unfold into characters that can be composed again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _NOT_BETWEEN_DIGITS.sub("", _RUN.sub(" ", folded.translate(_SIGNS)))


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces that fold to what the whole folds to, with the memory of one: cut between two letters that nothing joins."""
    start = 0
    while found := _CUT.search(text, start + _LONG):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]


def find_copies(train: Sequence[str], test: Sequence[str]) -> list[Copy]:
    """The rows that stand on both sides, as pairs of indices, in the order of `test`, then of `train`.

    Every train row and every test row that has a copy on the other side is in one pair at least (so that either side
    can be cleaned by its indices), paired with an exact copy if there is one, else with a trivially different one (see
    `normalised`). Not all combinations are listed: the count stays below the count of the rows.
    Choose it before any score is believed: such rows measure memory. Near duplicates with other words are not found.
    """
    train_keys, test_keys = [normalised(text) for text in train], [normalised(text) for text in test]
    pairs = {(i, j) for j, i in enumerate(_partners(train, train_keys, test, test_keys)) if i >= 0}
    # The other way round only for train rows that no test row chose, or the pairs would double.
    chosen = {i for i, _ in pairs}
    back = enumerate(_partners(test, test_keys, train, train_keys))
    pairs |= {(i, j) for i, j in back if j >= 0 and i not in chosen}
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    return [Copy(i, j, "exact" if train[i] == test[j] else "trivially different") for i, j in ordered]


def find_conflicts(texts: Sequence[str], labels: Sequence[str]) -> list[Conflict]:
    """Groups of texts that are equal when normalised and do not all have the same label, by first appearance.

    Nobody, model or person, can be right on all rows of such a group. Raises TailorError unless the lists are as long
    as each other.
    """
    if len(texts) != len(labels):
        raise TailorError("texts and labels must come in pairs", got=f"{len(texts)} texts and {len(labels)} labels")
    conflicts = []
    for group in find_repeats(texts):
        if len({labels[i] for i in group}) > 1:
            first: dict[str, str] = {}
            exact = any(first.setdefault(texts[i], labels[i]) != labels[i] for i in group)
            kind: Kind = "exact" if exact else "trivially different"
            conflicts.append(Conflict(tuple(group), tuple(labels[i] for i in group), kind))
    return conflicts


def find_repeats(texts: Sequence[str]) -> list[list[int]]:
    """Groups (two or more) of indices whose texts are equal when normalised, by first appearance.

    Choose it to give `split.stratified` its groups, and to tell how many rows are really different.
    """
    return _groups([normalised(text) for text in texts])


def duplicate_ids(ids: Sequence[str]) -> dict[str, list[int]]:
    """Each id that stands on more than one row, with the indices of those rows; compared to the letter."""
    return {ids[group[0]]: group for group in _groups(ids)}


def _partners(
    pool: Sequence[str], pool_keys: Sequence[str], texts: Sequence[str], keys: Sequence[str]
) -> Iterator[int]:
    """For each of `texts` the first equal one in `pool`, else the first with an equal key, else -1."""
    exact: dict[str, int] = {}
    alike: dict[str, int] = {}
    for i, (text, key) in enumerate(zip(pool, pool_keys, strict=True)):
        exact.setdefault(text, i)
        alike.setdefault(key, i)
    for text, key in zip(texts, keys, strict=True):
        yield exact.get(text, alike.get(key, -1))


def _groups(keys: Sequence[str]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        found.setdefault(key, []).append(i)
    return [group for group in found.values() if len(group) > 1]
