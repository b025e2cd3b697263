"""How likely given texts are: candidates behind one reading of a prompt, continuations token by token.

All candidates of a row are read at once, as a tree behind its prompt: what several begin with is one branch, and a token sees its own
branch alone. With demonstrations that all rows share, read once as well, ten labels behind a prompt cost little more than one.
Source of the calibration: Zhao et al. 2021 (arXiv:2102.09690), section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tailorlm.core.errors import TailorError
from tailorlm.models.cache import Behind, Prefix
from tailorlm.models.decoder import Writer
from tailorlm.models.generate import shared_prefix
from tailorlm.models.mode import evaluating
from tailorlm.models.run import batches

# Logits held at once: positions times vocabulary. 128 MB in float32.
LOGITS = 1 << 25
CONTENT_FREE = ("N/A", "[MASK]", "")
"""Inputs that say nothing, after Zhao et al.: what a model answers to them is its bias."""


@dataclass(frozen=True)
class Tree:
    """Candidates as a tree of tokens.

    inner: tokens that something follows, each a place that is read; parents: the place of each one's parent, -1 for the prompt's end.
    depth: how far each is from it (0: first token). edges: (place of the parent, token) of every token of every candidate, -1 for the
    prompt's end; paths: the edges of each candidate.
    """

    inner: list[int]
    parents: list[int]
    depth: list[int]
    edges: list[tuple[int, int]]
    paths: list[list[int]]

    @staticmethod
    def of(candidates: Sequence[Sequence[int]]) -> Tree:
        """The tree of some candidates, none of them empty."""
        places: dict[tuple[int, ...], int] = {(): -1}
        edges: dict[tuple[int, int], int] = {}
        inner: list[int] = []
        parents: list[int] = []
        paths = []
        for candidate in candidates:
            ids = tuple(candidate)
            path = []
            for i, token in enumerate(ids):
                if ids[:i] not in places:
                    places[ids[:i]] = len(inner)
                    inner.append(ids[i - 1])
                    parents.append(places[ids[: i - 1]])
                path.append(edges.setdefault((places[ids[:i]], token), len(edges)))
            paths.append(path)
        depth: list[int] = []
        for parent in parents:
            depth.append(0 if parent < 0 else depth[parent] + 1)
        return Tree(inner, parents, depth, list(edges), paths)

    def sees(self) -> np.ndarray:
        """Bool (places, places): which places a place sees, itself and those before it on its branch."""
        found = np.eye(len(self.inner), dtype=bool)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                found[place] |= found[parent]
        return found


@torch.inference_mode()
def candidate_scores(
    writer: Writer, prompts: Sequence[Sequence[int]], candidates: Sequence[Sequence[int]]
) -> np.ndarray:
    """Log-probability of every candidate (token ids) behind every prompt (token ids), (prompts, candidates), float64.

    Raises TailorError where a prompt with the longest candidate has no room, or a candidate has no token.
    """
    if not all(candidates) or not all(prompts):
        raise TailorError("a prompt or a candidate has no token")
    result = np.zeros((len(prompts), len(candidates)))
    if not len(prompts) or not len(candidates):
        return result
    _fits(writer, prompts, max(len(c) for c in candidates))
    writer.check()
    tree = Tree.of(candidates)
    prefix, rests = _split(writer, prompts)
    with evaluating(writer):
        for index in _batches(writer, [len(rest) + len(tree.inner) for rest in rests], 1 + len(tree.inner)):
            edges = _edges(writer, [rests[i] for i in index], prefix, tree)
            for column, path in enumerate(tree.paths):
                result[index, column] = edges[:, path].sum(1)
    return result


def _edges(writer: Writer, rows: list[list[int]], prefix: Prefix, tree: Tree) -> np.ndarray:
    """Log-probability of every edge of the tree behind every row, (rows, edges)."""
    device, count = writer.device, len(rows)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    asked = writer.pad(rows)
    width, nodes = asked.shape[1], len(tree.inner)
    inner = torch.tensor(tree.inner, dtype=torch.long, device=device).expand(count, -1)
    depth = torch.tensor(tree.depth, dtype=torch.long, device=device)
    ids = torch.cat([asked, inner], 1)
    begin = torch.arange(prefix.length, prefix.length + width, device=device).expand(count, -1)
    places = torch.cat([begin, prefix.length + lengths[:, None] + depth], 1)
    wanted = torch.zeros_like(ids, dtype=torch.bool)
    wanted[torch.arange(count, device=device), lengths - 1] = True
    wanted[:, width:] = True
    keys = seen = None
    if prefix.length or nodes:
        keys = torch.cat([torch.arange(prefix.length, device=device).expand(count, -1), places], 1)
        seen = _seen(lengths, width, prefix.length, torch.from_numpy(tree.sees()).to(device))
    logits = writer.read(ids, Behind(prefix), places=places, wanted=wanted, keys=keys, seen=seen)
    logits = logits.view(count, 1 + nodes, -1)
    total = torch.logsumexp(logits, 2)
    at = torch.tensor([parent + 1 for parent, _ in tree.edges], device=device)
    tokens = torch.tensor([token for _, token in tree.edges], device=device)
    return (logits[:, at, tokens] - total[:, at]).double().cpu().numpy()


def _seen(lengths: Tensor, width: int, shared: int, branches: Tensor) -> Tensor:
    """Bool (rows, new, keys): prompts see no branch; a branch sees the shared start, its row's own prompt and itself."""
    count, nodes = len(lengths), len(branches)
    new, keys = width + nodes, shared + width + nodes
    seen = torch.zeros(count, new, keys, dtype=torch.bool, device=lengths.device)
    seen[:, :, :shared] = True
    seen[:, :width, shared : shared + width] = True
    own = torch.arange(width, device=lengths.device) < lengths[:, None]
    seen[:, width:, shared : shared + width] = own[:, None, :]
    seen[:, width:, shared + width :] = branches
    return seen


