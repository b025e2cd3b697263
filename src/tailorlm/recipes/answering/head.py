"""How a fitted model answers a task with a head: inputs to readings, readings to scores, scores to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.marks import NONE_OF_THESE
from tailorlm.evaluation import Predictions
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import load_head, save_head
from tailorlm.models.resolve import BaseModel
from tailorlm.models.run import scores_of
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, Examples, HeadTask, Task
from tailorlm.tasks.readings import Readings, left_out


class HeadAnswering:
    """A task answered by a head on a model's states. labels: the label set that answers are made of.

    apart: whether the two texts of a pair are read by themselves, and the head reads what their vectors make together.
    """

    def __init__(self, task: HeadTask, model: TextModel, labels: Sequence[str], *, apart: bool = False):
        self.task, self.model, self.labels, self.apart = task, model, tuple(labels), apart

    @classmethod
    def open(cls, recipe: Recipe, base: BaseModel, record: Mapping[str, Any]) -> HeadAnswering:
        """From the record that `facts` went into: the base's model, before weights parts and `restore`."""
        task, labels = recipe.task.make(), record["labels"]
        model = load_model(
            base, labels=task.outputs(labels), pooling=record["pooling"], max_length=record["max_length"]
        )
        return cls(task, model, labels, apart=record.get("apart", False))

    def read(self, inputs: Sequence[Any]) -> Readings:
        """What the model reads of the inputs."""
        return self._read(inputs, self.model.max_length)

    def left_out(self, inputs: Sequence[Any], readings: Readings) -> tuple[int, int]:
        """Of how many inputs, which these are the readings of, something is not read, and how many tokens that is."""
        return left_out(self._read, inputs, readings, self.model.max_length)

    def _read(self, inputs: Sequence[Any], max_length: int) -> Readings:
        read = getattr(self.task, "read_apart", self.task.read) if self.apart else self.task.read
        readings: Readings = read(self.model.tokenizer, inputs, max_length)
        return readings

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Scores of every reading of the inputs, (places, outputs) float32: logits, margins, cosines or vote shares, by what answers."""
        found = scores_of(self.model, self.read(inputs))
        return np.concatenate(found) if found else np.zeros((0, len(self.task.outputs(self.labels))), np.float32)

    def answer(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> Answers:
        """One answer an input, in their order. ids: names of the rows, which a head has no use for."""
        readings = self.read(inputs)
        return self.decode(scores_of(self.model, readings), readings, inputs)

    @property
    def votes(self) -> bool:
        """Whether scores are shares of a vote, not logits."""
        return self.model.head is not None and self.model.head.kind == "nearest"

    def decode(self, scores: Sequence[np.ndarray], readings: Any, inputs: Sequence[Any]) -> Answers:
        """Answers from scores that are there already."""
        links = getattr(self.model.head, "links", None)
        chain = {} if links is None else {"links": links.detach().cpu().numpy()}
        return self.task.decode(scores, readings, inputs, self.labels, votes=self.votes, **chain)

    def facts(self) -> dict[str, Any]:
        """What `open` needs again."""
        model = self.model
        facts = {"pooling": model.pooling, "max_length": model.max_length, "pad_token_id": model.config.pad_token_id}
        return facts | ({"apart": True} if self.apart else {})

    def write(self, folder: Path) -> None:
        """Write the head."""
        if self.model.head is not None:
            save_head(self.model.head, folder)

    def restore(self, folder: Path) -> None:
        """Read what `write` wrote."""
        if (folder / "head.json").is_file():
            self.model.head = load_head(folder).to(self.model.device)
        self.model.eval()


def predictions_of(task: Task, examples: Examples, answers: Answers, labels: Sequence[str]) -> Predictions:
    """Answers beside the right ones, as scoring takes them. Where no label was given, or none is right, `(none of these)` stands for it."""
    values, scores = tuple(answers.values), answers.scores
    if task.answers in ("labels", "spans"):  # what was written is no list of them: nothing was found
        values = tuple([] if value is None else value for value in values)
    if task.answers == "label":
        values = tuple(NONE_OF_THESE if value is None else value for value in values)
        if NONE_OF_THESE not in labels and NONE_OF_THESE in {*values, *examples.gold}:
            wider = sorted([*labels, NONE_OF_THESE])
            scores = None if scores is None else np.insert(scores, wider.index(NONE_OF_THESE), 0.0, axis=1)
            labels = wider
    return Predictions(examples.ids, examples.gold, values, tuple(labels), scores, task.answers)
