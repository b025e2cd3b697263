"""Comparisons of models that write: what is read of which split, passages with their own scores and citations, hosted models."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tailorlm
from stub import Stub, said
from tailorlm import api
from tailorlm.comparison.evidence import read_details, write_details
from tailorlm.comparison.request import CompareRequest, prepare
from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.context.prompt import Prompter
from tailorlm.context.store import ExampleStore
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models import endpoint as endpoint_module
from tailorlm.models.answers import Answer
from tailorlm.models.local import Local
from tailorlm.tasks.base import Answers
from writers import tiny_writer

Base = Callable[..., Path]
SHORT = {"max_new_tokens": 4}


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_writer(tmp_path_factory.mktemp("writer"), "qwen2")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.jsonl and test.jsonl, every row with a word of its own, and documents about the train rows."""
    folder = tmp_path_factory.mktemp("rows")
    (folder / "docs").mkdir()
    for split, count in (("train", 10), ("test", 4)):
        lines = []
        for i in range(count):
            about = f"gate{i}.md"
            row = {"question": f"which code has {split}gate{i}", "answer": f"{split}code{i}", "document": about}
            lines.append(json.dumps(row) + "\n")
        (folder / f"{split}.jsonl").write_text("".join(lines))
    for i in range(10):
        (folder / "docs" / f"gate{i}.md").write_text(
            f"# Gate {i}\n\nThe code of gate{i} is traincode{i}, which changes.\n"
        )
    return folder


@pytest.fixture(scope="module")
def index(rows: Path) -> str:
    PassageIndex.build(rows / "index", [str(rows / "docs")], IndexSettings(encoder=None))
    return str(rows / "index")


def shown(**settings: Any) -> dict[str, Any]:
    return {"part": "prompt", "encoder": None, "writing": SHORT} | settings


def way(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "search": {}} | changes


def compared(rows: Path, writer: Path | str, ways: list[Any], folder: Path, **task: Any) -> api.Comparison:
    return tailorlm.compare(
        rows / "train.jsonl",
        test=rows / "test.jsonl",
        task={"part": "generate"} | task,
        base=str(writer),
        methods=ways,
        folder=folder,
    )


NEAREST = {"part": "nearest", "k": 2, "retriever": "bm25"}
TUNED = {"weights": {"part": "bias", "lr": 1e-3}, "train": {"epochs": 1, "rows_per_step": 8}}


