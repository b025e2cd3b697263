"""Ten ways in which models write conversations, in the style of the families people use, each with a tokenizer of its own tokens.

Written for these tests: the shapes are the families' (which headers, what ends an answer, what is refused), the text is ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

TEXT = [
    "the cat sat on the mat and the dog lay by the door of the old house near the river",
    "a question about money and an answer about time; what is the sum of two and two? it is four.",
    "write a short note to the people who wait at the station: the train is late, please be patient.",
    'SELECT name, age FROM people WHERE age > 30 ORDER BY name; {"name": "Ada", "age": 36}',
    "user assistant system model tool end start turn header one two three four five six seven eight nine ten",
]


# Line ends stay together whatever follows them, as in the newer families; GPT-2's own rule (`bytes`) tears the last one off.
LINES = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"


class Style(NamedTuple):
    """One family: its template, its special tokens, its end of text, the token an answer ends with, how it cuts words."""

    template: str
    special: tuple[str, ...]
    eos: str
    stop: str
    bos: str = ""
    pad: str = ""
    kind: str = "lines"
    system: bool = True


STYLES: dict[str, Style] = {
    "chatml": Style(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), eos="<|im_end|>", stop="<|im_end|>", pad="<|endoftext|>",
    ),
    "llama3": Style(
        "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
        "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        eos="<|end_of_text|>", stop="<|eot_id|>", bos="<|begin_of_text|>",
    ),
    "mistral": Style(
        "{{ bos_token }}{% for m in messages %}"
        "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
        "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
        ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), eos="</s>", stop="</s>", bos="<s>", pad="<unk>", kind="metaspace", system=False,
    ),
    "gemma": Style(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role here') }}{% endif %}"
        "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
        "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"), eos="<eos>", stop="<end_of_turn>", bos="<bos>",
        pad="<pad>", kind="metaspace", system=False,
    ),
    "phi": Style(
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), eos="<|endoftext|>", stop="<|end|>", pad="<|endoftext|>",
    ),
    "zephyr": Style(
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        ("<unk>", "<s>", "</s>"), eos="</s>", stop="</s>", bos="<s>", pad="</s>", kind="metaspace",
    ),
    "qwen": Style(
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
        "{% if tools %}<|im_start|>system\n# Tools\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
        "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n"
        "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>\n{{ c | tojson }}\n</tool_call>"
        "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), eos="<|im_end|>", stop="<|im_end|>", pad="<|endoftext|>",
    ),
    "pad_is_eos": Style(
        "{% for m in messages %}{{ m.role | upper }}: {{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT: {% endif %}",
        ("<|endoftext|>",), eos="<|endoftext|>", stop="<|endoftext|>", pad="<|endoftext|>", kind="bytes",
    ),
    "no_stop": Style(
        "{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n\n{% endfor %}{% if add_generation_prompt %}### assistant:\n{% endif %}",
        ("<|endoftext|>",), eos="<|endoftext|>", stop="<|endoftext|>", pad="<|endoftext|>", kind="bytes",
    ),
}  # fmt: skip


def make_tokenizer(style: Style, *, template: bool = True) -> Any:
    """A fast tokenizer of transformers with the tokens of a family, trained on a few sentences.

    kind: `lines` and `bytes` cut words into bytes, `metaspace` is the way of sentencepiece with bytes for what it does not know.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = list(style.special)
    if style.kind != "metaspace":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        if style.kind == "lines":
            cut = pre_tokenizers.Split(Regex(LINES), "isolated")
            made.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
        made.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    else:
        made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        alphabet = ["\n", "▁"]
        special += [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([*TEXT, "\n\n", "two\n\nlines\n"], trainer)
    if style.kind == "metaspace":  # the bytes are ordinary tokens, not special ones
        made = _without_added(made, keep=set(style.special))
    if style.bos and style.kind == "metaspace":
        made.post_processor = processors.TemplateProcessing(
            single=f"{style.bos} $A", special_tokens=[(style.bos, made.token_to_id(style.bos))]
        )
    named = {"eos_token": style.eos, "bos_token": style.bos, "pad_token": style.pad}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **{k: v for k, v in named.items() if v})
    if template:
        tokenizer.chat_template = style.template
    return tokenizer


def _without_added(made: Any, keep: set[str]) -> Any:
    import json

    from tokenizers import Tokenizer

    plain = json.loads(made.to_str())
    plain["added_tokens"] = [t for t in plain["added_tokens"] if t["content"] in keep]
    return Tokenizer.from_str(json.dumps(plain))


def save_tokenizer(style: Style, folder: Path, *, template: bool = True) -> Path:
    """The tokenizer's files in a folder."""
    make_tokenizer(style, template=template).save_pretrained(folder)
    return folder
