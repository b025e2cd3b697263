"""What a way of augmenting gets and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tailorlm.core.config import Settings
from tailorlm.core.errors import TailorError

Edit = Callable[[str, np.random.Generator], str | None]


@dataclass(frozen=True, slots=True)
class Draft:
    """A row that a way made: its text, the label it should have, and what it was made from.

    way: the registered name. origins: indices of the rows it was made from, the one it takes its place from first; empty
    for a template, which `source` names (`file:line`).
    """

    text: str = field(repr=False)
    label: str
    way: str
    origins: tuple[int, ...] = ()
    source: str = ""

    @property
    def mark(self) -> str:
        """How the row is marked in what is written: 'augmented: typos'."""
        return f"augmented: {self.way}"


@dataclass(frozen=True)
class Pool:
    """The rows that may be drawn from: train rows alone, each text once, none with two labels.

    texts and labels are those of all rows; `of` gives for each label the indices that may be used, in an order that
    depends on content and seed alone.
    """

    texts: Sequence[str] = field(repr=False)
    labels: Sequence[str] = field(repr=False)
    of: Mapping[str, Sequence[int]] = field(repr=False)


class Way(Protocol):
    """One way to make new rows. The class holds a `Settings` class; the constructor stores settings and nothing else.

    `drafts` makes one draft for each origin (an index into `pool`), or None where it cannot; `seeds` are what it draws
    from, one each, so that a draft depends on its text, its label and the seed and not on the rows around it.
    `name` is the registered name. `settings` are those it was made with.
    """

    name: str
    settings: Settings

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]: ...


def edited(name: str, edit: Edit, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
    """Drafts by a function of one text: None where it gives None or the same text."""
    found: list[Draft | None] = []
    for origin, seed in zip(origins, seeds, strict=True):
        text = edit(pool.texts[origin], np.random.default_rng(seed))
        new = text is not None and text != pool.texts[origin]
        found.append(Draft(text, pool.labels[origin], name, (origin,)) if text is not None and new else None)
    return found


def rewritten(name: str, new: Sequence[str | None], origins: Sequence[int], pool: Pool) -> list[Draft | None]:
    """Drafts of texts that a model or function gave, one for each origin: None where it gave nothing or the same text.

    Raises TailorError when as many texts did not come back.
    """
    if len(new) != len(origins) or not all(text is None or isinstance(text, str) for text in new):
        raise TailorError(
            f"the way of augmenting '{name}' did not get one text (or None) for each row",
            got=f"{len(new)} values for {len(origins)} texts",
        )
    return [
        None if text is None or text == pool.texts[i] or not text.strip() else Draft(text, pool.labels[i], name, (i,))
        for i, text in zip(origins, new, strict=True)
    ]
