"""Files as people really have them, broken in every way that has been met; run it with a folder to look at them.

python tests/data/hostile.py /tmp/hostile
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from made import W, docx, odt, paragraph, pdf, zipped

LONG = 30_000_000
DEEP = '{"a":' * 5000 + "1" + "}" * 5000
THREE = '{"text": "one", "label": "a"}\n%s\n{"text": "three", "label": "b"}\n'
ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha"}">' for i in range(30))


@dataclass(frozen=True)
class Hostile:
    """One file. fault: what is said about it ('' when it is read). line: where. bad: whether the rest can be kept.

    rows: how many rows are read (with one bad row allowed, where the fault is of one row).
    first: what the first row must hold, of what is looked at. encoding: what the user would type after the message.
    """

    name: str
    content: bytes
    fault: str = ""
    line: int = 0
    bad: bool = False
    rows: int = 0
    first: dict[str, Any] = field(default_factory=dict)


def files() -> Iterator[Hostile]:
    """All of them, one after another (some are large)."""
    yield from _encodings()
    yield from _lines()
    yield from _json()
    yield from _tables()
    yield from _documents()


def _encodings() -> Iterator[Hostile]:
    csv = "text,label\nCafé,a\nzwei,b\n"
    first = {"text": "Café", "label": "a"}
    yield Hostile("bom.csv", csv.encode("utf-8-sig"), rows=2, first=first)
    yield Hostile("bom.jsonl", b'\xef\xbb\xbf{"text": "one"}\n', rows=1, first={"text": "one"})
    yield Hostile("bom.txt", "\ufeffOne.\n\nTwo.\n".encode(), rows=1, first={"text": "One.\n\nTwo.\n"})
    yield Hostile("utf16.csv", csv.encode("utf-16"), rows=2, first=first)
    yield Hostile("utf16-no-bom.csv", csv.encode("utf-16-le"), "looks like UTF-16", 1)
    yield Hostile("latin1.csv", csv.encode("latin-1"), "--encoding cp1252", 2)
    yield Hostile("latin1.md", "# Café\n\nÉté.\n".encode("latin-1"), "--encoding cp1252", 1)
    page = '<html><head><meta charset="iso-8859-1"><title>Café</title></head><body><p>Été.</p></body></html>'
    yield Hostile("latin1.html", page.encode("latin-1"), rows=1, first={"text": "Été.", "title": "Café"})
    yield Hostile("surrogate-bytes.jsonl", THREE.encode() % b'{"text": "\xed\xa0\x80"}', "is not UTF-8", 2)
    yield Hostile("surrogate.jsonl", (THREE % '{"text": "\\ud800"}').encode(), "half a character", 2, True, 2)
    yield Hostile("nul.jsonl", (THREE % '{"text": "a\0b"}').encode(), "a NUL byte", 2, True, 2)
    yield Hostile("nul.csv", b"text,label\none,a\ntw\0o,b\nthree,a\n", "a NUL byte", 3, True, 2)
    yield Hostile("nul.md", b"# One\n\nsome text, \0 and more text\n", "a NUL byte", 3)
    yield Hostile("nul.conll", b"one O\ntwo O\n\nth\0ree O\n\nfour O\n", "a NUL byte", 4, True, 2)


def _lines() -> Iterator[Hostile]:
    parted = "a\u2028b\u2029c\x85d\x0be"
    yield Hostile(
        "u2028.jsonl", json.dumps({"text": parted}, ensure_ascii=False).encode(), rows=1, first={"text": parted}
    )
    yield Hostile("u2028.csv", f"text,label\n{parted},x\n".encode(), rows=1, first={"text": parted})
    yield Hostile("u2028.lines", f"{parted}\nnext\n".encode(), rows=2, first={"text": parted})
    yield Hostile("crlf.csv", b"text,label\r\none,a\r\ntwo,b\r\n", rows=2, first={"text": "one", "label": "a"})
    yield Hostile("crlf.conll", b"one O\r\ntwo B-X\r\n\r\nthree O\r\n", rows=2, first={"tags": ["O", "B-X"]})
    yield Hostile("blank-lines.jsonl", b'\n\n{"text": "one"}\n  \n\n{"text": "two"}\n\n', rows=2, first={"text": "one"})
    yield Hostile("only-blank-lines.csv", b"\n \n\n", "blank lines only")
    for kind in ("csv", "jsonl", "json", "txt", "md", "html", "pdf", "docx", "odt", "parquet", "arrow", "conll"):
        yield Hostile(f"empty.{kind}", b"", "is empty")
    yield Hostile("cut.jsonl", b'{"text": "one"}\n{"text": "tw', "the file may be cut", 2, True, 1)
    yield Hostile("cut.json", b'[{"text": "one"},\n{"text": "tw', "the file may be cut", 2)
    yield Hostile("cut.csv", b'text,label\none,a\n"two,b\nthree,a\n', "a quote opens in this record", 3)
    yield Hostile("cut.csv.gz", gzip.compress(b"text,label\n" + bytes(range(48, 91)) * 9)[:-9], "cut or damaged")
    packed = gzip.compress(b"text,label\none,a\n", mtime=0)
    yield Hostile("garbage.csv.gz", packed + b"no gzip", "cut or damaged")
    yield Hostile("two-members.csv.gz", packed + gzip.compress(b"two,b\n", mtime=0), rows=2, first={"text": "one"})
    yield Hostile("packed-twice.csv.gz", gzip.compress(packed, mtime=0), "is not UTF-8", 1)
    yield Hostile("broken-2-of-3.jsonl", (THREE % "{'text': 1}").encode(), "not valid JSON", 2, True, 2)
    yield Hostile("broken-2-of-3.csv", b'text,label\none,a\n"two"x,b\nthree,a\n', "after the closing quote", 3, True, 2)
    long = b"x" * LONG
    yield Hostile("long.jsonl", THREE.encode() % (b'{"text": "' + long + b'"}'), "30.0 MB long", 2, True, 2)
    yield Hostile("long.csv", b"text,label\none,a\n" + long + b",b\nthree,a\n", "30.0 MB long", 3, True, 2)
    yield Hostile("long.lines", b"one\n" + long + b"\nthree\n", "30.0 MB long", 2, True, 2)
    yield Hostile("long.conll", b"one O\n\n" + long + b" O\n\nthree O\n", "30.0 MB long", 3, True, 2)
    yield Hostile("long.txt", long, rows=1, first={"title": "long"})
    yield Hostile("long.html", b"<p>" + long[: LONG // 6], rows=1, first={"title": "long"})


def _json() -> Iterator[Hostile]:
    yield Hostile("deep.jsonl", (THREE % DEEP).encode(), "nested more than 100 deep", 2, True, 2)
    yield Hostile("deep.json", f"[{DEEP}]".encode(), "nested more than 100 deep", 1)
    yield Hostile("twice.jsonl", (THREE % '{"text": "a", "text": "b"}').encode(), "stands twice", 2, True, 2)
    yield Hostile("nan.jsonl", (THREE % '{"text": NaN}').encode(), "NaN is not JSON", 2, True, 2)
    yield Hostile("mixed.jsonl", (THREE % '{"text": 7, "label": ["a"]}').encode(), rows=3, first={"text": "one"})
    nulls = '{"text": null}\n' * 200_000 + '{"text": "at last"}\n'
    yield Hostile("nulls.jsonl", nulls.encode(), rows=200_001, first={"text": None})
    keys = "".join(f'{{"text": "a", "k{i}": 1}}\n' for i in range(12_000))
    yield Hostile("keys.jsonl", keys.encode(), "different columns", 10_010)
    yield Hostile("array.jsonl", b'[{"text": "one"},\n{"text": "two"}]', "--format json", 1)
    yield Hostile("two-lists.json", b'{"train": [{"a": 1}], "test": [{"a": 1}]}', "several lists")
    squad = {"data": [{"title": "t", "paragraphs": [{"context": "ab", "qas": [_asked("a", 0), _asked("b", 0)]}]}]}
    yield Hostile("offsets.json", json.dumps(squad).encode(), "does not stand at 0", 1, True, 1, {"context": "ab"})


def _asked(text: str, start: int) -> dict[str, Any]:
    return {"question": f"{text}?", "answers": [{"text": text, "answer_start": start}]}


def _tables() -> Iterator[Hostile]:
    first = {"text": "one, and more", "label": "a"}
    yield Hostile("semicolon.csv", b"text;label\none, and more;a\ntwo;b\n", rows=2, first=first)
    yield Hostile("surplus.csv", b"text,label\none,a\ntwo, too,b\nthree,a\n", "3 fields", 3, True, 2)
    yield Hostile("newlines.csv", b'text,label\n"one\r\n\ntwo",a\nthree,b\n', rows=2, first={"text": "one\r\n\ntwo"})
    first = {"text": "NA", "code": "007", "day": "2024-01-02"}
    yield Hostile("as-written.csv", b"text,code,day\nNA,007,2024-01-02\nnull,1e5,NaN\n", rows=2, first=first)
    yield Hostile("twice.csv", b"text,text\none,a\n", "2 times", 1)
    yield Hostile("page.csv", b"<!DOCTYPE html>\n<html><body>404</body></html>", "a web page")
    yield Hostile("workbook.csv", zipped({"xl/workbook.xml": "<x/>"}), "an Excel workbook")
    yield Hostile("noise.parquet", b"PAR1" + bytes(range(256)) + b"PAR1", "no Parquet file")
    yield Hostile("noise.arrow", b"ARROW1\0\0" + bytes(range(256)), "no Arrow file")
    yield Hostile("noise.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(range(256)), "cut or damaged")
    yield Hostile("columns.conll", b"one O\ntwo\n\nthree O\n", "1 column, where the file has 2", 1, True, 1)


def _documents() -> Iterator[Hostile]:
    bomb = paragraph("ha" * 10_000_000)
    yield Hostile("bomb.docx", docx(bomb), "swells too far")
    yield Hostile("bomb.odt", odt(f"<text:p>{'ha' * 10_000_000}</text:p>"), "swells too far")
    yield Hostile("bomb.csv.gz", gzip.compress(b"text\n" + (b"x" * 1_000_000 + b"\n") * 70, 1), "swells too far")
    entities = f'<?xml version="1.0"?><!DOCTYPE x [{ENTITIES}]><w:document xmlns:w="{W}"><w:body>{paragraph("&e29;")}</w:body></w:document>'
    yield Hostile("entities.docx", docx("", more={"word/document.xml": entities}), "declares a DOCTYPE")
    outside = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    yield Hostile("entities.odt", odt("", more={"content.xml": outside}), "declares a DOCTYPE")
    page = f"<!DOCTYPE html [{ENTITIES}]><p>&e29; text</p>"
    yield Hostile("entities.html", page.encode(), rows=1)
    yield Hostile("deep.docx", docx("<w:sdt>" * 200_000), "nested more than 1000 deep")
    yield Hostile("deep.html", b"<div>" * 50_000 + b"text", rows=1, first={"text": "text"})
    yield Hostile("open-comments.html", b"<p>text</p>" + b"<!-- >" * 100_000, rows=1)
    cells = b"<table><tr>" + b"<td>x</td>" * 20_000 + b"</tr></table>"
    yield Hostile("cells.html", cells, rows=1, first={"title": "cells"})
    yield Hostile("open-tags.html", b"<p>text</p>" + b"<a <a" * 100_000, rows=1)
    yield Hostile("marked.html", b"<p>text</p><![if !x]><![CDATA[more]]><![endif]>", rows=1)
    yield Hostile("cut.docx", docx(paragraph("text"))[:-30], "no DOCX document")
    yield Hostile("cut-xml.docx", docx("<w:p>", more={"word/document.xml": "<w:document"}), "no DOCX document")
    yield Hostile("no-main.docx", zipped({"xl/workbook.xml": "<x/>"}), "no word/document.xml in it")
    yield Hostile("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an old Office file")
    yield Hostile("no-text.docx", docx(paragraph(" ")), "holds no text")
    yield Hostile("entries.odt", zipped({f"x{i}": "" for i in range(20_001)}), "20,001 files in it")
    yield Hostile("no-text.pdf", pdf(["", ""]), "run OCR")
    yield Hostile("cut.pdf", pdf(["One page of text"])[:120], "damaged PDF")
    yield Hostile("noise.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 9, "damaged PDF")
    yield Hostile("scripts.html", b"<html><body><script>app()</script></body></html>", "holds no text")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for one in files():
        (target / one.name).write_bytes(one.content)
        print(f"{one.name}: {one.fault or 'is read'}")
