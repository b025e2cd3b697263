"""`tailor predict`: rows in, labels out."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailorlm.cli import options as o
from tailorlm.core.errors import UsageError, near_misses

if TYPE_CHECKING:
    from tailorlm.data import Rows

# The settings that name the one column with which tasks are asked; a task with none of them is asked with several.
ASKS = ("text", "prompt", "query")


def predict(
    adaptation: Annotated[Path, typer.Argument(help="The folder of an adaptation, or of the run that holds it.")],
    rows: Annotated[
        list[str] | None, typer.Argument(help="Files of rows (csv, tsv, jsonl, json; gzip too), or `-`.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", help="The column that holds the text, prompt or query. [default: as fitted]", show_default=False
        ),
    ] = None,
    say: Annotated[
        str | None, typer.Option("--say", help="One text to predict, in place of files.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write there (.csv or .jsonl) in place of standard output.", show_default=False),
    ] = None,
    task: o.OtherTask = None,
    scores: Annotated[bool, typer.Option("--scores", help="Give the score of every label.")] = False,
    base: Annotated[
        str | None, typer.Option("--base", help="Where the base model lies, if it moved.", show_default=False)
    ] = None,
    format: o.Format = None,
) -> None:
    """Predict rows with an adaptation; each row comes back with `predicted` and `confidence`."""
    if bool(rows) == (say is not None):
        raise UsageError(
            "nothing to predict" if say is None else "--say and files were both given",
            hint=f"tailor predict {adaptation} rows.csv",
        )
    if out is not None and out.suffix not in {".csv", ".jsonl"}:
        raise UsageError(f"{out} is neither .csv nor .jsonl", hint=f"--out {out.with_suffix('.csv')}")
    from tailorlm.recipes.adaptation import Adaptation

    table = _rows(rows, say, format)
    model = Adaptation.load(adaptation, base=base)
    asked = model.other(task) if task is not None else model
    kind = asked.answering.task
    answers = asked.predict(_inputs(table, kind, text, say))
    lines = []
    for row, answer in zip(table, answers, strict=True):
        extra: dict[str, Any] = kind.cells(answer.value, answer.detail)
        extra |= {"confidence": round(answer.confidence, 4)} if answer.confidence is not None else {}
        lines.append(dict(row.values) | extra | ({"scores": dict(answer.scores)} if scores else {}))
    like = out.name if out is not None else rows[0].removesuffix(".gz") if rows else ""
    content = _csv(lines) if like.endswith((".csv", ".tsv")) else _jsonl(lines)
    if out is None:
        sys.stdout.write(content)
        return
    from tailorlm.core import atomic

    atomic.write_text(out, content)
    sys.stderr.write(f"{len(lines):,} rows written to {out}\n")


def _rows(paths: list[str] | None, say: str | None, format: str | None) -> Rows:
    from tailorlm.data import Row, Rows, read

    if say is not None:
        return Rows((Row({"text": say}, "--say", 1),), ("text",))
    return read(list(paths or []), format=format)


def _inputs(table: Rows, task: Any, text: str | None, say: str | None) -> list[Any]:
    """What the task is given for each row: its text, or the whole row where the task has more columns than one text.

    Raises UsageError for a column that is not there, and for --text or --say where the task is not asked with one text.
    """
    from tailorlm.data import as_text

    settings, in_steps = task.settings, getattr(task, "row_columns", ())
    if text is not None and say is not None:
        raise UsageError("--text names a column of files, and --say is a text itself", hint="leave --text out")
    if in_steps:
        return _in_steps(table, in_steps, text, say)
    asks = next((name for name in ASKS if name in type(settings).model_fields), None)
    paired = getattr(settings, "second", None) is not None
    if say is not None:
        if asks is None or paired:
            raise UsageError(
                "--say gives one text, and this adaptation is asked with more", hint="put the row into a file"
            )
        return [say]
    if text is not None and asks is None:
        raise UsageError(
            "--text names one column, and this adaptation is asked with more",
            got=f"it reads {', '.join(getattr(task, 'text_columns', ())) or 'rows of several columns'}",
            hint="give the columns these names in the file",
        )
    column = text or (None if asks is None or paired else getattr(settings, asks))
    if asks is None or column is None:
        return _whole(table)
    if text is None and getattr(settings, "tokens", None) in table.columns:  # `tag`: lists of tokens stand for a text
        return _whole(table)
    _require(table, column)
    if paired:
        return [row | {settings.text: row.get(column)} for row in _whole(table)]
    if asks == "text":
        return ["" if value is None else as_text(value) for value in table.column(column)]
    # Read as if it had been fitted with that column; what comes of it is then given under the name that it was fitted with.
    read = type(task)(settings.with_(**{asks: column})).inputs(_whole(table))
    return [{getattr(settings, asks) or asks: value} for value in read]


def _in_steps(table: Rows, columns: Sequence[str], text: str | None, say: str | None) -> list[Any]:
    """The rows, or the one text, for an adaptation that answers in steps. columns: those that the steps read."""
    if text is not None:
        raise UsageError(
            "--text names one column, and the steps read columns by their names",
            got=f"they read {', '.join(columns)}",
            hint="give the column that name in the file",
        )
    if say is not None and len(columns) > 1:
        raise UsageError("--say gives one text, and this adaptation is asked with more", hint="put the row into a file")
    return [say] if say is not None else _whole(table)


def _whole(table: Rows) -> list[dict[str, Any]]:
    return [dict(row.values) for row in table]


def _require(table: Rows, column: str) -> None:
    if column not in table.columns:
        near = near_misses(column, table.columns)
        raise UsageError(
            f"the rows have no column '{column}'",
            got=f"columns: {', '.join(table.columns)}",
            hint=f"--text {near[0] if near else table.columns[0]}",
        )


def _jsonl(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _csv(lines: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for line in lines for name in line))
    handle = io.StringIO()
    writer = csv.DictWriter(handle, names, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: _cell(value) for name, value in line.items()})
    return handle.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    # A spreadsheet runs cells that begin so as formulas.
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value[:1] else value
