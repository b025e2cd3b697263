"""TSV: like CSV with tabs. Quotes mean the same as there, as spreadsheets and pandas write them, unless the file shows
that they are plain characters (as the standard of the format and many research data sets have it)."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.delimited import read_delimited
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_tsv(source: Source) -> Iterator[Row | BadRow]:
    """The rows of a TSV file; see `readers.csv.read_csv`, with a tab in the place of the comma.

    Where the first lines only make sense with quotes as plain characters they are kept as such, and a note says so.
    """
    return read_delimited(source, "\t", may_be_plain=True)
