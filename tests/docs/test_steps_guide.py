"""The guide to steps: its recipe can be read, and its Python runs with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tailorlm.core.config import load
from tailorlm.recipes.schema import Recipe
from writers import tiny_writer

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "steps.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.S)
    return str(code)


def test_the_guide_runs(
    tmp_path: Path, base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_writer(tmp_path / "my-model", "llama")
    (tmp_path / "my-encoder").symlink_to(base("bert", "mean"))
    (tmp_path / "steps.yaml").write_text(block("yaml"))
    rows = [
        {"question": f"what is the price of ticket {i}" if i % 2 else f"when is match {i}", "answer": f"it is {i}"}
        | {"topic": "prices" if i % 2 else "times"}
        for i in range(24)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    recipe = load(Path("steps.yaml"), Recipe)
    assert [step.name for step in recipe.steps] == ["about", "looked_up", "plain"]
    found: dict[str, object] = {}
    exec(compile(block("python"), "steps.md", "exec"), found)
    assert "ask-then-answer" in capsys.readouterr().out
    for key in ("texts", "routes", "otherwise", "passes_on", "folds"):
        assert f"`{key}`" in GUIDE or f"{key}:" in GUIDE, key
