"""Which files are meant: names as they are, folders with all that can be read in them, patterns like `data/*.csv`."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from tailorlm.core.atomic import is_complete
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.sniff import format_by_name


class Input(NamedTuple):
    """One file to read. name: as the user gave it, or below a folder of theirs. found: a folder or pattern led to it."""

    name: str
    found: bool


class Inputs(NamedTuple):
    """The files in the order in which they are read, and what is to be said about how they were found."""

    files: tuple[Input, ...]
    notes: tuple[str, ...]


def find_inputs(paths: str | Path | Sequence[str | Path]) -> Inputs:
    """The files that `paths` mean, each once; folders are walked with their sub-folders, in the order of the names.

    In folders hidden files, those of a format that no reader answers to, and folders that tailorlm wrote are left out and
    counted in a note; linked folders are not entered. A name that exists is taken as it stands, even with `*` or `[` in it.
    Raises UsageError for a file that is named twice; TailorError for a folder or a pattern that leads to no file.
    """
    names = [str(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not names:
        raise UsageError("no file was given", hint="name a file of rows, a folder, or - for standard input")
    files: list[Input] = []
    notes: list[str] = []
    seen: dict[str, str] = {}
    for name in names:
        again = 0
        for one in _expanded(name, notes):
            real = _real(one.name)
            if real in seen and one.found:
                again += 1
                continue
            if real in seen:
                what = f"the same file is given twice: {seen[real]} and {one.name}"
                raise UsageError(what, hint="name it once")
            seen[real] = one.name
            files.append(one)
        if again:
            notes.append(f"{name}: {again:,} left out, read already")
    return Inputs(tuple(files), tuple(notes))


def _real(name: str) -> str:
    """What tells that two names mean one file; a name that no file can have stands for itself."""
    try:
        return name if name == "-" else os.path.realpath(os.path.expanduser(name))
    except ValueError:
        return name


def _expanded(name: str, notes: list[str]) -> list[Input]:
    path = os.path.expanduser(name)
    if name == "-" or not name or "\0" in name or os.path.isfile(path):
        return [Input(name, False)]
    if os.path.isdir(path):
        return _in_folder(name, path, notes) or _nothing_in(name, notes)
    if not any(mark in name for mark in "*?["):
        return [Input(name, False)]  # opening it will tell what is wrong
    matches = sorted((m for m in glob.glob(path, recursive=True) if not is_complete(m)), key=_by_parts)
    inside = [_in_folder(m, m, notes) if os.path.isdir(m) else [Input(m, True)] for m in matches]
    # `a/**` names a folder and the files in it: each is read once.
    files = list(dict.fromkeys(file for group in inside for file in group))
    if not files:
        raise TailorError(f"no file matches {name}", hint="put the pattern in quotes, or name a folder")
    notes.append(f"{name}: {_kinds(files)}")
    return files


def _in_folder(name: str, path: str, notes: list[str]) -> list[Input]:
    files: list[str] = []
    hidden, unknown = 0, Counter[str]()
    if is_complete(path):
        what = f"{name} is a folder that tailorlm wrote: rows, and files about them"
        raise TailorError(what, hint=f"name its files of rows, e.g. {os.path.join(name, 'train.jsonl')}")
    for folder, folders, here in os.walk(path, onerror=_unreadable):
        folders[:] = [f for f in folders if not f.startswith(".")]
        ours = [f for f in folders if is_complete(os.path.join(folder, f))]
        folders[:] = [f for f in folders if f not in ours]
        unknown["written by tailorlm"] += len(ours)
        for file in here:
            full = os.path.join(folder, file)
            if file.startswith("."):
                hidden += 1
            elif format_by_name(file) is None or not os.path.isfile(full):
                unknown[PurePath(file).suffix or "without extension"] += 1
            else:
                files.append(os.path.join(name, os.path.relpath(full, path)))
    kinds = sorted((+unknown).items(), key=lambda kind: (-kind[1], kind[0]))
    left_out = [f"{number:,} {suffix}" for suffix, number in kinds[:5]]
    left_out += [f"{sum(number for _, number in kinds[5:]):,} of other kinds"] if kinds[5:] else []
    left_out += [f"{hidden:,} hidden"] if hidden else []
    found = [Input(file, True) for file in sorted(files, key=_by_parts)]
    skipped = f"; left out: {', '.join(left_out)}" if left_out else ""
    notes.append(f"{name}: {_kinds(found)}{skipped}")
    return found


def _nothing_in(name: str, notes: Sequence[str]) -> list[Input]:
    """Raise TailorError for a folder that was named and has nothing to read; one that a pattern met is passed over."""
    left_out = notes[-1].partition("left out: ")[2]
    raise TailorError(
        f"{name} is a folder without a file that can be read",
        got=f"{left_out} in it" if left_out else "nothing in it",
        hint="name the files one by one, with --format",
    )


def _kinds(files: Sequence[Input]) -> str:
    kinds = Counter(format_by_name(file.name) or "other" for file in files)
    listed = ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))
    return f"{len(files):,} file{'' if len(files) == 1 else 's'}" + (f" ({listed})" if listed else "")


def _by_parts(name: str) -> tuple[str, ...]:
    return PurePath(name).parts


def _unreadable(exc: OSError) -> None:
    raise TailorError(
        f"{exc.filename} cannot be listed: {exc.strerror or exc}", hint="name the folders or files that can be read"
    ) from exc
