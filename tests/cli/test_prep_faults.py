"""Everything that can be mistyped or be in the way of `tailor prep`: said in words, with what to type next."""

import os
import signal
import subprocess
import sys
import time

import pytest

ROWS = [(f"row {i} says {'red' if i % 2 else 'blue'} and {i * 7}", "ab"[i % 2]) for i in range(40)]


@pytest.fixture
def rows(put):
    return put("rows.csv", ROWS)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--encoding", "idna"], 2, "no text encoding called 'idna'"),
        (["--encoding", "undefined"], 2, "no text encoding"),
        (["--encoding", "utf-16"], 1, "leave --encoding out"),
        (["--delimiter", ";;"], 2, "one character"),
        (["--delimiter", ""], 2, "one character"),
        (["--like", "nowhere"], 2, "a folder that `tailor prep` wrote"),
        (["--like", "."], 2, "there is no prep.yaml"),
        (["--like", "/dev/null"], 2, "a folder that `tailor prep` wrote"),
        (["--key-file", "o/key"], 2, "beside the rows"),
        (["--set", "filter.languages=en"], 2, "should be a list"),
        (["--set", "nix=1"], 2, "known keys"),
        (["--steps", "split,split"], 2, "leave the second `split` out"),
        (["--out", "rows.csv/x"], 1, "a file stands where a folder is needed"),
        (["--out", "x" * 300], 1, "choose a shorter name"),
    ],
)
def test_options(tailor, rows, tmp_path, words, code, said):
    got = tailor("prep", rows, "--out", "o", *words)
    assert (got.code, said in got.err) == (code, True), got.err
    assert os.listdir(tmp_path) == ["rows.csv"]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("nix.csv", 1, "ls ."),
        ("nix/nix.csv", 1, "check the path"),
        ("~no-such-person/x.csv", 1, "its folder ~no-such-person does not exist"),
        ("x" * 5000 + ".csv", 1, "cannot be opened"),
        ("rows.csv/x.csv", 1, "check the path"),
        ("http://localhost:1/x.csv", 1, "downloaded first"),
    ],
)
def test_names_of_files(tailor, rows, name, code, said):
    got = tailor("prep", name, "--out", "o")
    assert (got.code, said in got.err) == (code, True), got.err


@pytest.mark.parametrize("steps", ["5", "[1]", "[null]", "[{part: 5}]", "{a: b}", "[{}]"])
@pytest.mark.parametrize("words", [[], ["--set", "redact.mode=drop"]])
def test_a_yaml_whose_steps_are_none(tailor, rows, put, steps, words):
    put("p.yaml", f"rows: rows.csv\nsteps: {steps}\n".encode())
    got = tailor("prep", "p.yaml", "--out", "o", *words)
    assert got.code == 2, got.err


@pytest.mark.parametrize("key", ["rows", "key_file"])
@pytest.mark.parametrize("value", ['"a\\0b"', '"\\ud800.csv"', '""'])
def test_a_yaml_with_names_that_no_file_has(tailor, rows, put, key, value):
    put("p.yaml", f"rows: rows.csv\n{key}: {value}\n".replace("rows: rows.csv\nrows", "rows").encode())
    got = tailor("prep", "p.yaml", "--out", "o", "--steps", "repair")
    assert got.code in (1, 2), got.err


def test_a_delimiter_by_its_word(tailor, put):
    put("rows.txt", b"text\tlabel\nsome words here\ta\nother words there\tb\n")
    got = tailor("prep", "rows.txt", "--delimiter", "tab", "--out", "o", "--steps", "repair")
    assert got.code == 0, got.err


def test_names_of_files_that_are_no_utf_8(tailor, tmp_path):
    (tmp_path / "docs").mkdir()
    for name in (b"caf\xe9.txt", b"other.txt"):
        (tmp_path / "docs" / os.fsdecode(name)).write_text(f"Some words of {len(name)}.\n\nAnd more of them.\n")
    for kind in ("jsonl", "csv", "parquet"):
        got = tailor("prep", "docs", "--out", f"out-{kind}", "--to", kind, "--steps", "repair,redact,audit")
        assert got.code == 0, got.err
        again = tailor("prep", f"out-{kind}/rows.{kind}", "--out", f"again-{kind}", "--steps", "repair")
        assert again.code == 0, again.err
    assert "caf�" in (tmp_path / "out-csv/rows.csv").read_text(encoding="utf-8")


def test_the_key_of_an_earlier_preparation_must_be_there(tailor, rows, put):
    pseudonyms = ["--set", "redact.mode=pseudonym"]
    assert tailor("prep", rows, "--out", "o", *pseudonyms).code == 0
    later = put("later.csv", ROWS[:9])
    got = tailor("prep", later, "--like", "o", "--out", "p")
    assert (got.code, "its key was not kept" in got.err) == (2, True), got.err
    assert tailor("prep", rows, "--out", "q", *pseudonyms, "--key-file", "k").code == 0
    os.rename("k", "elsewhere")
    got = tailor("prep", later, "--like", "q", "--out", "p")
    assert (got.code, "its key file k is not there" in got.err) == (2, True), got.err
    assert not os.path.exists("k")
    assert tailor("prep", later, "--like", "q", "--out", "p", "--key-file", "elsewhere").code == 0


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_preparation_that_is_stopped_leaves_nothing_and_says_so(tmp_path, sign):
    lines = "".join(f'{{"text": "row {i} of very many rows {i * 7}", "label": "{i % 3}"}}\n' for i in range(110_000))
    (tmp_path / "rows.jsonl").write_text(lines)
    # Files that are called like modules: whoever imports them instead of the real ones falls over.
    (tmp_path / "json.py").write_text("raise SystemExit('taken for the real one')\n")
    # A shell that runs these tests in the background has its programs ignore Ctrl-C, and they hand that on.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = "import sys; sys.path.remove('') if '' in sys.path else None; from tailorlm.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", heard + command, "prep", "rows.jsonl", "--workers", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(600):
        if any(path.name.startswith("pass-1") for path in tmp_path.glob(".rows-prep.tmp-*/*")):
            break
        time.sleep(0.05)
    os.killpg(process.pid, sign) if sign == signal.SIGINT else process.send_signal(sign)
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait() == 130, err
    assert err.splitlines()[-1] == "interrupted; nothing was written"
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["json.py", "rows.jsonl"]


def test_names_do_nothing_to_the_terminal(tailor, put, tmp_path):
    wild = "\x1b]0;owned\x07"
    lines = "".join(
        f'{{"text": "words of row {i} {i * 7}", "label": "\\u001b[31m{i % 2}", "n\\u001b[5m": 1}}\n' for i in range(30)
    )
    put("a.jsonl", lines.encode())
    for words in (["a.jsonl"], ["a.jsonl", "--dry-run"], [f"{wild}.csv"], ["a.jsonl", "--text", wild]):
        said = tailor("prep", *words)
        assert not {"\x1b", "\x07"} & {*said.out, *said.err}, words
