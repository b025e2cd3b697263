"""What was forgotten: likeness of representations by an independent formula, language by hand, probes, and where it is told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailorlm.comparison.report.format import forgotten, forgotten_lines
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.models.drift import linear_cka, pooled, states_of, vocabulary_head
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.fit import fit
from tailorlm.recipes.forgotten import GENERAL, Known, Memory
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)
SHORT = Known(tuple(labelled(20, 5, start=200).texts))


def gram_cka(one: np.ndarray, other: np.ndarray) -> float:
    """CKA by its definition over Gram matrices: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), centred by H = I - 1/n."""
    n = len(one)
    centre = np.eye(n) - np.ones((n, n)) / n

    def hsic(k: np.ndarray, m: np.ndarray) -> float:
        return float(np.trace(k @ centre @ m @ centre))

    first, second = one @ one.T, other @ other.T
    return hsic(first, second) / math.sqrt(hsic(first, first) * hsic(second, second))


@pytest.mark.parametrize(("n", "wide", "wider"), [(30, 4, 9), (8, 20, 20), (2, 3, 1)])
def test_linear_cka_against_gram_matrices(n: int, wide: int, wider: int) -> None:
    random = np.random.default_rng(n)
    one = random.normal(size=(n, wide)) + 3
    other = one[:, :1] * random.normal(size=(1, wider)) + 0.5 * random.normal(size=(n, wider))
    assert linear_cka(one, other) == pytest.approx(gram_cka(one, other), rel=1e-9)


def test_linear_cka_knows_what_it_must_not_see() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5))
    turn, _ = np.linalg.qr(random.normal(size=(5, 5)))
    assert linear_cka(x, x) == pytest.approx(1)
    assert linear_cka(x, 7 * x @ turn + 100) == pytest.approx(1), "turned, scaled, shifted"
    assert linear_cka(x, random.normal(size=(200, 5))) < 0.1
    assert math.isnan(linear_cka(x, np.ones((200, 3))))
    assert linear_cka(x.astype(np.float32), x) == pytest.approx(1)


@pytest.mark.parametrize(
    ("architecture", "pooling"), [("bert", "mean"), ("bert", "cls"), ("gpt2", "last"), ("llama", "native")]
)
def test_pooled_from_states_is_what_the_model_pools(architecture: str, pooling: str, base: Base) -> None:
    model = load_model(resolve(str(base(architecture, "native"))), labels=ROWS.labels, pooling=pooling)
    expected = embed(model, ROWS.texts) if pooling != "native" else None
    found = pooled(model, states_of(model, ROWS.texts))
    if expected is None:
        import torch

        ids, mask = model.pad(model.tokenize(ROWS.texts))
        with torch.inference_mode():
            expected = model.pool(ids, mask).numpy()
    assert np.allclose(found, expected, atol=1e-5)


def test_the_general_text_is_there() -> None:
    texts = Known.read().general
    assert len(texts) == len(set(texts)) == 150
    assert GENERAL.read_text(encoding="utf-8").isascii()
    assert all(text.endswith(".") and 4 <= len(text.split()) <= 20 for text in texts)


def recipe(base: Path, weights: str = "full", lr: float = 0.01, **more: Any) -> Recipe:
    stage = {"weights": {"part": weights, "lr": lr}, "train": {"epochs": 2, "rows_per_step": 6, "warmup": 0}}
    if weights == "features":
        stage = {"weights": weights}
    return validate({"name": "x", "base": str(base), "stages": [stage]} | more, Recipe)


def test_more_learning_forgets_more_and_a_frozen_body_nothing(base: Base) -> None:
    memory = Memory(SHORT)
    found = [memory.forgotten(fit(recipe(base(), lr=lr), ROWS).adaptation) for lr in (1e-9, 1e-3, 3e-2)]
    assert found[0]["drift"] == pytest.approx(0, abs=1e-6)
    assert found[0]["states"] == pytest.approx(0, abs=1e-6)
    assert found[0]["drift"] < found[1]["drift"] < found[2]["drift"] <= 1
    assert "language" not in found[0], "this base brings no head over its vocabulary"
    for weights in ("features", "head"):
        assert memory.forgotten(fit(recipe(base(), weights), ROWS).adaptation) == {"moved": False}
    assert len(memory._bases) == 1, "a base is asked once"


@pytest.mark.parametrize("weights", ["lora", "adapter", "prefix", "bias"])
def test_every_kind_of_weights_is_measured(weights: str, base: Base) -> None:
    found = Memory(SHORT).forgotten(fit(recipe(base(), weights), ROWS).adaptation)
    assert 0 < found["drift"] <= 1
    assert found["seconds"] < 60


def test_language_of_models_with_a_head(base: Base, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertForMaskedLM, LlamaForCausalLM

    for made, architecture, pooling in ((BertForMaskedLM, "bert", "mean"), (LlamaForCausalLM, "llama", "last")):
        folder = tmp_path / architecture
        made.from_pretrained(base(architecture, "native")).save_pretrained(folder)
        AutoTokenizer.from_pretrained(base(architecture, "native")).save_pretrained(folder)
        kind = "masked" if architecture == "bert" else "causal"
        still = fit(recipe(folder, lr=1e-9, pooling=pooling), ROWS).adaptation
        assert vocabulary_head(still.model) == kind
        found = Memory(SHORT).forgotten(still)["language"]
        assert ("bits_per_byte" in found) == (kind == "causal")
        for pair in found.values():
            assert pair["after"] == pytest.approx(pair["before"], abs=1e-5)
        if kind == "causal":
            import torch

            model, nats, count = made.from_pretrained(folder).eval(), 0.0, 0
            tokenizer = AutoTokenizer.from_pretrained(folder)
            for text in SHORT.general:
                ids = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
                with torch.no_grad():
                    nats += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
                count += ids.shape[1] - 1
            assert found["nats_per_token"]["before"] == pytest.approx(nats / count, rel=1e-4)
            size = sum(len(text.encode()) for text in SHORT.general)
            assert found["bits_per_byte"]["before"] == pytest.approx(nats / math.log(2) / size, rel=1e-4)
        moved = Memory(SHORT).forgotten(fit(recipe(folder, lr=0.03, pooling=pooling), ROWS).adaptation)["language"]
        assert abs(moved["nats_per_token"]["after"] - moved["nats_per_token"]["before"]) > 1e-3


def test_a_model_that_writes_is_asked_what_text_costs_it(tmp_path: Path) -> None:
    from writers import tiny_writer

    folder = tiny_writer(tmp_path / "writer", "llama")
    found = Memory(SHORT).forgotten(fit(recipe(folder, "lora", answers="written"), ROWS).adaptation)
    assert set(found) == {"moved", "language", "seconds"}
    assert found["language"]["nats_per_token"]["before"] != found["language"]["nats_per_token"]["after"]
    assert found["language"]["bits_per_byte"]["before"] > 0


def rows_file(path: Path, count: int = 20, labels: int = 2) -> str:
    rows = labelled(count, labels, start=300)
    path.write_text("\n".join(["text,label", *(f"{t},{g}" for t, g in zip(rows.texts, rows.gold, strict=True))]) + "\n")
    return str(path)


def test_probes_are_answered_before_and_after(base: Base, tmp_path: Path) -> None:
    known = Known.read(probes=(f"topics={rows_file(tmp_path / 'a.csv')}", rows_file(tmp_path / "other.csv", 12, 3)))
    assert list(known.probes) == ["topics", "other"]
    found = Memory(known).forgotten(fit(recipe(base(), lr=1e-9), ROWS).adaptation)["probes"]
    assert all(pair["before"] == pair["after"] for pair in found.values())
    assert all(0 <= pair["before"] <= 1 for pair in found.values())
    moved = Memory(known).forgotten(fit(recipe(base(), lr=0.1), ROWS).adaptation)["probes"]
    assert {name: pair["before"] for name, pair in moved.items()} == {n: p["before"] for n, p in found.items()}
    assert moved != found


def test_files_at_fault_are_named(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n")
    with pytest.raises(CheckError, match="needs two labels or more"):
        Known.read(probes=(str(tmp_path / "one.csv"),))
    (tmp_path / "bare.csv").write_text("words\na\nb\n")
    with pytest.raises(UsageError, match="has no column 'text'"):
        Known.read(general=str(tmp_path / "bare.csv"))
    (tmp_path / "short.csv").write_text("text\nonly\n")
    with pytest.raises(CheckError, match="two texts or more"):
        Known.read(general=str(tmp_path / "short.csv"))
    with pytest.raises(TailorError, match="nowhere"):
        Known.read(probes=("x=nowhere.csv",))


def test_the_words() -> None:
    assert forgotten(None) == forgotten({"moved": True}) == "–"
    assert forgotten({"moved": False}) == "nothing"
    assert forgotten({"moved": True, "drift": 0.04167}) == "0.042 drift"
    assert forgotten({"moved": True, "drift": -1e-12}) == "0.000 drift"
    language = {"nats_per_token": {"before": 3.0, "after": 3.25}, "bits_per_byte": {"before": 1.0, "after": 0.9}}
    assert forgotten({"moved": True, "language": language}) == "+0.25 nats"
    probes = {"topics": {"before": 0.9, "after": 0.855}}
    lines = forgotten_lines({"moved": True, "drift": 0.04167, "states": 0.02, "language": language, "probes": probes})
    assert lines == [
        "forgotten: vectors of general text drifted by 0.042, 0.020 token by token (1 - linear CKA; 0 is none)",
        "forgotten: general text costs 3.250 nats a token, before 3.000 (+0.25)",
        "forgotten: general text costs 0.900 bits a byte, before 1.000 (−0.10)",
        "forgotten: probe topics 0.855, before 0.900 (−4.5 points)",
    ]
    assert forgotten_lines({"moved": False}) == ["forgotten: nothing, the body did not learn"]


def test_a_comparison_tells_it_on_every_line(base: Base, tmp_path: Path) -> None:
    from tailorlm.api import compare

    rows = rows_file(tmp_path / "rows.csv", 60, 3)
    probe = f"topics={rows_file(tmp_path / 'probe.csv')}"
    done = compare(
        rows,
        methods=["features-lr", "bitfit"],
        base=str(base()),
        folder=tmp_path / "runs",
        leaks="keep",
        probes=[probe],
    )
    ways = {way["name"]: way["forgotten"] for way in done.result["ways"]}
    assert ways["features-lr"] == {"moved": False}
    assert ways["bitfit"]["drift"] > 0
    assert set(ways["bitfit"]["probes"]) == {"topics"}
    page = (done.folder / "report.md").read_text()
    assert "Forgotten" in page
    assert "| nothing |" in page
    assert "1 minus linear CKA" in page
    kept = json.loads((done.folder / "comparison.json").read_text())
    assert "--probe topics=" in kept["repeat"]
