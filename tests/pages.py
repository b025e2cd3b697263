"""Tables of the documentation that tests fill."""

from __future__ import annotations

import os
from pathlib import Path

WHERE = Path(__file__).parents[1] / "docs" / "methods" / "where.md"


def stands_in(page: Path, table: str, begin: str, end: str) -> bool:
    """Whether a page has this table between two lines; `TAILOR_WRITE=1` writes it there first."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin + "\n")
    _, _, after = rest.partition(end)
    wanted = f"{before}{begin}\n{table}{end}{after}"
    if os.environ.get("TAILOR_WRITE"):
        page.write_text(wanted, encoding="utf-8")
    return page.read_text(encoding="utf-8") == wanted
