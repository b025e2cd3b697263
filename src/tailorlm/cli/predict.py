"""`tailor predict`: rows in, labels out."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailorlm.cli import options as o
from tailorlm.core.errors import UsageError, near_misses

if TYPE_CHECKING:
    from tailorlm.data import Rows


def predict(
    adaptation: Annotated[Path, typer.Argument(help="The folder of an adaptation, or of the run that holds it.")],
    rows: Annotated[
        list[str] | None, typer.Argument(help="Files of rows (csv, tsv, jsonl, json; gzip too), or `-`.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help="The column that holds the text. [default: as fitted]", show_default=False),
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
    """What the task is given for each row: its text, or the whole row where the task has more columns than one text."""
    from tailorlm.data import as_text

    settings, in_steps = task.settings, getattr(task, "row_columns", ())
    if in_steps and text is not None:
        raise UsageError(
            "--text names one column, and the steps read columns by their names",
            got=f"they read {', '.join(in_steps)}",
            hint="give the column that name in the file",
        )
    if in_steps and (say is None or len(in_steps) == 1):
        return [say] if say is not None else [dict(row.values) for row in table]
    paired = getattr(settings, "second", None) is not None
    if (say is not None or "text" in type(settings).model_fields) and not paired:
        column = text or ("text" if say is not None else settings.text)
        if column not in table.columns:
            near = near_misses(column, table.columns)
            raise UsageError(
                f"the rows have no column '{column}'",
                got=f"columns: {', '.join(table.columns)}",
                hint=f"--text {near[0] if near else table.columns[0]}",
            )
        return ["" if value is None else as_text(value) for value in table.column(column)]
    if say is not None:
        raise UsageError("--say gives one text, and this adaptation is asked with more", hint="put the row into a file")
    given = {settings.text: text} if paired and text else {}
    return [dict(row.values) | {name: row.values.get(column) for name, column in given.items()} for row in table]


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
