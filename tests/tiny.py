"""Tiny models with random weights, one function an architecture: a config, weights in safetensors, a word-level tokenizer.

Width 32, 3 blocks, about 200 words: a forward pass takes a millisecond, and yet every layer, bias and head is the real one's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WIDTH, LAYERS, HEADS, INNER = 32, 3, 4, 64
POSITIONS = 64
# Two texts together, as the real tokenizers frame them; `gpt` and `qwen` put nothing between.
PAIRS = {
    "bert": "[CLS] $A [SEP] $B:1 [SEP]:1",
    "roberta": "<s> $A </s> </s> $B </s>",
    "llama": "<s> $A <s>:1 $B:1",
    "t5": "$A </s> $B </s>",
}
TOPICS = {
    "money": "account balance card charge deposit fee fund invoice loan money pay payment price rate refund salary tax transfer wallet wire",
    "travel": "airport arrive bag border bus depart flight gate hotel journey luggage map passport plane seat ship ticket tour train visa",
    "food": "apple bake bread butter cake cheese cook dinner dish eat fruit lunch meal meat menu rice salt soup sugar taste",
    "sport": "athlete ball coach cup field final game goal league match medal play player race run score season team throw win",
    "health": "blood bone clinic cold cough cure doctor dose drug fever heart hurt ill muscle nurse pain pill rest skin sleep",
}
COMMON = (
    "a about all an and any are at be but by can could did do for from get has have he her his how i in is it its just like me my new "
    "no not now of old on one or our out please she so some that the their them then there they this to too up us very was we what "
    "when where which who why will with would you your"
)
WORDS = [*COMMON.split(), *" ".join(TOPICS.values()).split()]


def text_of(label: str, number: int) -> str:
    """Some text about a topic, 3 to 9 words: a function of label and number alone."""
    topic, common = TOPICS[label].split(), COMMON.split()
    length = 3 + number % 7
    return " ".join(
        (words := topic if (i + number) % 2 else common)[(7 * number + 3 * i) % len(words)] for i in range(length)
    )


def tokenizer(kind: str) -> Any:
    """A word-level tokenizer with the special tokens of an architecture: `bert`, `roberta`, `gpt`, `llama` or `t5`.

    `qwen` is Qwen's own class, which transformers puts in place of any other: bytes, with no merges.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    if kind == "qwen":
        alphabet = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
        return Qwen2Tokenizer(vocab={sign: i for i, sign in enumerate(alphabet)}, merges=[], model_max_length=POSITIONS)

    named = {
        "bert": {
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        },
        "roberta": {
            "bos_token": "<s>",
            "pad_token": "<pad>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
        "t5": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
        "gpt": {"eos_token": "<|endoftext|>", "unk_token": "<unk>"},
        "llama": {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    }[kind]
    first = list(named.values())
    vocab = {word: i for i, word in enumerate(dict.fromkeys([*first, *WORDS]))}
    made = Tokenizer(models.WordLevel(vocab, unk_token=named["unk_token"]))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    frame = {"bert": ("[CLS]", "[SEP]"), "roberta": ("<s>", "</s>"), "llama": ("<s>", ""), "t5": ("", "</s>")}.get(kind)
    if frame:
        marks = [(mark, vocab[mark]) for mark in frame if mark]
        made.post_processor = processors.TemplateProcessing(
            single=f"{frame[0]} $A {frame[1]}".strip(), pair=PAIRS[kind], special_tokens=marks
        )
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=POSITIONS, **named)


def tiny_bert(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A BERT. pooling: `mean`, `cls` or `last` makes the folder a sentence encoder."""
    from transformers import BertConfig, BertModel

    return _save(
        folder, BertModel, BertConfig, "bert", pooling, seed, _encoder() | {"intermediate_size": INNER} | changes
    )


def tiny_roberta(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A RoBERTa: positions start behind the padding index, so two more are needed."""
    from transformers import RobertaConfig, RobertaModel

    own = {
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS + 2,
        "type_vocab_size": 1,
        "pad_token_id": 1,
    }
    return _save(folder, RobertaModel, RobertaConfig, "roberta", pooling, seed, _encoder() | own | changes)


def tiny_distilbert(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A DistilBERT: other names for everything (`dim`, `q_lin`, `pre_classifier`)."""
    from transformers import DistilBertConfig, DistilBertModel

    own = {
        "dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "hidden_dim": INNER,
        "max_position_embeddings": POSITIONS,
    }
    return _save(folder, DistilBertModel, DistilBertConfig, "bert", pooling, seed, own | changes)


def tiny_modernbert(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A ModernBERT: rotary positions, fused Wqkv, no biases in the linear layers, local attention."""
    from transformers import ModernBertConfig, ModernBertModel

    own = {"intermediate_size": INNER, "local_attention": 16, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
    own |= {"bos_token_id": 2, "eos_token_id": 3, "attn_implementation": "sdpa"}
    return _save(folder, ModernBertModel, ModernBertConfig, "bert", pooling, seed, _encoder() | own | changes)


def tiny_gpt2(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A GPT-2: transposed Conv1D layers, fused c_attn, no padding token, no special tokens around a text."""
    from transformers import GPT2Config, GPT2Model

    own = {
        "n_embd": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_positions": POSITIONS,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    return _save(folder, GPT2Model, GPT2Config, "gpt", pooling, seed, own | changes)


def tiny_llama(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A Llama: no bias at all, RMS norms, a gated MLP, `<s>` in front."""
    from transformers import LlamaConfig, LlamaModel

    own = {"intermediate_size": INNER, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2}
    return _save(folder, LlamaModel, LlamaConfig, "llama", pooling, seed, _encoder() | own | changes)


def tiny_qwen2(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A Qwen 2: like Llama, with biases in query, key and value; its tokens are bytes."""
    from transformers import Qwen2Config, Qwen2Model

    own = {"intermediate_size": INNER, "num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 0}
    return _save(folder, Qwen2Model, Qwen2Config, "qwen", pooling, seed, _encoder() | own | changes)


def tiny_gptj(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A GPT-J: attention and MLP side by side behind one norm, rotary positions, biases in the MLP alone."""
    from transformers import GPTJConfig, GPTJModel

    own = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": POSITIONS, "rotary_dim": 4}
    own |= {"bos_token_id": 0, "eos_token_id": 0}
    return _save(folder, GPTJModel, GPTJConfig, "gpt", pooling, seed, own | changes)


def tiny_t5(folder: Path, *, pooling: str | None = None, seed: int = 0, **changes: Any) -> Path:
    """A T5: encoder and decoder, no bias at all, positions as a bias of attention that the first block hands on."""
    from transformers import T5Config, T5Model

    own = {"d_model": WIDTH, "d_kv": WIDTH // HEADS, "d_ff": INNER, "num_layers": LAYERS, "num_heads": HEADS}
    own |= {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return _save(folder, T5Model, T5Config, "t5", pooling, seed, own | changes)


ARCHITECTURES: dict[str, Callable[..., Path]] = {
    "bert": tiny_bert,
    "roberta": tiny_roberta,
    "distilbert": tiny_distilbert,
    "modernbert": tiny_modernbert,
    "gpt2": tiny_gpt2,
    "llama": tiny_llama,
    "qwen2": tiny_qwen2,
}
CAUSAL = ("gpt2", "llama", "qwen2")
# Shapes that weights parts must know besides: blocks side by side, encoder and decoder.
MORE: dict[str, Callable[..., Path]] = {"gptj": tiny_gptj, "t5": tiny_t5}


def _encoder() -> dict[str, Any]:
    return {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
    }


def _save(
    folder: Path, model: Any, config: Any, kind: str, pooling: str | None, seed: int, settings: dict[str, Any]
) -> Path:
    made = tokenizer(kind)
    torch.manual_seed(seed)
    body = model(config(vocab_size=len(made), **settings))
    with torch.no_grad():
        # Fresh models begin with zero biases and unit norms; an adapted part that forgot them would then go unnoticed.
        for parameter in body.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    body.save_pretrained(folder)
    made.save_pretrained(folder)
    if pooling:
        name = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}[pooling]
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(
            json.dumps({"word_embedding_dimension": WIDTH, f"pooling_mode_{name}": True})
        )
    return folder


def labelled(count: int, labels: int = 3, *, start: int = 0) -> Any:
    """`count` rows of `tailorlm.tasks.base.Examples` over the first `labels` topics, in turn."""
    from tailorlm.tasks.base import Examples

    names = sorted(TOPICS)[:labels]
    gold = tuple(names[i % labels] for i in range(count))
    texts = tuple(text_of(label, start + i // labels) for i, label in enumerate(gold))
    return Examples(tuple(f"rows.csv:{start + i + 2}" for i in range(count)), texts, gold, tuple(names))
