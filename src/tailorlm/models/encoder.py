"""A text model that answers with label scores: transformer body, pooling, head.

Two forms, chosen by `pooling`:

- `mean`, `cls`, `last`: the bare transformer (`AutoModel`), a pooling of its last hidden states, and a head of ours.
- `native`: transformers' own sequence-classification model of the architecture (`AutoModelForSequenceClassification`),
  pooler, head and all, so that a saved model gives its logits through plain transformers or PEFT.

`auto` follows what the folder says: sentence encoders name their pooling (`1_Pooling/config.json`), everything else is
native.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.heads import Linear, Nearest
from tailorlm.models.resolve import BaseModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POOLINGS = ("auto", "mean", "cls", "last", "native")


class TextModel(nn.Module):
    """Body, pooling and head of one classifier; the weights parts attach to `body`, the contexts give it a head.

    base: where the body came from. pooling: `mean`, `cls`, `last` or `native` (never `auto`). max_length: tokens kept of
    each text. `head` is None until something gives it one; `native` models carry theirs inside the body.
    """

    def __init__(
        self, base: BaseModel, body: nn.Module, tokenizer: PreTrainedTokenizerBase, pooling: str, max_length: int
    ):
        super().__init__()
        self.base, self.body, self.tokenizer = base, body, tokenizer
        self.pooling, self.max_length = pooling, max_length
        self.head: Linear | Nearest | None = None

    @property
    def width(self) -> int:
        """Width of the pooled vector."""
        return int(self.config.hidden_size)

    @property
    def config(self) -> Any:
        """The body's transformers configuration."""
        return self.body.config

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.body.parameters()).device

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut at `max_length`; one list a text, no padding."""
        if not texts:
            return []
        encoded = self.tokenizer(
            [_whole(text) for text in texts], truncation=True, max_length=self.max_length, padding=False
        )
        # GPT-2 and Qwen put nothing around a text, so an empty one has no token to read a state from: it is shown as one pad.
        return [list(ids) or [self.tokenizer.pad_token_id or 0] for ids in encoded["input_ids"]]

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Right-padded ids and mask, (batch, longest), on the model's device."""
        longest = max(len(row) for row in rows)
        ids = np.full((len(rows), longest), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    def pool(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The pooled vector of each text, (batch, width), in float32. `native` models are pooled by mean or last token."""
        body = self.body if self.pooling != "native" else self._inner()
        hidden: Tensor = body(input_ids=ids, attention_mask=mask).last_hidden_state
        pooling = self.pooling
        if pooling == "native":
            pooling = "last" if is_causal(self.config) else "mean"
        if pooling == "cls":
            return hidden[:, 0].float()
        if pooling == "last":
            return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1].float()
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return ((hidden * weight).sum(1) / weight.sum(1)).float()

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Label scores, (batch, labels)."""
        if self.head is not None:
            scores: Tensor = self.head(self.pool(ids, mask))
            return scores
        if self.pooling == "native":
            logits: Tensor = self.body(input_ids=ids, attention_mask=mask).logits
            return logits
        raise TailorError(
            "this model has no head yet", hint="fit it, or give it a context (label names, nearest examples)"
        )

    def head_parameters(self) -> list[str]:
        """Names of the parameters that turn the body's states into label scores (inside the body where it is native)."""
        if self.pooling != "native":
            return [f"head.{name}" for name, _ in self.head.named_parameters()] if self.head is not None else []
        inner = {id(p) for p in self._inner().parameters()}
        return [name for name, p in self.named_parameters() if name.startswith("body.") and id(p) not in inner]

    def _inner(self) -> nn.Module:
        body = self.body
        # PEFT's wrapper has attributes of its own under the names that many bodies go by.
        if hasattr(body, "get_base_model"):
            body = body.get_base_model()  # type: ignore[operator]
        return getattr(body, str(body.base_model_prefix), body)


def load_model(base: BaseModel, *, labels: Sequence[str], pooling: str = "auto", max_length: int = 256) -> TextModel:
    """Load a base model for label scores, in float32 on the CPU or the first GPU.

    labels: label names in order; native models carry them in their configuration. Raises TailorError when the folder cannot
    be read as a text model.
    """
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    try:
        pooling = folder_pooling(base.folder) if pooling == "auto" else pooling
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        body = _body(base.folder, labels if pooling == "native" else None)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TailorError(f"{base.folder} cannot be loaded as a text model", got=str(error).splitlines()[0]) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    body.config.pad_token_id = tokenizer.pad_token_id
    model = TextModel(base, body, tokenizer, pooling, min(max_length, int(tokenizer.model_max_length), positions(body)))
    model.eval()
    return model.to("cuda") if torch.cuda.is_available() else model


def _body(folder: Path, labels: Sequence[str] | None) -> Any:
    """The bare transformer, or with labels its sequence-classification model, whose weights are all in the folder."""
    from transformers import AutoModel, AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    auto = AutoModel if labels is None else AutoModelForSequenceClassification
    names = dict(enumerate(labels or ()))
    known = {"id2label": names, "label2id": {v: k for k, v in names.items()}} if names else {}
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # its report of fresh heads is no news; what matters of it is checked below
    try:
        body, found = auto.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **known
        )
    finally:
        logging.set_verbosity(level)
    # What it does not find, transformers draws at random: right for heads and poolers, and for nothing else.
    inside = "" if labels is None else f"{body.base_model_prefix}."
    random = sorted(k for k in found["missing_keys"] if k.startswith(inside) and "pooler." not in k)
    if random:
        more = f" and {len(random) - 1} more" if len(random) > 1 else ""
        raise ValueError(f"its files hold no weights for {random[0]}{more}")
    return body


def _whole(text: str) -> str:
    # Half a character (a lone surrogate) cannot be handed to a tokenizer; it becomes the sign for what cannot be read.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def positions(body: nn.Module) -> int:
    """How many tokens the body has positions for; 2**20 where nothing limits them."""
    limit = int(getattr(body.config, "max_position_embeddings", None) or 1 << 20)
    for name, module in body.named_modules():
        # RoBERTa, MPNet and their kin count from behind the padding index: so many of their positions never hold a token.
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return limit - module.padding_idx - 1
    return limit


def folder_pooling(folder: Path) -> str:
    """The pooling a model folder names for itself, or `native` where it names none."""
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "native"
    modes = json.loads(path.read_text(encoding="utf-8"))
    for key, pooling in (("cls_token", "cls"), ("lasttoken", "last"), ("mean_tokens", "mean")):
        if modes.get(f"pooling_mode_{key}"):
            return pooling
    return "mean"


def is_causal(config: Any) -> bool:
    """Whether the architecture reads left to right only (GPT, Llama, Qwen, ...)."""
    if getattr(config, "is_encoder_decoder", False):
        return False
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return (
        config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )
