"""Completion tuning beside TRL's SFTTrainer (and PEFT): the same rows in the same steps, in turns, in one run; equal losses are part of it.

    python benchmarks/completion_speed.py [--shapes 60m,15m,60m-lora] [--rows 96] [--rounds 2] [--threads 1]
        [--trl-python PYTHON] [--data FOLDER] [--ways ours,trl-packed,trl-plain]

Llama shapes with random weights (60M: width 512, 14 blocks; 15M: width 256, 8 blocks; 32,000 tokens, tied), the starter's tokenizer, AdamW at a
constant rate. Rows are questions and answers of `dolly_open_qa` where `--data` holds it, else pieces of Python's documentation with
lengths as texts have them; the answer (the last quarter) is learned. Each measurement is a process of its own; ways take turns.

The first TRL process of a shape writes down which documents it put into which step, and ours learns the same documents in the same steps, so
that losses can be compared step by step. `--trl-python` is an interpreter that has trl (any environment with these packages and trl).
CPU seconds are those of the training call, models and rows loaded before. Useful operations: 6 for each weight of a block and
token, and for each weight of the head and learned token (4 + 2 for a frozen weight: its own gradient is not needed), attention left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from turns import Run, alone, in_turns, timed

SHAPES = {"60m": (512, 14, 8, 1408), "15m": (256, 8, 4, 688), "2m": (64, 2, 2, 128)}
VOCABULARY, RATE, PACK, PACKS = 32_000, 1e-4, 512, 4
WAYS = {
    "ours": "tailorlm, the steps of TRL packed",
    "ours-peft": "tailorlm, with PEFT's own LoRA modules",
    "trl-packed": "TRL, its best: packing, no checkpointing, fp32",
    "trl-packed-bf16": "TRL, packing, no checkpointing, bf16",
    "trl-plain": "TRL, defaults (8 rows padded, checkpointing) in fp32",
    "trl-default": "TRL, its defaults (8 rows padded, checkpointing, bf16)",
}
Call = Callable[[], list[float]]


def main() -> None:
    """Run all measurements in turns and print a table a shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="60m,15m,60m-lora")
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", default="trl-packed,ours,trl-plain")
    parser.add_argument("--trl-python", default=sys.executable)
    parser.add_argument("--data", type=Path, help="a folder that holds dolly_open_qa")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.shapes, args.rows, args.data, args.work)))
        return
    for shape in args.shapes.split(","):
        names = args.ways.split(",") + (["ours-peft"] if "lora" in shape and "ours-peft" not in args.ways else [])
        with tempfile.TemporaryDirectory() as work:
            found = in_turns(
                names, args.rounds, lambda name, shape=shape, work=work: run(name, shape, Path(work), args)
            )
        table(shape, found, args)


def table(shape: str, found: dict[str, list[Run]], args: argparse.Namespace) -> None:
    """Print what was measured for one shape."""
    first = next(iter(found.values()))[0]
    print(
        f"\n{shape}: {args.rows} rows, {first['tokens']} tokens, {first['labels']} learned, {args.threads} thread(s)\n"
    )
    print("| way | CPU seconds (spread) | wall | tokens a CPU second | MFU | peak memory | ours is | apart a step |")
    print("|---|---|---|---|---|---|---|---|")
    base = statistics.median(run["cpu"] for run in found["ours"])
    peak = max(run["peak_gflops"] for runs in found.values() for run in runs)
    reference = found["ours"][0]["losses"]
    for name, runs in found.items():
        cpu = [run["cpu"] for run in runs]
        middle = statistics.median(cpu)
        losses = runs[0]["losses"]
        same = len(losses) == len(reference)
        apart = f"{max(abs(a - b) for a, b in zip(losses, reference)):.1e}" if same else "other steps"
        print(
            f"| {WAYS[name]} | {middle:.1f} ({min(cpu):.1f} to {max(cpu):.1f}) | {statistics.median(r['wall'] for r in runs):.1f} "
            f"| {first['tokens'] / middle:.0f} | {100 * first['gflop'] / middle / peak:.0f}% | {max(r['peak_mb'] for r in runs):.0f} MB "
            f"| {middle / base:.1f}x | {apart} |"
        )
    print(f"\nMeasured peak of one float32 product on this processor: {peak:.0f} GFLOP a CPU second.")


def run(name: str, shape: str, work: Path, args: argparse.Namespace) -> Run:
    """One measurement in a process of its own."""
    asked = ["--measure", name, "--shapes", shape, "--rows", args.rows, "--work", work]
    asked += ["--data", args.data] if args.data else []
    python = sys.executable if name.startswith("ours") else args.trl_python
    return alone(__file__, *asked, threads=args.threads, python=python)


def measure(name: str, shape: str, rows: int, data: Path | None, work: Path) -> Run:
    """Seconds of one training call, its losses by step, and this process's peak memory."""
    import torch

    pairs = documents(rows, data)
    model = llama(shape)
    blocks = sum(p.numel() for n, p in model.named_parameters() if ".layers." in n)
    tokens, labels = sum(len(ids) for ids, _ in pairs), sum(sum(learned[1:]) for _, learned in pairs)
    lora = "lora" in shape
    operations = (4 if lora else 6) * (blocks * tokens + VOCABULARY * model.config.hidden_size * labels)
    if lora:
        model = adapted(model)
        operations += 6 * tokens * sum(p.numel() for n, p in model.named_parameters() if "lora_" in n)
    peak = product_speed()
    call = ours(model, work, fused=name == "ours") if name.startswith("ours") else theirs(name, model, pairs, work)
    losses, took = timed(call)
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
    counted = {"tokens": tokens, "labels": labels, "gflop": operations / 1e9, "peak_gflops": round(peak, 1)}
    return took | counted | {"losses": losses}


