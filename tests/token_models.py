"""Tiny models that write or fill in, by architecture: random weights, three blocks, a vocabulary of 101 tokens."""

from __future__ import annotations

from typing import Any

import torch

VOCABULARY = 101
# An attention of their own, which cannot be chosen: rows of these are padded.
PADDED_ONLY = ("bloom", "gptj", "mpnet")


def _like_llama(**changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    } | changes


def _like_bert(**changes: Any) -> dict[str, Any]:
    left_out = ("num_key_value_heads", "bos_token_id", "eos_token_id")
    return {k: v for k, v in _like_llama().items() if k not in left_out} | changes


_GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 4}
_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
# Name: class, its configuration. Dropout is off, so that two passes agree.
_MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", _like_llama()),
    "llama, tied": ("LlamaForCausalLM", "LlamaConfig", _like_llama(tie_word_embeddings=True)),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", _like_llama()),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", _like_llama(head_dim=8)),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {**_GPT2, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}),
    "mistral": ("MistralForCausalLM", "MistralConfig", _like_llama(sliding_window=4)),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", _like_llama(head_dim=8)),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", _like_llama(**_GEMMA)),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", _like_llama(**_GEMMA)),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", _like_llama()),
    "granite": ("GraniteForCausalLM", "GraniteConfig", _like_llama(logits_scaling=4.0)),
    "cohere": ("CohereForCausalLM", "CohereConfig", _like_llama()),
    "opt": ("OPTForCausalLM", "OPTConfig", _like_bert(ffn_dim=64, word_embed_proj_dim=32, dropout=0.0)),
    "bloom": (
        "BloomForCausalLM",
        "BloomConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 3, "n_head": 4},
    ),
    "gptj": ("GPTJForCausalLM", "GPTJConfig", {**_GPT2, "rotary_dim": 8}),
    "bert": ("BertForMaskedLM", "BertConfig", _like_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)),
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", _like_bert(pad_token_id=1, hidden_dropout_prob=0.0)),
    "modernbert": ("ModernBertForMaskedLM", "ModernBertConfig", _like_bert(local_attention=8)),
    "mpnet": ("MPNetForMaskedLM", "MPNetConfig", _like_bert(pad_token_id=1, hidden_dropout_prob=0.0)),
}
MASKED = ("bert", "roberta", "modernbert", "mpnet")
WRITERS = tuple(name for name in _MODELS if name not in MASKED)


def writer(name: str, **changes: Any) -> Any:
    """The model of an architecture with random weights, in evaluation mode: the same ones each time."""
    import transformers

    kind, configuration, settings = _MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, configuration)(**(settings | changes)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()
