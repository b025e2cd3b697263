"""Values of typed tables (the hub, Parquet, Arrow) as rows know them: what JSON could hold, labels by their names."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Mapping
from typing import Any

from tailorlm.data.rows import WrittenFloat


class NoJsonError(Exception):
    """A value that has no place in a row of text (an image, a sound)."""


def plain_value(value: Any) -> Any:
    """The value as JSON knows it: dates as ISO text, decimals with their digits, NaN as missing, maps as objects.

    Raises NoJsonError for bytes, infinite numbers and whatever else has no place in JSON.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise NoJsonError
        return None if math.isnan(value) else value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise NoJsonError
        return WrittenFloat(str(value))
    if isinstance(value, Mapping):
        return {str(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(inner) for inner in value]
    raise NoJsonError


def label_names(feature: Any) -> Callable[[Any], Any] | None:
    """How the numbers of a label column (or of a list of them) become names; None for every other column.

    The function raises IndexError for a number that has no name.
    feature: of the `datasets` package, or the same as JSON (as it stands in Parquet files from the hub).
    """
    names = _part(feature, "names")
    if isinstance(names, list | tuple):

        def name_of(value: Any) -> Any:
            if value is None or value == -1:
                return None
            if not isinstance(value, int) or not 0 <= value < len(names):
                raise IndexError  # -2 would be the last but one
            return str(names[value])

        return name_of
    inner = _part(feature, "feature")
    name_one = label_names(inner) if inner is not None else None
    if name_one is None:
        return None
    return lambda values: None if values is None else [name_one(value) for value in values]


def _part(feature: Any, name: str) -> Any:
    return feature.get(name) if isinstance(feature, Mapping) else getattr(feature, name, None)
