"""Train rows that hold test rows: shared runs of words, with the evidence (decontamination).

The way of the field (Brown et al. 2020, appendix C): a train row that shares 13 words in a row with a test row has seen it.
Test rows shorter than that are looked for whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tailorlm.core.errors import UsageError
from tailorlm.data.near.words import placed_words, words
from tailorlm.data.quality import normalised

_REPEATS = 16


@dataclass(frozen=True, slots=True)
class Match:
    """Where a train row holds a test row.

    test_index: the test row, counted from 0 over all that were added. start, end: the shared run in the train row, in
    characters (`text[start:end]`); test_start, test_end: the same in the test row. words: how many words the run has.
    whole: the run is all of the test row. Offsets only: no text of anybody's row is in it.
    """

    test_index: int
    start: int
    end: int
    test_start: int
    test_end: int
    words: int
    whole: bool


class Overlap:
    """Test rows by their runs of `n` words, to be looked for in any number of train rows.

    Words are those of `near.words`: case, width and punctuation do not count, and in scripts without blanks (Chinese,
    Japanese, Thai) every character is a word. A test row of `least` words or more but fewer than `n` is found where all of
    it stands in a train row; a still shorter one only where it is all of the train row. Runs that stand in more than
    `common` different test rows (a prompt that all of them share) are no evidence of any, unless the run is the whole row.

    Memory: about 150 bytes a word of the test rows, nothing for train rows, which stream by.
    Raises UsageError for bounds (1 <= least <= n).
    Choose it to keep a published test set out of rows from elsewhere, where a test row may stand inside a longer text.
    Rows of the same form that were copied and edited are found better by `near.find_near`.

    >>> overlap = Overlap(n=5, least=3)
    >>> _ = overlap.add_test(["What is the capital of Peru?"])
    >>> text = "Quiz: what is the capital of Peru... Lima"
    >>> match = overlap.check(text)
    >>> match.test_index, text[match.start:match.end], match.whole
    (0, 'what is the capital of Peru', True)
    """

    def __init__(self, n: int = 13, *, least: int = 5, common: int = 10):
        if not 1 <= least <= n:
            raise UsageError(
                "the lengths of runs are out of bounds", got=f"n={n}, least={least}", allowed="1 <= least <= n"
            )
        if common < 1:
            raise UsageError("the number of common rows is out of bounds", got=str(common), allowed="1 or more")
        self.n, self.least, self.common = n, least, common
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._rows: dict[int, array[int]] = {}
        # Runs by their hash: those of n words -> row << 32 | first word; the first `least` words of shorter rows -> row.
        self._long: dict[int, list[int]] = {}
        self._short: dict[int, list[int]] = {}
        self._shortest: dict[str, int] = {}
        self._seen: set[tuple[int, ...]] = set()

    def __len__(self) -> int:
        return len(self._texts)

    def add_test(self, texts: Iterable[str]) -> range:
        """Add test rows (further sets behind the first); gives their numbers. Of equal rows the first stands for all.

        A row without any letter, digit or sign is in no train row.
        """
        before = len(self._texts)
        for text in texts:
            self._texts.append(text)
            self._add(len(self._texts) - 1, text)
        return range(before, len(self._texts))

    def check(self, text: str) -> Match | None:
        """The test row that `text` holds most words of, with the longest run they share; None where it holds none."""
        return min(self.matches(text), key=lambda match: (-match.words, match.test_index), default=None)

    def matches(self, text: str) -> list[Match]:
        """Every test row that `text` holds, with the longest run they share, by the number of the test row."""
        get = self._numbers.get
        numbers = [get(word, -1) for word in words(text)]
        if len(numbers) < 2 * self.least and (row := self._shortest.get(normalised(text))) is not None:
            return [self._equal(row, text)]
        found: dict[int, tuple[int, int, int]] = {}
        for begin, end in _known(numbers, self.least):
            self._find_long(numbers, begin, end, found)
            self._find_short(numbers, begin, end, found)
        return self._shown(text, found) if found else []

    def _add(self, row: int, text: str) -> None:
        numbers = array("i", [self._numbers.setdefault(word, len(self._numbers)) for word in words(text)])
        if len(numbers) < self.least:
            if whole := normalised(text):
                self._shortest.setdefault(whole, row)
            return
        key = tuple(numbers)
        if key in self._seen:
            return
        self._seen.add(key)
        self._rows[row] = numbers
        if len(key) < self.n:
            self._short.setdefault(hash(key[: self.least]), []).append(row)
        for at in range(len(key) - self.n + 1):
            places = self._long.setdefault(hash(key[at : at + self.n]), [])
            # A row that says one thing over and over is followed from its first places alone.
            if len(places) < _REPEATS or places[-_REPEATS] >> 32 != row:
                places.append(row << 32 | at)

    def _find_long(self, numbers: list[int], begin: int, end: int, found: dict[int, tuple[int, int, int]]) -> None:
        for at in range(begin, end - self.n + 1):
            places = self._long.get(hash(tuple(numbers[at : at + self.n])))
            if places is None:
                continue
            template = len({place >> 32 for place in places}) > self.common
            for place in places:
                row, start = place >> 32, place & 0xFFFFFFFF
                length, old_at, old_start = found.get(row, (0, 0, 0))
                if (at - start == old_at - old_start and at < old_at + length) or end - at <= length:
                    continue  # the same run, met again one word further on, or too late for a longer one
                shared = _shared(numbers, at, end, self._rows[row], start)
                if shared >= self.n and shared > length and (not template or shared == len(self._rows[row])):
                    found[row] = shared, at, start

    def _find_short(self, numbers: list[int], begin: int, end: int, found: dict[int, tuple[int, int, int]]) -> None:
        for at in range(begin, end - self.least + 1):
            for row in self._short.get(hash(tuple(numbers[at : at + self.least])), ()):
                if row not in found and _shared(numbers, at, end, self._rows[row], 0) == len(self._rows[row]):
                    found[row] = len(self._rows[row]), at, 0

    def _equal(self, row: int, text: str) -> Match:
        return Match(row, 0, len(text), 0, len(self._texts[row]), len(words(text)), True)

    def _shown(self, text: str, found: dict[int, tuple[int, int, int]]) -> list[Match]:
        """The runs as characters of the two texts; only now, since few rows come so far."""
        placed = placed_words(text)
        shown = []
        for row, (length, at, start) in sorted(found.items()):
            own = placed_words(self._texts[row])
            last, own_last = placed[at + length - 1], own[start + length - 1]
            span = placed[at].start, last.end, own[start].start, own_last.end
            shown.append(Match(row, *span, length, length == len(own)))
        return shown


def _known(numbers: list[int], least: int) -> Iterator[tuple[int, int]]:
    """The runs, `least` words or more, of words that stand in a test row at all."""
    begin = 0
    for at, number in enumerate(numbers):
        if number < 0:
            if at - begin >= least:
                yield begin, at
            begin = at + 1
    if len(numbers) - begin >= least:
        yield begin, len(numbers)


def _shared(numbers: Sequence[int], at: int, end: int, row: Sequence[int], start: int) -> int:
    """How many words are equal from these two places on."""
    most = min(end - at, len(row) - start)
    return next((i for i in range(most) if numbers[at + i] != row[start + i]), most)
