"""Heads: from a pooled vector to a score for each label.

Every way ends in one of these, so that predicting is one path: a trained head, logistic regression, a linear
SVM and label names are all `Linear`; nearest examples are `Nearest`; a machine with an RBF kernel is `Kernel`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tailorlm.core.errors import TailorError


class Linear(nn.Module):
    """One row of weights and one bias per label.

    weight: (labels, width). bias: (labels,). normalise: scale vectors to length one first (features of sentence
    encoders, label names). dropout acts in training alone. Returns (batch, labels).
    """

    kind = "linear"

    def __init__(self, weight: Tensor, bias: Tensor, *, normalise: bool = False, dropout: float = 0.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float().contiguous()), nn.Parameter(bias.float().contiguous())
        self.normalise, self.dropout = normalise, nn.Dropout(dropout)

    @classmethod
    def fresh(
        cls, width: int, labels: int, *, dropout: float = 0.1, generator: torch.Generator | None = None
    ) -> Linear:
        """A head that knows nothing yet: weights N(0, 0.02), biases 0 (transformers' own start for BERT heads)."""
        return cls(torch.randn(labels, width, generator=generator) * 0.02, torch.zeros(labels), dropout=dropout)

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled: (batch, width). Returns scores (batch, labels)."""
        if self.normalise:
            pooled = nn.functional.normalize(pooled, dim=-1)
        return nn.functional.linear(self.dropout(pooled), self.weight, self.bias)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and settings that `load_head` makes the same head from."""
        return {"weight": self.weight, "bias": self.bias}, {"normalise": self.normalise, "dropout": self.dropout.p}


class Chain(Linear):
    """A linear head whose labels stand in a row: how well one stands behind another is learnt besides.

    links: (labels, labels), what is added to a sequence where the second label stands behind the first. The scores it returns are those of
    single places, as `Linear`'s; loss and answer take the links to them (`models.chain`, `tasks._paths`).
    """

    kind = "chain"

    def __init__(self, linear: Linear, links: Tensor):
        super().__init__(
            linear.weight.detach(), linear.bias.detach(), normalise=linear.normalise, dropout=linear.dropout.p
        )
        self.links = nn.Parameter(links.float().contiguous())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and settings that `load_head` makes the same head from."""
        tensors, settings = super().state()
        return tensors | {"links": self.links}, settings


class Nearest(nn.Module):
    """A vote of the k most similar stored examples, each vote weighted by its cosine similarity.

    examples: (stored, width), scaled to length one on entry. codes: (stored,) label of each, or (stored, labels) numbers: ones for all
    labels it has, or what it was scored. Returns the share of the vote each label got, the weighted mean of numbers, (batch, labels). A
    tie goes to the label of the nearer example.
    """

    kind = "nearest"

    def __init__(self, examples: Tensor, codes: Tensor, *, labels: int, k: int):
        super().__init__()
        self.register_buffer("examples", nn.functional.normalize(examples.float(), dim=-1))
        self.register_buffer("codes", codes.long() if codes.ndim == 1 else codes.float())
        self.labels, self.k = labels, min(k, len(codes))

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled: (batch, width). Returns vote shares (batch, labels)."""
        examples: Tensor = self.get_buffer("examples")
        similarity = nn.functional.normalize(pooled, dim=-1) @ examples.T
        near, index = similarity.topk(self.k, dim=-1)
        # A vote is never negative, and the nearest gets a hair more, which settles ties.
        weight = near.clamp_min(0) + 1e-6 * torch.arange(self.k, 0, -1, dtype=near.dtype, device=near.device)
        said = self.get_buffer("codes")[index]
        if said.ndim == 3:
            return (said * weight.unsqueeze(-1)).sum(1) / weight.sum(-1, keepdim=True)
        votes = pooled.new_zeros(len(pooled), self.labels).scatter_add_(1, said, weight)
        return votes / votes.sum(-1, keepdim=True)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and settings that `load_head` makes the same head from."""
        return {"examples": self.get_buffer("examples"), "codes": self.get_buffer("codes")}, {
            "labels": self.labels,
            "k": self.k,
        }


class Kernel(nn.Module):
    """A support vector machine with an RBF kernel, one against one, as scikit-learn's `SVC` answers.

    vectors: (support, width), those of each label together, in the order of `classes`. dual: (classes - 1, support); intercepts: one a
    pair of classes; counts: support vectors of each class. Vectors are scaled to length one first. Returns (batch, labels): the pairs
    that a label won, and to settle ties its margins (a third of a vote at most); -1 for labels without rows.
    """

    kind = "kernel"

    def __init__(self, tensors: dict[str, Tensor], *, gamma: float, labels: int):
        super().__init__()
        for name in ("vectors", "dual", "intercepts", "counts", "classes"):
            self.register_buffer(name, tensors[name])
        self.gamma, self.labels = gamma, labels

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled: (batch, width). Returns scores (batch, labels)."""
        # In double precision, as it was fitted: a machine's margins are small differences of large sums.
        vectors, dual = self.get_buffer("vectors").double(), self.get_buffer("dual")
        distances = torch.cdist(nn.functional.normalize(pooled, dim=-1).double(), vectors)
        kernel = torch.exp(-self.gamma * distances**2)
        counts = self.get_buffer("counts").tolist()
        # What the support vectors of each class say in the machines of its pairs: (batch, classes - 1, classes).
        said = torch.stack(
            [k @ d.T for k, d in zip(torch.split(kernel, counts, 1), torch.split(dual, counts, 1), strict=True)], dim=-1
        )
        first, second = torch.triu_indices(len(counts), len(counts), 1, device=pooled.device)
        margins = said[:, second - 1, first] + said[:, first, second] + self.get_buffer("intercepts")
        votes = said.new_zeros(len(pooled), len(counts))
        confidence = said.new_zeros(len(pooled), len(counts))
        for place, won, margin in ((first, margins >= 0, margins), (second, margins < 0, -margins)):
            votes.index_add_(1, place, won.to(votes.dtype))
            confidence.index_add_(1, place, margin)
        scores = said.new_full((len(pooled), self.labels), -1.0)
        scores[:, self.get_buffer("classes")] = votes + confidence / (3 * (confidence.abs() + 1))
        return scores.float()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and settings that `load_head` makes the same head from."""
        return dict(self.named_buffers()), {"gamma": self.gamma, "labels": self.labels}


Head = Linear | Nearest | Kernel


def save_head(head: Head, folder: Path) -> None:
    """Write `head.safetensors` and `head.json` into a folder."""
    tensors, settings = head.state()
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, folder / "head.safetensors")
    (folder / "head.json").write_text(json.dumps({"kind": head.kind, **settings}, indent=2) + "\n", encoding="utf-8")


def load_head(folder: Path) -> Head:
    """Read the head that `save_head` wrote. Raises TailorError when the folder holds something else."""
    try:
        settings = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        # Where a file begins a tensor is no multiple of what products are computed in, and that moves the last bit of some.
        tensors = {name: tensor.clone() for name, tensor in load_file(folder / "head.safetensors").items()}
        if settings["kind"] in ("linear", "chain"):
            linear = Linear(
                tensors["weight"], tensors["bias"], normalise=settings["normalise"], dropout=settings["dropout"]
            )
            return Chain(linear, tensors["links"]) if settings["kind"] == "chain" else linear
        if settings["kind"] == "kernel":
            return Kernel(tensors, gamma=settings["gamma"], labels=settings["labels"])
        head = Nearest(tensors["examples"], tensors["codes"], labels=settings["labels"], k=settings["k"])
        # Scaling twice would move the last bit; the stored vectors are scaled already.
        head.register_buffer("examples", tensors["examples"])
        return head
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise TailorError(
            f"{folder} has no readable head", got=f"{type(error).__name__}: {error}", hint="fit it again"
        ) from None