def product_speed() -> float:
    """GFLOP a CPU second of the best of some float32 products of the shapes that the models have."""
    import torch

    best = 0.0
    for rows, inner, columns in ((1024, 512, 1408), (2048, 1024, 1024), (4096, 512, 512)):
        a, b = torch.randn(rows, inner), torch.randn(inner, columns)
        for _ in range(8):
            start = time.process_time()
            _ = a @ b
            best = max(best, 2e-9 * rows * inner * columns / (time.process_time() - start))
    return best


def llama(shape: str) -> Any:
    """A Llama of this shape with random weights, the same in every process."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    width, layers, heads, inner = SHAPES[shape.removesuffix("-lora")]
    torch.manual_seed(0)
    made = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        use_cache=False,
    )
    return LlamaForCausalLM(made)


def adapted(model: Any) -> Any:
    """The model with PEFT's LoRA on all linear layers of its blocks; B begins at random, so that A learns from the first step on."""
    import peft
    import torch

    made = peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear")
    wrapped = peft.get_peft_model(model, made)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    return wrapped


def documents(rows: int, data: Path | None) -> list[tuple[list[int], list[bool]]]:
    """Token ids of each row and which of them are learned."""
    import random
    from pydoc_data.topics import topics

    from tokenizers import Tokenizer

    from tailorlm.models.resolve import resolve

    tokenizer = Tokenizer.from_file(str(resolve("starter").folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    chance = random.Random(0)
    if data is not None:
        with gzip.open(data / "dolly_open_qa" / "train.jsonl.gz", "rt", encoding="utf-8") as file:
            kept = chance.sample([json.loads(line) for line in file], rows)
        pairs = [(row["instruction"], row["response"]) for row in kept]
    else:
        # Lines and frames of its tables are one word of a hundred tokens.
        words = [w for name in sorted(topics) for w in topics[name].split() if any(c.isalnum() for c in w)]
        pairs = []
        for _ in range(rows):
            length = min(300, max(4, round(chance.lognormvariate(3.7, 0.8))))
            piece = words[(start := chance.randrange(len(words) - 300)) : start + length]
            pairs.append((" ".join(piece[: -(length // 4)]), " ".join(piece[-(length // 4) :])))
    found = []
    for question, answer in pairs:
        parts = [tokenizer.encode(text, add_special_tokens=False).ids for text in (question, answer)]
        ids = [*(parts[0] + parts[1])[: PACK - 1], 102]
        found.append((ids, [i >= len(parts[0]) for i in range(len(ids))]))
    return found


def ours(model: Any, work: Path, *, fused: bool) -> Call:
    """The loop of this program over the steps that TRL made."""
    from tailorlm.models.low_rank import fuse
    from tailorlm.models.row_losses import RowLosses
    from tailorlm.training.job import Job
    from tailorlm.training.language import NextTokens
    from tailorlm.training.loop import train
    from tailorlm.training.settings import TrainSettings
    from tailorlm.training.token_rows import TokenRows

    if fused and hasattr(model, "peft_config"):
        fuse(model)
    made: list[list[tuple[list[int], list[bool]]]] = json.loads((work / "steps.json").read_text())
    rows = TokenRows.of([row for step in made for row in step], [str(i) for i in range(sum(map(len, made)))])
    numbers = iter(range(len(rows)))

    numbered = [[next(numbers) for _ in step] for step in made]

    class Order:
        def steps(self, epoch: int) -> list[list[int]]:
            return numbered

        def total(self, epochs: int) -> int:
            return len(numbered)

    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    settings = TrainSettings(epochs=1, weight_decay=0.0, warmup=0.0, schedule="constant")
    job = Job(NextTokens(RowLosses(model), rows), trainable, rows.names, settings, RATE, 0, Order())
    return lambda: train(job).losses


def theirs(name: str, model: Any, pairs: list[tuple[list[int], list[bool]]], work: Path) -> Call:
    """TRL's trainer; the first one packed writes its steps down."""
    os.environ["HF_DATASETS_CACHE"] = str(work / "datasets")
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from tailorlm.models.resolve import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("starter").folder)
    rows = [
        {"input_ids": ids, "labels": [i if learned else -100 for i, learned in zip(ids, which, strict=True)]}
        for ids, which in pairs
    ]
    packed = name.startswith("trl-packed")
    given: dict[str, Any] = {"bf16": name in {"trl-packed-bf16", "trl-default"}}
    if packed:
        given |= {
            "packing": True,
            "max_length": PACK,
            "per_device_train_batch_size": PACKS,
            "gradient_checkpointing": False,
        }
    losses: list[float] = []
    steps: list[list[tuple[list[int], list[bool]]]] = []

    class Told(SFTTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: dict[str, Any], *others: Any) -> torch.Tensor:
            if packed:
                steps.append(apart(inputs))
            loss = super().training_step(model, inputs, *others)
            losses.append(float(loss))
            return loss

    arguments = SFTConfig(
        str(work / "trl"),
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        logging_steps=1000,
        **given,
    )
    trainer = Told(model, arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)

    def call() -> list[float]:
        trainer.train()
        if packed and not (work / "steps.json").exists():
            (work / "steps.json").write_text(json.dumps(steps))
        return losses

    return call


def apart(inputs: dict[str, Any]) -> list[tuple[list[int], list[bool]]]:
    """The documents of one packed batch."""
    borders = [*(inputs["position_ids"][0] == 0).nonzero().flatten().tolist(), inputs["position_ids"].shape[1]]
    ids, labels = inputs["input_ids"][0].tolist(), inputs["labels"][0].tolist()
    return [(ids[a:b], [label != -100 for label in labels[a:b]]) for a, b in pairwise(borders)]


if __name__ == "__main__":
    main()
