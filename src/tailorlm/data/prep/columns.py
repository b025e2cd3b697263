"""Which columns hold what: told by the user, or found by the shape of the rows."""

from __future__ import annotations

from tailorlm.data.prep.intake import Intake
from tailorlm.data.prep.settings import PrepColumns
from tailorlm.data.shapes import SHAPES, Shape, detect
from tailorlm.data.steps.fields import Fields, fields_by_shape


def fields_of(told: PrepColumns, intake: Intake) -> tuple[Fields, list[str]]:
    """The fields of the rows, and the evidence for them in words; what was found is kept in `intake.found`.

    Raises UsageError for a column that no row has, and where nothing or more than one thing fits (with what to type).
    """
    shape = detect(tuple(intake.columns), intake.sample, shape=told.shape, chosen=told.roles)
    intake.found = PrepColumns(shape=shape.name, roles=told.roles | _needed(shape))
    return fields_by_shape(shape), [str(shape)]


def _needed(shape: Shape) -> dict[str, str]:
    """The columns without which the rows would not be of this shape; what is optional is looked for anew each time."""
    needed = {role.name for role in SHAPES.get(shape.name).roles if role.needed}
    return {role: column for role, column in shape.columns.items() if role in needed and isinstance(column, str)}
