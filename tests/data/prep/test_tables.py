"""Rows as CSV and Parquet at the edges: the same values come back, or it is said why they cannot."""

import subprocess
import sys

import pytest
from prep_rows import rows, write

from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError
from tailorlm.core.yaml import read_yaml
from tailorlm.data import read as read_rows
from tailorlm.data.prep import PrepSettings, prepare


def prepared(tmp_path, found, kind, name="o"):
    source = write(tmp_path / "a.jsonl", found)
    prepare(validate({"rows": source, "steps": ["split"], "format": kind}, PrepSettings), tmp_path / name)
    files = sorted((tmp_path / name).glob(f"*.{kind}"))
    return sorted((row.values for row in read_rows(files)), key=lambda values: values["text"])


@pytest.mark.parametrize(
    "values",
    [
        ["\uff1d1+1", "\uff0bx", "\uff0d1", "\uff20x", "\n=1", "plain"],  # full-width signs, a line end in front
        ["'", "''", "a", "b", "c", "d"],
    ],
)
def test_csv_guards_what_a_spreadsheet_may_run(tmp_path, values):
    found = [{**row, "note": value} for row, value in zip(rows(6), values, strict=True)]
    found.sort(key=lambda row: row["text"])
    assert prepared(tmp_path, found, "csv") == found
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "o").glob("*.csv"))
    assert "'note" in written
    assert ",\uff1d" not in written


def test_csv_keeps_a_mark_that_begins_the_first_name(tmp_path):
    found = [{"\ufefftext": "x", **row} for row in rows(3)]
    found.sort(key=lambda row: row["text"])
    assert prepared(tmp_path, found, "csv") == found


@pytest.mark.parametrize(
    ("more", "said"),
    [({"": "x"}, "without a name"), ({"  ": "x"}, "without a name"), ({"n": "a\0b"}, "NUL characters")],
)
def test_csv_refuses_what_could_not_be_read_again(tmp_path, more, said):
    with pytest.raises(UsageError, match=said):
        prepared(tmp_path, [{**row, **more} for row in rows(3)], "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([{}, {}], ["{}", "{}"]),
        ([[{}], []], ["[{}]", "[]"]),
        ([10**300, 1], [str(10**300), "1"]),
        ([2**63, -1], [str(2**63), "-1"]),
        ([2**60 + 1, 0.5], [str(2**60 + 1), "0.5"]),
        ([True, 3], ["true", "3"]),
        ([None, None], [None, None]),
        ([[1], ["a"]], ["[1]", '["a"]']),
        ([1, 2.5], [1, 2.5]),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_parquet_takes_any_values(tmp_path, monkeypatch, values, wanted, apart):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("tailorlm.data.prep.tables._BATCH", 1 if apart else 5000)
    found = sorted(rows(2), key=lambda row: row["text"])
    got = prepared(tmp_path, [{**row, "n": value} for row, value in zip(found, values, strict=True)], "parquet")
    assert [row["n"] for row in got] == wanted


def test_a_later_delivery_is_read_as_the_first_one_was(tmp_path):
    first = [{"review": f"{row['text']}", "stars": "12"[i % 2]} for i, row in enumerate(rows(60))]
    source = write(tmp_path / "a.jsonl", first)
    prepare(validate({"rows": source, "steps": ["repair"]}, PrepSettings), tmp_path / "o")
    kept = read_yaml(tmp_path / "o/prep.yaml").value
    assert kept["columns"] == {"shape": "classify", "roles": {"text": "review", "label": "stars"}}
    # Alone these rows could be several things: a second text, and a second label.
    later = write(tmp_path / "b.jsonl", [{**row, "comment": row["review"], "label": "x"} for row in first])
    made = prepare(validate({**kept, "rows": later}, PrepSettings), tmp_path / "p")
    assert made["fields"]["texts"] == ("review",)
    assert made["fields"]["label"] == "stars"


LIMITED = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tailorlm.cli import main
main()
"""


@pytest.mark.parametrize("size", [100, 3_000, 9_000, 20_000])
def test_a_disk_that_takes_no_more_is_said_and_nothing_is_left(tmp_path, size):
    write(tmp_path / "a.jsonl", rows(60))
    command = [sys.executable, "-c", LIMITED, str(size), "prep", "a.jsonl", "--out", "o", "--workers", "1"]
    got = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert got.returncode == 1, got.stderr
    assert "could not be written: File too large" in got.stderr
    assert "defect" not in got.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_sample_of_long_documents_stays_small():
    from tailorlm.data.prep.intake import SAMPLE, SAMPLE_CHARACTERS, Intake, _sample
    from tailorlm.data.rows import Row

    def kept(length: int, count: int) -> Intake:
        intake = Intake()
        for number in range(count):
            if number % intake.every == 0:
                _sample(intake, Row({"text": "x" * length, "n": number}, "a", number + 1))
        return intake

    short, long = kept(10, 9 * SAMPLE), kept(300_000, 900)
    assert SAMPLE <= len(short.sample) < 2 * SAMPLE
    assert sum(len(row.values["text"]) for row in long.sample) <= SAMPLE_CHARACTERS
    assert len(long.sample) >= 10
    assert long.sample[-1].values["n"] > 800
