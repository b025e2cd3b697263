"""Private values are in nothing that is written, and what is written for spreadsheets is inert."""

import csv
import random

import pytest
from prep_rows import read, rows, sentence, write

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.prep import PrepSettings, dry_run, prepare

CARD, IBAN = "4539 1488 0343 6467", "DE89 3704 0044 0532 0130 00"
VALUES = ["ann.example@firm.org", CARD, IBAN, "203.0.113.77", "+49 30 901820", "https://joe:geheim99@host.org/x"]


def planted(tmp_path, name="a.jsonl"):
    """Rows with values in every column, in dropped rows, in copies, in unreadable lines."""
    random_ = random.Random(0)
    found = []
    for value in VALUES:
        text = f"{sentence(random_)} Write to {value} please. {sentence(random_)}"
        found += [{"text": text, "label": "a", "note": {"by": [value]}}, {"text": text, "label": "a", "note": 1}]
    found += [{"text": f"Short {VALUES[0]}", "label": "b", "card": 4539148803436467}]
    source = write(tmp_path / name, found + rows(40))
    with open(source, "a", encoding="utf-8") as file:
        file.write('{"text": "broken ' + VALUES[0] + "\n")
    return source


def everything(folder):
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("mode", ["mask", "pseudonym", "drop"])
def test_no_value_is_in_anything_written(tmp_path, mode):
    steps = [
        "repair",
        {"part": "filter", "min_words": 6},
        "deduplicate",
        {"part": "redact", "mode": mode},
        "split",
        "audit",
    ]
    chosen = validate({"rows": planted(tmp_path), "read": {"max_bad": 1}, "steps": steps}, PrepSettings)
    manifest = prepare(chosen, tmp_path / "o")
    text = everything(tmp_path / "o")
    assert (tmp_path / "o/unreadable.jsonl").exists()
    assert manifest["steps"][1]["dropped"] == {"too few words": 1}
    assert manifest["steps"][2]["dropped"] == {"exact copy": 6}
    for value in [*VALUES, "4539148803436467", "geheim99"]:
        assert value not in text
    assert sum(manifest["steps"][3]["numbers"].values()) >= 2 * len(VALUES)
    said = str(dry_run(chosen))
    assert not [value for value in VALUES if value in said]


def test_values_in_keys_labels_and_escapes_are_covered_and_counted(tmp_path):
    names = [f"person{i}@firm.org" for i in range(3)]
    found = [{**row, "label": names[i % 3], "seen": {names[i % 3]: [names[i % 2]]}} for i, row in enumerate(rows(30))]
    source = write(tmp_path / "a.jsonl", found)
    with open(source, "a", encoding="utf-8") as file:
        file.write(r'{"text": "broken person0\u0040firm.org' + "\n")
    chosen = {"rows": source, "read": {"max_bad": 1}, "steps": ["redact", "audit"]}
    manifest = prepare(validate(chosen, PrepSettings), tmp_path / "o")
    assert not [name for name in names if name in everything(tmp_path / "o")]
    assert r"person0\u0040" not in everything(tmp_path / "o")
    assert manifest["before"]["by_split"] == manifest["after"]["by_split"] == {"": {"<EMAIL>": 30}}


def test_pseudonyms_repeat_with_their_key_alone(tmp_path):
    steps = [{"part": "redact", "mode": "pseudonym"}]
    source = planted(tmp_path)
    made = []
    for number, key in enumerate(("k1", "k1", "k2")):
        value = {"rows": source, "read": {"max_bad": 1}, "steps": steps, "key_file": str(tmp_path / key)}
        prepare(validate(value, PrepSettings), tmp_path / f"o{number}")
        made.append((tmp_path / f"o{number}/rows.jsonl").read_text())
    assert made[0] == made[1] != made[2]
    secret = (tmp_path / "k1").read_text().strip()
    assert (tmp_path / "k1").stat().st_mode & 0o077 == 0
    assert secret not in everything(tmp_path / "o0")
    (tmp_path / "bad").write_text("hello")
    with pytest.raises(TailorError, match="holds no key") as fault:
        prepare(
            validate({"rows": source, "read": {"max_bad": 1}, "key_file": str(tmp_path / "bad")}, PrepSettings),
            tmp_path / "p",
        )
    assert "hello" not in str(fault.value)


