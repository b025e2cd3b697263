"""What a teacher says of rows: an adaptation of ours, or a model with a classification head of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import adaptation_folder, resolve
from tailorlm.models.run import EmbeddingView, label_scores, vectors_of
from tailorlm.recipes.adaptation import Adaptation, fingerprint_of
from tailorlm.tasks.readings import Readings, token_ids

# A share of a vote below this is taken for it: no logarithm is without end.
LEAST_SHARE = 1e-4


class Teacher:
    """A model whose scores and vectors are asked for, once for each row.

    name: an adaptation folder, or a model's name as `resolve` takes it. labels: the student's, in its order. It is loaded when a row is asked
    for that nobody asked for before. Raises UsageError for a teacher of other labels, or one that has no scores.
    """

    def __init__(self, name: str, labels: Sequence[str], view: EmbeddingView):
        if not name:
            raise UsageError(
                "distill needs a teacher", hint="objective: {part: distill, teacher: FOLDER}, or objective: labels"
            )
        self.name, self.labels, self.view = name, tuple(labels), view

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Scores of every label, (inputs, labels), in the student's order; numbers themselves where these are asked for, on no scale."""
        return np.stack(self._of("answers", inputs, lambda some: self._asked.scores(some)[:, self._order]))

    def vectors(self, inputs: Sequence[Any]) -> np.ndarray:
        """The vectors that the teacher's head reads, (inputs, its width)."""
        return np.stack(self._of("vectors", inputs, lambda some: self._asked.vectors(some)))

    def _of(self, what: str, inputs: Sequence[Any], compute: Callable[[list[Any]], np.ndarray]) -> list[np.ndarray]:
        space = f"{self._fingerprint}/{what} {'|'.join(self.labels)}/"
        keys = [space + hashlib.sha256(json.dumps(value).encode()).hexdigest() for value in inputs]
        return self.view.remembered(keys, lambda places: list(compute([inputs[i] for i in places])))

    @cached_property
    def _fingerprint(self) -> str:
        return teacher_fingerprint(self.name)

    @cached_property
    def _asked(self) -> _Adapted | _Native:
        folder = adaptation_folder(self.name)
        return _Native(self.name) if folder is None else _Adapted(folder)

    @cached_property
    def _order(self) -> list[int]:
        """Where each of the student's labels stands among the teacher's."""
        theirs = self._asked.labels
        if set(theirs) != set(self.labels):
            odd = sorted(set(theirs) ^ set(self.labels))
            raise UsageError(
                f"the teacher {self.name} answers with other labels",
                got=f"{len(odd)} that only one of the two has, such as {odd[0]!r}",
                hint="a teacher fitted on the same task",
            )
        return [theirs.index(label) for label in self.labels]


def teacher_fingerprint(name: str) -> str:
    """sha256 (hex) over all that a teacher's answers depend on, wherever it lies. Raises TailorError where there is none of that name."""
    folder = adaptation_folder(name)
    return resolve(name).fingerprint if folder is None else fingerprint_of(folder)


class _Adapted:
    """An adaptation as a teacher."""

    def __init__(self, folder: Path):
        self.adaptation = Adaptation.load(folder)
        task: Any = self.adaptation.answering.task
        if not hasattr(task, "outputs") or self.adaptation.recipe.written or task.tokens:
            raise UsageError(
                "a teacher answers each text with scores of labels",
                got=f"{folder}: {self.adaptation.recipe.task.name}",
                hint="a teacher with a head, fitted on a task of one answer a text",
            )
        self.task = task
        self.labels: tuple[str, ...] = tuple(task.outputs(self.adaptation.labels))

    def scores(self, inputs: list[Any]) -> np.ndarray:
        found, task = self.adaptation.scores(inputs), self.task
        if task.target == "number":  # its head counts in spreads of its own train rows, which no other fit shares
            numbers: np.ndarray = task.off_scale(found)
            return numbers
        if not getattr(self.adaptation.answering, "votes", False):
            return found
        share: np.ndarray = np.clip(found, LEAST_SHARE, 1 - LEAST_SHARE)
        odds: np.ndarray = np.log(share) - (np.log1p(-share) if task.target == "many" else 0.0)
        return odds

    def vectors(self, inputs: list[Any]) -> np.ndarray:
        answering: Any = self.adaptation.answering
        return np.concatenate(vectors_of(answering.model, answering.read(inputs)))


class _Native:
    """A model with transformers' own classification head as a teacher of texts."""

    def __init__(self, name: str):
        base = resolve(name)
        config = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
        if not any("SequenceClassification" in kind for kind in config.get("architectures") or ()):
            raise UsageError(
                f"the teacher {name} has no classification head",
                got=", ".join(config.get("architectures") or ("nothing said",)),
                hint="an adaptation folder (`tailor fit --out FOLDER`), or a model fitted to classify",
            )
        names = {int(place): str(label) for place, label in (config.get("id2label") or {}).items()}
        self.labels = tuple(names[place] for place in sorted(names)) or ("LABEL_0", "LABEL_1")
        self.model = load_model(base, labels=self.labels, pooling="native")

    def scores(self, inputs: list[Any]) -> np.ndarray:
        return label_scores(self.model, _texts(inputs))

    def vectors(self, inputs: list[Any]) -> np.ndarray:
        rows = token_ids(self.model.tokenizer, _texts(inputs), self.model.max_length)
        return np.concatenate(vectors_of(self.model, Readings(rows)))


def _texts(inputs: Sequence[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in inputs):
        raise TailorError(
            "a model with its own head teaches single texts", hint="a teacher that is an adaptation of the same task"
        )
    return list(inputs)
