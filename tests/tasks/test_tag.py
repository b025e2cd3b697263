"""`tag`: tags and offsets become spans and come back; words, windows and legal tags; every fault with its place."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagged import rows_of, tagged
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.evaluation import Predictions
from tailorlm.evaluation.metrics import metric_of
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks._spans import Marked, from_spans, from_tags, words_of
from tailorlm.tasks.tag import Tag
from tiny import tokenizer

Base = Callable[..., Path]


def task(**changes: Any) -> Tag:
    return Tag(Tag.Settings(**changes))


def spans(tokens: str, tags: str, illegal: str = "repair") -> Any:
    found = from_tags(tokens.split(), tags.split(), illegal)
    return [(found.text[a:b], kind) for a, b, kind in found.spans] if isinstance(found, Marked) else found


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-x I-x O B-y", [("b c", "x"), ("e", "y")]),
        ("B-x B-x I-x O O", [("a", "x"), ("b c", "x")]),
        ("O B-x L-x O U-y", [("b c", "x"), ("e", "y")]),
        ("O B-x E-x O S-y", [("b c", "x"), ("e", "y")]),
        ("B-x I-x L-x B-x L-x", [("a b c", "x"), ("d e", "x")]),
        ("I-x I-x O I-y I-y", [("a b", "x"), ("d e", "y")]),
        ("x x O y y", [("a b", "x"), ("d e", "y")]),
        ("O O I-x B-y I-x", [("c", "x"), ("d", "y"), ("e", "x")]),
        ("B-a-b I-a-b O O O", [("a b", "a-b")]),
    ],
)
def test_tags_of_every_scheme_become_spans(tags: str, expected: Any) -> None:
    assert spans("a b c d e", tags) == expected


def conlleval(tags: list[str]) -> list[tuple[int, int, str]]:
    """Spans of any sequence of BIO or BIOES tags, well-formed or not, by conlleval's two questions at each border (as seqeval asks them)."""
    found, start = [], 0
    for i, (old, new) in enumerate(itertools.pairwise(["O", *tags, "O"])):
        was, is_, same = old[0], new[0], old[2:] == new[2:]
        if was != "O" and (was in "ES" or is_ in "BSO" or not same):
            found.append((start, i, old[2:]))
        if is_ != "O" and (is_ in "BS" or was in "ESO" or not same):
            start = i
    return found


def test_any_sequence_of_tags_is_read_and_scored_as_conlleval_does() -> None:
    """200 random cases of a few rows each (empty ones, CJK, emoji and combining signs among them), most ill-formed: the same spans, the same F1."""
    rng, spans_seen = np.random.default_rng(0), 0
    words = ["a", "東京", "cafe\u0301", "👩\u200d🚀", "e\u0323\u0302", "ﬁn", "العربية"]
    for case in range(200):
        pool = [
            ["O", "B-A", "I-A", "B-B", "I-B", "B-C-D", "I-C-D"],
            ["O", "O", "O", "I-A", "B-A"],
            ["O", "B-A", "I-A", "E-A", "S-A", "E-B"],
        ]
        lengths = rng.integers(0, 10, size=3)
        rows = [[str(word) for word in rng.choice(words, size)] for size in lengths]
        starts = [[len("".join(f"{word} " for word in row[:i])) for i in range(len(row))] for row in rows]
        sides = [[[str(tag) for tag in rng.choice(pool[case % 3], size)] for size in lengths] for _ in range(2)]
        read, counted = [], []
        for side in sides:
            marked = [from_tags(row, tags, "repair") for row, tags in zip(rows, side, strict=True)]
            read.append(tuple([list(span) for span in one.spans] for one in marked if isinstance(one, Marked)))
            found = zip(rows, starts, map(conlleval, side), strict=True)
            counted.append(
                [{(at[a], at[b - 1] + len(row[b - 1]), kind) for a, b, kind in some} for row, at, some in found]
            )
            assert [set(map(tuple, spans)) for spans in read[-1]] == counted[-1]
        hits = sum(len(gold & said) for gold, said in zip(*counted, strict=True))
        both = sum(len(one) for side in counted for one in side)
        predictions = Predictions(("1", "2", "3"), read[0], read[1], (), None, "spans")
        assert metric_of("span_f1").evidence(predictions).score() == pytest.approx(2 * hits / both if both else 1.0)
        spans_seen += both
    assert spans_seen > 1000


def test_a_tag_that_cannot_stand_is_repaired_or_refused() -> None:
    found = from_tags(list("abc"), ["B-x", "O", "I-x"], "repair")
    assert isinstance(found, Marked)
    assert found.repaired == 1
    assert spans("a b c", "B-x O I-x", "refuse") == "a tag that cannot stand there (I-x at token 3)"