def test_a_number_torn_over_tokens_is_masked(tmp_path):
    tokens = ["pay", "4539", "1488", "0343", "6467", "now"]
    source = write(tmp_path / "a.jsonl", [{"tokens": tokens, "tags": ["O"] * 6}] * 2)
    prepare(validate({"rows": source, "steps": ["redact"]}, PrepSettings), tmp_path / "o")
    assert read(tmp_path / "o/rows.jsonl")[0]["tokens"] == ["pay", *["<CARD>"] * 4, "now"]


HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\t=1",
    "\r=1",
    "'=1",
    "''",
    "'",
    "plain",
    "a,b",
    'say "hi"',
    "two\nlines",
    " =1",
    "",
    "007",
]


def test_csv_is_inert_and_reads_back(tmp_path):
    found = [{"text": f"row {i}", "label": value, "=col": value} for i, value in enumerate(HOSTILE)]
    source = write(tmp_path / "a.jsonl", found)
    chosen = {
        "rows": source,
        "steps": ["filter"],
        "format": "csv",
        "columns": {"roles": {"text": "text", "label": "label"}},
    }
    prepare(validate(chosen, PrepSettings), tmp_path / "o")
    from tailorlm.data import read as read_rows

    with (tmp_path / "o/rows.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for record in csv.reader(file) for cell in record]
    assert cells[:3] == ["text", "'label", "'=col"]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]
    back = read_rows(tmp_path / "o/rows.csv")
    assert [row.values for row in back] == found
    assert "an apostrophe against spreadsheets was taken off the column label, =col" in back.notes[-1]
    again = prepare(
        validate(chosen | {"rows": str(tmp_path / "o/rows.csv"), "format": "jsonl"}, PrepSettings), tmp_path / "p"
    )
    assert again["written"]["rows"] == len(HOSTILE)
    assert read(tmp_path / "p/rows.jsonl") == found


def test_csv_refuses_what_it_has_no_place_for(tmp_path):
    source = write(
        tmp_path / "a.jsonl", [{"text": "a", "label": "x", "more": [1]}, {"text": "b", "label": "y", "more": [2]}]
    )
    with pytest.raises(UsageError, match="'more' holds lists"):
        prepare(validate({"rows": source, "steps": ["filter"], "format": "csv"}, PrepSettings), tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_parquet_reads_back(tmp_path):
    pytest.importorskip("pyarrow")
    found = [
        {"text": "a", "label": "x", "n": 1, "m": 1, "l": [{"k": 1}]},
        {"text": "b", "label": "y", "n": None, "m": "two"},
    ]
    source = write(tmp_path / "a.jsonl", found)
    prepare(validate({"rows": source, "steps": ["filter"], "format": "parquet"}, PrepSettings), tmp_path / "o")
    import pyarrow.parquet

    got = pyarrow.parquet.read_table(tmp_path / "o/rows.parquet").to_pylist()
    assert got == [
        {"text": "a", "label": "x", "n": 1, "m": "1", "l": [{"k": 1}]},
        {"text": "b", "label": "y", "n": None, "m": "two", "l": None},
    ]


def test_the_audit_shows_and_never_interprets(tmp_path):
    evil = "<script>alert(1)</script> \u202eabc {{ 7*7 }} ]]> & \x00 \ud800".encode("utf-8", "replace").decode()
    found = [{"text": f"{evil} {i}  ", "label": f"<b>{i % 2}</b>"} for i in range(30)]
    prepare(validate({"rows": write(tmp_path / "<i>.jsonl", found)}, PrepSettings), tmp_path / "o")
    page = (tmp_path / "o/audit.html").read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>.jsonl" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert "[U+202E]" in page
