"""Several trained parts, one over the other: what learns, what is kept, the base that comes back, and folders that answer the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tailorlm
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed, label_scores
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.recipes.stack import Layout, Stack, numbered
from tailorlm.weights import weights
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)
TRAINED = [name for name in weights if weights.get(name).trains]
LAST_ALONE = ("prefix", "prompt")
# Every trained part over every part that can be trained over.
PAIRS = [(one, other) for one in TRAINED for other in TRAINED if one not in LAST_ALONE]
LONGER = [
    ("bias", "adapter", "lora"),
    ("lora", "adapter", "adapter"),
    ("adapter", "full", "adapter"),
    ("ia3", "lora", "prefix"),
]
FILES = {
    ("full", "lora"): {"stage-1/model.safetensors", "adapter_model.safetensors"},
    ("full", "full"): {"model.safetensors"},
    ("top_layers", "full"): {"model.safetensors"},
    ("lora", "bias"): {"changed.safetensors"},
    ("adapter", "adapter"): {"stage-1/adapter_model.safetensors", "adapter_model.safetensors"},
    ("adapter", "full"): {"stage-1/adapter_model.safetensors", "model.safetensors"},
    ("bias", "adapter", "lora"): {
        "stage-1/changed.safetensors",
        "stage-2/adapter_model.safetensors",
        "adapter_model.safetensors",
    },
}


def test_the_suite_found_every_pair() -> None:
    assert len(TRAINED) == 9
    assert len(PAIRS) == 7 * 9
    assert set(FILES) <= {*PAIRS, *LONGER}


def staged(base: Path, names: tuple[str, ...], pooling: str = "mean", text: bool = True) -> Recipe:
    """Text with the first part, labels with the others."""
    quick = {"epochs": 1, "rows_per_step": 6, "warmup": 0}
    stages: list[dict[str, Any]] = [
        {"weights": {"part": name, "lr": 0.01}, "train": quick, "anew": True} for name in names
    ]
    if text and names[0] != "head":
        stages[0]["objective"] = "masked_lm"
    return validate({"name": "x", "base": str(base), "pooling": pooling, "stages": stages}, Recipe)


@pytest.mark.parametrize("names", [*PAIRS, *LONGER], ids="-".join)
def test_parts_over_one_another_keep_the_base_and_give_it_back(names: tuple[str, ...], base: Base) -> None:
    model = load_model(resolve(str(base("bert", "mean"))), labels=ROWS.labels)
    model.head = Linear.fresh(model.width, 3, generator=torch.Generator().manual_seed(1))
    before, structure = torch.from_numpy(embed(model, ROWS.texts)), [name for name, _ in model.named_parameters()]
    stack = Stack(model)
    for number, name in enumerate(names):
        under = answers(model)
        learning = stack.begin(weights.get(name)(weights.get(name).Settings()))
        parameters = dict(model.named_parameters())
        assert {n for n, p in parameters.items() if p.requires_grad} == set(learning)
        assert number == 0 or name in LAST_ALONE or torch.allclose(answers(model), under, atol=0.1), "it begins anew"
        with torch.no_grad():
            for parameter in (parameters[n] for n in learning):
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
        moved = answers(model)
        stack.fold() if number < len(names) - 1 else None
        assert torch.allclose(answers(model), moved, atol=1e-5), f"{name} folded answers otherwise"
    stack.detach()
    assert torch.equal(torch.from_numpy(embed(model, ROWS.texts)), before)
    assert [name for name, _ in model.named_parameters()] == structure


def answers(model: TextModel) -> torch.Tensor:
    return torch.from_numpy(label_scores(model, ROWS.texts))


LOADER = """
import json, sys
import numpy as np
from tailorlm.recipes.adaptation import Adaptation
folders, texts, out = json.load(sys.stdin)
np.savez(out, **{str(i): Adaptation.load(folder).scores(texts) for i, folder in enumerate(folders)})
"""


def test_folders_answer_the_same_in_a_fresh_process(base: Base, tmp_path: Path) -> None:
    folders, scores = [], []
    for pooling in ("mean", "native"):
        for names in [*FILES, ("head", "full"), ("ia3", "prompt"), ("full", "adapter"), ("lora", "lora")]:
            adaptation = fit(staged(base("bert", "mean"), names, pooling), ROWS).adaptation
            folder = adaptation.save(tmp_path / ("-".join(names) + pooling))
            folders.append(str(folder))
            scores.append(adaptation.scores(ROWS.texts))
            stored = {p.relative_to(folder).as_posix() for p in folder.rglob("*.safetensors")}
            assert stored - {"head.safetensors"} == FILES.get(names, stored - {"head.safetensors"})
            again = Adaptation.load(folder)
            assert np.array_equal(again.scores(ROWS.texts), scores[-1]), names
            again.save(tmp_path / "again")  # what was read can be written again
            assert np.array_equal(Adaptation.load(tmp_path / "again").scores(ROWS.texts), scores[-1]), names
    assert len(folders) == 2 * (len(FILES) + 4)
    environment = os.environ | {"PYTHONPATH": str(Path(tailorlm.__file__).parents[1])}
    given = json.dumps([folders, ROWS.texts, str(tmp_path / "scores.npz")])
    subprocess.run([sys.executable, "-c", LOADER], input=given, text=True, check=True, env=environment, cwd=tmp_path)
    with np.load(tmp_path / "scores.npz") as loaded:
        for i, folder in enumerate(folders):
            assert np.array_equal(loaded[str(i)], scores[i]), folder


@pytest.mark.parametrize("pooling", ["mean", "native"])
@pytest.mark.parametrize("names", [("full", "lora"), ("bias", "lora"), ("lora", "ia3")], ids="-".join)
def test_peft_reads_the_last_of_several(names: tuple[str, ...], pooling: str, base: Base, tmp_path: Path) -> None:
    folder = base("bert", "native")
    adaptation = fit(staged(folder, names, pooling), ROWS).adaptation
    kept = adaptation.save(tmp_path / "kept")
    code = re.search(r"```python\n(.*?)```", (kept / "README.md").read_text().partition("Without tailorlm:")[2], re.S)
    assert code
    text = code.group(1).replace("THIS FOLDER", str(kept)).replace(f'"{folder.name}"', f'"{folder}"')
    model = adaptation.model
    ids, mask = model.pad(model.tokenize(ROWS.texts))
    known: dict[str, Any] = {"batch": {"input_ids": ids, "attention_mask": mask}}
    with torch.inference_mode():
        exec(compile(text, "README.md", "exec"), known)
        logits = known["logits"] if pooling == "mean" else known["model"](**known["batch"]).logits
    assert np.abs(logits.numpy() - adaptation.scores(ROWS.texts)).max() <= 1e-5


def test_a_head_goes_on_from_stage_to_stage(base: Base) -> None:
    """The head that a stage of labels left is where the next begins; behind a stage of text it begins afresh."""
    recipe = staged(base("bert", "mean"), ("head", "bias"), text=False)
    still = recipe.changed({"stages.1.weights.lr": 1e-12})
    first = recipe.changed({"stages": recipe.plain()["stages"][:1]})
    one, two = (fit(made, ROWS).adaptation.model.head.weight.detach() for made in (first, still))
    assert torch.allclose(one, two, atol=1e-6)


def test_a_model_that_writes_reads_text_and_then_its_task(base: Base, tmp_path: Path) -> None:
    from tailorlm.tasks.base import Examples

    gold = tuple(ROWS.gold)
    rows = Examples(ROWS.ids, ROWS.texts, gold, ROWS.labels)
    quick = {"epochs": 1, "rows_per_step": 6, "warmup": 0}
    stages = [
        {"weights": {"part": "full", "lr": 0.01}, "objective": "causal_lm", "train": quick},
        {"weights": {"part": "lora", "lr": 0.01}, "train": quick},
    ]
    from writers import tiny_writer

    folder = tiny_writer(tmp_path / "writer", "llama")
    plain = {"name": "x", "base": str(folder), "answers": "written", "stages": stages}
    adaptation = fit(validate(plain, Recipe), rows).adaptation
    kept = adaptation.save(tmp_path / "kept")
    assert (kept / "stage-1" / "model.safetensors").is_file()
    assert np.array_equal(Adaptation.load(kept).scores(ROWS.texts[:4]), adaptation.scores(ROWS.texts[:4]))
    plain["stages"] = [stages[0] | {"objective": "masked_lm"}, stages[1]]
    with pytest.raises(TailorError, match="masked_lm is not for models that write"):
        fit(validate(plain, Recipe), rows)


def test_layouts_by_hand() -> None:
    def layout(*names: str) -> Layout:
        return Layout.of(numbered([weights.get(name)(weights.get(name).Settings()) for name in names]))

    assert layout().top is None
    assert (layout("lora").own, layout("lora").alone) == (None, True)
    assert (layout("bias").own, layout("bias").whole) == ("", False)
    assert (layout("full", "lora").own, layout("full", "lora").whole) == ("stage-1", True)
    assert layout("full", "bias", "lora").own == "stage-2"
    assert [name for _, name in layout("adapter", "full", "adapter", "lora").adapters] == ["stage-1", "stage-3"]
    assert layout("full", "bias").base(Path("x")) == Path("x")
    assert layout("adapter", "lora").base(Path("x")) is None


def test_a_torn_folder_is_refused(base: Base, tmp_path: Path) -> None:
    adaptation = fit(staged(base("bert", "mean"), ("bias", "lora")), ROWS).adaptation
    adaptation.save(tmp_path / "kept")
    stack = Stack(load_model(resolve(str(base("distilbert", "mean"))), labels=ROWS.labels))
    with pytest.raises(TailorError, match="does not fit the base model"):
        stack.load(tmp_path / "kept", adaptation.recipe.parts())
