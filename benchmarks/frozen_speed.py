"""Training over a frozen body, which is computed once, beside computing it in every pass: the same steps and losses, in turns, in one run.

    python benchmarks/frozen_speed.py [--parts features,top] [--rows 512] [--rounds 2] [--threads 1] [--settings 8] [--passes features=3,top=10]

Over the starter encoder in float32, 16 rows a step, on the texts of training_speed.py. Each measurement is a process of its own; ways take turns.

features: a head is trained over the frozen encoder with several settings (rates and weight decays). Ours is `fit` with the vectors
shared between fits, as a comparison shares them between trials; plain is the loop that one writes by hand, whose encoder (torch.no_grad, no
dropout) reads the rows of every step of every pass and setting, those of a step sorted by length, two at once, which was fastest.

top: the uppermost of six blocks is trained with the head. Ours keeps the states below it; plain is the same program with no room to keep them
in, so that the five blocks below are computed (without gradients and dropout, with as little padding) for every step anew. The most that can be
won is (6 + 2) / 3 = 2.67 times, in infinitely many passes.

Both begin with the same head, and their losses by step are compared. Loading the model is a part of what is measured, loading torch is not.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from typing import Any

from training_speed import LABELS, LONGEST, ROWS_A_STEP, documents
from turns import Run, alone, by_way, furthest, in_turns, table, timed

WAYS = {
    "features": {
        "ours": "tailorlm, vectors shared by all fits",
        "plain": "plain loop, the frozen encoder in every step",
    },
    "top": {"ours": "tailorlm, states below the top block kept", "plain": "the same, states computed for every step"},
}
PASSES = {"features": 3, "top": 10}
# Rates and weight decays of the features part, TOP_RATE of the other; at most so many rows are read at once by the plain loop.
SETTINGS = list(itertools.product((3e-3, 1e-2, 3e-2, 1e-1), (0.0, 0.01)))
TOP_RATE, AT_ONCE = 1e-4, 2
Setting = tuple[float, float]


def main() -> None:
    """Run all measurements in turns and print a table a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(WAYS))
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--settings", type=int, default=len(SETTINGS))
    parser.add_argument("--passes", type=by_way, default={})
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.parts, args.measure, args.rows, args.settings, args.passes[args.parts])))
        return
    for part in args.parts.split(","):
        passes = args.passes.get(part, PASSES[part])

        def run(way: str, part: str = part, passes: int = passes) -> Run:
            asked = ["--parts", part, "--rows", args.rows, "--settings", args.settings, "--passes", f"{part}={passes}"]
            return alone(__file__, "--measure", way, *asked, threads=args.threads)

        found = in_turns(WAYS[part], args.rounds, run)
        fits = f"{args.settings} settings, " if part == "features" else ""
        print(f"{part}: {args.rows} rows, {fits}{passes} passes, {args.threads} thread(s)\n")
        table(found, WAYS[part], "tokens", args.threads, furthest)


def measure(part: str, way: str, rows: int, settings: int, passes: int) -> Run:
    """All fits of one way: what they took, their losses by step, and the tokens that they learned from."""
    texts, codes = documents(rows)
    some = SETTINGS[:settings] if part == "features" else [(TOP_RATE, 0.01)]
    call = {"features ours": shared, "features plain": by_hand, "top ours": kept, "top plain": not_kept}[
        f"{part} {way}"
    ]
    list(call(texts[:ROWS_A_STEP], codes[:ROWS_A_STEP], some[:1], 1))  # modules are loaded where they are first used
    losses, took = timed(lambda: list(itertools.chain.from_iterable(call(texts, codes, some, passes))))
    return took | {"rows": rows, "tokens": len(some) * passes * tokens(texts), "losses": losses}


def tokens(texts: list[str]) -> int:
    """How many tokens the texts have."""
    from transformers import AutoTokenizer

    from tailorlm.models.resolve import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("starter").folder)
    return sum(map(len, tokenizer(texts, truncation=True, max_length=LONGEST)["input_ids"]))


def shared(texts: list[str], codes: list[int], settings: list[Setting], passes: int) -> Iterator[list[float]]:
    """Losses of each setting: fits of a head that share their vectors."""
    from tailorlm.models.run import EmbeddingCache

    return fits({"part": "head"}, EmbeddingCache(), texts, codes, settings, passes)


