"""What every row shape is: roles that columns play, how they are recognised, and one canonical record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import as_text
from tailorlm.data.shapes._facts import Facts, known_as

Columns = Mapping[str, str | tuple[str, ...]]
"""The columns of a set of rows by the role they play."""


class Role(NamedTuple):
    """One part that a column can play in a shape.

    names: what such columns are called; the first is the role's own name and outranks the others, which are equals.
    fits: whether the values of a column can play it. needed: the shape is nothing without it.
    """

    name: str
    names: tuple[str, ...]
    fits: Callable[[Facts, str], bool]
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A shape that fits the rows.

    columns: by role. evidence: why, in words, without any value of a row. doubts: roles that several columns could play
    equally well. weak: no name was known, only the values fit.
    """

    shape: str
    columns: Columns
    evidence: tuple[str, ...]
    doubts: Mapping[str, tuple[str, ...]]
    weak: bool = False


class Unfit(TailorError):
    """A row that has not the shape of the others; `what` says why, without any of its text."""


class RowShape:
    """A shape recognised by the names and values of its columns, role by role; a part overrides what it needs.

    beats: shapes that this one is a richer reading of, where both fit the same columns.
    """

    name: ClassVar[str]
    what: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]]
    beats: ClassVar[frozenset[str]] = frozenset({"documents"})

    def find(self, facts: Facts, chosen: Mapping[str, str]) -> Found | None:
        """The columns that play the roles, or None. chosen: column by role, as the user said."""
        columns: dict[str, str | tuple[str, ...]] = {}
        doubts: dict[str, tuple[str, ...]] = {}
        for role in self.roles:
            taken = {c for c in (*columns.values(), *chosen.values()) if isinstance(c, str)}
            choice = [chosen[role.name]] if role.name in chosen else self._named(role, facts, taken)
            if not choice and role.needed:
                return None
            if choice:
                columns[role.name] = choice[0]
            if len(choice) > 1:
                doubts[role.name] = tuple(choice)
        return Found(self.name, columns, self.evidence(facts, columns), doubts)

    def evidence(self, facts: Facts, columns: Columns) -> tuple[str, ...]:
        """Why the shape fits, in words."""
        return (self.what,)

    def record(self, values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
        """The row in the one form that all spellings of this shape share. Raises Unfit."""
        raise NotImplementedError

    def _named(self, role: Role, facts: Facts, taken: set[str]) -> list[str]:
        """The columns with a known name that can play the role: one by its own name, else all by another."""
        fitting = [c for c in facts.columns if c not in taken and known_as(c) in role.names and role.fits(facts, c)]
        own = [c for c in fitting if known_as(c) == role.names[0]]
        return own[:1] or fitting


def go_together(
    facts: Facts,
    pairs: Sequence[tuple[str, str]],
    fits: tuple[Callable[[Facts, str], bool], Callable[[Facts, str], bool]],
    chosen: tuple[str | None, str | None] = (None, None),
) -> list[tuple[str, str]]:
    """The pairs of columns whose names go together and whose values fit; chosen: one of the two, if the user said it."""
    found = []
    for names in pairs:
        both = [next((c for c in facts.columns if known_as(c) == name), None) for name in names]
        both = [told or column for told, column in zip(chosen, both, strict=True)]
        first, second = both
        if (
            first is not None
            and second is not None
            and first != second
            and fits[0](facts, first)
            and fits[1](facts, second)
        ):
            found.append((first, second))
    return list(dict.fromkeys(found))


def text_of(values: Mapping[str, Any], columns: Columns, role: str) -> str:
    """The text in the column of `role`. Raises Unfit where there is none."""
    column = one_column(columns, role)
    value = values.get(column)
    if value is None or isinstance(value, list | dict):
        raise Unfit(f"the column {column!r} holds no text")
    return as_text(value)


def text_or_none(values: Mapping[str, Any], columns: Columns, role: str) -> str | None:
    """The text in the column of an optional role; None where the role has no column, or the row no text (blanks only)."""
    if role not in columns:
        return None
    value = values.get(one_column(columns, role))
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return text_of(values, columns, role)


def one_column(columns: Columns, role: str) -> str:
    """The column of a role that only one column can play."""
    column = columns[role]
    return column if isinstance(column, str) else column[0]
