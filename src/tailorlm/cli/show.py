"""What a comparison says on the terminal: what it found, what it will do, how far it is, the answer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailorlm.cli.show_fit import LINES, Before, cut_line

if TYPE_CHECKING:
    from tailorlm.comparison.estimate import Estimate
    from tailorlm.comparison.request import Prepared

Listen = Callable[[dict[str, Any]], None]


class Screen:
    """The terminal of one command. Progress goes to standard error, answers to standard output.

    quiet: say nothing but faults (for `--json`).
    """

    def __init__(self, *, quiet: bool = False):
        self.quiet = quiet
        width = None if sys.stdout.isatty() else 140
        self.out = Console(quiet=quiet, highlight=False, width=width)
        self.err = Console(stderr=True, quiet=quiet, highlight=False, width=width)

    def findings(self, prepared: Prepared) -> None:
        """What was noticed about the rows."""
        split = prepared.split
        train, test = split.train, split.test
        self.out.print(
            f"[bold]{len(train):,}[/] train rows, [bold]{len(test):,}[/] test rows"
            + (f", [bold]{len(train.labels)}[/] labels" if train.labels else "")
        )
        for note in split.notes:
            self.out.print(f"  {escape(note)}", style="dim")
        for finding in split.findings:
            self.out.print(f"  [yellow]{escape(finding['message'])}[/]")
            for row in finding["rows"][:5]:
                self.out.print(f"    {escape(row)}", style="dim")
        if prepared.earlier:
            self.out.print(
                f"  other rows or settings than in {', '.join(prepared.earlier[:3])}: nothing is taken over from there",
                style="dim",
            )

    def plan(self, prepared: Prepared, estimate: Estimate) -> None:
        """What will be done and how long it takes."""
        comparer = prepared.comparer
        done = comparer.finished()
        total = len(comparer.recipes) * comparer.settings.seeds
        names = ", ".join(recipe.name for recipe in comparer.recipes)
        self.out.print(f"compares {len(comparer.recipes)} way{'s' if len(comparer.recipes) > 1 else ''}: {names}")
        self.out.print(
            f"  each: the same split, its own small grid tried on {len(prepared.split.train):,} train rows less validation, "
            f"then one fit on all of them; {comparer.settings.seeds} seed{'s' if comparer.settings.seeds > 1 else ''}",
            style="dim",
        )
        if done:
            self.out.print(
                f"  {len(done)} of {total} runs are finished from before and are not repeated", style="green"
            )
        if len(done) < total:
            rest = estimate.total(comparer.settings.seeds) * (1 - len(done) / total)
            self.out.print(f"  about {duration(rest)} on this machine (Ctrl-C stops; the same command goes on)")

    @contextmanager
    def progress(self, prepared: Prepared, estimate: Estimate) -> Iterator[Listen]:
        """Bars on a terminal, a line of JSON an event elsewhere."""
        if self.quiet:
            yield lambda event: None
        elif self.err.is_terminal:
            with _bars(self.err, prepared, estimate) as listen:
                yield listen
        else:
            yield _json_lines

    @contextmanager
    def events(self) -> Iterator[Listen]:
        """One line that changes, on a terminal; a line of JSON an event elsewhere."""
        if self.quiet:
            yield lambda event: None
        elif self.err.is_terminal:
            pace, before = Pace(), Before()
            with self.err.status("reading the model") as status:
                yield lambda event: self._status(status, event, pace, before)
        else:
            yield self._plainly

    def _plainly(self, event: dict[str, Any]) -> None:
        """Where no terminal looks on: a line of JSON an event, and what is planned in words among the answers."""
        if event["event"] == "plan":
            for line in Before().lines(event):
                self.out.print(line)
        _json_lines(event)

    def _status(self, status: Any, event: dict[str, Any], pace: Pace, before: Before) -> None:
        for told in before.lines(event):
            self.err.print(told)
        if event["event"] not in {"reused", *LINES}:
            status.update(pace.line(event) if event["event"] == "step" else _one_line(event))
        line = noticed(event)
        if line:
            self.err.print(f"  {line}", style="yellow", markup=False)

    def result(self, result: dict[str, Any], folder: Any) -> None:
        """The table, the answer, where everything is, what next."""
        from tailorlm.comparison.report import columns, summary_rows

        table = Table(*columns(result), box=None, padding=(0, 1), header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for cells, way in zip(summary_rows(result), result["ways"], strict=True):
            style = "bold green" if way["name"] == result["recommended"] else "red" if way["status"] == "failed" else ""
            table.add_row(*[escape(cell) for cell in cells], style=style)
        self.out.print()
        self.out.print(table)
        self._told(result)
        self.out.print()
        self.out.print(f"[bold]Answer[/]   {escape(result['reason'])}")
        if len(result["settings"]["seeds"]) == 1:
            self.out.print(
                "         one seed: this is about these trained models; --seeds 3 also weighs the luck of training",
                style="dim",
            )
        self.out.print()
        self.out.print(f"report   {folder / 'report.html'}")
        self.out.print(f"         {folder / 'report.md'}, {folder / 'comparison.json'}", style="dim")
        for step in result.get("next", []):
            self.out.print(f"next     {escape(step)}")

    def _told(self, result: dict[str, Any]) -> None:
        """Rows that got no answer, or a broken one, and other tasks that were learnt, way by way."""
        from tailorlm.comparison.report.answered import told
        from tailorlm.comparison.report.format import task_lines

        for way in result["ways"]:
            words = told(way.get("answered") or {})
            if words:
                self.out.print(f"  {escape(way['title'])}: {words}", style="yellow")
            for line in step_lines(way.get("steps")):
                self.out.print(f"  {escape(way['title'])}, {escape(line)}", style="dim")
            for line in task_lines(way.get("tasks")):
                self.out.print(f"  {escape(way['title'])}: {escape(line)}", style="dim")


def duration(seconds: float) -> str:
    """Seconds in words a person reads: `40 s`, `6 min`, `1.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def step_lines(steps: list[dict[str, Any]] | None) -> list[str]:
    """One line a step of a recipe in steps: its name and task, the rows that came to it, its own scores."""
    from tailorlm.comparison.report.steps import step_row

    rows = [step_row(step) for step in steps or ()]
    return [f"step {row['name']} ({row['task']}, {row['came']} rows): {row['scores']}" for row in rows]


def noticed(event: dict[str, Any]) -> str | None:
    """What a person should hear of while it goes on, in one line; None for the ordinary."""
    kind, rows = event["event"], ", ".join(event.get("rows", [])[:3]) if isinstance(event.get("rows"), list) else ""
    if kind == "spike":
        return f"the loss jumped to {event['loss']:.2f} at step {event['step']} (usually {event['usual']:.2f}); hardest rows: {rows}"
    if kind == "declining":
        return f"validation has fallen twice in a row (pass {event['epoch']}); rows that stay hard: {rows}"
    if kind == "back-off":
        again = ", blocks computed again in backward" if event.get("recompute") else ""
        return f"memory was short: {event['micro_tokens']} tokens at once{again} from step {event['step']} on, with the same steps"
    if kind == "trial-failed":
        return f"{_settings(event['settings'])} failed: {event['fault']}"
    if kind == "no-room":
        return f"no room for a checkpoint ({event['got']}, {event['needed']} needed): after {event['minutes']:g} minutes this run would stop there"
    if kind == "damaged":
        return f"the checkpoint {event['checkpoint']} is damaged and is passed over; it lies in {event['folder']}"
    if kind == "resumed":
        return f"goes on at step {event['step']} of {event['steps']}"
    if kind == "interrupted":
        return f"kept at step {event['step']}; the same command goes on from there"
    return None


class Pace:
    """Tokens a second and the time that is left, from the steps of the fit that is going on."""

    def __init__(self) -> None:
        self._begun, self._first, self._tokens = 0.0, 0, 0

    def line(self, event: dict[str, Any]) -> str:
        """The line of a `step` event: place, loss, tokens a second, what is left."""
        now = time.monotonic()
        if self._first == 0 or event["step"] <= self._first:  # another fit has begun
            self._begun, self._first, self._tokens = now, event["step"], 0
        else:
            self._tokens += event["tokens"]
        place = (
            f"pass {event['epoch']}/{event['epochs']}  step {event['step']}/{event['steps']}  loss {event['loss']:.3f}"
        )
        done, passed = event["step"] - self._first, now - self._begun
        if not done or passed <= 0:
            return place
        left = passed / done * (event["steps"] - event["step"])
        return f"{place}  {self._tokens / passed:,.0f} tokens/s" + (f"  {duration(left)} left" if left >= 1 else "")


def _one_line(event: dict[str, Any]) -> str:
    if event["event"] == "validation":
        return f"pass {event['epoch']}  validation {event['score']:.3f}"
    if event["event"] == "limited":
        forgotten = ", ".join(f"{value:.3g}" for value in event["values"])
        return f"pass {event['epoch']}  forgotten {forgotten}" + (
            ": over the limit, so it ends" if event["ends"] else ""
        )
    if event["event"] == "trial":
        return f"tries {_settings(event['settings'])}"
    if event["event"] == "forecast":
        return f"needs about {event['peak'] / 1e9:.1f} GB of memory of {event['available'] / 1e9:.1f} GB"
    if event["event"] == "part":
        return f"step {event['name']}, {event['rows']:,} rows"
    if event["event"] == "mined":
        passed = f", {event['passed_over']:,} passed over as likely right" if event["passed_over"] else ""
        return f"{event['found']:,} hard passages for {event['queries']:,} queries{passed}"
    if event["event"] == "trained":
        share = f", {event['share_of_peak']:.0%} of this machine's peak" if "share_of_peak" in event else ""
        return f"{event['steps']} steps, {event['tokens_per_second']:,.0f} tokens/s{share}"
    return noticed(event) or "last fit, on all rows"


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{k.rsplit('.', 1)[1]} {v:g}" if isinstance(v, float) else f"{k.rsplit('.', 1)[1]} {v}"
        for k, v in settings.items()
    )


def _json_lines(event: dict[str, Any]) -> None:
    if event["event"] == "step" and event["step"] % 50:
        return
    sys.stderr.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stderr.flush()


@contextmanager
def _bars(console: Console, prepared: Prepared, estimate: Estimate) -> Iterator[Listen]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    seeds = prepared.comparer.settings.seeds
    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console, transient=True) as progress:
        whole = progress.add_task("all ways", total=estimate.total(seeds), note="")
        now = progress.add_task("", total=1.0, note="")
        state: dict[str, Any] = {"done": 0.0, "way": "", "trial": ""}
        state |= {"begun": time.monotonic(), "tokens": 0, "cut": False}

        def listen(event: dict[str, Any]) -> None:
            kind, line = event["event"], noticed(event)
            if kind == "cut" and not state["cut"]:  # the fits of a way cut the same rows
                state["cut"], line = True, cut_line(event)
            if line:
                progress.console.print(f"  {state['way']}: {line}", style="yellow", markup=False)
            if kind == "way":
                state.update(way=event["name"], trial="", begun=time.monotonic(), tokens=0, cut=False)
                progress.update(
                    now, description=f"{event['name']} ({event['number']}/{event['of']})", completed=0, note=""
                )
            elif kind in {"trial", "last-fit"}:
                state.update(
                    trial=f"tries {_settings(event['settings'])}" if kind == "trial" else "last fit",
                    begun=time.monotonic(),
                    tokens=0,
                )
                progress.update(now, completed=0, note=state["trial"])
            elif kind == "part":
                progress.update(now, completed=0, note=_one_line(event))
            elif kind == "step":
                state["tokens"] += event["tokens"]
                speed = state["tokens"] / max(1e-6, time.monotonic() - state["begun"])
                note = f"{state['trial']}  pass {event['epoch']}/{event['epochs']}  loss {event['loss']:.3f}  {speed:,.0f} tokens/s"
                progress.update(now, completed=event["step"] / event["steps"], note=note)
            elif kind in {"way-done", "reused"} and state["way"]:
                state["done"] += estimate.seconds.get(state["way"], 0.0) * (1 if kind == "reused" else seeds)
                left = max(0.0, estimate.total(seeds) - state["done"])
                progress.update(whole, completed=state["done"], note=f"about {duration(left)} left")

        yield listen
