"""The model card beside an adaptation: what it is, how to load it with and without tailorlm, what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tailorlm.recipes.schema import Recipe
from tailorlm.recipes.stack import Layout, numbered
from tailorlm.recipes.steps import row_columns

_OURS = """```python
import tailorlm

adaptation = tailorlm.load("THIS FOLDER")
print(adaptation.predict([{row}])[0].value)
```"""

_NATIVE_LORA = """```python
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

base = AutoModelForSequenceClassification.from_pretrained("{origin}", num_labels={labels}){below}
model = PeftModel.from_pretrained(base, "THIS FOLDER"){padding}
```"""

# Models that read left to right answer from the last token that is no padding, and often name no padding token.
_PADDING = "\nmodel.config.pad_token_id = {pad}              # and pad your texts with this token, on the right"

_POOLED = """```python
import torch
from safetensors.torch import load_file
{imports}

{body}
head = load_file("THIS FOLDER/head.safetensors")
hidden = body(**batch).last_hidden_state              # batch: input_ids and attention_mask{behind}
mask = batch["attention_mask"].unsqueeze(-1).float()
{pool}
logits = pooled @ head["weight"].T + head["bias"]
```"""

# What stages before the last one changed of the base's own tensors.
_BELOW = """
from safetensors.torch import load_file
below = load_file("THIS FOLDER/{own}/changed.safetensors")      # what the stages before the last one changed
base.load_state_dict({{name.removeprefix("body."): value for name, value in below.items()}}, strict=False)"""

# The parts that are kept as PEFT keeps them. A native head behind a prompt is left out: of padded texts PEFT reads the wrong place.
THROUGH_PEFT = ("lora", "ia3", "prefix", "prompt")
_BEHIND = '\nhidden = hidden[:, -batch["attention_mask"].shape[1]:]    # the states of the text, behind the prompt'

_POOLS = {
    "mean": "pooled = (hidden * mask).sum(1) / mask.sum(1)",
    "cls": "pooled = hidden[:, 0]",
    "tokens": "pooled = hidden                                       # one row of scores a token; a word is read at its first piece",
    "last": 'pooled = hidden[torch.arange(len(hidden)), batch["attention_mask"].sum(1) - 1]',
}


def model_card(recipe: Recipe, record: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Markdown of the card. record: as in `adaptation.json`. facts: figure name to text, as measured by the run."""
    labels = record["labels"]
    columns = row_columns(recipe) if recipe.steps else getattr(recipe.task.make(), "text_columns", ())
    row = json.dumps(dict.fromkeys(columns, "some text") if len(columns) > 1 else "some text")
    shown = ", ".join(f"`{label}`" for label in labels[:30]) + (
        f" and {len(labels) - 30} more" if len(labels) > 30 else ""
    )
    lines = [
        f"# {recipe.name}",
        "",
        f"An adaptation of `{record['base']['origin']}` to {f'{len(labels)} labels' if labels else f'the task `{recipe.task.name}`'}, "
        f"made with tailorlm by the method `{recipe.method or recipe.name}`.",
        *(["", f"Labels: {shown}."] if labels else []),
        *_steps(recipe),
        "",
        "## Load it",
        "",
        _OURS.replace("{row}", row),
        *_others(record),
        *_without_us(recipe, record),
        "",
        "## Measured",
        "",
        *(
            [f"- {name}: {value}" for name, value in facts.items()]
            or ["Nothing was measured when this folder was written."]
        ),
        "",
        "Not measured: other languages or domains than the rows it was scored on, fairness across groups, robustness to attack.",
        "The licence of the base model and of the rows it was fitted on apply.",
    ]
    return "\n".join(lines) + "\n"


def _steps(recipe: Recipe) -> list[str]:
    """What it is put together from, where it answers in steps."""
    lines = []
    for step in recipe.steps:
        aims = [f"`{label}` goes to `{aim}`" for label, aim in step.routes.items()]
        aims += [f"others go to `{step.otherwise}`"] if step.otherwise else []
        lines.append(
            f"- `{step.name}`: {step.recipe.task.name}{'; ' if aims else ''}{', '.join(aims)} (`steps/{step.name}`)"
        )
    return ["", "It answers in steps, each an adaptation of its own in its folder:", "", *lines] if lines else []


def _others(record: Mapping[str, Any]) -> list[str]:
    """How its other tasks are asked, where it has learnt some."""
    names = list(record.get("tasks") or {})
    if not names:
        return []
    told = ", ".join(f"`{name}` ({record['tasks'][name]['task']['part']})" for name in names)
    how = f'`adaptation.other("{names[0]}").predict(rows)`, `tailor predict FOLDER rows.csv --task {names[0]}`'
    return ["", f"It has learnt other tasks besides: {told}. {how}"]


def _without_us(recipe: Recipe, record: Mapping[str, Any]) -> list[str]:
    if recipe.written or recipe.steps:
        return []
    part = recipe.stages[-1].weights.name if recipe.stages and recipe.context is None else None
    origin, native = record["base"]["origin"], record["pooling"] == "native"
    layout = Layout.of(numbered(recipe.parts()))
    if recipe.quantise != "none" or layout.adapters:
        return []  # the arithmetic over quantised weights is ours, and so are adapters
    below = ""
    if layout.own:
        origin = f"THIS FOLDER/{layout.own}" if layout.whole else origin
        below = "" if layout.whole else _BELOW.format(own=layout.own)
    if part in THROUGH_PEFT and native and part != "prompt":
        padding = _PADDING.format(pad=record["pad_token_id"]) if record.get("pad_token_id") is not None else ""
        code = _NATIVE_LORA.format(origin=origin, labels=len(record["labels"]), padding=padding, below=below)
        return ["", "Without tailorlm:", "", code]
    if part in THROUGH_PEFT and not native:
        imports = "from peft import PeftModel\nfrom transformers import AutoModel"
        body = f'base = AutoModel.from_pretrained("{origin}"){below}\nbody = PeftModel.from_pretrained(base, "THIS FOLDER")'
        behind = _BEHIND if part == "prompt" else ""
        code = _POOLED.format(imports=imports, body=body, pool=_POOLS[record["pooling"]], behind=behind)
        return ["", "Without tailorlm:", "", code]
    if part == "full" and native:
        return ["", 'Without tailorlm: `AutoModelForSequenceClassification.from_pretrained("THIS FOLDER")`.']
    if part == "full":
        body = 'body = AutoModel.from_pretrained("THIS FOLDER")'
        return [
            "",
            "Without tailorlm:",
            "",
            _POOLED.format(
                imports="from transformers import AutoModel", body=body, pool=_POOLS[record["pooling"]], behind=""
            ),
        ]
    return []
