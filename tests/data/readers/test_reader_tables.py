"""Typed and annotated rows: Parquet, Arrow, CoNLL, SQuAD, lines, and packed files."""

from __future__ import annotations

import datetime
import decimal
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.data import as_text, read
from tailorlm.data.plain import label_names

Put = Callable[[str, str | bytes], str]
ROWS = [
    {"text": "007", "label": 1, "score": 1.5, "tags": ["a", None], "inner": {"x": "NA", "n": None}},
    {"text": "null\u2028\n é😀", "label": None, "score": None, "tags": [], "inner": None},
]


def values(name: str, **options: Any) -> list[dict[str, Any]]:
    return [row.values for row in read(name, **options)]


def test_parquet_and_arrow_give_the_same_values(put: Put) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, ipc, parquet

    put("there", "")
    table = pa.Table.from_pylist(ROWS)
    parquet.write_table(table, "x.parquet", row_group_size=1)
    feather.write_feather(table, "x.feather", compression="zstd")
    with ipc.new_file("x.arrow", table.schema) as file:
        file.write_table(table)
    with ipc.new_stream("stream.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=1)
    parquet.write_table(table, "no-extension")
    for name in ("x.parquet", "x.feather", "x.arrow", "stream.arrow", "no-extension"):
        assert values(name) == ROWS
        assert [row.line for row in read(name)] == [1, 2]
    assert read("no-extension").notes == ("no-extension: read as parquet (by its first bytes)",)
    put("x.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS))
    assert read("x.jsonl").fingerprint() == read("x.parquet").fingerprint()


def test_parquet_types(put: Put) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    put("there", "")
    table = pa.table(
        {
            "day": [datetime.date(2024, 1, 2)],
            "when": [datetime.datetime(2024, 1, 2, 3, 4)],
            "price": [decimal.Decimal("1.50")],
            "nan": [float("nan")],
            "kind": pa.array(["a"]).dictionary_encode(),
            "big": pa.array([2**63], pa.uint64()),
            "image": [b"\x89PNG"],
            "many": [[b"x"]],
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        }
    )
    parquet.write_table(table, "x.parquet")
    found = values("x.parquet")[0]
    assert as_text(found.pop("price")) == "1.50"
    assert found == {
        "day": "2024-01-02",
        "when": "2024-01-02T03:04:00",
        "nan": None,
        "kind": "a",
        "big": 2**63,
        "map": [["k", 1]],
    }
    assert read("x.parquet").notes == ("x.parquet: columns left out (no text or numbers): image, many",)


def test_parquet_from_the_hub_has_label_names(put: Put) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    put("there", "")
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pa.table({"text": list("abcd"), "label": [1, 0, -1, 7]}).replace_schema_metadata(about)
    parquet.write_table(table, "x.parquet")
    rows = read("x.parquet", max_bad=1)
    assert rows.column("label") == ["yes", "no", None]
    assert [(bad.line, bad.reason) for bad in rows.bad] == [(4, "'label' holds a label number that has no name")]
    assert rows.notes[0] == "x.parquet: label numbers turned into names: label"


def test_parquet_faults(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    put("there", "")
    parquet.write_table(pa.table({"a": [1.0, float("inf"), 2.0]}), "inf.parquet")
    rows = read("inf.parquet", max_bad=1)
    assert rows.column("a") == [1.0, 2.0]
    assert rows.bad[0].line == 2
    parquet.write_table(pa.table({"a": [b"x"]}), "bytes.parquet")
    with pytest.raises(TailorError, match="no column of text"):
        read("bytes.parquet")
    parquet.write_table(pa.table({"a": pa.array([], pa.string())}), "none.parquet")
    with pytest.raises(TailorError, match="holds no rows"):
        read("none.parquet")
    parquet.write_table(pa.table({"a": ["x" * 9000]}), "x.parquet", compression="zstd", use_dictionary=False)
    monkeypatch.setattr("tailorlm.data.source.FREE_EXPANSION_BYTES", 1000)
    monkeypatch.setattr("tailorlm.data.source.MAX_EXPANSION", 2)
    with pytest.raises(TailorError, match="swells too far"):
        read("x.parquet")


@pytest.mark.parametrize("cut", [10, 100, 300, -1, -8])
def test_parquet_and_arrow_that_are_cut(put: Put, cut: int) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import ipc, parquet

    put("there", "")
    table = pa.Table.from_pylist(ROWS)
    parquet.write_table(table, "x.parquet")
    with ipc.new_file("x.arrow", table.schema) as file:
        file.write_table(table)
    for name in ("x.parquet", "x.arrow"):
        put(name, Path(name).read_bytes()[:cut])
        with pytest.raises(TailorError, match=rf"{name} is no \w+ file"):
            read(name)


def test_zstd_like_gzip(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    packed = pa.compress(b"a,b\n1,2\n", codec="zstd", asbytes=True)
    again = pa.compress(b"3,4\n", codec="zstd", asbytes=True)
    assert values(put("x.csv.zst", packed + again)) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    with pytest.raises(TailorError, match=r"x\.csv\.zst is packed with zstd and cannot be unpacked"):
        read(put("x.csv.zst", packed[:-3]))
    monkeypatch.setattr("tailorlm.data.source.FREE_EXPANSION_BYTES", 1_000_000)
    with pytest.raises(TailorError, match="swells too far"):
        read(put("x.csv.zst", pa.compress(b"a\n" + b"1" * 5_000_000, codec="zstd", asbytes=True)))


def test_parquet_through_gzip_and_standard_input(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    import gzip
    import io
    import types

    from pyarrow import parquet

    put("there", "")
    parquet.write_table(pa.Table.from_pylist(ROWS), "x.parquet")
    content = Path("x.parquet").read_bytes()
    assert values(put("y.parquet.gz", gzip.compress(content))) == ROWS
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(content)))
    assert values("-") == ROWS


CONLL = """-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

# a comment of more words than columns
# # # O

-DOCSTART- -X- O O

Peter NNP B-NP B-PER
"""


def test_conll_by_hand(put: Put) -> None:
    rows = read(put("x.conll", CONLL))
    assert [row.values for row in rows] == [
        {
            "tokens": ["EU", "rejects"],
            "tags": ["B-ORG", "O"],
            "column_2": ["NNP", "VBZ"],
            "column_3": ["B-NP", "B-VP"],
            "document": 1,
        },
        {"tokens": ["#"], "tags": ["O"], "column_2": ["#"], "column_3": ["#"], "document": 1},
        {"tokens": ["Peter"], "tags": ["B-PER"], "column_2": ["NNP"], "column_3": ["B-NP"], "document": 2},
    ]
    assert [row.line for row in rows] == [3, 7, 11]


def test_conll_with_tabs_and_blanks_inside_tokens(put: Put) -> None:
    assert values(put("x.iob", "New York\tB-LOC\n\u200b\tO\n#tag\tO\n \n\n10 000\tO")) == [
        {"tokens": ["New York", "\u200b", "#tag"], "tags": ["B-LOC", "O", "O"]},
        {"tokens": ["10 000"], "tags": ["O"]},
    ]


def test_conll_u(put: Put) -> None:
    lines = [
        "# newdoc id = d1",
        "# text = vámonos ya",
        "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_",
        "2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_",
        "2.1\tnada\t_\t_\t_\t_\t_\t_\t_\t_",
        "3\tya\tya\tADV\t_\t_\t1\tadvmod\t_\t_",
        "",
    ]
    row = values(put("x.conllu", "\n".join(lines)))[0]
    assert row["tokens"] == ["vamos", "nos", "ya"]
    assert row["tags"] == ["VERB", "PRON", "ADV"]
    assert row["head"] == ["0", "1", "1"]
    assert row["document"] == 1
    assert "id" not in row


def test_conll_faults(put: Put) -> None:
    put("x.conll", "a O\nb B-X\n\nc\nd O\n\ne O extra\n\nf O\n")
    with pytest.raises(CheckError) as caught:
        read("x.conll")
    assert "x.conll:4: line 4: 1 column, where the file has 2" in str(caught.value)
    rows = read("x.conll", max_bad=2)
    assert rows.column("tokens") == [["a", "b"], ["f"]]
    assert [(bad.line, bad.raw) for bad in rows.bad] == [(4, "c\nd O"), (7, "e O extra")]
    with pytest.raises(TailorError, match="one column only"):
        read(put("y.conll", "a\nb\n"))


TOKENS = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="#"), min_size=1),
        st.sampled_from(["O", "B-X", "I-X"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=4), st.sampled_from(["\t", " ", "  "]), st.sampled_from(["\n", "\r\n"]))
def test_conll_keeps_every_token(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]], between: str, end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "kept.conll"
    blocks = ["".join(f"{token}{between}{tag}{end}" for token, tag in sentence) for sentence in sentences]
    path.write_bytes(end.join(blocks).encode())
    assert [list(zip(row["tokens"], row["tags"], strict=True)) for row in values(str(path))] == sentences


