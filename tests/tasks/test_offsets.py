"""Offsets survive every way of cutting words: what is answered is what stands at its place, in the tokenizers of four families.

The tokenizers are trained here on the rows themselves, with their families' own normalisers and pre-tokenizers: lower-casing and
accent-stripping (BERT), bytes (GPT-2), a sign in place of blanks with bytes to fall back on (Llama), NFKC and pieces by likelihood (T5).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagged import rows_of
from tailorlm.data import read
from tailorlm.tasks.base import Examples
from tailorlm.tasks.tag import Tag

SHARED = Path(__file__).parents[3] / "shared" / "data"

# Texts with what is marked in them; each is found where it first stands.
MARKED = [
    ("東京タワーでAnna Müllerに会う 😀👩‍👩‍👧!", {"東京タワー": "place", "Anna Müller": "person", "👩‍👩‍👧": "thing"}),
    ("cafe\u0301 Ångström\u200b and ﬁnance Ⅳ½ pay…", {"cafe\u0301": "place", "Ångström": "person", "ﬁnance": "thing"}),
    ("  two  blanks\tand\u00a0a hard one\r\n🇩🇪 flag", {"blanks\tand\u00a0a": "thing", "🇩🇪": "place"}),
    ("한국어 텍스트와 العربية و עברית", {"텍스트와": "thing", "العربية": "thing", "עברית": "place"}),
    ("x" * 90 + " İstanbul ẞ naïve e\u0323\u0301", {"İstanbul": "place", "e\u0323\u0301": "thing"}),
    ("a\ud83db \x00c \ufeff d", {"b \x00c": "thing"}),
    ("𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠮷野家 ☎️", {"𝔘𝔫𝔦𝔠𝔬𝔡𝔢": "thing", "𠮷野家": "place"}),
]
PLANTED = [
    {"text": text, "spans": [[text.index(part), text.index(part) + len(part), kind] for part, kind in marked.items()]}
    for text, marked in MARKED
]
FAMILIES = ("bert", "gpt2", "llama", "t5")


def trained(family: str, texts: list[str]) -> Any:
    """A tokenizer of this family, trained on these texts: some hundred pieces, so that most words are cut."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if family == "bert":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        trainer: Any = trainers.WordPieceTrainer(vocab_size=600, special_tokens=names, show_progress=False)
        frame, marks = "[CLS] $A [SEP]", [("[CLS]", 2), ("[SEP]", 3)]
    elif family == "gpt2":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        names = ["<|endoftext|>"]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=600, special_tokens=names, initial_alphabet=alphabet, show_progress=False
        )
        frame, marks = "", []
    elif family == "llama":
        made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(
            vocab_size=900, special_tokens=names, limit_alphabet=80, max_token_length=12, show_progress=False
        )
        frame, marks = "<s> $A", [("<s>", 1)]
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        names = ["<pad>", "</s>", "<unk>"]
        trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=names, unk_token="<unk>", show_progress=False)
        frame, marks = "$A </s>", [("</s>", 1)]
    made.train_from_iterator(texts, trainer)
    if family == "gpt2":
        made.post_processor, made.decoder = processors.ByteLevel(trim_offsets=False), decoders.ByteLevel()
    else:
        made.post_processor = processors.TemplateProcessing(single=frame, special_tokens=marks)
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=names[0], model_max_length=512)


def answered(made: Tag, ready: Examples, tokenizer: Any) -> tuple[Any, Any, list[bool]]:
    """Answers from right scores and from random ones, and of each text whether all its words are read."""
    readings = made.read(tokenizer, ready.inputs, made.settings.max_length)
    outputs = len(made.outputs(ready.labels))
    right = [20 * np.eye(outputs)[codes] for codes in made.targets(readings, ready)]
    rng = np.random.default_rng(0)
    chance = [3 * rng.normal(size=table.shape) for table in right]
    read = np.zeros(len(ready), dtype=np.int64)
    for row, places in zip(readings.rows, readings.detail, strict=True):
        read[row] += len(places)
    whole = [int(count) == len(words) for count, (_, words) in zip(read, ready.inputs, strict=True)]
    decoded = [made.decode(scores, readings, ready.inputs, ready.labels) for scores in (right, chance)]
    return decoded[0], decoded[1], whole


def holds(family: str, ready: Examples, texts: list[str]) -> tuple[int, int]:
    """Check every answer; how many spans were shown, and how many texts have a word that the tokenizer leaves nothing of."""
    made, shown = Tag(Tag.Settings(max_length=48, stride=8)), 0
    right, chance, whole = answered(made, ready, trained(family, texts))
    for answers in (right, chance):
        for (text, words), value, detail in zip(ready.inputs, answers.values, answers.detail, strict=True):
            starts, ends = {word[0] for word in words}, {word[1] for word in words}
            assert [[s["start"], s["end"], s["label"]] for s in detail["spans"]] == value
            for span in detail["spans"]:
                assert text[span["start"] : span["end"]] == span["text"] != ""
                assert span["start"] in starts
                assert span["end"] in ends
                shown += 1
    for value, gold, all_read in zip(right.values, ready.gold, whole, strict=True):
        assert not all_read or value == gold
    return shown, len(whole) - sum(whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_signs_of_every_kind_keep_their_places(family: str) -> None:
    ready = Tag(Tag.Settings()).prepare(rows_of(*PLANTED), what="train")
    some = [text.encode("utf-8", "replace").decode() for text in ready.texts]
    shown, unread = holds(family, ready, [*some, "pay the fee to Anna in the town of the river"] * 3)
    assert shown > 2 * sum(map(len, ready.gold))
    assert unread <= {"bert": 3}.get(family, 0), "signs that its normaliser takes away"


@cache
def real() -> Examples:
    """2,000 rows of three sets, each with planted words in front or behind, so that every offset is moved by signs of many kinds."""
    values: list[dict[str, Any]] = []
    for name, count in (
        ("wnut17/train.jsonl", 900),
        ("ncbi_disease/train.jsonl.gz", 600),
        ("crossner/test.jsonl.gz", 500),
    ):
        for i, row in enumerate(read(SHARED / name)):
            if i == count:
                break
            tokens, tags = list(row.values["tokens"]), list(row.values["tags"])
            extra = ["東京", "👩‍👩‍👧", "cafe\u0301", "naïve", "ﬁn", "½"][i % 6 :][:2]
            first = i % 2 == 0
            tokens = [*extra, *tokens] if first else [*tokens, *extra]
            more = ["O"] * len(extra)
            values.append({"tokens": tokens, "tags": [*more, *tags] if first else [*tags, *more]})
    assert len(values) == 2000
    return Tag(Tag.Settings()).prepare(rows_of(*values), what="train")


@pytest.mark.shared
@pytest.mark.parametrize("family", FAMILIES)
def test_2000_real_rows_keep_their_places(family: str) -> None:
    ready = real()
    shown, unread = holds(family, ready, list(ready.texts[:300]))
    assert shown > 2000
    assert unread <= 20
