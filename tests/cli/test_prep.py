"""`tailor prep` as people type it."""

import json
import random

import pytest

WORDS = [
    f"{a}{b}" for a in ("sol", "ter", "mar", "lun", "vi", "ra") for b in ("a", "on", "ix", "um", "eta", "ova", "ine")
]


@pytest.fixture
def source(put):
    random_ = random.Random(0)
    rows = [(" ".join(random_.choice(WORDS) for _ in range(9)), f"label {i % 3}") for i in range(120)]
    rows += [rows[0], ("write to ann@firm.org about " + rows[5][0], "label 1"), ("cafÃ© " + rows[9][0], "label 0")]
    return put("rows.csv", rows)


def test_prep_says_what_it_did_and_where(tailor, source, tmp_path):
    said = tailor("prep", source)
    assert said.code == 0, said.err
    for words in ("classify", "mojibake 1", "email 1", "exact copy 1", "123 read, ", "again "):
        assert words in said.out, words
    assert (tmp_path / "rows-prep/audit.html").is_file()
    again = tailor("prep", source)
    assert again.code == 1
    assert "rows-prep exists already" in again.err


def test_dry_run_shows_before_and_after(tailor, source, tmp_path):
    said = tailor("prep", source, "--dry-run")
    assert said.code == 0, said.err
    assert "- cafÃ© " in said.out
    assert "+ café " in said.out
    assert "ann@firm.org" not in said.out
    assert "nothing was written" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_json_is_the_manifest(tailor, source):
    said = tailor("prep", source, "--out", "o", "--steps", "repair,split", "--set", "split.test=0.3", "--json")
    found = json.loads(said.out)
    assert found["folder"] == "o"
    assert [step["step"] for step in found["steps"]] == ["repair", "split"]
    assert found["steps"][1]["settings"]["test"] == 0.3


def test_a_later_delivery_is_treated_alike(tailor, source, put):
    assert tailor("prep", source, "--out", "o", "--steps", "repair,filter", "--set", "filter.min_words=9").code == 0
    later = put(
        "later.csv", [("only three words", "label 0"), ("one two three four five six seven eight nine", "label 1")]
    )
    said = tailor("prep", later, "--like", "o", "--out", "p", "--json")
    assert json.loads(said.out)["steps"][1]["dropped"] == {"too few words": 1}


def test_a_yaml_holds_all_of_it(tailor, source, put):
    put("prep.yaml", b"rows: rows.csv\nsteps:\n- repair\n- part: redact\n  kinds: [email]\n  mode: drop\n")
    assert json.loads(tailor("prep", "prep.yaml", "--json").out)["steps"][1]["numbers"] == {"email": 1}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--steps", "repair,dedupe"], 2, "did you mean"),
        (["--set", "repair.mojibak=false"], 2, "did you mean 'mojibake'"),
        (["--set", "split.by=colour"], 2, "by"),
        (["--steps", "augment,split"], 2, "behind `split`"),
        (["--column", "text"], 2, "--column role=name"),
        (["--text", "body"], 2, "there is no column called 'body'"),
        (["--steps", "decontaminate"], 2, "needs test rows"),
        (["--set", "redact.kinds=[e-mail]"], 2, "email"),
        (["--test", "missing.csv"], 1, "missing.csv"),
        (["--like", "nowhere"], 2, "nowhere"),
    ],
)
def test_what_is_wrong_is_said(tailor, source, words, code, said):
    got = tailor("prep", source, *words)
    assert (got.code, said in got.err) == (code, True), got.err
