"""The check that a draft still has its label: a classifier that did not see the row it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.data.audit.crossfit import CrossFit, folds_of
from tailorlm.data.audit.vectors import TextVectors
from tailorlm.data.augment._draft import Draft

_FOLDS = 5


class Agreement:
    """Keeps a draft where a cheap classifier gives its label a probability of `floor` or more, all labels being alike.

    `fit(texts, labels)` on the train rows: cheap vectors and one logistic regression a fold (see `audit.crossfit`). A
    draft is judged by the one that did not see its (first) origin, so a row with a wrong label does not pass its error
    on; a draft without an origin by all of them, averaged. Probabilities are taken as if every label had as many rows as
    any other: augmentation is for the rare ones, which a classifier otherwise hardly ever answers.
    Nothing passes for labels that stand on one text only, or where no two texts have a word in common.

    Choose a floor of 0.5 to keep about three of four real rows of a set with clear labels (measured: banking77, hwu64),
    and lower where the set is small. Instead: a function of your own, such as a classifier you trust.
    """

    def __init__(self, floor: float = 0.5, seed: int = 0):
        self.floor, self.seed = floor, seed

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        """Learn from the train rows."""
        names = sorted(set(labels))
        self.code_ = {name: code for code, name in enumerate(names)}
        codes = np.array([self.code_[label] for label in labels], np.int64)
        self.shares_ = np.bincount(codes, minlength=len(names)) / max(1, len(codes))
        self.folds_ = folds_of(texts, codes, _FOLDS, self.seed)
        self.fitted_: CrossFit | None = None
        try:
            self.vectors_ = TextVectors(seed=self.seed).fit(texts)
        except TailorError:
            return self
        self.fitted_ = CrossFit(len(names)).fit(self.vectors_.transform(texts), codes, self.folds_)
        return self

    def __call__(self, drafts: Sequence[Draft]) -> list[bool]:
        """Whether each draft is kept; `origins` are indices into the texts that it was fitted on."""
        return [chance >= self.floor for chance in self.chances(drafts)]

    def chances(self, drafts: Sequence[Draft]) -> list[float]:
        """The probability of each draft's label."""
        if self.fitted_ is None or not drafts:
            return [0.0] * len(drafts)
        vectors = self.vectors_.transform([draft.text for draft in drafts])
        codes = np.array([self.code_.get(draft.label, -1) for draft in drafts])
        folds = np.array([self.folds_[draft.origins[0]] if draft.origins else -1 for draft in drafts], np.int64)
        found = self.fitted_.probabilities(vectors, folds)
        alone = folds < 0
        if alone.any():
            each = [self.fitted_.probabilities(vectors[alone], np.full(int(alone.sum()), f)) for f in range(_FOLDS)]
            found[alone] = np.mean(each, axis=0)
        even = found / self.shares_
        even = even / np.maximum(even.sum(axis=1, keepdims=True), 1e-12)
        own = even[np.arange(len(drafts)), codes]
        return [float(chance) if code >= 0 else 0.0 for chance, code in zip(own, codes, strict=True)]
