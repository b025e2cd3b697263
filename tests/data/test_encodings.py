"""No encoding is guessed: what is not UTF-8 or marked is refused with its place and the way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data import read

Put = Callable[[str, str | bytes], str]
CSV = "text,label\nplain,a\ncafé €,b\n"


def fault(name: str, **options: str) -> str:
    with pytest.raises(TailorError) as caught:
        read(name, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "x.csv: UTF-16 (byte-order mark)"),
        ("utf-32", "x.csv: UTF-32 (byte-order mark)"),
    ],
)
def test_marked_encodings_are_read_and_noted(put: Put, encoding: str, note: str | None) -> None:
    rows = read(put("x.csv", CSV.encode(encoding)))
    assert rows.columns == ("text", "label")
    assert rows.column("text") == ["plain", "café €"]
    assert rows.notes == ((note,) if note else ())


def test_big_endian_mark(put: Put) -> None:
    assert read(put("x.csv", b"\xfe\xff" + CSV.encode("utf-16-be"))).column("text")[1] == "café €"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json"])
def test_latin_bytes_are_refused_with_place_and_reading(put: Put, suffix: str) -> None:
    text = {"csv": CSV, "jsonl": '{"a": 1}\n\n{"a": "café €"}\n', "json": '[{"a": 1},\n\n{"a": "café €"}]'}[suffix]
    data = text.encode("cp1252")
    message = fault(put(f"x.{suffix}", data))
    assert message.startswith(f"x.{suffix}:3: byte 0xE9 (byte {data.index(0xE9) + 1} of the text) is not UTF-8")
    assert "--encoding cp1252" in message
    assert "cp1252 ('é')" in message
    assert "cp1251 ('й')" in message
    assert "latin-1" not in message  # 0x80 (the euro sign) is no character there
    assert "utf-8 (" not in message


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("cp1251", "привет", "cp1251 ('привет')"),
        ("shift_jis", "日本語", "shift_jis ('日"),
        ("gb18030", "你好", "gb18030"),
    ],
)
def test_other_encodings_are_offered(put: Put, encoding: str, text: str, shown: str) -> None:
    put("x.csv", f"text,label\n{text},a\n".encode(encoding))
    assert shown in fault("x.csv")
    rows = read("x.csv", encoding=encoding)
    assert rows.column("text") == [text]
    assert rows.notes == (f"x.csv: {encoding} (as told by --encoding)",)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unmarked_wide_text_is_refused(put: Put, encoding: str) -> None:
    message = fault(put("x.csv", CSV.encode(encoding)))
    assert message.startswith("x.csv:1: byte 0x00")
    assert f"--encoding {encoding}" in message
    assert read("x.csv", encoding=encoding).column("text") == ["plain", "café €"]


def test_told_encoding_that_cannot_read_the_file(put: Put) -> None:
    put("x.csv", b"text,label\r\nplain,a\r\nbad \x81,b\r\n")
    message = fault("x.csv", encoding="cp1252")
    assert message.startswith("x.csv:3: byte 0x81 (byte 26 of the text) is not cp1252")
    put("y.csv", CSV.encode("utf-16-le")[:-1])
    assert fault("y.csv", encoding="utf-16-le").startswith("y.csv:3: the file ends inside a character")


def test_line_of_a_late_fault_over_many_chunks(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.data.source.CHUNK_BYTES", 7)
    put("x.csv", b"text,label\r\n" + b"plain,a\r\n" * 50 + b"\x81,b\r\n")
    assert fault("x.csv", encoding="cp1252").startswith("x.csv:52: byte 0x81")
    assert fault("x.csv").startswith("x.csv:52: byte 0x81")


def test_file_cut_inside_a_character(put: Put) -> None:
    for name, text in (("x.csv", "a,b\n1,é"), ("x.json", '[{"a": "é')):
        message = fault(put(name, text.encode()[:-1]))
        assert "0xC3" in message
        assert "cut" in message


def test_mark_against_told_encoding(put: Put) -> None:
    put("x.csv", CSV.encode("utf-8-sig"))
    message = fault("x.csv", encoding="cp1252")
    assert "byte-order mark of UTF-8" in message
    assert "--encoding" in message
    assert read("x.csv", encoding="utf-8").columns == ("text", "label")
    assert read(put("y.csv", CSV.encode("utf-16")), encoding="utf-16").columns == ("text", "label")


def test_told_encoding_over_utf8_bytes_is_doubted_in_the_notes(put: Put) -> None:
    rows = read(put("x.csv", CSV.encode("utf-8")), encoding="cp1252")
    assert "valid UTF-8" in rows.notes[0]
    assert "valid UTF-8" not in read(put("y.csv", CSV.encode("cp1252")), encoding="cp1252").notes[0]


@pytest.mark.parametrize("encoding", ["cp12522", "base64", "rot13", "", "\0"])
def test_unknown_encoding(put: Put, encoding: str) -> None:
    with pytest.raises(UsageError, match="no text encoding"):
        read(put("x.csv", CSV), encoding=encoding)


def test_surrogates_in_utf8_are_refused(put: Put) -> None:
    assert fault(put("x.jsonl", b'{"a": "\xed\xa0\x80"}\n')).startswith("x.jsonl:1: byte 0xED")
