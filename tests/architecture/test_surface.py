"""What outsiders see: public names, registered names, verbs, start-up, dependencies. A change here is a diff to approve."""

import importlib
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import tailorlm

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
DATA_ROOMS = (
    "data.readers",
    "data.shapes",
    "data.steps",
    "data.redact",
    "data.redact.national",
    "data.augment",
    "data.audit.checks",
)


def test_public_names_are_those_approved():
    assert sorted(tailorlm.__all__) == (GOLDEN / "public_names.txt").read_text().split()
    for name in tailorlm.__all__:
        assert getattr(tailorlm, name).__doc__, name


def test_registered_names_are_those_approved():
    lines = []
    for room in (
        "tasks",
        "weights",
        "objectives",
        "objectives.penalties",
        "context",
        "context.choosers",
        *DATA_ROOMS,
        "evaluation.kinds",
        "evaluation.metrics",
    ):
        lines += [f"{room} {name}" for name in importlib.import_module(f"tailorlm.{room}").TABLE]
    from tailorlm.recipes.presets import METHODS

    lines += [f"methods {name}" for name in METHODS]
    assert lines == (GOLDEN / "registered_names.txt").read_text().splitlines()


def test_dependencies_are_those_approved():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = sorted(re.split(r"[<>=]", d)[0] for d in project["dependencies"])
    assert found == (GOLDEN / "dependencies.txt").read_text().split()
    extras = {
        name: sorted(re.split(r"[<>=]", d)[0] for d in needs)
        for name, needs in project["optional-dependencies"].items()
    }
    assert [f"{name}: {' '.join(needs)}" for name, needs in extras.items()] == (
        GOLDEN / "extras.txt"
    ).read_text().splitlines()


HEAVY = {"torch", "transformers", "peft", "sklearn", "scipy", "numpy", "altair", "datasets"}


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv=['tailor','--help']\n"
        "from tailorlm.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        f"print('HEAVY', sorted(set(sys.modules) & {HEAVY!r}))"
    )
    assert "HEAVY []" in run(code).stdout


def test_help_answers_at_once():
    """Under 0.3 s of processor time, best of five: wall time on a shared machine is not evidence."""
    code = "import sys; sys.argv=['tailor','--help']\nfrom tailorlm.cli import main\nmain()"
    best = min(_processor_seconds(code) for _ in range(5))
    bare = min(_processor_seconds("") for _ in range(5))
    assert best < max(0.3, 6 * bare)


def _processor_seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_importing_the_package_loads_nothing_heavy():
    assert "HEAVY []" in run(f"import tailorlm, sys; print('HEAVY', sorted(set(sys.modules) & {HEAVY!r}))").stdout
