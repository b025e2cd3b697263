"""How a fitted model answers a task by writing: inputs to prompts, prompts to text, text to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.context.prompt import Message, Prompt, Prompter, TaskWords, read_citations, without_citations
from tailorlm.context.prompted import Prompted
from tailorlm.context.store import Example, Query
from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError
from tailorlm.models import answers as writers
from tailorlm.models.decoder import Writer, load_writer
from tailorlm.models.hosted import Hosted
from tailorlm.models.local import Local
from tailorlm.models.resolve import HOSTED, BaseModel
from tailorlm.models.rules import check_grammar
from tailorlm.models.score import CONTENT_FREE, calibrated
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, Examples, WriteTask

# Tokens of prompt and answer that a model behind an endpoint is taken to have room for, where the task does not limit them.
HOSTED_LENGTH = 8192


class WriteAnswering:
    """A task answered by a model that writes, with the same things shown in training and in use.

    model: one on this machine, or behind an endpoint. shown: what stands before each query, and how answers are written. prompter: makes the
    prompts; `restore` reads a kept one.
    """

    def __init__(
        self,
        task: WriteTask,
        model: Writer | Hosted,
        labels: Sequence[str],
        shown: Prompted.Settings,
        prompter: Prompter,
    ):
        self.task, self.model, self.labels = task, model, tuple(labels)
        self.shown, self.prompter = shown, prompter

    @classmethod
    def of(cls, recipe: Recipe, model: Writer | Hosted, rows: Examples) -> WriteAnswering:
        """For a recipe that is fitted on these rows. Raises UsageError for what a model behind an endpoint cannot do."""
        shown = shown_by(recipe)
        if isinstance(model, Hosted) and shown.calibrate:
            raise UsageError("labels behind an endpoint are written, not scored, so there is nothing to calibrate")
        return cls._asking(recipe.task.make(), model, rows, shown)

    @classmethod
    def _asking(
        cls, task: WriteTask, model: Writer | Hosted, rows: Examples, shown: Prompted.Settings
    ) -> WriteAnswering:
        if schema_of(task, shown, rows.labels) is not None and not isinstance(model, Hosted):
            check_grammar()  # before anything is fitted for nothing
        told = task.told(rows.labels)
        words = TaskWords(**told, passages=shown.passages is not None) if told else None
        examples: list[Example] = []
        if shown.examples is not None:
            asked = (_shortened(task, model, task.ask(value).text)[0] for value in rows.inputs)
            examples = [
                Example(name, text, task.written(gold, value), gold if rows.labels and isinstance(gold, str) else None)
                for name, text, gold, value in zip(rows.ids, asked, rows.gold, rows.inputs, strict=True)
            ]
        return cls(task, model, rows.labels, shown, Prompter(shown, words, examples, rows.held_out))

    @classmethod
    def open(cls, recipe: Recipe, base: BaseModel, record: Mapping[str, Any]) -> WriteAnswering:
        """From the record that `facts` went into: the base's model, before weights parts and `restore`."""
        model = load_answerer(base, record["max_length"])
        shown = shown_by(recipe)
        bare = shown.with_(instruction="", examples=None, passages=None)
        return cls(recipe.task.make(), model, record["labels"], shown, Prompter(bare))

    def beside(self, task: WriteTask, rows: Examples) -> WriteAnswering:
        """Another task asked of the same model, in words of its own. rows: those it learns; examples and passages are the own task's alone."""
        return self._asking(task, self.model, rows, _bare(self.shown))

    def kept_beside(self, task: WriteTask, labels: Sequence[str], folder: Path) -> WriteAnswering:
        """Another task, as its `write` left it in a folder."""
        shown = _bare(self.shown)
        return WriteAnswering(task, self.model, labels, shown, Prompter.restore(shown, folder))

    # ---- prompts

    def prompts(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> list[list[Message]]:
        """The messages of each input up to the query. ids: names of the rows, so that a row is never its own example."""
        return [prompt.messages for prompt in self.prompted(inputs, ids)]

    def prompted(
        self, inputs: Sequence[Any], ids: Sequence[str] | None = None, prompter: Prompter | None = None
    ) -> list[Prompt]:
        """The prompt of each input, with what is shown in it. prompter: another than the settled one."""
        asked = [self.task.ask(value) for value in inputs]
        names: Sequence[str | None] = ids or [None] * len(asked)
        short = [_shortened(self.task, self.model, one.text) for one in asked]
        queries = [Query(text, name) for (text, _), name in zip(short, names, strict=True)]
        histories = [[Message(role=m["role"], content=m["content"]) for m in one.history] for one in asked]
        room = max(0, self.model.max_length - self._answer_room())
        count = partial(_tokens, self.model)
        made = (prompter or self.prompter).prompts(queries, count=count, room=room, histories=histories)
        return [replace(one, cut=cut) for one, (_, cut) in zip(made, short, strict=True)]

    def _answer_room(self) -> int:
        """Tokens that the longest answer may take: of labels, the longest."""
        if isinstance(self.model, Hosted):
            return self.shown.writing.max_new_tokens
        return Local(self.model).room(self.shown.writing, self.task.choices(self.labels))

    # ---- answers

    @property
    def _writes(self) -> writers.Answers:
        return self.model.remote if isinstance(self.model, Hosted) else Local(self.model)

    def answer(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> Answers:
        """One answer an input, in their order. ids: names of the rows, where they are rows of the data."""
        return self.answers_to(self.prompted(inputs, ids), inputs)

    def answers_to(self, asked: Sequence[Prompt], inputs: Sequence[Any]) -> Answers:
        """One answer a prompt. inputs: what each was made of."""
        prompts, choices = [one.messages for one in asked], self.task.choices(self.labels)
        if choices and self.shown.choose == "score" and not isinstance(self.model, Hosted):
            answers = self._with_passages(self.chosen(self.scores_of(asked), inputs), asked)
            read = Local(self.model).asked(prompts, choices)
            beside = [
                {"tokens_in": len(one.ids), "cut": one.cut + prompt.cut} | self._examples_in(prompt)
                for one, prompt in zip(read, asked, strict=True)
            ]
            return _told_beside(answers, beside)
        schema = schema_of(self.task, self.shown, self.labels)
        written = self._writes.answers(prompts, self.shown.writing, choices=choices or None, schema=schema)
        values: list[Any] = []
        detail: list[Mapping[str, Any]] = []
        aside = getattr(self.task, "aside", None)  # a task may have more to tell of what was written
        for one, prompt, given in zip(written, asked, inputs, strict=True):
            cited = _cited(one.text, prompt)
            text = (
                without_citations(one.text).strip() if cited.get("citations") or cited.get("ungrounded") else one.text
            )
            said = None if one.fault else text
            values.append(self.task.hear(said, self.labels, given))
            facts: dict[str, Any] = {
                "finished": one.finished,
                "tokens_in": one.tokens_in,
                "tokens_out": one.tokens_out,
                "cut": one.cut + prompt.cut,
            }
            facts |= self._examples_in(prompt)
            facts |= {"kept": True, "kept_seconds": one.seconds} if one.kept else {}
            told = {"written": one.text} if text != one.text else {}
            told |= aside(said, self.labels, given) if aside is not None else {}
            detail.append(facts | ({"fault": one.fault} if one.fault else {}) | cited | told)
        known = all(one.logprob is not None for one in written)
        sure = np.exp([one.logprob or 0.0 for one in written]) if known else None
        return Answers(values, sure, None, detail)

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Log-probability of every label as the answer, (inputs, labels)."""
        return self.scores_of(self.prompted(inputs))

    def scores_of(self, asked: Sequence[Prompt]) -> np.ndarray:
        """Log-probability of every label as the answer to each prompt, (prompts, labels), calibrated where that was asked for."""
        writes, choices = self._writes, self.task.choices(self.labels)
        scores = writes.score([one.messages for one in asked], choices)
        if not self.shown.calibrate or not len(asked):
            return scores
        # The bias is that of all but the query: one for all prompts, where nothing else in them depends on it.
        nothing = [[one, one] if _pairs(self.task) else one for one in CONTENT_FREE]
        if not self.prompter.per_query:
            free = writes.score(self.prompts(nothing), choices)
            return calibrated(scores, free)
        empty = self.task.ask(nothing[0]).text
        free = writes.score([self.prompter.asking(one, empty) for one in asked], choices)
        return np.stack([calibrated(row[None], own[None])[0] for row, own in zip(scores, free, strict=True)])

    def chosen(self, scores: np.ndarray, inputs: Sequence[Any]) -> Answers:
        """Answers from scores (inputs, labels) that are there already, as a head's are read."""
        task: Any = self.task  # one that a head could answer too
        answers: Answers = task.decode(list(scores[:, None]), None, inputs, self.labels)
        return answers

    def _examples_in(self, prompt: Prompt) -> dict[str, int]:
        """How many examples a prompt shows, and how much of what was to be shown had no room."""
        shown = {"examples": len(prompt.examples)} if self.prompter.store is not None else {}
        return shown | ({"left_out": prompt.left_out} if prompt.left_out else {})

    def _with_passages(self, answers: Answers, asked: Sequence[Prompt]) -> Answers:
        """Which passages stood in the prompt of each row, beside what is known of its answer."""
        if self.prompter.index is None:
            return answers
        return _told_beside(answers, [{"passages": [passage.id for passage in one.passages]} for one in asked])

    # ---- folders

    def facts(self) -> dict[str, Any]:
        """What `open` needs again."""
        pad = None if isinstance(self.model, Hosted) else self.model.pad_id
        return {"pooling": "written", "max_length": self.model.max_length, "pad_token_id": pad}

    def write(self, folder: Path) -> None:
        """Write what is shown."""
        self.prompter.write(folder)

    def restore(self, folder: Path) -> None:
        """Read what `write` wrote."""
        self.prompter = Prompter.restore(self.shown, folder)
        if not isinstance(self.model, Hosted):
            self.model.eval()


def load_answerer(base: BaseModel, max_length: int | None) -> Writer | Hosted:
    """The model that writes: one on this machine, or the one behind the endpoint that the base names.

    max_length: tokens of prompt and answer; None for what the model has, of one behind an endpoint `HOSTED_LENGTH`.
    """
    return Hosted(base, max_length or HOSTED_LENGTH) if base.hosted else load_writer(base, max_length=max_length)


def prompt_limit(task: Any) -> int | None:
    """How long prompt and answer may be together as the task says it; None where its `max_length` is that of a text, or of a window of one."""
    return int(task.settings.max_length) if task.limits == "prompt" else None


def _tokens(model: Writer | Hosted, text: str) -> int:
    return model.count(text) if isinstance(model, Hosted) else len(model.chat.tokens.encode(text))


def _shortened(task: Any, model: Writer | Hosted, text: str) -> tuple[str, int]:
    """A text as long as the task allows one to be, as an encoder would read it, and the tokens that were cut."""
    most = task.settings.max_length
    if task.limits != "text" or _pairs(task) or isinstance(model, Hosted):
        return text, 0
    if len(text.encode()) <= most:  # no token is shorter than a byte
        return text, 0
    ids = model.chat.tokens.encode(text)
    return (text, 0) if len(ids) <= most else (model.chat.tokens.decode(ids[:most]), len(ids) - most)


def _pairs(task: Any) -> bool:
    """Whether an input is two texts."""
    return getattr(task.settings, "second", None) is not None


def schema_of(task: WriteTask, shown: Prompted.Settings, labels: Sequence[str]) -> dict[str, Any] | None:
    """The JSON schema that answers are held to; None where they are free. Raises UsageError where the task's answers cannot be held to one."""
    made = getattr(task, "schema", None)
    if shown.answer_schema is not None:
        if task.answers != "text":
            raise UsageError(
                "answer_schema is for free text that is JSON", got=f"answers: {task.answers}", hint="form: held"
            )
        return shown.answer_schema
    if shown.form == "free":
        return None
    if made is None:
        raise UsageError(
            "form: held is for answers that are lists, and these are none",
            got=f"answers: {task.answers}",
            hint="leave form out, or give the JSON that answers have as answer_schema",
        )
    return dict(made(labels))


def scores_choices(recipe: Recipe) -> bool:
    """Whether a model that writes is asked how likely each label is, rather than to write one."""
    choices = (
        recipe.task.make().choices(("",)) if hasattr(recipe.task.registry.get(recipe.task.name), "choices") else []
    )
    return bool(choices) and shown_by(recipe).choose == "score" and not recipe.base.startswith(HOSTED)


def shown_by(recipe: Recipe) -> Prompted.Settings:
    """What a recipe's model is shown: its `prompt`, or what `instruction` and `examples` are for a model that writes."""
    context = recipe.context
    if context is None or context.name == "instruction":
        return Prompted.Settings()
    if context.name == "examples":
        return validate({"examples": {"part": "nearest", "k": context.settings.k}}, Prompted.Settings)
    settings: Prompted.Settings = context.settings
    return settings


def _told_beside(answers: Answers, facts: Sequence[Mapping[str, Any]]) -> Answers:
    """The answers with more facts to each."""
    told: Sequence[Mapping[str, Any]] = answers.detail or [{}] * len(facts)
    return replace(answers, detail=[{**one, **more} for one, more in zip(told, facts, strict=True)])


def _bare(shown: Prompted.Settings) -> Prompted.Settings:
    """What is shown of another task: an instruction made of it, and nothing of the own one's."""
    return shown.with_(instruction=None, examples=None, passages=None, optimise=0)


def _cited(text: str, prompt: Prompt) -> dict[str, Any]:
    """Which passages were shown, which of them the answer names, and the numbers it names that none had."""
    if not prompt.passages:
        return {}
    found = read_citations(text, prompt.passages)
    return {
        "passages": [passage.id for passage in prompt.passages],
        "citations": [asdict(citation) for citation in found.grounded],
    } | ({"ungrounded": list(found.ungrounded)} if found.ungrounded else {})
