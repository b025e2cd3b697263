"""Files, functions and signatures stay small, without a waiver list."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src").rglob("*.py"))
LINES, FUNCTION, PARAMETERS = 400, 80, 8
# A command's options are its interface: one parameter an option, in cli/ alone.
OPTIONS = ROOT / "src" / "tailorlm" / "cli"


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_check():
    assert len(FILES) > 60


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_sizes(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES
    for node in functions(path):
        assert node.end_lineno - node.lineno + 1 <= FUNCTION, f"{node.name} is too long"
        if path.parent != OPTIONS:
            arguments = node.args
            count = len(arguments.args) + len(arguments.kwonlyargs) + len(arguments.posonlyargs)
            bound = bool(arguments.args) and arguments.args[0].arg in {"self", "cls"}
            assert count - bound <= PARAMETERS, f"{node.name} has too many parameters"


def test_nothing_prints_but_the_cli():
    for path in FILES:
        if path.parent == OPTIONS:
            continue
        calls = [
            n
            for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "print"
        ]
        assert not calls, path


def test_no_pickle_and_no_remote_code():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for word in ("import pickle", "import joblib", "torch.load(", "trust_remote_code"):
            assert word not in text, f"{path} has {word}"
