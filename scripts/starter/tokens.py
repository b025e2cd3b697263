"""The starter's tokenizer, a byte-level BPE, and its rows of tokens, made once and kept on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from texts import conversations, documents

from tailorlm.core.errors import TailorError
from tailorlm.models.chat import chat_of
from tailorlm.training.token_rows import TokenRows

END, PAD = "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_tokenizer(data: Path, folder: Path, size: int) -> None:
    """Train the tokenizer on all train text and write it as transformers reads it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END, PAD, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(_texts(data), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def _texts(data: Path) -> Iterator[str]:
    yield from documents(data, "train")
    for _, messages in conversations(data):
        yield from (message["content"] for message in messages)


def text_rows(data: Path, folder: Path, part: str, length: int, limit: int | None = None) -> TokenRows:
    """Texts between two end tokens, learned whole, in windows of `length` tokens."""
    tokens = chat_of(folder).tokens
    end = tokens.one(END)
    texts = list(islice(documents(data, part), limit))
    pairs = [([end, *ids, end], [True] * (len(ids) + 2)) for ids in tokens.encode_many(texts)]
    return TokenRows.of(pairs, [f"text {i}" for i in range(len(pairs))]).windows(length, length // 16)


def talk_rows(data: Path, folder: Path, length: int, limit: int | None = None) -> TokenRows:
    """Conversations, of which the answers are learned; those of which nothing would be are left out."""
    chat, pairs, names = chat_of(folder), [], []
    for number, (name, messages) in enumerate(islice(conversations(data), limit)):
        try:
            made = chat.render(messages, max_length=length)
        except TailorError:
            continue
        pairs.append((made.ids, made.learned))
        names.append(f"{name} {number}")
    return TokenRows.of(pairs, names)


def evenly(rows: TokenRows, share: float) -> TokenRows:
    """That share of the rows, taken at even distances."""
    import numpy as np

    if share >= 1:
        return rows
    kept = np.unique(np.linspace(0, len(rows) - 1, max(1, round(share * len(rows)))).round().astype(int))
    spans = [slice(rows.borders[n], rows.borders[n + 1]) for n in kept]
    return TokenRows.of([(rows.ids[s], rows.learned[s]) for s in spans], [rows.names[n] for n in kept])


def joined(one: TokenRows, other: TokenRows) -> TokenRows:
    """Rows of both."""
    import numpy as np

    return TokenRows(
        np.concatenate([one.ids, other.ids]),
        np.concatenate([one.learned, other.learned]),
        np.concatenate([one.borders, one.borders[-1] + other.borders[1:]]),
        [*one.names, *other.names],
    )
