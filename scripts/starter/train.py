"""Make the starter decoder: tokenizer, token rows, training from scratch, tuning on conversations, export, scores. One command, resumable.

    python scripts/starter/train.py --data ../shared/data --work FOLDER [--passes 3] [--out FOLDER/model]

Everything it makes lies in `--work`: stopped at any moment, the same command goes on (a checkpoint every ten minutes, and on Ctrl-C). The model
that comes out lies in `--out`: bf16 safetensors, tokenizer, chat template, card, and the curve of its training. `--from FOLDER` begins with the
weights of an earlier one. `--smoke` does all of it in a few minutes with almost no data.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from card import card
from ngram import bits_per_byte
from texts import documents
from tokens import evenly, joined, make_tokenizer, talk_rows, text_rows

from tailorlm.training.token_rows import TokenRows

SHAPE = {
    "hidden_size": 256,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 704,
}
VOCABULARY, LENGTH, STEP = 8192, 1024, 8192
# Rate, share of warm-up: of training on all, and of the tuning behind it.
RATES = {"train": (2e-3, 0.02), "tune": (4e-4, 0.05)}


def main() -> None:
    """Do what is still to be done, in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="the folder with general_text and the sets of conversations"
    )
    parser.add_argument("--work", type=Path, required=True, help="where everything is kept while it goes")
    parser.add_argument("--out", type=Path, help="the model's folder; WORK/model without it")
    parser.add_argument("--passes", type=int, default=3, help="passes over all text")
    parser.add_argument("--tune-passes", type=int, default=2, help="passes over the conversations behind that")
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows, drawn evenly, that both read")
    parser.add_argument("--step", type=int, default=STEP, help="tokens a step of the optimiser")
    parser.add_argument("--from", dest="start", type=Path, help="begin with the weights in this folder")
    parser.add_argument("--smoke", action="store_true", help="almost no data, to see that everything works")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    told = {name: getattr(args, name) for name in ("passes", "tune_passes", "share", "step", "smoke")}
    told["from"] = str(args.start or "")
    made = args.work / "tokenizer"
    if not (made / "chat_template.jinja").exists():
        say("training the tokenizer")
        make_tokenizer(args.data, made, VOCABULARY)
    rows = {name: prepared(args, name) for name in ("text", "talk", "held out")}
    model = built(made, args.start)
    talk = evenly(rows["talk"], args.share)
    everything = joined(evenly(rows["text"], args.share), talk)
    score = Held(model, rows["held out"], sum(len(text.encode()) for text in held_out(args)))
    for stage, learned, passes in (("train", everything, args.passes), ("tune", talk, args.tune_passes)):
        run(model, Stage(stage, learned, passes, args.step, args.work / stage, smoke=args.smoke), score)
    say("scoring")
    found = {"bits a byte": score.bits(), "bits a byte, 6-gram of bytes": counted(args)}
    export(model, args, told, found)


def held_out(args: argparse.Namespace) -> list[str]:
    """The validation texts."""
    return list(documents(args.data, "validation"))[: 8 if args.smoke else None]


def prepared(args: argparse.Namespace, name: str) -> TokenRows:
    """Rows of tokens, from disk where they have been made."""
    folder = args.work / "rows" / name.replace(" ", "-")
    if not (folder / "done").exists():
        say(f"making tokens: {name}")
        tokenizer, few = args.work / "tokenizer", 60 if args.smoke else None
        if name == "talk":
            rows = talk_rows(args.data, tokenizer, LENGTH, few)
        elif name == "text":
            rows = text_rows(args.data, tokenizer, "train", LENGTH, few)
        else:
            rows = text_rows(args.data, tokenizer, "validation", LENGTH, 8 if args.smoke else None)
        rows.save(folder)
        (folder / "done").touch()
    rows = TokenRows.load(folder)
    say(f"{name}: {len(rows)} rows, {len(rows.ids)} tokens, {int(rows.targets().sum())} learned")
    return rows


