"""An adaptation to `retrieve` as an encoder: its vectors for indexes of passages and stores of examples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.core.config import load
from tailorlm.core.errors import UsageError
from tailorlm.recipes.adaptation import Adaptation, fingerprint_of
from tailorlm.recipes.answering.searching import SearchAnswering, search_of
from tailorlm.recipes.schema import Recipe, searches


class TunedEncoder:
    """The encoder of an adaptation's folder; the model is loaded when vectors are asked for.

    UsageError for adaptations to another task, whose vectors were not made to be compared, and for one that searches by words alone.
    """

    def __init__(self, folder: Path):
        self.folder, self.recipe = folder, load(folder / "recipe.yaml", Recipe)
        hint = "fit one: tailor fit ROWS --task retrieve --method lora --out FOLDER"
        task = self.recipe.task
        if not searches(task.registry.get(task.name)):
            raise UsageError(
                f"{folder} is no encoder for search",
                got=f"an adaptation to the task '{task.name}'",
                allowed="a model, or an adaptation to the task 'retrieve'",
                hint=hint,
            )
        if search_of(self.recipe).retriever == "bm25":
            raise UsageError(f"{folder} searches by words alone and has no vectors", hint=hint)
        self.query_prefix, self.text_prefix = task.settings.query_prefix, task.settings.passage_prefix
        self.fingerprint = fingerprint_of(folder)

    def fits(self, settings: EncoderSettings) -> None:
        """UsageError for settings that differ from what it was tuned with; those left at their defaults do not."""
        own = {
            "pooling": self.recipe.pooling,
            "max_length": self.recipe.task.settings.max_length,
            "query_prefix": self.query_prefix,
            "text_prefix": self.text_prefix,
        }
        for name, tuned in own.items():
            given = getattr(settings, name)
            if given not in (tuned, type(settings).model_fields[name].default):
                raise UsageError(
                    f"the encoder {self.folder} was tuned with another {name}",
                    got=f"{name}: {given}",
                    allowed=str(tuned),
                    hint=f"leave {name} out",
                )

    @cached_property
    def _answering(self) -> SearchAnswering:
        answering = Adaptation.load(self.folder).answering
        assert isinstance(answering, SearchAnswering)
        return answering

    @property
    def origin(self) -> str:
        """The recipe's name over that of its base."""
        return f"{self.recipe.name} over {self.recipe.base}"

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self._answering.model.width

    @property
    def tokenizer(self) -> Any:
        """The base's."""
        return self._answering.model.tokenizer

    @property
    def max_length(self) -> int:
        """Tokens read of a text."""
        return self._answering.model.max_length

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, width) float32 of length one."""
        return self._answering.vectors(texts)
