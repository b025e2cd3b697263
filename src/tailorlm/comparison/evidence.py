"""What a run says of its answers besides their scores: faults, what was shown and cited, how good the search was, what was paid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tailorlm.context.index import Gold, PassageIndex, bearing, gold_places, score_index
from tailorlm.core.atomic import write_text
from tailorlm.models.hosted import Hosted
from tailorlm.recipes.answering import HeadAnswering
from tailorlm.recipes.reading import ReadAnswering
from tailorlm.recipes.schema import Recipe
from tailorlm.recipes.writing import WriteAnswering, shown_by
from tailorlm.tasks.base import Answers, Examples

DETAILS = "details.jsonl"
# Where rows name no document, each answer is looked for in every passage; so many rows tell enough.
LOOKED_FOR = 300
Answering = HeadAnswering | WriteAnswering | ReadAnswering


def recipe_key(recipe: Recipe) -> str:
    """The recipe's key, with the index that it shows passages of named by what it holds, not by where it lies.

    Raises TailorError where there is no such index.
    """
    shown = shown_by(recipe) if recipe.written else None
    if shown is None or not shown.passages:
        return recipe.key
    return recipe.changed({"context.passages": PassageIndex(shown.passages).fingerprint}).key


def shown_facts(answering: Answering) -> dict[str, Any] | None:
    """What the prompts depend on, for the record; None where a head answers."""
    return answering.prompter.fingerprints() if isinstance(answering, WriteAnswering) else None


def counted(answers: Answers) -> dict[str, Any]:
    """What became of the rows: `rows`, `faults` by kind, `unfinished`, `cut` prompts, `ungrounded` citations, mean tokens in and out; of
    answers that are lists the `unread` ones, and their items that were `invented` or are `unknown`."""
    found: dict[str, Any] = {"rows": len(answers.values)}
    told = answers.detail
    faults = Counter(str(one["fault"]) for one in told if one.get("fault"))
    found |= {"faults": dict(faults.most_common())} if faults else {}
    unfinished = sum(one.get("finished") is False and not one.get("fault") for one in told)
    cut = sum(bool(one.get("cut")) for one in told)
    ungrounded = sum(bool(one.get("ungrounded")) for one in told)
    named = {"unfinished": unfinished, "cut": cut, "ungrounded": ungrounded}
    named |= {name: sum(int(one.get(name, 0)) for one in told) for name in ("unread", "invented", "unknown")}
    found |= {name: count for name, count in named.items() if count}
    for name in ("tokens_in", "tokens_out"):
        values = [one[name] for one in told if name in one]
        found |= {name: round(sum(values) / len(values), 1)} if values else {}
    return found


def price(answering: Answering, answers: Answers) -> float:
    """What 1,000 such rows cost by the endpoint's prices, whether or not answers had been kept from before; 0 on this machine."""
    if not isinstance(answering.model, Hosted) or not answers.values:
        return 0.0
    totals = [sum(one.get(name, 0) for one in answers.detail) for name in ("tokens_in", "tokens_out")]
    return answering.model.price(*totals) * 1000 / len(answers.values)


def write_details(folder: Path, ids: Sequence[str], answers: Answers) -> None:
    """Keep what stands behind each answer (tokens, faults, passages shown, citations) as `details.jsonl` beside the predictions."""
    lines = [json.dumps({"id": name, **one}, ensure_ascii=False) for name, one in zip(ids, answers.detail, strict=True)]
    write_text(folder / DETAILS, "\n".join(lines) + "\n")


def read_details(folder: Path) -> list[dict[str, Any]]:
    """What `write_details` wrote; empty where nothing was."""
    path = folder / DETAILS
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def retrieval(answering: Answering, test: Examples) -> dict[str, Any] | None:
    """How good the search for passages is on these rows, whatever was answered; None where none are shown.

    Right passages are those that the rows name (`document`, `span`), else those that hold the answer word for word. `by` says which;
    `rows` were scored, for `without` no right passage is known. `scores`: their means.
    """
    if not isinstance(answering, WriteAnswering) or answering.prompter.index is None:
        return None
    index, settings = answering.prompter.index, answering.shown.search
    questions = [answering.task.ask(value).text for value in test.inputs]
    if test.sources:
        by = "document"
        wanted = [gold_places(index, source.get("document"), source.get("span")) for source in test.sources]
        found = [passages if isinstance(passages, frozenset) else frozenset() for passages in wanted]
    else:
        by = "answer"
        answers = [gold if isinstance(gold, str) else "" for gold in test.gold[:LOOKED_FOR]]
        found = bearing(index, answers)
    kept = [(question, passages) for question, passages in zip(questions, found) if passages and question.strip()]
    said = {"by": by, "k": settings.k, "rows": len(kept), "without": len(found) - len(kept)}
    if not kept:
        return said | {"scores": {}}
    gold = Gold(tuple(question for question, _ in kept), tuple(passages for _, passages in kept))
    scores = score_index(index, gold, settings)
    return said | {"scores": {name: round(float(values.mean()), 6) for name, values in scores.items()}}
