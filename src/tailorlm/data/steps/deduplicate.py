"""Copies out: equal rows, rows equal but for case and punctuation, near copies; within a split and across splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError, unknown_name
from tailorlm.data.clean import MEASURES
from tailorlm.data.near import Cluster, Shingles
from tailorlm.data.near.verify import jaccard
from tailorlm.data.rows import as_text
from tailorlm.data.steps._alike import alike
from tailorlm.data.steps.base import Context, Dropped, Item, RowsOnDisk, Step, Tally

_RANK = {"": 0, "train": 0, "validation": 1, "test": 2}
_SHOWN = 50
_LARGEST = 2000
"""Of a larger cluster only the first rows are weighed against one another; the rest is dropped for a pair with any."""
REASONS = {"exact": "exact copy", "normalised": "equal but for case, punctuation and blanks", "near": "near copy"}


class Deduplicate(Step):
    """Drops rows that are copies of others, and keeps one of each group by a rule.

    Near copies are found by MinHash and compared by their true Jaccard similarity (see `data/near`); a row goes only if it is
    like a row that stays, not for a chain of small differences. Rows with different labels are never copies of each
    other inside one split: that is a contradiction, which `audit` reports. Across splits a train row goes for a copy in
    validation or test, whatever its label; rows that were given as validation or test rows stay, all of them.
    Memory: about 150 bytes a row, and 60 more for a moment. Choose a `near` of 0.7 for short rows, 0.8 for documents.
    """

    class Settings(BaseSettings):
        """What counts as a copy, and which one stays."""

        near: float = setting(
            0.8, ge=0, le=1, help="rows this alike (Jaccard of character runs) are near copies; 1: none but equal ones"
        )
        keep: Literal["first", "longest", "cleanest", "latest"] = setting("first", help="which copy stays")
        column: str | None = setting(None, help="the column with the time, for `latest`")
        labels: Literal["same", "any"] = setting("same", help="`same`: only rows with the same label are copies")
        across: bool = setting(True, help="drop train rows that copy validation or test rows")

    settings: Settings
    surveys = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._gone: dict[int, list[str]] = {}

    def check(self) -> None:
        """The latest copy needs a column with the time."""
        if self.settings.keep == "latest" and self.settings.column is None:
            raise UsageError("to keep the latest copy, name the column with the time", hint="column: created_at")

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """The rows to drop, with reason and detail, and how large the groups are."""
        clusters, near = alike(rows, self.context, self.settings.near or 1.0)
        gone: dict[int, list[str]] = {}
        sizes: dict[str, int] = {}
        conflicts = 0
        shown: Counter[str] = Counter()
        for cluster in clusters:
            sizes[str(len(cluster.indices))] = sizes.get(str(len(cluster.indices)), 0) + 1
            found, torn = self._weighed(cluster, rows, near.shingles, near.threshold)
            for why in found.values():
                if shown[why[0]] >= _SHOWN:
                    del why[2:]  # the text of the row that stays is needed for examples alone
                shown[why[0]] += 1
            gone |= found
            conflicts += torn
        return {
            "gone": gone,
            "sizes": sizes,
            "conflicts": conflicts,
            "bytes_per_row": near.bytes_per_row,
            "shingle": near.shingles.size,
            "crowded": near.crowded,
        }

    def begin(self, learned: Any) -> None:
        """Take the rows to drop."""
        super().begin(learned)
        if learned is not None:
            self._gone = {int(number): why for number, why in learned["gone"].items()}

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row, or why it goes."""
        why = self._gone.get(item.number)
        return item if why is None else Dropped(why[0], why[1], why[2] if len(why) > 2 else None)

    def facts(self) -> dict[str, Any]:
        """Groups by size, groups whose labels differ, bytes a row."""
        if self.learned is None:
            return {}
        named = {"sizes": "groups by rows", "conflicts": "groups with different labels", "bytes_per_row": "bytes a row"}
        facts = {said: self.learned[name] for name, said in named.items()}
        return facts | {
            "characters of a shingle": self.learned["shingle"],
            "rows in crowded buckets": self.learned["crowded"],
        }

    def _weighed(
        self, cluster: Cluster, rows: RowsOnDisk, shingles: Shingles, threshold: float
    ) -> tuple[dict[int, list[str]], bool]:
        """Which rows of a cluster go. Rows are taken in the order of the rule; each goes if one that stays is like it."""
        items = rows.fetch(cluster.indices[:_LARGEST])
        labels = [self.context.fields.label_of(item.values) for item in items]
        texts = [self.context.fields.text(item.values) for item in items]
        order = sorted(range(len(items)), key=lambda i: self._rank(items[i], texts[i]))
        known = {(pair.left, pair.right): pair.similarity for pair in cluster.pairs}
        kinds = _Kinds(texts, shingles, threshold, known, [item.number for item in items])
        stay: list[int] = []
        gone: dict[int, list[str]] = {}
        for i in order:
            why = self._why(i, stay, items, labels, kinds)
            if why is None:
                stay.append(i)
            else:
                gone[items[i].number] = why
        for number in cluster.indices[_LARGEST:]:
            gone[number] = ["near copy", f"one of {len(cluster.indices):,} rows like {items[order[0]].where}"]
        return gone, len(set(labels)) > 1

    def _why(
        self, i: int, stay: Sequence[int], items: Sequence[Item], labels: Sequence[str | None], kinds: _Kinds
    ) -> list[str] | None:
        own = _RANK.get(items[i].split, 0)
        if own > 0:
            return None  # given as validation or test
        for j in stay:
            other = _RANK.get(items[j].split, 0)
            if other > 0 and not self.settings.across:
                continue
            if other == 0 and self.settings.labels == "same" and labels[i] != labels[j]:
                continue
            found = kinds.between(i, j)
            if found is None:
                continue
            kind, similarity = found
            where = f" ({items[j].split})" if other > 0 else ""
            alike_ = f", Jaccard {similarity:.2f}" if kind == "near" else ""
            reason = REASONS[kind] + (" of a held-out row" if other > 0 else "")
            return [reason, f"of {items[j].where}{where}{alike_}", kinds.texts[j]]
        return None

    def _rank(self, item: Item, text: str) -> tuple[Any, ...]:
        """Held-out rows first, then by the rule, then by order."""
        keep = self.settings.keep
        rule: Any = 0
        if keep == "longest":
            rule = -len(text)
        elif keep == "cleanest":
            rule = sum(MEASURES[name].of(text) for name in ("symbols", "repetition", "broken", "placeholders"))
        elif keep == "latest":
            rule = _Backwards(self._time(item))
        return (-_RANK.get(item.split, 0), rule, item.number)

    def _time(self, item: Item) -> str:
        column = self.settings.column
        assert column is not None
        if column not in item.values:
            raise unknown_name("column", column, item.values)
        value = item.values[column]
        return "" if value is None else as_text(value)


