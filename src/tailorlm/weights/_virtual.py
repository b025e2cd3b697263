"""What parts that stand in front of a text share: the room they take, PEFT's wrapper, and whether a model answers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import positions
from tailorlm.models.mode import evaluating
from tailorlm.weights import _peft

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.models.encoder import TextModel

# Positions that a text keeps at least.
SHORTEST = 8
# Two texts of different length, and what a row may differ by with the company it is padded in.
PROBE, TOLERANCE = ("a short text", "and another one, which is a little longer than the first"), 1e-4


class Front:
    """Virtual tokens in front of every text of one model, put on and taken off again.

    tokens: how many. shown: whether they are shown as tokens of the text (prompt tuning), not only attended to (prefix tuning).
    """

    def __init__(self, tokens: int, *, shown: bool):
        self.tokens, self.shown = tokens, shown
        self._max_length = 0  # the model's own, while they stand before it

    def put(self, model: TextModel, config: Any) -> list[str] | None:
        """Wrap the body by PEFT's `config`; names of what learns, or None, and the model is as it was, where it does not answer behind them."""
        self._max_length = make_room(model, self.tokens)
        bare = probe(model)
        try:
            names = _peft.wrap(model, config)
        except ValueError:  # PEFT looks at some models itself
            model.max_length = self._max_length
            return None
        model.prompt_tokens = self.tokens if self.shown else 0
        if answers_behind(model, bare):
            return names
        self.take_off(model)
        return None

    def take_off(self, model: TextModel) -> None:
        """Give the base back as it was."""
        _peft.unwrap(model)
        model.prompt_tokens, model.max_length = 0, self._max_length

    def load(self, model: TextModel, folder: Path, what: str) -> None:
        """Wrap a fresh base with what was saved. what: for messages."""
        self._max_length = make_room(model, self.tokens)
        _peft.load(model, folder, what)
        model.prompt_tokens = self.tokens if self.shown else 0


def make_room(model: TextModel, tokens: int) -> int:
    """Leave positions for so many tokens in front of every text; returns the length limit that texts had.

    Raises TailorError where hardly any would be left.
    """
    limit, before = positions(model.body), model.max_length
    if limit - tokens < SHORTEST:
        raise TailorError(
            f"{tokens} tokens in front leave no room for texts",
            got=f"a model of {limit} positions",
            allowed=f"tokens: 1 to {max(1, limit - SHORTEST)}",
        )
    model.max_length = min(before, limit - tokens)
    return before


def probe(model: TextModel, texts: Sequence[str] = PROBE) -> Tensor:
    """What the model makes of some texts as it stands: pooled vectors, (texts, width), or of one that writes logits of the next token."""
    import torch

    with torch.no_grad(), evaluating(model):
        return _next_logits(model, texts) if model.pooling == "written" else model.pool(*_padded(model, texts))


def _padded(model: TextModel, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    return model.pad(model.tokenize(texts))


def _next_logits(model: Any, texts: Sequence[str]) -> Tensor:
    """Logits of the token that follows each text, (texts, vocabulary), read as in training: padded, with a mask."""
    import torch

    rows = [model.chat.tokens.encode(text) for text in texts]
    ids = model.pad(rows)
    lengths = torch.tensor([len(row) for row in rows], device=ids.device)
    mask = (torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]).long()
    logits: Tensor = model(ids, mask)[:, -ids.shape[1] :]
    return logits[torch.arange(len(rows), device=ids.device), lengths - 1].float()


def answers_behind(model: TextModel, bare: Tensor) -> bool:
    """Whether the wrapped model answers at all, takes notice of what stands in front, and gives a row the same answer in any company.

    bare: what `probe` gave before.
    """
    import torch

    try:
        together, alone = probe(model), probe(model, PROBE[:1])
        if model.pooling == "native":
            with torch.no_grad():
                model(*_padded(model, PROBE))
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError):
        return False
    # Logits are larger numbers than vectors, and round by as much more.
    rounding = TOLERANCE * max(1.0, float(bare.abs().max()))
    same = together.shape == bare.shape and float((together[:1] - alone).abs().max()) < rounding
    return same and float((together - bare).abs().max()) > rounding
