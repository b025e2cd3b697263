"""The best prompt for a recipe's model, by trying wordings with and without examples on validation rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import asdict
from typing import Any

from tailorlm.context.prompt import Candidate, Prompt, Prompter, TaskWords, optimise, propose
from tailorlm.evaluation.metrics import Metric
from tailorlm.recipes.answering.head import predictions_of
from tailorlm.recipes.answering.writing import WriteAnswering
from tailorlm.tasks.base import Answers, Examples
from tailorlm.training.job import Listener

Asked = tuple[Prompt, Any]
"""The prompt of a row, and the input that it was made of."""
WORDINGS = 5
"""Wordings that are tried at most: the recipe's own, none at all where rows say what is asked, and proposed ones."""


def optimised(
    answering: WriteAnswering, rows: Examples, validation: Examples, metric: Metric, seed: int, listen: Listener
) -> dict[str, Any]:
    """Settings of the best prompt, as dotted keys of the recipe: its instruction, and examples or none. `answering` goes on with it.

    Every wording is tried alone and with the recipe's examples, by successive halving within `optimise` prompts; the same seed and model give
    the same prompt. Raises CheckError for validation rows that are test rows, UsageError for a budget that does not pay a row for each.
    """
    if rows.held_out is not None:
        bad = [name for name, text in zip(validation.ids, validation.texts, strict=True) if rows.held_out.holds(text)]
        if bad:
            raise rows.held_out.fault(bad, "validation row")
    tried = {name: _made(answering, prompter, validation) for name, prompter in _variants(answering, rows).items()}
    candidates = [Candidate(name, prompts.__getitem__, cost) for name, (_, prompts, cost) in tried.items()]

    def ask(asked: Sequence[Asked]) -> list[str | None]:
        # The search carries texts; what the task hears is scored as it is.
        values = answering.answers_to([prompt for prompt, _ in asked], [given for _, given in asked]).values
        return [None if value is None else json.dumps(value) for value in values]

    def score(answers: Sequence[str], places: Sequence[int]) -> float:
        values = [json.loads(answer) if answer else None for answer in answers]
        predictions = predictions_of(answering.task, validation.select(places), Answers(values), answering.labels)
        value = metric.evidence(predictions).score()
        return value if metric.higher_is_better else -value

    best = optimise(candidates, len(validation), ask, score, budget=answering.shown.optimise, seed=seed)
    chosen = tried[best.winner][0]
    listen({"event": "optimised", **{k: v for k, v in asdict(best).items() if k != "trials"}})
    answering.prompter = chosen
    part = chosen.settings.examples
    return {
        "context.instruction": chosen.instruction,
        "context.examples": part.plain() if part is not None else None,
        "context.optimise": 0,
    }


def _variants(answering: WriteAnswering, rows: Examples) -> dict[str, Prompter]:
    """Prompters by name: every wording, without and with the recipe's examples."""
    own, shown = answering.prompter, answering.shown
    told = answering.task.told(rows.labels) or {"kind": "generate"}
    wordings = [
        own.instruction,
        *([] if rows.labels else [""]),
        *propose(TaskWords(**told, passages=bool(shown.passages))),
    ]
    found = {}
    for number, wording in enumerate(list(dict.fromkeys(wordings))[:WORDINGS], 1):
        for name, part in {"no examples": None, "its examples": shown.examples}.items():
            if name == "its examples" and own.store is None:
                continue
            one = copy(own)
            one.instruction, one.settings = wording, own.settings.with_(instruction=wording, examples=part)
            found[f"wording {number}, {name}"] = one
    return found


def _made(answering: WriteAnswering, prompter: Prompter, validation: Examples) -> tuple[Prompter, list[Asked], float]:
    """The prompter, what it asks of each validation row, and what that costs: enough to prefer the shorter of equals."""
    prompts = answering.prompted(validation.inputs, validation.ids, prompter)
    cost = sum(one.tokens for one in prompts) / max(1, len(prompts)) + len(prompter.instruction) / 4
    return prompter, list(zip(prompts, validation.inputs, strict=True)), cost
