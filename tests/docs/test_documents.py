"""What the documents say is so: links lead somewhere, commands exist, the README's Python runs."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def test_there_are_pages():
    assert len(PAGES) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def commands() -> list[str]:
    blocks = [
        b for page in PAGES for b in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)
    ]
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix(".venv/bin/") for line in lines if line.removeprefix(".venv/bin/").startswith("tailor ")]


def test_commands_exist():
    import typer

    from tailorlm.cli.app import VERBS, build

    assert len(commands()) >= 6
    for line in commands():
        verb, *words = shlex.split(line)[1:]
        assert verb in VERBS, line
        module, _, function = VERBS[verb][0].partition(":")
        inner = words[:1] if isinstance(getattr(importlib.import_module(module), function), typer.Typer) else []
        help_text = subprocess.run(
            [sys.executable, "-c", "from tailorlm.cli import main; main()", verb, *inner, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"COLUMNS": "200"},
        ).stdout
        for flag in (word for word in words if word.startswith("--")):
            assert flag in help_text, f"{line}: {flag}"
    assert build(None) is not None


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"`?make ([a-z-]+)\b", page.read_text(encoding="utf-8")):
            if f"`make {target}`" in page.read_text(encoding="utf-8") or f"\nmake {target}" in page.read_text(
                encoding="utf-8"
            ):
                assert f"\n{target}:" in makefile, target


@pytest.mark.starter
def test_readme_python_runs(tmp_path):
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S).group(1)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-800:]
    recommended, label = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
    assert recommended.startswith("features-lr ")
    assert label == "card_lost_or_stolen"
