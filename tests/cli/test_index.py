"""`tailor index`: what it prints, what it gives as JSON, and how faults leave it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from words import Tailor

Base = Callable[..., Path]


@pytest.fixture(autouse=True)
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# Fees\n\nThe card fee is due in May.\n")
    (folder / "b.txt").write_text("Luggage goes into the plane. 東京駅。\n", encoding="utf-8")
    return folder


def test_build_search_add_remove_info(tailor: Tailor, docs: Path) -> None:
    said = tailor("index", "build", "docs", "--out", "i", "--encoder", "none")
    assert said.code == 0
    assert said.out.startswith("i: 2 documents (2 added), 2 passages, ")
    assert tailor("index", "build", "docs", "--out", "i", "--encoder", "none").out.startswith(
        "i: 2 documents (2 unchanged)"
    )
    said = tailor("index", "search", "i", "card fee", "電車 駅", "nothing at all zz", "--k", "1")
    assert said.code == 0
    assert " 1  docs/a.md#1  [0:" in said.out
    assert " 1  docs/b.txt#1  [0:" in said.out
    assert "nothing at all zz\nnothing found" in said.out
    found = json.loads(tailor("index", "search", "i", "card fee", "--json").out)
    assert found[0]["passages"][0]["text"] == (docs / "a.md").read_text()
    assert found[0]["passages"][0]["by"]["bm25"][0] == 1
    (docs / "c.txt").write_text("A lion. And more words of it.")
    change = json.loads(tailor("index", "add", "i", "docs/c.txt", "--json").out)
    assert (change["added"], change["documents"], change["folder"]) == (1, 3, "i")
    assert "docs/c.txt" in tailor("index", "info", "i").out
    assert json.loads(tailor("index", "remove", "i", "docs/[ab]*", "--json").out)["removed"] == 2
    info = json.loads(tailor("index", "info", "i", "--json").out)
    assert [one["name"] for one in info["documents"]] == ["docs/c.txt"]
    assert info["settings"]["encoder"] is None


def test_a_second_build_goes_by_the_settings_of_the_first(tailor: Tailor, tmp_path: Path, docs: Path) -> None:
    """All of them: what was left out is the index's own, as the error for others says."""
    (tmp_path / "rows.jsonl").write_text('{"key": "a", "body": "The card fee is due."}\n{"key": "b", "body": ""}\n')
    flags = ("--size", "500", "--overlap", "100", "--encoder", "none", "--set", "k1=1.2", "--set", "headings=false")
    read = ("--text", "body", "--id", "key", "--max-bad", "1")
    said = tailor("index", "build", "rows.jsonl", "--out", "i", *flags, *read)
    assert said.code == 0, said.err
    first = json.loads(tailor("index", "info", "i", "--json").out)
    again = tailor("index", "build", "rows.jsonl", "--out", "i")
    assert again.code == 0, again.err
    assert again.out.startswith("i: 1 documents (1 unchanged)")
    assert json.loads(tailor("index", "info", "i", "--json").out) == first
    (docs / "c.txt").write_text("A lion.")
    assert json.loads(tailor("index", "build", "rows.jsonl", "docs", "--out", "i", "--json").out)["added"] == 3
    grown = json.loads(tailor("index", "info", "i", "--json").out)
    assert grown["settings"] == first["settings"]
    same = tailor("index", "build", "rows.jsonl", "docs", "--out", "i", "--size", "500", "--set", "k1=1.2")
    assert same.code == 0, same.err
    for other, difference in (
        (("--size", "600"), "size 500 in the index, 600 asked for"),
        (("--set", "b=0.1"), "b 0.75 in the index, 0.1 asked for"),
        (("--encoder", "somewhere"), "encoder none in the index, somewhere asked for"),
    ):
        said = tailor("index", "build", "rows.jsonl", "docs", "--out", "i", *other)
        assert said.code == 2
        assert f"got:      {difference}\n" in said.err, "and nothing else is named that nobody asked for"
        assert "leave them out to keep the index's own" in said.err
    assert tailor("index", "add", "i", "docs", "--max-bad", "-1").code == 2


def test_every_change_finds_an_encoder_that_moved(tailor: Tailor, tmp_path: Path, base: Base, docs: Path) -> None:
    shutil.copytree(base("bert", "mean"), tmp_path / "model")
    assert tailor("index", "build", "docs", "--out", "i", "--encoder", "./model").code == 0
    (tmp_path / "model").rename(tmp_path / "moved")
    (docs / "c.txt").write_text("A lion.")
    for words in (["build", "docs", "--out", "i"], ["add", "i", "docs"], ["remove", "i", "docs/b.txt"]):
        said = tailor("index", *words)
        assert said.code == 1
        assert "there is no model './model'" in said.err
        said = tailor("index", *words, "--encoder", "./moved", "--json")
        assert said.code == 0, said.err
    assert json.loads(said.out)["removed"] == 1


