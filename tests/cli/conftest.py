"""The command line inside the test's own empty folder, with its exit code and what it said."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from words import Said, Tailor


@pytest.fixture
def tailor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tailor:
    """`tailor("fit", "rows.csv", stdin=b"...")` runs the command in `tmp_path`, within this process."""
    from tailorlm.cli.app import run

    monkeypatch.chdir(tmp_path)

    def command(*words: object, stdin: bytes | None = None) -> Said:
        monkeypatch.setattr(sys, "argv", ["tailor", *map(str, words)])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "defect of tailorlm" not in said.err
        return Said(int(end.value.code or 0), said.out, said.err)

    return command


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., str]:
    """`put("x.csv", rows)` writes a CSV of text and label (or bytes as they are) into the folder; returns the name."""

    def write(name: str, content: Sequence[tuple[str, str]] | bytes) -> str:
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        else:
            with (tmp_path / name).open("w", newline="", encoding="utf-8") as handle:
                csv.writer(handle).writerows([("text", "label"), *content])
        return name

    return write


@pytest.fixture(autouse=True)
def no_reload(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process that reads the saved folder takes seconds: only tests marked `reloads` pay for it."""
    if "reloads" not in request.keywords:
        monkeypatch.setattr("tailorlm.comparison.way.check_reload", lambda *given: None)
