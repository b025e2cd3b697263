"""What a task is: what is asked of the model, in columns, tokens, targets and answers.

A task knows how rows are checked, how they become tokens, what the model is to give for them and how its scores are read back as
answers. It knows no method: every way of adapting a model works through what stands here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from tailorlm.data.held_out import HeldOut
from tailorlm.data.rows import Row, Rows
from tailorlm.tasks.readings import Readings

# How scores and targets belong together: one of the outputs at each place, the same with a say of the place before (a chain), any number
# of them, a number for each output, or one of the places for each output.
Target = Literal["one", "chain", "many", "number", "place"]
# What a task's `max_length` bounds where a model writes: an input's text without what else a prompt shows, a window that an encoder reads
# of one, or the prompt with its answer.
Limits = Literal["text", "window", "prompt"]


@dataclass(frozen=True)
class Examples:
    """Rows of a task, ready for a model, with their right answers.

    ids, texts, gold: one entry a row. texts: its words as one text, in which copies are looked for and which reports show.
    gold: plain values of the task's kind of answers. labels: the names that answers are made of, in fixed (sorted) order, which may
    hold some that no row here has; empty where answers are free. inputs: what the model is given, plain values as JSON has them; the texts
    themselves unless told. strata: what a split keeps the shares of; the labels, where each row has one. groups: rows with equal ones (but for
    case, signs and white space) a split keeps on one side; the texts unless told. sources: where a row says that its answer stands (`document`, and
    `span`, words of it); empty where rows say nothing. held_out: the test rows of the split that these rows come from, by hashes: none of
    them may be shown to a model. remarks: what was mended in these rows while they were read, as `Task.findings` tells it. against: for each
    row an answer that is worse than `gold`, where rows have one; else empty. rows: all columns of each row as they were read, where a
    recipe in steps asks for more of them than `inputs` and `gold`; else empty. pool: what is searched, where answers are found among texts: name
    to text; kept whole when rows are selected.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    gold: tuple[Any, ...]
    labels: tuple[str, ...] = ()
    inputs: tuple[Any, ...] = ()
    strata: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    sources: tuple[Mapping[str, str], ...] = ()
    held_out: HeldOut | None = None
    remarks: tuple[Mapping[str, object], ...] = ()
    against: tuple[Any, ...] = ()
    rows: tuple[Row, ...] = field(default=(), repr=False)
    pool: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.inputs:
            object.__setattr__(self, "inputs", self.texts)
        if not self.groups:
            object.__setattr__(self, "groups", self.texts)
        if not self.strata:
            named = all(isinstance(value, str) for value in self.gold)
            object.__setattr__(self, "strata", self.gold if named else ("",) * len(self.gold))

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def codes(self) -> np.ndarray:
        """(rows,) int64 places in `labels`, where each row has one label."""
        place = {label: i for i, label in enumerate(self.labels)}
        return np.array([place[label] for label in self.gold], dtype=np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over inputs, answers, label set and what is searched, in order: what a run was fitted or scored on."""
        more = [list(of_rows) for of_rows in (self.against, self.pool) if of_rows]
        content = json.dumps([self.inputs, self.gold, self.labels, *more], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def refuse_test_texts(self, names: Sequence[str], texts: Sequence[str]) -> None:
        """CheckError, naming them, when texts from elsewhere that are to be learnt from are among the test rows of this split."""
        if self.held_out is None:
            return
        own = set(self.ids)  # of train rows the split itself has said what becomes of copies
        found = [name for name, text in zip(names, texts, strict=True) if name not in own and self.held_out.holds(text)]
        if found:
            raise self.held_out.fault(found, "text")

    def select(self, index: Sequence[int]) -> Examples:
        """Some of the rows, with label set and pool kept whole."""
        columns = (self.ids, self.texts, self.gold, self.inputs, self.strata, self.groups)
        ids, texts, gold, inputs, strata, groups = (tuple(column[i] for i in index) for column in columns)
        sources = tuple(self.sources[i] for i in index) if self.sources else ()
        against = tuple(self.against[i] for i in index) if self.against else ()
        rows = tuple(self.rows[i] for i in index) if self.rows else ()
        kept = (self.held_out, self.remarks, against, rows, self.pool)
        return Examples(ids, texts, gold, self.labels, inputs, strata, groups, sources, *kept)


@dataclass
class Answers:
    """What a model answered to n inputs.

    values: plain values of the task's kind of answers, None where none is given. confidence: (n,) how sure, 0 to 1, or None. scores: (n,
    labels) probabilities for answers that are labels, or None. detail: more to an answer than its value (offsets, runners-up), one
    mapping an input, or empty.
    """

    values: list[Any]
    confidence: np.ndarray | None = None
    scores: np.ndarray | None = None
    detail: list[Mapping[str, Any]] = field(default_factory=list)


class Task(Protocol):
    """What every task has, however a model answers it.

    answers: the kind of its answers (`evaluation/kinds`). metrics: names of those that fit; the first one ranks ways unless the user
    names another.
    """

    # A task whose columns can be told has `text_columns`, what an input is made of, and `answer_columns`, what a right answer is, itself
    # the first: it can be one step of several (`recipes/steps.py`).
    settings: Any
    answers: str
    metrics: tuple[str, ...]

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names those there are, and the nearest."""

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason."""

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and make examples of them. what: the word for these rows in messages. labels: the label set to hold to."""

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """Inputs of rows without answers, as `predict` is given them; TailorError names the row that cannot be used."""

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """What a careful person would want to know of train rows before fitting: `code`, `message`, `rows`."""

    def cells(self, value: Any, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The columns that `predict` adds to a row."""


class HeadTask(Task, Protocol):
    """A task that a head on a model's states can answer.

    target: how scores and targets belong together. tokens: whether single tokens are read, rather than one vector a text.
    """

    target: Target
    tokens: bool

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Names of the head's outputs."""

    def read(self, tokenizer: Any, inputs: Sequence[Any], max_length: int) -> Readings:
        """Tokens for the model, and where its states are read."""

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """What each reading should give: by `target` (places,) codes (-100 where nothing is asked), (places, outputs) zeros and ones or
        numbers, or (outputs,) places."""

    # A task may also have, where its settings leave something open:
    #   settle(train) -> settings that the train rows decide (a scale), set before anything is fitted;
    #   choose(scores, readings, validation, votes=) -> settings that validation rows decide (a threshold).
    # Where its target is a chain, `decode` takes `links` besides: (outputs, outputs), how well one stands behind another.

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings,
        inputs: Sequence[Any],
        labels: Sequence[str],
        *,
        votes: bool = False,
    ) -> Answers:
        """Answers from the scores, (places, outputs), of each reading. votes: scores are shares of a vote, not logits."""


