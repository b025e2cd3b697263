"""Command-line options derived from settings: help, default and bounds are stated once, in the settings class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tailorlm.core.config import Settings, field_extra
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.core.yaml import read_yaml


def option(settings: type[Settings], name: str, *flags: str) -> Any:
    """A typer option for one field of a settings class, with its help, unit and default."""
    field = settings.model_fields[name]
    unit = field_extra(field).get("unit")
    default = "" if field.default in (None, ()) else f" [default: {field.default}{' ' + unit if unit else ''}]"
    return typer.Option(*flags, help=(field.description or "") + default, show_default=False)


def flags_given(values: dict[str, Any]) -> dict[str, Any]:
    """The options that were given on the command line (the others are None)."""
    return {name: value for name, value in values.items() if value is not None}


def chosen(settings: type[Settings], flags: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of a settings class that were given as flags of the same name; None when none was."""
    return {name: flags[name] for name in settings.model_fields if flags.get(name) not in (None, [])} or None


def names_list(text: str | None) -> list[str] | None:
    """`a,b, c` as a list."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("a list of names is empty", got=repr(text), allowed="names with commas between them")
    return names


def key_values(pairs: list[str] | None) -> dict[str, Any]:
    """`--set a.b=1e-4` options as dotted key to value, read as YAML scalars."""
    from tailorlm.core.yaml import parse_yaml

    found = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(
                f"--set {pair} does not set anything", allowed="--set key=value, e.g. --set stages.0.weights.lr=1e-4"
            )
        found[key.strip()] = parse_yaml(f"value: {value}" if value.strip() else "value: ''", Path("--set")).value[
            "value"
        ]
    return found


def task_of(name: str | None, columns: list[str] | None, given: Mapping[str, Any], path: Path | None) -> dict[str, Any]:
    """The task as flags tell it, its name under `part` where one was given. given: values of flags of their own. path: words for labels."""
    return flags_given({"part": name, **given, "descriptions": descriptions(path)}) | key_values(columns)


def descriptions(path: Path | None) -> dict[str, str] | None:
    """A YAML file of label to words; None without a file."""
    if path is None:
        return None
    value = read_yaml(path).value
    bad = [key for key, words in value.items() if not isinstance(words, str)]
    if bad:
        raise TailorError(f"{path}: the words for '{bad[0]}' are not text", allowed="lines of the form `label: words`")
    return dict(value)


Task = Annotated[
    str | None,
    typer.Option("--task", help="What is asked of the model: classify, ... [default: classify]", show_default=False),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", help="A column or setting of the task: tokens=words; may be repeated.", show_default=False
    ),
]
Text = Annotated[
    str | None, typer.Option("--text", help="The column that holds the text. [default: text]", show_default=False)
]
Label = Annotated[
    str | None, typer.Option("--label", help="The column that holds the label. [default: label]", show_default=False)
]
Id = Annotated[
    str | None,
    typer.Option("--id", help="A column that names each row; file:line where there is none.", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "--base",
        help="`starter`, `starter-lm`, a folder, a hub id, or remote:NAME. [default: starter, or starter-lm where it writes]",
        show_default=False,
    ),
]
Passages = Annotated[
    str | None,
    typer.Option(
        "--passages", help="The folder of a passage index, for methods that show passages.", show_default=False
    ),
]
Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        help="A file of plain text (column text), for methods that learn from it without labels.",
        show_default=False,
    ),
]
OtherTask = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="Another task that was learnt beside or before the recipe's own, by its name.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
General = Annotated[
    str | None,
    typer.Option(
        "--general",
        help="File of general texts (column text) on which it is measured what was forgotten. [default: 150 sentences]",
        show_default=False,
    ),
]
Probes = Annotated[
    list[str] | None,
    typer.Option(
        "--probe",
        help="A labelled file (text, label), as NAME=FILE or FILE, on which it is measured what was forgotten; may be repeated.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Where runs and reports go. [default: tailor-runs]", show_default=False)
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="csv, tsv, jsonl or json, where name and content do not tell.", show_default=False),
]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help="The files' encoding where it is not UTF-8, e.g. cp1252.", show_default=False),
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", help="What separates the fields of a CSV.", show_default=False)
]
MaxBad = Annotated[
    int | None,
    typer.Option("--max-bad", help="Broken rows set aside in a file before it stops. [default: 0]", show_default=False),
]
Descriptions = Annotated[
    Path | None,
    typer.Option(
        "--descriptions", help="A YAML file `label: words`, for ways that read label names.", show_default=False
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="What training computes in: auto, exact (float32) or bf16. [default: auto]",
        show_default=False,
    ),
]
Track = Annotated[
    str | None,
    typer.Option(
        "--track", help="Send numbers to tensorboard, trackio, mlflow or wandb; never text.", show_default=False
    ),
]
Reload = Annotated[
    bool,
    typer.Option("--reload/--no-reload", help="Let a fresh process read the saved folder and answer a few rows."),
]
