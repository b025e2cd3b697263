"""Reading the user's rows: every value as it stands, every fault with its file and line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailorlm.data.rows import Rows
from tailorlm.data.stream import stream


def read(
    paths: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_bad: int = 0,
    quarantine: str | Path | None = None,
) -> Rows:
    """Read rows from files, folders (with all below them) and patterns (`-`: standard input), packed or not.

    format: a name from `data.readers` (csv, jsonl, parquet, txt, pdf, ...); None goes by the extension, else by the
    content. encoding: None reads UTF-8, and UTF-16/32 with a byte-order mark. delimiter: of csv and tsv; None counts
    fields. max_bad: rows that may be set aside. quarantine: a JSON Lines file for those (source, line, reason, raw); one
    of an earlier read is replaced, its folder is made.
    Strings stay exactly as they stand ("007", "NA", blanks); JSON numbers stay numbers and keep their text (`as_text`).
    Several files follow one another; `notes` tells every decision.

    Raises CheckError when more than `max_bad` rows are bad (the first ten with file and line, and the count) or none is
    left; UsageError for options; TailorError for what is wrong with a whole file (missing, encoding, header, gzip).
    Choose `stream` where the rows need not be held together, `read_hub` for data sets of the Hugging Face hub.
    """
    rows = stream(paths, format=format, encoding=encoding, delimiter=delimiter, max_bad=max_bad, quarantine=quarantine)
    found = tuple(rows)
    return Rows(found, rows.columns, rows.notes, rows.bad)
