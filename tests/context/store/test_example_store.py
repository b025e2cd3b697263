"""The example store: what goes in, what never does, what is found, and what a folder keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.context.retrieval import encoder as encoders
from tailorlm.context.retrieval.settings import EncoderSettings, SearchSettings
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.held_out import HeldOut
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import EmbeddingView
from tiny import labelled

Base = Callable[..., Path]
WORDS = StoreSettings(encoder=None)


def rows(count: int, start: int = 0) -> list[Example]:
    made = labelled(count, 3, start=start)
    return [
        Example(i, f"{text} {n + start}", f"It is about {gold}.", gold)
        for n, (i, text, gold) in enumerate(zip(made.ids, made.texts, made.gold, strict=True))
    ]


def test_rows_are_found_by_words_and_never_themselves() -> None:
    store = ExampleStore.of(rows(12), WORDS)
    one = store.examples[4]
    search = SearchSettings(k=3)
    assert store.search([Query(one.text)], search)[0][0].position == 4
    assert 4 not in [hit.position for hit in store.search([Query(one.text, id=one.id)], search)[0]]
    # Under another id the same text is still the same row.
    shouted = Query(one.text.upper() + "!", id="elsewhere")
    assert 4 not in [hit.position for hit in store.search([shouted], search)[0]]
    assert 4 in [hit.position for hit in store.search([Query(one.text + " money", id="elsewhere")], search)[0]]


def test_test_rows_are_refused_by_content_and_by_id_now_and_later(tmp_path: Path) -> None:
    held = HeldOut.of(["A secret question?"], ["rows.csv:99"], fingerprint="abc" * 20)
    store = ExampleStore.of(rows(4), WORDS, held_out=held)
    assert store.held_out == held
    for bad in (Example("new:1", "a SECRET question", "x"), Example("rows.csv:99", "another text", "x")):
        with pytest.raises(CheckError, match=r"1 example is among the test rows[\s\S]*split abcabcabcabc"):
            store.plus([bad])
    opened = store.save(tmp_path / "store")
    with pytest.raises(CheckError, match="among the test rows"):
        ExampleStore.open(tmp_path / "store").plus([Example("new:1", "a SECRET question", "x")])
    written = b"".join(path.read_bytes() for path in opened.version.iterdir())  # type: ignore[union-attr]
    assert b"secret" not in written.lower()
    with pytest.raises(CheckError, match="among the test rows"):
        ExampleStore.of([Example("a", "A secret question", "x")], WORDS, held_out=held)


def test_an_id_stands_for_one_row() -> None:
    store = ExampleStore.of(rows(4), WORDS)
    assert store.plus(rows(4)).examples == store.examples
    with pytest.raises(CheckError, match=r"1 id stands for two different rows[\s\S]*rows.csv:2"):
        store.plus([Example("rows.csv:2", "another text", "x")])
    with pytest.raises(CheckError, match="a row at least"):
        ExampleStore.of([], WORDS)
    with pytest.raises(UsageError, match=r"rows\.csv:2"):
        store.minus(["rows.csv:22"])
    assert [row.id for row in store.minus(["rows.csv:2"]).examples] == ["rows.csv:3", "rows.csv:4", "rows.csv:5"]


def test_a_folder_keeps_it_and_rows_join_without_computing_the_old(
    tmp_path: Path, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = StoreSettings(encoder=EncoderSettings(model=str(base("bert", "mean")), max_length=32))
    store = ExampleStore.of(rows(9), settings).save(tmp_path / "store")
    opened = ExampleStore.open(tmp_path / "store")
    assert opened.examples == store.examples
    query, search = [Query("a card payment")], SearchSettings(k=4)
    assert opened.search(query, search) == store.search(query, search)

    asked: list[str] = []
    before = encoders.Encoder.texts

    def counted(self: encoders.Encoder, texts: list[str], *more: object) -> np.ndarray:
        asked.extend(texts)
        return before(self, texts, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(encoders.Encoder, "texts", counted)
    more = opened.plus(rows(2, start=50))
    assert asked == [row.text for row in rows(2, start=50)]
    assert len(more.save(tmp_path / "store")) == 11
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["version-2"]
    whole = ExampleStore.of([*rows(9), *rows(2, start=50)], settings)
    assert np.allclose(ExampleStore.open(tmp_path / "store").vectors(), whole.vectors(), atol=1e-6)
    # Whoever still holds the first version must not overwrite the second.
    with pytest.raises(TailorError, match="changed by another process"):
        opened.minus([opened.examples[0].id]).save(tmp_path / "store")


@pytest.mark.parametrize("other_name", [False, True])
def test_rows_that_others_saved_meanwhile_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_name: bool
) -> None:
    """However many versions came between, and however the folder is called."""
    monkeypatch.chdir(tmp_path)
    ExampleStore.of(rows(4), WORDS).save("store")
    mine = ExampleStore.open("store").plus(rows(1, start=90))
    for i in range(2):
        ExampleStore.open("store").plus(rows(1, start=50 + i)).save("store")
    with pytest.raises(TailorError, match="changed by another process"):
        mine.save(tmp_path / "store" if other_name else "store")
    assert len(ExampleStore.open("store")) == 6


def test_a_loaded_encoder_and_shared_vectors_can_be_lent(base: Base) -> None:
    folder = base("bert", "mean")
    view = EmbeddingView()
    settings = StoreSettings(encoder=EncoderSettings(model=str(folder), max_length=32))
    lent = encoders.Encoder(settings.encoder, view)  # type: ignore[arg-type]
    store = ExampleStore.of(rows(6), settings, encoder=lent)
    spent = view.spent
    assert np.array_equal(ExampleStore.of(rows(6), settings, encoder=lent).vectors(), store.vectors())
    assert view.spent == spent
    model = load_model(resolve(str(folder)), labels=(), max_length=32)
    vectors = EmbeddingView().take(model, [row.text for row in rows(6)])
    assert np.allclose(store.vectors(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-6)


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="holds no index of examples"):
        ExampleStore.open(tmp_path / "none")
    (tmp_path / "doc.txt").write_text("Some text.")
    PassageIndex.build(tmp_path / "index", [str(tmp_path / "doc.txt")], IndexSettings(encoder=None))
    with pytest.raises(TailorError, match="an index of passages"):
        ExampleStore.open(tmp_path / "index")
    store = ExampleStore.of(rows(3), WORDS)
    with pytest.raises(TailorError, match="an index of passages"):
        store.save(tmp_path / "index")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(TailorError, match="exists and is no store"):
        store.save(tmp_path / "full")
    store.save(tmp_path / "store")
    with pytest.raises(TailorError, match="an index of examples"):
        PassageIndex(tmp_path / "store")


def test_half_characters_emoji_and_the_very_long_survive(tmp_path: Path, base: Base) -> None:
    settings = StoreSettings(encoder=EncoderSettings(model=str(base("bert", "mean")), max_length=16))
    odd = [
        Example("a", "half \ud800 sign", "\udfff"),
        Example("b", "👨‍👩‍👧 family 東京", "x"),
        Example("c", "card fee " * 50_000, "y"),
    ]
    ExampleStore.of(odd, settings).save(tmp_path / "store")
    opened = ExampleStore.open(tmp_path / "store")
    assert opened.examples == tuple(odd)
    assert opened.search([Query("家族 family 東京")], SearchSettings(k=1))[0][0].position == 1
    assert np.isfinite(opened.vectors()).all()
