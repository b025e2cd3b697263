"""Encoder-decoder models (T5 and its kin) under the same protocol: the prompt goes to the encoder, the answer comes from the decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.answers import Answer, Prompt, Writing, check_writing, messages_of
from tailorlm.models.chat import Chat, Nothing, Rendered
from tailorlm.models.decoder import BUDGET, Dtype
from tailorlm.models.encoder import positions
from tailorlm.models.generate import Chooser, Written, rows_for
from tailorlm.models.mode import evaluating
from tailorlm.models.quantise import quantise
from tailorlm.models.resolve import BaseModel
from tailorlm.models.rules import ChoiceRule, JsonRules
from tailorlm.models.run import batches
from tailorlm.models.template import Message
from tailorlm.models.tokens import tokens_from

USUAL = Writing()
# Prompts longer than this are cut where the model itself names no limit (T5 counts distances, not positions).
LONGEST = 1024


class Transducer(nn.Module):
    """Body, tokenizer and chat of one encoder-decoder model; weights parts attach to `body`.

    The prompt is what the chat template writes (`raw` where the model has none), with what the tokenizer puts behind texts. Choose it
    for translation, rewriting and summaries by small models; a `Writer` for everything that shares long beginnings.
    """

    def __init__(self, base: BaseModel, body: nn.Module, chat: Chat, max_length: int):
        super().__init__()
        self.base, self.body, self.chat, self.max_length = base, body, chat, max_length

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.body.parameters()).device

    def prompt(self, messages: Sequence[Message]) -> Rendered:
        """What the encoder reads."""
        tokens = self.chat.tokens
        found = self.chat.prompt(messages, max_length=self.max_length - len(tokens.ends))
        ids = [*found.ids, *tokens.ends]
        return Rendered(ids, [False] * len(ids), found.cut, found.turns_cut)

    def render(self, messages: Sequence[Message]) -> tuple[Rendered, list[int]]:
        """A conversation to learn from: what the encoder reads, and what the decoder writes (the last answer and the token it stops at)."""
        last = max((i for i, m in enumerate(messages) if m.get("role") == "assistant"), default=-1)
        if last < 0 or not str(messages[last].get("content") or "").strip():
            raise Nothing("the row has no answer of the assistant" if last < 0 else "the answer is empty")
        # The decoder begins a text of its own: its first word is not cut as one that follows the prompt's.
        answer = self.chat.candidate([], str(messages[last]["content"]))
        return self.prompt(messages[:last]), answer[: self.max_length]

    def answers(
        self,
        prompts: Sequence[Prompt],
        writing: Writing = USUAL,
        *,
        schema: Mapping[str, Any] | None = None,
        choices: Sequence[str] | None = None,
    ) -> list[Answer]:
        """One answer a prompt, in order. schema: answers are JSON of this schema. choices: answers are one of these texts."""
        check_writing(writing, schema=schema, choices=choices)
        if writing.beams > 1:
            raise UsageError("beams are followed by models that only write", hint="set beams: 1")
        asked = [self.prompt(messages_of(prompt)) for prompt in prompts]
        size, rules = int(self.body.config.vocab_size), None  # type: ignore[union-attr, arg-type]
        if schema is not None:
            rules = JsonRules(self.chat.tokens, self.chat.stop_ids, size, schema)
        rows = rows_for([p.ids for p in asked], writing.seed, rules)
        if choices is not None:
            follow = [self.chat.candidate([], text) for text in choices]
            for row in rows:
                row.rule = ChoiceRule(follow, size)
        self._write(rows, writing)
        return [self._answer(row, prompt, schema) for row, prompt in zip(rows, asked, strict=True)]

    def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[str], *, mean: bool = False, ends: bool = True
    ) -> np.ndarray:
        """Log-probability of every candidate as the answer to every prompt, (prompts, candidates), float64; see `Local.score`."""
        asked = [self.prompt(messages_of(prompt)).ids for prompt in prompts]
        follow = [self.chat.candidate([], text, ends=ends) for text in candidates]
        result = np.zeros((len(asked), len(follow)))
        if not asked or not follow:
            return result
        given = self._pad([[self._start, *ids[:-1]] for ids in follow])
        targets = self._pad(follow)
        counts = torch.tensor([len(ids) for ids in follow], device=self.device)
        held = torch.arange(targets.shape[1], device=self.device) < counts[:, None]
        with torch.inference_mode():
            for index in batches([len(ids) for ids in asked], max(1, self._budget // len(follow))):
                states, mask = self._encoded([asked[i] for i in index])
                logits = self._decoded(
                    states.repeat_interleave(len(follow), 0),
                    mask.repeat_interleave(len(follow), 0),
                    given.repeat(len(index), 1),
                )
                found = torch.log_softmax(logits.float(), -1).gather(2, targets.repeat(len(index), 1)[..., None])[
                    ..., 0
                ]
                sums = (found * held.repeat(len(index), 1)).sum(1).double().view(len(index), -1)
                result[index] = sums.cpu().numpy()
        return result / np.array([len(ids) for ids in follow]) if mean else result

    @torch.inference_mode()
    def _write(self, rows: Sequence[Written], writing: Writing) -> None:
        chooser = Chooser(self.chat, writing, 1 << 62)
        with evaluating(self):
            for index in batches([len(row.prompt) for row in rows], self._budget):
                self._batch([rows[i] for i in index], chooser)

    def _batch(self, rows: list[Written], chooser: Chooser) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        states, mask = self._encoded([row.prompt for row in rows])
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        while rows:
            last = torch.tensor([[row.ids[-1] if row.ids else self._start] for row in rows], device=self.device)
            logits = self._decoded(states, mask, last, cache)[:, -1]
            chooser.choose(logits.float(), rows)
            kept = [i for i, row in enumerate(rows) if not row.done]
            if len(kept) < len(rows):
                rows = [rows[i] for i in kept]
                at = torch.tensor(kept, dtype=torch.long, device=self.device)
                states, mask = states[at], mask[at]
                cache.batch_select_indices(at)

    def _encoded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids = self._pad(rows)
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        mask = (torch.arange(ids.shape[1], device=self.device) < lengths[:, None]).long()
        encoder: Any = self.body.get_encoder()  # type: ignore[operator]
        return encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask

    def _decoded(self, states: Tensor, mask: Tensor, ids: Tensor, cache: Any = None) -> Tensor:
        logits: Tensor = self.body(
            encoder_outputs=(states,),
            attention_mask=mask,
            decoder_input_ids=ids,
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits
        return logits

    def _pad(self, rows: Sequence[Sequence[int]]) -> Tensor:
        longest = max(1, *(len(row) for row in rows))
        return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], dtype=torch.long, device=self.device)

    @property
    def _start(self) -> int:
        found: Any = self.body.config
        return int(found.decoder_start_token_id)

    @property
    def _budget(self) -> int:
        return BUDGET.get(self.device.type, BUDGET["cpu"])

    def _answer(self, row: Written, prompt: Rendered, schema: Mapping[str, Any] | None) -> Answer:
        text = self.chat.answer([], row.ids) if row.text is None else row.text
        fault = "JSON that was not finished" if schema is not None and not row.finished else None
        return Answer(
            "" if fault else text, row.finished, len(row.prompt), len(row.ids), row.logprob, fault=fault, cut=prompt.cut
        )


def load_transducer(base: BaseModel, *, dtype: Dtype = "fp32", template: str = "auto") -> Transducer:
    """Load an encoder-decoder model, on the CPU or the first GPU.

    dtype: as for `load_writer`. template: as for `Chat`, but `auto` is `raw` where the model has none of its own. Raises TailorError when
    the folder cannot be read as one, or weights are missing in its files.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # its report of missing weights is checked below
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        body, found = AutoModelForSeq2SeqLM.from_pretrained(
            base.folder,
            dtype=torch.bfloat16 if dtype == "bf16" else torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
        if found["missing_keys"]:
            raise ValueError(f"its files hold no weights for {min(found['missing_keys'])}")
        if getattr(body.config, "decoder_start_token_id", None) is None:
            raise ValueError("its configuration names no decoder_start_token_id")
        if base.quantise != "none":
            quantise(body, base.quantise)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        got = str(error).splitlines()[0]
        raise TailorError(f"{base.folder} cannot be loaded as an encoder-decoder model", got=got) from None
    finally:
        logging.set_verbosity(level)
    tokens = tokens_from(tokenizer, base.folder)
    chat = Chat(tokens, template if template != "auto" or tokens.templates else "raw")
    model = Transducer(base, body, chat, min(LONGEST, int(tokenizer.model_max_length), positions(body)))
    model.eval()
    return model.to("cuda") if torch.cuda.is_available() else model
