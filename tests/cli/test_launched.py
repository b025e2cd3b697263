"""`tailor fit` on two processes, and what a run that ends says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from words import Tailor

from tiny import labelled

Base = Callable[..., Path]
SETTINGS = ("stages.0.train.epochs=1", "stages.0.weights.lr=1e-3", "stages.0.train.rows_per_step=8")


@pytest.fixture
def words(base: Base, put: Callable[..., str]) -> list[str]:
    rows = labelled(48, 3)
    name = put("rows.csv", list(zip(rows.texts, rows.gold, strict=True)))
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    words = [
        "fit",
        name,
        "--text",
        "text",
        "--label",
        "label",
        "--method",
        "full",
        "--model",
        str(base("bert", "mean", **still)),
    ]
    return words + [word for setting in SETTINGS for word in ("--set", setting)]


def record(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "run.json").read_text())
    return found


def test_two_processes_fit_what_one_fits(words: list[str], tailor: Tailor, tmp_path: Path) -> None:
    assert tailor(*words, "--out", "one").code == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "-m", "tailorlm", *words, "--out", "two", "--no-reload"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("adaptation  two") == 1, "one process speaks"
    one, two = record(tmp_path / "one"), record(tmp_path / "two")
    assert one["key"] == two["key"]
    assert one["validation_score"] == pytest.approx(two["validation_score"])
    hard = [{row["id"]: row["loss"] for row in r["training"]["hardest_rows"]} for r in (one, two)]  # type: ignore[index]
    both = hard[0].keys() & hard[1].keys()
    assert len(both) >= 15
    assert max(abs(hard[0][row] - hard[1][row]) for row in both) <= 2e-4
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == [], "nothing is left underway"


def test_other_verbs_are_refused_beside_others(tailor: Tailor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    said = tailor("compare", "rows.csv")
    assert said.code == 2
    assert "runs in one process" in said.err


@pytest.mark.reloads
def test_the_saved_folder_is_asked_once_more(
    words: list[str], tailor: Tailor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("tailorlm.comparison.way.check_reload", lambda folder, *given: asked.append(folder))
    assert tailor(*words, "--out", "a").code == 0
    assert tailor(*words, "--out", "b", "--no-reload").code == 0
    assert [folder.name for folder in asked] == ["a"]


def test_exact_says_what_it_costs_and_numbers_are_tracked(words: list[str], tailor: Tailor, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'tailorlm[track]'")
    said = tailor(*words, "--out", "a", "--precision", "exact", "--track", "tensorboard")
    assert said.code == 0
    needs = next(event for line in said.err.splitlines() if (event := json.loads(line))["event"] == "needs")
    assert needs["exact"] is True
    assert list((tmp_path / "tailor-runs" / "tracked" / "full-s0").glob("events.*"))
    facts = record(tmp_path / "a")["training"]
    assert facts["tokens_per_second"] > 0  # type: ignore[index]
    assert tailor(*words, "--out", "b", "--track", "papers").code == 2
