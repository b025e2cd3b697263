"""The folder of an adaptation to `retrieve` as an encoder: of an index, of a store of examples, known by what it holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sought import prepared
from tailorlm.comparison.evidence import recipe_key
from tailorlm.context.choosers.nearest import Nearest
from tailorlm.context.index import IndexSettings, PassageIndex, ReadSettings
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.settings import EncoderSettings, SearchSettings
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError
from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.adaptation import Adaptation, fingerprint_of
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tiny import labelled

Base = Callable[..., Path]
TEXTS = ["the fee is due", "a ship for the tour", "bread and butter", "the doctor is ill", "a goal in the final"]


def kept(base: Base, folder: Path, weights: str, *, seed: int = 0, **task: Any) -> Path:
    """A fitted adaptation to `retrieve`."""
    stage = {
        "weights": {"part": weights, "lr": 0.01},
        "objective": "ranking",
        "train": {"epochs": 2, "rows_per_step": 6},
    }
    value = {"name": "x", "base": str(base("bert", "mean")), "stages": [stage]}
    made = validate(value | {"task": {"part": "retrieve", "max_length": 24, **task}}, Recipe)
    return fit(made, prepared(18), seed=seed).adaptation.save(folder)


@pytest.mark.parametrize("part", ["head", "bias", "adapter", "lora", "prefix", "full"])
def test_its_vectors_are_those_of_the_adaptation(base: Base, tmp_path: Path, part: str) -> None:
    folder = kept(base, tmp_path / "tuned", part, query_prefix="who ", passage_prefix="the ")
    encoder = Encoder(EncoderSettings(model=str(folder)), EmbeddingView())
    answering = Adaptation.load(folder).answering
    assert np.allclose(encoder.texts(TEXTS), answering.vectors([f"the {text}" for text in TEXTS]), atol=1e-6)
    assert np.allclose(encoder.queries(TEXTS), answering.vectors([f"who {text}" for text in TEXTS]), atol=1e-6)
    frozen = Encoder(EncoderSettings(model=str(base("bert", "mean"))))
    assert not np.allclose(encoder.texts(TEXTS), frozen.texts([f"the {text}" for text in TEXTS]), atol=1e-3)
    assert encoder.width == frozen.width == 32
    assert encoder.too_long(["fee " * 22, "fee " * 21]) == 1
    assert encoder.fingerprint != frozen.fingerprint


def test_it_is_known_by_what_it_holds(base: Base, tmp_path: Path) -> None:
    one, two = kept(base, tmp_path / "one", "lora"), kept(base, tmp_path / "two", "lora", seed=1)
    (tmp_path / "run").mkdir()
    shutil.copytree(one, tmp_path / "run" / "adaptation")
    first, second, copied = (Encoder(EncoderSettings(model=str(f))).fingerprint for f in (one, two, tmp_path / "run"))
    assert first == copied == fingerprint_of(one)
    assert first != second


def test_an_index_is_built_by_it_and_refuses_another(base: Base, tmp_path: Path) -> None:
    folder = kept(base, tmp_path / "tuned", "adapter")
    rows = tmp_path / "documents.jsonl"
    rows.write_text(
        "".join(json.dumps({"id": f"d{i}", "text": text}) + "\n" for i, text in enumerate(TEXTS)), encoding="utf-8"
    )
    settings = IndexSettings(encoder=EncoderSettings(model=str(folder)))
    index, change = PassageIndex.build(tmp_path / "index", [str(rows)], settings, ReadSettings(id="id"))
    assert change.computed == 5
    found = index.search(["the tax"], SearchSettings(retriever="dense", k=5))[0]
    answering = Adaptation.load(folder).answering
    likeness = (answering.vectors(TEXTS) @ answering.vectors(["the tax"])[0]).round(4)
    assert [passage.document for passage in found] == [f"d{i}" for i in np.argsort(-likeness, kind="stable")]
    assert index.manifest["encoder"] == {
        "name": f"x over {base('bert', 'mean').name}",
        "fingerprint": fingerprint_of(folder),
    }
    kept(base, folder, "adapter", seed=1)
    with pytest.raises(UsageError, match="was built with another encoder"):
        PassageIndex(tmp_path / "index").search(["the tax"], SearchSettings(retriever="dense", k=1))


def test_the_nearest_examples_are_those_of_its_vectors(base: Base, tmp_path: Path) -> None:
    folder = kept(base, tmp_path / "tuned", "lora")
    store = ExampleStore.of(
        [Example(str(i), text, "a") for i, text in enumerate(TEXTS)],
        StoreSettings(encoder=EncoderSettings(model=str(folder))),
    )
    order = Nearest(Nearest.Settings(k=3, retriever="dense")).order(store, [Query("the tax")])[0]
    answering = Adaptation.load(folder).answering
    likeness = (answering.vectors(TEXTS) @ answering.vectors(["the tax"])[0]).round(6)
    assert order == np.argsort(-likeness, kind="stable")[:3].tolist()


def test_other_folders_and_settings_are_refused(base: Base, tmp_path: Path) -> None:
    value = {"name": "x", "base": str(base("bert", "mean")), "stages": [{"weights": "features"}]}
    other = fit(validate(value, Recipe), labelled(9, 3)).adaptation.save(tmp_path / "labels")
    with pytest.raises(UsageError, match="no encoder for search") as error:
        Encoder(EncoderSettings(model=str(other))).fingerprint  # noqa: B018
    assert "the task 'classify'" in str(error.value)
    words = {"name": "x", "base": value["base"], "task": "retrieve", "context": {"part": "search", "retriever": "bm25"}}
    bm25 = fit(validate(words, Recipe), prepared(6)).adaptation.save(tmp_path / "words")
    with pytest.raises(UsageError, match="by words alone"):
        Encoder(EncoderSettings(model=str(bm25))).texts(["a"])
    tuned = kept(base, tmp_path / "tuned", "bias", query_prefix="q: ")
    for changes in ({"max_length": 99}, {"pooling": "cls"}, {"query_prefix": "query: "}, {"text_prefix": "p: "}):
        with pytest.raises(UsageError, match=f"tuned with another {next(iter(changes))}"):
            Encoder(EncoderSettings(model=str(tuned), **changes)).texts(["a"])
    assert Encoder(EncoderSettings(model=str(tuned), query_prefix="q: ", max_length=24)).texts(["a"]).shape == (1, 32)


def test_a_run_knows_the_encoder_of_its_prompts_by_what_it_holds(base: Base, tmp_path: Path) -> None:
    folder = kept(base, tmp_path / "tuned", "bias")
    context = {"part": "prompt", "examples": "nearest", "encoder": {"model": str(folder)}}
    recipe = validate(
        {"name": "x", "base": "writer", "task": "classify", "answers": "written", "context": context}, Recipe
    )
    before = recipe_key(recipe)
    moved = recipe.changed({"context.encoder.model": str(shutil.copytree(folder, tmp_path / "moved"))})
    assert recipe_key(moved) == before
    kept(base, folder, "bias", seed=1)
    assert recipe_key(recipe) != before
