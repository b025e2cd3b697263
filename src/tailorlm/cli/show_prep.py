"""What `tailor prep` says on the terminal: progress, the steps with their counts, examples of a dry run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tailorlm.core.errors import printable

Listener = Callable[[str, int, int], None]
_EVERY = 5.0
_SHOWN = 2


class Screen:
    """Speaks to a terminal with bars, to a file or a pipe with one line of JSON every five seconds."""

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self._out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        self._err = Console(stderr=True, highlight=False)

    @contextmanager
    def progress(self) -> Iterator[Listener]:
        """A listener for the pipeline."""
        if not sys.stderr.isatty():
            yield self._lines()
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} rows"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._err, transient=True) as bars:
            task = bars.add_task("reading", total=None)

            def listen(what: str, done: int, all_: int) -> None:
                bars.update(task, description=what, completed=done, total=all_ or None)

            yield listen

    def benchmarks(self) -> None:
        """The known test sets."""
        from tailorlm.data.benchmarks import BENCHMARKS

        table = Table("name", "what it is", "on the hub", "split", box=None, padding=(0, 1), header_style="bold")
        for name, known in BENCHMARKS.items():
            table.add_row(name, known.about, known.hub, known.split)
        self._out.print(table)
        self._out.print(
            "\nNo rows are shipped. They come from the hub (pip install 'tailorlm[hub]'), or from a folder of yours that holds\n"
            "NAME.jsonl (or csv, json, parquet): tailor prep ROWS --decontaminate NAME --set decontaminate.folder=FOLDER\n"
            "Licences stand on the cards: https://huggingface.co/datasets/...",
            markup=False,
        )

    def result(self, manifest: dict[str, Any]) -> None:
        """The steps with their counts, the splits, what to look at."""
        read, written = manifest["read"], manifest["written"]
        for line in manifest["evidence"]:
            self._say(f"rows     {line}")
        for note in manifest["notes"][:8]:
            self._say(f"note     {note}")
        table = Table(
            "step", "rows in", "changed", "dropped", "rows out", "why", box=None, padding=(0, 1), header_style="bold"
        )
        for column in table.columns[1:5]:
            column.justify = "right"
        for step in manifest["steps"]:
            reasons = {**step["dropped"], **step["changed"]} or (
                step["numbers"] if step["step"] in ("split", "augment") else {}
            )
            why = ", ".join(f"{name} {n:,}" for name, n in sorted(reasons.items(), key=lambda pair: -pair[1])[:6])
            dropped = sum(step["dropped"].values())
            counts = [f"{n:,}" for n in (step["rows_in"], step["rows_changed"], dropped, step["rows_out"])]
            table.add_row(step["step"], *counts, _plain(why))
        self._out.print(table)
        for step in manifest["steps"]:
            for found in step["facts"].get("findings", ())[:6]:
                self._say(f"{found['severity']:<8} {found['message']}")
            proposed = [
                (k.removeprefix("would drop: "), n) for k, n in step["numbers"].items() if k.startswith("would drop")
            ]
            if proposed:
                said = "; ".join(f"{name}: {n:,} rows" for name, n in proposed)
                self._say(f"proposed {said}")
        sides = ", ".join(f"{file['rows']:,} {file['split'] or 'rows'}" for file in written["files"])
        unreadable = f", {read['bad_rows']:,} unreadable" if read["bad_rows"] else ""
        self._say(f"in all   {read['rows']:,} read{unreadable}, {written['dropped']:,} dropped, {sides}")
        given = {file["split"] for file in written["files"]}
        if given - {""} and "train" not in given:
            self._say("warning  no train row is left: see which step dropped them")

    def written(self, manifest: dict[str, Any], folder: Path) -> None:
        """Where everything lies, and what to do next."""
        for file in manifest["written"]["files"]:
            self._say(f"{file['split'] or 'rows':<10} {folder / file['file']}", soft_wrap=True)
        self._say(f"audit      {folder / 'audit.html'}", soft_wrap=True)
        self._say(f"again      tailor prep LATER-ROWS --like {folder}", soft_wrap=True)

    def examples(self, manifest: dict[str, Any]) -> None:
        """Before and after, for each reason of each step."""
        for step in manifest["steps"]:
            for reason, examples in step["examples"].items():
                self._say(f"\n{step['step']}: {reason}", style="bold")
                for where, before, after, detail in examples[:_SHOWN]:
                    self._say(f"  {where}{'  ' + detail if detail else ''}", style="dim")
                    for sign, text in (("-", before), ("+", after)):
                        if text is not None:
                            self._say(f"  {sign} {text}")
        self._say("\nnothing was written: this was a dry run")

    def _say(self, text: str, *, style: str | None = None, soft_wrap: bool = False) -> None:
        # Names of files, columns and labels may hold anything: no markup of rich, no escapes of terminals.
        self._out.print(printable(text), markup=False, style=style, soft_wrap=soft_wrap)

    def _lines(self) -> Listener:
        last = [0.0]

        def listen(what: str, done: int, all_: int) -> None:
            if not self._quiet and time.monotonic() - last[0] > _EVERY:
                last[0] = time.monotonic()
                event = {"event": "prep", "doing": what, "rows": done, "of": all_}
                sys.stderr.write(json.dumps(event, ensure_ascii=False) + "\n")

        return listen


def _plain(text: str) -> str:
    return printable(text).replace("[", "\\[")
