"""What a run says of its answers besides their scores: faults, what was shown and cited, how good the search was, what was paid."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tailorlm.context.index import Gold, PassageIndex, bearing, gold_places, score_index
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.core.atomic import write_bytes
from tailorlm.evaluation.intervals import interval_of_mean
from tailorlm.models.hosted import Hosted
from tailorlm.models.resolve import adaptation_folder
from tailorlm.recipes.adaptation import Answering
from tailorlm.recipes.answering.stepping import StepsAnswering
from tailorlm.recipes.answering.writing import WriteAnswering, shown_by
from tailorlm.recipes.contents import contents
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, Examples

DETAILS = "details.jsonl"
# Where rows name no document, each answer is looked for in every passage; so many rows tell enough.
LOOKED_FOR = 300


def recipe_key(recipe: Recipe) -> str:
    """The recipe's key, with what it names by where it lies (index, tuned encoder, teacher, files of texts and rows) named by what it holds.

    Raises TailorError where there is no such index, or an encoder that is none.
    """
    if recipe.steps:
        whole = recipe.changed(
            {f"steps.{i}.recipe.name": recipe_key(step.recipe) for i, step in enumerate(recipe.steps)}
        )
        return whole.key
    named = contents(recipe)
    shown = shown_by(recipe) if recipe.written else None
    if shown is not None and shown.passages:
        named["context.passages"] = PassageIndex(shown.passages).fingerprint
    if shown is not None and shown.encoder is not None and adaptation_folder(shown.encoder.model) is not None:
        named["context.encoder.model"] = Encoder(shown.encoder).fingerprint
    if not named:
        return recipe.key
    return hashlib.sha256(json.dumps([recipe.key_without(named), named], sort_keys=True).encode()).hexdigest()


def shown_facts(answering: Answering) -> dict[str, Any] | None:
    """What the prompts depend on, for the record; None where a head answers. Of steps by name."""
    if isinstance(answering, StepsAnswering):
        return {step.name: shown_facts(part.answering) for step, part in answering.named()}
    return answering.prompter.fingerprints() if isinstance(answering, WriteAnswering) else None


def counted(answers: Answers) -> dict[str, Any]:
    """What became of the rows: `rows`, `faults` by kind, `unfinished`, `cut` prompts, those without room for all examples and passages
    (`left_out`), `ungrounded` citations, `kept` from before, mean tokens and examples; of answers that are lists the `unread` ones, and
    their items that were `invented` or are `unknown`; of numbers those that are none (`no_number`) or lie `outside` the range."""
    found: dict[str, Any] = {"rows": len(answers.values)}
    told = answers.detail
    faults = Counter(str(one["fault"]) for one in told if one.get("fault"))
    found |= {"faults": dict(faults.most_common())} if faults else {}
    unfinished = sum(one.get("finished") is False and not one.get("fault") for one in told)
    cut = sum(bool(one.get("cut")) for one in told)
    ungrounded = sum(bool(one.get("ungrounded")) for one in told)
    kept = sum(any(said.get("kept") for _, said in _by_step(one)) for one in told)
    left_out = sum(bool(one.get("left_out")) for one in told)
    named = {"unfinished": unfinished, "cut": cut, "left_out": left_out, "ungrounded": ungrounded, "kept": kept}
    named |= {
        name: sum(int(one.get(name, 0)) for one in told)
        for name in ("unread", "invented", "unknown", "no_number", "outside")
    }
    found |= {name: count for name, count in named.items() if count}
    for name in ("tokens_in", "tokens_out", "examples"):
        values = [one[name] for one in told if name in one]
        found |= {name: round(sum(values) / len(values), 1)} if values else {}
    return found


def seconds_per_row(answering: Answering, answers: Answers, seconds: float) -> float:
    """What a row takes to answer. seconds: that passed here; an endpoint's answer kept from before counts what it took then, not what reading it
    takes, and a row of which that is not known is left out."""
    parts = list(answering.named()) if isinstance(answering, StepsAnswering) else []
    wide = {step.name: _parallel(part.answering) for step, part in parts}
    own, unknown = _parallel(answering), 0
    for one in answers.detail:
        kept = [(said, wide.get(name, own)) for name, said in _by_step(one) if said.get("kept")]
        if any(said.get("kept_seconds") is None for said, _ in kept):
            unknown += 1
            continue
        seconds += sum(said["kept_seconds"] / parallel for said, parallel in kept)
    return seconds / max(1, len(answers.values) - unknown)


def _parallel(answering: Answering) -> int:
    return answering.model.remote.endpoint.parallel if isinstance(answering.model, Hosted) else 1


def _by_step(detail: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """What stands behind an answer, step by step; one without a name where there are no steps."""
    return list(detail["steps"].items()) if "steps" in detail else [("", detail)]


def price(answering: Answering, answers: Answers) -> float:
    """What 1,000 such rows cost by the endpoint's prices, whether or not answers had been kept from before; 0 on this machine."""
    if isinstance(answering, StepsAnswering):
        return sum(_price_of_step(step.name, part.answering, answers) for step, part in answering.named())
    if not isinstance(answering.model, Hosted) or not answers.values:
        return 0.0
    totals = [sum(one.get(name, 0) for one in answers.detail) for name in ("tokens_in", "tokens_out")]
    return answering.model.price(*totals) * 1000 / len(answers.values)


