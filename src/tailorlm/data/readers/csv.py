"""CSV: a header, commas, quotes as in RFC 4180. Another delimiter is found by counting and then said."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.delimited import read_delimited
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_csv(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a CSV file; every value is a string, exactly as written between the delimiters or quotes.

    A row begins on the line where its record begins (a quoted value may hold line ends).
    Raises TailorError for a faulty header, an unclear delimiter, or a quote that swallows lines.
    """
    return read_delimited(source, ",")
