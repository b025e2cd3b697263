"""The route of float32 products: told, remembered or measured, and never one that is less exact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tailorlm.core.errors import UsageError
from tailorlm.models import arithmetic
from tailorlm.models.arithmetic import VARIABLE, fastest_exact, measure, route


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tailorlm" / f"arithmetic-{torch.get_num_threads()}.json"


@pytest.mark.parametrize(
    ("speedup", "error", "chosen"), [(2.1, 1.1, "medium"), (1.1, 1.0, "highest"), (3.0, 50.0, "highest")]
)
def test_the_faster_route_only_when_it_is_as_exact(
    speedup: float, error: float, chosen: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def measured() -> dict[str, float]:
        calls.append(1)
        return {"speedup": speedup, "error": error}

    monkeypatch.setattr(arithmetic, "measure", measured)
    assert [route(), route()] == [chosen, chosen]
    assert calls == [1], "measured once a machine"
    assert json.loads(memory.read_text())["speedup"] == speedup
    memory.write_text("{torn")
    assert route() == chosen
    memory.write_text(json.dumps({"machine": "another", "route": "medium"}))
    assert route() == chosen
    assert len(calls) == 3


def test_what_cannot_be_remembered_is_not_chosen(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "measure", lambda: {"speedup": 9.0, "error": 1.0})
    memory.parent.parent.mkdir(exist_ok=True)
    memory.parent.write_text("a file where the folder should be")
    assert route() == "highest"


def test_it_really_measures_and_puts_back_what_was_set(memory: Path) -> None:
    before = torch.get_float32_matmul_precision()
    found = measure()
    assert set(found) == {"speedup", "error"}
    assert found["speedup"] > 0
    assert found["error"] > 0
    with fastest_exact(torch.device("cpu")) as chosen:
        assert torch.get_float32_matmul_precision() == chosen
    assert torch.get_float32_matmul_precision() == before


def test_a_route_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fast")
    with pytest.raises(UsageError, match="TAILOR_ARITHMETIC is 'fast'"):
        route()