def built(tokenizer: Path, start: Path | None) -> Any:
    """The model, with random weights or those of an earlier one, on the first GPU where there is one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if start is not None:
        model = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)
    else:
        torch.manual_seed(0)
        made = LlamaConfig(
            vocab_size=VOCABULARY,
            max_position_embeddings=LENGTH,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=1,
            **SHAPE,
        )
        model = LlamaForCausalLM(made)
        with torch.no_grad():
            # What is added to the stream begins smaller with depth (Radford et al. 2019).
            for name, weight in model.named_parameters():
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    weight /= math.sqrt(2 * made.num_hidden_layers)
    say(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters")
    return model.to("cuda") if torch.cuda.is_available() else model


@dataclass
class Held:
    """The held-out text and its size in bytes."""

    model: Any
    rows: TokenRows
    size: int

    def bits(self) -> float:
        """Bits of each byte of the held-out text."""
        import torch

        from tailorlm.models.row_losses import RowLosses
        from tailorlm.training.language import NextTokens
        from tailorlm.training.order import micro_batches

        training = self.model.training
        self.model.eval()
        lesson = NextTokens(RowLosses(self.model), self.rows)
        with torch.no_grad():
            parts = micro_batches(range(len(self.rows)), lesson.lengths, 4096, padded=lesson.padded)
            total = sum(float(lesson.losses(part).sum()) for part in parts)
        self.model.train(training)
        return total / math.log(2) / self.size


@dataclass
class Stage:
    """One stage of the training: its rows, passes, folder."""

    name: str
    rows: TokenRows
    passes: int
    step: int
    folder: Path
    smoke: bool = False


def run(model: Any, stage: Stage, held: Held) -> None:
    """Train one stage, from its newest checkpoint on; a stage that is done gives its weights at once."""
    from safetensors.torch import load_file, save_file

    from tailorlm.models.row_losses import RowLosses
    from tailorlm.training.checkpoint import Checkpoints
    from tailorlm.training.job import Job, Score
    from tailorlm.training.language import NextTokens
    from tailorlm.training.loop import train
    from tailorlm.training.settings import TrainSettings

    weights = stage.folder / "weights.safetensors"
    names = [name for name, _ in model.named_parameters()]
    if weights.exists():
        model.load_state_dict(load_file(weights), strict=False)
        return
    rate, warmup = RATES[stage.name]
    settings = TrainSettings(
        epochs=stage.passes,
        tokens_per_step=stage.step,
        micro_tokens=2048 if model.device.type == "cpu" else 32_768,
        optimiser={"part": "adamw", "beta2": 0.95},
        weight_decay=0.1,
        schedule="cosine",
        warmup=warmup,
        patience=1000,
    )
    stage.folder.mkdir(parents=True, exist_ok=True)
    curve = Curve(stage.folder / "curve.jsonl", stage.step)

    def validate() -> Score:
        bits = held.bits()
        return Score(-bits, bits)

    lesson = NextTokens(RowLosses(model), stage.rows)
    job = Job(lesson, names, stage.rows.names, settings, rate, 0, base=stage.name)
    checkpoints = Checkpoints(stage.folder / "checkpoints", every=0.2 if stage.smoke else 10)
    train(job, validate=validate, listen=curve, checkpoints=checkpoints)
    save_file({name: p.detach().contiguous().cpu() for name, p in model.named_parameters()}, weights)


class Curve:
    """Writes every tenth step and every pass into a file, and tells how it goes twice a minute."""

    def __init__(self, path: Path, step: int):
        self.path, self.step = path, step
        self.tokens, self.began, self.told, self.losses = 0, time.monotonic(), 0.0, []
        self.spent = time.process_time()

    def __call__(self, event: dict[str, Any]) -> None:
        """Take in what the loop tells."""
        if event["event"] != "step":
            say(json.dumps({k: v for k, v in event.items() if k != "rows"}))
            if event["event"] == "validation":
                self._write({"pass": event["epoch"], "bits": round(event["loss"], 4)})
            return
        self.losses.append(event["loss"])
        self.tokens += self.step
        if event["step"] % 10 == 0:
            self._write({"step": event["step"], "loss": round(sum(self.losses[-10:]) / len(self.losses[-10:]), 4)})
        now = time.monotonic()
        if now - self.told > 30:
            speed = self.tokens / (now - self.began)
            left = (event["steps"] - event["step"]) * self.step / speed / 3600
            say(
                f"step {event['step']} of {event['steps']}: loss {event['loss']:.3f}, {speed:.0f} tokens/s, {left:.1f} h left"
            )
            self.told = now

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def counted(args: argparse.Namespace) -> float:
    """The same held-out text by a model that counts bytes."""
    kept = args.work / "ngram.json"
    if not kept.exists():
        train = list(documents(args.data, "train"))[: 60 if args.smoke else None]
        kept.write_text(json.dumps(bits_per_byte(train, held_out(args))))
    value: float = json.loads(kept.read_text())
    return value


def export(model: Any, args: argparse.Namespace, told: dict[str, Any], found: dict[str, float]) -> None:
    """Write the model's folder: weights in bf16, tokenizer, template, card, curve."""
    import shutil

    import torch

    out = args.out or args.work / "model"
    out.mkdir(parents=True, exist_ok=True)
    model.generation_config.eos_token_id = 0
    model.to(torch.bfloat16).save_pretrained(out, safe_serialization=True)
    for path in (args.work / "tokenizer").iterdir():
        shutil.copy(path, out / path.name)
    curve = {}
    for stage in RATES:
        path = args.work / stage / "curve.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        curve[stage] = list({(line.get("step"), line.get("pass")): line for line in lines}.values())
    record = {"settings": told, "shape": SHAPE | {"vocab_size": VOCABULARY}, "scores": found, "curve": curve}
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    (out / "README.md").write_text(card(record, sum(p.numel() for p in model.parameters())), encoding="utf-8")
    say(f"{out}: " + ", ".join(f"{value:.3f} {name}" for name, value in found.items()))


def say(line: str) -> None:
    """A line for the person who waits."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        raise SystemExit(130) from None
