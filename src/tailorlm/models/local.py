"""Answers by a model on this machine: text in, text out, over `generate` and `score`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tailorlm.models.answers import Answer, Prompt, Writing, check_writing, messages_of
from tailorlm.models.beam import search
from tailorlm.models.chat import Rendered
from tailorlm.models.decoder import Writer
from tailorlm.models.generate import Rule, Written, rows_for, write
from tailorlm.models.rules import ChoiceRule, JsonRules
from tailorlm.models.score import candidate_scores

USUAL = Writing()


class Local:
    """A `Writer` behind the protocol `Answers`; its prompts are cut to leave room for the answer, with counts."""

    def __init__(self, writer: Writer):
        self.writer = writer

    def answers(
        self,
        prompts: Sequence[Prompt],
        writing: Writing = USUAL,
        *,
        schema: Mapping[str, Any] | None = None,
        choices: Sequence[str] | None = None,
        listen: Callable[[int, str], None] | None = None,
    ) -> list[Answer]:
        """One answer a prompt, in order.

        schema: answers are JSON of this schema (extra `grammar`); one that had no room to be finished has a `fault`. choices: answers
        are one of these texts. listen: is called with the place of a prompt and its text so far, whenever a token of it came.
        Raises TailorError where a prompt has no room.
        """
        check_writing(writing, schema=schema, choices=choices)
        chat = self.writer.chat
        asked = self._prompts(prompts, min(self.room(writing, choices), self.writer.max_length - 1))
        rules = self._rules(asked, schema, choices)

        def heard(row: Written) -> None:
            if listen is not None:
                listen(row.index, chat.answer(row.prompt, row.ids) if row.text is None else row.text)

        rows = [p.ids for p in asked]
        if writing.beams > 1:
            written = rows_for(rows, writing.seed)
            search(self.writer, written, writing)
        else:
            written = write(self.writer, rows, writing, rules=rules, listen=heard if listen is not None else None)
        return [self._answer(row, prompt, schema) for row, prompt in zip(written, asked, strict=True)]

    def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[str], *, mean: bool = False, ends: bool = True
    ) -> np.ndarray:
        """Log-probability of every candidate as the answer to every prompt, (prompts, candidates), float64.

        mean: per token of the candidate, which favours no short ones. ends: the answer ends there (the stop token counts), so that no
        candidate wins by being the beginning of another.
        """
        chat = self.writer.chat
        asked = [p.ids for p in self.asked(prompts, candidates)]
        result = np.zeros((len(prompts), len(candidates)))
        groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for i, ids in enumerate(asked):
            follow = tuple(tuple(chat.candidate(ids, text, ends=ends)) for text in candidates)
            groups.setdefault(follow, []).append(i)
        for follow, index in groups.items():
            scores = candidate_scores(self.writer, [asked[i] for i in index], follow)
            result[index] = scores / np.array([len(ids) for ids in follow]) if mean else scores
        return result

    def asked(self, prompts: Sequence[Prompt], candidates: Sequence[str]) -> list[Rendered]:
        """The prompts as candidates are scored behind them: cut to leave room for the longest, with counts."""
        return self._prompts(prompts, self.room(USUAL, candidates))

    def room(self, writing: Writing, choices: Sequence[str] | None = None) -> int:
        """Tokens that an answer may take: of texts among which it is chosen those of the longest, with the token that it stops at."""
        if not choices:
            return writing.max_new_tokens
        return max(len(self.writer.chat.tokens.encode(f" {choice}")) for choice in choices) + 4

    def _answer(self, row: Written, prompt: Rendered, schema: Mapping[str, Any] | None) -> Answer:
        text = self.writer.chat.answer(row.prompt, row.ids) if row.text is None else row.text
        fault = "JSON that was not finished" if schema is not None and not row.finished else None
        return Answer(
            text="" if fault else text,
            finished=row.finished,
            tokens_in=len(row.prompt),
            tokens_out=len(row.ids),
            logprob=row.logprob,
            fault=fault,
            cut=prompt.cut,
        )

    def _prompts(self, prompts: Sequence[Prompt], room: int) -> list[Rendered]:
        limit = self.writer.max_length - room
        return [self.writer.chat.prompt(messages_of(prompt), max_length=limit) for prompt in prompts]

    def _rules(
        self, asked: Sequence[Rendered], schema: Mapping[str, Any] | None, choices: Sequence[str] | None
    ) -> Callable[[int], Rule] | None:
        size, chat = int(self.writer.config.vocab_size), self.writer.chat
        if schema is not None:
            return JsonRules(chat.tokens, chat.stop_ids, size, schema)
        if choices is not None:
            return lambda i: ChoiceRule([chat.candidate(asked[i].ids, c, ends=True) for c in choices], size)
        return None
