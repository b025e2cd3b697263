"""`tailor runs`: the runs kept so far, or one of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tailorlm.cli import options as o
from tailorlm.core.runs import DEFAULT_ROOT, Run, find_run, find_runs


def runs(
    run: Annotated[str | None, typer.Argument(help="A run to show; without it, all are listed.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the runs lie. [default: tailor-runs]", show_default=False)
    ] = None,
    as_json: o.Json = False,
) -> None:
    """List the runs below a folder, or show one."""
    root = out or DEFAULT_ROOT
    if run is not None:
        _show(find_run(root, run), as_json=as_json)
        return
    found = find_runs(root)
    if as_json:
        lines = [{"folder": str(r.folder), "scores": r.scores(), **r.record} for r in found]
        sys.stdout.write(json.dumps(lines, ensure_ascii=False, indent=2) + "\n")
        return
    if not found:
        sys.stdout.write(f"no runs in {root}; `tailor compare rows.csv` makes some\n")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "run", "kind", "when", "score", "train rows", "fit", "folder", box=None, padding=(0, 1), header_style="bold"
    )
    for r in found:
        scores = list(r.scores().items())
        name, score = scores[0] if scores else ("", {"value": None})
        seconds = r.record.get("cost", {}).get("fit_seconds")
        rows = r.record.get("data", {}).get("train", {}).get("rows")
        cells = [
            r.id,
            r.record.get("kind"),
            str(r.record.get("started", ""))[:16].replace("T", " "),
            f"{name} {_number(score['value'])}".strip() if name else None,
            rows,
            f"{seconds:.0f} s" if seconds else None,
        ]
        table.add_row(*[escape(str(cell)) if cell is not None else "" for cell in [*cells, r.folder.parent]])
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def _show(run: Run, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(
            json.dumps({"folder": str(run.folder), "scores": run.scores(), **run.record}, ensure_ascii=False, indent=2)
            + "\n"
        )
        return
    lines: list[tuple[str, Any]] = [
        ("run", run.id),
        ("folder", run.folder),
        ("kind", run.record.get("kind")),
        ("started", run.record.get("started")),
    ]
    lines += [("seconds", run.record.get("seconds")), ("chosen", json.dumps(run.record.get("chosen", {})))]
    for name, score in run.scores().items():
        lines.append((name, f"{score['value']:.4f}  [{score['low']:.4f}, {score['high']:.4f}]  n={score['n']}"))
    lines += [
        (f"{part} rows", f"{data['rows']:,}  {data['fingerprint'][:12]}")
        for part, data in run.record.get("data", {}).items()
    ]
    lines += [(name.replace("_", " "), value) for name, value in run.record.get("cost", {}).items()]
    lines += [(name, value) for name, value in run.record.get("environment", {}).items()]
    for name, value in lines:
        sys.stdout.write(f"{name:<22} {value}\n")


def _number(value: float | None) -> str | None:
    return f"{value:.3f}" if value is not None else None
