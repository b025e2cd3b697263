"""Other wordings of texts by any model that writes: encoder-decoders (T5, BART, Marian) and causal models (Llama, Qwen)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tailorlm.core.errors import TailorError
from tailorlm.models.resolve import BaseModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tailorlm.data.steps import Rewording

PROMPTS = {
    True: "paraphrase: {text}",
    False: "Say the following in other words. Keep its meaning. Answer with the new sentence alone.\n\n{text}\n",
}
"""What a model is shown where the user names nothing, by whether it is an encoder-decoder."""
_BATCH = 16
_QUOTES = "\"'“”‘’«»"


@dataclass(frozen=True)
class Rewriter:
    """A model that writes. seq2seq: it reads with an encoder; else it goes on with the prompt. limit: tokens of a prompt.

    Words are drawn with Gumbel noise from a generator of each row's own (Gumbel 1954; the largest of noisy logits is a draw
    from their softmax), so a row's wording follows from its seed, whatever rows it is computed with.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    seq2seq: bool
    limit: int

    def reworded(self, texts: Sequence[str], seeds: Sequence[int], how: Rewording) -> list[str | None]:
        """One new text for each, None where the model wrote nothing; in batches of like length."""
        prompts = [self._prompt(text, how.prompt) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: (len(prompts[i]), i))
        found: list[str | None] = [None] * len(texts)
        for at in range(0, len(order), _BATCH):
            batch = order[at : at + _BATCH]
            written = self._written([prompts[i] for i in batch], [seeds[i] for i in batch], how)
            for i, text in zip(batch, written, strict=True):
                found[i] = _bare(text, texts[i])
        return found

    def _prompt(self, text: str, template: str | None) -> str:
        text = text.encode("utf-8", "replace").decode("utf-8")
        asked = (template or PROMPTS[self.seq2seq]).replace("{text}", text)
        if self.seq2seq or not self.tokenizer.chat_template:
            return asked
        turns = [{"role": "user", "content": asked}]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    @torch.inference_mode()
    def _written(self, prompts: list[str], seeds: list[int], how: Rewording) -> list[str]:
        from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        chat = not self.seq2seq and bool(self.tokenizer.chat_template)
        coded = self.tokenizer(
            prompts,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=max(1, self.limit - (0 if self.seq2seq else how.longest)),
            add_special_tokens=not chat,  # a chat template writes them itself
        ).to(next(self.model.parameters()).device)
        processors = LogitsProcessorList()
        if how.temperature > 0:
            processors.append(TemperatureLogitsWarper(how.temperature))
            if how.top_p < 1:
                processors.append(TopPLogitsWarper(how.top_p))
            processors.append(_Noise(seeds))
        out = self.model.generate(
            input_ids=coded["input_ids"],
            attention_mask=coded["attention_mask"],
            logits_processor=processors,
            do_sample=False,
            num_beams=1,
            max_new_tokens=how.longest,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        new = out if self.seq2seq else out[:, coded["input_ids"].shape[1] :]
        return [str(text) for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]


class _Noise:
    """Adds Gumbel noise to the logits of each row, from the row's own generator."""

    def __init__(self, seeds: Sequence[int]):
        self._generators = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Noisy scores (rows, words)."""
        noise = torch.stack([torch.rand(scores.shape[1], generator=g) for g in self._generators])
        gumbel = -torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7)))
        return scores + gumbel.to(scores.device, scores.dtype)


def load_rewriter(base: BaseModel) -> Rewriter:
    """The model of a folder that writes text, on the CPU or the first GPU. Raises TailorError for any other kind."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(base.folder)
        seq2seq = bool(config.is_encoder_decoder)
        auto = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        model, found = auto.from_pretrained(
            base.folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except Exception as fault:  # transformers raises its own, builtin and safetensors' errors alike
        raise _no_writer(base, type(fault).__name__) from None
    finally:
        logging.set_verbosity(level)
    if found["missing_keys"]:
        raise _no_writer(base, f"its files hold no weights for {min(found['missing_keys'])}")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right" if seq2seq else "left"
    model.eval()
    if torch.cuda.is_available():
        model.to("cuda")
    known = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1024
    return Rewriter(model, tokenizer, seq2seq, min(int(known), int(tokenizer.model_max_length)))


def _bare(written: str, asked: str) -> str | None:
    """The new sentence without what models put around it: quotes, further paragraphs where the text had none."""
    text = written.strip()
    if "\n" not in asked.strip():
        text = text.split("\n", 1)[0].strip()
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES and asked.strip()[:1] not in _QUOTES:
        text = text[1:-1].strip()
    return text or None


def _no_writer(base: BaseModel, got: str) -> TailorError:
    return TailorError(
        f"{base.name} cannot be loaded as a model that writes",
        got=got,
        allowed="an encoder-decoder (T5, BART, Marian) or a causal model (Llama, Qwen), with its tokenizer, in safetensors",
    )
