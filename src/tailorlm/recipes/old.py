"""What penalties against forgetting look at before the first step of a stage: the start, and rows of an earlier task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tailorlm.core.errors import UsageError
from tailorlm.models.run import vectors_of
from tailorlm.training.lesson import IGNORED

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tailorlm.models.encoder import TextModel
    from tailorlm.tasks.base import HeadTask

# Inverse strength of L2 regularisation of the head that stands for the old task.
STRENGTH = 10.0


@dataclass
class StageScene:
    """A stage before its first step: the model with its weights part on, and the task whose columns old rows share."""

    model: TextModel
    task: HeadTask
    names: Sequence[str]

    @property
    def learning(self) -> Mapping[str, nn.Parameter]:
        """Parameters that learn, by name."""
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name] for name in self.names}

    @property
    def head(self) -> frozenset[str]:
        """Names of the new task's head."""
        return frozenset(self.model.head_parameters())

    def old(self, file: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Old rows one by one: scores (places, labels) of logistic regression on the model's vectors of them, and codes (places,).

        The first `count` rows of the file count. Raises UsageError for tasks that do not ask for one label at each place.
        """
        import torch

        from tailorlm.data.read import read
        from tailorlm.data.rows import Rows
        from tailorlm.weights.features import logistic_head, unit

        if self.task.target != "one":
            raise UsageError(
                "old rows speak through a head of labels, which this task has not", hint="penalties: [l2_sp]"
            )
        rows = read(file)
        examples = self.task.prepare(Rows(tuple(rows)[:count], rows.columns), what="old")
        readings = self.task.read(self.model.tokenizer, examples.inputs, self.model.max_length)
        targets = self.task.targets(readings, examples)
        vectors, codes = np.concatenate(vectors_of(self.model, readings)), np.concatenate(targets)
        asked = codes != IGNORED
        outputs = len(self.task.outputs(examples.labels))
        head = logistic_head(unit(vectors[asked]), codes[asked], outputs, STRENGTH).to(self.model.device)
        was_training = self.model.training
        self.model.eval()
        try:
            for i, target in enumerate(targets):
                places = torch.from_numpy(target).to(self.model.device)
                scores = head(self.model.vectors(**self.model.batch(readings.select([i]))))
                yield scores[places != IGNORED], places[places != IGNORED]
        finally:
            self.model.train(was_training)
