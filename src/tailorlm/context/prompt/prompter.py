"""The whole of what a model is shown, by settings: queries in, messages out, with what was shown and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tailorlm.context.choosers import choosers
from tailorlm.context.index import Passage, PassageIndex
from tailorlm.context.prompt.fitting import Kept, Shown, fit, show
from tailorlm.context.prompt.messages import Message, PromptSettings, assemble
from tailorlm.context.prompt.propose import TaskWords, propose
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.context.store import Example, ExampleStore, Query
from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import UsageError
from tailorlm.core.parts import Part, part_of

if TYPE_CHECKING:
    ChooserPart = Part
else:
    ChooserPart = part_of(choosers)


class PassagesSettings(Settings):
    """Which passages are shown."""

    index: str = setting(help="the folder of the index (`tailor index build`)", min_length=1)
    encoder: str | None = setting(None, help="where the index's encoder lies, if it moved")
    search: SearchSettings = setting(SearchSettings(k=3), help="how they are found, and how many")


class ShownSettings(Settings):
    """What a model is shown with every query: any of instruction, examples and passages, or none of them."""

    word: ClassVar[str] = "the context"

    instruction: str | None = setting(
        None, help="what to do, in your words; null: proposed from the task; empty: nothing is said"
    )
    examples: ChooserPart | None = setting(None, help="which train rows are shown: `nearest`, `balanced`, ...")
    passages: PassagesSettings | None = setting(None, help="which passages are shown, from which index")
    layout: PromptSettings = setting(PromptSettings(), help="how it is put together")
    example_tokens: int | None = setting(
        None, ge=0, help="what the examples of a prompt may have together", unit="tokens"
    )
    passage_tokens: int | None = setting(
        None, ge=0, help="what the passages of a prompt may have together", unit="tokens"
    )


@dataclass(frozen=True)
class Prompt:
    """One prompt. messages: for whatever writes the answer. examples, passages: what was shown, in the order shown.

    tokens: of examples and passages together, 0 where nobody counts. left_out: examples and passages that had no room.
    """

    messages: list[Message]
    examples: tuple[Example, ...]
    passages: tuple[Passage, ...]
    tokens: int
    left_out: int


class Prompter:
    """Makes prompts by settings, the same way for training rows, validation, test and serving.

    store: the train rows that examples come from; needed where examples are shown. task: what an instruction is proposed from.
    Raises UsageError for examples without a store, and what opening the index raises.
    Rows to learn from go in as queries with their ids, so that no row is shown its own answer.
    """

    def __init__(self, settings: ShownSettings, task: TaskWords, store: ExampleStore | None = None):
        if settings.examples is not None and store is None:
            raise UsageError(
                "examples are to be shown, and there is no store to take them from", hint="give train rows"
            )
        self.settings, self.store = settings, store
        self.index: PassageIndex | None = None
        if settings.passages is not None:
            self.index = PassageIndex(settings.passages.index, encoder=settings.passages.encoder)
        self.instruction = propose(task)[0] if settings.instruction is None else settings.instruction

    def prompts(
        self,
        queries: Sequence[Query],
        *,
        count: Callable[[str], int] | None = None,
        histories: Sequence[Sequence[Message]] = (),
    ) -> list[Prompt]:
        """A prompt for each query. count: tokens of a text, needed where a budget is set. histories: earlier turns of each."""
        shown = self._examples(queries, count)
        found = self._passages(queries, count)
        made = []
        for i, (query, examples, passages) in enumerate(zip(queries, shown, found, strict=True)):
            messages = assemble(
                query.text,
                instruction=self.instruction,
                examples=examples.examples,
                passages=passages.items,
                history=histories[i] if histories else (),
                settings=self.settings.layout,
            )
            tokens, left_out = examples.tokens + passages.tokens, examples.left_out + passages.left_out
            made.append(Prompt(messages, examples.examples, passages.items, tokens, left_out))
        return made

    def fingerprints(self) -> dict[str, Any]:
        """What the prompts depend on besides the settings, for the record of a run: split, encoder and documents."""
        facts: dict[str, Any] = {"instruction": self.instruction}
        if self.store is not None:
            held_out = self.store.held_out
            facts["examples"] = {"rows": len(self.store), "held_out": held_out.fingerprint if held_out else None}
        if self.index is not None:
            encoder = self.index.manifest["encoder"]
            documents = {entry.name: entry.sha256 for entry in self.index.entries.values()}
            facts["passages"] = {"encoder": encoder["fingerprint"] if encoder else None, "documents": documents}
        return facts

    def _examples(self, queries: Sequence[Query], count: Callable[[str], int] | None) -> list[Shown]:
        part, budget = self.settings.examples, self.settings.example_tokens
        if part is None or self.store is None:
            return [Shown((), 0, 0)] * len(queries)
        each = None if count is None else lambda row: count(row.text) + count(row.answer)
        return show(part, self.store, queries, count=each, budget=budget)

    def _passages(self, queries: Sequence[Query], count: Callable[[str], int] | None) -> list[Kept[Passage]]:
        if self.index is None or self.settings.passages is None:
            return [Kept((), 0, 0)] * len(queries)
        each = None if count is None else lambda passage: count(passage.text)
        found = self.index.search([query.text for query in queries], self.settings.passages.search)
        return [fit(passages, each, self.settings.passage_tokens) for passages in found]
