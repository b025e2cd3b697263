"""How a fitted model is asked about plain text: what each text costs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.models.decoder import Writer, load_writer
from tailorlm.models.perplexity import surprise
from tailorlm.models.resolve import BaseModel
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, Task


class ReadAnswering:
    """Plain text read by a model that writes; nothing is shown and nothing answered."""

    labels: tuple[str, ...] = ()

    def __init__(self, task: Task, model: Writer):
        self.task, self.model = task, model

    @classmethod
    def open(cls, recipe: Recipe, base: BaseModel, record: Mapping[str, Any]) -> ReadAnswering:
        """From the record that `facts` went into: the base's model, before weights parts and `restore`."""
        return cls(recipe.task.make(), load_writer(base, max_length=record["max_length"]))

    def answer(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> Answers:
        """Nats, tokens and bytes of each text, in order. ids: names of the rows, which reading has no use for."""
        found = surprise(self.model, [str(text) for text in inputs])
        return Answers([[one.nats, one.tokens, one.bytes] for one in found])

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Refused: there are no labels."""
        raise TailorError("plain text has no labels to score", hint="predict gives bits per byte and perplexity")

    def facts(self) -> dict[str, Any]:
        """What `open` needs again."""
        return {"pooling": "read", "max_length": self.model.max_length, "pad_token_id": self.model.pad_id}

    def write(self, folder: Path) -> None:
        """Nothing is kept besides the weights."""

    def restore(self, folder: Path) -> None:
        """Nothing was."""
        self.model.eval()
