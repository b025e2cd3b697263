"""The starter decoder's model card."""

from __future__ import annotations

from typing import Any

from texts import CREDITS


def card(record: dict[str, Any], parameters: int) -> str:
    """The card, as markdown. record: what `train.py` keeps of the training."""
    scores = "\n".join(f"| {name} | {value:.3f} |" for name, value in record["scores"].items())
    credits = "\n".join(f"- `{name}`: {words}" for name, words in CREDITS.items())
    shape = ", ".join(f"{name} {value}" for name, value in record["shape"].items())
    settings = record["settings"]
    read = f"{settings['passes']} pass{'es' if settings['passes'] > 1 else ''} over "
    read += f"{settings['share']:.0%} of " if settings["share"] < 1 else ""
    return f"""---
license: cc-by-sa-4.0
language: en
---

# The starter decoder of tailorlm

A Llama of {parameters / 1e6:.1f} million parameters ({shape}), trained from scratch by tailorlm's own loop with `scripts/starter/train.py`:
{read}about 40 MB of English text and conversations, then {settings["tune_passes"]} over as much of the conversations
alone, of which the answers were learned. It is there so that everything works with no network, and so that what adaptation changes can be seen.

## What it cannot do

It is hundreds of times smaller than models that people talk to, and has read less than a ten-thousandth of what they have. It takes the form
of what it is taught and hardly anything else: asked without being taught, it repeats itself; it knows no facts, cannot reckon, and does not
copy from its prompt. It stands in for a model, so that the ways of adapting one can be tried; nobody should rely on an answer of it. It has
read English alone. Its context is 1,024 tokens.

## Scores

On held-out documents of the same kinds of text, which no part of the training has seen:

| measure | value |
|---|---|
{scores}

The training's curve, its settings and these scores are in `training.json`.

## What it was trained on

No text of these sets is shipped. Some of them ask that what is made from them be shared alike, so these weights are under CC BY-SA 4.0.

{credits}
"""
