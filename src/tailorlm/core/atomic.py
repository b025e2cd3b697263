"""Writing that is either finished or not there: files by temp and rename, folders by a `COMPLETE` marker.

A reader of a run folder must never meet half of it, whatever stopped the writer (a full disk, a kill, a power
cut). So bytes go to a temp file beside their place, are flushed to the disk, and only then take the name.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tailorlm.core.errors import TailorError

MARKER = "COMPLETE"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# Some network and overlay file systems cannot flush a folder; the rename itself is still all or nothing there.
_FOLDER_FLUSH_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


class DiskFull(TailorError):
    """No space, or no quota, is left: nothing else that writes can succeed either, so a batch of work should stop."""


def write_bytes(path: str | Path, data: bytes) -> None:
    """Put `data` into the file `path`: afterwards it holds all of it, or what it held before.

    The folder must exist. A link is followed, and the mode of a file that is replaced is kept.
    Raises TailorError when the disk is full or the place cannot be written; no temp file stays behind.
    Choose this for every file that another process, or a later run, will read.
    """
    final = Path(os.path.realpath(path))
    temp = final.with_name(f".{final.name[:100]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        try:
            _write_new(temp, data, mode_of=final)
            os.replace(temp, final)
        except BaseException:  # also Ctrl-C: a half file is litter whatever the reason
            temp.unlink(missing_ok=True)
            raise
        _flush_folder(final.parent)
    except OSError as exc:
        raise _write_fault(exc, Path(path), len(data)) from exc


def write_text(path: str | Path, text: str) -> None:
    """Like `write_bytes`, for text: UTF-8, line ends as they stand in `text`."""
    write_bytes(path, text.encode("utf-8"))


def publish_folder(temp: Path, final: Path) -> None:
    """Make the finished folder `temp` appear as `final`, with a `COMPLETE` marker inside.

    The marker is JSON: `{"files": {"sub/name": {"sha256": hex, "size": bytes}}}` over every file of the folder.
    Files and folders are flushed to the disk before the rename, so whoever sees `final` sees all of it.
    `temp` must lie on the same file system (best: the same parent). Raises TailorError when `final` exists already,
    when `temp` holds links or devices, or when the disk is full; `temp` is then left as it is, without a marker.
    """
    if os.path.lexists(final):
        raise TailorError(
            f"{final} exists already; a published folder is never overwritten", hint="choose another name"
        )
    marker = temp / MARKER
    try:
        marker.unlink(missing_ok=True)
        files = {name: _seal(temp / name) for name in _file_names(temp)}
        write_text(marker, json.dumps({"files": files}, indent=1, ensure_ascii=False) + "\n")
        for folder, _, _ in os.walk(temp, topdown=False):
            _flush_folder(Path(folder))
        os.rename(temp, final)
        _flush_folder(final.parent)
    except BaseException as exc:
        if temp.is_dir():
            marker.unlink(missing_ok=True)
        if isinstance(exc, OSError):
            raise _write_fault(exc, final, None) from exc
        raise


def is_complete(folder: str | Path, *, verify: bool = False) -> bool:
    """Whether `folder` was published whole: its marker can be read and every file in it has the size it states.

    verify: also compare every sha256 (reads all bytes). Choose it before trusting a folder that was copied or
    downloaded; the sizes alone are enough for one that this machine wrote. Files that came later do not matter.
    """
    root = Path(folder)
    try:
        files = json.loads((root / MARKER).read_bytes())["files"]
        return all(_as_sealed(root, name, facts, verify=verify) for name, facts in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False  # no marker, half a marker or somebody else's file of that name: not published by us


@contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """Turn what a full or unwritable disk raises inside the block into a TailorError about `path`.

    For writers that are not ours: safetensors reports a full disk as an error of its own, torch as a RuntimeError.
    """
    try:
        yield
    except OSError as exc:
        raise _write_fault(exc, Path(path), None) from exc
    except Exception as exc:
        if isinstance(exc, TailorError) or not re.search(
            r"No space left|os error 28|Disk quota|os error 122", str(exc)
        ):
            raise
        raise _write_fault(OSError(errno.ENOSPC, str(exc)), Path(path), None) from exc


def remove_folder(folder: str | Path) -> None:
    """Remove a folder and all in it, if it is there; what cannot be removed stays (it never counts as published)."""
    shutil.rmtree(folder, ignore_errors=True)


def check_space(folder: str | Path, needed_bytes: int) -> None:
    """Raise DiskFull unless the disk under `folder` (which need not exist yet) has `needed_bytes` free.

    Call it before long work whose result must be stored, so that a full disk costs seconds and not the run.
    """
    free = _free_bytes(Path(folder))
    if free is not None and free < needed_bytes:
        raise DiskFull(
            f"{folder}: this disk is too full",
            got=f"{readable_size(free)} free",
            allowed=f"at least {readable_size(needed_bytes)}",
            hint="free some space, or choose a folder on another disk",
        )


def sha256_of(path: Path) -> str:
    """The sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def readable_size(size: float) -> str:
    """A byte count for people, in decimal units: `1532` -> '1.5 kB'."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _write_new(temp: Path, data: bytes, *, mode_of: Path) -> None:
    handle = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        if mode_of.exists():
            os.chmod(temp, stat.S_IMODE(mode_of.stat().st_mode))
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)  # network disks report a full quota only here


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder to flush it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as exc:
        if exc.errno not in _FOLDER_FLUSH_UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def _file_names(root: Path) -> list[str]:
    """Every file under `root` as a relative name with '/', in order; only plain files can be published."""
    names = []
    for folder, folders, files in os.walk(root, onerror=_raise):
        for name in [*files, *(f for f in folders if (Path(folder) / f).is_symlink())]:
            path = Path(folder) / name
            if not stat.S_ISREG(path.lstat().st_mode):
                raise TailorError(f"{path} is a link or a device; a published folder holds plain files only")
            names.append(path.relative_to(root).as_posix())
    return sorted(names)


def _raise(exc: OSError) -> None:
    raise exc


def _seal(path: Path) -> dict[str, Any]:
    """Flush one file to the disk; its hash and size for the marker."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
    return {"sha256": sha256_of(path), "size": path.stat().st_size}


