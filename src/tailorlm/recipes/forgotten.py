"""What a fit has made the model forget: general text before against after, and probe tasks that were named.

Encoders are asked how like their representations of general text still are (linear CKA); models with a head over the vocabulary what a token of it
costs them; probes are small labelled files, on whose vectors a classifier is fitted afresh before and after. A body that did not learn has forgotten
nothing, and nothing is computed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.errors import CheckError, UsageError
from tailorlm.data import as_text, read
from tailorlm.models.decoder import Writer, load_writer
from tailorlm.models.drift import linear_cka, pooled, states_of, vocabulary_head
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.perplexity import Surprise, surprise
from tailorlm.models.resolve import BaseModel
from tailorlm.models.run import batches
from tailorlm.objectives import objectives
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.stepping import StepsAnswering
from tailorlm.training.plain_text import text_lesson

# Texts of no domain, written for this: what is measured on, and rehearsed, where no file is named.
GENERAL = Path(__file__).parent / "general_text.txt"
# Inverse strength of L2 regularisation of a probe's classifier, and how often its rows are cut into halves.
STRENGTH, HALVES = 10.0, 2


@dataclass(frozen=True)
class Known:
    """What is measured on.

    general: texts of no domain. probes: name to texts and labels.
    """

    general: tuple[str, ...]
    probes: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over all texts and labels."""
        content = json.dumps([self.general, sorted((name, rows) for name, rows in self.probes.items())])
        return hashlib.sha256(content.encode()).hexdigest()

    @classmethod
    def read(cls, general: str | None = None, probes: Sequence[str] = ()) -> Known:
        """From files. general: of texts (column `text`), else those that come with tailorlm. probes: NAME=FILE or FILE, with `text` and `label`.

        Raises TailorError for files that cannot be used.
        """
        if general is None:
            texts = tuple(GENERAL.read_text(encoding="utf-8").splitlines())
        else:
            texts = tuple(text for text in _column(general, "text") if text.strip())
        if len(texts) < 2:
            raise CheckError("general text needs two texts or more", got=f"{len(texts)} in {general}")
        return cls(texts, dict(_probe(given) for given in probes))


class Limit:
    """What a model has forgotten since this was made, against the most that it may; for the loop. settings: of `forgetting_limit`.

    Raises UsageError for a probe where the model writes, since a probe is asked on vectors.
    """

    def __init__(self, model: Any, settings: Any):
        if settings.probe and isinstance(model, Writer):
            raise UsageError(
                "forgetting_limit: a probe reads vectors, and this model writes",
                hint="leave `probe` out: general text is read",
            )
        self.model, self.limit = model, settings.limit
        self.known = Known.read(settings.general or None, [f"probe={settings.probe}"] if settings.probe else [])
        self.before = self._now()

    def _now(self) -> Any:
        asked = _Asked(self.model, self.known)
        if isinstance(self.model, Writer):
            assert asked.language is not None
            return asked.language["nats_per_token"]
        return asked.probes["probe"] if self.known.probes else asked.vectors

    def __call__(self) -> float:
        """Accuracy lost on the probe; without one 1 - linear CKA of vectors, or nats a token more where the model writes."""
        now = self._now()
        if isinstance(self.model, Writer):
            return float(now - self.before)
        return float(self.before - now) if self.known.probes else 1 - linear_cka(self.before, now)


def limits_of(model: Any, penalties: Sequence[Any]) -> list[Limit]:
    """The limits among a stage's penalties, measured from the model as it stands."""
    return [Limit(model, penalty.settings) for penalty in penalties if penalty.acts_on == "passes"]