def test_spans_by_offsets_nested_ones_by_rule() -> None:
    text, both = "New York City council", [[0, 13, "place"], [0, 21, "body"]]
    assert "inside or across" in str(from_spans(text, both, "refuse"))
    for rule, kept in (("outermost", (0, 21, "body")), ("innermost", (0, 13, "place"))):
        found = from_spans(text, both, rule)
        assert isinstance(found, Marked)
        assert found.spans == (kept,)
    assert from_spans(text, [{"start": 0, "end": 3, "label": "x"}], "refuse").spans == ((0, 3, "x"),)  # type: ignore[union-attr]
    for wrong, said in (
        ([[0, 99, "x"]], "outside its text of 21"),
        ([[3, 3, "x"]], "outside"),
        ([[0, "1", "x"]], "without start"),
        ([[0, 1, None]], "without a label"),
        ("x", "no list of spans"),
    ):
        assert said in str(from_spans(text, wrong, "refuse"))


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_words_hold_everything_but_white_space(text: str) -> None:
    found = words_of(text)
    inside = {i for start, end in found for i in range(start, end)}
    assert all(char.isspace() for i, char in enumerate(text) if i not in inside)
    assert all(start < end for start, end in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))
    assert not any(char.isspace() for start, end in found for char in text[start:end])


def test_cjk_signs_and_emoji_are_words_of_their_own() -> None:
    text = "東京で会う、OK? don't 😀é"
    assert [text[a:b] for a, b in words_of(text)] == [
        "東",
        "京",
        "で",
        "会",
        "う",
        "、",
        "OK",
        "?",
        "don",
        "'",
        "t",
        "😀",
        "é",
    ]


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt", "llama", "qwen"])
@pytest.mark.parametrize("limit", [256, 12])
def test_right_scores_give_the_gold_spans_back(kind: str, limit: int) -> None:
    """Whatever the tokenizer, windows or not: what is read at each place leads back to the very spans."""
    made, some = task(max_length=limit if kind != "qwen" else limit * 4, stride=3), tagged(12, length=9)
    texts = [
        {"text": "pay  the\ttax 東京 now, bake😀bread\u200b!", "spans": [[9, 12, "money"], [21, 25, "food"]]},
        {"text": "e\u0301te fee", "spans": [[5, 8, "money"]]},
    ]
    for rows in (some, rows_of(*texts)):
        ready = made.prepare(rows, what="train")
        readings = made.read(tokenizer(kind), ready.inputs, made.settings.max_length)
        assert max(readings.lengths) <= made.settings.max_length
        outputs = len(made.outputs(ready.labels))
        targets = made.targets(readings, ready)
        scores = [np.eye(outputs)[codes] * 20 for codes in targets]
        assert [len(codes) for codes in targets] == readings.sizes
        read = [(row, word) for row, places in zip(readings.rows, readings.detail, strict=True) for word in places]
        assert len(read) == len(set(read)), "each word is read once"
        answers = made.decode(scores, readings, ready.inputs, ready.labels)
        assert answers.values == list(ready.gold)
        for text, found in zip(ready.texts, answers.detail, strict=True):
            assert all(text[span["start"] : span["end"]] == span["text"] for span in found["spans"])
    if limit == 12 and kind == "bert":
        assert len(readings) > 0


def test_faults_are_named_with_their_rows() -> None:
    rows = rows_of(
        {"tokens": ["a", "b"], "tags": ["O", "B-x"]},
        {"tokens": ["a", "b"], "tags": ["O"]},
        {"tokens": [], "tags": []},
        {"tokens": "a b", "tags": ["O", "O"]},
    )
    assert task().faults(rows) == {
        1: "2 tokens and 1 tags",
        2: "no list of tokens in the column 'tokens'",
        3: "no list of tokens in the column 'tokens'",
    }
    with pytest.raises(CheckError) as error:
        task().prepare(rows, what="train")
    assert "t.jsonl:2" in str(error.value)
    with pytest.raises(UsageError) as error:
        task().prepare(rows_of({"words": ["a"], "ner": ["O"]}), what="train")
    assert "neither tokens with tags nor a text with spans" in str(error.value)
    assert "columns: words, ner" in str(error.value)
    with pytest.raises(CheckError, match="no train row has a span"):
        task().prepare(rows_of({"tokens": ["a"], "tags": ["O"]}), what="train")
    with pytest.raises(CheckError, match="a type that no train row has \\('y'\\)"):
        task().prepare(rows_of({"tokens": ["a"], "tags": ["B-y"]}), what="test", labels=("x",))


def test_what_a_careful_person_is_told() -> None:
    made = task()
    ready = made.prepare(rows_of({"text": "unbelievable", "spans": [[2, 9, "root"]]}), what="train")
    assert [finding["code"] for finding in made.findings(ready)] == ["rare-type", "span-inside-word"]


