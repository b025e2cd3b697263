"""`tailor prep`: rows as people have them into rows that are safe to train on, with a record of every change."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailorlm.cli import options as o
from tailorlm.core.errors import UsageError

if TYPE_CHECKING:
    from tailorlm.core.yaml import Document
    from tailorlm.data.prep import PrepSettings

DRY_ROWS = 20_000
MODELS = "tailorlm.models.for_rows:ForRows"
"""Who brings language models to steps that ask for one; by name, so that nothing of torch loads before that."""


Rows = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders or patterns of rows, `-` for standard input, or one YAML that holds all of this."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="The folder that is written. [default: the file's name with -prep]", show_default=False),
]
Steps = Annotated[
    str | None,
    typer.Option(
        "--steps",
        help="Steps in order, commas between. [default: repair,filter,deduplicate,redact,split,audit]",
        show_default=False,
    ),
]
SetKey = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a key of a step: redact.mode=pseudonym, filter.min_words=3.", show_default=False),
]
Test = Annotated[
    list[str] | None, typer.Option("--test", help="Files of test rows, kept apart already.", show_default=False)
]
Validation = Annotated[
    list[str] | None, typer.Option("--validation", help="Files of validation rows.", show_default=False)
]
Shape = Annotated[
    str | None,
    typer.Option(
        "--shape",
        help="What the rows are (classify, messages, documents, ...), where it is not plain.",
        show_default=False,
    ),
]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", help="A column by its role: --column text=body.", show_default=False),
]
TextColumn = Annotated[str | None, typer.Option("--text", help="Short for --column text=...", show_default=False)]
LabelColumn = Annotated[str | None, typer.Option("--label", help="Short for --column label=...", show_default=False)]
Like = Annotated[
    Path | None,
    typer.Option(
        "--like",
        help="The folder of an earlier preparation: the same treatment for these rows.",
        show_default=False,
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", help="jsonl, csv (inert in spreadsheets) or parquet. [default: jsonl]", show_default=False),
]
KeyFile = Annotated[
    str | None,
    typer.Option("--key-file", help="Where the key of pseudonyms lies, or shall lie.", show_default=False),
]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of all that is drawn. [default: 0]", show_default=False)
]
FileFormat = Annotated[
    str | None,
    typer.Option("--format", help="Of the files, where name and content do not tell.", show_default=False),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=256, help="Processes. [default: one a core]", show_default=False),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Workers on a Ray cluster: host:port, `auto`, or `local` (extra `distributed`).",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help=f"Show what would change, on the first {DRY_ROWS:,} rows; write nothing.")
]


def _benchmarks(asked: bool) -> None:
    if asked:
        from tailorlm.cli.show_prep import Screen

        Screen(quiet=False).benchmarks()
        raise typer.Exit


Semantic = Annotated[
    float | None,
    typer.Option(
        "--semantic",
        min=0,
        max=1,
        help="Also drop rows that say the same in other words: the cosine from which on, e.g. 0.95.",
        show_default=False,
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="The model for --semantic: starter, a folder, a hub id. [default: starter]",
        show_default=False,
    ),
]
Contaminated = Annotated[
    list[str] | None,
    typer.Option(
        "--decontaminate",
        help="Drop train rows that hold rows of this test set: a known one (gsm8k, ...), a file, hub:owner/name.",
        show_default=False,
    ),
]
NamesModel = Annotated[
    str | None,
    typer.Option(
        "--names-model",
        help="A token-classification model for names and addresses: a folder or a hub id.",
        show_default=False,
    ),
]
Benchmarks = Annotated[
    bool,
    typer.Option("--benchmarks", callback=_benchmarks, is_eager=True, help="List the known test sets, and end."),
]


ShowMask = Annotated[
    str | None,
    typer.Option(
        "--show-mask",
        help="Show what this model (a folder, a hub id) would learn from the first row, in colour; write nothing.",
        show_default=False,
    ),
]


def prep(
    rows: Rows,
    out: Out = None,
    steps: Steps = None,
    set_: SetKey = None,
    test: Test = None,
    validation: Validation = None,
    shape: Shape = None,
    column: Column = None,
    text: TextColumn = None,
    label: LabelColumn = None,
    like: Like = None,
    to: To = None,
    key_file: KeyFile = None,
    seed: Seed = None,
    format: FileFormat = None,
    encoding: o.Encoding = None,
    delimiter: o.Delimiter = None,
    max_bad: o.MaxBad = None,
    workers: Workers = None,
    semantic: Semantic = None,
    encoder: Encoder = None,
    decontaminate: Contaminated = None,
    names_model: NamesModel = None,
    benchmarks: Benchmarks = False,
    ray: Ray = None,
    dry_run: DryRun = False,
    show_mask: ShowMask = None,
    as_json: o.Json = False,
) -> None:
    """Read, repair, filter, deduplicate, redact, split and audit rows; keep a record of every change."""
    read = {"format": format, "encoding": encoding, "delimiter": delimiter, "max_bad": max_bad}
    roles = _roles(column) | o.flags_given({"text": text, "label": label})
    given = {
        "rows": rows,
        "test": test or None,
        "validation": validation or None,
        "read": o.flags_given(read) or None,
        "columns": o.flags_given({"shape": shape, "roles": roles or None}) or None,
        "steps": o.names_list(steps),
        "format": to,
        "key_file": key_file,
        "seed": seed,
    }
    short = {
        "deduplicate.semantic": semantic,
        "deduplicate.encoder": encoder,
        "decontaminate.tests": decontaminate or None,
        "redact.names_model": names_model,
    }
    settings = _settings(o.flags_given(given), like, o.flags_given(short) | o.key_values(set_))
    if show_mask is not None:
        from tailorlm.cli.show_mask import show_mask as show

        show(settings, show_mask, as_json=as_json)
        return
    if like is not None and key_file is None:
        _check_key(settings)
    # Whoever stops the process politely (a scheduler, a container) leaves no half-read rows behind, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if dry_run:
            _dry(settings, workers, as_json=as_json)
        else:
            _write(settings, out, workers, ray, as_json=as_json)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was written\n")
        raise SystemExit(130) from None


def _roles(pairs: list[str] | None) -> dict[str, str]:
    roles = {}
    for pair in pairs or []:
        role, equals, name = pair.partition("=")
        if not (role and equals and name):
            raise UsageError(f"--column {pair} names no column", allowed="--column role=name, e.g. --column text=body")
        roles[role.strip()] = name
    return roles


def _settings(given: dict[str, Any], like: Path | None, changes: dict[str, Any]) -> PrepSettings:
    from tailorlm.core.config import validate
    from tailorlm.core.yaml import read_yaml
    from tailorlm.data.prep import PrepSettings

    names = given["rows"]
    documents = [name for name in names if name.endswith((".yaml", ".yml"))]
    if documents and (len(names) > 1 or like is not None):
        hint = "its rows stand in it; --like FOLDER treats other rows in the same way"
        raise UsageError("a preparation's YAML comes alone", got=" ".join(names), hint=hint)
    document = _earlier(like) if like is not None else read_yaml(documents[0]) if documents else None
    value: dict[str, Any] = dict(document.value) if document else {}
    if documents:
        given = {key: item for key, item in given.items() if key != "rows"}
    if like is not None and not (given.get("test") or given.get("validation")):
        value = {key: item for key, item in value.items() if key not in ("test", "validation")}
    for key, item in given.items():
        value[key] = value.get(key, {}) | item if isinstance(item, dict) and isinstance(value.get(key), dict) else item
    return validate(_with_changes(value, changes), PrepSettings, document)


def _earlier(like: Path) -> Document:
    """The settings of an earlier preparation, by its folder or its YAML."""
    from tailorlm.core.yaml import read_yaml
    from tailorlm.data.prep.output import YAML

    place = like / YAML if like.is_dir() else like
    if not place.is_file():
        allowed = f"a folder that `tailor prep` wrote, or the {YAML} in it"
        raise UsageError(f"--like {like}: there is no {place.name}", allowed=allowed)
    return read_yaml(place)


def _check_key(settings: PrepSettings) -> None:
    """The key of an earlier preparation must be there: another one would give everybody another pseudonym."""
    from tailorlm.data.source import home_path

    made = any(part.name == "redact" and part.settings.mode == "pseudonym" for part in settings.chosen_steps)
    if not made or (settings.key_file and home_path(settings.key_file).is_file()):
        return
    where = f"its key file {settings.key_file} is not there" if settings.key_file else "its key was not kept"
    raise UsageError(
        f"the earlier preparation made pseudonyms, and {where}",
        allowed="the same key, for the same pseudonyms",
        hint="--key-file FILE: the key where it lies now, or a new one and other pseudonyms from here on",
    )


def _with_changes(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`--set step.key=value` put where the step stands."""
    if not changes:
        return value
    from tailorlm.core.config import set_key
    from tailorlm.core.errors import unknown_name
    from tailorlm.data.prep import USUAL

    if value.get("steps") is None:
        skip = ("split",) if value.get("test") or value.get("validation") else ()
        value["steps"] = [name for name in USUAL if name not in skip]
    if not isinstance(value["steps"], list):
        return value  # told when all of it is checked
    named = [str(part.get("part", "") if isinstance(part, dict) else part) for part in value["steps"]]
    if "decontaminate.tests" in changes and "decontaminate" not in named:
        # Behind the split, so that train rows alone go; else last before what is only looked at or added.
        late = [at for at, name in enumerate(named) if name in ("audit", "augment")]
        at = named.index("split") + 1 if "split" in named else late[0] if late else len(named)
        value["steps"] = [*value["steps"][:at], "decontaminate", *value["steps"][at:]]
        named.insert(at, "decontaminate")
    for key, new in changes.items():
        step, dot, rest = key.partition(".")
        if not dot:
            set_key(value, key, new)
        elif step not in named:
            raise unknown_name("step in this preparation", step, named)
        else:
            set_key(value, f"steps.{named.index(step)}.{rest}", new)
    return value


def _write(settings: PrepSettings, out: Path | None, workers: int | None, ray: str | None, *, as_json: bool) -> None:
    from tailorlm.cli.show_prep import Screen
    from tailorlm.data.prep import default_out, prepare

    folder = out or default_out(settings)
    screen = Screen(quiet=as_json)
    with screen.progress() as listen:
        manifest = prepare(settings, folder, workers=workers, ray=ray, listen=listen, models=MODELS)
    if as_json:
        sys.stdout.write(json.dumps({"folder": str(folder), **manifest}, ensure_ascii=False, indent=2) + "\n")
        return
    screen.result(manifest)
    screen.written(manifest, folder)


def _dry(settings: PrepSettings, workers: int | None, *, as_json: bool) -> None:
    from tailorlm.cli.show_prep import Screen
    from tailorlm.data.prep import dry_run

    screen = Screen(quiet=as_json)
    with screen.progress() as listen:
        manifest = dry_run(settings, rows=DRY_ROWS, workers=workers, listen=listen, models=MODELS)
    if as_json:
        sys.stdout.write(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        return
    screen.result(manifest)
    screen.examples(manifest)
