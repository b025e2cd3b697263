"""`text`: free text, written by a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions

LONGEST = 300


class Text:
    """A text, or None where none came (an endpoint that failed, JSON that broke off). Gold is a text, or a list of texts of which any is right."""

    name = "text"

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """A string, None, or for gold a list of strings."""
        if value is None or isinstance(value, str):
            return None
        fits = isinstance(value, list | tuple) and value and all(isinstance(text, str) for text in value)
        return None if fits else "neither a text nor a list of texts"

    def right(self, gold: Any, predicted: Any) -> bool:
        """Equal to a gold text but for case, punctuation, articles and white space; None never is."""
        from tailorlm.evaluation.metrics._text import plain, worded

        return predicted is not None and plain(predicted) in {plain(text) for text in worded(gold)}

    def shown(self, value: Any) -> str:
        """The text on one line, cut where it is long; of several the first."""
        if value is None:
            return "(no answer)"
        text = " ".join((value if isinstance(value, str) else value[0]).split())
        return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """None: answers are shown side by side instead."""
        return {}

    def cases(self) -> Iterator[Predictions]:
        """One row, empty texts, no answers, several golds, all right, all wrong, half right."""
        yield _predictions(["The cat sat."], ["the cat sat"])
        yield _predictions(["a b c"], ["x y z"])
        yield _predictions([["two", "2"], "東京"], ["2", "東京"])
        yield _predictions(["red", "blue sky"], [None, ""])
        yield _predictions(["red fox", "blue sky", "one two three"] * 4, ["red", "sky blue", "four three two one"] * 4)


def _predictions(gold: list[Any], predicted: list[Any]) -> Predictions:
    from tailorlm.evaluation.predictions import Predictions

    ids = tuple(f"row {i}" for i in range(len(gold)))
    return Predictions(ids, tuple(gold), tuple(predicted), (), None, "text")