def test_with_an_encoder(tailor: Tailor, base: Base) -> None:
    model = base("bert", "mean")
    keys = ("--set", "encoder.max_length=8", "--set", "store=float16")
    said = tailor("index", "build", "docs", "--out", "i", "--encoder", model, *keys)
    assert said.code == 0, said.err
    assert "vectors: 2 computed, 0 kept" in said.out
    assert "longer than the encoder reads" in said.out
    found = json.loads(tailor("index", "search", "i", "a flight bag", "--retriever", "dense", "--json").out)
    assert len(found[0]["passages"]) == 2
    said = tailor("index", "search", "i", "a bag", "--encoder", base("roberta", "mean"))
    assert said.code == 2
    assert "another encoder" in said.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["build", "nowhere", "--encoder", "none"], 1, "there is no file nowhere"),
        (
            ["build", "docs", "--encoder", "none", "--size", "20"],
            2,
            "size: input should be greater than or equal to 50",
        ),
        (
            ["build", "docs", "--encoder", "none", "--overlap", "600"],
            2,
            "overlap: must be less than half of size (1000)",
        ),
        (["build", "docs", "--encoder", "none", "--set", "sice=1"], 2, "did you mean 'size'?"),
        (["build", "docs", "--encoder", "./nowhere"], 1, "there is no model './nowhere'"),
        (["build", "docs", "--out", "docs", "--encoder", "none"], 1, "docs exists and is no index"),
        (["search", "nowhere", "what"], 1, "tailor index build DOCUMENTS --out nowhere"),
        (
            ["search", "i", "what", "--retriever", "bm26"],
            2,
            "retriever: input should be 'auto', 'bm25', 'dense' or 'fused'",
        ),
        (["search", "i", "what", "--retriever", "dense"], 2, "found by words alone"),
        (["remove", "i", "docs/a.mt"], 2, "did you mean 'docs/a.md' or 'docs/b.txt'?"),
        (["add", "i", "empty"], 1, "a folder without a file that can be read"),
        (["add", "i", "bad"], 3, "2 documents cannot be indexed (1 unreadable, 1 empty)"),
        (
            ["build", "docs", "--out", "i", "--encoder", "none", "--size", "70"],
            2,
            "size 1000 in the index, 70 asked for",
        ),
    ],
)
def test_faults(tailor: Tailor, tmp_path: Path, words: list[str], code: int, says: str) -> None:
    tailor("index", "build", "docs", "--out", "i", "--encoder", "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.pdf").write_bytes(b"%PDF-1.7 cut off")
    (tmp_path / "bad" / "y.txt").write_bytes(b"")
    before = sorted(path.name for path in (tmp_path / "i").iterdir())
    said = tailor("index", *words)
    assert says in said.err
    assert said.code == code
    assert sorted(path.name for path in (tmp_path / "i").iterdir()) == before


def test_what_is_set_aside_is_listed(tailor: Tailor, docs: Path) -> None:
    (docs / "x.pdf").write_bytes(b"%PDF-1.7 cut off")
    (docs / "y.md").write_text(" \n")
    said = tailor("index", "build", "docs", "--encoder", "none", "--max-bad", "2")
    assert said.code == 0
    assert said.out.startswith("index: 2 documents (2 added)")
    assert "set aside, unreadable: docs/x.pdf:1: " in said.out
    assert "set aside, without text: docs/y.md:1: holds no text" in said.out


def test_help_of_the_verb_and_of_its_verbs(tailor: Tailor) -> None:
    assert "search" in tailor("index", "--help").out
    assert "--retriever" in tailor("index", "search", "--help").out
    assert tailor("index", "serch", "i").code == 2
    assert tailor("index", "search").code == 2


def test_scores_by_questions(tailor: Tailor, tmp_path: Path) -> None:
    tailor("index", "build", "docs", "--out", "i", "--encoder", "none")
    rows = [
        {"question": "when is the fee due", "document": "a.md", "span": "due  in May"},
        {"question": "where does luggage go", "document": "docs/b.txt", "span": None},
        {"question": "nothing of this is there", "document": "b.txt", "span": "plane"},
        {"question": "who", "document": "b.txt", "span": "words it does not hold"},
        {"question": "who", "document": "c.txt"},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = json.loads(tailor("index", "score", "i", "q.jsonl", "--json").out)
    assert said["questions"] == 3
    assert said["aside"] == [
        "q.jsonl:4: the document does not hold the words of the answer",
        "q.jsonl:5: the index has no document of that name, or several (c.txt)",
    ]
    scores = said["scores"]["bm25"]
    assert {name: one["value"] for name, one in scores.items()} == pytest.approx(
        {"recall@1": 2 / 3, "recall@5": 2 / 3, "recall@10": 2 / 3, "mrr@10": 2 / 3, "ndcg@10": 2 / 3}
    )
    assert 0 < scores["recall@5"]["low"] < 2 / 3 < scores["recall@5"]["high"] < 1
    assert "recall@5 0.667" in tailor("index", "score", "i", "q.jsonl").out
    assert "is it 'question'?" in tailor("index", "score", "i", "q.jsonl", "--question", "questin").err
    assert tailor("index", "score", "i", "docs").code == 2


def test_test_rows_are_kept_out(tailor: Tailor, tmp_path: Path, docs: Path) -> None:
    (tmp_path / "test.csv").write_text('body,label\n"Luggage goes into the plane, 東京駅!",x\n', encoding="utf-8")
    said = tailor(
        "index", "build", "docs", "--out", "i", "--encoder", "none", "--held-out", "test.csv", "--held-out-text", "body"
    )
    assert said.code == 3
    assert "1 document is among the test rows" in said.err
    assert "docs/b.txt" in said.err
    assert not list((tmp_path / "i").glob("version*"))
    text = (docs / "b.txt").read_text(encoding="utf-8")
    (docs / "b.txt").unlink()
    options = ("--encoder", "none", "--held-out", "test.csv", "--held-out-text", "body")
    assert tailor("index", "build", "docs", "--out", "i", *options).code == 0
    (docs / "b.txt").write_text(text, encoding="utf-8")
    assert tailor("index", "add", "i", "docs").code == 3
