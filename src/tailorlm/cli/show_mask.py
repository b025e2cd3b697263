"""`tailor prep --show-mask`: what a model would learn from the rows, token by token; nothing is written, no model is run."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from tailorlm.data.prep import PrepSettings
    from tailorlm.data.rows import Row

LOOKED_AT = 1000
NAMED = 5


def show_mask(settings: PrepSettings, model: str, *, as_json: bool) -> None:
    """Print the first row as the model sees it, what is learned in colour, and counts over the first rows.

    Raises UsageError for rows that hold no conversation, CheckError where no row has anything to learn.
    """
    from tailorlm.data.shapes import detect
    from tailorlm.models.chat import chat_of
    from tailorlm.models.renderings import render_all
    from tailorlm.models.resolve import resolve

    rows = list(islice(_rows(settings), LOOKED_AT))
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    shape = detect(columns, rows, shape=settings.columns.shape, chosen=settings.columns.roles)
    chat = chat_of(resolve(model).folder)
    records = [(row.where, shape.record(row)) for row in rows]
    if any("messages" not in record for _, record in records):
        raise UsageError(
            f"rows of the shape {shape.name} hold no answer of an assistant to learn from",
            allowed="messages, sharegpt, alpaca, completion",
            hint="--shape NAME --column ROLE=COLUMN, if the shape is another",
        )
    found = render_all(chat, records).check(None)
    shown = chat.shown(found.rows[0])
    facts: dict[str, Any] = {
        "model": model,
        "shape": shape.name,
        "template": "own" if chat.own else "plain",
        "row": found.names[0],
    }
    facts |= found.counts() | {"nothing_to_learn": [f"{name}: {reason}" for name, reason in found.empty.items()]}
    if as_json:
        facts["shown"] = [{"text": text, "learned": learned} for text, learned in shown]
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    else:
        _print(facts, shown)


def _rows(settings: PrepSettings) -> Iterator[Row]:
    from tailorlm.data.hub import read_hub
    from tailorlm.data.prep.intake import HUB
    from tailorlm.data.stream import stream

    files = [name for name in settings.rows if not name.startswith(HUB)]
    if files:
        yield from stream(files, **settings.read.model_dump())
    for name in settings.rows:
        if name.startswith(HUB):
            yield from read_hub(name, "train")


def marked(shown: Sequence[tuple[str, bool]], *, colours: bool) -> Text:
    """Stretches of a text, what is learned in green; colours: where there is none to be had, brackets stand for it."""
    from rich.text import Text

    text = Text()
    for part, learned in shown:
        text.append(part if colours or not learned else f"⟦{part}⟧", "bold green" if learned else "dim")
    return text


def _print(found: dict[str, Any], shown: list[tuple[str, bool]]) -> None:
    from rich.console import Console

    colours = sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{found['row']}, as {found['model']} sees it ({found['template']} template); learned: ", end="")
    console.print("[bold green]green[/]" if colours else "⟦in brackets⟧")
    console.print(marked(shown, colours=colours))
    share = found["learned"] / found["tokens"]
    console.print(
        f"\n{found['rows']:,} rows looked at: {found['learned']:,} of {found['tokens']:,} tokens are learned ({share:.0%})"
    )
    for line in found["nothing_to_learn"][:NAMED]:
        console.print(f"nothing to learn: {line}")
    if len(found["nothing_to_learn"]) > NAMED:
        console.print(f"nothing to learn: {len(found['nothing_to_learn']) - NAMED} more")
