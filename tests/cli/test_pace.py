"""The line that changes while it trains."""

from __future__ import annotations

import pytest

from tailorlm.cli import show
from tailorlm.cli.show import Pace


def step(number: int, tokens: int = 500) -> dict[str, object]:
    return {"event": "step", "step": number, "steps": 100, "epoch": 1, "epochs": 2, "loss": 0.5, "tokens": tokens}


def test_a_setting_that_failed_is_told() -> None:
    event = {"event": "trial-failed", "number": 2, "settings": {"stages.0.weights.lr": 0.1}, "fault": "no number"}
    assert show.noticed(event) == "lr 0.1 failed: no number"


def test_tokens_a_second_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(show.time, "monotonic", lambda: clock[0])
    pace = Pace()
    assert pace.line(step(1)) == "pass 1/2  step 1/100  loss 0.500"
    clock[0] += 2.0
    assert pace.line(step(2)) == "pass 1/2  step 2/100  loss 0.500  250 tokens/s  3 min left"
    clock[0] += 2.0
    assert pace.line(step(3, 1500)).endswith("500 tokens/s  3 min left")
    assert pace.line(step(1)) == "pass 1/2  step 1/100  loss 0.500", "another fit begins anew"
    clock[0] += 1.0
    assert pace.line(step(100)).endswith("500 tokens/s")