def _as_sealed(root: Path, name: str, facts: dict[str, Any], *, verify: bool) -> bool:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:  # a marker may speak of its own folder only
        return False
    path = root / name
    if not path.is_file() or path.stat().st_size != facts["size"]:
        return False
    return not verify or sha256_of(path) == facts["sha256"]


def _free_bytes(folder: Path) -> int | None:
    for place in (folder, *folder.absolute().parents):
        if place.is_dir():
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None


def _write_fault(exc: OSError, path: Path, needed: int | None) -> TailorError:
    if exc.errno in _NO_SPACE:
        free = _free_bytes(path.parent)
        quota = " (or your quota on it)" if exc.errno == errno.EDQUOT else ""
        kept = "; no half file was left" if needed is not None else ""
        return DiskFull(
            f"{path} could not be written: the disk{quota} is full{kept}",
            got=f"{readable_size(free)} free" if free is not None else None,
            allowed=f"{readable_size(needed)} for this file" if needed is not None else None,
            hint="free some space (old runs are a good start), or choose a folder on another disk",
        )
    if exc.errno in (errno.EEXIST, errno.ENOTEMPTY) and os.path.lexists(path):
        return TailorError(
            f"{path} exists already; a published folder is never overwritten", hint="choose another name"
        )
    hints = {
        errno.ENOENT: f"make the folder first: mkdir -p {path.parent}",
        errno.EACCES: "check the rights of the folder, or choose another one",
        errno.EROFS: "this file system is read-only; choose another folder",
        errno.EXDEV: "the temp folder must lie on the same disk as its final place",
        errno.EISDIR: "this is a folder; give the name of a file",
        errno.EEXIST: "a file stands where a folder is needed; choose another place",
        errno.ENOTDIR: "a file stands where a folder is needed; choose another place",
        errno.ENAMETOOLONG: "choose a shorter name",
    }
    return TailorError(f"{path} could not be written: {exc.strerror or exc}", hint=hints.get(exc.errno or 0))
