"""Encoder-decoders: what is written and scored against transformers' own, in any company."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.answers import Writing
from tailorlm.models.chat import conversation
from tailorlm.models.decoder import load_writer
from tailorlm.models.resolve import resolve
from tailorlm.models.transducer import Transducer, load_transducer
from templates import STYLES, make_tokenizer

PROMPTS = ["the cat sat", "what is the sum of two and two? " * 3, "日本", "a question about money and an answer"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import processors
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("t5")
    style = STYLES["zephyr"]
    tokenizer = make_tokenizer(style, template=False)
    end = tokenizer.convert_tokens_to_ids("</s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", end)]
    )
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, eos_token_id=end, pad_token_id=0,
        decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Transducer:
    return load_transducer(resolve(str(folder)))


def test_greedy_is_that_of_transformers_in_any_company(model: Transducer) -> None:
    answers = model.answers(PROMPTS, Writing(max_new_tokens=10))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = model.prompt(conversation(prompt)).ids
        assert ids == [*model.chat.tokens.encode(prompt), *model.chat.tokens.ends]
        assert model.chat.tokens.decode(ids, special=True).endswith("</s>")
        theirs = model.body.generate(input_ids=torch.tensor([ids]), max_new_tokens=10, do_sample=False)[0, 1:].tolist()
        assert answer.text == model.chat.answer([], theirs)
        assert answer.tokens_out == len(theirs)
    assert [model.answers([p], Writing(max_new_tokens=10))[0].text for p in PROMPTS] == [a.text for a in answers]
    drawn = model.answers(PROMPTS, Writing(max_new_tokens=10, temperature=1.0))
    assert [model.answers([p], Writing(max_new_tokens=10, temperature=1.0))[0].text for p in PROMPTS] == [
        a.text for a in drawn
    ]
    assert [a.text for a in drawn] != [a.text for a in answers]
    assert model.answers([]) == []


def test_scores_are_the_models_own_loss(model: Transducer) -> None:
    candidates = ["money", "money back", "time"]
    found = model.score(PROMPTS, candidates)
    for i, prompt in enumerate(PROMPTS):
        for j, text in enumerate(candidates):
            asked, answer = model.render(conversation(prompt, text))
            assert asked == model.prompt(conversation(prompt))
            assert model.chat.tokens.decode(answer, special=True) == text + "</s>"
            with torch.inference_mode():
                loss = model.body(input_ids=torch.tensor([asked.ids]), labels=torch.tensor([answer])).loss
            assert found[i, j] == pytest.approx(-float(loss) * len(answer), abs=1e-4)
            assert model.score([prompt], [text], mean=True)[0, 0] == pytest.approx(-float(loss), abs=1e-4)
    assert (model.score(PROMPTS, candidates, ends=False) > found).all()
    assert model.score([], candidates).shape == (0, 3)
    assert np.isfinite(found).all()


def test_choices_schemas_and_limits(model: Transducer) -> None:
    choices = ["money", "money back", "日本"]
    answers = model.answers(PROMPTS, Writing(max_new_tokens=30), choices=choices)
    assert all(a.text in choices and a.finished for a in answers)
    pytest.importorskip("llguidance")
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["cat", "dog"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
    for answer in model.answers(PROMPTS, Writing(max_new_tokens=40), schema=schema):
        assert json.loads(answer.text)["kind"] in ("cat", "dog")
    cut = model.answers(["cat " * 3000], Writing(max_new_tokens=2))[0]
    assert cut.tokens_in <= model.max_length
    assert cut.cut > 0
    with pytest.raises(UsageError, match="beams"):
        model.answers(["a"], Writing(beams=2))


def test_each_kind_is_loaded_by_its_own(folder: Path, tmp_path: Path) -> None:
    from writers import tiny_writer

    with pytest.raises(TailorError, match="load_transducer"):
        load_writer(resolve(str(folder)))
    with pytest.raises(TailorError, match="cannot be loaded as an encoder-decoder"):
        load_transducer(resolve(str(tiny_writer(tmp_path, "llama"))))
