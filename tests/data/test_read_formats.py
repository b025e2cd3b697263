"""What is read is what was written: formats, round trips, sniffing, several files, standard input."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import BadRow, Rows, read
from tailorlm.data.readers import DOCUMENTS, READERS, TABLE

Put = Callable[[str, str | bytes], str]

# Everything a text file can hold but NUL; surrogates are no characters.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
TRICKY = st.sampled_from(
    [
        "007",
        "NA",
        "null",
        "1e5",
        " x ",
        "",
        "2024-01-02",
        "a\u2028b",
        "\x85",
        "\x0b\x0c\x1c",
        'q"q',
        "a,b;c\td|e",
        "l\r\nm\rn\n",
        "日本",
    ]
)
VALUES = st.lists(st.tuples(TEXT | TRICKY, TEXT | TRICKY), min_size=1, max_size=8)


def values(rows: Rows) -> list[dict[str, Any]]:
    return [row.values for row in rows]


def read_bytes(name: str, content: bytes, **options: Any) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read(path, **options)


def fault_in(content: str) -> str:
    """What is said about a CSV text, as an error or as a bad row."""
    try:
        return "; ".join(bad.reason for bad in read_bytes("x.csv", content.encode(), max_bad=100).bad)
    except TailorError as exc:
        return str(exc)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_csv_keeps_every_value(pairs: list[tuple[str, str]], delimiter: str, end: str, packed: bool) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *pairs])
    content = out.getvalue().encode("utf-8")
    rows = read_bytes("x.csv", gzip.compress(content) if packed else content)
    assert [(row.values["text"], row.values["label"]) for row in rows] == pairs
    assert rows.columns == ("text", "label")


@settings(max_examples=100, deadline=None)
@given(VALUES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_jsonl_and_json_keep_every_value(pairs: list[tuple[str, str]], encoding: str, end: str) -> None:
    objects = [{"text": text, "label": label} for text, label in pairs]
    lines = "".join(json.dumps(o, ensure_ascii=False) + end for o in objects)
    from_lines = read_bytes("x.jsonl", lines.encode(encoding))
    from_array = read_bytes("x.json", json.dumps({"data": objects}, indent=1).encode(encoding))
    assert values(from_lines) == values(from_array) == objects
    assert [row.line for row in from_lines] == list(range(1, len(pairs) + 1))
    assert from_lines.fingerprint() == from_array.fingerprint()


@settings(max_examples=300, deadline=None)
@given(st.text('ab,"\n\r', max_size=40))
def test_csv_agrees_with_the_standard_library(body: str) -> None:
    """Where Python's strict reader accepts a text we read the same; where it refuses we tell a fault."""
    content = f"h,i\n{body}\nx,y\n"
    try:
        expected = [r for r in csv.reader(io.StringIO(content, newline=""), strict=True) if r][1:]
    except csv.Error:
        assert "quote" in fault_in(content)
        return
    rows = read_bytes("x.csv", content.encode(), max_bad=100, delimiter=",")
    assert [list(row.values.values()) for row in rows] == [r for r in expected if len(r) == 2]
    assert len(rows.bad) == sum(len(r) != 2 for r in expected)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 7))
