"""The encoder as retrieval uses it: texts and queries in, vectors of length one out, and a fingerprint of all that shapes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tailorlm.context.retrieval.rank import Scores
from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.core.registry import Registry
from tailorlm.models.resolve import BaseModel, adaptation_folder, resolve

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel
    from tailorlm.models.run import EmbeddingView

PORTION = 1024
"""Texts that are tokenised and computed together."""


# What reads a folder that holds more than a model, by name: it stands on rooms above this one.
TUNED = Registry(
    "tuned encoder", {"adaptation": "tailorlm.recipes.tuned_encoder:TunedEncoder"}, "tailorlm.tuned_encoders"
)


class Tuned(Protocol):
    """An encoder with what was learned on it."""

    fingerprint: str
    origin: str
    width: int
    tokenizer: Any
    max_length: int
    query_prefix: str
    text_prefix: str

    def fits(self, settings: EncoderSettings) -> None:
        """UsageError for settings that differ from what it was tuned with."""

    def vectors(self, texts: Sequence[str]) -> Scores:
        """(texts, width) float32 of length one, of texts behind their prefixes."""


class Encoder:
    """Turns texts and queries into vectors of length one; the model is loaded when the first one is asked for.

    view: vectors shared with other ways on the same rows (`models.run`), which are computed once. Raises TailorError when there is no
    such model. Any encoder of the hub or a folder will do; sentence encoders are made for it, others find less. The folder of an adaptation
    to `retrieve` is one, too: with what was learned, and with the length and prefixes that it was learned with.
    """

    def __init__(self, settings: EncoderSettings, view: EmbeddingView | None = None):
        self.settings, self._view = settings, view

    @cached_property
    def base(self) -> BaseModel:
        """Where the model lies."""
        return resolve(self.settings.model)

    @cached_property
    def tuned(self) -> Tuned | None:
        """The adaptation, where the name is the folder of one. UsageError where it gives no vectors to search by."""
        folder = adaptation_folder(self.settings.model)
        if folder is None:
            return None
        found: Tuned = TUNED.get("adaptation")(folder)
        found.fits(self.settings)
        return found

    @property
    def origin(self) -> str:
        """The name by which others know it."""
        return self.tuned.origin if self.tuned is not None else self.base.origin

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over weights, tokenizer, pooling, length and prefixes: equal ones give equal vectors."""
        if self.tuned is not None:
            return self.tuned.fingerprint
        rest = self.settings.model_dump(exclude={"model"})
        return hashlib.sha256(json.dumps([self.base.fingerprint, rest], sort_keys=True).encode()).hexdigest()

    @cached_property
    def model(self) -> TextModel:
        """The model, loaded."""
        from tailorlm.models.encoder import load_model

        return load_model(self.base, labels=(), pooling=self.settings.pooling, max_length=self.settings.max_length)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.tuned.width if self.tuned is not None else self.model.width

    def texts(self, texts: Sequence[str], listen: Callable[[int], None] = lambda done: None) -> Scores:
        """(texts, width) float32 of length one. listen: told how many are done, after every portion."""
        return self._vectors([self._prefixes[1] + text for text in texts], listen)

    def queries(self, queries: Sequence[str]) -> Scores:
        """(queries, width) float32 of length one."""
        return self._vectors([self._prefixes[0] + query for query in queries], lambda done: None)

    @property
    def _prefixes(self) -> tuple[str, str]:
        by = self.tuned or self.settings
        return by.query_prefix, by.text_prefix

    def too_long(self, texts: Sequence[str]) -> int:
        """How many of the texts go beyond what the encoder reads; their ends are found by words alone."""
        by: Any = self.tuned or self.model
        tokenizer, limit = by.tokenizer, by.max_length
        # Below so many characters no text has more tokens than fit: a token is a character at least, special ones aside.
        long = [_whole(self._prefixes[1] + text) for text in texts if len(text) + 8 > limit]
        found = 0
        for start in range(0, len(long), PORTION):
            encoded = tokenizer(long[start : start + PORTION], padding=False, truncation=False, verbose=False)
            found += sum(len(ids) > limit for ids in encoded["input_ids"])
        return found

    def _vectors(self, texts: Sequence[str], listen: Callable[[int], None]) -> Scores:
        from tailorlm.models.run import embed

        found = np.zeros((len(texts), self.width), np.float32)
        for start in range(0, len(texts), PORTION):
            some = texts[start : start + PORTION]
            if self.tuned is not None:  # those that others share are of the base
                some_vectors = self.tuned.vectors(some)
            else:
                some_vectors = self._view.take(self.model, some) if self._view else embed(self.model, some)
            found[start : start + len(some)] = some_vectors
            listen(start + len(some))
        return unit(found)


def _whole(text: str) -> str:
    # Half a character (a lone surrogate) cannot be handed to a tokenizer; it becomes the sign for what cannot be read.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unit(vectors: Scores) -> Scores:
    """Vectors scaled to length one; zeros stay zeros."""
    scaled: Scores = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled
