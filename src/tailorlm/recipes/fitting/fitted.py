"""What a fit leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorlm.recipes.adaptation import Adaptation
from tailorlm.training.job import Score, Trained


@dataclass
class Fitted:
    """A fitted recipe with what the fit left behind.

    adaptation: the thing that predicts. trained: the loop's record of each trained stage. trainable: parameters that
    learnt (weights of a classical classifier included). score: on the validation rows, where there were any. found: settings of the
    task that those rows decided, such as a threshold; they are in the adaptation's recipe. tasks: of the other tasks that
    stages learnt, by name, what `Other.told` gives: rows, and scores before and behind every stage. steps: of a recipe in steps, what
    each learnt from. cut: of the train rows how many were too long, and what was left out of them, as the event of that name tells it; empty where
    nothing was.
    """

    adaptation: Adaptation
    trained: list[Trained]
    trainable: int
    score: Score | None
    found: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...] = ()
    cut: Mapping[str, Any] = field(default_factory=dict)

    @property
    def earlier(self) -> float:
        """Seconds of training in sittings before this one, where the fit went on from a checkpoint."""
        return sum(trained.earlier for trained in self.trained)
