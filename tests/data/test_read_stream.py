"""Rows one by one, from folders and patterns too."""

from __future__ import annotations

import io
import os
import tracemalloc
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import read, stream

Put = Callable[[str, str | bytes], str]


def folder(put: Put, *names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        put(name, f'{{"text": "{name}"}}\n' if name.endswith("l") else f"text of {name}\n")


def test_the_stream_gives_what_read_gives_every_time(put: Put) -> None:
    put("a.csv", "text,label\nx,1\nbad\n")
    put("b.jsonl", '{"text": "y", "score": 2}\n{"text": "z"}\n')
    rows = stream(["a.csv", "b.jsonl"], max_bad=1)
    whole = read(["a.csv", "b.jsonl"], max_bad=1)
    assert (rows.count, rows.columns, rows.notes, rows.bad_count) == (0, (), (), 0)
    for _ in range(2):
        assert tuple(rows) == whole.rows
        assert (rows.columns, rows.notes, rows.bad) == (whole.columns, whole.notes, whole.bad)
        assert (rows.count, rows.bad_count) == (3, 1)
    assert rows.inputs == ("a.csv", "b.jsonl")


def test_the_end_of_a_pass_tells_of_too_many_bad_rows(put: Put) -> None:
    put("x.csv", "a,b\n1,2\n" + "bad\n" * 25)
    rows = stream("x.csv", max_bad=3, quarantine="bad.jsonl")
    seen = iter(rows)
    assert next(seen).line == 2
    with pytest.raises(CheckError, match="25 bad rows"):
        list(seen)
    assert rows.bad_count == 25
    assert len(rows.bad) == 10
    assert not Path("bad.jsonl").exists()
    list(stream("x.csv", max_bad=25, quarantine="bad.jsonl"))
    assert Path("bad.jsonl").read_text().count("\n") == 25


def test_memory_does_not_grow_with_the_rows(put: Put) -> None:
    peaks = []
    for times in (4, 16):
        put("x.jsonl", "".join(f'{{"text": "row number {i} of many", "label": "a"}}\n' for i in range(1500)) * times)
        tracemalloc.start()
        assert sum(1 for _ in stream("x.jsonl")) == 1500 * times
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_standard_input_is_read_once(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(b"a,b\n1,2\n")))
    rows = stream("-", format="csv")
    assert len(list(rows)) == 1
    with pytest.raises(TailorError, match="once only"):
        list(rows)


def test_folders_are_walked_in_order(put: Put) -> None:
    folder(
        put, "d/b.txt", "d/a/z.md", "d/a.md", "d/.hidden.md", "d/.git/x.md", "d/pic.png", "d/Makefile", "d/a-b/c.jsonl"
    )
    rows = read("d")
    assert [row.source for row in rows] == ["d/a/z.md", "d/a-b/c.jsonl", "d/a.md", "d/b.txt"]
    assert rows.notes[0] == "d: 4 files (1 jsonl, 2 md, 1 txt); left out: 1 .png, 1 without extension, 1 hidden"
    assert [row.source for row in read("./d/")] == [
        f"./d/{name}" for name in ("a/z.md", "a-b/c.jsonl", "a.md", "b.txt")
    ]
    assert len(read(Path("d").absolute())) == 4
    assert len(read(["d/a", "d/b.txt"], format="txt")) == 2


def test_folders_and_their_faults(put: Put) -> None:
    put("x", "")
    Path("empty/.x").mkdir(parents=True)
    with pytest.raises(TailorError, match="without a file that can be read"):
        read("empty")
    folder(put, "e/a.bin")
    with pytest.raises(TailorError, match=r"1 \.bin in it"):
        read("e")
    folder(put, "d/a.md", "d/b.md")
    os.symlink(Path("d").absolute(), "d/loop")
    os.symlink("a.md", "d/link.md")
    os.symlink("nowhere", "d/broken.md")
    rows = read("d")
    assert [row.source for row in rows] == ["d/a.md", "d/b.md"]
    assert rows.notes == ("d: 3 files (3 md); left out: 1 .md", "d: 1 left out, read already")
    with pytest.raises(UsageError, match="given twice"):
        read(["d", "d/a.md"])


