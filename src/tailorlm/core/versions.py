"""A folder whose content changes as a whole: each change is a new version inside it, and the highest complete one counts.

Published folders are never written again (`core.atomic`), yet an index must take new documents. So `root/version-7` stands until
`root/version-8` is there whole; a reader meets the one or the other, and a writer that is killed leaves the old one as it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError

_NAME = re.compile(r"version-([1-9]\d{0,8})")


def newest(root: Path) -> Path | None:
    """The highest complete version inside `root`, or None where there is none."""
    for number in sorted(_numbers(root), reverse=True):
        folder = root / f"version-{number}"
        if atomic.is_complete(folder):
            return folder
    return None


@contextmanager
def new_version(root: Path, after: Path | None) -> Iterator[Path]:
    """An empty folder to write the next version into; at the end of the block it is published, and older ones are removed.

    A folder that is still empty then is not published: nothing was to change. after: the version that the new one was made from
    (None: there was none). Raises TailorError when another process has published a version meanwhile, however many and
    whichever of them are still there, and whatever `publish_folder` raises; then nothing has changed.
    """
    number = 1 + (int(after.name.partition("-")[2]) if after is not None else 0)
    final, temp = root / f"version-{number}", root / f".version-{number}.tmp-{os.getpid()}"
    with atomic.disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        temp.mkdir()
    try:
        yield temp
        if not any(temp.iterdir()):
            return
        _make_way(final, root, after)
        atomic.publish_folder(temp, final)
        _check_last(final, root)
    except (OSError, TailorError) as error:
        # What is still read of the version begun with goes with it when another process removes it: a missing file is then no fault of the disk.
        gone = isinstance(error.__cause__ or error, FileNotFoundError) and after is not None and not after.is_dir()
        if gone and (found := newest(root)) is not None:
            raise _changed(root, found) from error
        raise
    finally:
        atomic.remove_folder(temp)
    for older in _numbers(root):
        if older < number:
            atomic.remove_folder(root / f"version-{older}")


def _make_way(final: Path, root: Path, after: Path | None) -> None:
    """A complete version that came after the one begun with is another process's work; a damaged one is nobody's.

    Looking at `final` alone would not do: another process may have published it, then the one after it, and removed it.
    """
    found = newest(root)
    if _name(found) != _name(after):
        raise _changed(root, found)
    atomic.remove_folder(final)


def _check_last(final: Path, root: Path) -> None:
    """Publishing reads every byte first, so others have time to get ahead; what stands below theirs counts for nobody and goes."""
    found = newest(root)
    if _name(found) != final.name:
        atomic.remove_folder(final)
        raise _changed(root, found)


def _changed(root: Path, found: Path | None) -> TailorError:
    return TailorError(
        f"{root} was changed by another process meanwhile",
        got=_name(found) or "no version any more",
        hint="run the same command again",
    )


def _name(version: Path | None) -> str | None:
    return None if version is None else version.name


def _numbers(root: Path) -> list[int]:
    if not root.is_dir():
        return []
    return [int(found[1]) for path in root.iterdir() if (found := _NAME.fullmatch(path.name)) and path.is_dir()]


def _sweep(root: Path) -> None:
    # What a killed process left behind; a living process's folder is not touched.
    for folder in root.glob(".version-*.tmp-*"):
        process = folder.name.rsplit("-", 1)[1]
        if not process.isdigit() or int(process) == os.getpid() or not Path(f"/proc/{process}").exists():
            atomic.remove_folder(folder)