@torch.inference_mode()
def continuation_logprobs(
    writer: Writer, prompts: Sequence[Sequence[int]], continuations: Sequence[Sequence[int]]
) -> list[np.ndarray]:
    """Log-probability of each token of each continuation behind its own prompt: one float64 array a row.

    Raises TailorError where prompt and continuation have no room, or a prompt has no token.
    """
    if not all(prompts):
        raise TailorError("a prompt has no token, so nothing says what its continuation follows")
    result: list[np.ndarray] = [np.zeros(0)] * len(prompts)
    live = [i for i, continuation in enumerate(continuations) if len(continuation)]
    if not live:
        return result
    _fits(writer, [[*prompts[i], *continuations[i]] for i in live], 0)
    writer.check()
    prefix, rests = _split(writer, [prompts[i] for i in live])
    lengths = [len(rest) + len(continuations[i]) - 1 for i, rest in zip(live, rests, strict=True)]
    longest = max(len(continuations[i]) for i in live)
    with evaluating(writer):
        for index in _batches(writer, lengths, longest):
            ends = [list(continuations[live[j]]) for j in index]
            for j, values in zip(index, _behind(writer, [rests[j] for j in index], ends, prefix), strict=True):
                result[live[j]] = values
    return result


def _behind(writer: Writer, rows: list[list[int]], ends: list[list[int]], prefix: Prefix) -> list[np.ndarray]:
    device = writer.device
    ids = writer.pad([[*row, *end[:-1]] for row, end in zip(rows, ends, strict=True)])
    wanted = torch.zeros_like(ids, dtype=torch.bool)
    for i, (row, end) in enumerate(zip(rows, ends, strict=True)):
        wanted[i, len(row) - 1 : len(row) - 1 + len(end)] = True
    places = torch.arange(prefix.length, prefix.length + ids.shape[1], device=device)[None]
    keys = torch.arange(prefix.length + ids.shape[1], device=device)[None] if prefix.length else None
    logits = writer.read(ids, Behind(prefix), places=places, wanted=wanted, keys=keys)
    tokens = torch.tensor([token for end in ends for token in end], device=device)
    chosen = logits.gather(1, tokens[:, None])[:, 0] - torch.logsumexp(logits, 1)
    flat = chosen.double().cpu().numpy()
    return list(np.split(flat, np.cumsum([len(end) for end in ends])[:-1]))


def calibrated(scores: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Label scores with the model's bias towards labels taken out; log-probabilities over the labels, of the shape of `scores`.

    scores: log-probabilities, (prompts, labels). free: the same for prompts that say nothing (`CONTENT_FREE` in place of the text),
    (prompts, labels). Each label is divided by its mean probability on those. Choose it for few or no examples and labels of unlike
    frequency; a model trained on the labels has no need of it.
    """
    return _normal(scores - np.log(np.exp(_normal(free)).mean(0)))


def _normal(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def _split(writer: Writer, prompts: Sequence[Sequence[int]]) -> tuple[Prefix, list[list[int]]]:
    """What all prompts share, read once, and the rest of each."""
    prefix = shared_prefix(writer, prompts)
    return prefix, [list(prompt[len(prefix.ids) :]) for prompt in prompts]


def _batches(writer: Writer, lengths: Sequence[int], logits_each: int) -> Iterator[list[int]]:
    """Rows in batches by what is read and by the logits that are asked of them."""
    most = max(1, LOGITS // (int(writer.config.vocab_size) * max(1, logits_each)))
    for index in batches(lengths, writer.budget):
        for start in range(0, len(index), most):
            yield index[start : start + most]


def _fits(writer: Writer, rows: Sequence[Sequence[int]], more: int) -> None:
    longest = max(len(row) for row in rows) + more
    if longest > writer.max_length:
        raise TailorError(
            "a prompt with what shall follow it is longer than the model's context",
            got=f"{longest} tokens",
            allowed=f"up to {writer.max_length}",
            hint="cut the prompts (Chat.prompt with max_length does), or choose a model with a longer context",
        )