def test_line_numbers_and_values_do_not_depend_on_the_chunks(pairs: list[tuple[str, str]], chunk: int) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(("text", "label"))
    lines = []
    for pair in pairs:
        lines.append(1 + len(re.findall("\r\n|\n|\r", out.getvalue())))
        writer.writerow(pair)
    content = out.getvalue().encode("utf-16")
    whole = read_bytes("x.csv", content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tailorlm.data.source.CHUNK_BYTES", chunk)
        patched.setattr("tailorlm.data.source.HEAD_BYTES", 64)
        pieces = read_bytes("x.csv", content, delimiter=",")
    assert [row.line for row in whole] == [row.line for row in pieces] == lines
    assert values(whole) == values(pieces)


def test_strings_stay_strings(put: Put) -> None:
    rows = read(put("x.csv", "a,b\n007,NA\nnull, 1e5 \n2024-01-02,True\n"))
    assert values(rows) == [
        {"a": "007", "b": "NA"},
        {"a": "null", "b": " 1e5 "},
        {"a": "2024-01-02", "b": "True"},
    ]
    assert rows.notes == ()
    assert rows.bad == ()


def test_a_row_begins_where_its_record_begins(put: Put) -> None:
    rows = read(put("x.csv", 'a,b\r\n\r\n"l1\r\nl2\n",x\r\ny,z\r\n'))
    assert [row.where for row in rows] == ["x.csv:3", "x.csv:6"]
    assert rows[0].values["a"] == "l1\r\nl2\n"


def test_json_array_lines(put: Put) -> None:
    rows = read(put("x.json", '[\n {"a": "x"},\r\n\r\n {"a":\n "y"}, {"a": "z"}]\n'))
    assert [(row.line, row.values["a"]) for row in rows] == [(2, "x"), (4, "y"), (5, "z")]


@pytest.mark.parametrize(
    "content",
    ['{"data": [{"a": 1}], "other": [1, 2]}', '{"version": "1", "rows": [{"a": 1}]}', '{"n": {}, "data": [{"a":1}]}'],
)
def test_json_object_with_one_list(put: Put, content: str) -> None:
    assert values(read(put("x.json", content))) == [{"a": 1}]


def test_unicode_line_separators_do_not_break_lines(put: Put) -> None:
    rows = read(put("x.jsonl", '{"a": "1\u20282\u20293\x854"}\n{"a": "7"}\r{"a": "8"}'))
    assert [row.values["a"] for row in rows] == ["1\u20282\u20293\x854", "7", "8"]
    assert [row.line for row in rows] == [1, 2, 3]


def test_blank_lines_are_skipped_and_counted(put: Put) -> None:
    rows = read(put("x.jsonl", '\n{"a": 1}\n  \t\n\n{"a": 2}\n\n'))
    assert [row.line for row in rows] == [2, 5]
    rows = read(put("x.csv", "\n  \na,b\n \n1,2\n\n"))
    assert [row.line for row in rows] == [5]
    rows = read(put("x.tsv", "a\tb\n\t\n"))
    assert values(rows) == [{"a": "", "b": ""}]


def test_single_column(put: Put) -> None:
    assert values(read(put("x.csv", "text\nhello\n  \nyou too\n"))) == [
        {"text": "hello"},
        {"text": "  "},
        {"text": "you too"},
    ]


@pytest.mark.parametrize(("delimiter", "shown"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_other_delimiters_are_found_and_noted(put: Put, delimiter: str, shown: str) -> None:
    text = f"text{delimiter}label\nwell, yes{delimiter}a\nno{delimiter}b\n"
    rows = read(put("x.csv", text))
    assert rows.notes == (f"x.csv: delimiter {shown}",)
    assert rows.column("text") == ["well, yes", "no"]
    assert read(put("y.csv", text), delimiter="tab" if delimiter == "\t" else delimiter).notes == ()


def test_tsv_whose_quotes_are_characters(put: Put) -> None:
    text = 'text\tlabel\n"Great" movie\ta\n"never closed\tb\n"Nice."\ta\nsay "hi"\tb\n'
    rows = read(put("x.tsv", text))
    assert rows.column("text") == ['"Great" movie', '"never closed', '"Nice."', 'say "hi"']
    assert rows.notes == ("x.tsv: quotes are plain characters",)
    assert [row.line for row in rows] == [2, 3, 4, 5]


def test_tsv_with_quotes_around_values(put: Put) -> None:
    text = 'text\tlabel\n"a ""b"""\tx\n"tab\there"\ty\n"c"\tx\n"line\nend"\ty\n'
    rows = read(put("x.tsv", text))
    assert rows.column("text") == ['a "b"', "tab\there", "c", "line\nend"]
    assert rows.notes == ()
    # One broken row does not turn all others into text with quotes.
    rows = read(put("y.tsv", 'text\tlabel\n"a"\tx\n"b"c\ty\n"d"\tx\n'), max_bad=1)
    assert rows.column("text") == ["a", "d"]


def test_unclear_delimiter_is_an_error(put: Put) -> None:
    with pytest.raises(TailorError) as caught:
        read(put("x.csv", "a;b,c\n1;2,3\n"))
    assert "x.csv: the delimiter is not clear" in str(caught.value)
    assert "--delimiter" in str(caught.value)
    assert read("x.csv", delimiter=";").columns == ("a", "b,c")


def test_wrong_delimiter_options(put: Put) -> None:
    put("x.jsonl", '{"a": 1}\n')
    with pytest.raises(UsageError, match="nothing for JSON"):
        read("x.jsonl", delimiter=";")
    for wrong in ("", ",,", '"', "\n"):
        with pytest.raises(UsageError, match="one character"):
            read("x.jsonl", delimiter=wrong)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"a": "x"}\n{"a": "y"}\n', "jsonl"),
        ('[{"a": "x"},\n{"a": "y"}]', "json"),
        ('{\n "data": [{"a": "x"}, {"a": "y"}]}', "json"),
        ("a,b\nx,1\ny,2\n", "csv"),
        ("a;b\nx;1\ny;2\n", "csv"),
        ("a\tb\nx\t1\ny\t2\n", "tsv"),
    ],
)
def test_format_by_content_with_evidence(put: Put, content: str, kind: str) -> None:
    rows = read(put("rows.txt", content))
    assert rows.column("a") == ["x", "y"]
    assert rows.notes[0].startswith(f"rows.txt: read as {kind} (")


@pytest.mark.parametrize(
    "content",
    ["just\ntext\n", "a,b\n", "a;b|c\n1;2|3\n", '{"data": [{"a": 1}]}', "[1, 2]", '"x"', "{ not json\n", "\n\n"],
)
def test_unclear_format_asks_for_it(put: Put, content: str) -> None:
    with pytest.raises(TailorError) as caught:
        read(put("rows.txt", content))
    assert str(caught.value).startswith("rows.txt: the format is not clear")
    assert "--format" in str(caught.value)


