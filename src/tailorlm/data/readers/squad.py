"""SQuAD: articles of paragraphs with questions, as question-answering sets are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tailorlm.core.errors import TailorError
from tailorlm.data.json_document import JsonDocument
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source


def read_squad(source: Source) -> Iterator[Row | BadRow]:
    """A row for each question: `id`, `question`, `context`, `answers`, `title`; further keys of the question as they are.

    answers: a list of `{"text", "answer_start"}` (empty: the context holds none). A question whose answer does not stand
    at its offset in the context is a bad row. A row's line is that of its article.
    Raises TailorError for broken JSON, and when nothing in the file has the form of SQuAD.
    """
    found = False
    for article in JsonDocument(source.name, source.text()).rows():
        if isinstance(article, BadRow):
            yield article
            continue
        paragraphs = article.values.get("paragraphs")
        if not isinstance(paragraphs, list):
            yield BadRow(source.name, article.line, "an article without a list 'paragraphs'", _raw(article.values))
            continue
        for number, paragraph in enumerate(paragraphs, 1):
            for row in _questions(article, number, paragraph):
                found = True
                yield row
    if not found:
        raise TailorError(
            f"{source.name} holds no question in the form of SQuAD",
            allowed='{"data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"question": …, "answers": […]}]}]}]}',
            hint="pass --format json for an array of rows",
        )


def _questions(article: Row, number: int, paragraph: Any) -> Iterator[Row | BadRow]:
    context = paragraph.get("context") if isinstance(paragraph, dict) else None
    asked = paragraph.get("qas") if isinstance(paragraph, dict) else None
    where = f"paragraph {number}"
    if not isinstance(context, str) or not isinstance(asked, list):
        yield BadRow(article.source, article.line, f"{where} has no text 'context' and list 'qas'", _raw(paragraph))
        return
    title = article.values.get("title")
    for i, question in enumerate(asked, 1):
        fault = _fault(question, context)
        if fault:
            yield BadRow(article.source, article.line, f"{where}, question {i}: {fault}", _raw(question))
            continue
        more = {key: value for key, value in question.items() if key not in ("id", "question", "answers")}
        values = {"id": question["id"]} if "id" in question else {}
        values |= {"question": question["question"], "context": context, "answers": question.get("answers", [])}
        values |= {"title": title} if title is not None else {}
        yield Row(
            values | {key: value for key, value in more.items() if key not in values}, article.source, article.line
        )


def _fault(question: Any, context: str) -> str | None:
    if not isinstance(question, dict) or not isinstance(question.get("question"), str):
        return "it has no text 'question'"
    answers = question.get("answers", [])
    if not isinstance(answers, list):
        return "its 'answers' are no list"
    for i, answer in enumerate(answers, 1):
        fault = answer_fault(answer, context)
        if fault:
            return f"answer {i} {fault}"
    return None


def _raw(value: Any) -> str:
    return json.dumps(value)


def answer_fault(answer: Any, context: str) -> str | None:
    """What is wrong with one answer (`text`, `answer_start` in characters), or None; never tells the texts."""
    text = answer.get("text") if isinstance(answer, dict) else None
    start = answer.get("answer_start") if isinstance(answer, dict) else None
    if not isinstance(text, str) or not isinstance(start, int) or isinstance(start, bool):
        return "has no 'text' with an 'answer_start'"
    if start < 0 or context[start : start + len(text)] != text:
        at = context.find(text)
        return f"does not stand at {start} of its context" + (f" (but at {at})" if at >= 0 else "")
    return None
