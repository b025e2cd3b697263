"""Pooling, padding, cutting: a text's vector depends on the text alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel, folder_pooling, is_causal, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import label_scores
from tiny import ARCHITECTURES, CAUSAL, POSITIONS, WIDTH, labelled

Base = Callable[..., Path]
TEXTS = [*labelled(10, 5).texts, "money", "money " * 100]
LABELS = ("a", "b", "c")


def model_of(folder: Path, pooling: str = "auto", **settings: int) -> TextModel:
    torch.manual_seed(0)
    return load_model(resolve(str(folder)), labels=LABELS, pooling=pooling, **settings)


@torch.inference_mode()
def pooled(model: TextModel, texts: list[str]) -> torch.Tensor:
    return model.pool(*model.pad(model.tokenize(texts)))


# ---- what the folder says


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_the_folder_names_its_pooling(pooling: str, base: Base) -> None:
    folder = base("bert", pooling)
    assert folder_pooling(folder) == pooling
    assert model_of(folder).pooling == pooling
    assert model_of(folder, "native").pooling == "native", "what is asked for comes first"


def test_a_folder_that_names_none_is_native(base: Base, tmp_path: Path) -> None:
    assert folder_pooling(base("bert", "native")) == "native"
    assert model_of(base("bert", "native")).pooling == "native"
    (tmp_path / "1_Pooling").mkdir()
    path = tmp_path / "1_Pooling" / "config.json"
    for modes, expected in (
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({}, "mean"),
    ):
        path.write_text(json.dumps(modes))
        assert folder_pooling(tmp_path) == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_which_architectures_read_left_to_right(architecture: str, base: Base) -> None:
    assert is_causal(model_of(base(architecture, "mean")).config) == (architecture in CAUSAL)


def test_a_folder_that_is_no_text_model_is_refused(tmp_path: Path, base: Base) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "nothing-like-it"}')
    (tmp_path / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(TailorError, match="cannot be loaded as a text model"):
        model_of(tmp_path)
    (tmp_path / "config.json").write_text((base("bert", "mean") / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((base("bert", "mean") / "model.safetensors").read_bytes()[:1000])
    (tmp_path / "tokenizer.json").write_text((base("bert", "mean") / "tokenizer.json").read_text())
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text("{")
    with pytest.raises(TailorError, match="cannot be loaded as a text model"):
        model_of(tmp_path)
    with pytest.raises(TailorError, match="cannot be loaded as a text model"):
        model_of(tmp_path, "mean")


@pytest.mark.parametrize("pooling", ["mean", "native"])
@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_a_body_with_holes_is_refused(architecture: str, pooling: str, base: Base, tmp_path: Path) -> None:
    """transformers would draw what is missing at random, and go on."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "copy"
    shutil.copytree(base(architecture, "native"), folder)
    tensors = load_file(folder / "model.safetensors")
    hole = next(name for name in tensors if ".1." in name)
    save_file({k: v for k, v in tensors.items() if k != hole}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TailorError, match="cannot be loaded as a text model") as error:
        model_of(folder, pooling)
    assert error.value.got.startswith("its files hold no weights for ")
    assert hole in error.value.got
    if architecture == "bert":  # a pooler may be missing: it learns, or nobody reads it
        save_file(
            {k: v for k, v in tensors.items() if "pooler" not in k},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        assert model_of(folder, pooling).pooling == pooling


def test_loading_says_nothing(base: Base, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_warning()
    try:
        model_of(base("roberta", "native"), "native")
        assert logging.get_verbosity() == logging.WARNING
    finally:
        logging.set_verbosity(level)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_facts_of_a_loaded_model(architecture: str, base: Base) -> None:
    model = model_of(base(architecture, "mean"))
    assert model.width == WIDTH
    assert model.head is None
    assert not model.training
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.head_parameters() == []
    with pytest.raises(TailorError, match="this model has no head yet"):
        model(*model.pad(model.tokenize(["a"])))
    model.head = Linear.fresh(WIDTH, 3)
    assert sorted(model.head_parameters()) == ["head.bias", "head.weight"]
    native = model_of(base(architecture, "native"))
    assert native.config.id2label == dict(enumerate(LABELS))
    assert native.config.label2id == {"a": 0, "b": 1, "c": 2}
    assert native.config.num_labels == 3


NATIVE_HEADS = {
    "bert": ["body.classifier.bias", "body.classifier.weight"],
    "roberta": [
        "body.classifier.dense.bias",
        "body.classifier.dense.weight",
        "body.classifier.out_proj.bias",
        "body.classifier.out_proj.weight",
    ],
    "distilbert": [
        "body.classifier.bias",
        "body.classifier.weight",
        "body.pre_classifier.bias",
        "body.pre_classifier.weight",
    ],
    "modernbert": ["body.classifier.bias", "body.classifier.weight", "body.head.dense.weight", "body.head.norm.weight"],
    "gpt2": ["body.score.weight"],
    "llama": ["body.score.weight"],
    "qwen2": ["body.score.weight"],
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_heads_of_native_models(architecture: str, base: Base) -> None:
    assert sorted(model_of(base(architecture, "native")).head_parameters()) == NATIVE_HEADS[architecture]


# ---- tokens


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_long_texts_are_cut_where_positions_end(architecture: str, base: Base) -> None:
    folder = base(architecture, "mean")
    model = model_of(folder)
    assert model.max_length == POSITIONS
    rows = model.tokenize(TEXTS)
    assert max(map(len, rows)) == POSITIONS
    assert torch.isfinite(pooled(model, TEXTS)).all()
    short = model_of(folder, max_length=9)
    assert [len(row) for row in short.tokenize(TEXTS)] == [min(len(row), 9) for row in rows]
    assert model.tokenize([]) == []


def test_roberta_keeps_the_positions_that_it_has(base: Base) -> None:
    """514 positions and a tokenizer's limit of 512 are 512 tokens, not 510; without that limit they are 512 too."""
    for limit, expected in ((POSITIONS, POSITIONS), (10**30, POSITIONS), (20, 20)):
        folder = base("roberta", "mean", hidden_act="gelu" if limit == POSITIONS else "relu" if limit == 20 else "silu")
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": limit}))
        model = model_of(folder)
        assert model.max_length == expected
        assert torch.isfinite(pooled(model, TEXTS)).all()


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
@pytest.mark.parametrize("pooling", ["mean", "last", "native"])
def test_a_text_without_tokens_has_an_answer(architecture: str, pooling: str, base: Base) -> None:
    model = model_of(base(architecture, "native"), pooling)
    if pooling != "native":
        model.head = Linear.fresh(WIDTH, 3)
    assert [len(row) for row in model.tokenize(["", "money"])] == [1, len(model.tokenize(["money"])[0])]
    both, alone = label_scores(model, ["", "money"]), label_scores(model, [""])
    assert np.isfinite(both).all()
    assert np.abs(both[0] - alone[0]).max() <= 1e-6


def test_padding_stands_on_the_right(base: Base) -> None:
    model = model_of(base("roberta", "mean"))
    ids, mask = model.pad([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert ids.dtype == mask.dtype == torch.int64


# ---- vectors


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "native"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_no_vector(architecture: str, pooling: str, base: Base) -> None:
    model = model_of(base(architecture, "native"), pooling)
    together = pooled(model, TEXTS)
    assert together.shape == (len(TEXTS), WIDTH)
    for i, text in enumerate(TEXTS):
        assert (pooled(model, [text])[0] - together[i]).abs().max() <= 1e-5, text


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_no_native_logits(architecture: str, base: Base) -> None:
    model = model_of(base(architecture, "native"))
    with torch.inference_mode():
        together = model(*model.pad(model.tokenize(TEXTS)))
        for i, text in enumerate(TEXTS):
            assert (model(*model.pad(model.tokenize([text])))[0] - together[i]).abs().max() <= 1e-5, text


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.inference_mode()
def test_pooling_by_hand(architecture: str, base: Base) -> None:
    from transformers import AutoModel

    folder = base(architecture, "native")
    body = AutoModel.from_pretrained(folder).eval()
    for text in ("money and bank transfer", "a"):
        row = model_of(folder).tokenize([text])[0]
        hidden = body(
            input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row), dtype=torch.int64)
        ).last_hidden_state[0]
        expected = {
            "mean": hidden.mean(0),
            "cls": hidden[0],
            "last": hidden[-1],
            "native": hidden[-1] if architecture in CAUSAL else hidden.mean(0),
        }
        for pooling, vector in expected.items():
            found = pooled(model_of(folder, pooling), [text, *TEXTS])[0]
            assert (found - vector).abs().max() <= 1e-5, pooling


@pytest.mark.parametrize("architecture", CAUSAL)
def test_a_causal_model_pools_its_last_token_whatever_stands_behind(architecture: str, base: Base) -> None:
    model = model_of(base(architecture, "last"))
    rows = model.tokenize(["money and bank", "money and bank transfer fee"])
    ids, mask = model.pad(rows)
    with torch.inference_mode():
        hidden = model.body(input_ids=ids, attention_mask=mask).last_hidden_state
        vectors = model.pool(ids, mask)
    assert torch.equal(vectors[0], hidden[0, len(rows[0]) - 1])
    assert torch.equal(vectors[1], hidden[1, len(rows[1]) - 1])
    assert not torch.allclose(vectors[0], hidden[0, -1])


@pytest.mark.parametrize("architecture", ["bert", "llama", "modernbert"])
def test_vectors_of_a_native_model_with_lora_are_still_there(architecture: str, base: Base) -> None:
    """PEFT's wrapper passes attributes on: the inner body must be found behind it."""
    from tailorlm.weights.lora import LoRA

    model = model_of(base(architecture, "native"))
    before = pooled(model, TEXTS)
    LoRA(LoRA.Settings()).attach(model)
    model.eval()
    assert torch.allclose(pooled(model, TEXTS), before, atol=1e-6), "fresh matrices change nothing"
