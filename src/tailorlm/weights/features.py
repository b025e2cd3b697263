"""`features`: nothing of the model learns; a classical classifier learns on its vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tailorlm.models.heads import Kernel, Linear


# The setting that means something for rows of two texts alone.
PAIRS = "pairs"


class Features:
    """Fit a classical classifier (scikit-learn) on pooled vectors of the frozen model.

    Logistic regression, a support vector machine or nearest neighbours: seconds instead of minutes, a few kilobytes to store, the same
    base for any number of tasks, nothing forgotten. On topics and intents a good sentence encoder makes it level with tuning; on
    negation, irony and style it falls behind. Logistic regression first; the RBF kernel bends the borders and stores the vectors it
    needs; nearest neighbours store all of them and learn nothing. Choose `lora` or `full` when the comparison shows a gap. What is
    fitted is kept as arrays, never as a pickle.
    """

    class Settings(config.Settings):
        """Settings of `features`."""

        classifier: Literal["logistic", "linear_svm", "rbf_svm", "knn"] = setting(
            "logistic",
            help="`logistic` gives probabilities; `linear_svm` and `rbf_svm` margins; `knn` votes, weighted by cosine",
        )
        c: float = setting(
            10.0,
            gt=0,
            le=1e6,
            help="inverse strength of L2 regularisation (not for `knn`); smaller for fewer rows",
            search=(0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        )
        gamma: float = setting(
            1.0,
            gt=0,
            le=1e6,
            help="`rbf_svm`: how fast likeness falls with squared distance; larger bends borders more",
        )
        k: int = setting(5, ge=1, le=1000, help="`knn`: how many neighbours vote", unit="rows", search=(1, 3, 5, 10))

        pairs: Literal["cross_encoder", "bi_encoder"] = setting(
            "bi_encoder",
            help="rows of two texts: `bi_encoder` reads each by itself, and u, v, |u - v|, u * v are classified; `cross_encoder` reads both together",
            search=("cross_encoder", "bi_encoder"),
        )

        def search_space(self) -> dict[str, list[Any]]:
            """Neighbours for `knn`, the regularisation for the others; `pairs`, which matters to rows of two texts alone."""
            alive = ("k" if self.classifier == "knn" else "c", PAIRS)
            return {name: values for name, values in super().search_space().items() if name in alive}

    trains: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    @property
    def probabilities(self) -> bool:
        """Whether scores, through a softmax, are probabilities: logistic regression's are, margins and votes are not."""
        return self.settings.classifier == "logistic"

    def fit(self, vectors: np.ndarray, codes: np.ndarray, labels: int, seed: int) -> Any:
        """Fit on (rows, width) vectors scaled to length one; returns the head that answers with it.

        codes: (rows,) label codes; or (rows, labels), boolean where each label is a question of its own (one classifier a label), else
        numbers (ridge regression, with `linear_svm` a support vector regression). TailorError for `rbf_svm` on those.
        """
        import torch
        from sklearn.svm import SVC, LinearSVC

        from tailorlm.models.heads import Nearest

        c, classifier = self.settings.c, self.settings.classifier
        if codes.ndim == 2 and classifier == "rbf_svm":
            raise TailorError(
                "a machine with an RBF kernel tells one label a row from the others", hint="--method features-svm"
            )
        if classifier == "knn":
            return Nearest(torch.from_numpy(vectors), torch.from_numpy(codes), labels=labels, k=self.settings.k)
        scaled = unit(vectors)
        if classifier == "rbf_svm":
            return kernel_head(SVC(C=c, gamma=self.settings.gamma, cache_size=500).fit(scaled, codes), labels)
        if classifier == "logistic":
            return (logistic_head if codes.ndim == 1 else regression_heads)(scaled, codes, labels, c)
        if codes.ndim == 2:
            return margin_heads(scaled, codes, c, seed)
        model = _converged(LinearSVC(C=c, random_state=seed, max_iter=20_000), scaled, codes)
        return linear_head(model.coef_, model.intercept_, model.classes_, labels)


