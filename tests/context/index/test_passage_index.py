"""The passage index: what it finds, what it keeps when documents come and go, and what it refuses."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.context.index import IndexSettings, PassageIndex, ReadSettings
from tailorlm.context.index.passage_index import _KEPT
from tailorlm.context.retrieval import encoder as encoders
from tailorlm.context.retrieval.settings import EncoderSettings, SearchSettings
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.held_out import HeldOut
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed

Base = Callable[..., Path]
DOCUMENTS = {
    "money.md": "# Money\n\nYour account has a balance. The fee is charged on the card every month.\n\n"
    "## Refunds\n\nA refund of the payment comes to your account in the next week. Ask us about the refund.\n",
    "travel/flights.txt": "The flight is at the gate. Please have your passport and your ticket out.\n\n"
    "Luggage: one bag for the plane, one for the train. 東京駅で電車に乗る。\n",
    "food.html": "<html><head><title>Our menu</title></head><body><h1>Lunch</h1><p>Soup and bread with butter.</p>"
    "<h2>Cake</h2><p>Apple cake with sugar &amp; cheese 👍.</p></body></html>",
}
WORDS = IndexSettings(size=80, overlap=20, encoder=None)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for name, text in DOCUMENTS.items():
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "docs"


def with_encoder(folder: Path, **more: Any) -> IndexSettings:
    return IndexSettings(size=80, overlap=20, encoder=EncoderSettings(model=str(folder), max_length=32), **more)


def content(index: PassageIndex) -> dict[str, bytes]:
    """Every file of the version that stands but the vectors, which may differ in the last bit with what was computed together."""
    return {
        p.name: p.read_bytes() for p in sorted(index.version.iterdir()) if p.name not in ("vectors.npy", "COMPLETE")
    }


def test_passages_are_the_documents_to_the_letter(docs: Path, tmp_path: Path) -> None:
    index, change = PassageIndex.build(tmp_path / "index", [str(docs)], WORDS)
    assert (change.added, change.documents, change.removed) == (3, 3, 0)
    assert list(index.entries) == ["docs/food.html", "docs/money.md", "docs/travel/flights.txt"]
    assert index.text("docs/money.md") == DOCUMENTS["money.md"]
    seen = 0
    for name in index.entries:
        text, at = index.text(name), 0
        for number, position in enumerate(index.positions(name), 1):
            passage = index.passage(position)
            assert passage.id == f"{name}#{number}"
            assert passage.text == text[passage.start : passage.end]
            assert passage.start <= at < passage.end
            at, seen = passage.end, seen + 1
        assert at == len(text)
    assert seen == len(index) == change.passages
    assert index.passage(len(index) - 1).title == "flights"
    refunds = next(index.passage(p) for p in index.positions("docs/money.md") if "A refund" in index.passage(p).text)
    assert refunds.headings == ("Money", "Refunds")
    assert index.passage(0).title == "Our menu"


def test_search_by_words(docs: Path, tmp_path: Path) -> None:
    index, _ = PassageIndex.build(tmp_path / "index", [str(docs)], WORDS)
    answers = index.search(["passport ticket", "電車", "cheese", "zzz", "", "lunch menu"], SearchSettings(k=2))
    assert [len(some) for some in answers][3:5] == [0, 0]
    assert "passport" in answers[0][0].text
    assert "電車" in answers[1][0].text
    assert "cheese" in answers[2][0].text
    assert answers[5][0].document == "docs/food.html"  # found by its title
    assert set(answers[0][0].by or {}) == {"bm25"}
    assert (answers[0][0].by or {})["bm25"] == (1, answers[0][0].score)
    with pytest.raises(UsageError, match="found by words alone"):
        index.search(["cheese"], SearchSettings(retriever="dense"))
    with pytest.raises(UsageError, match="found by words alone"):
        index.search(["cheese"], SearchSettings(variety=0.5))


def test_without_headings_the_passage_alone_is_searched(docs: Path, tmp_path: Path) -> None:
    index, _ = PassageIndex.build(tmp_path / "index", [str(docs)], WORDS.with_(headings=False))
    assert index.search(["menu"]) == [[]]
    assert index.searched_text(0) == index.passage(0).text


def test_search_by_meaning_is_the_encoders_cosine(docs: Path, tmp_path: Path, base: Base) -> None:
    settings = with_encoder(base("bert", "mean"))
    index, change = PassageIndex.build(tmp_path / "index", [str(docs)], settings)
    assert change.computed == len(index)
    model = load_model(resolve(str(base("bert", "mean"))), labels=(), max_length=32)
    texts = embed(model, [index.searched_text(i) for i in range(len(index))]).astype(np.float64)
    query = embed(model, ["the card fee"])[0].astype(np.float64)
    cosines = texts @ query / np.linalg.norm(texts, axis=1) / np.linalg.norm(query)
    found = index.search(["the card fee"], SearchSettings(retriever="dense", k=len(index)))[0]
    assert [p.score for p in found] == pytest.approx(sorted(cosines, reverse=True), abs=1e-5)
    order = sorted(range(len(index)), key=lambda i: (-round(cosines[i], 6), i))
    assert [p.id for p in found] == [index.passage(i).id for i in order]
    both = index.search(["the card fee"], SearchSettings(k=3))[0]
    assert set().union(*(p.by or {} for p in both)) == {"bm25", "dense"}
    for passage in both:
        assert passage.score == pytest.approx(sum(1 / (60 + rank) for rank, _ in (passage.by or {}).values()))
    varied = index.search(["the card fee"], SearchSettings(variety=0.9, k=4))[0]
    assert len({p.id for p in varied}) == 4


def test_added_and_removed_is_as_built_at_once(docs: Path, tmp_path: Path, base: Base, monkeypatch: Any) -> None:
    settings = with_encoder(base("bert", "mean"))
    whole, _ = PassageIndex.build(tmp_path / "whole", [str(docs)], settings)
    extra = docs / "zoo.txt"
    extra.write_text("A lion and a bus.", encoding="utf-8")
    change = whole.add([str(docs)])
    assert (change.added, change.unchanged, change.replaced, change.computed) == (1, 3, 0, 1)
    assert [p.document for p in whole.search(["lion"], SearchSettings(retriever="bm25"))[0]] == ["docs/zoo.txt"]
    before = content(PassageIndex.build(tmp_path / "fresh", [str(docs)], settings)[0])
    assert content(whole) == before

    def no_model(*_: Any) -> None:
        raise AssertionError("nothing new: the encoder is not needed")

    monkeypatch.setattr(encoders.Encoder, "texts", no_model)
    gone = whole.remove(["docs/zoo*"])
    assert (gone.removed, gone.documents, gone.computed) == (1, 3, 0)
    assert whole.search(["lion"], SearchSettings(retriever="bm25")) == [[]]
    with pytest.raises(UsageError, match=r"docs/money\.md"):
        whole.remove(["docs/mony.md"])
    assert content(PassageIndex(tmp_path / "whole")) == content(whole)


def test_only_what_changed_is_computed_again(docs: Path, tmp_path: Path, base: Base) -> None:
    settings = with_encoder(base("bert", "mean"))
    index, first = PassageIndex.build(tmp_path / "index", [str(docs)], settings)
    vectors = np.array(index.texts.vectors)
    texts = [index.searched_text(i) for i in range(len(index))]
    path = docs / "money.md"
    path.write_text(DOCUMENTS["money.md"].replace("next week", "next month"), encoding="utf-8")
    (docs / "travel" / "flights.txt").unlink()
    index, change = PassageIndex.build(tmp_path / "index", [str(docs)], settings)
    assert (change.added, change.replaced, change.unchanged, change.removed) == (0, 1, 1, 1)
    assert change.computed == 1
    assert change.reused == len(index) - 1
    assert "next month" in index.text("docs/money.md")
    assert first.passages > len(index)
    for i in range(len(index)):
        if index.searched_text(i) in texts:
            assert np.array_equal(index.texts.vectors[i], vectors[texts.index(index.searched_text(i))])
    version = index.version
    again, change = PassageIndex.build(tmp_path / "index", [str(docs)], settings)
    assert again.version == version
    assert (change.unchanged, change.computed, change.passages) == (2, 0, len(index))


def test_half_precision_finds_the_same(docs: Path, tmp_path: Path, base: Base) -> None:
    whole, _ = PassageIndex.build(tmp_path / "a", [str(docs)], with_encoder(base("bert", "mean")))
    half, _ = PassageIndex.build(tmp_path / "b", [str(docs)], with_encoder(base("bert", "mean"), store="float16"))
    assert half.texts.vectors.dtype == np.float16
    one, two = (x.search(["a bag on the train"], SearchSettings(retriever="dense", k=3))[0] for x in (whole, half))
    assert [p.score for p in one] == pytest.approx([p.score for p in two], abs=2e-3)


def test_other_settings_and_other_encoders_are_refused(docs: Path, tmp_path: Path, base: Base) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(base("bert", "mean"), folder)
    settings = with_encoder(folder)
    index, _ = PassageIndex.build(tmp_path / "index", [str(docs)], settings)
    with pytest.raises(UsageError, match=r"size 80 in the index, 90 asked for[\s\S]*--out .*index-2"):
        PassageIndex.build(tmp_path / "index", [str(docs)], settings.with_(size=90))
    with pytest.raises(UsageError, match=r"encoder .* in the index, none asked for"):
        PassageIndex.build(tmp_path / "index", [str(docs)], settings.with_(encoder=None))
    other = with_encoder(base("bert", "mean", seed=1))
    with pytest.raises(UsageError, match=r"another encoder[\s\S]*fingerprint"):
        PassageIndex.build(tmp_path / "index", [str(docs)], other)
    # The same model in another place is the same model.
    folder.rename(tmp_path / "moved")
    moved = PassageIndex(index.folder, encoder=str(tmp_path / "moved"))
    assert moved.search(["bread"])[0]
    with pytest.raises(TailorError, match="there is no model"):
        PassageIndex(index.folder).search(["bread"])
    assert PassageIndex(index.folder).search(["bread"], SearchSettings(retriever="bm25"))[0]
    changed = json.loads((tmp_path / "moved" / "1_Pooling" / "config.json").read_text()) | {"more": 1}
    (tmp_path / "moved" / "1_Pooling" / "config.json").write_text(json.dumps(changed))
    with pytest.raises(UsageError, match="another encoder"):
        PassageIndex(index.folder, encoder=str(tmp_path / "moved")).search(["bread"])


def test_what_is_not_said_is_as_it_was_built(docs: Path, tmp_path: Path) -> None:
    assert PassageIndex.made_with(tmp_path / "index") == (IndexSettings(), ReadSettings())
    settings, read = WORDS.with_(k1=1.2), ReadSettings(title="name", max_bad=2)
    first, _ = PassageIndex.build(tmp_path / "index", [str(docs)], settings, read)
    again, change = PassageIndex.build(tmp_path / "index", [str(docs)])
    assert PassageIndex.made_with(tmp_path / "index") == (again.settings, again.read) == (settings, read)
    assert (again.version, change.unchanged) == (first.version, 3)


def test_faults_are_told_apart_and_nothing_is_written(docs: Path, tmp_path: Path) -> None:
    (docs / "empty.txt").write_bytes(b"")
    (docs / "blank.md").write_text("\n \n")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 cut")
    with pytest.raises(CheckError, match=r"3 documents cannot be indexed \(1 unreadable, 2 empty\)") as fault:
        PassageIndex.build(tmp_path / "index", [str(docs)], WORDS)
    assert "--max-bad 3" in str(fault.value)
    assert "broken.pdf" in str(fault.value)
    assert not list((tmp_path / "index").glob("*"))
    _, change = PassageIndex.build(tmp_path / "index", [str(docs)], WORDS, ReadSettings(max_bad=3))
    assert change.documents == 3
    assert [len(change.empty), len(change.unreadable)] == [2, 1]
    empty = tmp_path / "nothing"
    empty.mkdir()
    with pytest.raises(TailorError, match="a folder without a file that can be read"):
        PassageIndex.build(tmp_path / "other", [str(empty)], WORDS)
    (empty / "a.txt").write_bytes(b"")
    (empty / "b.pdf").write_bytes(b"%PDF-1.4 cut")
    with pytest.raises(
        CheckError, match=r"2 documents cannot be indexed \(1 unreadable, 1 empty\)[\s\S]*0 could be read"
    ):
        PassageIndex.build(tmp_path / "other", [str(empty)], WORDS, ReadSettings(max_bad=9))
    with pytest.raises(TailorError, match="holds no index"):
        PassageIndex(tmp_path / "other")
    with pytest.raises(TailorError, match="exists and is no index"):
        PassageIndex.build(docs, [str(docs)], WORDS)


def test_tables_give_a_document_a_row(tmp_path: Path) -> None:
    rows = [
        {"key": "a", "body": "first text", "title": "One"},
        {"key": "b", "body": None},
        {"key": "c", "body": "third"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = ReadSettings(text="body", id="key", max_bad=1)
    index, change = PassageIndex.build(tmp_path / "index", [str(path)], WORDS, read)
    assert list(index.entries) == ["a", "c"]
    assert index.passage(0).title == "One"
    assert change.empty == [f"{path}:2: no text in the column 'body'"]
    named, _ = PassageIndex.build(tmp_path / "lines", [str(path)], WORDS, read.with_(id=None))
    assert list(named.entries) == ["rows.jsonl:1", "rows.jsonl:3"]
    with pytest.raises(UsageError, match=r"no column 'text'[\s\S]*--text"):
        PassageIndex.build(tmp_path / "other", [str(path)], WORDS)
    path.write_text("".join(json.dumps(row | {"key": "a"}) + "\n" for row in rows))
    with pytest.raises(CheckError, match="two documents are called 'a'"):
        PassageIndex.build(tmp_path / "other", [str(path)], WORDS, read)


def test_test_rows_are_refused_now_and_later(docs: Path, tmp_path: Path) -> None:
    held = HeldOut.of(["A  lion, and a BUS!", "another question"])
    index, _ = PassageIndex.build(tmp_path / "index", [str(docs)], WORDS, held_out=held)
    (docs / "zoo.txt").write_text("A lion and a bus.", encoding="utf-8")
    with pytest.raises(CheckError, match=r"1 document is among the test rows[\s\S]*docs/zoo.txt"):
        PassageIndex(index.folder).add([str(docs)])
    with pytest.raises(CheckError, match="among the test rows"):
        PassageIndex.build(tmp_path / "index", [str(docs)], WORDS)
    assert "another question" not in (index.version / "index.json").read_text()


def test_a_long_document_is_read_on_demand(tmp_path: Path) -> None:
    text = "".join(f"Paragraph {i} about thing{i}.\n\n" for i in range(3000))
    (tmp_path / "long.txt").write_text(text)
    index, change = PassageIndex.build(tmp_path / "index", [str(tmp_path / "long.txt")], WORDS.with_(size=200))
    assert change.passages > 400
    found = index.search(["thing2999"])[0][0]
    assert found.end == len(text)
    assert text[found.start : found.end] == found.text


def test_who_has_it_open_keeps_what_was_opened(docs: Path, tmp_path: Path) -> None:
    PassageIndex.build(tmp_path / "index", [str(docs)], WORDS)
    reader, writer = PassageIndex(tmp_path / "index"), PassageIndex(tmp_path / "index")
    writer.remove(["docs/money.md"])
    assert not reader.version.exists()
    assert reader.search(["refund"])[0][0].document == "docs/money.md"
    assert writer.search(["refund"])[0] == []
    assert PassageIndex(tmp_path / "index").search(["refund"])[0] == []


def test_threads_that_ask_one_index_at_once_meet_the_same_documents(tmp_path: Path) -> None:
    """More documents than are kept, of different sizes, and threads that are changed between all the time."""
    path = tmp_path / "rows.jsonl"
    rows = [{"name": f"d{i}", "text": f"Thing{i} and no other. " * (1 + i % 7)} for i in range(3 * _KEPT)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    index, _ = PassageIndex.build(tmp_path / "index", [str(path)], WORDS, ReadSettings(id="name"))

    def asked(number: int) -> None:
        i = number * 37 % len(rows)
        assert index.text(f"d{i}") == rows[i]["text"]
        found = index.search([f"thing{i}"], SearchSettings(k=1))[0][0]
        assert (found.document, found.text) == (f"d{i}", rows[i]["text"][found.start : found.end])

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(asked, range(10 * len(rows))))
    finally:
        sys.setswitchinterval(usual)


def test_pages_of_a_pdf_are_told(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    made = runpy.run_path(str(Path(__file__).parents[2] / "data" / "made.py"))["pdf"]
    (tmp_path / "x.pdf").write_bytes(
        made(["The first page is about a fee.", "", "The third page is about a bus and a train."])
    )
    index, _ = PassageIndex.build(tmp_path / "index", [str(tmp_path / "x.pdf")], WORDS.with_(size=50, overlap=0))
    assert index.search(["fee"])[0][0].page == 1
    assert index.search(["train"])[0][0].page == 3


def test_cells_need_vectors_and_a_list_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without an encoder"):
        IndexSettings(engine="faiss", encoder=None)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": ["a", "list"]}\n{"text": "words"}\n')
    with pytest.raises(CheckError, match=r"1 unreadable, 0 empty[\s\S]*a list or object in the column 'text'"):
        PassageIndex.build(tmp_path / "index", [str(path)], WORDS)
