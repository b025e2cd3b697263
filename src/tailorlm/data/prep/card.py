"""The data card: what these rows are, where they came from and what was done to them, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_ORDER = {"": 0, "train": 1, "validation": 2, "test": 3}


def card(manifest: dict[str, Any]) -> str:
    """The card of a preparation, from its manifest. What only a person can know is left open, and said so."""
    return "\n".join([*_head(manifest), *_origin(manifest), *_done(manifest), *_rows(manifest), *_open()]) + "\n"


def _head(manifest: dict[str, Any]) -> Iterator[str]:
    written = manifest["written"]
    yield "# Data card"
    yield ""
    yield f"{written['rows']:,} rows of the shape `{manifest['shape']}`, prepared by {manifest['made_by']}."
    yield ""
    for line in manifest["evidence"]:
        yield f"- {_plain(line)}"
    yield ""
    yield "| file | split | rows | sha256 |"
    yield "|---|---|---|---|"
    for file in written["files"]:
        yield f"| `{file['file']}` | {file['split'] or '–'} | {file['rows']:,} | `{file['sha256'][:16]}` |"
    yield ""


def _origin(manifest: dict[str, Any]) -> Iterator[str]:
    read = manifest["read"]
    yield "## Where they came from"
    yield ""
    yield "| file | split | bytes | sha256 |"
    yield "|---|---|---|---|"
    for file in read["files"][:100]:
        size = f"{file['bytes']:,}" if "bytes" in file else "–"
        yield f"| {_plain(file['name'])} | {file['split'] or '–'} | {size} | `{file.get('sha256', '–')[:16]}` |"
    if len(read["files"]) > 100:
        yield f"| and {len(read['files']) - 100:,} more, in manifest.json | | | |"
    yield ""
    unreadable = f", {read['bad_rows']:,} could not be read (unreadable.jsonl)" if read["bad_rows"] else ""
    yield f"{read['rows']:,} rows were read{unreadable}."
    yield ""


def _done(manifest: dict[str, Any]) -> Iterator[str]:
    yield "## What was done"
    yield ""
    yield "| step | rows in | changed | dropped | rows out | why |"
    yield "|---|---|---|---|---|---|"
    for step in manifest["steps"]:
        dropped = sum(step["dropped"].values())
        why = "; ".join(f"{_plain(name)} {n:,}" for name, n in {**step["dropped"], **step["changed"]}.items())
        yield (
            f"| {step['step']} | {step['rows_in']:,} | {step['rows_changed']:,} | {dropped:,} | {step['rows_out']:,} | "
            f"{why or '–'} |"
        )
    yield ""
    if manifest["written"]["dropped"]:
        yield "Every dropped row stands in `dropped.jsonl`, with its step and reason. "
    yield "`audit.html` shows examples and pictures, `manifest.json` all numbers, `prep.yaml` repeats it on later rows."
    yield ""


def _rows(manifest: dict[str, Any]) -> Iterator[str]:
    by_split = manifest["after"]["by_split"]
    names = sorted(by_split, key=lambda name: _ORDER.get(name, 9))
    labels: dict[str, int] = {}
    for split in names:
        for label, n in by_split[split].items():
            labels[label] = labels.get(label, 0) + n
    if set(labels) - {""}:
        yield "## Labels"
        yield ""
        yield "| label | " + " | ".join(name or "rows" for name in names) + " |"
        yield "|---|" + "---|" * len(names)
        for label in sorted(labels, key=lambda name: (-labels[name], name))[:200]:
            counts = " | ".join(f"{by_split[name].get(label, 0):,}" for name in names)
            yield f"| {_plain(label) or '(none)'} | {counts} |"
        if len(labels) > 200:
            yield f"| and {len(labels) - 200:,} more |" + " |" * len(names)
        yield ""
    languages = {code: n for code, n in manifest["after"]["languages"].items() if code}
    if languages:
        most = ", ".join(f"{code} {n:,}" for code, n in sorted(languages.items(), key=lambda pair: -pair[1])[:10])
        yield f"Languages (of the rows long enough to tell): {most}."
        yield ""


def _open() -> Iterator[str]:
    yield "## For you to fill in"
    yield ""
    for question in (
        "Who wrote these texts, when, and did they agree to this use?",
        "Who gave the labels, by which rules, and how often did two people agree?",
        "What are the rows meant for, and what not?",
        "Under which licence may they be passed on?",
    ):
        yield f"- {question}"


def _plain(text: Any) -> str:
    """Text that cannot break a Markdown table or come to life in it."""
    return " ".join(str(text).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
