"""How good an index is, by questions of which it is known where the answer stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tailorlm.context.index.passage_index import PassageIndex
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import CheckError, UsageError, near_misses
from tailorlm.data.rankings import Values, hit_at, ndcg_at, reciprocal_rank_at
from tailorlm.data.rows import Row, Rows, as_text

KS = (1, 5, 10)


class QuestionSettings(Settings):
    """The columns of a file of questions."""

    word: ClassVar[str] = "the questions"

    question: str = setting("question", help="the column of the question", min_length=1)
    document: str = setting("document", help="the column that names the document with the answer", min_length=1)
    span: str = setting(
        "span", help="the column of words of the document that answer; without it any passage of the document will do"
    )


@dataclass(frozen=True)
class Gold:
    """Questions with the ids of the passages that answer them, any one of which is enough.

    aside: questions that could not be used, `file:line: reason` each (no such document, or its text does not hold the words).
    """

    questions: tuple[str, ...]
    passages: tuple[frozenset[str], ...]
    aside: list[str] = field(default_factory=list)


def gold_of(index: PassageIndex, rows: Rows, columns: QuestionSettings | None = None) -> Gold:
    """Find the answers' passages. A document may be named by the end of its name where that fits one alone (`a.md` for `docs/a.md`).

    The words are looked for whatever the white space between them, everywhere in the document; passages that hold them whole count, or
    where a border runs through them, those that hold the most. Raises UsageError for a missing column, CheckError when no question is left.
    """
    columns = columns or QuestionSettings()
    for name in (columns.question, columns.document):
        if name not in rows.columns:
            near = near_misses(name, rows.columns)
            hint = f"is it '{near[0]}'?" if near else None
            raise UsageError(
                f"the questions have no column '{name}'", got=f"columns: {', '.join(rows.columns)}", hint=hint
            )
    questions: list[str] = []
    passages: list[frozenset[str]] = []
    aside: list[str] = []
    for row in rows:
        found = _passages(index, row, columns)
        if isinstance(found, str):
            aside.append(f"{row.where}: {found}")
        else:
            questions.append(as_text(row.values[columns.question]))
            passages.append(found)
    if not questions:
        raise CheckError(
            "no question can be used", got=aside[0] if aside else "no rows", hint="mend the documents' names"
        )
    return Gold(tuple(questions), tuple(passages), aside)


def score_index(index: PassageIndex, gold: Gold, settings: SearchSettings) -> dict[str, Values]:
    """Scores of the search, one value a question: `recall@1`, `recall@5`, `recall@10`, `mrr@10`, `ndcg@10`, and recall at the settings' own k.

    recall counts a question as found when one of its passages is among the first k.
    """
    ks = sorted({*KS, settings.k})
    most = max(ks)
    answers = index.search(gold.questions, settings.with_(k=most))
    ranked = [[passage.id for passage in some] for some in answers]
    scores = {f"recall@{k}": hit_at(ranked, gold.passages, k) for k in ks}
    scores[f"mrr@{max(KS)}"] = reciprocal_rank_at(ranked, gold.passages, max(KS))
    scores[f"ndcg@{max(KS)}"] = ndcg_at(ranked, gold.passages, max(KS))
    return {name: np.asarray(values) for name, values in scores.items()}


def gold_places(index: PassageIndex, document: str | None, span: str | None = None) -> frozenset[str] | str:
    """The ids of the passages that answer a question, by the document that it names and words of it; or why there are none."""
    if document is None or not document.strip():
        return "no document is named"
    name = _named(index, document.strip())
    if name is None:
        return f"the index has no document of that name, or several ({document})"
    here = [index.passage(position) for position in index.positions(name)]
    if span is None or not span.strip():
        return frozenset(passage.id for passage in here)
    spans = _spans(index.text(name), span)
    if not spans:
        return "the document does not hold the words of the answer"
    places = [(passage.start, passage.end) for passage in here]
    return frozenset(here[i].id for span in spans for i in covering(places, *span))


def covering(passages: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """The passages of one document, (start, end) each, that hold the whole span `start:end`; their places in the list.

    Where a border runs through the span and no passage holds all of it, those that hold the most of it. Choose it to turn an answer's
    place in a document into gold passages. Raises UsageError for an empty span or one that no passage touches.
    """
    if end <= start:
        raise UsageError("an answer's span must not be empty", got=f"{start}:{end}")
    shared = [min(end, b) - max(start, a) for a, b in passages]
    most = max(shared, default=0)
    if most <= 0:
        raise UsageError("no passage holds any of the answer", got=f"{start}:{end}", hint="is it the same document?")
    return [i for i, size in enumerate(shared) if size == most]


def bearing(index: PassageIndex, answers: Sequence[str]) -> list[frozenset[str]]:
    """For each answer the ids of all passages that hold it whole, whatever the case and white space; none for an empty answer.

    Choose it where nobody knows which document answers. Short answers (a year, a yes) stand in passages that say nothing of the question,
    so scores by it flatter the search. Source: Chen et al. 2017 (arXiv:1704.00051).
    """
    passages = [(passage.id, _flat(passage.text)) for passage in map(index.passage, range(len(index)))]
    wanted = [_flat(answer) for answer in answers]
    return [frozenset(name for name, text in passages if one and one in text) for one in wanted]


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())


def _passages(index: PassageIndex, row: Row, columns: QuestionSettings) -> frozenset[str] | str:
    """The gold passages of one row, or why it has none."""
    question = row.values.get(columns.question)
    if question is None or not as_text(question).strip():
        return "no question"
    named = (row.values.get(name) for name in (columns.document, columns.span))
    return gold_places(index, *(None if value is None else as_text(value) for value in named))


def _named(index: PassageIndex, name: str) -> str | None:
    if name in index.entries:
        return name
    ending = [entry for entry in index.entries if entry.endswith(f"/{name}")]
    return ending[0] if len(ending) == 1 else None


def _spans(text: str, words: str) -> Sequence[tuple[int, int]]:
    pattern = r"\s+".join(map(re.escape, words.split()))
    return [found.span() for found in re.finditer(pattern, text)]
