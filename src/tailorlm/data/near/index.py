"""The search itself: texts are read once and sketched, candidates are compared by what they really hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.near.bands import Bands, choose_bands
from tailorlm.data.near.bar import Bar, bar_of
from tailorlm.data.near.clusters import Cluster, clusters_of
from tailorlm.data.near.fold import fold
from tailorlm.data.near.search import Search, equal_rows
from tailorlm.data.near.shingles import Shingles, Unit
from tailorlm.data.near.signatures import Signatures
from tailorlm.data.near.sketches import Sketch, portions, stream
from tailorlm.data.near.verify import Fetch

_FIRST = 1000
_SHORT = 300
_COUNTED = 4000
_GROW = 1 << 16


def shingle_for(texts: Sequence[str]) -> int:
    """The shingle size (characters) that suits such texts: 3 where half of them are short (300 characters), else 5.

    In short rows a long shingle makes one typing error look like another text; in long ones short shingles are shared by
    all texts of a language.
    """
    return shingle_by(typical_length(texts))


def shingle_by(typical: float) -> int:
    """The same for texts whose middling length is known."""
    return 3 if typical < _SHORT else 5


def typical_length(texts: Sequence[str]) -> float:
    """The median length of folded texts, in characters, of which the first 4,000 count; 0 without texts."""
    begins = (text[:_COUNTED] for text in texts)  # folding takes forty times the size of what is folded
    lengths = [np.diff(fold(part).starts) for part in portions(begins)]
    return float(np.median(np.concatenate(lengths))) if lengths else 0.0


class Near:
    """An index of texts in which duplicates are found: add texts, then ask for the clusters.

    threshold: the least Jaccard similarity of two near duplicates, or a `Bar` by their lengths. shingle, unit: see `Shingles`; without a shingle size
    it is chosen by the first 1,000 texts (see `shingle_for`; 3 of words). permutations: more of them find the same pairs with fewer
    comparisons, and cost a byte each a text. recall: the least chance to find a pair that is just at the threshold
    (pairs above it are found more often; equal texts always). workers: threads; results do not depend on them.

    Memory is `bytes_per_row` a text and does not grow with its length; texts are not kept. The order in which texts were
    added numbers them, from 0. After `clusters`, `crowded` says how many rows stood in a bucket too large to compare each
    with each (templates; a longer shingle or more permutations help). Raises UsageError for settings out of bounds.
    Choose it over `find_near` to add texts as they stream by, several lists to one space, or sketches made elsewhere.

    >>> near = Near(threshold=0.7)
    >>> rows = ["where is my new card", "where is my new card?", "where is my new card now", "close my account"]
    >>> _ = near.add(rows)
    >>> [(pair.left, pair.right, pair.kind) for pair in near.clusters(lambda asked: [rows[i] for i in asked])[0].pairs]
    [(0, 1, 'normalised'), (0, 2, 'near')]
    """

    def __init__(
        self,
        *,
        threshold: float | Bar = 0.7,
        shingle: int | None = None,
        unit: Unit = "characters",
        permutations: int = 128,
        seed: int = 0,
        recall: float = 0.97,
        workers: int = 1,
    ):
        self.bar = bar_of(threshold)
        for name, value, good in (
            ("recall", recall, 0 < recall < 1),
            ("number of workers", workers, workers >= 1),
        ):
            if not good:
                bounds = "above 0, below 1" if name == "recall" else "1 or more"
                raise UsageError(f"the {name} is out of bounds", got=str(value), allowed=bounds)
        self.workers = workers
        self.bands: Bands = choose_bands(min(self.bar.low, 0.999999), permutations, recall)
        self.signatures = Signatures(permutations, shingle or 3, unit, seed)
        self.crowded = 0
        self._first: list[str] | None = [] if shingle is None and unit == "characters" else None
        self._rows = 0
        self._exact = np.zeros(0, np.uint64)
        self._folded = np.zeros(0, np.uint64)
        self._lengths = np.zeros(0, np.uint32)
        self._signed = np.zeros((0, permutations), np.uint8)

    def __len__(self) -> int:
        return self._rows + len(self._first or ())

    @property
    def bytes_per_row(self) -> int:
        """What a text costs while texts are added; asking for clusters takes about 60 bytes a text more for a while."""
        return 8 + 8 + 4 + self.signatures.permutations

    @property
    def shingles(self) -> Shingles:
        """How texts are cut; settled by the first 1,000 texts unless a size was given."""
        return Shingles(self.signatures.shingle, self.signatures.unit)

    def add(self, texts: Iterable[str]) -> range:
        """Read more texts (a list, or a stream), and give the numbers they have got."""
        before = len(self)
        source = iter(texts)
        if self._first is not None:
            for text in source:
                self._first.append(text)
                if len(self._first) == _FIRST:
                    self._settle()
                    break
        for part in stream(source, self.signatures, self.workers):
            self.take(part)
        return range(before, len(self))

    def take(self, part: Sketch) -> None:
        """Add texts as their sketch, made elsewhere by `sketch(texts, near.signatures)` with the same settings."""
        if self._first is not None:
            if self._first:
                self._settle()
            self._first = None
        rows = part.exact.size
        if part.signatures.shape != (rows, self.signatures.permutations):
            raise TailorError("a sketch of other settings does not fit this index", got=str(part.signatures.shape))
        end = self._rows + rows
        for name in ("_exact", "_folded", "_lengths", "_signed"):
            held: NDArray[np.unsignedinteger] = getattr(self, name)
            if held.shape[0] < end:
                # In place where the system can move pages: never two copies of all signatures at once.
                held.resize((end + max(_GROW, end // 8), *held.shape[1:]), refcheck=False)
        self._exact[self._rows : end], self._folded[self._rows : end] = part.exact, part.folded
        self._lengths[self._rows : end], self._signed[self._rows : end] = part.lengths, part.signatures
        self._rows = end

    def clusters(self, fetch: Fetch) -> list[Cluster]:
        """The clusters of duplicates among all texts added so far, by their first row.

        fetch: gives the texts of row numbers (rising, each once), as a list in the same order; it is called for some
        thousand candidates at a time and may read them from a file. Raises TailorError when it gives another number.
        """
        if self._first:
            self._settle()
        firsts, pairs = equal_rows(self._exact[: self._rows], self._folded[: self._rows])
        search = Search(self._signed[: self._rows], self._lengths[: self._rows], firsts, self.bands)
        pairs += search.run(fetch, self.shingles, self.bar, self.workers)
        self.crowded = search.crowded
        return clusters_of(pairs)

    def _settle(self) -> None:
        first, self._first = self._first or [], None
        own = self.signatures
        self.signatures = Signatures(own.permutations, shingle_for(first), own.unit, own.seed)
        for part in stream(first, self.signatures, 1):
            self.take(part)


def find_near(
    texts: Iterable[str],
    *,
    fetch: Fetch | None = None,
    threshold: float | Bar = 0.7,
    shingle: int | None = None,
    unit: Unit = "characters",
    permutations: int = 128,
    seed: int = 0,
    workers: int = 1,
) -> list[Cluster]:
    """The clusters of exact, normalised and near duplicates among texts, with the pairs that hold them together.

    texts: a list, or any stream of texts; it is read once. fetch: gives the texts of row numbers (rising, each once) as
    a list; needed where `texts` is a stream, since texts are not kept. The other settings are those of `Near`.
    Every 'near' pair has a true Jaccard similarity of `threshold` or more; of the pairs that do, at least 97 in 100 are in
    one cluster. The same texts and settings give the same clusters, however they arrive and whatever the workers.
    Raises UsageError for settings out of bounds, or a stream without fetch.
    Choose `Bar()` for rows whose lengths differ, 0.6 to see leaks between splits of short rows, 0.8 for documents. Texts that say
    the same in other words are found by `find_semantic` alone.

    >>> find_near(["one and the same row", "another", "One and the same row!"])[0].indices
    (0, 2)
    """
    if fetch is None:
        if not isinstance(texts, Sequence):
            raise UsageError(
                "a stream of texts can be read once only", allowed="a list of texts, or fetch=<function of row numbers>"
            )
        held = texts

        def fetch(asked: Sequence[int]) -> Sequence[str]:
            return [held[i] for i in asked]

    near = Near(threshold=threshold, shingle=shingle, unit=unit, permutations=permutations, seed=seed, workers=workers)
    near.add(texts)
    return near.clusters(fetch)
