"""Which passages an answer names: the numbers in brackets, read back to passages and their places in the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tailorlm.context.index import Passage

# [1], [1, 2], [1-3], also in full-width brackets; up to four digits, so that years in brackets are looked at and fail as numbers.
_CITED = re.compile(r"\s?[\[［【]\s*(?:passages?\s+)?(\d{1,4}(?:\s*[-–,;、]\s*\d{1,4})*)\s*[\]］】]", re.IGNORECASE)
_RANGE = re.compile(r"(\d+)\s*[-–]\s*(\d+)|(\d+)")


@dataclass(frozen=True)
class Citation:
    """One passage that an answer names. at: where in the answer, (start, end) of the brackets; start, end: in the document."""

    number: int
    passage: str
    document: str
    start: int
    end: int
    at: tuple[int, int]


@dataclass(frozen=True)
class Citations:
    """What an answer cites. grounded: passages that were shown, in the order of the answer. ungrounded: numbers that none had."""

    grounded: tuple[Citation, ...]
    ungrounded: tuple[int, ...]

    @property
    def passages(self) -> tuple[str, ...]:
        """The ids of the passages named, each once."""
        return tuple(dict.fromkeys(citation.passage for citation in self.grounded))


def read_citations(answer: str, passages: Sequence[Passage]) -> Citations:
    """The citations of an answer to a prompt that showed these passages, numbered from 1.

    Read: `[1]`, `[1][2]`, `[1, 2]`, `[1-3]`, `[passage 1]`, full-width brackets. A number that no passage had (a made-up source,
    a year in brackets) is ungrounded; count those: a model that cites what it was not shown is not to be trusted on the rest.
    """
    grounded: list[Citation] = []
    ungrounded: list[int] = []
    for found in _CITED.finditer(answer):
        space = len(found[0]) - len(found[0].lstrip())
        at = (found.start() + space, found.end())
        for number in _numbers(found[1], len(passages)):
            if 1 <= number <= len(passages):
                passage = passages[number - 1]
                place = (passage.start, passage.end)
                grounded.append(Citation(number, passage.id, passage.document, *place, at))
            else:
                ungrounded.append(number)
    return Citations(tuple(grounded), tuple(ungrounded))


def without_citations(answer: str) -> str:
    """The answer without its citations and the blank before each: what is compared with a gold answer that has none."""
    return _CITED.sub("", answer)


def _numbers(listed: str, most: int) -> Iterator[int]:
    """The numbers of `1, 3-5`; a range that runs backwards or beyond what was shown is its two ends."""
    for first, last, single in _RANGE.findall(listed):
        if single:
            yield int(single)
        elif int(first) <= int(last) <= most:
            yield from range(int(first), int(last) + 1)
        else:
            yield from (int(first), int(last))
