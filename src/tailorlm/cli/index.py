"""`tailor index`: passages of a folder of documents, found by words and by meaning."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailorlm.cli import options as o

if TYPE_CHECKING:
    from tailorlm.context.index import Change, IndexSettings, Passage, PassageIndex, ReadSettings
    from tailorlm.data.held_out import HeldOut

SHOWN = 300
MANY = 1_000_000
NONE = "none"

index = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path, typer.Argument(metavar="INDEX", help="The index's folder.")]
Documents = Annotated[
    list[str],
    typer.Argument(metavar="DOCUMENTS", help="Folders, files or patterns of documents (txt, md, html, pdf, ...)."),
]
TextColumn = Annotated[
    str | None,
    typer.Option("--text", help="Of tables: the column that holds the document. [default: text]", show_default=False),
]
Id = Annotated[
    str | None,
    typer.Option("--id", help="Of tables: a column that names each document; else file:line.", show_default=False),
]
MaxBad = Annotated[
    int | None,
    typer.Option(
        "--max-bad", help="Documents, unreadable or empty, set aside before it stops. [default: 0]", show_default=False
    ),
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="The model that reads passages: `starter`, a folder, a hub id; `none` for words alone. [default: starter]",
        show_default=False,
    ),
]
Where = Annotated[
    str | None, typer.Option("--encoder", help="Where the index's encoder lies, if it moved.", show_default=False)
]


@index.command()
def build(
    documents: Documents,
    out: Annotated[Path, typer.Option("--out", help="The index's folder.")] = Path("index"),
    size: Annotated[
        int | None, typer.Option("--size", help="Characters of a passage. [default: 1000]", show_default=False)
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap", help="Characters repeated of the passage before. [default: 15 % of size]", show_default=False
        ),
    ] = None,
    encoder: EncoderName = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Set any key: headings=false, store=float16, encoder.text_prefix='passage: '.",
            show_default=False,
        ),
    ] = None,
    text: TextColumn = None,
    id: Id = None,
    format: o.Format = None,
    encoding: o.Encoding = None,
    max_bad: MaxBad = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            help="Files of test rows: a document that is one is refused, now and later.",
            show_default=False,
        ),
    ] = None,
    held_out_text: Annotated[str, typer.Option("--held-out-text", help="The column of the test rows' text.")] = "text",
    as_json: o.Json = False,
) -> None:
    """Build an index over documents; over an old one only what changed is done, by the settings that it was built with."""
    from tailorlm.context.index import PassageIndex

    settings, read = PassageIndex.made_with(out)
    settings = _settings(settings, o.flags_given({"size": size, "overlap": overlap}), encoder, o.key_values(set_))
    given = {"text": text, "id": id, "format": format, "encoding": encoding, "max_bad": max_bad}
    read = _read(read, o.flags_given(given))
    with _progress(quiet=as_json) as listen:
        made, change = PassageIndex.build(
            out, documents, settings, read, held_out=_held_out(held_out, held_out_text), listen=listen
        )
    _changed(made, change, as_json=as_json)


@index.command()
def add(
    folder: Folder,
    documents: Documents,
    text: TextColumn = None,
    id: Id = None,
    format: o.Format = None,
    encoding: o.Encoding = None,
    max_bad: MaxBad = None,
    encoder: Where = None,
    as_json: o.Json = False,
) -> None:
    """Take documents in; one of the same name replaces the old one."""
    from tailorlm.context.index import PassageIndex

    opened = PassageIndex(folder, encoder=encoder)
    given = {"text": text, "id": id, "format": format, "encoding": encoding, "max_bad": max_bad}
    read = _read(opened.read, o.flags_given(given))
    with _progress(quiet=as_json) as listen:
        change = opened.add(documents, read, listen=listen)
    _changed(opened, change, as_json=as_json)


@index.command()
def remove(
    folder: Folder,
    names: Annotated[list[str], typer.Argument(metavar="NAMES", help="Documents as `info` lists them, or patterns.")],
    encoder: Where = None,
    as_json: o.Json = False,
) -> None:
    """Let go of documents."""
    from tailorlm.context.index import PassageIndex

    opened = PassageIndex(folder, encoder=encoder)
    with _progress(quiet=as_json) as listen:
        change = opened.remove(names, listen=listen)
    _changed(opened, change, as_json=as_json)


@index.command()
def search(
    folder: Folder,
    query: Annotated[list[str], typer.Argument(metavar="QUERY", help="What is asked; several are answered in turn.")],
    k: Annotated[int | None, typer.Option("--k", help="How many are found. [default: 5]", show_default=False)] = None,
    retriever: Annotated[
        str | None,
        typer.Option("--retriever", help="bm25, dense or fused. [default: what the index can do]", show_default=False),
    ] = None,
    variety: Annotated[
        float | None,
        typer.Option("--variety", help="0 to 1: less alike among themselves. [default: 0]", show_default=False),
    ] = None,
    rerank: Annotated[
        str | None, typer.Option("--rerank", help="A cross-encoder that orders the first again.", show_default=False)
    ] = None,
    encoder: Where = None,
    as_json: o.Json = False,
) -> None:
    """Find passages."""
    from tailorlm.context.index import PassageIndex
    from tailorlm.context.retrieval.settings import SearchSettings
    from tailorlm.core.config import validate

    given = o.flags_given({"k": k, "retriever": retriever, "variety": variety, "rerank": rerank})
    settings = validate(given, SearchSettings)
    answers = PassageIndex(folder, encoder=encoder).search(query, settings)
    if as_json:
        found = [{"query": q, "passages": [asdict(p) for p in some]} for q, some in zip(query, answers, strict=True)]
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        return
    for asked, some in zip(query, answers, strict=True):
        if len(query) > 1:
            sys.stdout.write(f"\n{asked}\n")
        sys.stdout.write("".join(_shown(i, passage) for i, passage in enumerate(some, 1)) or "nothing found\n")


@index.command()
def score(
    folder: Folder,
    questions: Annotated[
        list[str], typer.Argument(metavar="QUESTIONS", help="Files of questions with the document that answers each.")
    ],
    question: Annotated[
        str | None, typer.Option("--question", help="The column of the question.", show_default=False)
    ] = None,
    document: Annotated[
        str | None, typer.Option("--document", help="The column of the document.", show_default=False)
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            "--span", help="The column of words of the document that answer. [default: span]", show_default=False
        ),
    ] = None,
    encoder: Where = None,
    as_json: o.Json = False,
) -> None:
    """Measure how often the passage that answers is found, by words, by meaning and by both."""
    from tailorlm.context.index import PassageIndex, QuestionSettings, gold_of, score_index
    from tailorlm.context.retrieval.settings import SearchSettings
    from tailorlm.data import read
    from tailorlm.evaluation.intervals import wilson

    opened = PassageIndex(folder, encoder=encoder)
    columns = QuestionSettings().with_(**o.flags_given({"question": question, "document": document, "span": span}))
    gold = gold_of(opened, read(questions), columns)
    ways = ["bm25"] if opened.settings.encoder is None else ["bm25", "dense", "fused"]
    found = {way: score_index(opened, gold, SearchSettings.model_validate({"retriever": way})) for way in ways}
    count = len(gold.questions)
    plain: dict[str, Any] = {}
    for way, scores in found.items():
        plain[way] = {name: {"value": float(values.mean()), "n": count} for name, values in scores.items()}
        for name, one in plain[way].items():
            if name.startswith("recall"):  # shares; the others are means of fractions
                one["low"], one["high"] = wilson(one["value"], count, 0.95)
    if as_json:
        sys.stdout.write(json.dumps({"questions": count, "aside": gold.aside, "scores": plain}, indent=2) + "\n")
        return
    for way, scores in plain.items():
        shown = "  ".join(f"{name} {one['value']:.3f}" for name, one in scores.items())
        at = scores["recall@5"]
        sys.stdout.write(f"{way:<6} {shown}  (recall@5: {at['low']:.3f} to {at['high']:.3f}, n = {count})\n")
    sys.stdout.writelines(f"set aside: {fault}\n" for fault in gold.aside)


@index.command()
def info(folder: Folder, as_json: o.Json = False) -> None:
    """Show what an index holds and how it was made."""
    from tailorlm.context.index import PassageIndex
    from tailorlm.core.yaml import dump_yaml

    opened = PassageIndex(folder)
    documents = [
        {"name": e.name, "characters": e.characters, "passages": e.passages, "sha256": e.sha256}
        for e in opened.entries.values()
    ]
    facts = {
        "folder": str(folder),
        "version": opened.version.name,
        "bytes": sum(path.stat().st_size for path in opened.version.iterdir()),
        "passages": len(opened),
        "encoder": opened.manifest["encoder"],
        "settings": opened.settings.model_dump(mode="json"),
    }
    if as_json:
        sys.stdout.write(json.dumps({**facts, "documents": documents}, ensure_ascii=False, indent=2) + "\n")
        return
    sys.stdout.write(dump_yaml({**facts, "documents": len(documents)}))
    for one in documents:
        sys.stdout.write(f"{one['passages']:>7,} passages  {one['characters']:>11,} characters  {one['name']}\n")


def _settings(
    usual: IndexSettings, flags: dict[str, Any], encoder: str | None, changes: dict[str, Any]
) -> IndexSettings:
    """The settings with what was given put over them. Raises UsageError with all that is wrong with it."""
    from tailorlm.context.index import IndexSettings
    from tailorlm.context.retrieval.settings import EncoderSettings
    from tailorlm.core.config import set_key, validate

    plain = usual.model_dump(mode="json") | flags
    if encoder == NONE:
        plain["encoder"] = None
    elif encoder is not None:
        plain["encoder"] = (plain["encoder"] or EncoderSettings().model_dump(mode="json")) | {"model": encoder}
    for key, value in changes.items():
        set_key(plain, key, value)
    return validate(plain, IndexSettings)


def _read(usual: ReadSettings, flags: dict[str, Any]) -> ReadSettings:
    from tailorlm.context.index import ReadSettings
    from tailorlm.core.config import validate

    return validate(usual.model_dump() | flags, ReadSettings)


def _held_out(files: list[str] | None, column: str) -> HeldOut | None:
    if not files:
        return None
    from tailorlm.data import as_text, read
    from tailorlm.data.held_out import HeldOut

    return HeldOut.of(as_text(value) for value in read(files).column(column) if value is not None)


def _changed(made: PassageIndex, change: Change, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(
            json.dumps({"folder": str(made.folder), **asdict(change)}, ensure_ascii=False, indent=2) + "\n"
        )
        return
    counts = [
        f"{number:,} {name}"
        for name in ("added", "replaced", "unchanged", "removed")
        if (number := getattr(change, name))
    ]
    aside = [("without text", change.empty), ("unreadable", change.unreadable)]
    lines = [
        f"{made.folder}: {change.documents:,} documents ({', '.join(counts) or 'no change'}), {change.passages:,} passages, "
        f"{change.seconds:.1f} s"
    ]
    if made.settings.encoder is not None:
        lines.append(f"vectors: {change.computed:,} computed, {change.reused:,} kept")
    if change.too_long:
        lines.append(
            f"{change.too_long:,} passages are longer than the encoder reads; their ends are found by words alone (--size)"
        )
    if change.passages > MANY and made.settings.encoder is not None and made.settings.engine == "flat":
        lines.append("above a million passages --set engine=faiss searches faster (extra faiss)")
    lines += [f"set aside, {what}: {fault}" for what, faults in aside for fault in faults]
    sys.stdout.write("\n".join(lines) + "\n")


def _shown(number: int, passage: Passage) -> str:
    by = ", ".join(f"{name} {rank}: {score:.3f}" for name, (rank, score) in (passage.by or {}).items())
    page = f", page {passage.page}" if passage.page else ""
    text = " ".join(passage.text.split())
    text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return f"{number:>2}  {passage.id}  [{passage.start}:{passage.end}{page}]  {passage.score:.4f} ({by})\n    {text}\n"


def _progress(*, quiet: bool) -> Any:
    """A bar on a terminal; `with` gives the listener."""
    from contextlib import contextmanager

    @contextmanager
    def shown() -> Any:
        if quiet or not sys.stderr.isatty():
            yield lambda what, done, of: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            tasks: dict[str, Any] = {}

            def listen(what: str, done: int, of: int) -> None:
                task = (
                    tasks.setdefault(what, bar.add_task(what, total=of or None)) if what not in tasks else tasks[what]
                )
                bar.update(task, completed=done, total=of or None)

            yield listen

    return shown()
