"""Which columns hold what: told by the user, or found by the shape of the rows."""

from __future__ import annotations

from tailorlm.data.prep.intake import Intake
from tailorlm.data.prep.settings import PrepColumns
from tailorlm.data.shapes import detect
from tailorlm.data.steps.fields import Fields, fields_by_shape


def fields_of(told: PrepColumns, intake: Intake) -> tuple[Fields, list[str]]:
    """The fields of the rows, and the evidence for them in words.

    Raises UsageError for a column that no row has, and where nothing or more than one thing fits (with what to type).
    """
    shape = detect(tuple(intake.columns), intake.sample, shape=told.shape, chosen=told.roles)
    return fields_by_shape(shape), [str(shape)]
