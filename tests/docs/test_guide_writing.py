"""The guide to models that write: its Python runs, its endpoints file can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailorlm.models.endpoint import endpoint_called
from writers import tiny_writer

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "writing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.S)


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_writer(tmp_path / "my-model", "llama")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    found: dict[str, object] = {}
    exec(compile(code, "writing.md", "exec"), found)
    assert capsys.readouterr().out
    assert found["scores"].shape == (1, 2)
    assert found["one_of"][0].text in ("yes", "no")


def test_the_endpoints_file_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = blocks("yaml")
    (tmp_path / "endpoints.yaml").write_text(text)
    monkeypatch.setenv("TAILOR_ENDPOINTS", str(tmp_path / "endpoints.yaml"))
    assert endpoint_called("house").per_minute == 120