class _Backwards:
    """Sorts text from the last to the first."""

    def __init__(self, text: str):
        self._text = text

    def __lt__(self, other: _Backwards) -> bool:
        return self._text > other._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class _Kinds:
    """How two rows of a cluster are alike, worked out when it is asked for."""

    def __init__(
        self,
        texts: Sequence[str],
        shingles: Shingles,
        threshold: float,
        known: dict[tuple[int, int], float],
        numbers: Sequence[int],
    ):
        from tailorlm.data.quality import normalised

        self.texts, self._shingles, self._threshold = texts, shingles, threshold
        self._known, self._numbers = known, numbers
        self._folded = [normalised(text) for text in texts]

    def between(self, i: int, j: int) -> tuple[str, float] | None:
        """The kind and the similarity, or None below the threshold."""
        if self.texts[i] == self.texts[j]:
            return "exact", 1.0
        if self._folded[i] == self._folded[j]:
            return "normalised", 1.0
        pair = (min(self._numbers[i], self._numbers[j]), max(self._numbers[i], self._numbers[j]))
        similarity = self._known.get(pair)
        if similarity is None:
            import numpy as np

            similarity = float(jaccard([self.texts[i], self.texts[j]], np.array([[0, 1]]), self._shingles)[0])
        return ("near", similarity) if similarity >= self._threshold else None