def test_squad_by_hand(put: Put) -> None:
    context = "Graz lies on the Mur, 😀 in Styria."
    good = {"id": "q1", "question": "Where?", "answers": [{"text": "Styria", "answer_start": context.index("Styria")}]}
    none = {"id": "q2", "question": "Why?", "answers": [], "is_impossible": True}
    bad = {"id": "q3", "question": "What?", "answers": [{"text": "Mur", "answer_start": 3}]}
    data = {"version": "2.0", "data": [{"title": "T", "paragraphs": [{"context": context, "qas": [good, none, bad]}]}]}
    put("x.json", json.dumps(data))
    rows = read("x.json", max_bad=1)
    assert [row.values for row in rows] == [
        {"id": "q1", "question": "Where?", "context": context, "answers": good["answers"], "title": "T"},
        {"id": "q2", "question": "Why?", "context": context, "answers": [], "title": "T", "is_impossible": True},
    ]
    assert rows.notes[0].startswith("x.json: read as squad (")
    assert rows.bad[0].reason == "paragraph 1, question 3: answer 1 does not stand at 3 of its context (but at 17)"
    assert json.loads(rows.bad[0].raw) == bad
    assert "Mur" not in rows.bad[0].reason
    assert len(read("x.json", format="json")) == 1
    with pytest.raises(TailorError, match="no question in the form of SQuAD"):
        read(put("y.json", '[{"paragraphs": []}]'), format="squad")
    for paragraphs in ("{}", '[{"context": 1, "qas": []}]', '[{"context": "c", "qas": [3]}]', '[{"context": "c"}]'):
        rows_of = f'{{"data": [{{"paragraphs": {paragraphs}}}]}}'
        with pytest.raises(TailorError):
            read(put("z.json", rows_of), format="squad", max_bad=5)


def test_words_of_squad_in_a_text_do_not_make_it_squad(put: Put) -> None:
    row = {"text": json.dumps({"data": [], "paragraphs": [], "qas": [], "context": ""})}
    assert values(put("x.json", json.dumps({"data": [row]}))) == [row]


@pytest.mark.parametrize("number", [-2, 2, 1.5, "x"])
def test_a_label_number_without_a_name_is_told(number: object) -> None:
    name_of = label_names({"names": ["no", "yes"], "_type": "ClassLabel"})
    assert name_of is not None
    assert [name_of(value) for value in (0, 1, -1, None)] == ["no", "yes", None, None]
    with pytest.raises(IndexError):
        name_of(number)


def test_columns_are_left_out_for_their_type_and_not_for_the_names_in_it(put: Put) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    held = [{"duration": 3, "binary_label": "x"}]
    table = pa.table({"text": ["a"], "held": held, "seen": [[b"\0"]], "took": pa.array([5], pa.duration("s"))})
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    rows = read(put("a.parquet", sink.getvalue()))
    assert rows[0].values == {"text": "a", "held": held[0]}
    assert rows.notes[-1].endswith("columns left out (no text or numbers): seen, took")