def test_no_test_row_is_shown_stored_or_chosen_on(
    rows: Path, writer: Path, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace of what every way reads, in order: test rows come up as queries alone, and only behind the last fit."""
    trace: list[str] = []
    stored: list[str] = []
    prompts, of = Prompter.prompts, ExampleStore.of.__func__  # type: ignore[attr-defined]

    def asked(self: Prompter, queries: Any, **more: Any) -> Any:
        made = prompts(self, queries, **more)
        trace.extend("query " + ("test" if "testgate" in query.text else "train") for query in queries)
        for query, prompt in zip(queries, made, strict=True):
            said = [message["content"] for message in prompt.messages]
            whole = " ".join([*said[:-1], said[-1].replace(query.text, "")])
            trace.append("shows test" if "test" in whole else "shows train" if "train" in whole else "shows nothing")
        return made

    def kept(cls: Any, examples: Any, *more: Any, **named: Any) -> Any:
        stored.extend(example.text + example.answer for example in examples)
        assert named["held_out"] is not None
        return of(cls, examples, *more, **named)

    monkeypatch.setattr(Prompter, "prompts", asked)
    monkeypatch.setattr(ExampleStore, "of", classmethod(kept))
    request = validate(
        {
            "rows": [str(rows / "train.jsonl")],
            "test": [str(rows / "test.jsonl")],
            "task": {"part": "generate"},
            "base": str(writer),
            "ways": [
                way("nearest", context=shown(examples=NEAREST)),
                way("rag", context=shown(passages=index, search={"k": 1})),
                way("tuned", context=shown(examples=NEAREST, passages=index, search={"k": 1}), stages=[TUNED]),
            ],
        },
        CompareRequest,
    )
    prepared = prepare(request, tmp_path)
    outcome = prepared.comparer.run(lambda event: trace.append(event["event"]))
    assert [one.error for one in outcome.ways] == [None] * 3

    assert "shows test" not in trace
    assert {"shows train", "query train", "query test"} <= set(trace)
    ways = " ".join("way" if event == "way" else event.replace(" ", "-") for event in trace).split("way ")[1:]
    assert len(ways) == 3
    for one in ways:
        assert "query-test" not in one.split("last-fit")[0]
        assert "query-test" in one.split("last-fit")[1]
    assert stored
    assert all("train" in text and "test" not in text for text in stored)
    for run in outcome.ways:
        for path in (run.runs[0].folder / "adaptation").rglob("*"):
            assert not path.is_file() or b"testgate" not in path.read_bytes()
    held = prepared.split.train.held_out
    assert held is not None
    assert all(held.holds(text) for text in prepared.split.test.texts)


def test_an_index_that_holds_a_test_row_is_refused_and_the_others_go_on(
    rows: Path, writer: Path, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Which code has TESTGATE2?")
    PassageIndex.build(tmp_path / "index", [str(tmp_path / "docs")], IndexSettings(encoder=None))
    ways = [way("plain", context=shown()), way("rag", context=shown(passages=str(tmp_path / "index")))]
    done = compared(rows, writer, ways, tmp_path / "runs")
    failed = {one["name"]: one["error"] for one in done.result["ways"]}
    assert failed["plain"] is None
    assert "1 document is among the test rows" in failed["rag"]


@pytest.fixture
def cites(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model writes the first passage's code and names it, and one that it was not shown."""
    answers = Local.answers

    def written(self: Local, prompts: Any, *more: Any, **named: Any) -> list[Answer]:
        found = answers(self, prompts, *more, **named)
        return [
            Answer(
                "traincode1 [1][7]" if "Passages:" in prompt[-1]["content"] else "no idea", True, a.tokens_in, 5, -1.0
            )
            for a, prompt in zip(found, prompts, strict=True)
        ]

    monkeypatch.setattr(Local, "answers", written)


def test_passages_are_cited_and_scored(
    rows: Path, writer: Path, index: str, tmp_path: Path, cites: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = [way("plain", context=shown()), way("rag", context=shown(passages=index, search={"k": 2}))]
    done = compared(rows, writer, ways, tmp_path, document="document")
    by_name = {one["name"]: one for one in done.result["ways"]}
    assert by_name["plain"]["retrieval"] is None
    found = by_name["rag"]["retrieval"]
    assert (found["by"], found["k"], found["rows"], found["without"]) == ("document", 2, 4, 0)
    assert 0 <= found["scores"]["recall@2"] <= 1
    assert set(found["intervals"]) == set(found["scores"])
    for name, (low, high) in found["intervals"].items():
        assert 0 <= low <= found["scores"][name] <= high <= 1
        assert low < high, "four questions say little"
    assert by_name["rag"]["answered"]["ungrounded"] == 4
    row = done.result["disagreements"][0]
    assert row["answers"] == {"plain": "no idea", "rag": "traincode1"}
    assert row["cited"]["rag"][0].startswith("docs/gate")
    assert row["cited"]["rag"][1] == "1 that it was not shown"
    assert set(row["scores"]) == {"plain", "rag"}
    details = read_details(done.folder / "runs" / by_name["rag"]["runs"][0])
    assert [len(one["passages"]) for one in details] == [2] * 4
    one = details[0]["citations"][0]
    assert (one["number"], one["passage"], one["at"]) == (1, details[0]["passages"][0], [11, 14])
    text = PassageIndex(index).text(one["document"])
    assert "traincode" in text[one["start"] : one["end"]]

    page, plain = ((done.folder / name).read_text() for name in ("report.html", "report.md"))
    for said_there in ("Passages found", "recall@2", "cites for", "docs/", "4 cite what was not shown"):
        assert said_there in page
        assert said_there in plain.replace("\\", "")
    model = done.adaptation("rag")
    answer = model.predict([{"question": "which code has gate3"}])[0]
    cells = model.answering.task.cells(answer.value, answer.detail)
    assert cells["predicted"] == "traincode1"
    assert [c["document"] for c in cells["citations"]] == [answer.detail["passages"][0].split("#")[0]]
    monkeypatch.chdir(tmp_path)  # the folder finds its index from anywhere
    assert done.adaptation("rag").predict(["which code has gate3"])[0].detail["passages"] == answer.detail["passages"]


def test_without_a_document_column_the_answers_own_words_are_looked_for(
    rows: Path, writer: Path, index: str, tmp_path: Path
) -> None:
    lines = [json.dumps({"question": f"code of gate{i}", "answer": f"TRAINCODE{i}"}) for i in range(4)]
    (tmp_path / "test.jsonl").write_text(
        "\n".join([*lines, json.dumps({"question": "no", "answer": "nowhere"})]) + "\n"
    )
    (tmp_path / "train.jsonl").write_text((rows / "train.jsonl").read_text())
    done = compared(tmp_path, writer, [way("rag", context=shown(passages=index, search={"k": 1}))], tmp_path / "runs")
    found = done.result["ways"][0]["retrieval"]
    assert (found["by"], found["rows"], found["without"]) == ("answer", 4, 1)
    assert found["scores"] == {"recall@1": 1.0, "recall@5": 1.0, "recall@10": 1.0, "mrr@10": 1.0, "ndcg@10": 1.0}


def test_changed_documents_are_a_new_run(rows: Path, writer: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The code of gate1 is blue.")
    where = tmp_path / "index"
    PassageIndex.build(where, [str(tmp_path / "docs")], IndexSettings(encoder=None))
    ways = [way("rag", context=shown(passages=str(where)))]
    first = compared(rows, writer, ways, tmp_path / "runs").result["ways"][0]["runs"]
    assert compared(rows, writer, ways, tmp_path / "runs").result["ways"][0]["runs"] == first
    (tmp_path / "docs" / "a.txt").write_text("The code of gate1 is red.")
    PassageIndex(where).add([str(tmp_path / "docs")])
    assert compared(rows, writer, ways, tmp_path / "runs").result["ways"][0]["runs"] != first


def test_methods_with_passages_ask_for_an_index(rows: Path, writer: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)'rag' shows passages.*--passages INDEX"):
        compared(rows, writer, ["rag"], tmp_path)


def test_encoder_and_decoder_on_the_same_rows(base: Base, writer: Path, tmp_path: Path) -> None:
    lines = [f"{word} {i},{word}\n" for i in range(14) for word in ("money", "travel")]
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(lines))
    done = tailorlm.compare(
        tmp_path / "rows.csv",
        base=str(base("bert", "mean")),
        methods=["features-lr", way("decoder", base=str(writer), answers="written", context=shown())],
        folder=tmp_path / "runs",
    )
    assert set(done.scores()) == {"features-lr", "decoder"}
    assert [one["status"] for one in done.result["ways"]] == ["ok", "ok"]
    assert len(done.result["bases"]) == 2
    page = (done.folder / "report.html").read_text()
    assert all(one["origin"] in page for one in done.result["bases"])


# ---- a hosted model beside a local one


@pytest.fixture
def hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """An endpoint that this machine's file calls `house`, and nothing waits."""
    stub = Stub()
    monkeypatch.setattr(endpoint_module.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TAILOR_ENDPOINTS", str(tmp_path / "endpoints.yaml"))
    prices = "price_in: 2.0, price_out: 10.0, tries: 2, timeout: 5"
    (tmp_path / "endpoints.yaml").write_text(f"house: {{base_url: {stub.url}, model: large, {prices}}}\n")
    yield stub
    stub.server.shutdown()
    stub.server.server_close()


def slow(seconds: float) -> int:
    threading.Event().wait(seconds)  # `time.sleep` is none here
    return 200


def test_labels_behind_prompts_that_are_cut_are_counted(writer: Path, tmp_path: Path) -> None:
    lines = [f"{'long ' * (300 if i % 2 else 1)}{word} {i},{word}\n" for i in range(14) for word in ("money", "travel")]
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(lines))
    decoder = way("decoder", base=str(writer), answers="written", context=shown())
    done = tailorlm.compare(tmp_path / "rows.csv", methods=[decoder], folder=tmp_path / "runs")
    (found,) = done.result["ways"]
    details = read_details(done.folder / "runs" / found["runs"][0])
    cut = [one for one in details if one["cut"]]
    assert 0 < len(cut) < len(details)
    assert found["answered"]["cut"] == len(cut)
    assert found["answered"]["tokens_in"] > 0
    assert f"{len(cut)} with a prompt that was cut" in (done.folder / "report.md").read_text()


def remote(name: str, **settings: Any) -> dict[str, Any]:
    return way(name, base="remote:house", context=shown(**settings))


def test_a_hosted_model_beside_one_of_ones_own(
    rows: Path, writer: Path, index: str, tmp_path: Path, hosted: Stub
) -> None:
    ways = [
        way("mine", context=shown(), stages=[TUNED]),
        remote("prompted"),
        remote("hosted-rag", passages=index, search={"k": 1}, examples=NEAREST),
    ]
    hosted.reply = lambda body, number: (200, {}, said("testcode1 [1]", used=(100, 20)))
    done = compared(rows, writer, ways, tmp_path / "runs")
    by_name = {one["name"]: one for one in done.result["ways"]}
    assert [by_name[name]["status"] for name in by_name] == ["ok"] * 3
    assert len(hosted.asked) == 8, "four test rows, two ways, nothing else"
    paid = {name: one["cost"]["paid_per_1000_rows"] for name, one in by_name.items()}
    assert paid == {"mine": 0.0, "prompted": pytest.approx(0.4), "hosted-rag": pytest.approx(0.4)}
    assert {one["name"] for one in done.result["bases"]} == {str(writer), "remote:house"}
    page = (done.folder / "report.html").read_text()
    assert "Price of 1,000" in page
    assert hosted.url not in page
    sent = [body["messages"] for _, _, body in hosted.asked]
    assert any("Passages:" in messages[-1]["content"] and len(messages) > 2 for messages in sent)
    hosted.asked.clear()
    hosted.reply = lambda body, number: (slow(0.03), {}, said("testcode1", used=(100, 20)))
    by_first = compared(rows, writer, [remote("new", instruction="Say it")], tmp_path / "runs-3")
    assert len(hosted.asked) == 4
    hosted.asked.clear()
    by_again = compared(rows, writer, [remote("again", instruction="Say it")], tmp_path / "runs-2")
    assert not hosted.asked, "answers are kept by content"
    first, again = (api_result["ways"][0] for api_result in (by_first.result, by_again.result))
    assert again["answered"]["kept"] == 4
    assert "kept" not in first["answered"]
    # What was kept counts what it took then, and not the moment that reading it takes.
    assert again["cost"]["predict_ms_per_row"] > 0.5 * first["cost"]["predict_ms_per_row"] > 5
    assert "4 answered before, and not asked again" in (by_again.folder / "report.md").read_text()
    model = done.adaptation("prompted")
    assert model.predict(["which code has testgate1"])[0].value == "testcode1 [1]"


def test_a_hosted_model_chooses_labels_by_writing(tmp_path: Path, hosted: Stub) -> None:
    lines = [f"{word} {i},{word}\n" for i in range(8) for word in ("money", "travel")]
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(lines))
    hosted.reply = lambda body, number: (
        200,
        {},
        said(json.dumps({"answer": body["messages"][-1]["content"].split()[0]})),
    )
    done = tailorlm.compare(tmp_path / "rows.csv", methods=[remote("house")], folder=tmp_path / "runs")
    assert done.scores() == {"house": 1.0}
    assert hosted.asked[0][2]["response_format"]["type"] == "json_schema"


def test_answers_that_cannot_be_used_are_counted_apart(tmp_path: Path, hosted: Stub) -> None:
    lines = [f"{word} {i},{word}\n" for i in range(8) for word in ("money", "travel")]
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(lines))
    replies = [said('{"answer": "mon'), said('{"answer": "food"}'), (400, {}, b"{}"), said('{"answer": "money"}')]
    made = [one if isinstance(one, tuple) else (200, {}, one) for one in replies]
    hosted.reply = lambda body, number: made[number % 4]
    done = tailorlm.compare(tmp_path / "rows.csv", methods=[remote("house")], folder=tmp_path / "runs")
    told = done.result["ways"][0]["answered"]
    assert (told["rows"], sum(told["faults"].values())) == (4, 3)
    assert {"no JSON", "none of the choices"} < set(told["faults"])
    assert done.scores()["house"] <= 0.25
    assert "without an answer (no JSON)" in (done.folder / "report.md").read_text()


