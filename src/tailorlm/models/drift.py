"""How far a model has moved on the same texts: likeness of representations, and what language costs it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tailorlm.models.encoder import TextModel, is_causal
from tailorlm.models.run import vectors_of
from tailorlm.tasks.readings import Readings


def linear_cka(one: np.ndarray, other: np.ndarray) -> float:
    """Linear centred kernel alignment of two representations of the same things, (things, width) each: 1 is alike, 0 unrelated.

    Rotations, shifts and one common scale change nothing. With fewer things than columns unrelated representations come out above
    zero, so it serves to compare a model with its own start. NaN where one of them is constant. Source: Kornblith et al. 2019 (arXiv:1905.00414).
    """
    first, second = (np.asarray(x, dtype=np.float64) - np.mean(x, axis=0, dtype=np.float64) for x in (one, other))
    across = float(np.square(first.T @ second).sum())
    within = float(np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second))
    return across / within if within > 0 else math.nan


def states_of(model: TextModel, texts: Sequence[str]) -> list[np.ndarray]:
    """The last state of every token of each text, (tokens, width) float32."""
    tokens = model.tokenize(texts)
    return vectors_of(model, Readings(tokens, places=[list(range(len(ids))) for ids in tokens]))


def pooled(model: TextModel, states: Sequence[np.ndarray]) -> np.ndarray:
    """The vector of each text, (texts, width), from the states of its tokens, as the model pools them."""
    pooling = model.pooling
    if pooling in ("native", "tokens"):
        pooling = "last" if is_causal(model.config) else "mean"
    return np.stack([{"cls": s[0], "last": s[-1]}[pooling] if pooling != "mean" else s.mean(0) for s in states])


def vocabulary_head(model: TextModel) -> Literal["masked", "causal"] | None:
    """The kind of head over the vocabulary that the base's folder brings, as its configuration says; None where it brings none."""
    config = json.loads((model.base.folder / "config.json").read_text(encoding="utf-8"))
    names = " ".join(config.get("architectures") or ())
    if "ForMaskedLM" in names or "ForPreTraining" in names:
        return "masked"
    return "causal" if "ForCausalLM" in names or "LMHeadModel" in names else None