def kept(texts: list[str], codes: list[int], settings: list[Setting], passes: int) -> Iterator[list[float]]:
    """Losses of each setting: fits of the uppermost block over states that are kept."""
    from tailorlm.models.run import EmbeddingCache

    return fits({"part": "top_layers", "layers": 1}, EmbeddingCache(), texts, codes, settings, passes)


def not_kept(texts: list[str], codes: list[int], settings: list[Setting], passes: int) -> Iterator[list[float]]:
    """Losses of each setting: the same, with no room for states."""
    from tailorlm.models.disk import OnDisk
    from tailorlm.models.run import EmbeddingCache

    cache = EmbeddingCache(states_limit=0, disk=OnDisk(limit=0))
    return fits({"part": "top_layers", "layers": 1}, cache, texts, codes, settings, passes)


def fits(
    weights: dict[str, Any], cache: Any, texts: list[str], codes: list[int], settings: list[Setting], passes: int
) -> Iterator[list[float]]:
    """Losses of a fit of each setting, which share what the frozen body gives."""
    from tailorlm.core.config import validate
    from tailorlm.models.run import EmbeddingView
    from tailorlm.recipes.fit import fit
    from tailorlm.recipes.schema import Recipe
    from tailorlm.tasks.base import Examples

    names = tuple(map(str, range(LABELS)))
    rows = Examples(tuple(map(str, range(len(texts)))), tuple(texts), tuple(names[code] for code in codes), names)
    for rate, decay in settings:
        loop = {"epochs": passes, "patience": None, "rows_per_step": ROWS_A_STEP, "precision": "exact"}
        stage = {
            "weights": weights | {"lr": rate, "head_start": "random"},
            "train": loop | {"weight_decay": decay, "warmup": 0.0},
        }
        plain = {"name": "x", "task": {"part": "classify", "max_length": LONGEST}, "stages": [stage]}
        yield fit(validate(plain, Recipe), rows, embeddings=EmbeddingView(cache)).trained[0].losses


def by_hand(texts: list[str], codes: list[int], settings: list[Setting], passes: int) -> Iterator[list[float]]:
    """Losses of each setting: torch and transformers, and of ours nothing but the order of the rows."""
    import torch
    from torch.nn.functional import cross_entropy, dropout, linear
    from transformers import AutoModel, AutoTokenizer, get_linear_schedule_with_warmup

    from tailorlm.models.resolve import resolve
    from tailorlm.training.order import SeededOrder

    folder = resolve("starter").folder
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    ids, targets = tokenizer(texts, truncation=True, max_length=LONGEST)["input_ids"], torch.tensor(codes)
    order = SeededOrder([1] * len(texts), ROWS_A_STEP, seed=0)
    for rate, decay in settings:
        torch.manual_seed(0)
        weight = torch.randn(LABELS, encoder.config.hidden_size, generator=torch.Generator().manual_seed(0)) * 0.02
        weight, bias = weight.requires_grad_(), torch.zeros(LABELS, requires_grad=True)
        groups = [{"params": [weight], "weight_decay": decay}, {"params": [bias], "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=rate)
        falling = get_linear_schedule_with_warmup(optimiser, 0, order.total(passes))
        losses = []
        for step in itertools.chain.from_iterable(order.steps(epoch) for epoch in range(passes)):
            vectors = read(tokenizer, encoder, [ids[i] for i in step])
            scores = linear(dropout(vectors, encoder.config.hidden_dropout_prob), weight, bias)
            loss = cross_entropy(scores, targets[step])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([weight, bias], 1.0)
            optimiser.step()
            falling.step()
            losses.append(loss.item())
        yield losses


def read(tokenizer: Any, encoder: Any, rows: list[list[int]]) -> Any:
    """Mean states of the rows of a step, (rows, width): sorted by length, a few at once."""
    import torch

    found = torch.empty(len(rows), encoder.config.hidden_size)
    places = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for index in (places[start : start + AT_ONCE] for start in range(0, len(places), AT_ONCE)):
        batch = tokenizer.pad({"input_ids": [rows[i] for i in index]}, return_tensors="pt")
        with torch.no_grad():
            states = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        found[index] = (states * mask).sum(1) / mask.sum(1)
    return found


if __name__ == "__main__":
    main()
