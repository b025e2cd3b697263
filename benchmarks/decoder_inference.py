"""Scoring labels and writing answers beside transformers used plainly: same weights, same rows, same answers, in turns, in one run.

    python benchmarks/decoder_inference.py [--queries 8] [--prompts 64] [--new 64] [--rounds 2] [--threads 1] [--dtype fp32]
        [--batches 8,16,64] [--width 512] [--blocks 12] [--part all]

A Llama of 54 million parameters with random weights (12 blocks, width 512, 8 heads over 4 key heads, 32,000 tokens) on the CPU or the
GPU. Labels: ten demonstrations of 40 tokens that all queries share, queries of 20 to 40 tokens, four labels of 1 to 3 tokens; read
again for each label one by one, in a batch over the labels, and by us. Answers: prompts of 8 to 300 tokens (lognormal, median 60), each
answered greedily with as many tokens as asked; `generate` in order of arrival, padded on the left, in batches of several sizes, and
us. The ways take turns; seconds are of the processor (of the clock on a GPU), the median of the rounds; answers are compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEMONSTRATIONS, LABELS = 400, ([101], [102, 103], [102, 104], [105, 106, 107])
VOCABULARY = 32_000


def main() -> None:
    """Run the parts asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--width", type=int, default=512, help="of the model; a multiple of 128")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--batches", default="8,16,64", help="batch sizes of generate")
    parser.add_argument("--part", choices=("all", "labels", "answers"), default="all")
    args = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        writer = model(Path(folder), args.dtype, args.width, args.blocks)
    print(
        f"{sum(p.numel() for p in writer.body.parameters()) / 1e6:.0f} million parameters, {args.dtype}, {writer.device}\n"
    )
    if args.part != "answers":
        labels(writer, args)
    if args.part != "labels":
        answers(writer, args)


def model(folder: Path, dtype: str, width: int = 512, blocks: int = 12) -> Any:
    """The model with random weights, saved and loaded as any other."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from tailorlm.models.decoder import load_writer
    from tailorlm.models.resolve import resolve

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=blocks, num_attention_heads=width // 64,
        num_key_value_heads=width // 128, max_position_embeddings=1024, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    body = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in body.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    body.save_pretrained(folder)
    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, VOCABULARY)}}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, "<unk>")), eos_token="</s>")
    tokenizer.save_pretrained(folder)
    return load_writer(resolve(str(folder)), dtype=dtype)  # type: ignore[arg-type]


def labels(writer: Any, args: argparse.Namespace) -> None:
    """Four labels for each query behind shared demonstrations."""
    import numpy as np
    import torch

    from tailorlm.models.score import candidate_scores

    random = np.random.default_rng(0)
    shared = random.integers(200, VOCABULARY, DEMONSTRATIONS).tolist()
    lengths = random.integers(20, 41, args.queries)
    prompts = [[*shared, *random.integers(200, VOCABULARY, n).tolist()] for n in lengths]

    def read(rows: list[list[int]], start: list[int]) -> list[float]:
        ids = writer.pad(rows)
        mask = torch.tensor([[1] * len(r) + [0] * (ids.shape[1] - len(r)) for r in rows], device=writer.device)
        scores = torch.log_softmax(writer.body(input_ids=ids, attention_mask=mask).logits.float(), -1)
        return [
            float(sum(scores[i, k - 1, row[k]] for k in range(at, len(row))))
            for i, (row, at) in enumerate(zip(rows, start, strict=True))
        ]

    def one_by_one() -> Any:
        return np.array([[read([[*p, *label]], [len(p)])[0] for label in LABELS] for p in prompts])

    def batched() -> Any:
        return np.array([read([[*p, *label] for label in LABELS], [len(p)] * len(LABELS)) for p in prompts])

    ways: dict[str, Callable[[], Any]] = {
        "read again for each label, one by one": one_by_one,
        "read again, a batch over the labels": batched,
        "tailorlm": lambda: candidate_scores(writer, prompts, LABELS),
    }
    title = f"{args.queries} queries behind {DEMONSTRATIONS} shared tokens, {len(LABELS)} labels"
    table(title, "queries", args.queries, ways, args, lambda a, b: f"{np.abs(a - b).max():.1e}")


def answers(writer: Any, args: argparse.Namespace) -> None:
    """Prompts of unlike lengths, answered greedily."""
    import numpy as np
    import torch

    from tailorlm.models.answers import Writing
    from tailorlm.models.generate import write

    random = np.random.default_rng(1)
    lengths = np.clip(np.exp(random.normal(np.log(60), 0.8, args.prompts)), 8, 300).astype(int)
    prompts = [random.integers(200, VOCABULARY, n).tolist() for n in lengths]
    vars(writer.chat)["stop_ids"] = frozenset()  # every answer has the full length

    def plain(batch: int) -> list[list[int]]:
        found = []
        for i in range(0, len(prompts), batch):
            rows = prompts[i : i + batch]
            longest = max(map(len, rows))
            ids = torch.tensor([[*[0] * (longest - len(r)), *r] for r in rows], device=writer.device)
            mask = torch.tensor([[*[0] * (longest - len(r)), *[1] * len(r)] for r in rows], device=writer.device)
            out = writer.body.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=args.new,
                min_new_tokens=args.new,
                do_sample=False,
                pad_token_id=0,
            )
            found += out[:, longest:].tolist()
        return found

    ways: dict[str, Callable[[], Any]] = {
        **{f"generate, padded batches of {n}": (lambda n=n: plain(n)) for n in map(int, args.batches.split(","))},
        "tailorlm": lambda: [row.ids for row in write(writer, prompts, Writing(max_new_tokens=args.new))],
    }

    def equal(one: Any, other: Any) -> str:
        return f"{sum(a == b for a, b in zip(one, other, strict=True))} of {len(one)} answers"

    title = f"{args.prompts} prompts of {lengths.min()} to {lengths.max()} tokens (mean {lengths.mean():.0f}), {args.new} tokens each"
    table(title, "tokens", args.prompts * args.new, ways, args, equal)


def table(
    title: str,
    unit: str,
    amount: int,
    ways: dict[str, Callable[[], Any]],
    args: argparse.Namespace,
    differ: Callable[[Any, Any], str],
) -> None:
    """Run the ways in turns and print what they took."""
    import torch

    on_gpu = torch.cuda.is_available()
    clock = time.perf_counter if on_gpu else time.process_time
    took: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Any] = {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            start = clock()
            with torch.inference_mode():
                found[name] = way()
            if on_gpu:
                torch.cuda.synchronize()
            took[name].append(clock() - start)
    ours = statistics.median(took["tailorlm"])
    print(f"{title}; {args.threads} thread(s), {args.rounds} rounds\n")
    print(f"| way | seconds | {unit} a second | ours is | against ours |")
    print("|---|---|---|---|---|")
    for name, times in took.items():
        middle = statistics.median(times)
        spread = f"{middle:.2f} ({min(times):.2f} to {max(times):.2f})"
        print(
            f"| {name} | {spread} | {amount / middle:.1f} | {middle / ours:.1f}x | {differ(found[name], found['tailorlm'])} |"
        )
    print()


if __name__ == "__main__":
    main()
