"""Where a head begins: as a probe of the vectors that it will read, or knowing nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tailorlm.core.errors import TailorError
from tailorlm.models.chain import links_of
from tailorlm.models.encoder import TextModel
from tailorlm.models.heads import Chain, Head, Linear
from tailorlm.tasks.base import HeadTask
from tailorlm.training.lesson import IGNORED


def start_of_head(
    model: TextModel,
    task: HeadTask,
    outputs: int,
    targets: Sequence[np.ndarray],
    vectors: Callable[[], Sequence[np.ndarray]],
    *,
    start: str,
    seed: int,
) -> Head:
    """A head of a task on a model, with links where its target is a chain.

    targets, vectors: of the train rows, as `HeadTask.targets` and `vectors_of` have them; vectors are asked for where they are needed.
    start: `probe`, `random`, or `auto`; a head that finds places always begins at random. For tags a probe is a bad start: it answers so well
    that little is left for the body to learn (docs/studies/tagging.md), so `auto` takes none where tokens are asked about.
    """
    import torch

    dropout = float(getattr(model.config, "hidden_dropout_prob", 0.1) or 0.0)
    if start == "random" or task.target == "place" or (start == "auto" and task.tokens):
        generator = torch.Generator().manual_seed(seed)
        head = Linear.fresh(model.width, outputs, dropout=dropout, generator=generator)
    else:
        head = probe(*labelled(vectors(), targets, task.target), outputs, dropout)
    return chained(head, task, outputs, targets, counted=start != "random")


def labelled(
    vectors: Sequence[np.ndarray], targets: Sequence[np.ndarray], target: str
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (places, width) of every place at which something is asked, and what: (places,) codes of one label each, or (places,
    outputs), boolean for several labels and else numbers. TailorError where a place itself is asked."""
    if target == "place":
        raise TailorError("no classifier finds places in a text", hint="--method head, lora or full")
    table, codes = np.concatenate(vectors), np.concatenate(targets)
    if target not in ("one", "chain"):
        return table, codes > 0 if target == "many" else codes
    asked = codes != IGNORED
    return (table, codes) if asked.all() else (table[asked], codes[asked])


def chained(head: Head, task: HeadTask, outputs: int, targets: Sequence[np.ndarray], *, counted: bool) -> Head:
    """The head with links between neighbours where the task has a chain. counted: links begin as the train rows have them, else at 0."""
    if task.target != "chain":
        return head
    if not isinstance(head, Linear):
        raise TailorError(
            f"a chain needs a linear head, and this one is '{head.kind}'", hint="--column decoder=viterbi"
        )
    import torch

    codes = [torch.from_numpy(row) for row in targets] if counted else []
    return Chain(head, links_of(codes, outputs) if counted else torch.zeros(outputs, outputs))


def probe(vectors: np.ndarray, codes: np.ndarray, labels: int, dropout: float) -> Linear:
    """A head that begins as logistic regression on the frozen vectors (Kumar et al. 2022, arXiv:2202.10054).

    vectors: (rows, width), as pooled; codes: as `Features.fit` takes them. The regression is fitted on vectors of length one; dividing its weights by
    the mean length lets the head read the pooled vector itself.
    """
    import torch

    from tailorlm.weights.features import logistic_head, regression_heads, unit

    scale = float(np.linalg.norm(vectors, axis=1).mean()) or 1.0
    head = (logistic_head if codes.ndim == 1 else regression_heads)(unit(vectors), codes, labels, 10.0)
    with torch.no_grad():
        return Linear(head.weight / scale, head.bias, dropout=dropout)
