"""Valid files damaged at random: rows or an error of ours, whatever the damage."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made import docx, odt, paragraph, pdf

from tailorlm.core.errors import TailorError
from tailorlm.data import read

Put = Callable[[str, str | bytes], str]
PIECES = (b"<", b">", b"&", b"\0", b"\n", b"\t", b'"', b"{", b"<![", b"<!--", b"\xff", b"<tr>", b"</td>", b"#", b"- ")
TIMES = 40


def whole() -> Iterator[tuple[str, bytes]]:
    question = {"question": "q", "id": "1", "answers": [{"text": "b", "answer_start": 1}]}
    data = {"data": [{"title": "t", "paragraphs": [{"context": "abc", "qas": [question]}]}]}
    yield "x.json", json.dumps(data).encode()
    yield "x.conll", b"# x\na B-X\nb O\n\n-DOCSTART- O\n\nc O\n"
    yield "x.conllu", b"1\ta\tb\tc\t_\t_\t0\tr\t_\t_\n1.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n"
    yield "x.md", b"---\ntitle: x\n---\n# a\n\nb\n===\n"
    yield "x.txt", b"para one.\n\npara two\n"
    yield "x.html", b"<title>t</title><table><tr><td>1<h1>x</h1></table><ul><li>a<pre>x</pre><!-- c --><![CDATA[x]]>"
    yield "x.docx", docx(paragraph("hello world") * 5, title="t", styles='<w:style w:styleId="a"/>')
    yield "x.odt", odt("<text:h>t</text:h><text:p>hello<text:s text:c='3'/></text:p>", title="q")


def damaged(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at, kind = chance.randrange(len(data) + 1), chance.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + chance.randint(1, 9)]
        elif kind == 2:
            data[at:at] = chance.choice(PIECES)
        else:
            start = chance.randrange(len(data) + 1)
            data[at:at] = data[start : start + chance.randint(1, 40)]
    return bytes(data)


def outcomes(put: Put, name: str, content: bytes) -> int:
    """How many of the damaged files were refused; anything but rows and our own error goes through."""
    chance = random.Random(name)
    told = []
    assert len(read(put(name, content))) > 0
    for _ in range(TIMES):
        put(name, damaged(content, chance))
        try:
            rows = read(name, max_bad=5)
            assert len(rows.fingerprint()) == 64
        except TailorError as exc:
            told.append(str(exc))
    assert all(name in message for message in told)
    return len(told)


@pytest.mark.parametrize(("name", "content"), list(whole()), ids=[name for name, _ in whole()])
def test_damaged_text_and_documents(put: Put, name: str, content: bytes) -> None:
    assert 0 < outcomes(put, name, content) <= TIMES


def test_damaged_pdf(put: Put) -> None:
    pytest.importorskip("pypdf")
    assert 0 < outcomes(put, "x.pdf", pdf(["hello", "world"], title="t")) < TIMES


def test_damaged_parquet_and_arrow(put: Put) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import ipc, parquet

    table = pa.Table.from_pylist([{"text": f"row {i}", "label": i % 3, "tags": ["a", "b"]} for i in range(50)])
    out = io.BytesIO()
    parquet.write_table(table, out)
    assert 0 < outcomes(put, "x.parquet", out.getvalue()) <= TIMES
    for name, opened in (("x.arrow", ipc.new_file), ("s.arrow", ipc.new_stream)):
        out = io.BytesIO()
        with opened(out, table.schema) as file:
            file.write_table(table)
        assert 0 < outcomes(put, name, out.getvalue()) <= TIMES
    packed = pa.compress(b"a,b\n1,2\n" * 50, codec="zstd", asbytes=True)
    assert 0 < outcomes(put, "x.csv.zst", packed) <= TIMES
    assert Path("x.csv.zst").exists()
