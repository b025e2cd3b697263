"""What people really give: missing, broken, hostile. Each has its exit code, names its place and says what to type next."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from words import Tailor, pairs

Base = Callable[..., Path]
Put = Callable[..., str]
GOOD = pairs(24)


class Case(NamedTuple):
    """Files to write, the command's words behind `compare`, its exit code, and what its error says."""

    name: str
    files: dict[str, Any]
    words: list[str]
    code: int
    said: list[str]


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


OBJECTS = [{"text": text, "label": label, "key": str(i)} for i, (text, label) in enumerate(GOOD)]
EMPTY_TEXT = [*GOOD[:3], ("  ", "food"), *GOOD[3:]]
RECIPE = "name: mine\nstages:\n  - weights: head\n    train:\n      epochs: 2\n"
REQUEST = "rows: rows.csv\nways:\n  - features-lr\n"

CASES = [
    Case("missing file", {"rows.csv": GOOD}, ["row.csv"], 1, ["row.csv", "rows.csv"]),
    Case("a folder", {}, ["."], 1, ["folder"]),
    Case(
        "missing column",
        {"rows.csv": GOOD},
        ["rows.csv", "--text", "txt"],
        2,
        ["no column 'txt'", "columns: text, label", "--text text"],
    ),
    Case(
        "missing label column",
        {"rows.csv": GOOD},
        ["rows.csv", "--label", "intent"],
        2,
        ["no column 'intent'", "--label"],
    ),
    Case("missing id column", {"rows.csv": GOOD}, ["rows.csv", "--id", "key"], 2, ["no column 'key'", "--id"]),
    Case(
        "one label only",
        {"rows.csv": [(t, "food") for t, _ in GOOD]},
        ["rows.csv"],
        3,
        ["same label", "label = 'food'", "two labels or more", "text, label"],
    ),
    Case("empty text", {"rows.csv": EMPTY_TEXT}, ["rows.csv"], 3, ["1 row has no text", "rows.csv:5", "--max-bad"]),
    Case("empty label", {"rows.csv": [*GOOD, ("x", "")]}, ["rows.csv"], 3, ["no label", "rows.csv:26"]),
    Case(
        "more bad rows than allowed",
        {"rows.csv": [*EMPTY_TEXT, ("x", "")]},
        ["rows.csv", "--max-bad", "1"],
        3,
        ["2 of the", "rows.csv:5", "rows.csv:27", "--max-bad"],
    ),
    Case(
        "a line of 30 MB",
        {"rows.csv": b"text,label\na,b\n" + b"x" * 30_000_000 + b",c\n"},
        ["rows.csv"],
        3,
        ["rows.csv:3", "30", "limit"],
    ),
    Case("NUL byte", {"rows.csv": b"text,label\na,food\nb\0c,money\n"}, ["rows.csv"], 3, ["rows.csv:3", "NUL byte"]),
    Case(
        "broken JSON line",
        {"rows.jsonl": lines(OBJECTS[:4]) + b'{"text": "x", \n' + lines(OBJECTS[4:])},
        ["rows.jsonl"],
        3,
        ["rows.jsonl:5", "--max-bad 1"],
    ),
    Case(
        "JSON lines that are no objects",
        {"rows.jsonl": b'{"text": "a", "label": "b"}\n[1, 2]\n'},
        ["rows.jsonl"],
        3,
        ["rows.jsonl:2"],
    ),
    Case(
        "labels that are lists",
        {"rows.jsonl": lines([*OBJECTS, {"text": "x", "label": ["a"], "key": "z"}])},
        ["rows.jsonl"],
        3,
        ["rows.jsonl:25", "one label a row"],
    ),
    Case(
        "duplicate ids",
        {"rows.jsonl": lines([*OBJECTS, OBJECTS[0] | {"text": "other"}])},
        ["rows.jsonl", "--id", "key"],
        3,
        ["share a value of the id column 'key'", "rows.jsonl:1", "rows.jsonl:25"],
    ),
    Case(
        "test holds train rows",
        {"rows.csv": GOOD, "test.csv": [*pairs(6, start=80), GOOD[3]]},
        ["rows.csv", "--test", "test.csv"],
        3,
        ["copy of test rows", "rows.csv:5 = test.csv:8 (exact)", "--leaks drop"],
    ),
    Case(
        "test label unknown",
        {"rows.csv": GOOD, "test.csv": [("a", "food"), ("b", "foood")]},
        ["rows.csv", "--test", "test.csv"],
        3,
        ["'foood'", "test.csv:3"],
    ),
    Case(
        "test without label column",
        {"rows.csv": GOOD, "test.csv": b"text\na\n"},
        ["rows.csv", "--test", "test.csv"],
        2,
        ["test rows have no column 'label'"],
    ),
    Case("same file twice", {"rows.csv": GOOD}, ["rows.csv", "rows.csv"], 2, ["given twice", "name it once"]),
    Case(
        "unknown method",
        {"rows.csv": GOOD},
        ["rows.csv", "--methods", "lora,bitfti"],
        2,
        ["no method called 'bitfti'", "'bitfit'"],
    ),
    Case(
        "method given twice",
        {"rows.csv": GOOD},
        ["rows.csv", "--methods", "lora,lora"],
        2,
        ["two ways are called 'lora'"],
    ),
    Case("no method", {"rows.csv": GOOD}, ["rows.csv", "--methods", ","], 2, ["empty", "commas"]),
    Case(
        "unknown key in YAML",
        {"c.yaml": (REQUEST + "settings:\n  seed: 1\n  seedz: 3\n").encode()},
        ["c.yaml"],
        2,
        ["c.yaml", "line 6", "settings.seedz", "'seed'"],
    ),
    Case(
        "recipe fault inside ways",
        {
            "c.yaml": (
                REQUEST + "  - name: mine\n    stages:\n      - weights:\n          part: lora\n          targts: 4\n"
            ).encode()
        },
        ["c.yaml"],
        2,
        ["line 8", "ways.1.stages.0.weights.targts", "'targets'"],
    ),
    Case(
        "value out of bounds in ways",
        {
            "c.yaml": (
                REQUEST + "  - name: mine\n    stages:\n      - weights: lora\n        train: {epochs: 0}\n"
            ).encode()
        },
        ["c.yaml"],
        2,
        ["line 7", "ways.1.stages.0.train.epochs", "greater than or equal to 1", "got 0"],
    ),
    Case(
        "unknown method in YAML",
        {"c.yaml": (REQUEST + "  - lroa\n").encode()},
        ["c.yaml"],
        2,
        ["line 4", "'lroa'", "'lora'"],
    ),
    Case(
        "YAML key twice", {"c.yaml": b"rows: a.csv\nrows: b.csv\n"}, ["c.yaml"], 2, ["c.yaml:2", "'rows' stands twice"]
    ),
    Case("YAML broken", {"c.yaml": b"rows: [a.csv\nways: x\n"}, ["c.yaml"], 2, ["c.yaml:2", "not valid YAML"]),
    Case(
        "YAML missing", {"compare.yaml": REQUEST.encode()}, ["compar.yaml"], 2, ["no file compar.yaml", "compare.yaml"]
    ),
    Case("YAML and more", {"c.yaml": REQUEST.encode(), "rows.csv": GOOD}, ["c.yaml", "rows.csv"], 2, ["comes alone"]),
    Case("YAML without rows", {"c.yaml": b"ways: [lora]\n"}, ["c.yaml"], 2, ["'rows' is missing"]),
    Case(
        "fault in a recipe file",
        {"rows.csv": GOOD, "r.yaml": (RECIPE + "      epoks: 3\n").encode()},
        ["rows.csv", "--recipe", "r.yaml"],
        2,
        ["r.yaml", "line 6", "epoks", "'epochs'"],
    ),
    Case("unknown metric", {"rows.csv": GOOD}, ["rows.csv", "--metric", "acuracy"], 2, ["'acuracy'", "'accuracy'"]),
    Case("no seeds", {"rows.csv": GOOD}, ["rows.csv", "--seeds", "0"], 2, ["seeds", "greater than or equal to 1"]),
    Case(
        "share out of bounds", {"rows.csv": GOOD}, ["rows.csv", "--test-share", "1"], 2, ["test_share", "less than 1"]
    ),
    Case(
        "leaks misspelt",
        {"rows.csv": GOOD},
        ["rows.csv", "--leaks", "ignore"],
        2,
        ["leaks", "'stop', 'drop' or 'keep'"],
    ),
    Case(
        "Latin-1",
        {"rows.csv": "text,label\ncaf\xe9,food\nbar,money\n".encode("latin-1")},
        ["rows.csv"],
        1,
        ["rows.csv:2", "--encoding"],
    ),
    Case("empty file", {"rows.csv": b""}, ["rows.csv"], 1, ["rows.csv is empty (0 bytes)"]),
    Case("header only", {"rows.csv": b"text,label\n"}, ["rows.csv"], 1, ["holds no rows"]),
    Case("binary", {"rows.csv": b"PK\x03\x04" + bytes(range(256)) * 9}, ["rows.csv"], 1, ["rows.csv"]),
    Case("too few rows", {"rows.csv": [("a", "x"), ("b", "y")]}, ["rows.csv"], 3, ["held out"]),
    Case(
        "hub id without network",
        {"rows.csv": GOOD},
        ["rows.csv", "--model", "org/nothing-of-that-name"],
        1,
        ["cannot be fetched", "HF_HUB_OFFLINE=1", "--model starter"],
    ),
    Case(
        "no such model",
        {"rows.csv": GOOD},
        ["rows.csv", "--model", "./model"],
        1,
        ["no model './model'", "--model starter"],
    ),
    Case(
        "model of pickles alone",
        {"rows.csv": GOOD, "m/config.json": b"{}", "m/pytorch_model.bin": b"x"},
        ["rows.csv", "--model", "m"],
        1,
        ["no safetensors", "pytorch_model.bin", "safe_serialization"],
    ),
    Case(
        "model without config",
        {"rows.csv": GOOD, "m/x.txt": b""},
        ["rows.csv", "--model", "m"],
        1,
        ["not a model folder", "config.json"],
    ),
    Case(
        "model config is no JSON",
        {"rows.csv": GOOD, "m/config.json": b"{", "m/model.safetensors": b""},
        ["rows.csv", "--model", "m"],
        1,
        ["m"],
    ),
    Case(
        "descriptions for no label",
        {"rows.csv": GOOD, "d.yaml": b"fod: eat\n"},
        ["rows.csv", "--descriptions", "d.yaml"],
        2,
        ["'fod'", "'food'"],
    ),
    Case("unknown encoding", {"rows.csv": GOOD}, ["rows.csv", "--encoding", "utf-9"], 2, ["utf-9"]),
    Case("unknown format", {"rows.csv": GOOD}, ["rows.csv", "--format", "cvs"], 2, ["'cvs'", "'csv'"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_bad_input(case: Case, tailor: Tailor, put: Put, base: Base) -> None:
    for name, content in case.files.items():
        Path(name).parent.mkdir(exist_ok=True)
        put(name, content)
    model = [] if "--model" in case.words else ["--model", base()]
    said = tailor("compare", *case.words, *model)
    assert said.code == case.code, said.err
    assert said.err.startswith("error: ")
    for part in case.said:
        assert part in said.err, said.err
    assert not list(Path().glob("tailor-runs/compare-*/runs/*"))
    assert len(said.err) < 3000


def test_all_cases_ran_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 45


def test_bad_rows_within_the_limit_go_to_quarantine(tailor: Tailor, put: Put, base: Base) -> None:
    put("rows.csv", EMPTY_TEXT)
    said = tailor("compare", "rows.csv", "--model", base(), "--methods", "zero-shot", "--max-bad", "1")
    assert said.code == 0, said.err
    assert "1 given row that the task cannot use set aside in tailor-runs/quarantine-given.jsonl" in said.out
    aside = [json.loads(line) for line in Path("tailor-runs/quarantine-given.jsonl").read_text().splitlines()]
    assert [(row["source"], row["line"], row["raw"]["label"]) for row in aside] == [("rows.csv", 5, "food")]
    assert "no text" in aside[0]["reason"]


def test_unreadable_and_unusable_rows_share_one_limit(tailor: Tailor, put: Put, base: Base) -> None:
    put("rows.jsonl", lines([*OBJECTS, {"text": "", "label": "food"}]) + b"{broken\n")
    words = ["compare", "rows.jsonl", "--model", base(), "--methods", "zero-shot", "--max-bad"]
    assert tailor(*words, 1).code == 3
    said = tailor(*words, 2)
    assert said.code == 0, said.err
    aside = [json.loads(line) for line in Path("tailor-runs/quarantine-given.jsonl").read_text().splitlines()]
    assert sorted(row["line"] for row in aside) == [25, 26]


def test_a_label_with_one_row_works_and_is_mentioned(tailor: Tailor, put: Put, base: Base) -> None:
    put("rows.csv", [*GOOD, ("only one", "rare")])
    said = tailor("compare", "rows.csv", "--model", base(), "--methods", "features-lr,nearest,head")
    assert said.code == 0, said.err
    assert "1 label with one row only" in said.out
    assert "rare" in said.out


def test_conflicting_labels_are_mentioned_with_file_and_line(tailor: Tailor, put: Put, base: Base) -> None:
    put("rows.csv", [*GOOD, ("the same text", "food"), ("The same text!", "money")])
    put("test.csv", pairs(6, start=90))
    said = tailor("compare", "rows.csv", "--test", "test.csv", "--model", base(), "--methods", "zero-shot")
    assert said.code == 0, said.err
    assert "1 text with two or more labels" in said.out
    assert "rows.csv:26 (food) and rows.csv:27 (money)" in said.out


@pytest.mark.parametrize("verb", ["fit", "predict", "eval"])
def test_the_other_verbs_name_a_missing_file_too(verb: str, tailor: Tailor, put: Put, base: Base) -> None:
    put("rows.csv", GOOD)
    words = ["fit", "row.csv", "--model", base()]
    if verb != "fit":
        assert tailor("fit", "rows.csv", "--model", base(), "--no-search", "--out", "mine").code == 0
        words = [verb, "mine", "row.csv"]
    said = tailor(*words)
    assert said.code == 1
    assert "row.csv" in said.err
    assert "rows.csv" in said.err
