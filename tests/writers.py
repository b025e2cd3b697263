"""Tiny models that write, with random weights, one an architecture: config, weights in safetensors, a tokenizer with a chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from templates import STYLES, make_tokenizer

POSITIONS = 256
WINDOW = 12
MIXED = ["sliding_attention", "full_attention"]
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
}
GROUPED = SHAPE | {"num_key_value_heads": 2, "head_dim": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}
# Architecture: config class, settings, the style of its chat. Windows are short, so that they matter.
KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "llama": ("LlamaConfig", GROUPED, "llama3"),
    "qwen2": ("Qwen2Config", SHAPE | {"num_key_value_heads": 2}, "qwen"),
    "qwen3": ("Qwen3Config", GROUPED, "qwen"),
    "mistral": ("MistralConfig", GROUPED | {"sliding_window": WINDOW}, "mistral"),
    "phi3": ("Phi3Config", SHAPE | {"num_key_value_heads": 2}, "phi"),
    "gemma": ("GemmaConfig", GROUPED, "gemma"),
    "gemma2": ("Gemma2Config", GROUPED | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8}, "gemma"),
    "gemma3": ("Gemma3TextConfig", GROUPED | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8, "layer_types": MIXED}, "gemma"),
    "gpt2": ("GPT2Config", GPT, "pad_is_eos"),
    "gptj": ("GPTJConfig", GPT | {"rotary_dim": 4}, "no_stop"),
}  # fmt: skip


def tiny_writer(folder: Path, kind: str = "llama", *, style: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """The folder of a tiny causal language model. style: of its chat, another than the architecture's own."""
    import transformers

    name, settings, own = KINDS[kind]
    chosen = STYLES[style or own]
    tokenizer = make_tokenizer(chosen)
    tokenizer.model_max_length = POSITIONS
    ids = {
        "eos_token_id": tokenizer.convert_tokens_to_ids(chosen.eos),
        "bos_token_id": tokenizer.convert_tokens_to_ids(chosen.bos) if chosen.bos else None,
        "pad_token_id": tokenizer.convert_tokens_to_ids(chosen.pad) if chosen.pad else None,
    }
    config = getattr(transformers, name)(vocab_size=len(tokenizer), **settings, **ids, **changes)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        # Fresh models nearly repeat themselves; these shall say something else for every prompt.
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
