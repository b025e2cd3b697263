"""The forecast of memory against the measured peak: settings and shapes in turn, each in a process of its own.

    python benchmarks/memory_forecast.py [--steps 24] [--ways full,lora,...]

Rows of natural lengths (lognormal, median 42 tokens, longest 512) of made-up words through the starter encoder, and through a Llama shape with random
weights. The forecast is what the run says before its first step; the peak is the kernel's high-water mark of the process over all
steps after that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from turns import alone

# name: (model, weights part, settings of the loop, tokens of the longest row)
WAYS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "full": ("starter", "full", {}, 512),
    "full, 4,096 tokens at once": ("starter", "full", {"micro_tokens": 4096}, 512),
    "full, 128 tokens a row": ("starter", "full", {}, 128),
    "full, adafactor": ("starter", "full", {"optimiser": "adafactor"}, 512),
    "full, recomputing": ("starter", "full", {"recompute": "on", "micro_tokens": 4096}, 512),
    "lora": ("starter", "lora", {}, 512),
    "bias, average": ("starter", "bias", {"average": 0.9}, 512),
    "Llama of 60M, full": ("llama", "full", {}, 512),
    "Llama of 60M, lora, 4,096 tokens at once": ("llama", "lora", {"micro_tokens": 4096}, 512),
}
LABELS, ROWS_A_STEP = 4, 16


def main() -> None:
    """Run all ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--ways", default=";".join(WAYS), help="names with ; between them")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.steps)))
        return
    print("| run | forecast | measured peak | forecast / peak | held before | optimiser |")
    print("|---|---|---|---|---|---|")
    for name in args.ways.split(";"):
        f = alone(__file__, "--measure", name, "--steps", args.steps)
        mb = {key: f"{f[key] / 1e6:,.0f} MB" for key in ("forecast", "peak", "held", "state")}
        share = f["forecast"] / f["peak"]
        print(f"| {name} | {mb['forecast']} | {mb['peak']} | {share:.0%} | {mb['held']} | {mb['state']} |", flush=True)


def measure(name: str, steps: int) -> dict[str, int]:
    """Forecast and peak of one run, in bytes."""
    import numpy as np
    import torch

    from tailorlm.core.memory import PeakMemory
    from tailorlm.models.encoder import load_model
    from tailorlm.models.heads import Linear
    from tailorlm.models.resolve import resolve
    from tailorlm.objectives.labels import Labels
    from tailorlm.tasks.readings import Readings
    from tailorlm.training import rehearsal
    from tailorlm.training.job import Job
    from tailorlm.training.lesson import LabelLesson
    from tailorlm.training.loop import train
    from tailorlm.training.settings import TrainSettings
    from tailorlm.training.source import TokenSource
    from tailorlm.weights import weights

    which, part, changes, longest = WAYS[name]
    rehearsal.STEPS = rehearsal.TOKENS = 1
    torch.manual_seed(0)
    rows = steps * ROWS_A_STEP
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(42), 0.8, rows), 4, longest - 2).astype(int)
    lengths[:2] = longest - 2
    texts = [" ".join(["word"] * int(n)) for n in lengths]
    codes = random.integers(0, LABELS, rows)
    with tempfile.TemporaryDirectory() as folder:
        base = resolve("starter") if which == "starter" else resolve(str(llama(Path(folder))))
        model = load_model(
            base,
            labels=[str(i) for i in range(LABELS)],
            pooling="last" if which == "llama" else "auto",
            max_length=longest,
        )
    model.head = Linear.fresh(model.width, LABELS, dropout=0.1, generator=torch.Generator().manual_seed(0))
    made = weights.get(part)
    names = made(made.Settings()).attach(model)
    settings = TrainSettings(epochs=1, rows_per_step=ROWS_A_STEP, **changes)
    lesson = LabelLesson(TokenSource(model, Readings(model.tokenize(texts))), Labels(Labels.Settings()), codes)
    told: dict[str, Any] = {}
    peak = PeakMemory()

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "forecast":
            told.update(event)
            peak.__enter__()

    train(Job(lesson, names, [str(i) for i in range(rows)], settings, 1e-5, 0), listen=listen)
    peak.__exit__(None, None, None)
    return {"forecast": told["peak"], "peak": peak.bytes, "held": told["held"], "state": told["state"]}


def llama(folder: Path) -> Path:
    """A Llama shape of 60M parameters with random weights and the starter's tokenizer."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaModel

    from tailorlm.models.resolve import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("starter").folder)
    shape = {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 8}
    model = LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
