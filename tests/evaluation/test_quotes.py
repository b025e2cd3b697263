"""Exact match and token F1 of quoted answers: by hand, and against the definition of SQuAD's scripts said another way."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import Any

import numpy as np
import pytest

from tailorlm.core.errors import TailorError
from tailorlm.evaluation import compare
from tailorlm.evaluation.contract import check_kind
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics import fits, metric_of, metrics
from tailorlm.evaluation.predictions import Predictions

# Words in every script, and what the normalisation must and must not touch.
PIECES = (
    "the", "The", "a", "An", "an", "theory", "cat", "cat's", "Cat.", "1,000", "1000", "東京", "東", "京都。", "👩‍🚀", "😀", "😀!", "é", "e\u0301",
    "-", "...", "“the”", "U.S.", "us", "\u00a0", "\u3000", "naïve", "the-cat", "ÄRGER", "ß", "a\u0301", "_", "İ",
)  # fmt: skip
PUNCTUATION = {chr(code) for code in range(33, 127) if unicodedata.category(chr(code))[0] in "PS"}


def quotes(gold: list[list[str]], predicted: list[str | None]) -> Predictions:
    golds = tuple([{"text": text, "start": 0} for text in some] for some in gold)
    answers = tuple(None if text is None else {"text": text, "start": 0 if text else None} for text in predicted)
    return Predictions(tuple(map(str, range(len(gold)))), golds, answers, (), None, "quote")


def texts(gold: list[list[str]], predicted: list[str | None]) -> Predictions:
    return Predictions(tuple(map(str, range(len(gold)))), tuple(gold), tuple(predicted), (), None, "text")


def value(name: str, predictions: Predictions) -> float:
    return metric_of(name).evidence(predictions).score()


def words(text: str) -> list[str]:
    """A text's words as SQuAD counts them: character by character where the scripts use expressions."""
    kept = [char for char in text.lower() if char not in PUNCTUATION]
    runs = ["".join(run) for _, run in itertools.groupby(kept, lambda char: bool(re.match(r"\w", char)))]
    return "".join(" " if run in ("a", "an", "the") else run for run in runs).split()


def squad(gold: list[str], answer: str) -> tuple[float, float]:
    """Exact match and F1 of one question: of the answers with words the best, of none the empty one (SQuAD 2.0)."""
    wanted = [words(text) for text in gold if words(text)] or [[]]
    got, f1 = words(answer), 0.0
    for one in wanted:
        left = list(one)
        hits = sum(1 for word in got if word in left and (left.remove(word), True)[1])
        if not one or not got:
            f1 = max(f1, float(one == got))
        elif hits:
            precision, recall = hits / len(got), hits / len(one)
            f1 = max(f1, 2 * precision * recall / (precision + recall))
    return float(got in wanted), f1


def drawn(rng: np.random.Generator) -> str:
    return str(rng.choice([" ", "  ", ""])).join(str(piece) for piece in rng.choice(PIECES, int(rng.integers(0, 5))))


def test_metrics_are_those_of_squad_on_200_random_cases() -> None:
    rng = np.random.default_rng(0)
    seen = {"no answer": 0, "right": 0, "partly": 0}
    for _ in range(200):
        rows = int(rng.integers(1, 8))
        gold = [[drawn(rng) for _ in range(int(rng.integers(0, 4)))] for _ in range(rows)]
        answers = [str(rng.choice(some)) if some and rng.random() < 0.4 else drawn(rng) for some in gold]
        expected = [squad(some, answer) for some, answer in zip(gold, answers, strict=True)]
        for predictions in (quotes(gold, answers), texts([some or [""] for some in gold], answers)):
            for place, name in enumerate(("exact_match", "token_f1")):
                assert value(name, predictions) == pytest.approx(np.mean([pair[place] for pair in expected]), abs=1e-12)
        seen["no answer"] += sum(not some for some in gold)
        seen["right"] += sum(exact == 1 for exact, _ in expected)
        seen["partly"] += sum(0 < f1 < 1 for _, f1 in expected)
    assert min(seen.values()) > 30, seen


def test_values_by_hand() -> None:
    assert value("token_f1", quotes([["the cat sat"]], ["a cat"])) == pytest.approx(2 * (1 / 1) * (1 / 2) / (1 + 1 / 2))
    assert value("exact_match", quotes([["Saint-Denis", "St. Denis"]], ["saintdenis!"])) == 1.0
    assert value("exact_match", quotes([[], []], ["", "something"])) == 0.5
    assert value("token_f1", quotes([["..."], ["x"]], ["", ""])) == 0.5, "gold without a word is no answer"
    assert value("token_f1", quotes([["x"], []], [None, None])) == 0.0, "nothing came is no answer either"


def test_metrics_of_texts_score_quotes_and_no_other_does() -> None:
    of_texts = [name for name in metrics if fits(metric_of(name), "quote")]
    assert of_texts == ["exact_match", "token_f1"]
    assert {"bleu", "rouge_l"} <= {name for name in metrics if fits(metric_of(name), "text")}, "of whole texts alone"
    some = [["the red fox sat down"], []], ["a red fox sat down", ""]
    for name in of_texts:
        assert value(name, quotes(*some)) == value(name, texts([some[0][0], [""]], some[1])), name
    with pytest.raises(TailorError, match="scores answers of the kind 'label'"):
        compare("accuracy", {"x": [quotes([["a b"]], ["b"])]})
    check_kind("quote")


def test_tables_tell_rows_with_and_without_an_answer_apart() -> None:
    some = quotes([["red fox"], ["blue"], [], []], ["red fox", "green", "", "sky"])
    left = dict(some.predicted[1]) | {"start": None}
    some = Predictions(some.ids, some.gold, (some.predicted[0], left, *some.predicted[2:]), (), None, "quote")
    assert kind_of("quote").tables(some)["quotes"] == [
        {"rows_with": "an answer", "n": 2, "quoted": 1, "not_in_text": 1, "no_answer": 0, "exact_match": 0.5, "token_f1": 0.5},
        {"rows_with": "no answer", "n": 2, "quoted": 1, "not_in_text": 0, "no_answer": 1, "exact_match": 0.5, "token_f1": 0.5},
    ]  # fmt: skip


def test_answers_are_shown_on_a_line() -> None:
    shown = kind_of("quote").shown
    assert shown({"text": "two\nlines", "start": 3}) == "two lines"
    assert shown({"text": "two", "start": None}) == "two (not in the text)"
    assert shown({"text": "", "start": None}) == shown([]) == "(no answer)"
    assert shown(None) == "(nothing came)"
    marks = kind_of("quote").marks  # type: ignore[attr-defined]
    assert marks([{"text": "red", "start": 3}, {"text": "fox", "start": None}]) == [[3, 6, "answer"]]
    assert marks({"text": "red", "start": 0}) == [[0, 3, "answer"]]
    assert marks(None) == marks({"text": "", "start": None}) == []


@pytest.mark.parametrize(
    "wrong",
    ["red", {"text": "red"}, {"text": 1, "start": 0}, {"text": "red", "start": -1}, [{"text": "x", "start": True}]],
)
def test_what_is_no_quote_is_named(wrong: Any) -> None:
    with pytest.raises(TailorError, match="quote of row 0"):
        Predictions(("a",), ([],), (wrong,), (), None, "quote")
