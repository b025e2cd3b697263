"""A taught tagger over texts as people have them: long, empty, odd; offsets exact, windows without seams."""

import random
import shutil
from itertools import pairwise

import pytest

from tailorlm.core.errors import TailorError
from tailorlm.models.resolve import resolve
from tailorlm.models.tagger import _types, load_tagger
from taught import LABELS, address, name, sentence
from tiny import tiny_bert


@pytest.fixture(scope="module")
def tagger(taught):
    return load_tagger(resolve(str(taught)))


def found(tagger, texts):
    return [[(text[a:b], label) for a, b, label in spans] for text, spans in zip(texts, tagger(texts), strict=True)]


def test_names_and_addresses_it_never_saw_are_found_to_the_letter(tagger):
    random_ = random.Random(77)
    texts, wanted = [], []
    for _ in range(60):
        who, where = name(random_), address(random_)
        texts.append(" ".join(word for word, _ in sentence(random_, [(who, "PER"), (where, "ADDRESS")])))
        wanted.append([(who, "PER"), (where, "ADDRESS")])
    right = sum(a == b for a, b in zip(found(tagger, texts), wanted, strict=True))
    assert right >= 58


def test_a_text_of_many_windows_has_no_seams(tagger):
    random_ = random.Random(5)
    words = []
    for _ in range(120):
        words += sentence(random_, [(name(random_), "PER")])
    text = " ".join(word for word, _ in words)
    wanted = [i for i, (_, label) in enumerate(words) if label == "B-PER"]
    assert len(tagger.tokenizer(text)["input_ids"]) > 10 * tagger.window
    got = tagger([text])[0]
    assert len(wanted) == 120
    assert len(got) >= 118
    assert all(a[1] <= b[0] for a, b in pairwise(got))
    assert sum(len(text[a:b].split()) == 2 for a, b, _ in got) >= 116


def test_what_stands_around_a_name_is_no_part_of_it(tagger):
    texts = ['i saw "Belton Ashric", and he', "(Belton Ashric)!", "👩\u200b i saw\u00a0Belton Ashric. 日本"]
    assert found(tagger, texts) == [[("Belton Ashric", "PER")]] * 3


def test_odd_texts(tagger):
    assert tagger([]) == []
    assert tagger(["", " \n", "12 34", "\ud800\ud800", "i saw \ud800 Belton Ashric"])[:4] == [[], [], [], []]
    assert found(tagger, ["\ud800 i saw Belton Ashric"]) == [[("Belton Ashric", "PER")]]


def test_batches_do_not_matter(tagger):
    random_ = random.Random(6)
    texts = [" ".join(w for w, _ in sentence(random_, [(name(random_), "PER")] * (i % 4))) for i in range(40)]
    assert tagger(texts) == [tagger([text])[0] for text in texts]


def test_a_lower_floor_finds_no_less(tagger):
    random_ = random.Random(8)
    texts = [" ".join(w for w, _ in sentence(random_, [(name(random_), "PER")])) for _ in range(30)]
    covered = [
        [sum(b - a for a, b, _ in spans) for spans in tagger.with_floor(floor)(texts)] for floor in (0.05, 0.5, 0.999)
    ]
    assert all(a >= b >= c for a, b, c in zip(*covered, strict=True))


def test_types_of_labels():
    assert _types(LABELS) == (("PER", "ADDRESS"), ((-1, False), (0, True), (0, False), (1, True), (1, False)))
    assert _types(["O", "S-PER", "E-PER", "NAME", "X-RAY"])[0] == ("PER", "NAME", "X-RAY")
    assert _types(["PER", "O"]) == (("PER",), ((0, False), (-1, False)))


def test_what_is_no_tagger_is_refused(tmp_path, taught):
    tiny_bert(tmp_path / "bare")
    with pytest.raises(TailorError, match="cannot be loaded as a model for names") as fault:
        load_tagger(resolve(str(tmp_path / "bare")))
    assert "no weights for classifier" in str(fault.value)
    shutil.copytree(taught, tmp_path / "cut")
    (tmp_path / "cut/model.safetensors").write_bytes(b"broken")
    with pytest.raises(TailorError, match="cannot be loaded"):
        load_tagger(resolve(str(tmp_path / "cut")))
