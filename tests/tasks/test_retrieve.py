"""Queries with passages: columns by their usual names, rows of one query, the pool, and what is wrong with rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sought import prepared, sought
from tailorlm.comparison.settings import CompareSettings
from tailorlm.comparison.split import fold, split_rows
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.rows import Row, Rows
from tailorlm.tasks.retrieve import Retrieve, name_of


def task(**settings: Any) -> Retrieve:
    return Retrieve(Retrieve.Settings(**settings))


def rows(*values: dict[str, Any], file: str = "rows.jsonl") -> Rows:
    columns = dict.fromkeys(name for value in values for name in value)
    return Rows(tuple(Row(value, file, i) for i, value in enumerate(values, 1)), tuple(columns))


def texts(found: Any, names: Any) -> list[str]:
    return [found.pool[name] for name in names]


@pytest.mark.parametrize("query", ["query", "question", "anchor"])
@pytest.mark.parametrize(
    ("positive", "negative"),
    [("positive", "negative"), ("passage", "negatives"), ("answer", "neg"), ("document", "hard_negatives")],
)
def test_columns_go_by_their_usual_names(query: str, positive: str, negative: str) -> None:
    found = task().prepare(
        rows({query: "who pays", positive: "the bank pays", negative: ["a ship", "a bus"]}), what="train"
    )
    assert found.texts == ("who pays",)
    assert texts(found, found.gold[0]) == ["the bank pays"]
    assert texts(found, found.against[0]) == ["a ship", "a bus"]
    assert len(found.pool) == 3


def test_columns_can_be_named() -> None:
    given = rows({"q": "who", "good": "a", "bad": "b", "query": "not me", "positive": "c", "negative": "d"})
    found = task(query="q", positive="good", negative="bad").prepare(given, what="train")
    assert (found.texts, texts(found, found.gold[0]), texts(found, found.against[0])) == (("who",), ["a"], ["b"])
    with pytest.raises(UsageError, match="no column 'goof'") as error:
        task(positive="goof").prepare(given, what="train")
    assert "--column positive=good" in str(error.value)
    with pytest.raises(UsageError, match="those of a positive usually are") as error:
        task().prepare(rows({"query": "who", "positve": "a"}), what="train")
    assert "--column positive=positve" in str(error.value)


def test_several_right_passages_and_rows_of_one_query_are_put_together() -> None:
    given = rows(
        {"query": "Who pays?", "positive": ["a", "b"], "negative": "x", "lang": "en"},
        {"query": "who  PAYS?", "positive": "c", "negative": "a", "lang": "de"},
        {"query": "who?", "positive": "c ", "negative": None, "lang": "fr"},
    )
    found = task().prepare(given, what="train")
    assert found.ids == ("rows.jsonl:1", "rows.jsonl:3")
    assert [texts(found, names) for names in found.gold] == [["a", "b", "c"], ["c"]]
    assert [texts(found, names) for names in found.against] == [["x"], []]
    assert "3 rows ask 2 different queries" in task().gather(given, what="train").notes[-1]
    assert name_of("a  b\n") == name_of("a b") != name_of("A b")
    again = task().gather(given, what="train")
    assert task().gather(again, what="train") is again
    # What is sliced by is the first row's.
    more = [{"query": f"what {i}", "positive": f"passage {i}", "negative": None, "lang": "en"} for i in range(20)]
    split = split_rows(
        task(), rows(*(dict(row.values) for row in given), *more), None, CompareSettings(slices=("lang",))
    )
    assert len(split.columns["lang"]) == len(split.test)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"query": " ", "positive": "a"}, "no text in the column 'query'"),
        ({"query": ["a"], "positive": "a"}, "a list or object in the column 'query'"),
        ({"query": "q", "positive": ""}, "no passage that answers in the column 'positive'"),
        ({"query": "q", "positive": None}, "no passage that answers in the column 'positive'"),
        ({"query": "q", "positive": []}, "no passage that answers in the column 'positive'"),
        ({"query": "q", "positive": ["a", " "]}, "an empty passage in the list of the column 'positive'"),
        ({"query": "q", "positive": {"text": "a"}}, "neither a text nor a list of texts in the column 'positive'"),
        (
            {"query": "q", "positive": "a", "negative": [["b"]]},
            "neither a text nor a list of texts in the column 'negative'",
        ),
        (
            {"query": "q", "positive": "a  b", "negative": ["c", "a b"]},
            "a passage that answers among those that do not",
        ),
    ],
)
def test_rows_at_fault_are_named(row: dict[str, Any], fault: str) -> None:
    good = {"query": "q", "positive": "a", "negative": "z"}
    with pytest.raises(CheckError, match=fault) as error:
        task().prepare(rows(good, row | {"negative": row.get("negative", "")}), what="train")
    assert "rows.jsonl:2" in str(error.value)
    assert "rows.jsonl:1" not in str(error.value)


def test_texts_of_any_script_and_length_are_kept() -> None:
    values = [("東京 はどこ", "日本の首都"), ("🙂?", "👩‍👩‍👧 family"), ("long", "word " * 50_000), ("é", "half \ud83d")]
    found = task().prepare(rows(*({"query": q, "positive": p} for q, p in values)), what="train")
    assert [texts(found, names)[0] for names in found.gold] == [p for _, p in values]
    assert len(found.fingerprint) == 64


def test_train_rows_see_nothing_of_the_test_rows(tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text("".join(json.dumps({"passage": f"nobody asks {i}"}) + "\n" for i in range(3)), encoding="utf-8")
    made = task(passages=str(more))
    split = split_rows(made, sought(40, wrong=1), None, CompareSettings())
    own = {name for part in (split.train.gold, split.train.against) for names in part for name in names}
    theirs = {name for part in (split.test.gold, split.test.against) for names in part for name in names}
    extra = {name_of(f"nobody asks {i}") for i in range(3)}
    assert set(split.train.pool) == own | extra
    assert set(split.test.pool) == own | theirs | extra
    assert theirs - own
    part = fold(split.train, CompareSettings(), 0)
    assert part.trial.pool == part.validation.pool == split.train.pool
    with_file = split_rows(made, sought(30, wrong=1), sought(9, start=50, wrong=1), CompareSettings())
    assert set(with_file.train.pool) < set(with_file.test.pool)


def test_passages_that_train_queries_ask_for_are_told_and_no_error() -> None:
    train = rows(*({"query": f"what is {i}", "positive": f"number {i}"} for i in range(20)))
    test = rows(*({"query": f"tell me of {i}", "positive": f"number {i + 18}"} for i in range(4)), file="test.jsonl")
    split = split_rows(task(), train, test, CompareSettings())
    found = next(finding for finding in split.findings if finding["code"] == "shared-passages")
    assert found["message"].startswith("2 of 4 test queries ask for a passage that train queries ask for")
    assert found["rows"] == ["test.jsonl:1", "test.jsonl:2"]


def test_queries_that_leak_stop_it() -> None:
    test = rows({"query": "What is 3", "positive": "another"}, file="test.jsonl")
    train = rows(*({"query": f"what is {i}", "positive": f"number {i}"} for i in range(20)))
    with pytest.raises(CheckError, match="copy of test rows") as error:
        split_rows(task(), train, test, CompareSettings())
    assert "rows.jsonl:4" in str(error.value)


def test_a_pool_that_says_nothing_is_refused() -> None:
    few = rows(*({"query": f"what is {i}", "positive": f"number {i % 5}"} for i in range(20)))
    with pytest.raises(CheckError, match="only 5 passages would be searched") as error:
        split_rows(task(), few, None, CompareSettings())
    assert "--column passages=FILE" in str(error.value)


def test_a_file_without_passages_is_refused(tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("name\na\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"more\.csv has no column of passages"):
        task(passages=str(more)).prepare(sought(3), what="train")


def test_what_predict_is_given() -> None:
    assert task().inputs(["a", {"question": "b"}, {"query": "c", "question": "no"}]) == ["a", "b", "c"]
    for bad in ([""], [{"text": "a"}], [7]):
        with pytest.raises(TailorError, match="row 1 has no query"):
            task().inputs(bad)
    with pytest.raises(TailorError, match="many rows at once"):
        task().inputs("a query")


def test_a_query_that_is_its_passage_is_told() -> None:
    found = task().prepare(
        rows({"query": "Fees.", "positive": "fees"}, {"query": "who", "positive": "me"}), what="train"
    )
    told = task().findings(found)
    assert [one["code"] for one in told] == ["query-is-passage"]
    assert told[0]["rows"] == ["rows.jsonl:1"]


def test_every_setting_changes_something(tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text('{"passage": "beyond"}\n', encoding="utf-8")
    row = {"query": "q", "positive": "p", "negative": "n", "other": "o", "no": "7"}
    values = {"query": "other", "positive": "other", "negative": "other", "id": "no", "passages": str(more)}

    def seen(**settings: Any) -> Any:
        found = task(**settings).prepare(rows(row), what="train")
        return found.ids, found.texts, found.gold, found.against, found.pool

    for key, value in values.items():
        assert seen(**{key: value}) != seen(), key
    assert task(query_prefix="query: ").queries(["a"]) == ["query: a"]
    assert task(passage_prefix="passage: ").passages(["a"]) == ["passage: a"]
    # `max_length` and `k` are seen in tests/recipes/test_searching.py.
    assert {*values, "query_prefix", "passage_prefix", "max_length", "k"} == set(Retrieve.Settings.model_fields)
    assert len(prepared(5, wrong=2).pool) == 15
