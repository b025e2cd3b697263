"""Faults that a user can mend, and how they are worded.

Every error says what is wrong, what was got, what is allowed and what to type next. The CLI prints
`str(error)` and leaves with `error.exit_code`; nothing else of the program decides an exit code.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TailorError(Exception):
    """A fault in what the user gave, worded so that it can be mended.

    what: one sentence that names the thing at fault (`file:line` where there is one).
    got: what stood there. allowed: what may stand there. hint: what to type or change next.
    `exit_code` is 1 for failures, 2 for usage, 3 for a check that found problems.
    """

    exit_code = 1

    def __init__(self, what: str, *, got: str | None = None, allowed: str | None = None, hint: str | None = None):
        self.what, self.got, self.allowed, self.hint = what, got, allowed, hint
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  got:      {self.got}"] if self.got is not None else []
        lines += [f"  expected: {self.allowed}"] if self.allowed is not None else []
        lines += [f"  try:      {self.hint}"] if self.hint is not None else []
        return printable("\n".join(lines))


class UsageError(TailorError):
    """The command or recipe itself is wrong: an unknown name, a key that does not exist, a value out of bounds."""

    exit_code = 2


class CheckError(TailorError):
    """A check found problems in the rows (leakage, too many broken rows): the input was read, and must be mended."""

    exit_code = 3


def printable(text: str) -> str:
    """`text` with control characters as escapes: a column or a file may be called what makes a terminal do things."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def near_misses(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names most like `name`, best first (none when nothing is alike)."""
    folded = {k.lower().replace("_", "-"): k for k in known}
    found = difflib.get_close_matches(name.lower().replace("_", "-"), list(folded), n=limit, cutoff=0.55)
    return [folded[f] for f in found]


def few(names: Iterable[str], most: int = 60) -> str:
    """Names with commas between them; of very many the first ones, and how many more there are."""
    every = list(names)
    left = len(every) - most
    return ", ".join(every[:most]) + (f", and {left:,} more" if left > 0 else "")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that no table holds: near misses first, then the whole list."""
    names = sorted(known)
    near = near_misses(name, names)
    return UsageError(
        f"there is no {kind} called '{name}'",
        allowed=few(names) or "(none is registered)",
        hint=f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None,
    )
