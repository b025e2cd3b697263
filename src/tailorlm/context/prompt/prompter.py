"""The whole of what a model is shown, by settings: queries in, messages out, with what was shown and what it cost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.context.index import Passage, PassageIndex
from tailorlm.context.prompt.fitting import Kept, Shown, fit, show
from tailorlm.context.prompt.messages import Message, assemble
from tailorlm.context.prompt.propose import TaskWords, propose
from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.held_out import HeldOut

if TYPE_CHECKING:
    from tailorlm.context.prompted import Prompted

RECORD, STORE = "shown.json", "examples.jsonl"
# Of the room that instruction and query leave, the share that examples and passages may fill: templates write tokens of their own.
ROOM = 0.9
# What turns and headings add to an example or a passage, roughly.
FRAME = 12


@dataclass(frozen=True)
class Prompt:
    """One prompt. messages: for whatever writes the answer. examples, passages: what was shown, in the order shown.

    tokens: of examples and passages together, with what stands around each, 0 where nobody counts. left_out: examples and passages that had no room.
    cut: tokens of the query that were taken off before it came here.
    """

    messages: list[Message]
    examples: tuple[Example, ...]
    passages: tuple[Passage, ...]
    tokens: int
    left_out: int
    cut: int = 0


class Prompter:
    """Makes prompts by settings (those of the part `prompt`), the same way for training rows, validation, test and serving.

    task: what an instruction is proposed from, where the settings give none; None for tasks whose rows say themselves what is asked.
    examples: the train rows that may be shown; those among the test rows (`held_out`) are left out, and documents that are one are refused.
    Raises UsageError where examples are to be shown and there are none, CheckError for an index that holds a test row, and what opening the
    index raises. Rows to learn from go in as queries with their ids, so that no row is shown its own answer.
    """

    def __init__(
        self,
        settings: Prompted.Settings,
        task: TaskWords | None = None,
        examples: Sequence[Example] = (),
        held_out: HeldOut | None = None,
    ):
        self.settings = settings
        given = settings.instruction
        self.instruction = (propose(task)[0] if task is not None else "") if given is None else given
        self.index = PassageIndex(settings.passages) if settings.passages else None
        if self.index is not None and held_out is not None:
            _refuse_test_rows(self.index, held_out)
        self.store = self._stored([e for e in examples if held_out is None or not held_out.holds(e.text)], held_out)

    def _stored(self, examples: Sequence[Example], held_out: HeldOut | None) -> ExampleStore | None:
        part = self.settings.examples
        if part is None or not part.settings.k:
            return None
        if not examples:
            raise UsageError(
                "examples are to be shown, and there is no row to take them from",
                hint="give train rows, or leave examples out",
            )
        return ExampleStore.of(examples, StoreSettings(encoder=self._encoder()), held_out=held_out)

    def _encoder(self) -> EncoderSettings | None:
        """The encoder that the chooser needs: none where the choice goes by words alone or by chance."""
        part = self.settings.examples
        assert part is not None
        # Rows that are found by their words are still told apart by their vectors, where they are to be varied.
        by_words = getattr(part.settings, "retriever", None) == "bm25" and not getattr(part.settings, "variety", 0)
        return self.settings.encoder if part.name in {"nearest", "diverse"} and not by_words else None

    def prompts(
        self,
        queries: Sequence[Query],
        *,
        count: Callable[[str], int] | None = None,
        room: int | None = None,
        histories: Sequence[Sequence[Message]] = (),
    ) -> list[Prompt]:
        """A prompt for each query.

        count: tokens of a text, needed where there is a budget. room: tokens that a whole prompt may have; what instruction, history and query
        leave of it is for passages and examples, the most wanted first: half for passages where both are shown, and what those do not
        take is for examples. histories: earlier turns of each query.
        """
        earlier = [histories[i] if histories else () for i in range(len(queries))]
        budgets = [self._budget(query, turns, count, room) for query, turns in zip(queries, earlier, strict=True)]
        found = self._passages(queries, count, budgets)
        left = [None if budget is None else budget - some.tokens for budget, some in zip(budgets, found, strict=True)]
        shown = self._examples(queries, count, left)
        made = []
        for query, turns, examples, passages in zip(queries, earlier, shown, found, strict=True):
            messages = assemble(
                query.text,
                instruction=self.instruction,
                examples=examples.examples,
                passages=passages.items,
                history=turns,
                settings=self.settings.layout,
            )
            tokens, left_out = examples.tokens + passages.tokens, examples.left_out + passages.left_out
            made.append(Prompt(messages, examples.examples, passages.items, tokens, left_out))
        return made

    @property
    def per_query(self) -> bool:
        """Whether prompts differ in more than the query: in passages, or in examples that are chosen for it."""
        part = self.settings.examples
        by_query = part is not None and self.store is not None and part.registry.get(part.name).per_query
        return self.index is not None or by_query

    def asking(self, prompt: Prompt, query: str) -> list[Message]:
        """The messages of a prompt with another query in its place, and no earlier turns."""
        return assemble(
            query,
            instruction=self.instruction,
            examples=prompt.examples,
            passages=prompt.passages,
            settings=self.settings.layout,
        )

    def fingerprints(self) -> dict[str, Any]:
        """What the prompts depend on besides the settings, for the record of a run: instruction, rows, encoder and documents."""
        facts: dict[str, Any] = {"instruction": self.instruction}
        if self.store is not None:
            held_out = self.store.held_out
            facts["examples"] = {"rows": len(self.store), "held_out": held_out.fingerprint if held_out else None}
        if self.index is not None:
            encoder = self.index.manifest["encoder"]
            facts["passages"] = {
                "encoder": encoder["fingerprint"] if encoder else None,
                "documents": len(self.index.entries),
                "passages": len(self.index),
                "contents": self.index.fingerprint,
            }
        return facts

    def write(self, folder: Path) -> None:
        """Write the instruction, the rows that examples come from, and where the index lies from there; `restore` reads them."""
        record = {"instruction": self.instruction}
        if self.index is not None:
            record["passages"] = Path(os.path.relpath(self.index.folder, folder)).as_posix()
        text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
        (folder / RECORD).write_text(text, encoding="utf-8")
        if self.store is not None:
            lines = [json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in self.store.examples]
            (folder / STORE).write_bytes("".join(lines).encode("utf-8", "surrogatepass"))

    @classmethod
    def restore(cls, settings: Prompted.Settings, folder: Path) -> Prompter:
        """What `write` wrote; vectors of examples are computed anew. Raises TailorError for a folder that cannot be read, or without its index."""
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            changes = {"instruction": str(record["instruction"])}
            examples = []
            if (folder / STORE).is_file():
                with (folder / STORE).open(encoding="utf-8", errors="surrogatepass") as lines:
                    examples = [Example(**json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TailorError(
                f"{folder} has no readable prompt", got=type(error).__name__, hint="fit it again"
            ) from None
        if "passages" in record:  # it moves with the folder, or stays where the recipe has it
            beside = Path(os.path.normpath(folder.absolute() / record["passages"]))
            changes["passages"] = str(beside) if beside.is_dir() else str(settings.passages)
        return cls(settings.with_(**changes), None, examples)

    def _budget(
        self, query: Query, turns: Sequence[Message], count: Callable[[str], int] | None, room: int | None
    ) -> int | None:
        budget = self.settings.budget
        if count is None and budget is not None:
            raise UsageError("a budget of tokens needs something that counts them", got=str(budget))
        if count is None or room is None or (self.index is None and self.store is None):
            return budget
        said = [self.instruction, query.text, *(turn["content"] for turn in turns)]
        free = max(0, int((room - sum(map(count, said))) * ROOM))
        return free if budget is None else min(budget, free)

    def _examples(
        self, queries: Sequence[Query], count: Callable[[str], int] | None, budgets: Sequence[int | None]
    ) -> list[Shown]:
        part = self.settings.examples
        if part is None or self.store is None:
            return [Shown((), 0, 0)] * len(queries)
        each = None if count is None else lambda row: count(row.text) + count(row.answer) + FRAME
        return show(part, self.store, queries, count=each, budget=budgets)

    def _passages(
        self, queries: Sequence[Query], count: Callable[[str], int] | None, budgets: Sequence[int | None]
    ) -> list[Kept[Passage]]:
        if self.index is None:
            return [Kept((), 0, 0)] * len(queries)
        each = None if count is None else lambda passage: count(passage.text) + FRAME
        share = 1 if self.store is None else 2
        found = self.index.search([query.text for query in queries], self.settings.search)
        return [
            fit(passages, each, None if budget is None else budget // share)
            for passages, budget in zip(found, budgets, strict=True)
        ]


def _refuse_test_rows(index: PassageIndex, held_out: HeldOut) -> None:
    """CheckError where a document of the index is a test row, word for word."""
    if index.held_out is not None and index.held_out.contents >= held_out.contents:
        return
    bad = [name for name in index.entries if held_out.holds(index.text(name))]
    if bad:
        raise held_out.fault(bad, "document")