def test_repaired_tags_are_counted_and_told_with_their_rows() -> None:
    made = task()
    rows = rows_of(
        {"tokens": ["a", "b", "c"], "tags": ["B-x", "O", "I-x"]},
        {"tokens": ["a", "b"], "tags": ["I-x", "I-x"]},  # the other rows begin each span with B
        {"tokens": ["a", "b", "c", "d"], "tags": ["I-x", "B-x", "I-y", "I-x"]},
    )
    found = made.findings(made.prepare(rows, what="train").select([1]))
    assert found[0]["code"] == "illegal-tags"
    assert str(found[0]["message"]).startswith("3 train rows with 5 tags that cannot stand")
    assert found[0]["rows"] == ["t.jsonl:1", "t.jsonl:2", "t.jsonl:3"]
    with pytest.raises(CheckError, match="a tag that cannot stand there"):
        task(illegal="refuse").prepare(rows, what="train")


def test_schemes_in_which_spans_begin_with_i_have_nothing_to_repair() -> None:
    """IOB1, where B stands between neighbours of one type alone, and IO."""
    rows = rows_of(
        {"tokens": list("abcd"), "tags": ["I-x", "B-x", "I-y", "O"]}, {"tokens": ["a", "b"], "tags": ["I-x", "I-x"]}
    )
    ready = task(illegal="refuse").prepare(rows, what="train")
    assert ready.gold == ([[0, 1, "x"], [2, 3, "x"], [4, 5, "y"]], [[0, 3, "x"]])
    assert not ready.remarks


def test_inputs_are_texts_tokens_or_rows() -> None:
    made = task()
    assert made.inputs(["pay now"]) == made.inputs([{"text": "pay now"}]) == made.inputs([{"tokens": ["pay", "now"]}])
    assert made.inputs([""]) == [["", []]]
    for wrong in ([{"other": 1}], [7], "one text"):
        with pytest.raises(TailorError):
            made.inputs(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["features", "head", "full"])
def test_tags_are_learnt_kept_and_answered_alike(part: str, base: Base, tmp_path: Path) -> None:
    changes = {"part": part} | ({"lr": 0.003} if part == "full" else {})
    recipe = validate(
        {
            "name": "x",
            "base": str(base("bert", "mean", hidden_dropout_prob=0.0)),
            "task": "tag",
            "stages": [{"weights": changes, "train": {"epochs": 16}}],
        },
        Recipe,
    )
    made = recipe.task.make()
    train, test = made.prepare(tagged(40), what="train"), made.prepare(tagged(15, 90), what="test")
    fitted = fit(recipe, train, test)
    assert fitted.score is not None
    assert fitted.score.value > (0.85 if part == "full" else 0.4), "random words through a random body say little"
    rows = [dict(row.values) for row in tagged(5, 200)] + [{"text": ""}, {"text": "pay 😀"}]
    answers = fitted.adaptation.predict(rows)
    fitted.adaptation.save(tmp_path / "kept")
    again = Adaptation.load(tmp_path / "kept").predict(rows)
    assert [answer.value for answer in answers] == [answer.value for answer in again]
    assert [answer.confidence for answer in answers] == [answer.confidence for answer in again]
    assert answers[5].value == []
    for one in answers[:3]:
        together = fitted.adaptation.predict([rows[answers.index(one)]])[0]
        assert together.value == one.value


def test_a_long_word_is_read_once_and_windows_without_a_word_are_left_out() -> None:
    """A sign that goes on for pages (a link, a hash) fills windows in which no word begins: nothing is learnt there."""
    made = task(max_length=16, stride=2)
    rows = rows_of({"text": "pay " + "x" * 200 + " tax", "spans": [[0, 3, "money"]]}, {"text": "\u200b", "spans": []})
    ready = made.prepare(rows, what="train")
    readings = made.read(tokenizer("qwen"), ready.inputs, 16)
    assert len(readings) > 1
    assert all(readings.sizes)
    assert sorted(
        word for row, places in zip(readings.rows, readings.detail, strict=True) if row == 0 for word in places
    ) == [0, 1, 2]
    nothing = made.read(tokenizer("bert"), made.inputs([""]), 16)
    assert len(nothing) == 0
    assert made.decode([], nothing, made.inputs([""]), ["x"]).values == [[]]


def test_label_names_alone_are_no_way_to_tag(base: Base) -> None:
    recipe = validate({"name": "x", "base": str(base("bert", "mean")), "task": "tag", "context": "instruction"}, Recipe)
    rows = recipe.task.make().prepare(tagged(12), what="train")
    with pytest.raises(TailorError, match="label names alone cannot answer"):
        fit(recipe, rows)
