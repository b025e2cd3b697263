"""What steps may ask of language models, and the seam by which they get them: data knows no torch.

Whoever prepares rows hands over the name of a class ("module:attribute", as in a registry). Every process makes its own
from that name, so models load where they work, and only when a step asks for one.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tailorlm.core.errors import CheckError, UsageError


@dataclass(frozen=True)
class Rewording:
    """How a model is asked for another wording.

    prompt: what it is shown, with `{text}` in it; None: what suits the kind of model. longest: new tokens, at most.
    temperature: 0 takes the likeliest word each time. top_p: draw from the likeliest words that hold this share together.
    """

    prompt: str | None = None
    longest: int = 128
    temperature: float = 0.8
    top_p: float = 0.95


class Tagger(Protocol):
    """A token-classification model: texts in, for each the spans (start, end, label) in characters, end exclusive.

    labels: those it can give, without B- or I- before them.
    """

    @property
    def labels(self) -> Sequence[str]: ...

    def __call__(self, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]: ...


class Models(Protocol):
    """Models by the name that the user gives: `starter`, a folder, a hub id. Each loads once and when first asked for."""

    def vectors(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of the texts, (texts, width); their direction says what the texts mean."""

    def tagger(self, model: str, floor: float) -> Tagger:
        """A model for names and addresses; spans with a probability of `floor` or more."""

    def reworded(self, model: str, texts: Sequence[str], seeds: Sequence[int], how: Rewording) -> Sequence[str | None]:
        """Another wording of each text (None: the model has none); the same seeds give the same."""

    def fingerprint(self, model: str) -> str:
        """sha256 over weights, configuration and tokenizer."""


def models_of(name: str, asked_by: str) -> Models:
    """The models that were handed over under this name; one object a process.

    Raises UsageError where none were handed over. asked_by: the setting that needs them, for the message.
    """
    if not name:
        raise UsageError(
            f"{asked_by} needs a language model, and the preparation was started without any",
            hint="use `tailor prep` or tailorlm.prep(...); from Python: prepare(..., models='tailorlm.models.for_rows:ForRows')",
        )
    return _made(name)


def same_model(models: Models, model: str, sha256: str | None) -> None:
    """Raise CheckError where the model is not the one of the preparation that this one shall be like."""
    if sha256 is not None and (got := models.fingerprint(model)) != sha256:
        raise CheckError(
            f"{model} is not the model of the earlier preparation: rows would be treated otherwise",
            got=f"sha256 {got[:16]}, not {sha256[:16]}",
            hint="name the folder of the same model, or leave the sha256 out of the YAML",
        )


@lru_cache(maxsize=4)
def _made(name: str) -> Models:
    module, _, attribute = name.partition(":")
    made: Models = getattr(importlib.import_module(module), attribute)()
    return made
