"""Recipes that search: fitted, answered, saved and read back; by words, by meaning, by both, and through every weights part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sought import prepared
from tailorlm.comparison.evidence import recipe_key
from tailorlm.context.retrieval.bm25 import Bm25
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.evaluation.metrics import metric_of
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.search import JUDGED, judged_pool
from tailorlm.recipes.forgotten import Known, Memory
from tailorlm.recipes.presets import METHODS, standard
from tailorlm.recipes.reload import answers, check_reload
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks import tasks
from tailorlm.tasks.base import Examples
from tailorlm.weights import weights

Base = Callable[..., Path]
TRAINED = [name for name in weights if weights.get(name).trains]
QUICK = {"epochs": 3, "rows_per_step": 6, "warmup": 0.0}
TASK = {"part": "retrieve", "max_length": 32}


def recipe(made: Base, weights: Any = "lora", objective: Any = "ranking", **more: Any) -> Recipe:
    stages = [{"weights": weights, "objective": objective, "train": QUICK}] if weights else []
    value = {"name": "x", "base": str(made("bert", "mean")), "task": TASK, "stages": stages, "search": {}}
    return validate(value | more, Recipe)


def score(fitted: Fitted, rows: Examples, metric: str = "mrr_10") -> float:
    found = fitted.adaptation.over(rows.pool).answer(rows.inputs)
    evidence = metric_of(metric).evidence(predictions_of(fitted.adaptation.answering.task, rows, found, ()))
    return float(evidence.score())


def test_the_frozen_encoder_ranks_by_the_cosine_of_its_vectors(base: Base) -> None:
    rows = prepared(20, wrong=1)
    made = fit(recipe(base, None), rows, prepared(6, start=30))
    assert made.trained == []
    assert made.score is not None
    model = load_model(resolve(str(base("bert", "mean"))), labels=())
    names, texts = list(rows.pool), list(rows.pool.values())
    queries, passages = (embed(model, some) for some in (rows.texts, texts))
    queries, passages = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, passages))
    likeness = np.round(queries @ passages.T, 6)
    found = made.adaptation.answering.answer(rows.inputs)
    for i, value in enumerate(found.values):
        assert value == [names[j] for j in np.argsort(-likeness[i], kind="stable")][:100]
        told = found.detail[i]["passages"]
        assert [one["id"] for one in told] == value[:5]
        assert told[0]["text"] == rows.pool[value[0]]
        assert told[0]["score"] == pytest.approx(likeness[i].max(), abs=1e-4)


def test_words_and_both(base: Base) -> None:
    rows = prepared(20)
    words = fit(recipe(base, None, context={"part": "search", "retriever": "bm25"}), rows)
    names, bm25 = list(rows.pool), Bm25().fit(rows.pool.values())
    found = words.adaptation.answering.answer(rows.inputs)
    assert found.values == [[names[place] for place, _ in bm25.search(text, 100)] for text in rows.texts]
    assert words.adaptation.answering.answer(["zzzz"]).values == [[]]
    texts = ["fee fee fee fee pay", "fee pay", "bank fee pay tax the and of to", "pay pay", "ship", "bus fee fee"]
    values = [{"query": f"fee pay {i}", "positive": text} for i, text in enumerate(texts)]
    given = Rows(tuple(Row(value, "f", i) for i, value in enumerate(values)), ("query", "positive"))
    few = tasks.get("retrieve")(tasks.get("retrieve").Settings()).prepare(given, what="train")
    ways = [
        {},
        {"retriever": "dense"},
        {"retriever": "fused"},
        {"retriever": "fused", "dense_weight": 9},
        {"k1": 0},
        {"b": 0},
    ]
    found = []
    for how in ways:
        context = {"part": "search", "retriever": "bm25", **how}
        answering = fit(recipe(base, None, context=context), few).adaptation.answering
        found.append(answering.answer(["fee pay pay"]).detail[0]["passages"])
    assert all(one != other for i, one in enumerate(found) for other in found[:i])


@pytest.mark.parametrize("objective", ["ranking", "triplet"])
def test_learning_finds_more(base: Base, objective: str) -> None:
    rows = prepared(40, wrong=1)
    tuned = recipe(base, {"part": "full", "lr": 1e-3}, objective).changed({"stages.0.train.epochs": 8})
    before, after = (score(fit(one, rows), rows) for one in (recipe(base, None), tuned))
    assert after > before + 0.1


@pytest.mark.parametrize("part", TRAINED)
def test_every_part_learns_is_kept_and_read_back(base: Base, tmp_path: Path, part: str) -> None:
    rows, held = prepared(18, wrong=1), prepared(6, start=40)
    how = {"part": part, "lr": 0.01}
    made = fit(recipe(base, how), rows, held)
    assert made.trainable > 0
    assert made.score is not None
    assert len(made.trained[0].losses) == 9
    start = fit(recipe(base, None), rows).adaptation.answering
    asked = start.task.queries(rows.inputs)
    tuned = made.adaptation.answering.vectors(asked)
    assert not np.allclose(tuned, start.vectors(asked), atol=1e-4)
    folder = made.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(folder)
    assert np.array_equal(again.answering.vectors(asked), tuned)
    assert again.answering.pool == rows.pool
    one, other = (side.predict(list(rows.texts)) for side in (made.adaptation, again))
    assert one == other
    assert again.predict([{"query": rows.texts[0]}])[0].value == one[0].value
    assert "retrieve" in (folder / "README.md").read_text(encoding="utf-8")
    moved = Memory(Known(("a fee is due", "the ship is late", "cake and tea"))).forgotten(again)
    assert moved["moved"] == weights.get(part).body_learns


def test_stages_one_over_the_other_and_text_before_pairs(base: Base, tmp_path: Path) -> None:
    rows = prepared(18)
    stages = [
        {"weights": "adapter", "objective": "denoising", "train": QUICK},
        {"weights": "adapter", "objective": "ranking", "train": QUICK},
        {"weights": "lora", "objective": {"part": "ranking", "mined": 2}, "train": QUICK, "penalties": ["l2_sp"]},
    ]
    made = fit(recipe(base, stages=stages), rows)
    asked = list(rows.texts)
    again = Adaptation.load(made.adaptation.save(tmp_path / "kept")).answering
    assert np.allclose(again.vectors(asked), made.adaptation.answering.vectors(asked), atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_others(base: Base) -> None:
    rows = prepared(18, wrong=2)
    one, two, other = (
        fit(recipe(base, {"part": "bias", "lr": 0.01}), rows, seed=seed).adaptation.answering.vectors(["fee"])
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("objective", "changes"),
    [
        ("ranking", {"temperature": 1.0}),
        ("ranking", {"negatives": 0}),
        ("ranking", {"mined": 3}),
        ("ranking", {"mined": 3, "mined_below": 2.0}),
        ("triplet", {"margin": 1.0}),
        ("triplet", {"negatives": 0}),
        ("triplet", {"mined": 3}),
    ],
)
def test_every_setting_of_an_objective_changes_the_losses(base: Base, objective: str, changes: dict[str, Any]) -> None:
    rows = prepared(18, wrong=1)
    beside = {"mined": 3} if "mined_below" in changes else {}
    losses = [
        fit(recipe(base, objective={"part": objective, **some}), rows).trained[0].losses for some in (beside, changes)
    ]
    assert losses[0] != losses[1]


def test_mining_is_told_and_looks_at_train_rows_alone(base: Base) -> None:
    rows = prepared(18)
    rows = replace(rows, pool={**rows.pool, "other": "a passage that no train row has"})
    heard: list[dict[str, Any]] = []
    fit(recipe(base, objective={"part": "ranking", "mined": 50}), rows, listen=heard.append)
    told = next(event for event in heard if event["event"] == "mined")
    assert told["queries"] == 18
    assert told["found"] + told["passed_over"] == 18 * (len(rows.pool) - 2)


def test_one_row_alone_teaches_nothing_unless_it_has_wrong_passages(base: Base) -> None:
    with pytest.raises(CheckError, match="1 queries without wrong passages"):
        fit(recipe(base), prepared(1))
    assert len(fit(recipe(base), prepared(1, wrong=1)).trained[0].losses) == 3


def test_the_longest_read_and_how_many_are_told(base: Base) -> None:
    rows = prepared(8)
    short = recipe(base, None, task=TASK | {"max_length": 8, "k": 2})
    long, cut = fit(recipe(base, None), rows).adaptation, fit(short, rows).adaptation
    text = "fee tax bank " * 6
    assert not np.allclose(long.answering.vectors([text]), cut.answering.vectors([text]))
    assert len(cut.predict(["fee"])[0].detail["passages"]) == 2
    assert len(long.predict(["fee"])[0].detail["passages"]) == 5
    many = fit(recipe(base, None, task=TASK | {"k": 100}), rows).adaptation.predict(["fee"])[0]
    assert len(many.detail["passages"]) == len(rows.pool) == 8
    cells = long.answering.task.cells(many.value, many.detail)
    assert cells["predicted"] == cells["passages"][0]["text"]


def test_poolings(base: Base) -> None:
    rows = prepared(8)
    for kind, named, meant in (
        ("bert", "mean", "mean"),
        ("bert", "cls", "cls"),
        ("bert", "native", "mean"),
        ("gpt2", "native", "last"),
    ):
        made = fit(recipe(base, None, base=str(base(kind, named))), rows)
        assert made.adaptation.model.pooling == meant
    with pytest.raises(TailorError, match="compares pooled vectors"):
        fit(recipe(base, None, pooling="native"), rows)


def test_what_validation_rows_search(base: Base) -> None:
    rows = prepared(30, wrong=1)
    held = rows.select([3, 9])
    own = {name for names in (*held.gold, *held.against) for name in names}
    assert set(judged_pool(held)) == set(rows.pool)
    many = replace(held, pool=held.pool | {f"{i:04x}": f"text {i}" for i in range(2 * JUDGED)})
    judged = judged_pool(many)
    assert len(judged) == JUDGED
    assert own <= set(judged)
    assert judged == judged_pool(many)


def test_a_folder_read_by_a_fresh_process(base: Base, tmp_path: Path) -> None:
    rows = prepared(18)
    for number, made in enumerate([recipe(base), recipe(base, None, context={"part": "search", "retriever": "bm25"})]):
        fitted = fit(made, rows)
        folder = fitted.adaptation.save(tmp_path / str(number))
        check_reload(folder, fitted.adaptation, rows.inputs)
        assert (answers(fitted.adaptation, rows.inputs[:2])["scores"] is None) == (made.context is not None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"context": "examples"}, "answered by a search"),
        ({"answers": "written"}, "nothing is written"),
        ({"base": "remote:x"}, "nothing is written"),
        ({"stages": [{"weights": "lora"}]}, "no labels that labels could learn from"),
        ({"stages": [{"weights": "lora", "objective": "contrastive"}]}, "no labels that contrastive"),
        ({"stages": [{"weights": "lora", "objective": "simcse"}]}, "the last stage learns no answers"),
        ({"task": "classify", "stages": [{"weights": "lora", "objective": "ranking"}]}, "task: retrieve"),
        ({"task": "classify", "context": "search"}, "task: retrieve"),
    ],
)
def test_what_does_not_go_together_is_refused(base: Base, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe(base, **changes)


def test_a_classifier_finds_no_passages(base: Base) -> None:
    with pytest.raises(UsageError, match="features learns from labels alone, not from objective: ranking"):
        recipe(base, "features")
    with pytest.raises(UsageError, match="'retrieve' has no labels that labels could learn from"):
        recipe(base, "features", "labels")
    with pytest.raises(TailorError, match="text moves the body"):
        fit(
            recipe(
                base,
                stages=[{"weights": "head", "objective": "denoising"}, {"weights": "head", "objective": "ranking"}],
            ),
            prepared(8),
        )
    with pytest.raises(UsageError, match="old rows speak through a head"):
        fit(
            recipe(
                base, stages=[{"weights": "lora", "objective": "ranking", "penalties": [{"part": "ewc", "rows": "x"}]}]
            ),
            prepared(8),
        )


def test_methods_that_can_search() -> None:
    task = tasks.get("retrieve")
    able = [name for name in METHODS if METHODS[name].answers(task)]
    assert able == [
        *(
            "head",
            "top-layers",
            "bitfit",
            "adapter",
            "houlsby",
            "lora",
            "dora",
            "qlora",
            "prefix",
            "prompt-tuning",
            "ia3",
            "full",
        ),
        *("as-is", "adaptive", "two-step", "bm25", "fused", "hard-negatives"),
    ]
    assert standard(task, passages=False) == ["bm25", "as-is", "fused", "head", "bitfit", "lora", "full"]
    for other in ("classify", "generate", "language"):
        assert not any(METHODS[name].answers(tasks.get(other)) for name in ("bm25", "fused", "hard-negatives"))
    for name in able:
        made = METHODS[name].recipe(name, "starter", TASK, domain="texts.csv")
        assert made.base == "starter"
        assert not made.written
    stage = {"weights": "lora", "objective": "ranking"}
    both = {"part": "search", "retriever": "fused"}
    joined = validate({"name": "x", "task": "retrieve", "context": both, "stages": [stage]}, Recipe)
    assert list(joined.grid) == ["stages.0.weights.lr"]


def test_more_passages_are_known_by_what_they_hold(tmp_path: Path) -> None:
    files = [tmp_path / folder / "more.jsonl" for folder in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.write_text('{"passage": "a"}\n', encoding="utf-8")
    one, two = (recipe_key(validate({"name": "x", "task": TASK | {"passages": str(file)}}, Recipe)) for file in files)
    assert one == two
    files[1].write_text('{"passage": "b"}\n', encoding="utf-8")
    assert recipe_key(validate({"name": "x", "task": TASK | {"passages": str(files[1])}}, Recipe)) != one


ROW = {"query": "pay", "positive": "the fee", "negative": "the tax", "q": "who", "p": "a bank", "n": "a bus", "no": "7"}
SETTINGS: dict[str, Any] = {
    "query": "q",
    "positive": "p",
    "negative": "n",
    "id": "no",
    "passages": "<more>",
    "query_prefix": "fee : ",
    "passage_prefix": "tax : ",
    "max_length": 8,
    "k": 1,
}


def sought(base: Base, settings: dict[str, Any]) -> Any:
    """What the task makes of two rows, and what the frozen encoder finds for them."""
    made = recipe(base, None, context="search").changed({f"task.{key}": value for key, value in settings.items()})
    longer = {name: f"{text} the and or of to in is it" for name, text in ROW.items()} | {"no": "8"}
    rows = Rows(tuple(Row(values, "f", i) for i, values in enumerate((ROW, longer))), tuple(ROW))
    few = made.task.make().prepare(rows, what="train")
    found = fit(made, few).adaptation.answering.answer(few.inputs)
    return few.ids, few.inputs, few.gold, sorted(few.pool.values()), found.detail


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_of_the_task(base: Base, tmp_path: Path, key: str) -> None:
    assert set(SETTINGS) == set(tasks.get("retrieve").Settings.model_fields)
    (tmp_path / "more.jsonl").write_text('{"passage": "a loan"}\n', encoding="utf-8")
    value = str(tmp_path / "more.jsonl") if key == "passages" else SETTINGS[key]
    assert sought(base, {key: value}) != sought(base, {})
