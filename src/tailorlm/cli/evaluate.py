"""`tailor eval`: an adaptation's scores on labelled rows, with intervals."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tailorlm.cli import options as o


def evaluate(
    adaptation: Annotated[Path, typer.Argument(help="The folder of an adaptation, or of the run that holds it.")],
    rows: Annotated[
        list[str], typer.Argument(help="Files of labelled rows (csv, tsv, jsonl, json; gzip too), or `-`.")
    ],
    text: Annotated[
        str | None,
        typer.Option("--text", help="The column that holds the text. [default: as fitted]", show_default=False),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="The column that holds the label. [default: as fitted]", show_default=False),
    ] = None,
    task: o.OtherTask = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Where the base model lies, if it moved.", show_default=False)
    ] = None,
    format: o.Format = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the run goes. [default: tailor-runs]", show_default=False)
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option(
            "--slice", help="A column by whose values the score is told, such as country or source.", show_default=False
        ),
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Score an adaptation on labelled rows and keep the run."""
    from tailorlm.comparison.evaluate import evaluate_adaptation
    from tailorlm.core.runs import DEFAULT_ROOT
    from tailorlm.data import read
    from tailorlm.recipes.adaptation import Adaptation

    model = Adaptation.load(adaptation, base=base)
    given_rows = read(list(rows), format=format)
    root, by = out or DEFAULT_ROOT, slices or ()
    done = evaluate_adaptation(model, given_rows, text=text, label=label, root=root, slices=by, other=task)
    if as_json:
        told: dict[str, Any] = {
            name: done.tables[name] for name in ("coverage", "levels", "groups") if name in done.tables
        }
        told |= {"steps": done.run.record["steps"]} if done.run.record.get("steps") else {}
        sys.stdout.write(
            json.dumps({"run": str(done.run.folder), "scores": done.scores} | told, ensure_ascii=False, indent=2) + "\n"
        )
        return
    from rich.console import Console

    from tailorlm.cli.show import step_lines
    from tailorlm.comparison.report import answered

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    in_task = f", task {task}," if task else ""
    console.print(f"{model.recipe.name}{in_task} on {done.rows:,} rows", markup=False)
    for name, score in done.scores.items():
        console.print(f"  {name:<18} {score['value']:.3f}  [{score['low']:.3f}, {score['high']:.3f}]", markup=False)
    given = done.tables.get("coverage")
    if given and given["answered"] < given["of"]:
        right = (
            ""
            if given["right"] is None
            else f", {given['right']:.3f} [{given['low']:.3f}, {given['high']:.3f}] of them right"
        )
        console.print(f"  answered {given['answered']:,} of {given['of']:,} rows{right}", markup=False)
    for level in done.tables.get("levels", ()):
        console.print(f"  level {level['level']}: {level['right']:.3f} of {level['n']:,} rows right", markup=False)
    if done.tables.get("per_label"):
        console.print(_per_label(done.tables["per_label"]))
    for table in done.tables.get("groups", ()):
        console.print(_slices(table, next(iter(done.scores)), model.recipe.name))
    for row in done.tables.get("quotes") or []:
        console.print(_quotes(row), markup=False)
    if became := answered.told(done.run.record.get("answered") or {}):
        console.print(became, markup=False)
    for line in step_lines(done.run.record.get("steps")):
        console.print(f"  {line}", markup=False)
    console.print(f"run  {done.run.folder}", markup=False)


def _quotes(row: dict[str, Any]) -> str:
    """What was answered to the rows with an answer, or to those without."""
    given = f"{row['quoted']:,} quoted, {row['not_in_text']:,} not in the text, {row['no_answer']:,} without an answer"
    scores = f"token F1 {row['token_f1']:.3f}, exact match {row['exact_match']:.3f}"
    return f"  {row['n']:,} rows with {row['rows_with']}: {given}; {scores}"


def _slices(table: dict[str, Any], metric: str, way: str) -> Any:
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    shown = Table(escape(table["by"]), "rows", metric, "interval", box=None, padding=(0, 1), header_style="bold")
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in table["rows"]:
        score, around = f"{row['scores'][way]:.3f}", f"\\[{row['low']:.3f}, {row['high']:.3f}]"
        shown.add_row(Text(row["group"]), f"{row['n']:,}", score, around)
    return shown


def _per_label(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("label", "rows", "precision", "recall", "F1", box=None, padding=(0, 1), header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in sorted(rows, key=lambda row: float(row["f1"])):
        numbers = [f"{row[name]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(row["label"], str(row["n"]), *numbers)
    return table