def test_patterns(put: Put) -> None:
    folder(put, "d/a.md", "d/b.md", "d/c.txt", "d/e/f.md", "d/.g.md")
    put("[odd].md", "text\n")
    assert [row.source for row in read("d/*.md")] == ["d/a.md", "d/b.md"]
    assert read("d/*.md").notes == ("d/*.md: 2 files (2 md)",)
    assert [row.source for row in read("d/**/*.md")] == ["d/a.md", "d/b.md", "d/e/f.md"]
    assert [row.source for row in read("d/?.txt")] == ["d/c.txt"]
    assert [row.source for row in read("[odd].md")] == ["[odd].md"]
    assert len(read("d/*")) == len(read("d/**")) == 4
    with pytest.raises(TailorError, match=r"no file matches d/\*\.csv"):
        read("d/*.csv")
    with pytest.raises(TailorError, match="there is no file d/nothing"):
        read("d/nothing")


def test_many_files_with_other_columns_get_few_notes(put: Put) -> None:
    put("a.jsonl", '{"text": "x"}\n')
    for i in range(30):
        put(f"b{i}.jsonl", f'{{"text": "x", "c{i}": 1}}\n')
    rows = read("*.jsonl")
    assert len(rows) == 31
    assert len(rows.notes) < 25
    assert rows.notes[-1] == "20 more files with other columns"


def test_a_table_that_is_broken_always_stops(put: Put) -> None:
    put("a.csv", "a,a\n1,2\n")
    put("b.csv", "a,b\n1,2\n")
    with pytest.raises(TailorError, match="2 times"):
        read("*.csv", max_bad=9)


def test_delimiter_for_documents(put: Put) -> None:
    with pytest.raises(UsageError, match="means nothing for md"):
        read(put("x.md", "# x\n"), delimiter=";")


def test_prose_is_no_table(put: Put) -> None:
    put("x.txt", "Dear reader, this is short.\nIt goes on, and ends.\n")
    with pytest.raises(TailorError, match="--format txt"):
        read("x.txt")
    Path("d").mkdir()
    put("d/x.txt", "a,b\n1,2\n")
    assert read("d").column("text") == ["a,b\n1,2\n"]


def test_folders_that_tailorlm_wrote_are_not_rows(tmp_path):
    from tailorlm.core.atomic import publish_folder
    from tailorlm.data.inputs import find_inputs

    def lay(folder, *names):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text('{"text": "some words"}\n')

    lay(tmp_path / "all", "a.jsonl")
    lay(tmp_path / "all/pictures", "x.png")
    lay(tmp_path / "all/.temp", "train.jsonl", "dropped.jsonl", "manifest.json")
    publish_folder(tmp_path / "all/.temp", tmp_path / "all/made")
    for meant in (tmp_path / "all", tmp_path / "all/*"):
        assert [file.name for file in find_inputs(meant).files] == [str(tmp_path / "all/a.jsonl")]
    assert "1 written by tailorlm" in find_inputs(tmp_path / "all").notes[0]
    with pytest.raises(TailorError, match="a folder that tailorlm wrote"):
        find_inputs(tmp_path / "all/made")
    with pytest.raises(TailorError, match="without a file that can be read"):
        find_inputs(tmp_path / "all/pictures")
    assert len(find_inputs([tmp_path / "all/made/train.jsonl"]).files) == 1


def test_keys_that_are_values_stop_before_they_fill_the_memory(tmp_path):
    lines = "".join(f'{{"text": "words", "k{i}": 1}}\n' for i in range(12_000))
    (tmp_path / "a.jsonl").write_text(lines)
    with pytest.raises(TailorError, match=r"a.jsonl:1\d,?\d+: the rows have 1\d,\d+ different columns") as fault:
        read(tmp_path / "a.jsonl")
    assert len(str(fault.value)) < 400
    (tmp_path / "b.csv").write_text(",".join(f"c{i}" for i in range(10_001)) + "\n" + "," * 10_000 + "\n")
    with pytest.raises(TailorError, match="different columns"):
        read(tmp_path / "b.csv")
