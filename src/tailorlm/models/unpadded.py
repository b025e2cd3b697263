"""A text model's states without computing padding: rows of different length run one behind the other, each attending within itself.

What a head reads is the same but for rounding. Whether an architecture gives that is tried on the spot, once for each body; one that does
not is run padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tailorlm.models.packed import Packed, first_position, use_packed_attention, windows_of, windows_seen

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel

# States differ in rounding alone between a row among others and the same row alone; what mixes rows differs by far more.
TOLERANCE = 1e-4
PROBE = (5, 3, 9, 9)


@contextmanager
def unpadded(model: TextModel, lengths: Sequence[int]) -> Iterator[None]:
    """Inside the block batches of rows of different length are run unpadded, where the model can and there are such rows.

    lengths: tokens of the rows to be run. For answers alone, not for training; on processors alone: a GPU takes padding in its stride.
    `native` models, whose pooler is their own, are run padded.
    """
    worth = len(set(lengths)) > 1 and model.pooling != "native" and model.device.type == "cpu"
    if not worth or not _can(model):
        yield
        return
    restore = use_packed_attention(model.body)
    model.flat = restore is not None
    try:
        yield
    finally:
        model.flat = False
        if restore is not None:
            restore()


def flat_states(body: nn.Module, ids: Tensor, mask: Tensor, segments: dict[str, Tensor]) -> Tensor:
    """Last hidden states, (batch, longest, width), zeros where nothing stands. ids, mask, segments: padded on the right, (batch, longest)."""
    real = mask.bool()
    positions = mask.cumsum(1)[real] - 1 + first_position(body)
    packed = Packed(ids[real][None], positions[None], tuple(mask.sum(1).tolist()))
    rows = {name: types[real][None] for name, types in segments.items()}
    found: Tensor = body(**packed.inputs, **rows).last_hidden_state
    states = found.new_zeros(*ids.shape, found.shape[-1])
    states[real] = found[0]
    return states


def _can(model: TextModel) -> bool:
    """Whether rows give the same states one behind the other as alone; remembered while the model has this body."""
    body, holds = model.runs_flat
    if body is not model.body:
        with torch.random.fork_rng():
            holds = _holds(model.body)
        model.runs_flat = (model.body, holds)
    return holds


@torch.inference_mode()
def _holds(body: Any) -> bool:
    try:
        size = int(body.get_input_embeddings().weight.shape[0])
        # Low ids are special tokens, which some architectures treat apart.
        random = torch.Generator().manual_seed(0)
        rows = [torch.randint(size // 2, size, (length,), generator=random) for length in PROBE]
        alone = [body(input_ids=row[None], attention_mask=torch.ones(1, len(row))).last_hidden_state[0] for row in rows]
        mask = torch.arange(max(PROBE)) < torch.tensor(PROBE)[:, None]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        restore = use_packed_attention(body)
    except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError):
        return False
    if restore is None:
        return False
    try:
        with windows_seen() as windows:
            together = flat_states(body, ids, mask.long(), {})[mask]
        return windows.layers == windows_of(body) and torch.allclose(
            together, torch.cat(alone), atol=TOLERANCE, rtol=TOLERANCE
        )
    except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError):
        return False
    finally:
        restore()
