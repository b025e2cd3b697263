"""Which objective works on which model: every registered one over tiny models that a head reads, and over those that write."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pages import WHERE, stands_in
from sought import prepared
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.data.rows import Row, Rows
from tailorlm.objectives import objectives
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks import tasks
from tiny import labelled
from writers import tiny_writer

ROWS = labelled(12, 3)
READ = {"bert": "BERT", "modernbert": "ModernBERT", "gpt2": "GPT-2", "llama": "Llama", "t5": "T5"}
WRITES = {"gpt2 writes": "GPT-2 writes", "llama writes": "Llama writes"}
COLUMNS = READ | WRITES
STAGE = {"weights": {"part": "full", "lr": 1e-3}, "train": {"epochs": 1, "rows_per_step": 6}}
NOT_WRITTEN, BOTH_SIDES = "is not for models that write", "reads a text from both sides"
# What cannot be: objective, model, and the words of its refusal. Everything else must work.
REFUSED = {
    (name, model): NOT_WRITTEN
    for name in ("contrastive", "denoising", "distill", "domain_distance", "masked_lm", "simcse")
    for model in WRITES
}
REFUSED |= {(name, model): "nothing is written" for name in ("ranking", "triplet") for model in WRITES}
REFUSED |= {("preference", model): "a head writes nothing" for model in READ}
REFUSED |= {("causal_lm", model): BOTH_SIDES for model in ("bert", "modernbert", "t5")}
REFUSED |= {("masked_lm", model): "no token that stands for a hidden word" for model in ("gpt2", "llama", "t5")}
REFUSED |= {("simcse", model): "no dropout" for model in ("modernbert", "llama")}
CASES = [(name, model) for name in objectives for model in COLUMNS]
WORDS = {"no dropout": "with `dropout`", "a head writes nothing": "–", "nothing is written": "–"}


def what_works_where() -> str:
    """The second table of docs/methods/where.md."""
    lines = ["| objective | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in objectives:
        refused = [REFUSED.get((name, model)) for model in COLUMNS]
        lines.append(f"| `{name}` | " + " | ".join("yes" if not r else WORDS.get(r, "no") for r in refused) + " |")
    return "\n".join(lines) + "\n"


def test_the_page_says_what_this_suite_finds() -> None:
    """`TAILOR_WRITE=1` writes the table anew."""
    assert stands_in(WHERE, what_works_where(), "<!-- objectives -->", "<!-- end of them -->")


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = tiny_writer(tmp_path_factory.mktemp(kind) / "model", kind)
        return made[kind]

    return folder


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory, base: Callable[..., Path]) -> dict[str, dict[str, Any]]:
    """What an objective is told beyond its own rows."""
    folder = tmp_path_factory.mktemp("brought")
    text, other, more = folder / "text.csv", folder / "other.csv", labelled(20, 5, start=100)
    text.write_text("\n".join(["text", *labelled(20, 3, start=50).texts]) + "\n")
    other.write_text(
        "\n".join(["text,label", *(f"{t},{g}" for t, g in zip(more.texts, more.gold, strict=True))]) + "\n"
    )
    plain = {"name": "teacher", "base": str(base()), "stages": [STAGE]}
    teacher = fit(validate(plain, Recipe), ROWS).adaptation.save(folder / "teacher")
    on_text = {key: {"text": str(text)} for key in ("causal_lm", "denoising", "domain_distance", "masked_lm", "simcse")}
    return on_text | {
        "distill": {"teacher": str(teacher)},
        "intermediate_task": {"rows": str(other)},
        "multi_task": {"tasks": [{"rows": str(other)}]},
    }


def asked(name: str) -> tuple[str, Any]:
    """The task that an objective learns, and its rows."""
    if name in ("ranking", "triplet"):
        return "retrieve", prepared(12, wrong=1)
    if name == "preference":
        part, columns = tasks.get("generate"), ("prompt", "chosen", "rejected")
        values = [dict(zip(columns, (text, "yes", "no"), strict=True)) for text in ROWS.texts]
        rows = Rows(tuple(Row(value, "pairs.jsonl", i) for i, value in enumerate(values, 1)), columns)
        return "generate", part(part.Settings()).prepare(rows, what="train")
    return "classify", ROWS


@pytest.mark.parametrize(("name", "model"), CASES)
def test_it_learns_or_is_refused(
    name: str, model: str, base: Callable[..., Path], writer: Callable[[str], Path], brought: dict[str, dict[str, Any]]
) -> None:
    kind, _, writes = model.partition(" ")
    task, rows = asked(name)
    stages: list[Any] = [STAGE | {"objective": {"part": name} | brought.get(name, {})}]
    if task == "classify" and name != "labels" and not getattr(objectives.get(name), "answers", False):
        stages.append(STAGE if writes else {"weights": "features"})
    plain = {"name": "x", "base": str(writer(kind) if writes else base(kind)), "task": task, "stages": stages}
    plain |= {"answers": "written" if writes else "head"}
    refusal = REFUSED.get((name, model))
    if refusal:
        with pytest.raises(TailorError, match=re.escape(refusal)):
            fit(validate(plain, Recipe), rows)
        return
    trained = fit(validate(plain, Recipe), rows).trained[0]
    assert trained.losses
    assert np.isfinite(trained.losses).all()
