"""Each way of augmenting: by hand, by properties, and what it refuses."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.augment import TABLE, WAYS, Draft, Pool, way_of
from tailorlm.data.augment.mix import Mix, sentences
from tailorlm.data.augment.rewrite import Rewrite, there_and_back
from tailorlm.data.augment.typos import Typos, neighbours
from tailorlm.data.augment.word_drop import WordDrop
from tailorlm.data.augment.word_swap import WordSwap

Put = Callable[[str, str], str]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str) -> str:
        Path(name).write_text(content, encoding="utf-8")
        return name

    return write


def edits(way: object, text: str, n: int = 60) -> set[str | None]:
    return {way.edit(text, np.random.default_rng(seed)) for seed in range(n)}  # type: ignore[attr-defined]


def pool(texts: list[str], labels: list[str]) -> Pool:
    of: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        of.setdefault(label, []).append(i)
    return Pool(texts, labels, of)


def test_table_and_folder_agree() -> None:
    folder = Path(WAYS.get("typos").__module__.replace(".", "/")).name
    assert folder == "typos"
    assert len(TABLE) == 9
    for name in WAYS:
        assert WAYS.get(name).name == name
        assert WAYS.get(name).__doc__


def test_neighbours_are_the_keys_around() -> None:
    assert sorted(neighbours("qwerty")["g"]) == sorted("fhtyvb")
    assert sorted(neighbours("qwerty")["q"]) == sorted("wa")
    assert "z" in neighbours("qwertz")["t"]
    assert "q" in neighbours("azerty")["a"]
    for keyboard in ("qwerty", "qwertz", "azerty"):
        table = neighbours(keyboard)
        assert all(key in table[other] for key in table for other in table[key])


def test_typos_change_one_place_of_long_words_alone() -> None:
    for new in edits(Typos(), "It is payment 4711 ok"):
        assert new is not None
        assert new.startswith("It is p")
        assert new.endswith(" 4711 ok")
        assert abs(len(new) - len("It is payment 4711 ok")) <= 1
    assert edits(Typos(), "at it 12345 ok?") == {None}
    assert edits(Typos(), "[NAME] <customer> a@mail.example #topic https://site.example") == {None}
    assert all(new is not None and new[0] == "P" for new in edits(Typos(), "PAYMENT"))


def test_typos_leave_other_scripts_and_marks_whole() -> None:
    assert edits(Typos(), "私はカードを持っていません") == {None}
    marked = unicodedata.normalize("NFD", "présentée")
    for new in edits(Typos(), marked):
        if new is not None:
            assert unicodedata.normalize("NFC", new).count("\u0301") == 0
    assert edits(Typos(), "оплата карта") != {None}


def test_share_of_typos() -> None:
    text = " ".join(["payment"] * 20)
    few, many = (Typos(Typos.Settings(share=share)) for share in (0.05, 1.0))
    rng = np.random.default_rng
    assert sum(word != "payment" for word in (few.edit(text, rng(0)) or "").split()) <= 1
    assert sum(word != "payment" for word in (many.edit(text, rng(0)) or "").split()) >= 15


def test_word_drop_keeps_negations_numbers_and_three_words() -> None:
    text = "I did not get 50 euros back!"
    found = edits(WordDrop(WordDrop.Settings(share=0.9)), text)
    assert None not in found
    for new in found:
        words = (new or "").split()
        assert {"not", "50"} <= set(words)
        assert len(words) >= 3
        assert new == " ".join(words)
    assert edits(WordDrop(), "only three words") == {None}
    assert edits(WordDrop(), "not not not not not") == {None}
    assert edits(WordDrop(), "a b c d") == {"b c d", "a c d", "a b d", "a b c"}


def test_word_swap_keeps_words_and_blanks() -> None:
    text = " one  two\tthree don't 4 five six\n"
    for new in edits(WordSwap(), text):
        assert new is not None
        assert sorted(new.split()) == sorted(text.split())
        assert new.split()[3:5] == ["don't", "4"]
        assert [sign for sign in new if sign.isspace()] == [sign for sign in text if sign.isspace()]
    assert edits(WordSwap(), "same same") == {None}
    assert edits(WordSwap(), "alone") == {None}
    assert edits(WordSwap(), "a b") == {"b a"}


def test_synonyms(put: Put) -> None:
    put("list.txt", "# money\ncheap, inexpensive\nbuy => purchase, get hold of\n\nbank card, card\n")
    way = way_of("synonyms", {"file": "list.txt", "share": 1.0})
    assert edits(way, "Cheap!") == {"Inexpensive!"}
    assert edits(way, "BUY it") == {"PURCHASE it", "GET HOLD OF it"}
    assert edits(way, "purchase it") == {None}
    # The longest phrase is taken: 'bank card', not its 'card'.
    assert edits(way, "my bank card, please") == {"my card, please"}
    assert edits(way, "cardboard") == {None}
    one = way_of("synonyms", {"file": "list.txt", "share": 0.1})
    assert edits(one, "cheap cheap") == {"inexpensive cheap", "cheap inexpensive"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a, b\nalone\n", r"list.txt:2: this is no group"),
        ("x =>\n", "list.txt:1"),
        ("=> y", "list.txt:1"),
        ("# nothing\n", "is empty"),
        ("one two three four five six seven, b", "1 to 6 words"),
        ("?, b", "list.txt:1"),
    ],
)
def test_synonyms_refused(put: Put, content: str, message: str) -> None:
    put("list.txt", content)
    with pytest.raises(UsageError, match=message):
        way_of("synonyms", {"file": "list.txt"}).edit("a", np.random.default_rng(0))  # type: ignore[attr-defined]


def test_synonyms_without_a_file() -> None:
    with pytest.raises(UsageError, match="the key 'file' is missing"):
        way_of("synonyms")
    with pytest.raises(UsageError, match="cannot be read"):
        way_of("synonyms", {"file": "nowhere.txt"}).edit("a", np.random.default_rng(0))  # type: ignore[attr-defined]


def test_templates(put: Put) -> None:
    put(
        "t.yaml",
        "templates:\n  late:\n    - Where is my {thing}?\n    - No {thing} yet\nslots:\n  thing: [card, bag]\n",
    )
    way = way_of("templates", {"file": "t.yaml"})
    rows = pool(["x", "y"], ["late", "other"])
    made = way.drafts([0] * 40 + [1], rows, range(41))
    assert made[-1] is None
    assert {(d.text, d.source) for d in made if d} == {
        ("Where is my card?", "t.yaml:3"),
        ("Where is my bag?", "t.yaml:3"),
        ("No card yet", "t.yaml:4"),
        ("No bag yet", "t.yaml:4"),
    }
    assert all(d.label == "late" and d.origins == () for d in made if d)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("templates: {late: ['{thnig}']}\nslots: {thing: [card]}", "no words for the slot 'thnig'(.|\n)*'thing'"),
        ("templates: {late: ['  ']}", "empty template"),
        ("templates: {}", "templates"),
        ("templates: {lat: [Hello]}", "no row has the label 'lat'(.|\n)*'late'"),
        ("template: {late: [Hello]}", "did you mean 'templates'"),
    ],
)
def test_templates_refused(put: Put, content: str, message: str) -> None:
    put("t.yaml", content)
    with pytest.raises(UsageError, match=message):
        way_of("templates", {"file": "t.yaml"}).drafts([0], pool(["x"], ["late"]), [0])


def test_mix_takes_sentences_of_the_same_label() -> None:
    texts = ["One here. Two here. Three here.", "Four here! five here?", "Single here.", "Not this. Nor this."]
    rows = pool(texts, ["a", "a", "a", "b"])
    made = [d for d in Mix().drafts([0] * 80, rows, range(80)) if d]
    assert len({d.text for d in made}) > 5
    for draft in made:
        parts = [part.strip() for part in sentences(draft.text)]
        assert len(parts) == 3
        other = draft.origins[1]
        own, theirs = (set(map(str.strip, sentences(texts[k]))) for k in (0, other))
        assert set(parts) <= own | theirs
        assert set(parts) & own
        assert set(parts) & theirs
        assert draft.origins == (0, other)
        assert other in (1, 2)
    assert Mix().drafts([2, 3], rows, [0, 1]) == [None, None]


@given(st.text(alphabet="ab. !?。\n", max_size=60))
def test_sentences_join_to_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text


def test_rewrite_calls_the_function_once_for_all() -> None:
    calls = []

    def shout(texts: list[str], seeds: list[int]) -> list[str | None]:
        calls.append((texts, seeds))
        return [None if text == "b" else "c" if text == "c" else text.upper() for text in texts]

    rows = pool(["a", "b", "c"], ["x"] * 3)
    way = way_of("rewrite", function=shout)
    assert way.drafts([0, 1, 2], rows, [7, 8, 9]) == [Draft("A", "x", "rewrite", (0,)), None, None]
    assert calls == [(["a", "b", "c"], [7, 8, 9])]
    with pytest.raises(UsageError, match="needs a function"):
        way_of("rewrite").drafts([0], rows, [0])
    with pytest.raises(TailorError, match="one text"):
        Rewrite(function=lambda texts, seeds: []).drafts([0], rows, [0])


def test_there_and_back() -> None:
    both = there_and_back(
        lambda texts, seeds: [None if t == "b" else t + "1" for t in texts],
        lambda texts, seeds: [f"{t}{s}" for t, s in zip(texts, seeds, strict=True)],
    )
    assert both(["a", "b", "c"], [5, 6, 7]) == ["a15", None, "c17"]


def test_unknown_names_and_settings() -> None:
    with pytest.raises(UsageError, match="did you mean 'typos'"):
        way_of("typo")
    with pytest.raises(UsageError, match="share"):
        way_of("typos", {"share": 2})
    with pytest.raises(UsageError, match="there is no key 'shares'"):
        way_of("word_drop", {"shares": 0.1})


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.integers(0, 1000))
def test_any_text_gives_another_text_or_none(text: str, seed: int) -> None:
    for way in (Typos(), WordDrop(), WordSwap()):
        new, again = (way.edit(text, np.random.default_rng(seed)) for _ in range(2))
        assert new == again
        assert new is None or new.strip()
    made = Mix().drafts([0], pool([text, "Other. Words here."], ["x", "x"]), [seed])
    assert made[0] is None or made[0].text.strip()
