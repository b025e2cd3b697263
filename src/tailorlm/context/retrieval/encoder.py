"""The encoder as retrieval uses it: texts and queries in, vectors of length one out, and a fingerprint of all that shapes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tailorlm.context.retrieval.rank import Scores
from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.models.resolve import BaseModel, resolve

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel
    from tailorlm.models.run import EmbeddingView

PORTION = 1024
"""Texts that are tokenised and computed together."""


class Encoder:
    """Turns texts and queries into vectors of length one; the model is loaded when the first one is asked for.

    view: vectors shared with other ways on the same rows (`models.run`), which are computed once. Raises TailorError when there is no
    such model. Any encoder of the hub or a folder will do; sentence encoders are made for it, others find less.
    """

    def __init__(self, settings: EncoderSettings, view: EmbeddingView | None = None):
        self.settings, self._view = settings, view

    @cached_property
    def base(self) -> BaseModel:
        """Where the model lies."""
        return resolve(self.settings.model)

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over weights, tokenizer, pooling, length and prefixes: equal ones give equal vectors."""
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
        return self.model.width

    def texts(self, texts: Sequence[str], listen: Callable[[int], None] = lambda done: None) -> Scores:
        """(texts, width) float32 of length one. listen: told how many are done, after every portion."""
        return self._vectors([self.settings.text_prefix + text for text in texts], listen)

    def queries(self, queries: Sequence[str]) -> Scores:
        """(queries, width) float32 of length one."""
        return self._vectors([self.settings.query_prefix + query for query in queries], lambda done: None)

    def too_long(self, texts: Sequence[str]) -> int:
        """How many of the texts go beyond what the encoder reads; their ends are found by words alone."""
        tokenizer, limit = self.model.tokenizer, self.model.max_length
        # Below so many characters no text has more tokens than fit: a token is a character at least, special ones aside.
        long = [_whole(self.settings.text_prefix + text) for text in texts if len(text) + 8 > limit]
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
            found[start : start + len(some)] = (
                self._view.take(self.model, some) if self._view else embed(self.model, some)
            )
            listen(start + len(some))
        return unit(found)


def _whole(text: str) -> str:
    # Half a character (a lone surrogate) cannot be handed to a tokenizer; it becomes the sign for what cannot be read.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def unit(vectors: Scores) -> Scores:
    """Vectors scaled to length one; zeros stay zeros."""
    scaled: Scores = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled
