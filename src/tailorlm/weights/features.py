"""`features`: nothing of the model learns; a classical classifier learns on its vectors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting

if TYPE_CHECKING:
    from tailorlm.models.heads import Linear


class Features:
    """Fit logistic regression or a linear SVM on pooled vectors of the frozen model (scikit-learn).

    Seconds instead of minutes, a few kilobytes to store, the same base for any number of tasks, nothing forgotten. On
    topics and intents a good sentence encoder makes it level with tuning; on negation, irony and style it falls behind.
    Choose `lora` or `full` when the comparison shows a gap. The fitted classifier is kept as arrays, never as a pickle.
    """

    class Settings(config.Settings):
        """Settings of `features`."""

        classifier: Literal["logistic", "linear_svm"] = setting(
            "logistic", help="`logistic` gives probabilities, `linear_svm` (one against the rest) margins"
        )
        c: float = setting(
            10.0,
            gt=0,
            le=1e6,
            help="inverse strength of L2 regularisation; smaller for fewer rows",
            search=(0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        )

    trains: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    @property
    def probabilities(self) -> bool:
        """Whether scores, through a softmax, are probabilities: logistic regression's are, a machine's margins are not."""
        return self.settings.classifier == "logistic"

    def fit(self, vectors: np.ndarray, codes: np.ndarray, labels: int, seed: int) -> Linear:
        """Fit on (rows, width) vectors of length one and their label codes; returns the head that answers with it."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import LinearSVC

        scaled = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        c = self.settings.c
        if self.settings.classifier == "logistic":
            model = LogisticRegression(C=c, max_iter=2000)
        else:
            model = LinearSVC(C=c, random_state=seed, max_iter=20_000)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model.fit(scaled, codes)
            except ConvergenceWarning:
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.set_params(max_iter=200_000).fit(scaled, codes)
        return linear_head(model.coef_, model.intercept_, model.classes_, labels)


def linear_head(coefficients: np.ndarray, intercepts: np.ndarray, classes: np.ndarray, labels: int) -> Linear:
    """A head from a fitted scikit-learn classifier: (classes, width), (classes,), and the code of each class.

    With two classes scikit-learn keeps one row, the second's; the first gets zeros, which gives the same probabilities. A label
    without rows gets a score that never wins.
    """
    import torch

    from tailorlm.models.heads import Linear

    weight, bias = np.zeros((labels, coefficients.shape[1])), np.full(labels, -1e4)
    if len(classes) == 2:
        coefficients = np.vstack([np.zeros_like(coefficients[0]), coefficients[0]])
        intercepts = np.array([0.0, intercepts[0]])
    weight[classes], bias[classes] = coefficients, intercepts
    return Linear(torch.from_numpy(weight), torch.from_numpy(bias), normalise=True)