@pytest.mark.parametrize("name", ["x.CSV", "x.csv.gz", "a.b.csv"])
def test_extension_decides(put: Put, name: str) -> None:
    assert read(put(name, "a\n1\n")).notes == ()


@pytest.mark.parametrize("name", ["x.ndjson", "x.jsonlines", "x.jsonl.gz"])
def test_other_extensions(put: Put, name: str) -> None:
    content = b'{"a": "1"}\n'
    assert values(read(put(name, gzip.compress(content) if name.endswith("gz") else content))) == [{"a": "1"}]


def test_given_format_beats_the_extension(put: Put) -> None:
    assert values(read(put("x.csv", '{"a": "1"}\n'), format="ndjson")) == [{"a": "1"}]
    with pytest.raises(UsageError, match="did you mean 'jsonl'"):
        read("x.csv", format="jsnl")


def test_gzip_by_magic_bytes_under_any_name(put: Put) -> None:
    two_members = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
    assert read(put("x.csv", two_members)).column("a") == ["1", "3"]


def test_several_files_follow_one_another(put: Put) -> None:
    put("a.csv", "text,label\nx,1\n")
    put("b.jsonl", '{"text": "y", "score": 2}\n{"text": "z"}\n')
    rows = read(["a.csv", Path("b.jsonl")])
    assert rows.columns == ("text", "label", "score")
    assert [row.where for row in rows] == ["a.csv:2", "b.jsonl:1", "b.jsonl:2"]
    assert rows.column("label") == ["1", None, None]
    assert rows.notes == (
        "b.jsonl: 1 of 2 rows have no 'score'",
        "b.jsonl: without the column label of the files before",
        "b.jsonl: with a new column score",
    )


def test_one_file_twice_and_no_file(put: Put) -> None:
    put("a.csv", "a\n1\n")
    with pytest.raises(UsageError, match=r"given twice: a\.csv and \./a\.csv"):
        read(["a.csv", "./a.csv"])
    with pytest.raises(UsageError, match="no file"):
        read([])


class _Stdin:
    def __init__(self, content: bytes):
        self.buffer = io.BytesIO(content)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(gzip.compress(b"a,b\n1,2\n3,4\n")))
    rows = read("-")
    assert [row.where for row in rows] == ["<stdin>:2", "<stdin>:3"]
    assert rows.notes == ("<stdin>: read as csv (',' splits the first lines alike)",)
    monkeypatch.setattr(sys, "stdin", _Stdin(b"a\n1\n"))
    assert read("-", format="csv").column("a") == ["1"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n1\n"))
    with pytest.raises(TailorError, match="bytes"):
        read("-")


def test_memory_stays_well_below_ten_times_the_file(put: Put) -> None:
    line = "please help me, my card was lost in the post and nobody answers,card_lost_{}\n".replace("me,", "me")
    put("x.csv", "text,label\n" + "".join(f"{i} {line.format(i % 50)}" for i in range(20_000)))
    tracemalloc.start()
    rows = read("x.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 20_000
    assert peak < 8 * Path("x.csv").stat().st_size


def test_every_reader_has_its_file_and_keeps_the_contract(put: Put) -> None:
    folder = Path(sys.modules["tailorlm.data.readers"].__file__ or "").parent
    assert sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__") == sorted(TABLE)
    one, bad = {"a": "1", "b": "2"}, {"question": "q", "context": "c", "answers": [{"text": "x", "answer_start": 0}]}
    good = {"question": "q", "context": "c", "answers": []}
    article = {"title": "t", "paragraphs": [{"context": "c", "qas": [good, bad]}]}
    tables = {
        "csv": ("a,b\n1,2\nbad\n", one),
        "tsv": ("a\tb\n1\t2\nbad\n", one),
        "jsonl": ('{"a": "1", "b": "2"}\nbad\n', one),
        "json": ('[{"a": "1", "b": "2"}, "bad"]', one),
        "lines": ("one text\nanother \0\n", {"text": "one text"}),
        "conll": ("1 2\n\nbad\n", {"tokens": ["1"], "tags": ["2"]}),
        "squad": (json.dumps({"data": [article]}), {**good, "title": "t"}),
    }
    assert len(tables) + len(DOCUMENTS) + len({"arrow", "parquet"}) == len(READERS) == 15
    for name, (content, values_of_one) in tables.items():
        rows = read(put(f"x.{name}", content), max_bad=1)
        assert values(rows) == [values_of_one]
        assert len(rows.bad) == 1
        assert isinstance(rows.bad[0], BadRow)
        with pytest.raises(TailorError, match="empty"):
            read(put(f"empty.{name}", ""))
        with pytest.raises(TailorError, match=r"blank\.\w+ holds"):
            read(put(f"blank.{name}", " \n\n"))
        with pytest.raises(CheckError, match=f"x.{name}:"):
            read(f"x.{name}")
    for name in DOCUMENTS | {"arrow", "parquet"}:
        for content in ("", " \n\n"):
            with pytest.raises(TailorError, match=rf"^x\.{name} "):
                read(put(f"x.{name}", content), format=name)