def _price_of_step(name: str, answering: Answering, answers: Answers) -> float:
    """What a step's answers to 1,000 rows cost, those rows counted in that never come to it."""
    told = [one["steps"].get(name, {}) for one in answers.detail]
    return price(answering, Answers([None] * len(told), None, None, told))


def write_details(folder: Path, ids: Sequence[str], answers: Answers) -> None:
    """Keep what stands behind each answer (tokens, faults, passages shown, citations) as `details.jsonl` beside the predictions."""
    lines = [json.dumps({"id": name, **one}, ensure_ascii=False) for name, one in zip(ids, answers.detail, strict=True)]
    # A lone surrogate cannot be written as UTF-8, but JSON has an escape for it: \udXXX.
    write_bytes(folder / DETAILS, ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))


def read_details(folder: Path) -> list[dict[str, Any]]:
    """What `write_details` wrote; empty where nothing was."""
    path = folder / DETAILS
    if not path.is_file():
        return []
    # Not `splitlines`: it also ends lines at signs that an answer may hold (U+2028, U+0085).
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def retrieval(answering: Answering, test: Examples, answers: Answers, level: float = 0.95) -> dict[str, Any] | None:
    """How good the search for passages is on these rows, whatever was answered; None where none are shown.

    Right passages are those that the rows name (`document`, `span`), else those that hold the answer word for word. `by` says which;
    `rows` were scored, for `without` no right passage is known. `scores`: their means, `intervals`: of these, over the questions.
    """
    if isinstance(answering, StepsAnswering):
        return _retrieval_of_steps(answering, test, answers, level)
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
        found = bearing(index, [gold if isinstance(gold, str) else "" for gold in test.gold[:LOOKED_FOR]])
    kept = [(question, passages) for question, passages in zip(questions, found) if passages and question.strip()]
    said = {"by": by, "k": settings.k, "rows": len(kept), "without": len(found) - len(kept)}
    if not kept:
        return said | {"scores": {}}
    gold = Gold(tuple(question for question, _ in kept), tuple(passages for _, passages in kept))
    measured = {
        name: interval_of_mean(values, level=level) for name, values in score_index(index, gold, settings).items()
    }
    means = {name: round(one.value, 6) for name, one in measured.items()}
    intervals = {name: [round(one.low, 6), round(one.high, 6)] for name, one in measured.items()}
    return said | {"scores": means, "level": level, "intervals": intervals}


def _retrieval_of_steps(
    answering: StepsAnswering, test: Examples, answers: Answers, level: float
) -> dict[str, Any] | None:
    """The search of the first step that shows passages, on the rows that came to it."""
    for reached in answering.reached(test.inputs, answers):
        own = reached.part.answering
        if isinstance(own, WriteAnswering) and own.prompter.index is not None and reached.index:
            asked = tuple(own.task.inputs(reached.columns))
            return retrieval(own, replace(test.select(reached.index), inputs=asked), answers, level)
    return None