def _probe(given: str) -> tuple[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    name, equals, path = given.partition("=")
    path = path if equals else given
    texts, labels = tuple(_column(path, "text")), tuple(_column(path, "label"))
    least = min((labels.count(label) for label in set(labels)), default=0)
    if len(set(labels)) < 2 or least < 2:
        raise CheckError(
            f"the probe {path} needs two labels or more, and two rows of each",
            got=f"{len(labels)} rows, {len(set(labels))} labels",
        )
    return name if equals else Path(path).name.split(".")[0], (texts, labels)


def _column(path: str, column: str) -> list[str]:
    rows = read(path)
    if column not in rows.columns:
        raise UsageError(f"{path} has no column '{column}'", got=", ".join(rows.columns))
    return [as_text(value) for value in rows.column(column)]


@dataclass
class Memory:
    """Measures forgetting against a base, which is asked once for all fits that began from it. known: what is asked."""

    known: Known
    _bases: dict[Any, dict[str, Any]] = field(default_factory=dict)

    def forgotten(self, adaptation: Adaptation) -> dict[str, Any]:
        """What this adaptation has forgotten, as plain values.

        moved: whether the body learnt at all. drift, states: 1 - linear CKA with the base, of pooled vectors and of the tokens' last states.
        language: nats a token (`before`, `after`), hidden ones where the head is a masked one, and bits a byte. probes: accuracy by name,
        `before` and `after`. seconds: that measuring took. steps: of a recipe in steps all this for each, by name; each has a base of its own.
        """
        start = time.perf_counter()
        if isinstance(adaptation.answering, StepsAnswering):
            named = zip(adaptation.recipe.steps, adaptation.answering.parts, strict=True)
            each = {step.name: self.forgotten(part) for step, part in named if isinstance(part, Adaptation)}
            return {"moved": any(one["moved"] for one in each.values()), "steps": each}
        if not any(stage.weights.body_learns for stage in adaptation.recipe.stages):
            return {"moved": False}
        now = _Asked(adaptation.model, self.known)
        before = self._before(adaptation)
        found: dict[str, Any] = {"moved": True}
        if now.states is not None:
            one, other = before["states"], now.states
            found["drift"] = 1 - linear_cka(before["pooled"], now.vectors)
            found["states"] = 1 - linear_cka(np.concatenate(one), np.concatenate(other))
        if before["language"] is not None and (after := now.language) is not None:
            found["language"] = {k: {"before": v, "after": after[k]} for k, v in before["language"].items()}
        if self.known.probes and now.states is not None:
            found["probes"] = {k: {"before": v, "after": now.probes[k]} for k, v in before["probes"].items()}
        return found | {"seconds": round(time.perf_counter() - start, 2)}

    def _before(self, adaptation: Adaptation) -> dict[str, Any]:
        """What the base says, asked when it is first needed."""
        model = adaptation.model
        base: BaseModel = model.base
        key = (base.fingerprint, model.pooling, model.max_length)
        if key not in self._bases:
            if isinstance(model, Writer):
                fresh: Any = load_writer(base, max_length=model.max_length)
            else:
                fresh = load_model(base, labels=_outputs(model), pooling=model.pooling, max_length=model.max_length)
            asked = _Asked(fresh, self.known)
            texts = asked.states is not None
            self._bases[key] = {
                "states": asked.states,
                "pooled": asked.vectors if texts else None,
                "language": asked.language,
                "probes": asked.probes if texts else {},
            }
        return self._bases[key]


def _outputs(model: TextModel) -> list[str]:
    return list(model.config.id2label.values()) if model.pooling == "native" else []


@dataclass
class _Asked:
    """One model, asked for all that is measured."""

    model: Any
    known: Known

    @cached_property
    def states(self) -> list[np.ndarray] | None:
        """Last states of general text; None for a model that writes."""
        return None if isinstance(self.model, Writer) else states_of(self.model, self.known.general)

    @cached_property
    def vectors(self) -> np.ndarray:
        """Pooled vectors of general text."""
        assert self.states is not None
        return pooled(self.model, self.states)

    @cached_property
    def language(self) -> dict[str, float] | None:
        """Nats a token of general text, and bits a byte where every token is told from those before it; None without a head over the vocabulary."""
        texts = list(self.known.general)
        if isinstance(self.model, Writer):
            whole = sum(surprise(self.model, texts), Surprise(0, 0, 0))
            return {"nats_per_token": whole.nats / max(1, whole.tokens), "bits_per_byte": whole.bits_per_byte}
        kind = vocabulary_head(self.model)
        if kind is None or self.model.prompt_tokens:
            return None
        return _head_loss(self.model, kind, texts)

    @cached_property
    def probes(self) -> dict[str, float]:
        """Accuracy of logistic regression on vectors, by probe: each half of the rows is answered by what the other taught."""
        return {name: self._probe(*rows) for name, rows in self.known.probes.items()}

    def _probe(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        from sklearn.model_selection import StratifiedKFold

        from tailorlm.weights.features import logistic_head, unit

        names = sorted(set(labels))
        codes = np.array([names.index(label) for label in labels])
        vectors = unit(pooled(self.model, states_of(self.model, texts)))
        right = 0
        for train, test in StratifiedKFold(HALVES, shuffle=True, random_state=0).split(vectors, codes):
            head = logistic_head(vectors[train], codes[train], len(names), STRENGTH)
            scores = vectors[test] @ head.weight.detach().numpy().T + head.bias.detach().numpy()
            right += int((scores.argmax(1) == codes[test]).sum())
        return right / len(codes)


def _head_loss(model: TextModel, kind: str, texts: list[str]) -> dict[str, float] | None:
    """Mean loss of the model's own head over its vocabulary."""
    import torch

    part = objectives.get("masked_lm" if kind == "masked" else "causal_lm")
    if kind == "masked" and model.tokenizer.mask_token_id is None:
        return None
    lesson, made = text_lesson(part(part.Settings()), model, [str(i) for i in range(len(texts))], texts, 0)
    if made:  # its files hold no head after all
        return None
    with torch.no_grad():
        nats = sum(float(lesson.losses(index).sum()) for index in batches(lesson.lengths))
    found = {"nats_per_token": nats / max(1, sum(lesson.counts))}
    if kind == "causal":
        found["bits_per_byte"] = nats / np.log(2) / sum(len(text.encode()) for text in texts)
    return found
