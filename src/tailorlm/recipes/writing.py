"""How a fitted model answers a task by writing: inputs to prompts, prompts to text, text to answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.context.index import Passage, PassageIndex
from tailorlm.context.prompt import Message, TaskWords, assemble, propose, show
from tailorlm.context.prompted import Prompted
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.models.decoder import Writer, load_writer
from tailorlm.models.local import Local
from tailorlm.models.resolve import BaseModel
from tailorlm.models.score import CONTENT_FREE, calibrated
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, Examples, WriteTask

SHOWN, STORE = "shown.json", "examples"
# Of the room for prompt and answer together, the share that examples and passages may take.
ROOM = 0.75


class WriteAnswering:
    """A task answered by a model that writes, with the same things shown in training and in use.

    shown: what stands before each query. instruction: its words, settled when it was fitted. store: the rows that examples are chosen
    from, where any are shown.
    """

    def __init__(
        self,
        task: WriteTask,
        model: Writer,
        labels: Sequence[str],
        shown: Prompted.Settings,
        *,
        instruction: str = "",
        store: ExampleStore | None = None,
    ):
        self.task, self.model, self.labels = task, model, tuple(labels)
        self.shown, self.instruction, self.store = shown, instruction, store
        self.index = PassageIndex(shown.passages) if shown.passages else None

    @classmethod
    def of(cls, recipe: Recipe, model: Writer, rows: Examples) -> WriteAnswering:
        """For a recipe that is fitted on these rows."""
        task, shown = recipe.task.make(), shown_by(recipe)
        told = task.told(rows.labels)
        instruction = shown.instruction
        if instruction is None:
            instruction = propose(TaskWords(**told, passages=shown.passages is not None))[0] if told else ""
        store = None
        if shown.examples is not None and shown.examples.settings.k:
            examples = [
                Example(name, text, task.written(gold), gold if rows.labels else None)
                for name, text, gold in zip(rows.ids, rows.texts, rows.gold, strict=True)
            ]
            store = ExampleStore.of(examples, StoreSettings(encoder=_encoder(shown)))
        return cls(task, model, rows.labels, shown, instruction=instruction, store=store)

    @classmethod
    def open(cls, recipe: Recipe, base: BaseModel, record: Mapping[str, Any]) -> WriteAnswering:
        """From the record that `facts` went into: the base's model, before weights parts and `restore`."""
        model = load_writer(base, max_length=record["max_length"])
        return cls(recipe.task.make(), model, record["labels"], shown_by(recipe))

    # ---- prompts

    def prompts(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> list[list[Message]]:
        """The messages of each input up to the query. ids: names of the rows, so that a row is never its own example."""
        asked = [self.task.ask(value) for value in inputs]
        names: Sequence[str | None] = ids or [None] * len(asked)
        queries = [Query(one.text, name) for one, name in zip(asked, names, strict=True)]
        room = int((self.model.max_length - self.shown.writing.max_new_tokens) * ROOM)
        examples: list[Sequence[Example]] = [()] * len(asked)
        if self.store is not None and self.shown.examples is not None:
            found = show(self.shown.examples, self.store, queries, count=self._tokens, budget=max(0, room))
            examples = [one.examples for one in found]
        passages: list[Sequence[Passage]] = [()] * len(asked)
        if self.index is not None:
            passages = list(self.index.search([query.text for query in queries], self.shown.search))
        return [
            assemble(
                one.text,
                instruction=self.instruction,
                examples=some,
                passages=read,
                history=[Message(role=m["role"], content=m["content"]) for m in one.history],
                settings=self.shown.layout,
            )
            for one, some, read in zip(asked, examples, passages, strict=True)
        ]

    def _tokens(self, example: Example) -> int:
        tokens = self.model.chat.tokens
        return len(tokens.encode(example.text)) + len(tokens.encode(example.answer)) + 8

    # ---- answers

    def answer(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> Answers:
        """One answer an input, in their order. ids: names of the rows, where they are rows of the data."""
        prompts, writes = self.prompts(inputs, ids), Local(self.model)
        choices = self.task.choices(self.labels)
        if choices and self.shown.choose == "score":
            return self.chosen(self.scores_of(prompts), inputs)
        written = writes.answers(prompts, self.shown.writing, choices=choices or None)
        values = [
            self.task.hear(None if one.fault else one.text, self.labels, given)
            for one, given in zip(written, inputs, strict=True)
        ]
        sure = np.exp([one.logprob if one.logprob is not None else 0.0 for one in written])
        detail: list[Mapping[str, Any]] = [
            {"finished": one.finished, "tokens_in": one.tokens_in, "tokens_out": one.tokens_out, "cut": one.cut}
            | ({"fault": one.fault} if one.fault else {})
            for one in written
        ]
        return Answers(values, sure, None, detail)

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Log-probability of every label as the answer, (inputs, labels)."""
        return self.scores_of(self.prompts(inputs))

    def scores_of(self, prompts: Sequence[Sequence[Message]]) -> np.ndarray:
        """Log-probability of every label as the answer to each prompt, (prompts, labels), calibrated where that was asked for."""
        writes, choices = Local(self.model), self.task.choices(self.labels)
        scores = writes.score(prompts, choices)
        if not self.shown.calibrate or not len(prompts):
            return scores
        # The bias is that of what all prompts share: instruction, and examples where they do not depend on the query.
        fixed = self.store is None or self.shown.examples is None
        fixed = fixed or not self.shown.examples.registry.get(self.shown.examples.name).per_query  # type: ignore[union-attr]
        if fixed:
            free = writes.score(self.prompts([*CONTENT_FREE]), choices)
            return calibrated(scores, free)
        empty = [[*prompt[:-1], Message(role="user", content=CONTENT_FREE[0])] for prompt in prompts]
        free = writes.score(empty, choices)
        return np.stack([calibrated(row[None], own[None])[0] for row, own in zip(scores, free, strict=True)])

    def chosen(self, scores: np.ndarray, inputs: Sequence[Any]) -> Answers:
        """Answers from scores (inputs, labels) that are there already, as a head's are read."""
        task: Any = self.task  # one that a head could answer too
        answers: Answers = task.decode(list(scores[:, None]), None, inputs, self.labels)
        return answers

    # ---- folders

    def facts(self) -> dict[str, Any]:
        """What `open` needs again."""
        return {"pooling": "written", "max_length": self.model.max_length, "pad_token_id": self.model.pad_id}

    def write(self, folder: Path) -> None:
        """Write the instruction and the rows that examples come from."""
        text = json.dumps({"instruction": self.instruction}, ensure_ascii=False, indent=2) + "\n"
        (folder / SHOWN).write_text(text, encoding="utf-8")
        if self.store is not None:
            lines = [json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in self.store.examples]
            (folder / f"{STORE}.jsonl").write_text("".join(lines), encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Read what `write` wrote; vectors of examples are computed anew."""
        try:
            self.instruction = str(json.loads((folder / SHOWN).read_text(encoding="utf-8"))["instruction"])
            path = folder / f"{STORE}.jsonl"
            if path.is_file():
                with path.open(encoding="utf-8") as lines:
                    examples = [Example(**json.loads(line)) for line in lines]
                self.store = ExampleStore.of(examples, StoreSettings(encoder=_encoder(self.shown)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TailorError(
                f"{folder} has no readable prompt", got=type(error).__name__, hint="fit it again"
            ) from None
        self.model.eval()


def scores_choices(recipe: Recipe) -> bool:
    """Whether a model that writes is asked how likely each label is, rather than to write one."""
    choices = (
        recipe.task.make().choices(("",)) if hasattr(recipe.task.registry.get(recipe.task.name), "choices") else []
    )
    return bool(choices) and shown_by(recipe).choose == "score"


def shown_by(recipe: Recipe) -> Prompted.Settings:
    """What a recipe's model is shown: its `prompt`, or what `instruction` and `examples` are for a model that writes."""
    context = recipe.context
    if context is None or context.name == "instruction":
        return Prompted.Settings()
    if context.name == "examples":
        return validate({"examples": {"part": "nearest", "k": context.settings.k}}, Prompted.Settings)
    settings: Prompted.Settings = context.settings
    return settings


def _encoder(shown: Prompted.Settings) -> Any:
    """The encoder that a chooser needs: none where the choice goes by words or by chance."""
    assert shown.examples is not None
    by_words = getattr(shown.examples.settings, "retriever", None) == "bm25"
    needed = shown.examples.name in {"nearest", "diverse"} and not by_words
    return shown.encoder if needed else None
