"""Which steps share a pass over the rows, and what else is done while a pass has the rows at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailorlm.data.steps.base import Step


@dataclass(frozen=True)
class Pass:
    """Consecutive steps that see a row one after the other.

    steps: their places in the preparation. first: the rows are as they were read. idle: the rows stay as they are, so no
    pass is made. scout: the place of the step behind that looks at the rows in this pass, before its own begins. final:
    no row is changed behind this pass, so it writes what comes out. needed: steps behind it want the rows.
    """

    steps: tuple[int, ...]
    first: bool = False
    idle: bool = False
    scout: int | None = None
    final: bool = False
    needed: bool = True


def planned(made: Sequence[Step]) -> list[Pass]:
    """The passes of a preparation: a step that must see all rows first begins a new one, one that makes rows ends its own."""
    groups = _groups(made)
    idle = [at > 0 and len(group) == 1 and not made[group[0]].changes_rows for at, group in enumerate(groups)]
    makes = [made[group[-1]].makes_rows for group in groups]
    passes = []
    for at, group in enumerate(groups):
        behind = groups[at + 1 :]
        scout = behind[0][0] if behind and looks_itself(made[behind[0][0]]) and not makes[at] else None
        final = not idle[at] and all(idle[at + 1 :]) and not any(makes[at:])
        passes.append(Pass(tuple(group), at == 0, idle[at], None if idle[at] else scout, final, bool(behind)))
    return passes


def looks_itself(step: Step) -> bool:
    """Whether a step asks something of all rows, chunk by chunk, before it learns."""
    return step.surveys and type(step).look is not Step.look


def _groups(made: Sequence[Step]) -> list[list[int]]:
    groups: list[list[int]] = []
    closed = True
    for i, step in enumerate(made):
        if closed or step.surveys or step.makes_rows:
            groups.append([])
        groups[-1].append(i)
        closed = step.makes_rows
    return groups
