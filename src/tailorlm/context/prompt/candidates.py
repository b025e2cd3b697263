"""Candidates for `optimise`: every wording with every set of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tailorlm.context.index import Passage
from tailorlm.context.prompt.fitting import Shown, show
from tailorlm.context.prompt.messages import Message, PromptSettings, assemble
from tailorlm.context.prompt.optimise import Candidate
from tailorlm.context.store import Example, ExampleStore, Query
from tailorlm.core.parts import Part

NO_EXAMPLES = "none"


def candidates(
    wordings: Sequence[str],
    sets: Mapping[str, Part],
    store: ExampleStore | None,
    queries: Sequence[Query],
    *,
    passages: Sequence[Sequence[Passage]] = (),
    settings: PromptSettings | None = None,
    count: Callable[[Example], int] | None = None,
    budget: int | None = None,
) -> list[Candidate[list[Message]]]:
    """One candidate for every wording and set of examples, named `wording 2, balanced`.

    wordings: instructions (`propose`, or your own). sets: names to choosers; empty for instructions alone. queries: the validation
    rows. passages: those found for each query, if any. count, budget: as in `show`. Raises CheckError when a query is one of the test
    rows that the store knows of: a prompt must not be chosen on what it is judged by.
    """
    if store is not None and store.held_out is not None:
        bad = [
            query.id or f"query {i}" for i, query in enumerate(queries) if store.held_out.holds(query.text, query.id)
        ]
        if bad:
            raise store.held_out.fault(bad, "validation row")
    shown: dict[str, list[Shown]] = {}
    if store is not None:
        shown = {name: show(part, store, queries, count=count, budget=budget) for name, part in sets.items()}
    found = passages or [()] * len(queries)
    made: list[Candidate[list[Message]]] = []
    for number, wording in enumerate(wordings, 1):
        for name, examples in (shown or {NO_EXAMPLES: [Shown((), 0, 0)] * len(queries)}).items():
            prompt = partial(_prompt, wording, queries, examples, found, settings)
            # What the counter says of the examples, and letters for the wording: enough to prefer the shorter of equals.
            cost = sum(one.tokens for one in examples) / max(1, len(examples)) + len(wording) / 4
            made.append(Candidate(f"wording {number}, {name}", prompt, cost))
    return made


def _prompt(
    wording: str,
    queries: Sequence[Query],
    examples: Sequence[Shown],
    passages: Sequence[Sequence[Passage]],
    settings: PromptSettings | None,
    row: int,
) -> list[Message]:
    return assemble(
        queries[row].text,
        instruction=wording,
        examples=examples[row].examples,
        passages=passages[row],
        settings=settings,
    )
