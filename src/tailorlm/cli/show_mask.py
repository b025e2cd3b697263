"""`tailor prep --show-mask`: what a model would learn from the rows, token by token; nothing is written, no model is run."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import CheckError, TailorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tailorlm.data.prep import PrepSettings
    from tailorlm.data.rows import Row

LOOKED_AT = 1000
NAMED = 5


def show_mask(settings: PrepSettings, model: str, *, as_json: bool) -> None:
    """Print the first row as the model sees it, what is learned in colour, and counts over the first rows.

    Raises UsageError for rows that hold no conversation, CheckError where no row has anything to learn.
    """
    from tailorlm.data.shapes import detect
    from tailorlm.models.chat import Nothing, chat_of
    from tailorlm.models.resolve import resolve

    rows = list(islice(_rows(settings), LOOKED_AT))
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    shape = detect(columns, rows, shape=settings.columns.shape, chosen=settings.columns.roles)
    chat = chat_of(resolve(model).folder)
    shown: list[tuple[str, bool]] = []
    found: dict[str, Any] = {
        "model": model,
        "shape": shape.name,
        "template": "own" if chat.own else "plain",
        "rows": len(rows),
    }
    tokens = learned = 0
    empty: list[str] = []
    for row in rows:
        record = shape.record(row)
        if "messages" not in record:
            raise UsageError(
                f"rows of the shape {shape.name} hold no answer of an assistant to learn from",
                allowed="messages, sharegpt, alpaca, completion",
                hint="--shape NAME --column ROLE=COLUMN, if the shape is another",
            )
        try:
            rendered = chat.render(record["messages"], tools=record.get("tools"))
        except Nothing as reason:
            empty.append(f"{row.where}: {reason.what}")
            continue
        except TailorError as error:
            raise type(error)(
                f"{row.where}: {error.what}", got=error.got, allowed=error.allowed, hint=error.hint
            ) from None
        tokens, learned = tokens + len(rendered.ids), learned + rendered.targets
        if not shown:
            shown, found["row"] = chat.shown(rendered), row.where
    if not shown:
        raise CheckError(
            f"none of the first {len(rows)} rows has anything to learn", got="; ".join(empty[:NAMED]) or None
        )
    found |= {"tokens": tokens, "learned": learned, "nothing_to_learn": empty}
    if as_json:
        found["shown"] = [{"text": text, "learned": is_learned} for text, is_learned in shown]
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        _print(found, shown)


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


def _print(found: dict[str, Any], shown: list[tuple[str, bool]]) -> None:
    from rich.console import Console
    from rich.text import Text

    colours = sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=True)
    text = Text()
    for part, learned in shown:
        # Where there is no colour, brackets stand for it.
        text.append(part if colours or not learned else f"⟦{part}⟧", "bold green" if learned else "dim")
    console.print(f"{found['row']}, as {found['model']} sees it ({found['template']} template); learned: ", end="")
    console.print("[bold green]green[/]" if colours else "⟦in brackets⟧")
    console.print(text)
    share = found["learned"] / found["tokens"]
    usable = found["rows"] - len(found["nothing_to_learn"])
    console.print(
        f"\n{usable:,} rows looked at: {found['learned']:,} of {found['tokens']:,} tokens are learned ({share:.0%})"
    )
    for line in found["nothing_to_learn"][:NAMED]:
        console.print(f"nothing to learn: {line}")
    if len(found["nothing_to_learn"]) > NAMED:
        console.print(f"nothing to learn: {len(found['nothing_to_learn']) - NAMED} more")