def unit(vectors: np.ndarray) -> np.ndarray:
    """(rows, width) vectors scaled to length one; zeros stay zeros."""
    scaled: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled


def logistic_head(vectors: np.ndarray, codes: np.ndarray, labels: int, c: float) -> Linear:
    """A head of logistic regression on (rows, width) vectors of length one. c: inverse strength of L2 regularisation."""
    from sklearn.linear_model import LogisticRegression

    model = _converged(LogisticRegression(C=c, max_iter=2000), vectors, codes)
    return linear_head(model.coef_, model.intercept_, model.classes_, labels)


def regression_heads(vectors: np.ndarray, targets: np.ndarray, labels: int, c: float) -> Linear:
    """A head of one regression an output, on (rows, width) vectors of length one: logistic where targets (rows, outputs) are boolean,
    ridge (alpha = 1 / c) where they are numbers."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if targets.dtype == bool:
        return _one_each(lambda wanted: _converged(LogisticRegression(C=c, max_iter=2000), vectors, wanted), targets)
    return _one_each(lambda wanted: Ridge(alpha=1 / c).fit(vectors, wanted), targets)


def margin_heads(vectors: np.ndarray, targets: np.ndarray, c: float, seed: int) -> Linear:
    """As `regression_heads`, with linear support vector machines: margins for boolean targets, numbers for numbers."""
    from sklearn.svm import SVR, LinearSVC

    if targets.dtype == bool:
        made = LinearSVC(C=c, random_state=seed, max_iter=20_000)
        return _one_each(lambda wanted: _converged(made, vectors, wanted), targets)
    return _one_each(lambda wanted: SVR(kernel="linear", C=c).fit(vectors, wanted), targets)


def _one_each(fitted: Callable[[np.ndarray], Any], targets: np.ndarray) -> Linear:
    """A head with one fitted model an output; where targets are boolean and all alike, the answer is theirs whatever the vector."""
    import torch

    from tailorlm.models.heads import Linear

    rows: list[np.ndarray | None] = []
    biases: list[float] = []
    for wanted in targets.T:
        if targets.dtype == bool and wanted.all() == wanted.any():
            rows.append(None)
            biases.append(10.0 if wanted.all() else -1e4)
            continue
        model = fitted(wanted)
        rows.append(np.ravel(model.coef_))
        biases.append(float(np.ravel(model.intercept_)[0]))
    width = next((len(row) for row in rows if row is not None), 0)
    weight = np.stack([np.zeros(width) if row is None else row for row in rows])
    return Linear(torch.from_numpy(weight), torch.tensor(biases, dtype=torch.float64), normalise=True)


def _converged(model: Any, vectors: np.ndarray, codes: np.ndarray) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        # Few rows a label look like numbers to predict; they are labels all the same.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        try:
            return model.fit(vectors, codes)
        except ConvergenceWarning:
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.set_params(max_iter=200_000).fit(vectors, codes)


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


def kernel_head(machine: Any, labels: int) -> Kernel:
    """A head from a fitted scikit-learn `SVC` with an RBF kernel, which has classes that are label codes."""
    import torch

    from tailorlm.models.heads import Kernel

    # With two classes scikit-learn turns the signs of what libsvm found, so that the second class is the positive one.
    sign = -1.0 if len(machine.classes_) == 2 else 1.0
    tensors = {
        "vectors": torch.from_numpy(machine.support_vectors_).float(),
        "dual": torch.from_numpy(sign * machine.dual_coef_).double(),
        "intercepts": torch.from_numpy(sign * machine.intercept_).double(),
        "counts": torch.from_numpy(machine.n_support_).long(),
        "classes": torch.from_numpy(machine.classes_).long(),
    }
    return Kernel(tensors, gamma=float(machine.gamma), labels=labels)
