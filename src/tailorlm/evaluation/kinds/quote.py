"""`quote`: a stretch of the text that was asked about, or word that it holds no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

NO_ANSWER = "(no answer)"
LONGEST = 300


class Quote:
    """`{"text", "start"}`: words, and the character at which they stand in the text that was asked about.

    An answer with an empty text says that there is none; one without a start (None) does not stand in the text, as a model that writes may
    answer; None is nothing at all. Gold is a list of such stretches, of which any is right; an empty one says that there is no answer.
    Scored by its words, as the kind `text` is.
    """

    name = "quote"
    scored_as = "text"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """One stretch or None, for gold a list of stretches."""
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is None and one is value:
                continue
            if not isinstance(one, dict) or set(one) != {"text", "start"} or not isinstance(one["text"], str):
                return "not made of a text and its start"
            if one["start"] is not None and (type(one["start"]) is not int or one["start"] < 0):
                return "a text with a start that is no place"
        return None

    def right(self, gold: Any, predicted: Any) -> bool:
        """The words of a right answer, wherever they stand, but for case, punctuation, articles and white space; None never is."""
        from tailorlm.evaluation.metrics._text import plain, said, worded

        answer = said(predicted)
        return answer is not None and plain(answer) in {plain(text) for text in worded(gold)}

    def shown(self, value: Any) -> str:
        """The words on one line, cut where they are long; of several the first; an answer that does not stand in the text says so."""
        one = (value[0] if value else {"text": "", "start": None}) if isinstance(value, list | tuple) else value
        if one is None:
            return "(nothing came)"
        text = " ".join(str(one["text"]).split())
        if not text:
            return NO_ANSWER
        short = text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"
        return short if one["start"] is not None else f"{short} (not in the text)"

    def marks(self, value: Any) -> list[list[Any]]:
        """Where they stand: `[start, end, "answer"]` each."""
        some = value if isinstance(value, list | tuple) else [value]
        placed = [one for one in some if one is not None and one["start"] is not None and one["text"]]
        return [[one["start"], one["start"] + len(one["text"]), "answer"] for one in placed]

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """`quotes`: rows with an answer and rows without, what was answered to them, and how they score."""
        return {"quotes": [row for held in (True, False) if (row := _group(predictions, held)) is not None]}

    def cases(self) -> Iterator[Predictions]:
        """One row, no answers, answers that do not stand in the text, nothing at all, several golds, all right, all wrong."""
        yield _predictions([[("The cat sat.", 3)]], [("the cat sat", 3)])
        yield _predictions([[("a b c", 0)]], [("x y z", 9)])
        yield _predictions([[("two", 1), ("2", 9)], [("東京", 0)], []], [("2", 9), ("東京", 0), ("", None)])
        yield _predictions([[("red", 0)], [], [("blue sky", 4)]], [None, ("sky", 2), ("", None)])
        golds = [[("red fox", 0)], [("blue sky", 3)], []] * 4
        yield _predictions(golds, [("red", 0), ("sky blue", None), ("", None)] * 4)


def _group(predictions: Predictions, held: bool) -> dict[str, Any] | None:
    from tailorlm.evaluation.metrics._text import best_match, plain, said, shared_words, worded

    pairs = [(g, p) for g, p in zip(predictions.gold, predictions.predicted) if (worded(g) != [""]) == held]
    if not pairs:
        return None
    answers = Counter(
        "none" if one is None or not one["text"].strip() else "in the text" if one["start"] is not None else "elsewhere"
        for _, one in pairs
    )
    scores = {
        name: round(sum(best_match(worded(g), said(p), score) for g, p in pairs) / len(pairs), 6)
        for name, score in (
            ("exact_match", lambda gold, answer: float(plain(gold) == plain(answer))),
            ("token_f1", shared_words),
        )
    }
    return {
        "rows_with": "an answer" if held else "no answer",
        "n": len(pairs),
        "quoted": answers["in the text"],
        "not_in_text": answers["elsewhere"],
        "no_answer": answers["none"],
        **scores,
    }


def _predictions(gold: list[Any], predicted: list[Any]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(gold)))
    golds = tuple([dict(zip(("text", "start"), one, strict=True)) for one in some] for some in gold)
    answers = tuple(one and dict(zip(("text", "start"), one, strict=True)) for one in predicted)
    return Predictions(ids, golds, answers, (), None, "quote")
