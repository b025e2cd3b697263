"""Predictions from short words, and the simulations of `benchmarks/statistics_check.py`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tailorlm.evaluation import Predictions


@pytest.fixture
def make() -> Callable[..., Predictions]:
    """`make("aab", "abb")`: three rows with ids 0, 1, 2 and one letter a label."""

    def predictions(gold: Sequence[str], predicted: Sequence[str], labels: str | None = None) -> Predictions:
        known = sorted({*gold, *predicted} if labels is None else set(labels))
        return Predictions(tuple(map(str, range(len(gold)))), tuple(gold), tuple(predicted), tuple(known))

    return predictions


@pytest.fixture(scope="session")
def simulated() -> ModuleType:
    """The benchmark as a module, so that tests and the published table share one simulation."""
    path = Path(__file__).parents[2] / "benchmarks" / "statistics_check.py"
    spec = importlib.util.spec_from_file_location("statistics_check", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["statistics_check"] = module
    spec.loader.exec_module(module)
    return module
