"""Hostile inputs: each must give file and line, the reason and a way out, and never a traceback of Python's own."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import read

Put = Callable[[str, str | bytes], str]
DEEP = '{"a":' * 5000 + "1" + "}" * 5000


def fault(name: str, **options: object) -> str:
    with pytest.raises(TailorError) as caught:
        read(name, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"b": {"a": 1, "a": 1}}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": ' + "1" * 5000 + "}", "a number of 5000 digits"),
        (DEEP, "nested more than 100 deep"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nested more than 100 deep"),
        ('{"a": "x\\ud800y"}', "lone surrogate \\ud800"),
        ('{"\\udfff": "x"}', "lone surrogate \\udfff"),
        ('{"a": "\0"}', "a NUL byte at column 8"),
        ('{"a": "tab\there"}', "invalid control character"),
        ("[1, 2]", "an array, where one object a line is expected"),
        ('"text"', "a string, where one object a line is expected"),
        ("null", "null, where one object a line is expected"),
        ("3.5", "a number, where one object a line is expected"),
        ("{}", "an object without any key"),
        ('{"a": 1} {"a": 2}', "more text after the value, at column 10"),
        ("{'a': 1}", "expecting property name"),
        ("text", "not valid JSON: expecting value at column 1"),
    ],
)
def test_bad_jsonl_lines(put: Put, line: str, reason: str) -> None:
    put("x.jsonl", f'{{"a": 0}}\n{line}\n{{"a": 3}}\n')
    message = fault("x.jsonl")
    assert message.startswith("x.jsonl: 1 bad row\n  x.jsonl:2: ")
    assert reason in message
    assert "--max-bad 1" in message
    rows = read("x.jsonl", max_bad=1)
    assert [row.line for row in rows] == [1, 3]
    assert [(bad.line, bad.raw) for bad in rows.bad] == [(2, line)]
    assert rows.notes == ("1 bad row set aside (--max-bad 1)",)


def test_a_key_a_million_times_takes_no_time(put: Put) -> None:
    put("x.jsonl", "{" + '"a":1,' * 1_000_000 + '"a":1}\n')
    assert "the key 'a' stands twice" in fault("x.jsonl")


def test_nesting_within_the_limit_is_read(put: Put) -> None:
    line = '{"a": ' + "[" * 99 + "]" * 99 + "}"
    rows = read(put("x.jsonl", line + "\n"))
    assert len(rows.fingerprint()) == 64


def test_escaped_pairs_are_characters(put: Put) -> None:
    assert read(put("x.jsonl", '{"a": "\\ud83d\\ude00 \\u0000"}\n')).column("a") == ["😀 \0"]


def test_cut_last_line(put: Put) -> None:
    message = fault(put("x.jsonl", '{"a": 1}\n{"a": "hal'))
    assert "x.jsonl:2: not valid JSON" in message
    assert "cut" in message
    assert read(put("y.jsonl", '{"a": 1}\n{"a": 2}')).column("a") == [1, 2]


@pytest.mark.parametrize("content", ['[{"a": 1}]', '\n [\n{"a": 1}]', '{\n "a": 1\n}'])
def test_json_in_a_jsonl_file(put: Put, content: str) -> None:
    message = fault(put("x.jsonl", content))
    assert message.startswith("x.jsonl:")
    assert "JSON" in message
    assert "--format json" in message


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ('[{"a": 1},\n{"a": 2', "x.json:2", "expecting ',' delimiter"),
        ('[{"a": 1}\n', "x.json:2", "the array is cut off"),
        ('[{"a": 1}\n{"a": 2}]', "x.json:2", "a comma or ] is missing"),
        ('[{"a": 1},\n]', "x.json:2", "a comma before the closing ]"),
        ('[{"a": 1}]\nx', "x.json:2", "more text after the end"),
        ('{"a": 1}\n{"a": 2}', "x.json:2", "--format jsonl"),
        ('{"data": [{"a": 1}],\n"data": []}', "x.json:2", "the key 'data' stands twice"),
        ('{"data": [{"a": 1}]', "x.json:1", "the object is cut off"),
        ("{1: 2}", "x.json:1", "a key in quotes"),
        ('[{"a": "\r\n\0"}]', "x.json:2", "NUL"),
        (f"[\n{DEEP}]", "x.json", "nested more than 100 deep"),
        ('"text"', "x.json:1", "no array of objects"),
        ('{"train": [{"a": 1}], "test": [{"a": 1}]}', "x.json", "several lists (train, test)"),
        ('{"text": "a", "label": "b"}', "x.json", "without a list"),
        ("[]", "x.json", "holds no rows"),
        ('{"data": [], "other": [{"a": 1}]}', "x.json", "holds no rows"),
    ],
)
def test_broken_json_files(put: Put, content: str, where: str, what: str) -> None:
    message = fault(put("x.json", content))
    assert where in message.split("\n")[0]
    assert what in message


def test_bad_objects_inside_a_json_array(put: Put) -> None:
    rows = read(put("x.json", '[{"a": 1},\n{"a": NaN}, 3,\n{"a": 1, "a": 2}, {}, {"a": 4}]'), max_bad=4)
    assert rows.column("a") == [1, 4]
    assert [(bad.line, bad.raw) for bad in rows.bad] == [
        (2, '{"a": NaN}'),
        (2, "3"),
        (3, '{"a": 1, "a": 2}'),
        (3, "{}"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("a,b\n1,2\n1,2,3\n", 3, "3 fields, but the header has 2"),
        ("a,b\n1,2\nonly\n", 3, "1 field, but the header has 2"),
        ('a,b\n1,2\n"x"y,2\n', 3, "text after the closing quote of field 1 (column 4)"),
        ('a,b\n1,2\n"say \\"hi\\"",2\n', 3, "text after the closing quote of field 1 (column 8); a quote inside"),
        ('a,b\n1,2\n"x,2\n', 3, "the quote that opens field 1 is never closed"),
        ("a,b\n1,2\n1,\0\n", 3, "a NUL byte at column 3"),
        ('a,b\n1,2\n"1\n2"\n', 3, "1 field, but the header has 2"),
    ],
)
def test_bad_csv_rows(put: Put, content: str, line: int, reason: str) -> None:
    put("x.csv", content)
    message = fault("x.csv")
    assert f"x.csv:{line}: {reason}" in message
    assert "--max-bad 1" in message
    rows = read("x.csv", max_bad=1)
    assert len(rows) == 1
    assert rows.bad[0].raw == content.split("\n", line - 1)[-1].rstrip("\n")


@pytest.mark.parametrize(
    ("content", "upto"),
    [
        ('a,b\n"open,1\nx,2\ny,3\n', "line 4: the quote that opens field 1 is never closed"),
        ('a,b\n"open,1\nx,2\n"y",3\n', "line 4: text after the closing quote"),
        ('a,b\n"open,1\nx\0,2\n', "line 3: a NUL byte"),
        ('a,b\n"open\0,1\nx",2\n', ": a NUL byte at column 6, with an open quote in it"),
    ],
)
def test_a_quote_that_swallows_rows_always_stops(put: Put, content: str, upto: str) -> None:
    message = fault(put("x.csv", content), max_bad=1000)
    assert message.startswith("x.csv:2: a quote opens")
    assert upto in message
    assert "close the quote of line 2" in message


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("a,a", "x.csv:1: the header has the column 'a' 2 times"),
        (",a", "x.csv:1: column 1 of the header has no name"),
        ("a, ", "x.csv:1: column 2 of the header has no name"),
        ('"a"b,c', "x.csv:1: the header cannot be read"),
        ("a\0,b", "x.csv:1: the header cannot be read: a NUL byte"),
        ('{"a": 1}', "pass --format jsonl"),
    ],
)
def test_header_faults_always_stop(put: Put, header: str, reason: str) -> None:
    assert reason in fault(put("x.csv", f"{header}\n1,2\n"), max_bad=1000, delimiter=",")


@pytest.mark.parametrize(
    ("name", "before", "after"), [("x.csv", "a,b\n1,", "\n2,3\n"), ("x.jsonl", '{"a":"', '"}\n{"a":"b"}\n')]
)
def test_thirty_megabytes_on_one_line(put: Put, name: str, before: str, after: str) -> None:
    put(name, before + "x" * 30_000_000 + after)
    message = fault(name)
    assert f"{name}:{1 + before.count(chr(10))}: the line is 30.0 MB long (the limit is 16.0 MB" in message
    rows = read(name, max_bad=1)
    assert len(rows) == 1
    assert len(rows.bad[0].raw) == 1000


def test_long_values_below_the_limit_are_read(put: Put) -> None:
    """Python's csv module stops at 131,072 characters in a field."""
    assert len(read(put("x.csv", "a,b\n" + "x" * 1_000_000 + ",1\n"))[0].values["a"]) == 1_000_000


