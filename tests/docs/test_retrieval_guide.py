"""The guide to retrieval does what it says: its commands run one after another, its Python runs, and the handbook's questions are answered."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tailorlm.context.index import IndexSettings, PassageIndex, gold_of, score_index
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.data import read

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "retrieval.md").read_text(encoding="utf-8")
HANDBOOK = ROOT / "examples" / "handbook"


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=240, env=os.environ
    )
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout


@pytest.mark.starter
def test_the_commands_run_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    blocks = re.findall(r"```bash\n(.*?)```", GUIDE, flags=re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    assert len(lines) == 10
    said = []
    for line in lines:
        assert line.startswith("tailor index ")
        said.append(run(tmp_path, "-c", "from tailorlm.cli import main; main()", *shlex.split(line)[1:]))
    assert "10 documents (10 added)" in said[0]
    assert said[1].startswith(" 1  documents/electric_bicycles.md#")
    assert "documents: 10" in said[2]
    assert "10 documents (10 unchanged)" in said[3]
    assert "11 documents (1 added" in said[4]
    assert "10 documents (1 removed)" in said[5]
    assert json.loads(said[7])[0]["passages"][0]["document"] == "documents/electric_bicycles.md"
    assert said[8].startswith(" 1  documents/electric_bicycles.md#")
    assert [line.split()[0] for line in said[9].splitlines()] == ["bm25", "dense", "fused"]
    assert "n = 32" in said[9]


def test_the_python_runs(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    code = re.search(r"```python\n(.*?)```", GUIDE, flags=re.S)
    assert code is not None
    out = run(tmp_path, "-c", code[1])
    assert out.splitlines() == ["['system', 'user', 'assistant', 'user']", "documents/damage_and_theft.md"]


def test_the_handbook_answers_its_questions_by_words(tmp_path: Path) -> None:
    index, change = PassageIndex.build(
        tmp_path / "index", [str(HANDBOOK / "documents")], IndexSettings(encoder=None, size=500)
    )
    assert change.documents == 10
    gold = gold_of(index, read(HANDBOOK / "questions.jsonl"))
    assert len(gold.questions) == 32
    assert gold.aside == []
    assert score_index(index, gold, SearchSettings())["recall@5"].mean() > 0.85
