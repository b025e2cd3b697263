"""The key of pseudonyms: kept apart from the rows, or made for one preparation and forgotten."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from tailorlm.core.atomic import disk_errors
from tailorlm.core.errors import TailorError


def read_key(path: str | Path | None) -> str:
    """The key in a file, as hex; a missing file is made with a fresh key, readable by its owner alone.

    Without a path a fresh key for this run: pseudonyms are then consistent within the set and cannot be repeated.
    Whoever has the key can test guesses against the pseudonyms, so it does not belong beside the rows. The message of a
    fault never shows it.
    """
    if path is None:
        return secrets.token_hex(32)
    place = Path(path).expanduser()
    if not place.exists():
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
    try:
        text = place.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise TailorError(f"the key file {place} cannot be read", got=type(fault).__name__) from None
    if not re.fullmatch(r"[0-9a-fA-F]{32,}", text):
        raise TailorError(
            f"{place} holds no key of pseudonyms",
            allowed="32 hexadecimal digits or more on one line",
            hint="name a file that does not exist yet, and a key is made",
        )
    return text.lower()