def test_long_records_and_objects(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.data.source.MAX_LINE_BYTES", 50)
    assert "the record is longer than 50 bytes" in fault(put("x.csv", 'a,b\n"' + "line\n" * 20 + '",1\n'))
    assert "with an open quote" in fault(put("y.csv", 'a,b\n"' + "x" * 80 + '\n",1\n'), max_bad=9)
    rows = read(put("z.json", '[{"a": "' + "x" * 80 + '"}, {"a": "y"}]'), max_bad=1)
    assert rows.column("a") == ["y"]
    assert "the object is 89 bytes long" in rows.bad[0].reason


def test_the_first_ten_faults_and_the_count(put: Put) -> None:
    put("x.csv", "a,b\n1,2\n" + "bad\n" * 25)
    message = fault("x.csv", max_bad=24)
    assert message.count("x.csv:") == 11
    assert "... and 15 more" in message
    assert "at most 24" in message
    assert "--max-bad 25" in message
    assert "1 row could be read" in message
    with pytest.raises(CheckError) as caught:
        read("x.csv")
    assert caught.value.exit_code == 3
    assert len(read("x.csv", max_bad=25).bad) == 25


def test_no_row_left(put: Put) -> None:
    message = fault(put("x.csv", "a,b\nbad\n"), max_bad=5)
    assert "x.csv:2" in message
    assert "--max-bad" not in message
    assert "holds no rows" in fault(put("y.csv", "a,b\n"))


def test_quarantine(put: Put) -> None:
    put("x.csv", 'a,b\n1,2\n"é"x,2\n3,4,5\n')
    put("y.jsonl", '{"a": "1"}\nbad\n')
    rows = read(["x.csv", "y.jsonl"], max_bad=3, quarantine=Path("bad.jsonl"))
    assert len(rows) == 2
    lines = [json.loads(line) for line in Path("bad.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(q["source"], q["line"], q["raw"]) for q in lines] == [
        ("x.csv", 3, '"é"x,2'),
        ("x.csv", 4, "3,4,5"),
        ("y.jsonl", 2, "bad"),
    ]
    assert all(set(q) == {"source", "line", "reason", "raw"} for q in lines)
    assert '"é"x' not in repr(rows.bad)


def test_quarantine_is_written_only_when_it_is_right(put: Put) -> None:
    put("x.csv", "a,b\n1,2\nbad\n")
    assert "--max-bad" in fault("x.csv", quarantine=Path("bad.jsonl"))
    assert not Path("bad.jsonl").exists()
    with pytest.raises(UsageError, match="one of the files to read"):
        read("x.csv", max_bad=1, quarantine=Path("./x.csv"))
    read("x.csv", max_bad=1, quarantine="new/folder/bad.jsonl")
    assert Path("new/folder/bad.jsonl").read_text().count("\n") == 1
    assert "could not be written" in fault("x.csv", max_bad=1, quarantine="x.csv/bad.jsonl")
    put("old.jsonl", "of an earlier read\n")
    read(put("y.csv", "a\n1\n"), quarantine=Path("old.jsonl"))
    assert Path("old.jsonl").read_text() == ""
    read("y.csv", quarantine=Path("none.jsonl"))
    assert not Path("none.jsonl").exists()


def test_max_bad_below_zero(put: Put) -> None:
    with pytest.raises(UsageError, match="--max-bad"):
        read(put("x.csv", "a\n1\n"), max_bad=-1)


def test_file_errors(put: Put, tmp_path: Path) -> None:
    put("train.csv", "a\n1\n")
    assert "did you mean train.csv" in fault("trian.csv")
    assert "its folder no does not exist" in fault("no/x.csv")
    assert "nothing.csv is a folder without a file" in fault(os.makedirs("nothing.csv") or "nothing.csv")
    assert "empty" in fault("")
    assert "cannot be opened" in fault("a\0b")
    assert "not a regular file" in fault("/dev/null")
    os.mkfifo("pipe.csv")
    assert "not a regular file" in fault("pipe.csv")
    assert "no file train.csv/x" in fault("train.csv/x")


def test_no_permission(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("x.csv", "a\n1\n")
    if os.geteuid():
        os.chmod("x.csv", 0)
    else:  # root may read everything

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    assert "x.csv may not be read" in fault("x.csv")


def test_gzip_that_is_cut_or_damaged(put: Put) -> None:
    packed = gzip.compress("".join(f"{i},{i * 7919 % 1000}\n" for i in range(3000)).encode())
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    crc = bytearray(packed)
    crc[-6] ^= 0xFF
    for content in (packed[:-20], bytes(damaged), bytes(crc), packed[:5]):
        message = fault(put("x.csv.gz", content))
        assert "x.csv.gz cannot be unpacked" in message
        assert "gzip -t" in message


def test_gzip_bomb(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.data.source.FREE_EXPANSION_BYTES", 1_000_000)
    put("x.csv.gz", gzip.compress(b"a,b\n" + b"1" * 5_000_000))
    message = fault("x.csv.gz")
    assert "x.csv.gz swells too far" in message
    assert "gunzip" in message
    monkeypatch.setattr("tailorlm.data.source.MAX_EXPANSION", 2000)
    monkeypatch.setattr("tailorlm.data.source.MAX_EXPANDED_BYTES", 2_000_000)
    assert "at most 2.0 MB" in fault("x.csv.gz")


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"PK\x03\x04", "Excel"),
        (b"PAR1", "Parquet"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"x" * 257 + b"ustar", "tar"),
    ],
)
def test_files_that_are_no_text(put: Put, head: bytes, what: str) -> None:
    for name in ("x.csv", "x.json", "x"):
        message = fault(put(name, head + b"\n\0\1\2"))
        assert message.startswith(f"{name} is ")
        assert what in message


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200) | st.text('{}[]",:ab\\u0123dD8\n\r \0;\t', max_size=80).map(str.encode),
    st.sampled_from(["x.csv", "x.tsv", "x.json", "x.jsonl", "x"]),
)
def test_any_bytes_give_rows_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    path.write_bytes(data)
    with contextlib.suppress(TailorError):
        rows = read(path, max_bad=3)
        assert len(rows) > 0
        assert len(rows.fingerprint()) == 64
