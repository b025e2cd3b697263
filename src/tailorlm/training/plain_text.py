"""Lessons from plain text: a text model, an objective on text, and the texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel, is_causal
from tailorlm.models.layers import dropouts
from tailorlm.models.rebuilder import Rebuilder
from tailorlm.models.row_losses import RowLosses
from tailorlm.models.worded import Worded
from tailorlm.tasks.readings import token_ids, whole
from tailorlm.training.language import HiddenTokens, NextTokens
from tailorlm.training.token_rows import TokenRows
from tailorlm.training.vectors import RebuildLesson, TwiceLesson

TextLesson = HiddenTokens | NextTokens | TwiceLesson | RebuildLesson


def text_lesson(
    objective: Any, model: TextModel, names: Sequence[str], texts: Sequence[str], seed: int, together: int = 16
) -> tuple[TextLesson, list[str]]:
    """What an objective on plain text learns from these texts, and names of parameters that learn besides the body's.

    names: of the texts. together: texts of an optimiser step, where they are told from each other. The lesson's module holds the body under the names
    that it has in the model. Raises TailorError for a tokenizer without a mask, a model without dropout where two readings have to
    differ, or texts of which nothing can be learned.
    """
    length = min(objective.settings.max_length, model.max_length)
    if objective.head == "twice":
        return _twice(objective, model, texts, together, seed, length), []
    if objective.head == "decoder":
        return _rebuilt(objective, model, names, texts, seed, length)
    return _worded(objective, model, names, texts, seed, length)


def _twice(
    objective: Any, model: TextModel, texts: Sequence[str], together: int, seed: int, length: int
) -> TwiceLesson:
    if not any(share > 0 for _, _, share in dropouts(model.body)):
        raise TailorError(
            "two readings of a text would be the same: this model has no dropout",
            got=str(model.config.model_type),
            hint="weights: {part: full, dropout: 0.1}, or objective: denoising",
        )
    rows = token_ids(model.tokenizer, list(dict.fromkeys(texts)), length)  # a text cannot be told from itself
    return TwiceLesson(model, rows, objective, together, seed)


def _rebuilt(
    objective: Any, model: TextModel, names: Sequence[str], texts: Sequence[str], seed: int, length: int
) -> tuple[RebuildLesson, list[str]]:
    import torch

    rows, begins = _pieces(model.tokenizer, names, texts, length)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        rebuilder = Rebuilder(model, objective.settings.blocks, length)
    return RebuildLesson(rebuilder, model, rows, begins, objective.settings.delete, seed), rebuilder.made


def _worded(
    objective: Any, model: TextModel, names: Sequence[str], texts: Sequence[str], seed: int, length: int
) -> tuple[HiddenTokens | NextTokens, list[str]]:
    settings = objective.settings
    if objective.head == "causal" and not is_causal(model.config):
        raise TailorError(
            "this model reads a text from both sides, so it would see each token that it is to tell",
            got=str(model.config.model_type),
            hint="objective: masked_lm or denoising, or a base that reads from left to right",
        )
    worded = Worded(model, objective.head)
    losses = RowLosses(worded.whole, pad=int(model.tokenizer.pad_token_id or 0))
    if objective.head == "causal":
        rows = framed(model.tokenizer, names, texts, length, min(settings.overlap, length - 1))
        return NextTokens(losses, rows, worded), worded.made
    mask = model.tokenizer.mask_token_id
    if mask is None:
        raise TailorError(
            "this model's tokenizer has no token that stands for a hidden word",
            got=type(model.tokenizer).__name__,
            hint="objective: causal_lm, or an encoder that was trained by masking",
        )
    rows, begins = _pieces(model.tokenizer, names, texts, length)
    size = int(losses.head.weight.shape[0])
    lesson = HiddenTokens(
        losses,
        rows,
        mask=int(mask),
        vocabulary=min(size, len(model.tokenizer)),
        begins=begins if settings.hidden == "words" else None,
        share=settings.share,
        seed=seed,
        module=worded,
    )
    return lesson, worded.made


def framed(tokenizer: Any, names: Sequence[str], texts: Sequence[str], length: int, overlap: int) -> TokenRows:
    """Texts as the tokenizer frames them, each ended by its end of text, all learned; in windows of which something is."""
    end = tokenizer.eos_token_id
    encoded = tokenizer([whole(text) for text in texts], truncation=False, verbose=False)["input_ids"]
    rows = [[*ids, end] if end is not None and (not ids or ids[-1] != end) else list(ids) for ids in encoded]
    kept = [(name, ids) for name, ids in zip(names, rows, strict=True) if len(ids) > 1]
    if not kept:
        raise TailorError("the texts hold nothing to learn", got=f"{len(texts)} texts of one token or none")
    made = TokenRows.of([(ids, [True] * len(ids)) for _, ids in kept], [name for name, _ in kept])
    return made.windows(length, overlap).learnable()


def _pieces(tokenizer: Any, names: Sequence[str], texts: Sequence[str], length: int) -> tuple[TokenRows, np.ndarray]:
    """Texts in pieces, each framed by the tokenizer's special tokens, which are never hidden; and where words begin."""
    before, after = _frame(tokenizer)
    encoded = tokenizer([whole(text) for text in texts], add_special_tokens=False, truncation=False, verbose=False)
    room = length - len(before) - len(after)
    rows, begins, kept = [], [], []
    for number, (name, ids) in enumerate(zip(names, encoded["input_ids"], strict=True)):
        words = encoded.word_ids(number) if tokenizer.is_fast else list(range(len(ids)))
        starts = [i == 0 or word is None or word != words[i - 1] for i, word in enumerate(words)]
        cuts = range(0, len(ids), room)
        for place, cut in enumerate(cuts):
            piece, first = list(ids[cut : cut + room]), starts[cut : cut + room]
            rows.append(([*before, *piece, *after], [False] * len(before) + [True] * len(piece) + [False] * len(after)))
            begins.append([True] * len(before) + first + [True] * len(after))
            kept.append(name + (f" ({place + 1} of {len(cuts)})" if len(cuts) > 1 else ""))
    if not rows:
        raise TailorError("the texts hold nothing to learn", got=f"{len(texts)} texts without a token")
    return TokenRows.of(rows, kept), np.concatenate([np.array(row, dtype=bool) for row in begins])


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and behind a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a")["input_ids"]
    at = next((i for i in range(len(framed) - len(bare) + 1) if framed[i : i + len(bare)] == bare), 0)
    return list(framed[:at]), list(framed[at + len(bare) :])
