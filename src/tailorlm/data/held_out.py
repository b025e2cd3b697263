"""Rows that must never be shown: those that the final scorer reads. An index or a store knows them by hashes and refuses them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailorlm.core.errors import CheckError
from tailorlm.data.quality import normalised

SHOWN = 8


@dataclass(frozen=True)
class HeldOut:
    """The test rows of a split, as hashes of their contents and ids; no text is kept.

    fingerprint: of the split, so that a store says which test rows it was made without. Two texts count as equal when they differ
    in case, punctuation and white space alone (`data.quality.normalised`). Near copies are looked for when rows are prepared
    (`tailor prep`, `data.near`), not here.
    """

    fingerprint: str
    contents: frozenset[str]
    ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str], ids: Iterable[str] = (), fingerprint: str | None = None) -> HeldOut:
        """From the test rows' input texts and (where rows have names that mean the same everywhere) their ids.

        fingerprint: the split's own, where it has one; else a hash over the contents is made.
        """
        contents, names = frozenset(map(_content, texts)), frozenset(map(_hashed, ids))
        made = hashlib.sha256("\n".join([*sorted(contents), "", *sorted(names)]).encode()).hexdigest()
        return cls(fingerprint or made, contents, names)

    def holds(self, text: str, id: str | None = None) -> bool:
        """Whether this is a test row's text or id. Blank texts are no copies of each other."""
        return (id is not None and _hashed(id) in self.ids) or (bool(text.strip()) and _content(text) in self.contents)

    def fault(self, names: Sequence[str], what: str) -> CheckError:
        """The error that names what is among the test rows. what: one of them in a word ('document', 'example')."""
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        are = f"{what}s are" if len(names) > 1 else f"{what} is"
        return CheckError(
            f"{len(names)} {are} among the test rows: an answer would be shown before it is asked for",
            got=shown,
            allowed=f"no row of the test split {self.fingerprint[:12]}",
            hint="take them out",
        )

    def plain(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {"fingerprint": self.fingerprint, "contents": sorted(self.contents), "ids": sorted(self.ids)}

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> HeldOut:
        """From what `plain` gave."""
        return cls(value["fingerprint"], frozenset(value["contents"]), frozenset(value["ids"]))


def _content(text: str) -> str:
    return _hashed(normalised(text))


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
