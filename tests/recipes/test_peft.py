"""What a folder holds is read without tailorlm: plain transformers and PEFT, as its own README says, give our answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.config import validate
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(24, 3)
CASES = [
    ("lora", "bert", "native"),
    ("lora", "modernbert", "native"),
    ("lora", "gpt2", "native"),
    ("lora", "llama", "native"),
    ("lora", "bert", "mean"),
    ("lora", "distilbert", "cls"),
    ("lora", "gpt2", "last"),
    ("ia3", "bert", "mean"),
    ("ia3", "llama", "native"),
    ("prefix", "bert", "mean"),
    ("prefix", "gpt2", "native"),
    ("prompt", "bert", "mean"),
    ("prompt", "gpt2", "last"),
    ("full", "bert", "native"),
    ("full", "roberta", "native"),
    ("full", "qwen2", "native"),
    ("full", "bert", "mean"),
    ("full", "roberta", "cls"),
    ("full", "llama", "last"),
]


@dataclass
class Case:
    part: str
    base: Path
    pooling: str
    folder: Path
    adaptation: Adaptation
    logits: np.ndarray

    def batch(self) -> dict[str, torch.Tensor]:
        model = self.adaptation.model
        ids, mask = model.pad(model.tokenize(ROWS.texts))
        return {"input_ids": ids, "attention_mask": mask}


def adapted(part: str, base: Path, pooling: str, folder: Path) -> Case:
    stage = {"weights": {"part": part, "lr": 0.01}, "train": {"epochs": 1, "rows_per_step": 6, "warmup": 0}}
    recipe = validate({"name": "mine", "base": str(base), "pooling": pooling, "stages": [stage]}, Recipe)
    adaptation = fit(recipe, ROWS).adaptation
    adaptation.save(folder)
    return Case(part, base, pooling, folder, adaptation, adaptation.scores(ROWS.texts))


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Case:
    part, architecture, pooling = request.param
    return adapted(part, base(architecture, "native"), pooling, tmp_path_factory.mktemp("out") / "adaptation")


def snippet(case: Case) -> str:
    """The code of the README's part about doing without us, with the two places filled in."""
    text = (case.folder / "README.md").read_text(encoding="utf-8")
    after = text.partition("Without tailorlm:")[2].partition("## Measured")[0]
    found = re.search(r"```python\n(.*?)```", after, re.S)
    code = found.group(1) if found else "model = " + re.search(r"`(.*?)`", after).group(1)
    if not found:
        code = "from transformers import AutoModelForSequenceClassification\n" + code
    assert '"THIS FOLDER' in code
    code = code.replace("THIS FOLDER", str(case.folder))
    if case.part != "full":
        assert f'"{case.base.name}"' in code, "the base is named by what others can find it by"
        code = code.replace(f'"{case.base.name}"', f'"{case.base}"')
    return code


@torch.inference_mode()
def run(code: str, case: Case) -> np.ndarray:
    names: dict[str, Any] = {"batch": case.batch()}
    exec(compile(code, "README.md", "exec"), names)
    if "logits" in names:
        return names["logits"].numpy()
    return names["model"](**case.batch()).logits.numpy()


def test_the_readmes_own_code_gives_our_logits(case: Case) -> None:
    found = run(snippet(case), case)
    assert np.abs(found - case.logits).max() <= 1e-5
    assert np.ptp(case.logits) > 1e-3, "logits that are all alike prove nothing"


