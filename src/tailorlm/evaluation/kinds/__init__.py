"""Kinds of answers: what a prediction can be. One file a kind, one line in the table.

Scoring knows an answer only by its kind: what is well-formed, what is right, how a person is shown it, and which tables
say more than a score. Answers are plain values as JSON has them, so that a file of predictions needs nothing of ours to be read.
"""

from __future__ import annotations

from tailorlm.core.registry import Registry
from tailorlm.evaluation.kinds._base import AnswerKind

TABLE = {
    "label": "tailorlm.evaluation.kinds.label:Label",
    "labels": "tailorlm.evaluation.kinds.labels:Labels",
    "number": "tailorlm.evaluation.kinds.number:Number",
    "quote": "tailorlm.evaluation.kinds.quote:Quote",
    "ranking": "tailorlm.evaluation.kinds.ranking:Ranking",
    "spans": "tailorlm.evaluation.kinds.spans:Spans",
    "surprise": "tailorlm.evaluation.kinds.surprise:Surprise",
    "text": "tailorlm.evaluation.kinds.text:Text",
}

kinds = Registry("kind of answer", TABLE, "tailorlm.kinds")


def kind_of(name: str) -> AnswerKind:
    """The kind itself, for its registered name; an unknown name is a UsageError with near misses."""
    found: AnswerKind = kinds.get(name)()
    return found


__all__ = ["TABLE", "AnswerKind", "kind_of", "kinds"]
