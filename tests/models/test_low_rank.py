"""The fused pass of LoRA layers against PEFT's own modules: answers, losses and gradients, and everything it leaves to PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor

from tailorlm.models.low_rank import fuse
from token_models import writer

IDS = torch.randint(10, 100, (2, 9), generator=torch.Generator().manual_seed(0))


def adapted(name: str = "llama", **changes: Any) -> Any:
    made = peft.LoraConfig(
        **({"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 6, "target_modules": "all-linear"} | changes)
    )
    if name == "gpt2":
        made.fan_in_fan_out = True
    torch.manual_seed(1)
    model = peft.get_peft_model(writer(name), made)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.normal_(std=0.1)
    return model


def learned(model: Any) -> tuple[float, dict[str, Tensor]]:
    loss = model(input_ids=IDS, labels=IDS).loss
    model.zero_grad()
    loss.backward()
    return float(loss.detach()), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2", "gemma2"])
@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"lora_dropout": 0.3}])
def test_losses_and_gradients_are_pefts(name: str, options: dict[str, Any]) -> None:
    """In training with dropout, both draw the same masks, since PEFT's own pass is taken."""
    found = []
    for fused in (False, True):
        model = adapted(name, **options).train()
        if fused:
            assert fuse(model) == sum("lora_A" in key for key in dict(model.named_parameters()))
        torch.manual_seed(5)
        found.append(learned(model))
    (loss, slopes), (other, others) = found
    assert abs(loss - other) <= 1e-6
    assert set(slopes) == set(others)
    assert len(slopes) >= 12
    assert all("lora_" in name for name in slopes)
    for key, slope in slopes.items():
        assert (slope - others[key]).norm() <= 1e-5 * max(float(slope.norm()), 1e-3), key


@pytest.mark.parametrize("options", [{"use_dora": True}, {"lora_bias": True}, {"modules_to_save": ["lm_head"]}])
def test_what_is_not_plain_is_left_to_peft(options: dict[str, Any]) -> None:
    plain, fused = adapted(**options), adapted(**options)
    fuse(fused)
    (loss, slopes), (other, others) = learned(plain), learned(fused)
    assert abs(loss - other) <= 1e-6
    assert set(slopes) == set(others)
    assert all(torch.allclose(slope, others[key], atol=1e-6) for key, slope in slopes.items())


def test_switching_off_merging_and_saving_stay_pefts(tmp_path: Path) -> None:
    model, base = adapted(), writer("llama")
    before = model(input_ids=IDS).logits
    fuse(model)
    assert torch.allclose(model(input_ids=IDS).logits, before, atol=1e-5)
    with model.disable_adapter():
        assert torch.allclose(model(input_ids=IDS).logits, base(input_ids=IDS).logits, atol=1e-6)
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(writer("llama"), tmp_path)
    assert torch.allclose(again(input_ids=IDS).logits, before, atol=1e-5)
    model.merge_adapter()
    assert torch.allclose(model(input_ids=IDS).logits, before, atol=1e-5)
    model.unmerge_adapter()
    assert torch.allclose(model.merge_and_unload()(input_ids=IDS).logits, before, atol=1e-5)


def test_another_adapter_made_active_answers() -> None:
    model, plain = adapted(), adapted()
    for one in (model, plain):
        torch.manual_seed(9)
        one.add_adapter("second", peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
        one.set_adapter("second")
    fuse(model)
    assert torch.allclose(model(input_ids=IDS).logits, plain(input_ids=IDS).logits, atol=1e-6)


def test_under_bfloat16_it_computes_in_bfloat16() -> None:
    model, plain = adapted(), adapted()
    fuse(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        one, other = model(input_ids=IDS).logits, plain(input_ids=IDS).logits
        (loss, slopes), (_, others) = learned(model), learned(plain)
    assert one.dtype == other.dtype
    assert torch.allclose(one.float(), other.float(), atol=0.05)
    assert loss > 0
    assert all(slope.dtype == others[key].dtype for key, slope in slopes.items())