@torch.inference_mode()
def test_plain_libraries_load_it(case: Case) -> None:
    import peft
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoModelForSequenceClassification

    native = case.pooling == "native"
    auto = AutoModelForSequenceClassification if native else AutoModel
    if case.part != "full":
        base = auto.from_pretrained(case.base, **({"num_labels": 3} if native else {}))
        base.config.pad_token_id = case.adaptation.model.tokenizer.pad_token_id
        model = peft.PeftModel.from_pretrained(base, case.folder).eval()
    else:
        model = auto.from_pretrained(case.folder).eval()
        if native:
            assert model.config.id2label == dict(enumerate(ROWS.labels))
            assert model.config.label2id == {label: i for i, label in enumerate(ROWS.labels)}
    if native:
        logits = model(**case.batch()).logits
    else:
        batch, head = case.batch(), load_file(case.folder / "head.safetensors")
        hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"]
        hidden = hidden[:, -mask.shape[1] :]
        if case.pooling == "mean":
            pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        else:
            pooled = hidden[:, 0] if case.pooling == "cls" else hidden[torch.arange(len(hidden)), mask.sum(1) - 1]
        logits = pooled @ head["weight"].T + head["bias"]
    assert np.abs(logits.numpy() - case.logits).max() <= 1e-5


def test_the_tokenizer_of_a_whole_model_is_there_and_is_the_same(case: Case) -> None:
    from transformers import AutoTokenizer

    if case.part != "full":
        assert not (case.folder / "model.safetensors").exists()
        return
    tokens = AutoTokenizer.from_pretrained(case.folder)(list(ROWS.texts))["input_ids"]
    assert tokens == case.adaptation.model.tokenize(ROWS.texts)


def test_adapter_config_is_portable(case: Case) -> None:
    path = case.folder / "adapter_config.json"
    if case.part == "full":
        assert not path.exists()
        return
    config = json.loads(path.read_text())
    assert config["base_model_name_or_path"] == case.base.name
    kind = {"lora": "LORA", "ia3": "IA3", "prefix": "PREFIX_TUNING", "prompt": "PROMPT_TUNING"}
    assert config["peft_type"] == kind[case.part]
    assert config["task_type"] == ("SEQ_CLS" if case.pooling == "native" else "FEATURE_EXTRACTION")
    assert case.part in ("prefix", "prompt") or config["target_modules"] == sorted(config["target_modules"])
    assert str(case.base.parent) not in path.read_text()
    assert not re.search(r'"(/|[A-Z]:\\)', path.read_text())


def test_a_whole_model_can_be_a_base_in_its_turn(base: Base, tmp_path: Path) -> None:
    for pooling in ("mean", "native"):
        first = adapted("full", base("bert", "native"), pooling, tmp_path / pooling)
        recipe = validate({"name": "y", "base": str(first.folder), "stages": [{"weights": "features"}]}, Recipe)
        second = fit(recipe, ROWS).adaptation
        assert second.model.pooling == pooling, "the folder says how it is pooled"
        for (name, mine), (_, theirs) in zip(
            second.model.body.named_parameters(), first.adaptation.model.body.named_parameters(), strict=True
        ):
            assert torch.equal(mine, theirs), name


@pytest.mark.starter
def test_with_the_starter_encoder(tmp_path: Path) -> None:
    from tailorlm.models.resolve import resolve

    folder = resolve("starter").folder
    recipe = {"name": "mine", "stages": [{"weights": "lora", "train": {"epochs": 1, "rows_per_step": 6, "warmup": 0}}]}
    adaptation = fit(validate(recipe, Recipe), ROWS).adaptation
    adaptation.save(tmp_path / "a")
    case = Case("lora", folder, "mean", tmp_path / "a", adaptation, adaptation.scores(ROWS.texts))
    code = (tmp_path / "a" / "README.md").read_text()
    assert "sentence-transformers/all-MiniLM-L6-v2" in code, "the name that others know the starter by"
    assert "starter" not in json.loads((tmp_path / "a" / "adapter_config.json").read_text())["base_model_name_or_path"]
    found = re.search(r"Without tailorlm:\n\n```python\n(.*?)```", code, re.S).group(1)
    found = found.replace("THIS FOLDER", str(tmp_path / "a")).replace(
        "sentence-transformers/all-MiniLM-L6-v2", str(folder)
    )
    assert np.abs(run(found, case) - case.logits).max() <= 1e-5
    assert np.array_equal(Adaptation.load(tmp_path / "a").scores(ROWS.texts), case.logits)
