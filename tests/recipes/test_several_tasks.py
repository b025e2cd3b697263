"""Several tasks over one body: what is learnt, how much of it weighs what, what is scored and kept, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tailorlm
from tagged import tagged
from tailorlm.comparison.evaluate import evaluate_adaptation
from tailorlm.comparison.evidence import recipe_key
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import read
from tailorlm.data.held_out import HeldOut
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import vectors_of
from tailorlm.objectives.multi_task import MultiTask
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.head_start import probe
from tailorlm.recipes.fitting.others import Others, completed
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.classify import Classify
from tailorlm.tasks.readings import Readings
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.mixture import Draws
from tiny import labelled
from writers import tiny_writer

Base = Callable[..., Path]
ROWS = labelled(18, 3)
QUICK = {"epochs": 2, "rows_per_step": 6, "warmup": 0}
FULL = {"part": "full", "lr": 0.005}


def topics(folder: Path, count: int = 30, name: str = "topics.csv", start: int = 80, **columns: str) -> str:
    """A file of labelled rows over all five topics."""
    rows = labelled(count, 5, start=start)
    head = f"{columns.get('text', 'text')},{columns.get('label', 'label')}"
    (folder / name).write_text(
        "\n".join([head, *(f"{t},{g}" for t, g in zip(rows.texts, rows.gold, strict=True))]) + "\n"
    )
    return str(folder / name)


def several(base: Path, tasks: Sequence[Any], weights: Any = FULL, **more: Any) -> Recipe:
    """The own task and others in one stage."""
    objective = {"part": "multi_task", "tasks": tasks} | more.pop("objective", {})
    stage = {"weights": weights, "objective": objective, "train": QUICK | more.pop("train", {})}
    return validate({"name": "x", "base": str(base), "stages": [stage]} | more, Recipe)


def in_sequence(base: Path, first: dict[str, Any], *penalties: Any, weights: Any = FULL, **more: Any) -> Recipe:
    """Another task, then the own one."""
    stages = [
        {"weights": weights, "objective": {"part": "intermediate_task"} | first, "train": QUICK},
        {"weights": weights, "penalties": penalties, "train": QUICK},
    ]
    return validate({"name": "x", "base": str(base), "stages": stages} | more, Recipe)


# ---- how many rows of each task


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"sampling": "size"}, [100, 400, 25]),
        ({"sampling": "uniform"}, [100, 100, 100]),
        ({"temperature": 2.0}, [100, 200, 50]),
        ({"temperature": 1.0}, [100, 400, 25]),
    ],
)
def test_rows_of_a_pass_are_as_the_sizes_to_a_power(settings: dict[str, Any], wanted: list[int]) -> None:
    assert MultiTask(validate(settings, MultiTask.Settings)).draws([100, 400, 25]) == wanted


def test_draws_bring_every_row_before_any_comes_again() -> None:
    order = Draws([5] * 23, [10, 8, 5], [10, 3, 12], rows_per_step=4, seed=0)
    passes = [[row for step in order.steps(epoch) for row in step] for epoch in range(8)]
    for drawn in passes:
        assert len(drawn) == 25
        assert sorted(row for row in drawn if row < 10) == list(range(10)), "every own row once"
        assert sum(10 <= row < 18 for row in drawn) == 3
    second = Counter(row for drawn in passes for row in drawn if 10 <= row < 18)
    assert second == Counter(dict.fromkeys(range(10, 18), 3)), "24 draws over 8 rows, over passes too"
    third = Counter(row for row in passes[0] if row >= 18)
    assert sorted(third.values()) == [2, 2, 2, 3, 3]
    assert order.steps(3) == Draws([5] * 23, [10, 8, 5], [10, 3, 12], 4, 0).steps(3), "a function of seed and pass"
    assert passes[0] != passes[1]
    assert order.total(3) == 3 * 7 == sum(len(order.steps(epoch)) for epoch in range(3))
    assert Draws([5] * 23, [10, 8, 5], [10, 3, 12], 4, 0, tokens_per_step=10).total(2) == 2 * 13


# ---- what they weigh


def test_the_loss_of_a_step_is_its_formula(base: Base, tmp_path: Path) -> None:
    """One step over all rows of a task of labels and one of tags: a tag weighs one over the mean number of tags of a row."""
    folder = base("bert", "mean", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    rows = tagged(6, start=3)
    rows = replace(
        rows, rows=tuple(replace(r, values={k: v[: 4 + i] for k, v in r.values.items()}) for i, r in enumerate(rows))
    )
    path = tmp_path / "tags.jsonl"
    path.write_text("".join(json.dumps(row.values) + "\n" for row in rows))
    test = tmp_path / "test.jsonl"
    test.write_text("".join(json.dumps(row.values) + "\n" for row in tagged(2, start=50)))
    asked = {"name": "tags", "rows": str(path), "test": str(test), "task": "tag"}
    seen: list[dict[str, Any]] = []
    probed, one_step = FULL | {"head_start": "probe"}, {"epochs": 1, "rows_per_step": 99}
    made = several(folder, [asked], probed, objective={"sampling": "size"}, train=one_step)
    fit(made, ROWS, listen=seen.append)
    step = next(event for event in seen if event["event"] == "step")

    model = load_model(resolve(str(folder)), labels=ROWS.labels)
    nats = torch.nn.functional.cross_entropy
    own = np.concatenate(vectors_of(model, Readings(model.tokenize(ROWS.texts))))
    one = nats(probe(own, ROWS.codes, 3, 0.0)(torch.from_numpy(own)), torch.from_numpy(ROWS.codes), reduction="sum")
    other = Others(completed(made), None).of(1)[0]
    other.meet(model)
    codes = np.concatenate(other.targets)
    assert len(codes) > 30
    vectors = np.concatenate(vectors_of(model, other.readings))[codes != -100]
    codes = codes[codes != -100]
    assert len(codes) == sum(4 + i for i in range(6)) - sum(max(0, 4 + i - 7) for i in range(6))
    two = nats(
        probe(vectors, codes, other.outputs, 0.0)(torch.from_numpy(vectors)), torch.from_numpy(codes), reduction="sum"
    )
    wanted = (one + two / (len(codes) / 6)) / (18 + 6)
    assert step["loss"] == pytest.approx(float(wanted.detach()), rel=1e-4)


# ---- what is learnt, scored and kept

SIX = ["bread", "cake", "rice", "run", "win", "game"]
KINDS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "tags": ("tag", [row.values for row in tagged(20)]),
    "chain": ({"part": "tag", "decoder": "crf"}, [row.values for row in tagged(20)]),
    "many": ("many_labels", [{"text": f"money {w}", "labels": ["a"] * (i % 2) + ["b"]} for i, w in enumerate(SIX * 4)]),
    "number": ("score", [{"text": f"cake {'good ' * (i % 4)}{i}", "score": i % 4} for i in range(20)]),
    "pairs": ({"part": "classify", "second": "other"}, [{"text": f"cake {i}", "other": f"ball {i % 3}", "label": "ab"[i % 2]} for i in range(20)]),
    "answers": ("extract", [{"question": "what", "context": f"run, eat cake {i}", "answers": [{"text": "cake", "start": 9}]} for i in range(12)]),
}  # fmt: skip


@pytest.mark.parametrize("pooling", ["mean", "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_task_of_every_kind_beside_labels(kind: str, pooling: str, base: Base, tmp_path: Path) -> None:
    part, values = KINDS[kind]
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    fitted = fit(
        several(base("bert", pooling), [{"name": kind, "rows": str(path), "task": part}], pooling=pooling), ROWS
    )
    told = fitted.tasks[kind]
    assert told["learnt"] == [1]
    assert np.isfinite([told["before"], told["after"]["1"]]).all()
    assert told["rows"] + told["test_rows"] == len(values)
    kept = fitted.adaptation.save(tmp_path / "kept")
    one, two = fitted.adaptation.other(kind), Adaptation.load(kept).other(kind)
    given = values[:3]
    assert [a.value for a in one.predict(given)] == [a.value for a in two.predict(given)]
    inputs = one.answering.task.inputs(given)
    assert np.array_equal(one.answering.scores(inputs), two.answering.scores(inputs))


@pytest.mark.parametrize("weights", ["lora", "adapter", "prefix", "prompt", "bias", "top_layers"])
def test_over_every_kind_of_weights(weights: str, base: Base, tmp_path: Path) -> None:
    part = {"part": weights, "lr": 0.01}
    own = several(base(), [{"rows": topics(tmp_path)}], part)
    fitted = fit(own, ROWS, ROWS)
    assert fitted.score is not None
    assert fitted.tasks["topics"]["after"]["1"] is not None
    loaded = Adaptation.load(fitted.adaptation.save(tmp_path / "kept"))
    for one, two in ((fitted.adaptation, loaded), (fitted.adaptation.other("topics"), loaded.other("topics"))):
        assert np.array_equal(one.answering.scores(ROWS.texts), two.answering.scores(ROWS.texts))


def test_tags_as_the_own_task_and_labels_beside(base: Base, tmp_path: Path) -> None:
    from tailorlm.tasks import tasks

    own = tasks.get("tag")(tasks.get("tag").Settings()).prepare(tagged(18), what="train")
    asked = {"rows": topics(tmp_path), "task": "classify"}
    fitted = fit(several(base(), [asked], task="tag"), own)
    assert fitted.adaptation.other("topics").predict(["a flight to the sea"])[0].label in labelled(5, 5).labels


def test_scores_are_those_of_the_rows_held_out(base: Base, tmp_path: Path) -> None:
    asked = {"rows": topics(tmp_path), "test": topics(tmp_path, 20, "test.csv", start=300)}
    fitted = fit(in_sequence(base(), asked), ROWS)
    told, test = fitted.tasks["topics"], labelled(20, 5, start=300)
    found = fitted.adaptation.other("topics").predict(test.texts)
    right = np.mean([answer.label == gold for answer, gold in zip(found, test.gold, strict=True)])
    assert told["after"]["2"] == pytest.approx(right)
    again = {"text": None, "label": None, "root": tmp_path / "runs"}
    scored = evaluate_adaptation(fitted.adaptation, read([asked["test"]]), other="topics", **again)
    assert scored.scores["accuracy"]["value"] == pytest.approx(right)
    assert scored.run.record["task"] == "topics"
    with pytest.raises(UsageError, match="task of this adaptation"):
        evaluate_adaptation(fitted.adaptation, read([asked["test"]]), other="tropics", **again)
    assert set(told["after"]) == {"1", "2"}
    assert (told["metric"], told["test_rows"], told["learnt"]) == ("accuracy", 20, [1])
    alone = fit(in_sequence(base(), asked).changed({"stages.1.weights.lr": 1e-12}), ROWS).tasks["topics"]
    assert alone["after"]["1"] == told["after"]["1"], "the first stage is the same"
    assert alone["after"]["2"] == alone["after"]["1"], "a stage that moves nothing forgets nothing"


def test_a_stage_that_follows_begins_from_what_was_learnt(base: Base, tmp_path: Path) -> None:
    whole = fit(in_sequence(base(), {"rows": topics(tmp_path)}), ROWS).adaptation.scores(ROWS.texts)
    plain = validate({"name": "x", "base": str(base()), "stages": [{"weights": FULL, "train": QUICK}]}, Recipe)
    assert not np.array_equal(whole, fit(plain, ROWS).adaptation.scores(ROWS.texts))


def test_a_task_learnt_twice_keeps_its_head(base: Base, tmp_path: Path) -> None:
    asked = {"name": "topics", "rows": topics(tmp_path)}
    both = in_sequence(base(), asked).changed({"stages.1.objective": {"part": "multi_task", "tasks": [asked]}})
    assert fit(both, ROWS).tasks["topics"]["learnt"] == [1, 2]


def test_penalties_take_the_rows_of_earlier_tasks(base: Base, tmp_path: Path) -> None:
    asked, found = {"rows": topics(tmp_path, 40)}, {}
    held = [{"part": "ewc", "strength": 100.0}, {"part": "rehearsal", "learn": "labels", "share": 0.6, "strength": 5}]
    for name, penalties in (("none", []), ("ewc", held[:1]), ("rehearsal", held[1:])):
        fitted = fit(in_sequence(base(), asked, *penalties), ROWS)
        found[name] = fitted.adaptation.scores(ROWS.texts).tolist()
        told = fitted.tasks["topics"]
    assert list(fitted.trained[1].ids) == [*ROWS.ids, *(f"old row {i + 1}" for i in range(told["rows"]))]
    assert found["none"] != found["ewc"] != found["rehearsal"] != found["none"]


def test_old_rows_speak_through_the_head_they_were_learnt_with(base: Base, tmp_path: Path) -> None:
    from tailorlm.recipes.fitting.old import StageScene

    model = load_model(resolve(str(base())), labels=ROWS.labels)
    other = Others(completed(several(base(), [{"rows": topics(tmp_path)}])), None).of(1)[0]
    other.meet(model)
    other.head = probe(np.concatenate(vectors_of(model, other.readings)), other.rows.codes, 5, 0.0)
    given = list(StageScene(model, Classify(Classify.Settings()), (), ROWS, [other]).old("", 7))
    assert len(given) == 7
    scores = torch.cat([scores for scores, _ in given]).detach().numpy()
    assert np.allclose(scores, other.by_head(model).scores(other.rows.inputs[:7]), atol=1e-4)
    assert torch.cat([codes for _, codes in given]).tolist() == other.rows.codes[:7].tolist()


def test_the_same_seed_gives_the_same_bits_and_so_does_a_run_that_was_stopped(base: Base, tmp_path: Path) -> None:
    made = several(base(), [{"rows": topics(tmp_path)}])
    whole = fit(made, ROWS).adaptation
    kept, seen = Checkpoints(tmp_path / "kept", every=0), []

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 5 and not seen:
            seen.append(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(made, ROWS, listen=stop, checkpoints=kept)
    again = fit(made, ROWS, checkpoints=kept)
    assert again.trained[0].resumed == 5
    for one, two in ((whole, again.adaptation), (whole.other("topics"), again.adaptation.other("topics"))):
        assert np.array_equal(one.answering.scores(ROWS.texts), two.answering.scores(ROWS.texts))


FRESH = """
import json, sys
import numpy as np
from tailorlm.recipes.adaptation import Adaptation
folder, texts, out = json.load(sys.stdin)
np.save(out, Adaptation.load(folder).other("topics").answering.scores(texts))
"""


def test_a_fresh_process_gives_the_same_bits(base: Base, tmp_path: Path) -> None:
    fitted = fit(several(base("bert", "native"), [{"rows": topics(tmp_path)}], "lora", pooling="native"), ROWS)
    kept = fitted.adaptation.save(tmp_path / "kept")
    card = (kept / "README.md").read_text()
    assert '`adaptation.other("topics").predict(rows)`' in card
    given = json.dumps([str(kept), ROWS.texts, str(tmp_path / "scores.npy")])
    environment = os.environ | {"PYTHONPATH": str(Path(tailorlm.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", FRESH], input=given, text=True, check=True, env=environment, cwd=tmp_path)
    assert np.array_equal(
        np.load(tmp_path / "scores.npy"), fitted.adaptation.other("topics").answering.scores(ROWS.texts)
    )


# ---- models that write


@pytest.mark.parametrize("kind", ["multi_task", "intermediate_task"])
def test_a_model_that_writes_learns_them_in_their_own_words(kind: str, tmp_path: Path) -> None:
    folder, path = tiny_writer(tmp_path / "writer", "llama"), topics(tmp_path, 20)
    if kind == "multi_task":
        made = several(folder, [{"rows": path}], answers="written")
    else:
        held = ({"part": "ewc", "strength": 1.0}, {"part": "rehearsal", "learn": "labels", "share": 0.3})
        made = in_sequence(folder, {"rows": path}, *held, answers="written")
    seen: list[Any] = []
    fitted = fit(made, ROWS, ROWS, listen=seen.append)
    assert set(fitted.tasks["topics"]["after"]) == ({"1"} if kind == "multi_task" else {"1", "2"})
    loaded = Adaptation.load(fitted.adaptation.save(tmp_path / "kept"))
    one, two = fitted.adaptation.other("topics"), loaded.other("topics")
    assert (
        one.answering.prompts(["a cake"]) == two.answering.prompts(["a cake"]) != loaded.answering.prompts(["a cake"])
    )
    assert np.array_equal(one.answering.scores(["a cake"]), two.answering.scores(["a cake"]))
    assert one.answering.labels == labelled(5, 5).labels
    if kind == "multi_task":
        assert len(fitted.trained[0].losses) == 2 * -(-(18 + round(18 * (16 / 18) ** 0.5)) // 6)
        assert fitted.trained[0].ids[18].startswith("topics: ")


# ---- what a run knows of the files


def test_runs_know_other_rows_by_what_they_hold(base: Base, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    one, two = topics(tmp_path), topics(tmp_path / "elsewhere")
    keys = [recipe_key(several(base(), [{"name": "topics", "rows": path}])) for path in (one, two)]
    assert keys[0] == keys[1]
    topics(tmp_path, 31)
    assert recipe_key(several(base(), [{"name": "topics", "rows": one}])) != keys[0]
    held = in_sequence(base(), {"rows": two}, {"part": "ewc", "rows": one})
    before = recipe_key(held)
    topics(tmp_path, 32)
    assert recipe_key(held) != before
    plain = validate({"name": "x", "stages": [{"weights": "head"}]}, Recipe)
    assert recipe_key(plain) == plain.key


def test_test_rows_of_the_own_task_are_left_out(base: Base, tmp_path: Path) -> None:
    every = labelled(30, 5, start=80)
    distinct = sorted(set(every.texts))
    held = HeldOut.of([text.upper() + "!" for text in distinct[:3]])
    made = several(base(), [{"rows": topics(tmp_path)}])
    other = Others(completed(made), held).of(1)[0]
    gone = sum(text in distinct[:3] for text in every.texts)
    assert other.dropped == gone > 0
    assert len(other.rows) + len(other.test) == 30 - gone
    assert not {*distinct[:3]} & {*other.rows.texts, *other.test.texts}
    assert fit(made, replace(ROWS, held_out=held)).tasks["topics"]["dropped"] == gone
    with pytest.raises(CheckError, match="'topics' keeps 0 of 30 rows"):
        Others(completed(made), HeldOut.of(every.texts))


def test_rows_among_its_own_test_rows_are_left_out(base: Base, tmp_path: Path) -> None:
    asked = {"rows": topics(tmp_path), "test": topics(tmp_path, 10, "test.csv")}
    other = Others(completed(several(base(), [asked])), None).of(1)[0]
    assert other.dropped == 30 - len(other.rows) >= 10
    assert not {*other.rows.texts} & {*other.test.texts}


# ---- every setting, and what is refused


@pytest.mark.parametrize(
    ("key", "value"),
    [("sampling", "uniform"), ("temperature", 50.0), ("smoothing", 0.5), ("tasks.0.smoothing", 0.5), ("tasks.0.rows", "more"),
     ("tasks.0.task", {"part": "classify", "max_length": 8}), ("tasks.0.test", "test"), ("tasks.0.name", "other")],
)  # fmt: skip
def test_every_setting_matters(key: str, value: Any, base: Base, tmp_path: Path) -> None:
    files = {"more": topics(tmp_path, 40, "more.csv"), "test": topics(tmp_path, 10, "test.csv")}
    plain = several(base(), [{"name": "topics", "rows": topics(tmp_path, 60)}])
    changed = plain.changed({f"stages.0.objective.{key}": files.get(str(value), value)})
    one, two = fit(plain, ROWS), fit(changed, ROWS)
    if key == "tasks.0.name":
        assert list(two.tasks) == ["other"]
    elif key == "tasks.0.task":
        assert two.adaptation.other("topics").answering.model.max_length == 8
    else:
        assert not np.array_equal(one.adaptation.scores(ROWS.texts), two.adaptation.scores(ROWS.texts))


def test_what_cannot_be_learnt_is_said(base: Base, tmp_path: Path) -> None:
    path = topics(tmp_path)
    (tmp_path / "one.csv").write_text("text,label\na cake,food\na ball,food\n")
    (tmp_path / "blank.csv").write_text("text,label\na cake,food\n ,sport\n")
    (tmp_path / "日本.csv").write_text("text,label\na cake,food\na ball,sport\n")
    for tasks, words in (
        ([], "none is named"),
        ([{"name": "a"}], "has no rows to learn from"),
        ([{"rows": str(tmp_path / "gone.csv")}], "there is no file"),
        ([{"rows": path}, {"rows": path}], "names two tasks alike"),
        ([{"name": "Topics", "rows": path}, {"name": "topics", "rows": path}], "names two tasks alike"),
        ([{"rows": topics(tmp_path, name="named.csv", label="topic")}], "no column 'label'"),
        ([{"rows": str(tmp_path / "one.csv")}], "have the same label"),
        ([{"rows": str(tmp_path / "blank.csv")}], r"no text in the column 'text'(.|\n)*blank.csv:3"),
        ([{"rows": str(tmp_path / "日本.csv")}], "no name can be made"),
        ([{"rows": path, "task": "language"}], "has no answers to learn"),
        ([{"rows": path, "task": "generate"}], "no head answers"),
    ):
        with pytest.raises(TailorError, match=words):
            fit(several(base(), tasks), ROWS)
    with pytest.raises(
        UsageError,
        match=r"named.csv: the 'named' rows(.|\n)*columns: text, topic(.|\n)*task: \{part: classify, label: ",
    ):
        fit(several(base(), [{"rows": str(tmp_path / "named.csv")}]), ROWS)
    for name in ("a/b", "..", "a.b", "-x"):
        with pytest.raises(UsageError, match=r"tasks\.0\.name"):
            several(base(), [{"name": name, "rows": path}])
    with pytest.raises(TailorError, match="the heads alone learn"):
        fit(several(base(), [{"rows": path}], "head"), ROWS)
    with pytest.raises(UsageError, match="features learns from labels alone"):
        several(base(), [{"rows": path}], "features")
    more = {"part": "multi_task", "tasks": [{"name": "topics", "rows": topics(tmp_path, 20, "b.csv")}]}
    with pytest.raises(UsageError, match="stands for two tasks"):
        fit(in_sequence(base(), {"rows": path}).changed({"stages.1.objective": more}), ROWS)
    with pytest.raises(UsageError, match="there are no old rows"):
        fit(several(base(), [{"rows": path}]).changed({"stages.0.penalties": ["ewc"]}), ROWS)


def test_a_task_that_was_not_learnt_is_answered_with_those_that_were(base: Base, tmp_path: Path) -> None:
    fitted = fit(several(base(), [{"rows": topics(tmp_path)}]), ROWS).adaptation
    with pytest.raises(
        UsageError, match=r"there is no task of this adaptation called 'topic'(.|\n)*did you mean 'topics'"
    ):
        fitted.other("topic")
    plain = validate({"name": "x", "base": str(base()), "stages": [{"weights": "features"}]}, Recipe)
    with pytest.raises(UsageError, match="its own task alone"):
        fit(plain, ROWS).adaptation.other("topics")
