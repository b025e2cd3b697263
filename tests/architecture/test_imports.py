"""Imports point one way; rooms and tables agree."""

import ast
import importlib
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "tailorlm"
ORDER = [
    {"core"},
    {"data"},
    {"tasks"},
    {"models"},
    {"weights", "objectives", "context"},
    {"training"},
    {"recipes"},
    {"comparison"},
    {"serving", "monitoring", "export", "studio"},
    {"cli"},
]
LEVEL = {room: i for i, rooms in enumerate(ORDER) for room in rooms}
# Evaluation knows predictions, never methods.
EVALUATION_MAY = {"core", "data", "evaluation"}
EVALUATION_USERS = {"recipes", "comparison", "serving", "monitoring", "export", "studio", "cli"}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        if isinstance(node, ast.ImportFrom) and node.module == "tailorlm":
            names = [f"tailorlm.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("tailorlm.")}
    return rooms


def modules() -> list[Path]:
    return sorted(p for p in SRC.rglob("*.py") if p.parent != SRC)


def test_there_is_something_to_check():
    assert len(modules()) > 50


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_point_down(path):
    room = path.relative_to(SRC).parts[0]
    for other in imported_rooms(path) - {room}:
        if room == "evaluation":
            assert other in EVALUATION_MAY, f"evaluation imports {other}"
        elif other == "evaluation":
            assert room in EVALUATION_USERS, f"{room} imports evaluation"
        else:
            assert LEVEL[other] < LEVEL[room], f"{room} imports {other}, which is not below it"


TABLES = [
    "weights",
    "objectives",
    "context",
    "context.choosers",
    "tasks",
    "data.readers",
    "data.shapes",
    "data.steps",
    "data.redact",
    "data.redact.national",
    "data.augment",
    "data.audit.checks",
    "evaluation.kinds",
    "evaluation.metrics",
]
SHARED = {"base", "fields", "columns", "readings"}  # files of a folder that serve its parts and are none themselves


@pytest.mark.parametrize("room", TABLES)
def test_folder_and_table_agree(room):
    table = importlib.import_module(f"tailorlm.{room}").TABLE
    folder = SRC / Path(*room.split("."))
    files = {p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")} - SHARED
    named = {target.partition(":")[0].rsplit(".", 1)[1] for target in table.values()}
    assert named == files
    for name, target in table.items():
        module, _, attribute = target.partition(":")
        assert hasattr(importlib.import_module(module), attribute), name
