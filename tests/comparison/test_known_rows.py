"""Figures known from elsewhere, on real rows with the starter encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score

from tailorlm.data import read
from tailorlm.data.split import subsample
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import preset
from tailorlm.tasks.base import Examples
from tailorlm.tasks.classify import Classify

BANKING = Path(__file__).parents[3] / "shared" / "data" / "banking77"


def banking(name: str) -> Examples:
    return Classify(Classify.Settings()).prepare(read(BANKING / name), what="given")


@pytest.mark.starter
@pytest.mark.shared
def test_banking77_zero_shot_and_nearest() -> None:
    """Zero-shot on label names: measured once with the encoder's own library, 0.622 on the 3,080 test rows."""
    test, train = banking("test.jsonl"), banking("train.jsonl.gz")
    assert (len(test), len(test.labels)) == (3080, 77)
    task = {"part": "classify"}
    zero = fit(preset("zero-shot").recipe("zero-shot", "starter", task), test).adaptation
    scores = zero.scores(test.texts)
    accuracy = accuracy_score(test.gold, [zero.labels[i] for i in scores.argmax(1)])
    assert accuracy == pytest.approx(0.622, abs=0.005)
    few = train.select(subsample(train.gold, 2000, 0))
    nearest = fit(preset("nearest").recipe("nearest", "starter", task).changed({"context.k": 1}), few).adaptation
    some = test.select(subsample(test.gold, 300, 0))
    answers = [nearest.labels[i] for i in nearest.scores(some.texts).argmax(1)]
    assert accuracy_score(some.gold, answers) > 0.75
