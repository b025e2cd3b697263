"""How a fitted model answers a task: inputs to readings, readings to scores, scores to answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tailorlm.evaluation import Predictions
from tailorlm.models.encoder import TextModel
from tailorlm.models.run import scores_of
from tailorlm.tasks.base import Answers, Examples, HeadTask, Task


class HeadAnswering:
    """A task answered by a head on a model's states. labels: the label set that answers are made of."""

    def __init__(self, task: HeadTask, model: TextModel, labels: Sequence[str]):
        self.task, self.model, self.labels = task, model, tuple(labels)

    def scores(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """Scores of every reading of the inputs, (places, outputs) float32: logits, margins, cosines or vote shares, by what answers."""
        return scores_of(self.model, self.task.read(self.model.tokenizer, inputs, self.model.max_length))

    def answer(self, inputs: Sequence[Any]) -> Answers:
        """One answer an input, in their order."""
        readings = self.task.read(self.model.tokenizer, inputs, self.model.max_length)
        return self.decode(scores_of(self.model, readings), readings, inputs)

    def decode(self, scores: Sequence[np.ndarray], readings: Any, inputs: Sequence[Any]) -> Answers:
        """Answers from scores that are there already."""
        votes = self.model.head is not None and self.model.head.kind == "nearest"
        return self.task.decode(scores, readings, inputs, self.labels, votes=votes)


def predictions_of(task: Task, examples: Examples, answers: Answers, labels: Sequence[str]) -> Predictions:
    """Answers beside the right ones, as scoring takes them."""
    values = tuple(answers.values)
    return Predictions(examples.ids, examples.gold, values, tuple(labels), answers.scores, task.answers)
