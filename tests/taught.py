"""Tiny models that were really taught something: a name tagger that finds planted names, writers with random weights.

The tagger knows words of two pieces ("bel" + "##ton"): those are names; a number and a word in "-gasse" are an address. It
is trained in about two seconds, and is right on sentences it never saw.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

from tiny import COMMON, LAYERS, POSITIONS, WIDTH, tiny_llama

FRONT = [
    "bel",
    "car",
    "dor",
    "fen",
    "gal",
    "hor",
    "jas",
    "kel",
    "lin",
    "mor",
    "pel",
    "quin",
    "ros",
    "sel",
    "tam",
    "ven",
    "wil",
    "yor",
    "zan",
]
FAMILY = [
    "ash",
    "brook",
    "cold",
    "dun",
    "east",
    "ford",
    "green",
    "hart",
    "ing",
    "kirk",
    "lang",
    "marsh",
    "nor",
    "oak",
    "pike",
    "rook",
]
BACK = ["ton", "ley", "mar", "din", "win", "ric", "dan", "vin", "stan", "gar", "bert", "la", "mia", "net", "son"]
STREETS = ["ahorn", "birken", "eichen", "linden", "rosen", "tannen", "ulmen", "weiden"]
PLAIN = [*COMMON.split(), *["saw", "zebra", "日本", "quux", "12", ",", ".", "!", "(", "'", "-"]]
"""Words that are no names; some of them the tagger does not know at all."""
LABELS = ["O", "B-PER", "I-PER", "B-ADDRESS", "I-ADDRESS"]


def name(random_: random.Random) -> str:
    """A first name and a family name, such as 'Belton Ashric'."""
    return " ".join((random_.choice(first) + random_.choice(BACK)).capitalize() for first in (FRONT, FAMILY))


def address(random_: random.Random) -> str:
    """Such as '17 Ahorngasse'."""
    return f"{random_.randint(1, 99)} {random_.choice(STREETS).capitalize()}gasse"


KINDS = [(name, "PER"), (address, "ADDRESS")]


def sentence(random_: random.Random, parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Words with their labels: the parts (text, type) with common words around them."""
    words: list[tuple[str, str]] = []
    for text, type_ in [*parts, ("", "")]:
        words += [(random_.choice(PLAIN), "O") for _ in range(random_.randint(1, 5))]
        for i, word in enumerate(text.split()):
            words.append((word, f"{'I' if i else 'B'}-{type_}"))
    return words


def tagger_tokenizer() -> Any:
    """Word pieces: common words whole, names and streets in two pieces, digits one by one."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    digits = [*"0123456789", *(f"##{d}" for d in "0123456789")]
    pieces = [*COMMON.split(), *FRONT, *FAMILY, *(f"##{b}" for b in BACK), *STREETS, "##gasse", *digits, *".,!?'-"]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys([*special, *pieces]))}
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    marks = [("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=POSITIONS, **named)


def taught_tagger(folder: Path, *, labels: list[str] | None = None, steps: int = 120) -> Path:
    """A BERT for token classification, taught in two seconds to find names and addresses. labels: other names for them."""
    from transformers import BertConfig, BertForTokenClassification

    made = tagger_tokenizer()
    torch.manual_seed(0)
    random_ = random.Random(0)
    config = BertConfig(
        vocab_size=len(made),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS - 1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        id2label=dict(enumerate(labels or LABELS)),
        label2id={label: i for i, label in enumerate(labels or LABELS)},
    )
    model = BertForTokenClassification(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    for _ in range(steps):
        rows = []
        for _ in range(16):
            parts = [(make(random_), type_) for make, type_ in random_.choices(KINDS, k=random_.randint(0, 3))]
            rows.append(sentence(random_, parts))
        coded = made([[w for w, _ in row] for row in rows], is_split_into_words=True, padding=True, return_tensors="pt")
        gold = torch.full(coded["input_ids"].shape, -100)
        for i, row in enumerate(rows):
            seen: set[int] = set()
            for at, word in enumerate(coded.word_ids(i)):
                if word is not None and word not in seen:  # first pieces alone are taught, as most public models are
                    seen.add(word)
                    gold[i, at] = LABELS.index(row[word][1])
        loss = model(**coded, labels=gold).loss
        loss.backward()
        optimiser.step()
        falling.step()
        optimiser.zero_grad()
    model.eval()
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def tiny_t5(folder: Path, seed: int = 0) -> Path:
    """An encoder-decoder with random weights: it writes nonsense, differently for each seed."""
    from transformers import T5Config, T5ForConditionalGeneration

    from tiny import tokenizer

    made = tokenizer("roberta")
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(made),
        d_model=WIDTH,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        pad_token_id=made.pad_token_id,
        eos_token_id=made.eos_token_id,
        decoder_start_token_id=made.pad_token_id,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def tiny_writer(folder: Path, seed: int = 0) -> Path:
    """A causal Llama with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tiny_llama(folder, seed=seed)
    torch.manual_seed(seed)
    LlamaForCausalLM(LlamaConfig.from_pretrained(folder)).save_pretrained(folder)
    return folder
