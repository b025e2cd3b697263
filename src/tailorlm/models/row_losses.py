"""Losses of chosen positions of rows of tokens, for any transformers model that gives scores over its vocabulary.

Rows are run packed where the architecture gives the same answers packed as alone (tried on the spot), padded otherwise. The model's own head
sees the chosen positions alone, and its last projection is fused with the loss (`vocabulary.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.mode import evaluating
from tailorlm.models.packed import first_position, pack, use_packed_attention, windows_of, windows_seen
from tailorlm.models.vocabulary import Scores, label_losses

# Losses may differ in rounding alone between a row packed and the same row alone, and between our head and the model's.
TOLERANCE = 1e-3
PROBE = (5, 3, 9)


class RowLosses:
    """A model with a head over its vocabulary, asked for losses of single positions.

    model: transformers' `...ForCausalLM` or `...ForMaskedLM`, as it is or wrapped by PEFT. packed: whether rows are run as one sequence; where
    not, they are padded on the right. pad: token id that fills. Raises TailorError when the model has no projection to a vocabulary.
    """

    def __init__(self, model: nn.Module, *, pad: int = 0, packed: bool = True):
        self.model, self.pad = model, pad
        inner: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
        self.head: Any = inner.get_output_embeddings() if hasattr(inner, "get_output_embeddings") else None
        if self.head is None:
            raise TailorError(
                "this model has no head over its vocabulary", got=type(inner).__name__, hint="a causal or masked model"
            )
        self.body = _body(inner)
        self.causal = bool(getattr(inner, "is_causal_lm", False)) or "ForCausalLM" in type(inner).__name__
        self.first = first_position(self.body)
        self.scores = self._scores(inner.config.get_text_config())
        self.packed = False
        with torch.random.fork_rng():
            self.packed = packed and self._holds()
            self.fused = self._agrees()

    def __call__(self, rows: Sequence[np.ndarray], places: np.ndarray, targets: np.ndarray) -> Tensor:
        """Loss at each place, (places,), nats, with gradients.

        rows: token ids of each row, none empty. places: where the state is read, counted over all rows one behind the other, rising.
        targets: the token ids that belong there.
        """
        if not len(places):
            return torch.zeros(0, device=self.device)
        wanted = torch.from_numpy(np.asarray(targets, dtype=np.int64)).to(self.device)
        if not self.fused:
            return nn.functional.cross_entropy(self.logits(rows, places), wanted, reduction="none")
        states = self._run(rows, places, fused=True)
        return label_losses(states, self.head.weight, self.head.bias, wanted, self.scores)

    def logits(self, rows: Sequence[np.ndarray], places: np.ndarray) -> Tensor:
        """Scores over the vocabulary at these places alone, (places, vocabulary) float32, with gradients; rows and places as in a call."""
        return self._run(rows, places, fused=False).float()

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    # ---- the forward pass

    def _run(self, rows: Sequence[np.ndarray], places: np.ndarray, *, fused: bool) -> Tensor:
        """States before the last projection at these places, (places, width); with fused off the scores there, (places, vocabulary)."""
        lengths = np.array([len(row) for row in rows])
        if self.packed:
            inputs, chosen = pack(rows, self.device, first=self.first).inputs, places
        else:
            inputs, chosen = self._padded(rows, lengths), places + _padding_before(lengths, places)
        if self.causal:
            inputs["use_cache"] = False
        index = torch.from_numpy(np.asarray(chosen, dtype=np.int64)).to(self.device)
        whole = len(rows) * int(lengths.max()) if not self.packed else int(lengths.sum())
        with _only(self.body, index, whole, len(rows)), _caught(self.head, fused) as states:
            scores = self.model(**inputs).logits
        return states[0] if fused else scores.flatten(0, -2)

    def _padded(self, rows: Sequence[np.ndarray], lengths: np.ndarray) -> dict[str, Any]:
        ids = np.full((len(rows), int(lengths.max())), self.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        made = {"input_ids": ids, "attention_mask": mask}
        return {name: torch.from_numpy(array).to(self.device) for name, array in made.items()}

    # ---- what is tried on the spot

    def _scores(self, config: Any) -> Scores:
        scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )
        return Scores(scale, getattr(config, "final_logit_softcapping", None))

    @torch.no_grad()
    def _holds(self) -> bool:
        """Whether rows give the same scores packed as alone, in as many attention layers with a window as the configuration names."""
        rows, places, _ = self._probe()
        restore = use_packed_attention(self.model)
        if restore is None:
            return False
        try:
            with evaluating(self.model), windows_seen() as windows:
                self.packed = True
                together = self._run(rows, places, fused=False)
                self.packed = False
                alone = [self._run([row], np.arange(len(row)), fused=False) for row in rows]
            holds = _close(together, torch.cat(alone)) and windows.layers == windows_of(self.body)
        except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError):
            holds = False
        if not holds:
            restore()
        return holds

    @torch.no_grad()
    def _agrees(self) -> bool:
        """Whether our projection gives the losses of the model's own head."""
        if not isinstance(self.head, nn.Linear) or type(self.head) is not nn.Linear:
            return False
        rows, places, targets = self._probe()
        with evaluating(self.model):
            self.fused = False
            theirs = self(rows, places, targets)
            self.fused = True
            return _close(self(rows, places, targets), theirs)

    def _probe(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        random = np.random.default_rng(0)
        size = min(self.head.weight.shape[0], self.body.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
        # Low ids are special tokens, which some architectures treat apart.
        rows = [random.integers(size // 2, size, length) for length in PROBE]
        return rows, np.arange(sum(PROBE)), random.integers(0, size, sum(PROBE))


@contextmanager
def _only(body: nn.Module, index: Tensor, whole: int, rows: int) -> Iterator[None]:
    """Inside the block the head sees the states of the chosen places alone, (1, places, width)."""

    reached = []

    def choose(module: nn.Module, inputs: Any, output: Any) -> Any:
        reached.append(True)
        states = output.last_hidden_state
        if states.shape[0] == rows and states.shape[0] * states.shape[1] != whole:
            # Virtual tokens in front, as prompt tuning puts them.
            states = states[:, states.shape[1] - whole // rows :]
        output.last_hidden_state = states.reshape(whole, -1).index_select(0, index)[None]
        return output

    hook = body.register_forward_hook(choose)
    try:
        yield
    finally:
        hook.remove()
    if not reached:
        raise TailorError("the head of this model does not read its body's states", got=type(body).__name__)


@contextmanager
def _caught(head: Any, active: bool) -> Iterator[list[Tensor]]:
    """Inside the block the projection passes its input on and keeps it in the list."""
    states: list[Tensor] = []

    def keep(hidden: Tensor) -> Tensor:
        states.append(hidden[0])
        return hidden

    if active:
        head.forward = keep
    try:
        yield states
    finally:
        if active:
            del head.forward


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one.float(), other.float(), atol=TOLERANCE, rtol=TOLERANCE))


def _padding_before(lengths: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places of padding before each place, when rows are padded to the longest."""
    row = np.searchsorted(np.cumsum(lengths), places, side="right")
    behind = np.cumsum(int(lengths.max()) - lengths) - (int(lengths.max()) - lengths)
    found: np.ndarray = behind[row]
    return found


def _body(inner: Any) -> nn.Module:
    """What gives the states that the head reads: below OPT's outer model lies the one that is really called."""
    body: nn.Module = getattr(inner, str(inner.base_model_prefix))
    below = getattr(body, "decoder", None)
    return below if isinstance(below, nn.Module) and hasattr(below, "embed_tokens") else body
