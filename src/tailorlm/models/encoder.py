"""A text model that answers with scores: transformer body, pooling, head.

Three forms, chosen by `pooling`:

- `mean`, `cls`, `last`: the bare transformer (`AutoModel`), a pooling of its last hidden states, and a head of ours.
- `native`: transformers' own sequence-classification model of the architecture (`AutoModelForSequenceClassification`),
  pooler, head and all, so that a saved model gives its logits through plain transformers or PEFT.
- `tokens`: the bare transformer and a head of ours on the states of single tokens, for tasks that ask about tokens.

`auto` follows what the folder says: sentence encoders name their pooling (`1_Pooling/config.json`), everything else is
native.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.heads import Head
from tailorlm.models.layers import keep_blocks
from tailorlm.models.mode import Learner
from tailorlm.models.quantise import quantise
from tailorlm.models.resolve import BaseModel
from tailorlm.models.unpadded import flat_states
from tailorlm.tasks.readings import Readings, token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POOLINGS = ("auto", "mean", "cls", "last", "native")


class TextModel(Learner):
    """Body, pooling and head of one model; the weights parts attach to `body`, the contexts give it a head.

    base: where the body came from. pooling: `mean`, `cls`, `last`, `native` or `tokens` (never `auto`). max_length: tokens kept of
    each text. `head` is None until something gives it one; `native` models carry theirs inside the body.
    """

    def __init__(
        self, base: BaseModel, body: nn.Module, tokenizer: PreTrainedTokenizerBase, pooling: str, max_length: int
    ):
        super().__init__()
        self.base, self.body, self.tokenizer = base, body, tokenizer
        self.pooling, self.max_length = pooling, max_length
        self.head: Head | None = None
        # Vectors that a weights part shows as tokens in front of every text; states and positions of texts begin behind them.
        self.prompt_tokens = 0
        # Whether rows of different length are run without padding just now, and the body of which it is known whether they can be.
        self.flat = False
        self.runs_flat: tuple[nn.Module | None, bool] = (None, False)

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
        return token_ids(self.tokenizer, texts, self.max_length)

    def batch(self, readings: Readings) -> dict[str, Any]:
        """Readings as the arguments of `forward` and `vectors`: padded ids and mask, segment ids and places where they have them."""
        ids, mask = self.pad(readings.tokens)
        given: dict[str, Any] = {"ids": ids, "mask": mask}
        if readings.types is not None and self._tells_segments():
            given["types"] = self.pad(readings.types)[0].masked_fill(mask == 0, 0)
        if readings.places is not None:
            rows = np.repeat(np.arange(len(readings)), readings.sizes)
            columns = np.concatenate([np.asarray(places, dtype=np.int64) for places in readings.places])
            given["places"] = torch.from_numpy(np.stack([rows, columns])).to(self.device)
        return given

    def _tells_segments(self) -> bool:
        """Whether the body takes segment ids: it has some, and stands in no wrapper that leaves them out (PEFT's of prefixes and prompts)."""
        wrapper = getattr(self.body, "active_peft_config", None)
        several = int(getattr(self.config, "type_vocab_size", 0) or 0) > 1
        return several and not getattr(wrapper, "is_prompt_learning", False)

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Right-padded ids and mask, (batch, longest), on the model's device."""
        longest = max(len(row) for row in rows)
        ids = np.full((len(rows), longest), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    def vectors(self, ids: Tensor, mask: Tensor, types: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """What a head reads, in float32: the state of each place, (places, width), or the pooled vector of each text, (batch, width).

        types: segment ids, (batch, longest). places: (2, places), row and column of each.
        """
        if places is None:
            return self.pool(ids, mask, types)
        return self._hidden(ids, mask, types)[:, -ids.shape[1] :][places[0], places[1]].float()

    def pool(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """The pooled vector of each text, (batch, width), in float32. `native` and `tokens` are pooled by mean or last token."""
        hidden = self._hidden(ids, mask, types)[:, -ids.shape[1] :]
        pooling = self.pooling
        if pooling in ("native", "tokens"):
            pooling = "last" if is_causal(self.config) else "mean"
        if pooling == "cls":
            return hidden[:, 0].float()
        if pooling == "last":
            return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1].float()
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return ((hidden * weight).sum(1) / weight.sum(1)).float()

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """Scores, (batch, outputs), or (places, outputs) where places are read."""
        if self.head is not None:
            scores: Tensor = self.head(self.vectors(ids, mask, types, places))
            return scores
        if self.pooling == "native" and self.prompt_tokens and is_causal(self.config):
            # Given vectors in place of ids, transformers takes the last position for the last token, padding or not.
            return self._score()(self.pool(ids, mask))  # type: ignore[no-any-return]
        if self.pooling == "native" and places is None:
            logits: Tensor = self.body(input_ids=ids, attention_mask=mask, **_segments(types)).logits
            return logits
        raise TailorError(
            "this model has no head yet", hint="fit it, or give it a context (label names, nearest examples)"
        )

    def beside(self, head: Head, max_length: int) -> TextModel:
        """The same body, as it stands now, with another head on what the own one reads: both share all weights below.

        max_length: of its texts, no longer than the own ones.
        """
        limit = min(self.max_length, max_length)
        made = TextModel(self.base, self.body, self.tokenizer, self.pooling, limit)
        made.head, made.prompt_tokens = head, self.prompt_tokens
        return made.train(self.training)

    def head_parameters(self) -> list[str]:
        """Names of the parameters that turn the body's states into label scores (inside the body where it is native)."""
        if self.pooling != "native":
            return [f"head.{name}" for name, _ in self.head.named_parameters()] if self.head is not None else []
        inner = {id(p) for p in self.transformer.parameters()}
        own = {id(p) for p in self._plain().parameters()} - inner
        return [name for name, p in self.named_parameters() if id(p) in own]

    def _hidden(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        """The last hidden states, (batch, prompt tokens + longest, width)."""
        if self.flat and not bool(mask.all()):
            return flat_states(self.body, ids, mask, _segments(types))
        if self.pooling != "native":
            states: Tensor = self.body(input_ids=ids, attention_mask=mask, **_segments(types)).last_hidden_state
            return states
        # Asked through the whole model: what stands around the inner one (a prompt, a decoder's inputs) belongs to the answer.
        caught: list[Tensor] = []

        def stop(module: nn.Module, inputs: Any, output: Any) -> None:
            caught.append(output[0])
            raise _Reached

        hook = self.transformer.register_forward_hook(stop)
        try:
            with suppress(_Reached):
                self.body(input_ids=ids, attention_mask=mask, **_segments(types))
        finally:
            hook.remove()
        return caught[0]

    def _plain(self) -> Any:
        # PEFT's wrapper has attributes of its own under the names that many bodies go by.
        return self.body.get_base_model() if hasattr(self.body, "get_base_model") else self.body  # type: ignore[operator]

    @property
    def transformer(self) -> nn.Module:
        """The bare transformer inside the body, below heads and wrappers."""
        body = self._plain()
        inner: nn.Module = getattr(body, str(body.base_model_prefix), body)
        return inner

    def _score(self) -> nn.Module:
        """The native head of a model that reads left to right."""
        score = getattr(self._plain(), "score", None)
        if not isinstance(score, nn.Module):
            raise TailorError(
                "this architecture's own classification head cannot answer behind a prompt",
                got=type(self._plain()).__name__,
                hint="--pooling last, or --method prefix",
            )
        return score


def _segments(types: Tensor | None) -> dict[str, Tensor]:
    return {} if types is None else {"token_type_ids": types}


class _Reached(Exception):  # no error: the states that were asked for are there
    """The inner model has answered."""


def load_model(base: BaseModel, *, labels: Sequence[str], pooling: str = "auto", max_length: int = 256) -> TextModel:
    """Load a base model for scores, in float32 (projections as `base.quantise` says) on the CPU or the first GPU.

    labels: names of the outputs in order; native models carry them in their configuration. Raises TailorError when the folder cannot
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
    if base.layers is not None:
        keep_blocks(body, base.layers)
    if base.quantise != "none":
        quantise(body, base.quantise)
    model = TextModel(base, body, tokenizer, pooling, min(max_length, int(tokenizer.model_max_length), positions(body)))
    model.eval()
    return model.to("cuda") if torch.cuda.is_available() else model


def _body(folder: Path, labels: Sequence[str] | None) -> Any:
    """The bare transformer, or with labels its sequence-classification model, whose weights are all in the folder."""
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTextEncoding
    from transformers.models.auto import modeling_auto as known_models
    from transformers.utils import logging

    logging.disable_progress_bar()
    auto = AutoModel if labels is None else AutoModelForSequenceClassification
    architecture = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    translators = known_models.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    if (
        labels is None
        and architecture in translators
        and architecture in known_models.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    ):
        auto = AutoModelForTextEncoding  # the decoder reads no texts
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


def sentence_pooling(folder: Path) -> str:
    """The pooling of a folder whose vectors are wanted and no head: its own, else the last token of models that read left to right, else the mean."""
    from transformers import AutoConfig

    pooling = folder_pooling(folder)
    if pooling != "native":
        return pooling
    return "last" if is_causal(AutoConfig.from_pretrained(folder)) else "mean"


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
