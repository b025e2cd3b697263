"""Rows that go, with why: some sixty bytes a row instead of five hundred, here and in every worker."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any


class Gone:
    """Row numbers with a reason and a detail each, and the text of the row that stays for those that are shown.

    Rows are added in any order while a step learns (`add`, `in`), then kept as `plain` and asked one by one (`why`). Memory: for each
    row its number and the end of its detail (8 bytes each), one byte of reason, and the detail itself; while rows are added, a set
    of the numbers too.
    """

    def __init__(self) -> None:
        self._numbers, self._ends = array("q"), array("q")
        self._kinds, self._details = bytearray(), bytearray()
        self._reasons: list[str] = []
        self._texts: dict[int, str] = {}
        self._known: set[int] = set()

    def __contains__(self, number: object) -> bool:
        return number in self._known

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def add(self, number: int, reason: str, detail: str, text: str | None = None) -> None:
        """One more row; one that is there already gets the new reason. text: of the row that stays, for examples."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        self._known.add(number)
        self._numbers.append(number)
        self._kinds.append(self._reasons.index(reason))
        self._details += detail.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._details))
        if text is not None:
            self._texts[number] = text

    def why(self, number: int) -> tuple[str, str, str | None] | None:
        """Reason, detail and text for a row that goes; None for one that stays. Asked of what `read` made."""
        place = bisect_left(self._numbers, number)
        if place == len(self._numbers) or self._numbers[place] != number:
            return None
        start = self._ends[place - 1] if place else 0
        detail = self._details[start : self._ends[place]].decode("utf-8", "surrogatepass")
        return self._reasons[self._kinds[place]], detail, self._texts.get(number)

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON, by row number; of a row that was added twice the last."""
        last = {number: place for place, number in enumerate(self._numbers)}
        order = [last[number] for number in sorted(last)]
        return {
            "numbers": [self._numbers[place] for place in order],
            "reasons": list(self._reasons),
            "kinds": [self._kinds[place] for place in order],
            "details": [self._detail(place) for place in order],
            "texts": {str(number): text for number, text in self._texts.items()},
        }

    @classmethod
    def read(cls, value: dict[str, Any]) -> Gone:
        """From what `plain` gave, in the order of the numbers."""
        made = cls()
        made._numbers, made._reasons = array("q", value["numbers"]), list(value["reasons"])
        made._kinds = bytearray(value["kinds"])
        for detail in value["details"]:
            made._details += detail.encode("utf-8", "surrogatepass")
            made._ends.append(len(made._details))
        made._texts = {int(number): text for number, text in value["texts"].items()}
        return made

    def _detail(self, place: int) -> str:
        start = self._ends[place - 1] if place else 0
        return self._details[start : self._ends[place]].decode("utf-8", "surrogatepass")
