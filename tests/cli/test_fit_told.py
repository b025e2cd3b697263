"""What `tailor fit` says before and after training, and what it keeps to itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from words import Tailor, pairs

from tailorlm.cli.show_fit import Before, ended, shortened
from tailorlm.training.job import Told
from writers import tiny_writer

Base = Callable[..., Path]
Put = Callable[..., str]
PLAN = {
    "event": "plan",
    "rows": 60,
    "validation": 20,
    "notes": ["2 texts with two or more labels"],
    "seconds": 40.0,
} | {"labels": {"count": 5, "least": 3, "median": 9, "most": 30}}
PREFLIGHT = {
    "event": "preflight",
    "rows": 40,
    "labels": 200,
    "learned": "tokens",
    "learned_per_row": [3, 5, 9],
    "ends": 40,
}
PREFLIGHT |= {"tokens": 800, "longest": 31, "parameters": 1234}
NEEDS = {"event": "needs", "weights": 9 * 10**7, "gradients": 10**6, "optimiser": 2 * 10**6, "least": 7 * 10**8}
NEEDS |= {"available": 8 * 10**9, "device": "cpu", "exact": False, "bfloat16": None}


def said(*events: Any) -> list[str]:
    before = Before()
    return [line.plain for event in events for line in before.lines(event)]


def test_six_lines_before_training() -> None:
    told = Told(PREFLIGHT, "a.csv:1", lambda: [("Say hello\nto ", False), ("Anna.", True)])
    assert said(PLAN, {"event": "trial", "number": 1}, told, NEEDS) == [
        "60 rows, 5 labels of 3 to 30 rows (median 9); 20 of them judge while settings are chosen",
        "  2 texts with two or more labels",
        "  about 40 s on this machine (Ctrl-C stops; the same command goes on)",
        "  1,234 numbers learn from 40 rows: 200 of 800 tokens are learned, 3 to 9 a row (median 5), the end of each among them",
        "  e.g. a.csv:1  Say hello⏎to ⟦Anna.⟧",
        "  takes at least 700.0 MB of memory of 8.0 GB (weights 90.0 MB, gradients 1.0 MB, optimiser 2.0 MB)",
    ]


def test_every_trial_of_a_search_says_it_no_second_time() -> None:
    trial = [{"event": "trial", "number": 1}, Told(PREFLIGHT), NEEDS]
    other = [{"event": "last-fit", "rows": 60}, Told(PREFLIGHT | {"rows": 60}), NEEDS | {"least": 8 * 10**8}]
    assert said(PLAN, *trial, *other) == said(PLAN, *trial)
    stages = [trial[0], Told(PREFLIGHT), NEEDS, Told(PREFLIGHT | {"rows": 7})]
    assert any("from 7 rows" in line for line in said(*stages)), "a second stage learns from other rows"


@pytest.mark.parametrize(
    ("ends", "words"),
    [(40, ", the end of each among them"), (37, ", the end of 37 rows among them"), (0, ", no end of text among them")],
)
def test_whether_the_end_is_learned(ends: int, words: str) -> None:
    assert said(Told(PREFLIGHT | {"ends": ends}))[0].endswith(words)


def test_what_is_cut_is_told() -> None:
    cut = {"event": "cut", "what": "rows", "rows": 3, "of": 40, "max_length": 64, "tokens": 310, "answers": 2}
    assert said(cut) == [
        "  3 of 40 rows are too long (max_length 64): 310 of their tokens are not read; "
        "2 answers break off and never learn to stop"
    ]


def test_what_float32_costs_is_said_of_the_device_that_trains() -> None:
    asked = NEEDS | {"exact": True, "bfloat16": 12.25, "device": "cuda"}
    assert said(asked)[-1] == "  computes in float32, as asked; products in bfloat16 are 12.2 times as fast on this GPU"
    slow = said(asked | {"bfloat16": 0.25, "device": "cpu"})[-1]
    assert slow.endswith("products in bfloat16 are 4.0 times slower on this processor")
    assert said(asked | {"bfloat16": None})[-1] == "  computes in float32, as asked"


def test_a_long_row_is_shown_on_a_few_lines_and_commands_of_terminals_are_not() -> None:
    (text, _), (answer, _) = shortened([("a" * 1000 + "\x1b[2J", False), ("b" * 1000, True)])
    assert len(text) < 250
    assert "\x1b" not in text
    assert len(answer) < 250


def test_after_the_last_step() -> None:
    training = {"tokens_per_second": 1234.5, "busy_seconds": 3.14, "computed_in": "bfloat16", "share_of_peak": 0.123}
    training |= {"hardest_rows": [{"id": f"a.csv:{i}", "loss": 4.0 - i / 2} for i in range(5)]}
    speed, hardest = ended({"training": training}, Path("mine"))
    assert speed == "1,234 tokens/s, 12% of this machine's peak in bfloat16, 3.1 s of steps"
    assert hardest == (
        "stayed hardest (loss): a.csv:0 (4.00), a.csv:1 (3.50), a.csv:2 (3.00); "
        "look for wrong labels there, 5 are in mine/run.json"
    )
    assert ended({"training": None}, Path("mine")) == []


# ---- as it is typed


def test_a_terminal_is_shown_a_row_and_no_file_is(
    tailor: Tailor, put: Put, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = put("rows.csv", pairs(36))
    monkeypatch.setenv("FORCE_COLOR", "1")
    found = tailor(
        "fit", name, "--model", base(), "--method", "head", "--set", "stages.0.train.epochs=2", "--out", "mine"
    )
    assert found.code == 0, found.err
    err = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", found.err)
    (shown,) = [line for line in err.splitlines() if "e.g. rows.csv:" in line]
    text, label = pairs(36)[0]
    words = text.split()
    assert words[0] in shown
    assert f"⟦{label}⟧" in shown
    assert "36 rows, 3 labels of 12 rows each" in err
    assert "of memory of" in err
    assert " tokens/s, " in found.out
    assert "stayed hardest (loss): rows.csv:" in found.out
    for path in Path("mine").glob("*.json*"):  # none of its texts, in the run's record and its log
        assert text not in path.read_text(encoding="utf-8")


def test_where_no_terminal_looks_on_nothing_of_a_row_is_said(tailor: Tailor, put: Put, base: Base) -> None:
    name = put("rows.csv", [*pairs(36), (pairs(36)[0][0], "other")])
    found = tailor(
        "fit", name, "--model", base(), "--method", "head", "--set", "stages.0.train.epochs=2", "--no-search"
    )
    assert found.code == 0, found.err
    events = [json.loads(line) for line in found.err.splitlines() if line.startswith("{")]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "plan"
    assert kinds.index("preflight") < kinds.index("needs") < kinds.index("trained")
    assert not any(text in found.err + found.out for text, _ in pairs(36))
    plan = events[0]
    assert plan["labels"] == {"count": 4, "least": 1, "median": 12, "most": 12}
    assert any("two or more labels" in note for note in plan["notes"])
    assert plan["seconds"] > 0
    assert found.out.index("two or more labels") < found.out.index("fitted on")


def test_json_has_what_exact_costs(tailor: Tailor, put: Put, base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorlm.training.speed.facts", lambda: {"gflops": 2.0, "gflops_bfloat16": 8.0})
    words = ["--model", base(), "--method", "head", "--set", "stages.0.train.epochs=1", "--no-search", "--json"]
    found = tailor("fit", put("rows.csv", pairs(36)), *words, "--precision", "exact")
    assert found.code == 0, found.err
    needs = json.loads(found.out)["training"]["needs"]
    assert (needs["exact"], needs["bfloat16"], needs["device"]) == (True, 4.0, "cpu")


def test_what_is_cut_is_kept_in_numbers(tailor: Tailor, put: Put, base: Base) -> None:
    words = ["--model", base(), "--no-search", "--set", "task.max_length=8", "--json", "--out", "mine"]
    rows = [(text + " again" * 10 * (i % 2), label) for i, (text, label) in enumerate(pairs(36))]
    found = tailor("fit", put("rows.csv", rows), *words)
    assert found.code == 0, found.err
    cut = json.loads(found.out)["cut"]
    assert (cut["what"], cut["of"], cut["max_length"]) == ("texts", 36, 8)
    assert cut["rows"] >= 18
    assert cut["tokens"] >= 18 * 5
    assert json.loads(Path("mine/run.json").read_text())["cut"] == cut


def test_a_model_that_writes_shows_what_is_learned(
    tailor: Tailor, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    writer = tiny_writer(tmp_path / "writer", "qwen2")
    lines = [json.dumps({"prompt": f"say {i}", "completion": f"word {i}"}) for i in range(24)]
    name = put("rows.jsonl", "\n".join(lines).encode())
    words = ["--task", "generate", "--model", writer, "--method", "lora", "--set", "stages.0.train.epochs=1"]
    found = tailor("fit", name, *words, "--no-search")
    assert found.code == 0, found.err
    err = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", found.err)
    assert "the end of each among them" in err.replace("\n", " ")
    shown = re.search(r"e\.g\. rows\.jsonl:(\d+)  (.*?)⟦(.*?)⟧", err, re.DOTALL)
    assert shown is not None
    number = int(shown[1]) - 1
    assert f"say {number}" in shown[2]
    assert shown[3] == f"word {number}<|im_end|>", "the answer and the token it stops at"