def test_whatever_stands_behind_an_answer_is_kept(tmp_path: Path) -> None:
    told = [{"written": "half \ud83d, \U0001f600"}, {"written": "ü\u2028\x85\n"}]
    write_details(tmp_path, ["a", "b"], Answers(["x", "y"], None, None, told))
    assert read_details(tmp_path) == [{"id": "a", **told[0]}, {"id": "b", **told[1]}]


def test_what_an_endpoint_cannot_do_is_said_first(
    rows: Path, writer: Path, tmp_path: Path, hosted: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="behind an endpoint"):
        compared(rows, writer, [way("x", base="remote:house", stages=[TUNED])], tmp_path / "runs")
    with pytest.raises(UsageError, match=r"(?s)no endpoint called 'hose'.*did you mean 'house'"):
        compared(rows, writer, [way("x", base="remote:hose", context=shown())], tmp_path / "runs")
    hosted.reply = lambda body, number: (200, {}, b"<html>not JSON")
    with pytest.raises(TailorError, match="no chat answer in JSON"):
        compared(rows, writer, [remote("x")], tmp_path / "runs")
    hosted.server.shutdown()
    hosted.server.server_close()
    done = compared(rows, writer, [remote("x"), way("mine", context=shown())], tmp_path / "runs")
    failed = {one["name"]: one["error"] for one in done.result["ways"]}
    assert failed["mine"] is None
    assert "gave no answer in 2 tries" in failed["x"]
    monkeypatch.delenv("TAILOR_ENDPOINTS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    with pytest.raises(TailorError, match="no endpoint is configured on this machine"):
        compared(rows, writer, [remote("x")], tmp_path / "runs-2")


def test_a_yaml_names_its_index_from_where_it_lies(
    rows: Path, writer: Path, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tailorlm.comparison.finish import finish
    from tailorlm.comparison.request import load_request
    from tailorlm.core.yaml import dump_yaml

    value = {
        "rows": "train.jsonl",
        "test": "test.jsonl",
        "base": str(writer),
        "task": {"part": "generate"},
        "settings": {"passages": "index"},
        "ways": [way("rag", context=shown(passages="index"))],
    }
    (rows / "compare.yaml").write_text(dump_yaml(value))
    monkeypatch.chdir(tmp_path)
    request = load_request(rows / "compare.yaml")
    assert request.settings.passages == request.ways[0]["context"]["passages"] == index
    prepared = prepare(request, Path("runs"))
    result = finish(prepared, prepared.comparer.run())
    again = load_request(prepared.folder / "compare.yaml")
    assert Path(again.ways[0]["context"]["passages"]).resolve() == Path(index).resolve()
    assert Path(str(again.settings.passages)).resolve() == Path(index).resolve()
    assert prepare(again, Path("runs")).comparer.finished() == result["ways"][0]["runs"]
    kept = (prepared.folder / "runs" / result["ways"][0]["runs"][0] / "adaptation" / "recipe.yaml").read_text()
    assert str(rows) not in kept
    (rows / "compare.yaml").write_text(dump_yaml(value | {"ways": [way("rag", context=shown(passages="none"))]}))
    with pytest.raises(TailorError, match="holds no index"):
        prepare(load_request(rows / "compare.yaml"), Path("runs"))


def test_the_estimate_knows_of_writing(rows: Path, writer: Path, index: str) -> None:
    from tailorlm.comparison.estimate import estimate
    from tailorlm.comparison.settings import CompareSettings
    from tailorlm.comparison.split import fold
    from tailorlm.data import read
    from tailorlm.recipes.schema import Recipe

    def recipe(name: str, **changes: Any) -> Recipe:
        return validate(way(name, base=str(writer), task="generate", **changes), Recipe)

    examples = recipe("x", context=shown()).task.make().prepare(read(rows / "train.jsonl"), what="train")
    settings = CompareSettings()
    tuned = {"weights": "bias", "train": {"epochs": 8}}
    ways = [
        recipe("prompted", context=shown()),
        recipe("rag", context=shown(passages=index)),
        recipe("tuned", context=shown(), stages=[tuned]),
        recipe("tuned-rag", context=shown(passages=index), stages=[tuned]),
    ]
    found = estimate(ways, fold(examples, settings, 0), examples, settings).seconds
    assert 0 < found["prompted"] < found["rag"] < found["tuned-rag"]
    assert found["prompted"] < found["tuned"] < found["tuned-rag"]
