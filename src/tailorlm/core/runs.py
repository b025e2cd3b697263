"""Run folders: the record of one fit or evaluation, written whole or not at all.

A run is written into a hidden temp folder by one process and published by fsync, rename and a `COMPLETE` marker with
hashes. What has no valid marker does not count as a run. The folders are the only truth; lists are read from them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError, near_misses
from tailorlm.core.yaml import dump_yaml

FORMAT = 1
DEFAULT_ROOT = Path("tailor-runs")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")


@dataclass(frozen=True)
class Run:
    """A complete run: its folder and what `run.json` says."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The run's name, which is its folder's."""
        return self.folder.name

    def scores(self) -> dict[str, Any]:
        """What `scores.json` holds: metric name to value, interval, n, version."""
        path = self.folder / "scores.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


class RunWriter:
    """Writes one run folder. Use as a context manager: an exception leaves nothing behind that could be taken for a run."""

    def __init__(self, root: Path, run_id: str):
        if not NAME.match(run_id):
            raise TailorError(f"'{run_id}' cannot be a run's name", allowed="letters, digits, '.', '_' and '-'")
        self.final = root / run_id
        self.folder = root / f".{run_id}.tmp-{os.getpid()}"
        self._started = time.time()

    def __enter__(self) -> Self:
        with atomic.disk_errors(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.folder.parent, self.final.name)
            if self.final.exists() and not atomic.is_complete(self.final, verify=True):
                # Damaged after it was published: kept as evidence under a name that no list reads.
                self.final.rename(self.final.with_name(f".{self.final.name}.damaged-{int(self._started)}"))
            self.folder.mkdir()
            self._events = open(self.folder / "events.jsonl", "a", encoding="utf-8")
        return self

    def event(self, event: Mapping[str, Any]) -> None:
        """Append one event as a line of JSON, with the seconds since the run began."""
        with atomic.disk_errors(self.folder):
            self._events.write(
                json.dumps({"t": round(time.time() - self._started, 3), **event}, ensure_ascii=False) + "\n"
            )
            self._events.flush()

    def write_json(self, name: str, value: Any) -> None:
        """Write one JSON file of the run."""
        with atomic.disk_errors(self.folder):
            (self.folder / name).write_text(
                json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
            )

    def write_recipe(self, plain: Mapping[str, Any]) -> None:
        """Write `recipe.yaml`, every default included."""
        with atomic.disk_errors(self.folder):
            (self.folder / "recipe.yaml").write_text(dump_yaml(dict(plain)), encoding="utf-8")

    def publish(self, record: Mapping[str, Any]) -> Run:
        """Write `run.json`, then make the folder visible under its name. The run counts from here on."""
        times = {"started": _iso(self._started), "seconds": round(time.time() - self._started, 3)}
        full = {"format": FORMAT, "id": self.final.name, **times, **record}
        self.write_json("run.json", full)
        with atomic.disk_errors(self.folder):
            self._events.close()
        atomic.publish_folder(self.folder, self.final)
        return Run(self.final, full)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(
            OSError
        ):  # on a full disk the last event cannot be flushed; the fault is on its way already
            self._events.close()
        atomic.remove_folder(self.folder)


def find_runs(root: Path) -> list[Run]:
    """All complete runs below a folder (comparisons' runs included), oldest first. Incomplete folders are passed over."""
    found = []
    for path in root.rglob("run.json") if root.is_dir() else ():
        folder = path.parent
        if any(part.startswith(".") for part in folder.relative_to(root).parts) or not atomic.is_complete(folder):
            continue
        try:
            found.append(Run(folder, json.loads(path.read_text(encoding="utf-8"))))
        except ValueError:
            continue
    return sorted(found, key=lambda run: (str(run.record.get("started")), run.id))


def read_run(folder: Path) -> Run | None:
    """The complete run in a folder, or None. Hashes are checked, so a damaged run does not count."""
    if not (folder / "run.json").is_file() or not atomic.is_complete(folder, verify=True):
        return None
    return Run(folder, json.loads((folder / "run.json").read_text(encoding="utf-8")))


def find_run(root: Path, run_id: str) -> Run:
    """The run of that name (or the only one whose name starts so). Raises TailorError with near misses."""
    runs = find_runs(root)
    exact = [run for run in runs if run.id == run_id] or [run for run in runs if run.id.startswith(run_id)]
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise TailorError(
            f"several runs are called '{run_id}'",
            got=", ".join(str(run.folder) for run in exact[:5]),
            hint="give the whole name or the folder",
        )
    # Nobody types the key at the end of a run's name: the part before it is compared as well.
    ids = {name: run.id for run in runs for name in (re.sub(r"-s\d+-[0-9a-f]+$", "", run.id), run.id)}
    near = [ids[name] for name in near_misses(run_id, ids)]
    raise TailorError(
        f"there is no run '{run_id}' in {root}", hint=f"did you mean {near[0]}?" if near else "`tailor runs` lists them"
    )


def _sweep(root: Path, run_id: str) -> None:
    # What a killed process left behind; a living process's folder is not touched.
    for folder in root.glob(f".{run_id}.tmp-*"):
        process = folder.name.rsplit("-", 1)[1]
        if not process.isdigit() or int(process) == os.getpid() or not Path(f"/proc/{process}").exists():
            atomic.remove_folder(folder)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
