"""A model that writes: a causal language model with its tokenizer, its chat template and the tokens it stops at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError
from tailorlm.models.arithmetic import few_rows
from tailorlm.models.cache import Behind, Prefix, Recorder
from tailorlm.models.chat import Chat
from tailorlm.models.encoder import is_causal, positions
from tailorlm.models.layers import blocks, keep_blocks
from tailorlm.models.mode import Learner
from tailorlm.models.quantise import quantise
from tailorlm.models.resolve import BaseModel
from tailorlm.models.tokens import tokens_from

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Dtype = Literal["fp32", "bf16"]
# Two ways of computing the same logits differ by rounding alone; what differs more is another model.
TOLERANCE = {"fp32": 1e-3, "bf16": 0.25}
# Positions of one batch when prompts are read. Small batches stay in the processor's cache; GPUs want more.
BUDGET = {"cpu": 1024, "cuda": 16384}


class Writer(Learner):
    """Body (with its output layer), tokenizer and chat of one causal language model; weights parts attach to `body`.

    base: where the body came from. chat: writes conversations and knows where answers stop. max_length: tokens that prompt and
    answer may have together. `dtype` is that of the weights. Masks go by position: a padding token is whatever stands behind a row's
    end, so that a model whose padding is its end of text loses nothing.
    """

    # As weights parts see it: nothing is pooled and there is no head of ours, its own output layer answers.
    pooling = "written"
    head = None

    def __init__(
        self, base: BaseModel, body: nn.Module, tokenizer: PreTrainedTokenizerBase, chat: Chat, max_length: int
    ):
        super().__init__()
        self.base, self.body, self.tokenizer, self.chat, self.max_length = base, body, tokenizer, chat, max_length
        self._checked: int | None = None
        self._reading = RLock()

    @property
    def config(self) -> Any:
        """The body's transformers configuration (of its text part, where it has several)."""
        config: Any = self.body.config
        return config.get_text_config() if hasattr(config, "get_text_config") else config

    @property
    def width(self) -> int:
        """Width of the hidden states."""
        return int(self.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.body.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are kept in."""
        return next(self.body.parameters()).dtype

    @property
    def layers(self) -> int:
        """How many blocks keep keys and values."""
        return len(blocks(self.body))

    @property
    def token_bytes(self) -> int:
        """What the keys and values of one token take."""
        config = self.config
        heads = int(config.num_attention_heads)
        width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
        kept = int(getattr(config, "num_key_value_heads", None) or heads)
        return self.layers * 2 * kept * width * self.dtype.itemsize

    @property
    def budget(self) -> int:
        """Positions of one batch when prompts are read."""
        return BUDGET.get(self.device.type, BUDGET["cpu"])

    @property
    def pad_id(self) -> int:
        """What stands behind the end of a row; never seen by any token, so any id will do."""
        return int(self.tokenizer.pad_token_id or 0)

    def head_parameters(self) -> list[str]:
        """Names of parameters that exist only for a task: none, the model's own output layer answers."""
        return []

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits of the next token at every position, (batch, length, vocabulary), for right-padded ids and mask."""
        logits: Tensor = self.body(input_ids=ids, attention_mask=mask).logits
        return logits

    # ---- reading with a cache of ours

    def pad(self, rows: Sequence[Sequence[int]], *, least: int = 1) -> Tensor:
        """Right-padded ids, (batch, longest), on the model's device."""
        longest = max(least, *(len(row) for row in rows))
        padded = [[*row, *[self.pad_id] * (longest - len(row))] for row in rows]
        return torch.tensor(padded, dtype=torch.long, device=self.device)

    def read(
        self,
        ids: Tensor,
        cache: Any,
        *,
        places: Tensor,
        wanted: Tensor,
        keys: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Logits at the wanted positions, (number wanted, vocabulary), float32.

        ids: (batch, new). places: position of each new token, (batch or 1, new). wanted: bool (batch, new). keys: the position of
        every key that the cache will hold, (batch or 1, keys); a token sees those up to its own. None where the new tokens are all
        there is. seen: bool (batch or 1, new, keys), what a token may see of these at all.
        """
        mask = None if keys is None else self._masks(places, keys, seen)
        step = few_rows(self.device) if ids.shape[1] == 1 else nullcontext()
        with self._only(wanted), step:
            out = self._plain(
                input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
            )
        logits: Tensor = out.logits
        return logits.float()

    def begin(self) -> Prefix:
        """What stands before every prompt: nothing, or what a weights part (prefix tuning, prompt tuning) has learned to put there."""
        made = Prefix(self.layers)
        body: Any = self.body
        if not self._virtual:
            return made
        if "PREFIX" in str(body.active_peft_config.peft_type):
            given = body.get_prompt(1)
            made.pairs = [(layer.keys, layer.values) for layer in given.layers]
        else:
            vectors = body.get_prompt(1).to(self.dtype)
            places = torch.arange(vectors.shape[1], device=self.device)[None]
            with self._only(torch.ones(1, vectors.shape[1], dtype=torch.bool, device=self.device)):
                self._plain(inputs_embeds=vectors, position_ids=places, past_key_values=Recorder(made), use_cache=True)
        made.virtual = made.pair(0)[0].shape[2]
        return made

    @property
    def _virtual(self) -> bool:
        config = getattr(self.body, "active_peft_config", None)
        return bool(getattr(config, "is_prompt_learning", False))

    @property
    def _plain(self) -> Any:
        """The body that reads tokens: PEFT's wrapper would put its own keys and values before them once more."""
        body: Any = self.body
        return body.get_base_model() if self._virtual else body

    def prefix(self, ids: Sequence[int]) -> Prefix:
        """The keys and values of tokens that many rows begin with, read once in portions."""
        made = self.begin()
        recorder = Recorder(made)
        for at in range(0, len(ids), self.budget):
            part, start = list(ids[at : at + self.budget]), made.length
            places = torch.arange(start, start + len(part), device=self.device)[None]
            keys = torch.arange(start + len(part), device=self.device)[None] if start else None
            wanted = torch.zeros(1, len(part), dtype=torch.bool, device=self.device)
            wanted[0, -1] = True
            self.read(self.pad([part]), recorder, places=places, wanted=wanted, keys=keys)
            made.ids += part
        return made

    def next_logits(self, rows: Sequence[Sequence[int]], prefix: Prefix | None = None, cache: Any = None) -> Tensor:
        """Logits of the token that follows each row, (rows, vocabulary); the rows stand behind the prefix.

        cache: takes the rows' keys and values; they are forgotten without one.
        """
        prefix = prefix or self.begin()
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        ids = self.pad(rows)
        wanted = torch.zeros_like(ids, dtype=torch.bool)
        wanted[torch.arange(len(rows), device=self.device), lengths - 1] = True
        places = torch.arange(prefix.length, prefix.length + ids.shape[1], device=self.device)[None]
        keys = torch.arange(prefix.length + ids.shape[1], device=self.device)[None] if prefix.length else None
        return self.read(ids, cache or Behind(prefix), places=places, wanted=wanted, keys=keys)

    @contextmanager
    def _only(self, wanted: Tensor) -> Iterator[None]:
        """Inside the block the output layer sees the wanted positions alone: it is the dearest of all, and most are not asked for.

        One thread at a time: what the layer is told holds for all that go through it.
        """
        output = self.body.get_output_embeddings()  # type: ignore[operator]

        def keep(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (given[0][wanted], *given[1:])

        with self._reading:
            handle = output.register_forward_pre_hook(keep)
            try:
                yield
            finally:
                handle.remove()

    def _masks(self, places: Tensor, keys: Tensor, seen: Tensor | None) -> Any:
        """The mask that the attention layers add; for models that mix kinds of layers, one of each kind."""
        back = places[:, :, None] - keys[:, None, :]
        full = back >= 0 if seen is None else (back >= 0) & seen
        window, mixed = self._window
        if window is None:
            return self._added(full)
        near = self._added(full & (back < window))
        return {"full_attention": self._added(full), "sliding_attention": near} if mixed else near

    def _added(self, seen: Tensor) -> Tensor:
        lowest = torch.finfo(self.dtype).min
        return torch.zeros(seen.shape, dtype=self.dtype, device=seen.device).masked_fill_(~seen, lowest)[:, None]

    @cached_property
    def _window(self) -> tuple[int | None, bool]:
        """How far back tokens see in layers that do not see everything, and whether there are others too."""
        kinds = set(getattr(self.config, "layer_types", None) or ())
        strange = kinds - {"full_attention", "sliding_attention"}
        if strange:
            raise TailorError(
                f"{self.base.name} has layers that keep something else than keys and values",
                got=", ".join(sorted(strange)),
                allowed="full_attention, sliding_attention",
                hint="choose another model",
            )
        window = getattr(self.config, "sliding_window", None)
        if kinds:
            return (int(window), True) if "sliding_attention" in kinds and window else (None, False)
        used = getattr(self.config, "use_sliding_window", True)
        return (int(window), False) if window and used else (None, False)

    @torch.inference_mode()
    def check(self) -> None:
        """Raise TailorError unless reading in portions gives what the model gives when it reads everything at once."""
        if self._checked == id(self.body):  # a weights part may have put another around it since
            return
        row = [i % max(2, int(self.config.vocab_size)) for i in range(3, 19)]
        whole = self.body(input_ids=self.pad([row])).logits[0, -1].float()
        parts = self.next_logits([row[6:11], row[6:]], self.prefix(row[:6]))[1]
        off = float((whole - parts).abs().max() / (1 + whole.abs().max()))
        if not off <= TOLERANCE["bf16" if self.dtype == torch.bfloat16 else "fp32"]:
            raise TailorError(
                f"{self.base.name} cannot be read in portions: its answers would change",
                got=f"{type(self.body).__name__}, logits that differ by {off:.2g}",
                hint="choose another model",
            )
        self._checked = id(self.body)


def load_writer(
    base: BaseModel, *, dtype: Dtype = "fp32", template: str = "auto", max_length: int | None = None
) -> Writer:
    """Load a base model that writes (projections as `base.quantise` says), on the CPU or the first GPU.

    dtype: `fp32`, or `bf16` (half the memory, two to three times as fast where the processor has it; answers may differ in places).
    template: see `Chat`. max_length: fewer positions than the model has. Raises TailorError when the folder cannot be read as a
    causal language model, or weights are missing in its files.
    """
    from safetensors import SafetensorError
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        body = _body(base, dtype)
        if base.layers is not None:
            keep_blocks(body, base.layers)
        if base.quantise != "none":
            quantise(body, base.quantise)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise TailorError(
            f"{base.folder} cannot be loaded as a model that writes", got=str(error).splitlines()[0]
        ) from None
    chat = Chat(tokens_from(tokenizer, base.folder), template)
    limit = min(max_length or 1 << 20, int(tokenizer.model_max_length), positions(body))
    writer = Writer(base, body, tokenizer, chat, limit)
    writer.eval()
    return writer.to("cuda") if torch.cuda.is_available() else writer


def _body(base: BaseModel, dtype: Dtype) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    config = AutoConfig.from_pretrained(base.folder)
    if getattr(config, "is_encoder_decoder", False):
        raise ValueError(
            f"{config.model_type} reads with an encoder and writes with a decoder: load it with load_transducer"
        )
    if not is_causal(config):
        raise ValueError(f"{config.model_type} reads and cannot write: choose a base such as Llama, Qwen or GPT-2")
    logging.disable_progress_bar()
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # its report of missing weights is checked below
    try:
        body, found = AutoModelForCausalLM.from_pretrained(
            base.folder,
            dtype=torch.bfloat16 if dtype == "bf16" else torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
    finally:
        logging.set_verbosity(level)
    # What it does not find, transformers draws at random: never right for a model that writes.
    missing = sorted(found["missing_keys"])
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"its files hold no weights for {missing[0]}{more}")
    return body
