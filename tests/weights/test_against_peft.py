"""Our parts against PEFT used by hand: the same numbers before and after a step; and where its way is wrong, the right ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch

from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import label_scores
from tailorlm.weights import weights
from tiny import LAYERS, labelled

Base = Callable[..., Path]
ROWS = labelled(9, 3)
INSIDE = [f"encoder.layer.{i}.output.dense" for i in range(LAYERS)]
CONFIGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "lora": lambda s: peft.LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], **s),
    "prefix": lambda s: peft.PrefixTuningConfig(num_virtual_tokens=4, **s),
    "prompt": lambda s: peft.PromptTuningConfig(num_virtual_tokens=4, **s),
    # PEFT's own default for BERT scales what leaves attention too; the paper's are keys, values and the MLP's inside.
    "ia3": lambda s: peft.IA3Config(target_modules=["key", "value", *INSIDE], feedforward_modules=INSIDE, **s),
}
SETTINGS = {"lora": {"targets": "query_value"}, "prefix": {"tokens": 4}, "prompt": {"tokens": 4}, "ia3": {}}


def ours(folder: Path, part: str, pooling: str) -> tuple[TextModel, list[str], Any]:
    torch.manual_seed(0)
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)
    if pooling != "native":
        model.head = Linear.fresh(model.width, 3, dropout=0.0, generator=torch.Generator().manual_seed(1))
    made = weights.get(part)
    part = made(made.Settings(**SETTINGS[part]))
    return model, part.attach(model), part


def by_hand(folder: Path, part: str, native: bool) -> Any:
    from transformers import AutoModel, AutoModelForSequenceClassification

    torch.manual_seed(0)
    if native:
        body, kind = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3), "SEQ_CLS"
        body.config.pad_token_id = 0
    else:
        body, kind = AutoModel.from_pretrained(folder), "FEATURE_EXTRACTION"
    return peft.get_peft_model(body, CONFIGS[part]({"task_type": kind})).eval()


def share(mine: TextModel, theirs: Any) -> None:
    """Give PEFT's model the learnt tensors of ours, drawn anew so that they matter; they have the same names."""
    random = torch.Generator().manual_seed(2)
    names = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, parameter in mine.body.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3 + (0.5 if "ia3" in name else 0))
                names[name].copy_(parameter)


@pytest.mark.parametrize("pooling", ["mean", "native"])
@pytest.mark.parametrize("part", CONFIGS)
def test_scores_and_gradients_are_those_of_peft(part: str, pooling: str, base: Base) -> None:
    mine, learning, _ = ours(base("bert"), part, pooling)
    theirs = by_hand(base("bert"), part, pooling == "native")
    expected = {name for name, p in theirs.named_parameters() if p.requires_grad and ".pooler." not in name}
    assert {name.removeprefix("body.") for name in learning if not name.startswith("head.")} == expected
    share(mine, theirs)
    ids, mask = mine.pad(mine.tokenize(ROWS.texts))
    scores = mine(ids, mask)
    if pooling == "native":
        found = theirs(input_ids=ids, attention_mask=mask).logits
    else:
        hidden = theirs(input_ids=ids, attention_mask=mask).last_hidden_state[:, -ids.shape[1] :]
        pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        found = pooled @ mine.head.weight.T + mine.head.bias
    assert torch.allclose(scores, found, atol=1e-6)
    codes = torch.from_numpy(ROWS.codes)
    torch.nn.functional.cross_entropy(scores, codes).backward()
    torch.nn.functional.cross_entropy(found, codes).backward()
    compared = 0
    for name, parameter in theirs.named_parameters():
        if name in expected:
            assert torch.allclose(mine.body.get_parameter(name).grad, parameter.grad, atol=1e-6), name
            compared += 1
    assert compared == len(expected) > 0


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "gptj"])
def test_a_prompt_before_padded_texts_of_a_model_that_writes(architecture: str, base: Base) -> None:
    """PEFT reads the last position, padding or not; ours gives each row the answer that it has alone, which is PEFT's too."""
    mine, _, _ = ours(base(architecture), "prompt", "native")
    theirs = by_hand(base(architecture), "prompt", True)
    share(mine, theirs)
    together = label_scores(mine, ROWS.texts)
    with torch.no_grad():
        ids, mask = mine.pad(mine.tokenize(ROWS.texts))
        padded = theirs(input_ids=ids, attention_mask=mask).logits.numpy()
        for i, row in enumerate(mine.tokenize(ROWS.texts)):
            alone = theirs(*mine.pad([row])).logits.numpy()[0]
            assert np.abs(together[i] - alone).max() < 1e-5
    assert np.abs(padded - together).max() > 1e-2, "if PEFT mends this, so can we"


@pytest.mark.parametrize("part", ["prefix", "prompt"])
@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_texts_leave_room_for_what_stands_in_front(part: str, pooling: str, base: Base) -> None:
    long = "money " * 100
    for architecture in ("bert", "roberta", "gpt2", "llama"):
        model, _, made = ours(base(architecture), part, pooling)
        assert model.max_length == 60
        assert np.isfinite(label_scores(model, [long, "a"])).all()
        made.detach(model)
        assert model.max_length == 64


@pytest.mark.parametrize("part", ["lora", "prefix", "prompt", "ia3"])
def test_peft_loads_the_folder(part: str, base: Base, tmp_path: Path) -> None:
    from transformers import AutoModel

    mine, _, made = ours(base("bert"), part, "mean")
    with torch.no_grad():
        for parameter in mine.body.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    made.save(mine, tmp_path)
    theirs = peft.PeftModel.from_pretrained(AutoModel.from_pretrained(base("bert")), tmp_path).eval()
    ids, mask = mine.pad(mine.tokenize(ROWS.texts))
    with torch.no_grad():
        expected = mine.body(input_ids=ids, attention_mask=mask).last_hidden_state
        assert torch.allclose(theirs(input_ids=ids, attention_mask=mask).last_hidden_state, expected, atol=1e-6)