class SearchTask(Task, Protocol):
    """A task answered by searching texts that lie beside its rows (`Examples.pool`)."""

    def queries(self, inputs: Sequence[Any]) -> list[str]:
        """Inputs as the encoder reads them."""

    def passages(self, texts: Sequence[str]) -> list[str]:
        """Texts of the pool as the encoder reads them."""

    def pooled(self, train: Examples, test: Examples) -> tuple[Examples, Examples, list[dict[str, Any]]]:
        """Train and test rows of a split with what each is searched for in, and what was noticed on the way."""


@dataclass(frozen=True)
class Asked:
    """An input as a model that writes is asked it.

    text: what the user says last. history: messages before it (`role`, `content`), a system message first where there is one.
    """

    text: str
    history: tuple[Mapping[str, Any], ...] = ()


class WriteTask(Task, Protocol):
    """A task that a model which writes can answer. limits: what its `max_length` bounds."""

    limits: Limits

    def ask(self, value: Any) -> Asked:
        """An input as it is asked."""

    def written(self, gold: Any, given: Any) -> str:
        """A right answer to the input `given` as it would be written."""

    def choices(self, labels: Sequence[str]) -> list[str]:
        """The answers there are, in the order of `labels`; empty where answers are free."""

    def hear(self, text: str | None, labels: Sequence[str], given: Any) -> Any:
        """What was written as an answer to the input `given`; None where it is none."""

    # A task whose answers are JSON, or more than their value, may also have
    #   schema(labels) -> the JSON schema of its answers, which a model can be held to;
    #   aside(text, labels, given) -> what is told beside the answer that was heard (its words, what of it stands nowhere in the input).

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """What an instruction can be made of (`context.prompt.TaskWords`); empty where the rows say themselves what is asked."""
