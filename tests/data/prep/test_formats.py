"""Every format and every shape goes through a whole preparation, and comes out with its texts, offsets and structure."""

import gzip
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from made import docx, odt, pdf
from prep_rows import read

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.data.prep import PrepSettings, prepare

SAID = "The quiet river rises. Write to ann@firm.org about it."
KEPT = "The quiet river rises. Write to <EMAIL> about it."
TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "function": {"name": "find", "arguments": "{}"}}],
}


def lines(*rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


SHAPES = {
    "classify": [{"text": SAID, "label": "a"}, {"text": "Another one.", "label": "b"}] * 2,
    "many_labels": [{"text": SAID, "labels": ["a", "b"]}, {"text": "Another one.", "labels": ["b"]}],
    "pair": [{"sentence1": SAID, "sentence2": "Another one.", "label": "same"}] * 3,
    "tags": [{"tokens": ["Ask", "ann@firm.org", "now"], "tags": ["O", "B-X", "O"]}] * 2,
    "spans": [{"text": SAID, "spans": [{"start": 4, "end": 9, "label": "ADJ"}]}] * 2,
    "extract": [
        {"question": "What rises?", "context": SAID, "answers": {"text": ["river"], "answer_start": [10]}},
    ],
    "completion": [{"prompt": "Say it.", "completion": SAID}],
    "alpaca": [{"instruction": "Say it.", "input": "", "output": SAID}],
    "sharegpt": [{"conversations": [{"from": "human", "value": "Say it."}, {"from": "gpt", "value": SAID}]}],
    "messages": [{"messages": [{"role": "user", "content": SAID}, CALL], "tools": TOOLS}],
    "preference": [{"prompt": "Say it.", "chosen": SAID, "rejected": "No."}],
    "documents": [{"text": SAID}],
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape(tmp_path, shape):
    (tmp_path / "a.jsonl").write_bytes(lines(*SHAPES[shape]))
    steps = ["repair", {"part": "filter", "learn": "no"}, "redact"]
    manifest = prepare(validate({"rows": str(tmp_path / "a.jsonl"), "steps": steps}, PrepSettings), tmp_path / "o")
    assert manifest["shape"] == shape
    rows = read(tmp_path / "o/rows.jsonl")
    assert len(rows) == len(SHAPES[shape])
    text = json.dumps(rows)
    assert "ann@firm.org" not in text
    assert "<EMAIL>" in text
    if shape == "spans":
        assert rows[0]["text"][rows[0]["spans"][0]["start"] : rows[0]["spans"][0]["end"]] == "quiet"
    if shape == "messages":
        assert rows[0]["messages"][1] == CALL
        assert rows[0]["tools"] == TOOLS
        assert rows[0]["messages"][0]["content"] == KEPT


def test_every_shape_is_here():
    from tailorlm.data.shapes import TABLE

    assert set(SHAPES) == set(TABLE)


FORMATS = {
    "a.csv": f'text,label\n"{SAID}",a\nAnother one.,b\n{SAID},a\nAnother.,b\n'.encode(),
    "a.tsv": f"text\tlabel\n{SAID}\ta\nAnother one.\tb\nMore.\ta\nAnother.\tb\n".encode(),
    "a.jsonl": lines({"text": SAID}),
    "a.jsonl.gz": gzip.compress(lines({"text": SAID})),
    "a.json": json.dumps([{"text": SAID}]).encode(),
    "a.txt": f"{SAID}\n\nIt rose again in the night, and then it fell.\nNobody saw it.\n".encode(),
    "a.md": f"# Rivers\n\n{SAID}\n".encode(),
    "a.html": f"<html><head><title>T</title></head><body><p>{SAID}</p><script>x()</script></body></html>".encode(),
    "a.docx": docx(f"<w:p><w:r><w:t>{SAID}</w:t></w:r></w:p>"),
    "a.odt": odt(f"<text:p>{SAID}</text:p>"),
    "a.conll": b"Ask O\nann@firm.org B-X\nnow O\n\nThe O\nriver O\n",
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format(tmp_path, name):
    (tmp_path / name).write_bytes(FORMATS[name])
    prepare(validate({"rows": str(tmp_path / name), "steps": ["repair", "redact"]}, PrepSettings), tmp_path / "o")
    text = (tmp_path / "o/rows.jsonl").read_text()
    assert "<EMAIL>" in text
    assert "ann@firm.org" not in text
    assert "x()" not in text
    if not name.endswith("conll"):
        assert KEPT in text


def test_a_pdf(tmp_path):
    pytest.importorskip("pypdf")
    (tmp_path / "a.pdf").write_bytes(pdf(["The quiet river rises."]))
    prepare(validate({"rows": str(tmp_path / "a.pdf"), "steps": ["repair"]}, PrepSettings), tmp_path / "o")
    assert "The quiet river rises." in (tmp_path / "o/rows.jsonl").read_text()


def test_what_no_reader_knows_says_what_is_known(tmp_path):
    (tmp_path / "a.epub").write_bytes(docx(""))
    with pytest.raises(TailorError) as fault:
        prepare(validate({"rows": str(tmp_path / "a.epub")}, PrepSettings), tmp_path / "o")
    assert "a.epub" in str(fault.value)
