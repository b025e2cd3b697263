"""The folder in which a preparation works: private, locked while it is in use, gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tailorlm.core.atomic import disk_errors, remove_folder

fcntl: Any = None  # on Windows nothing is locked, and what a killed process left stays
with suppress(ImportError):
    fcntl = import_module("fcntl")


@contextmanager
def working_folder(beside: Path | None) -> Iterator[Path]:
    """A private folder for rows on their way (beside the output: they may be many), gone afterwards.

    What a killed preparation left (rows as they were read, so: private) is removed by the next one into the same place.
    """
    folder, handle = _new(beside)
    try:
        yield folder
    finally:
        remove_folder(folder)
        if handle is not None:
            os.close(handle)


def _new(beside: Path | None) -> tuple[Path, int | None]:
    parent = Path(tempfile.gettempdir()) if beside is None else beside.parent
    begin = "tailor-prep-" if beside is None else f".{beside.name}.tmp-"
    with disk_errors(parent if beside is None else beside):
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent, begin)
        while True:
            folder = Path(tempfile.mkdtemp(prefix=begin, dir=parent))  # readable by its owner alone
            handle = _locked(folder)
            if handle is None or folder.is_dir():  # gone: somebody swept it before the lock was there
                return folder, handle
            os.close(handle)


def _sweep(parent: Path, begin: str) -> None:
    """Remove the folders of that beginning whose process is no more."""
    for left in parent.iterdir() if fcntl is not None else ():
        if not left.name.startswith(begin) or left.is_symlink():
            continue
        try:
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(left)
        except OSError:
            pass  # in use
        finally:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """A handle that holds the lock of the folder until it is closed, or the process ends; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return os.open(folder.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # a network disk without locks
        os.close(handle)
        return None
    return handle
