"""The guide to tasks: its Python runs, block by block, and every task has a section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailorlm.tasks import tasks
from writers import tiny_writer

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "tasks.md").read_text(encoding="utf-8")


def test_every_task_has_a_section() -> None:
    assert set(re.findall(r"^## `(\w+)`$", GUIDE, flags=re.M)) == set(tasks)
    assert set(re.findall(r"^\| \[`(\w+)`\]", GUIDE, flags=re.M)) == set(tasks)


@pytest.mark.starter
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # A fresh process that reads each saved folder takes seconds, and is tested elsewhere.
    monkeypatch.setattr("tailorlm.comparison.way.check_reload", lambda *given: None)
    tiny_writer(tmp_path / "my-model", "llama")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.S)
    assert len(blocks) > len(set(tasks))
    found: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "tasks.md", "exec"), found)
    assert "Rome place" in capsys.readouterr().out
