"""The key of pseudonyms: kept apart from the rows, or made for one preparation and forgotten."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from tailorlm.core.atomic import disk_errors
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.source import home_path


def read_key(path: str | None, *, make: bool = True) -> str:
    """The key in a file, as hex; a missing file is made with a fresh key, readable by its owner alone.

    make: False for a trial, which writes nothing. Without a path a fresh key for this run: pseudonyms are then consistent
    within the set and cannot be repeated. Whoever has the key can test guesses against the pseudonyms, so it does not
    belong beside the rows. The message of a fault never shows it.
    """
    if path is None:
        return secrets.token_hex(32)
    place = _place(path)
    if not os.path.lexists(place):
        if not make:
            return secrets.token_hex(32)
        with disk_errors(place):
            _make(place)
    try:
        text = place.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        hint = "name a file that holds a key, or one that does not exist yet"
        raise TailorError(f"the key file {place} cannot be read", got=type(fault).__name__, hint=hint) from None
    if not re.fullmatch(r"[0-9a-fA-F]{32,}", text):
        raise TailorError(
            f"{place} holds no key of pseudonyms",
            allowed="32 hexadecimal digits or more on one line",
            hint="name a file that does not exist yet, and a key is made",
        )
    return text.lower()


def check_place(path: str | None, folder: Path) -> None:
    """Raise UsageError for a key that would lie among the rows it is to be kept from."""
    if path is None:
        return
    place, out = Path(os.path.realpath(_place(path))), Path(os.path.realpath(folder))
    if out == place or out in place.parents:
        raise UsageError(
            f"the key file {path} would lie in {folder}, beside the rows",
            allowed="a place that does not travel with them",
            hint=f"--key-file ~/{place.name}",
        )


def _place(path: str) -> Path:
    try:
        named = bool(path) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise UsageError("the name of the key file is none", got=repr(path), hint="--key-file keys/tickets.key")
    return home_path(path)


def _make(place: Path) -> None:
    """A fresh key appears whole or not at all; of two processes that make it at once, one wins for both."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temp = place.with_name(f".{place.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    handle = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temp, place)
        except FileExistsError:
            pass
        except OSError:  # a disk without links
            temp.rename(place)
    finally:
        temp.unlink(missing_ok=True)
