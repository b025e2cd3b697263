"""Finding in one text: the kinds by name, and overlapping finds settled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from tailorlm.core.errors import UsageError, unknown_name
from tailorlm.data.redact._kinds import GROUPS, KINDS
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Found, Kind


class Claim(NamedTuple):
    """A find with the right by which it may name an overlap: the lower, the better."""

    start: int
    end: int
    rank: tuple[bool, int]
    kind: str


def find(text: str, kinds: Iterable[str | Kind] | None = None) -> list[Found]:
    """The identifiers in a text, in order, without overlap. kinds: names, groups or kinds; None means all.

    Where finds overlap they become one, from the first character to the last, so that no piece of either is left; it
    has the kind that a word beside it names, else the one that stands first in the table.
    Offsets are in characters of `text`. Takes time in proportion to its length.
    """
    return settled(claims(View(text), ranked(kinds_named(kinds))))


def kinds_named(kinds: Iterable[str | Kind] | None = None) -> tuple[Kind, ...]:
    """The kinds for names ("email"), groups ("national_id") and kinds given as they are (`Phone(regions=["DE"])`).

    None means all. Each once, in the order of the table, others behind. An unknown name is a UsageError with near misses.
    """
    if kinds is None:
        return _all_kinds()
    if isinstance(kinds, str):
        raise UsageError("kinds must be a list of names", got=repr(kinds), hint=f"[{kinds!r}]")
    chosen: dict[str, Kind] = {}
    for kind in kinds:
        if not isinstance(kind, str):
            chosen[kind.name] = kind
            continue
        if kind not in KINDS and kind not in GROUPS:
            raise unknown_name(KINDS.kind, kind, [*KINDS, *GROUPS])
        for name in GROUPS.get(kind, (kind,)):
            chosen.setdefault(name, _made(name))
    order = {name: place for place, name in enumerate(KINDS)}
    return tuple(sorted(chosen.values(), key=lambda k: order.get(k.name, len(order))))


Ranked = tuple[tuple[tuple[int, Kind], ...], ...]
"""For a text of 0, 1, 2, ... digits (the last entry: and more) the kinds that look at it, with their places in the table."""


def ranked(kinds: Sequence[Kind]) -> Ranked:
    """Kinds made ready for `claims`: most texts hold few digits, and are looked at by few."""
    most = max((kind.least_digits for kind in kinds), default=0)
    return tuple(
        tuple((place, kind) for place, kind in enumerate(kinds) if kind.least_digits <= digits)
        for digits in range(most + 1)
    )


def claims(view: View, kinds: Ranked) -> list[Claim]:
    """All finds of all kinds in a text, in offsets of the text as given."""
    found = []
    for place, kind in kinds[min(view.digits, len(kinds) - 1)]:
        for start, end, named in kind.find(view):
            found.append(Claim(*view.original(start, end), (not named, place), kind.name))
    return found


def settled(found: list[Claim]) -> list[Found]:
    """Claims in order, those that overlap made one."""
    result: list[Claim] = []
    for claim in sorted(found):
        if result and claim.start < result[-1].end:
            last = result[-1]
            best = min(last, claim, key=lambda c: c.rank)
            result[-1] = best._replace(start=last.start, end=max(last.end, claim.end))
        else:
            result.append(claim)
    return [Found(claim.kind, claim.start, claim.end) for claim in result]


@cache
def all_ranked() -> Ranked:
    """All kinds, ready."""
    return ranked(_all_kinds())


@cache
def _all_kinds() -> tuple[Kind, ...]:
    return tuple(_made(name) for name in KINDS)


@cache
def _made(name: str) -> Kind:
    """The kind of that name: tables hold classes and ready-made schemes."""
    part = KINDS.get(name)
    kind: Kind = part() if isinstance(part, type) else part
    return kind
