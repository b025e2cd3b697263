"""The shapes that rows come in, by name: which one a set has, by which evidence, and one canonical record a row.

One file a shape, one line in the table; third parties add theirs through the entry-point group `tailorlm.shapes`.
Nothing is guessed: where two shapes, or two columns for one role, fit equally well, the user is asked to say which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailorlm.core.errors import UsageError, few, near_misses, unknown_name
from tailorlm.core.registry import Registry
from tailorlm.data.rows import Row
from tailorlm.data.shapes._facts import Facts, listed
from tailorlm.data.shapes.base import Columns, Found, RowShape, Unfit

__all__ = ["SHAPES", "TABLE", "Shape", "Unfit", "detect"]

TABLE = {
    "alpaca": "tailorlm.data.shapes.alpaca:Alpaca",
    "classify": "tailorlm.data.shapes.classify:Classify",
    "completion": "tailorlm.data.shapes.completion:Completion",
    "documents": "tailorlm.data.shapes.documents:Documents",
    "extract": "tailorlm.data.shapes.extract:Extract",
    "many_labels": "tailorlm.data.shapes.many_labels:ManyLabels",
    "messages": "tailorlm.data.shapes.messages:Messages",
    "pair": "tailorlm.data.shapes.pair:Pair",
    "preference": "tailorlm.data.shapes.preference:Preference",
    "sharegpt": "tailorlm.data.shapes.sharegpt:ShareGpt",
    "spans": "tailorlm.data.shapes.spans:Spans",
    "tags": "tailorlm.data.shapes.tags:Tags",
}
SHAPES = Registry("row shape", TABLE, "tailorlm.shapes")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows of a set are.

    name: from the table. columns: by role (`text`, `label`, `messages`, ...). evidence: why, in words to be printed; it
    holds names and counts, never a value of a row. unused: columns that play no role; they stay in the rows.
    """

    name: str
    columns: Columns
    evidence: tuple[str, ...]
    unused: tuple[str, ...] = ()

    def record(self, row: Row) -> dict[str, Any]:
        """The row in the one form that all spellings of its shape share; the row itself stays as it is.

        classify: text, label. many_labels: text, labels. pair: first, second (label). tags: tokens, tags.
        spans: text, spans [{start, end, label}]. extract: question, context, answers [{text, start}].
        completion, alpaca, sharegpt, messages: messages [{role, content, ...}] (tools). preference: prompt, chosen,
        rejected, each a list of messages. documents: text (title, source).
        Raises Unfit with file and line for a row that has not this shape; the message holds none of its text.
        """
        part: RowShape = SHAPES.get(self.name)()
        try:
            return part.record(row.values, self.columns)
        except Unfit as exc:
            raise Unfit(f"{row.where}: {exc.what}", hint="mend the row, or leave it out") from None

    def __str__(self) -> str:
        unused = f"; not used: {few(self.unused, 20)}" if self.unused else ""
        return f"{self.name} ({listed(self.columns)}): {'; '.join(self.evidence)}{unused}"


def detect(
    columns: Sequence[str],
    sample: Sequence[Row],
    *,
    shape: str | None = None,
    chosen: Mapping[str, str] | None = None,
) -> Shape:
    """The shape of rows with these `columns`, judged on a `sample` of them (some hundred, from all over the set).

    shape: its name, where the user said it. chosen: column by role, where the user said it (`{"label": "stars"}`).
    Raises UsageError when no shape fits, several do, or several columns could play one role: it lists them, and says what
    to type (`--shape NAME`, `--column ROLE=NAME`).
    """
    facts, told = Facts(columns, sample), dict(chosen or {})
    for role, column in told.items():
        if column not in facts.columns:
            raise unknown_name("column", column, facts.columns)
        if shape is not None:
            _check_role(shape, role)
    found = _fitting(facts, told) if shape is None else [_as_told(shape, facts, told)]
    if not found:
        raise _nothing_fits(facts)
    if len(found) > 1:
        raise _several_fit(found)
    if found[0].doubts:
        raise _doubtful(found[0])
    used = _all_columns(found[0])
    unused = tuple(column for column in facts.columns if column not in used)
    return Shape(found[0].shape, found[0].columns, found[0].evidence, unused)


def _fitting(facts: Facts, told: Mapping[str, str]) -> list[Found]:
    return _winners([f for name in SHAPES if (f := _found(name, facts, told)) is not None])


def _found(name: str, facts: Facts, told: Mapping[str, str]) -> Found | None:
    part: RowShape = SHAPES.get(name)()
    if not set(told) <= {role.name for role in part.roles}:
        return None
    return part.find(facts, told)


def _winners(found: list[Found]) -> list[Found]:
    """The shapes that no other beats: by a name known (against values alone), or as the richer reading of the same."""
    strong = [f for f in found if not f.weak] or found
    readings = [f for f in strong if f.shape != "documents"] or strong
    return [f for f in readings if not any(_beats(other, f) for other in readings)]


def _beats(one: Found, other: Found) -> bool:
    part: RowShape = SHAPES.get(one.shape)()
    return other.shape in part.beats and _all_columns(other) <= _all_columns(one)


def _all_columns(found: Found) -> set[str]:
    return {c for column in found.columns.values() for c in ([column] if isinstance(column, str) else column)}


def _as_told(shape: str, facts: Facts, told: Mapping[str, str]) -> Found:
    found = _found(shape, facts, told)
    if found is not None:
        return found
    part: RowShape = SHAPES.get(shape)()
    missing = [
        role.name
        for role in part.roles
        if role.needed and role.name not in told and not part._named(role, facts, set())
    ]
    raise UsageError(
        f"the rows do not show the shape {shape}: {part.what}",
        got=f"columns: {few(facts.columns)}",
        hint=" ".join(f"--column {role}=NAME" for role in missing or [part.roles[0].name]),
    )


def _check_role(shape: str, role: str) -> None:
    part: RowShape = SHAPES.get(shape)()
    names = [r.name for r in part.roles]
    if role not in names:
        near = near_misses(role, names)
        raise UsageError(
            f"rows of the shape {shape} have no column for '{role}'",
            allowed=", ".join(names),
            hint=f"--column {near[0]}=NAME" if near else None,
        )


def _nothing_fits(facts: Facts) -> UsageError:
    return UsageError(
        "the shape of these rows is not known",
        got=f"columns: {few(facts.columns) or '(none)'}",
        allowed=", ".join(SHAPES),
        hint="name the shape and its columns, e.g. --shape classify --column text=NAME --column label=NAME",
    )


def _several_fit(found: Sequence[Found]) -> UsageError:
    lines = [f"  {f.shape} ({listed(f.columns)}): {'; '.join(f.evidence)}" for f in found]
    return UsageError(
        "\n".join(["these rows could be read in several ways:", *lines]),
        hint=f"say which, e.g. --shape {found[0].shape}",
    )


def _doubtful(found: Found) -> UsageError:
    role, columns = next(iter(found.doubts.items()))
    return UsageError(
        f"several columns could be the {role} of the shape {found.shape}: {few(columns)}",
        hint=f"say which, e.g. --shape {found.shape} --column {role}={columns[0]}",
    )
