"""What goes to a tracker: numbers, and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.training.trackers import numbers, tracked

HAS = importlib.util.find_spec("tensorboard") is not None
SETTINGS = {"base": "/home/anna/model", "stages": [{"weights": {"part": "lora", "lr": 1e-4}, "train": {"epochs": 3}}]}
SECRET = "Anna Schmidt"


def events() -> list[dict[str, Any]]:
    step = {"event": "step", "epoch": 1, "epochs": 2, "rows": 16, "tokens": 900, "steps": 20}
    return [
        {"event": "preflight", "rows": 40, "shown": SECRET},
        {"event": "trial", "number": 1, "settings": {"stages.0.weights.lr": SECRET}},
        *({**step, "step": n, "loss": 2.0 / n} for n in range(1, 21)),
        {"event": "spike", "step": 20, "loss": 9.0, "usual": 1.0, "rows": [SECRET]},
        {"event": "validation", "epoch": 1, "score": 0.5, "loss": SECRET},
        {"event": "last-fit", "rows": 40},
        {**step, "step": 10, "loss": 0.25},
    ]


@pytest.mark.skipif(not HAS, reason="tensorboard is not installed: pip install 'tailorlm[track]'")
def test_tensorboard_gets_the_numbers_and_no_text(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tracked("tensorboard", "lora-s0", tmp_path, SETTINGS) as listen:
        for event in events():
            listen(event)
    found = EventAccumulator(str(tmp_path / "lora-s0"))
    found.Reload()
    losses = [(e.step, e.value) for e in found.Scalars("trial 1/step/loss")]
    assert losses == [(10, pytest.approx(0.2)), (20, pytest.approx(0.1))]
    assert [e.value for e in found.Scalars("last fit/step/loss")] == [0.25]
    assert [e.value for e in found.Scalars("trial 1/validation/score")] == [0.5]
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"stages.0.weights.lr" in written
    for private in (SECRET, "anna", "lora\x00"):
        assert private.encode() not in written


def test_numbers_of_settings() -> None:
    assert dict(numbers(SETTINGS)) == {"stages.0.weights.lr": 1e-4, "stages.0.train.epochs": 3.0}
    assert dict(numbers({})) == {}


def test_unknown_and_missing_trackers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tensorboard, trackio"), tracked("papers", "x", tmp_path, {}):
        pass
    missing = next((n for n in ("mlflow", "trackio", "wandb") if importlib.util.find_spec(n) is None), None)
    if missing is None:
        pytest.skip("all trackers are installed")
    with pytest.raises(TailorError, match="is not installed"), tracked(missing, "x", tmp_path, {}):
        pass
