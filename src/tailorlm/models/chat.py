"""Conversations as token ids, with what is learned of them: the one function that training, evaluation, serving and export share.

What is learned is told by position, never by token id: the tokens of the assistant's answers and the token each of them ends with. So
an end-of-text token that also serves as padding, or stands in a user's text, is learned where the assistant writes it and nowhere else.
What a model is given to answer is, id by id, the beginning of what it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.cutting import fitted
from tailorlm.models.template import PLAIN, RAW, Message, Template
from tailorlm.models.tokens import Tokens, stretches

Learn = Literal["all", "last"]
PROBE = "probe"
# So many tokens of a prompt tell how what follows is cut into tokens.
NEAR = 16
# Characters before a piece that can have a say in its first tokens; words are shorter.
REACH = 512
KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Rendered:
    """One conversation as token ids.

    ids, learned: one entry a token; learned is True for the tokens of answers and the token each ends with. cut: how many tokens of
    the prompt had to go, turns_cut: how many of its turns, answer_cut: how many tokens of the last answer (0 unless the answer
    alone is too long).
    """

    ids: list[int]
    learned: list[bool]
    cut: int = 0
    turns_cut: int = 0
    answer_cut: int = 0

    @property
    def targets(self) -> int:
        """How many tokens are learned."""
        return sum(self.learned)


class Nothing(TailorError):
    """A row with nothing to learn; the message says why and holds none of its text."""


class Unstable(TailorError):
    """A template that writes earlier turns differently once later ones follow."""


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    answer: bool


class Chat:
    """Writes conversations for one model: `render` with answers to learn from, `prompt` to be answered.

    tokens: of the model. template: `auto` (the model's own, `plain` where it has none), `plain`, `raw` (see `models/template.py`) or
    jinja. The text is tokenised in pieces that meet where an answer begins and ends, so that the ids of a prompt are exactly the
    first ids of what is trained on, whatever characters meet there. Nothing is put before the text that the template does not
    write (no second `<s>`).
    """

    def __init__(self, tokens: Tokens, template: str = "auto"):
        self.tokens = tokens
        own = tokens.templates.get("default") or next(iter(tokens.templates.values()), None)
        self.own = template == "auto" and own is not None
        begin = "{{- bos_token }}" if tokens.begins else ""
        known = {"auto": own or begin + PLAIN, "plain": begin + PLAIN, "raw": begin + RAW}
        if template not in known and "{" not in template:
            raise UsageError(
                f"there is no chat template '{template}'", allowed="auto, plain, raw, or the text of a template"
            )
        self.template = Template(known.get(template, template), tokens.named)
        tool_use = tokens.templates.get("tool_use")
        self._candidates: dict[tuple[str, str, str], list[int]] = {}
        self._with_tools = Template(tool_use, tokens.named) if self.own and tool_use else self.template

    @property
    def source(self) -> str:
        """The template in use: what an export writes into the model's folder, so that others write the same."""
        return self.template.source

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Every id that ends an answer: the folder's, and the one that the template writes."""
        own = self.tokens.one(self._suffix.stop) if self._suffix.stop else None
        return self.tokens.stop | ({own} if own is not None else set())

    @property
    def writes_stop(self) -> bool:
        """Whether the template itself ends an answer with a token to stop at; where not, the end-of-text token follows the last one."""
        return bool(self._suffix.stop)

    def prompt(
        self, messages: Sequence[Message], *, tools: Sequence[Any] | None = None, max_length: int | None = None
    ) -> Rendered:
        """What the model is given to answer: the conversation, and the opened turn of the assistant; nothing in it is learned.

        max_length: the room there is, in tokens (positions of the model less what it may write); `render` says what is cut.
        """
        return fitted(
            lambda kept: self._ids(self._pieces(kept, tools, True, "last"), "last"), self, messages, max_length
        )

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Any] | None = None,
        max_length: int | None = None,
        learn: Learn = "all",
    ) -> Rendered:
        """A conversation to learn from, up to the token that ends its last answer.

        learn: `all` answers, or the `last` one only; an answer with `weight: 0` is never learned. max_length: in tokens; prompts are cut
        before answers are: the oldest turns first, then the oldest text of the user from its left; system text stays while
        there is anything else to cut. Raises Nothing for a row without an answer, Unstable for a template that rewrites
        earlier turns (with `learn="all"`), TailorError where the template refuses the conversation.
        """
        last = max((i for i, m in enumerate(messages) if m.get("role") == "assistant"), default=-1)
        if last < 0:
            raise Nothing("the row has no answer of the assistant")
        messages = messages[: last + 1]
        if not _says(messages[-1]):
            raise Nothing("the answer is empty")
        if not self.stop_ids:
            raise TailorError(
                "this model has no token that ends a text, so an answer trained on would never stop",
                hint="choose a model whose tokenizer names an eos_token, or give a template that writes one",
            )
        done = fitted(
            lambda kept: self._ids(self._pieces(kept, tools, False, learn), learn), self, messages, max_length
        )
        if not any(done.learned):
            raise Nothing("every answer has the weight 0")
        return done

    def shown(self, rendered: Rendered) -> list[tuple[str, bool]]:
        """The text as the model sees it, special tokens written out, in stretches with whether they are learned."""
        return stretches(partial(self.tokens.decode, special=True), rendered.ids, rendered.learned)

    def answer(self, prompt: Sequence[int], written: Sequence[int]) -> str:
        """The text that was written behind a prompt, without the token it stopped at and special tokens."""
        kept = list(written)
        while kept and kept[-1] in self.stop_ids:
            kept.pop()
        # Some tokenizers drop a blank at the very beginning: the text is read behind a little of the prompt.
        before = list(prompt)[-8:]
        lead = self.tokens.decode(before)
        whole = self.tokens.decode([*before, *kept])
        text = whole[len(lead) :] if whole.startswith(lead) else self.tokens.decode(kept)
        return text.removeprefix(self._suffix.lead)

    def candidate(self, prompt: Sequence[int], text: str, *, ends: bool = True) -> list[int]:
        """The ids of a given answer behind a prompt's ids, as training would have them. ends: with the token it stops at."""
        stop = (self._suffix.stop or self.tokens.named.get("eos_token", "")) if ends else ""
        tail = self.tokens.decode(list(prompt)[-NEAR:], special=True)
        key = (tail, text, stop)
        if key not in self._candidates:
            if len(self._candidates) > KEPT:
                self._candidates.clear()
            self._candidates[key] = self._behind(tail, self._suffix.lead + text + stop)
        return self._candidates[key]

    # ---- text in pieces

    @cached_property
    def _suffix(self) -> _Suffix:
        """What the template writes behind an answer, seen on a conversation of two words."""
        asked: list[Message] = [{"role": "user", "content": "a"}]
        opened = self.template.write(asked, prompt=True)
        whole = self.template.write([*asked, {"role": "assistant", "content": PROBE}], prompt=False)
        if not whole.startswith(opened):
            raise _rewrites()
        between, found, after = whole[len(opened) :].rpartition(PROBE)
        if not found:
            raise TailorError(
                "the chat template does not write what the assistant says", hint="choose the template 'plain'"
            )
        marks = list(self.tokens.mark.finditer(after)) if self.tokens.mark else []
        mark = next((m for m in marks if self.tokens.added[m.group()]), marks[0] if marks else None)
        # Words before every answer (an empty thought) are no answer: the prompt ends with them. A blank belongs to the first word.
        opens, lead = (between, "") if between.strip() else ("", between)
        return _Suffix(opens, lead, after, mark.group() if mark else "", mark.end() if mark else 0)

    def _opened(self, opened: str, whole: str | None = None) -> str:
        """The opened turn with what the template puts into it before the answer. whole: with the answer, where that is known."""
        wider = opened + self._suffix.opens
        return wider if whole is None or whole.startswith(wider) else opened

    def _pieces(
        self, messages: Sequence[Message], tools: Sequence[Any] | None, prompt: bool, learn: Learn
    ) -> list[_Piece]:
        """The text, cut where answers begin and end. prompt: it ends with the assistant's opened turn, else with an answer."""
        writer = self._with_tools if tools else self.template
        first = next((i for i, m in enumerate(messages) if m.get("role") != "system"), len(messages))
        turns = [i for i, m in enumerate(messages) if m.get("role") == "assistant" and i > first]
        if not prompt and not turns:
            raise Nothing("the answer follows nothing")
        found: list[_Piece] = []
        written = ""
        try:
            for i in turns:
                opened = writer.write(messages[:i], tools=tools, prompt=True)
                whole = writer.write(messages[: i + 1], tools=tools, prompt=False)
                if not (whole.startswith(opened) and opened.startswith(written)):
                    raise _rewrites()
                opened = self._opened(opened, whole)
                answer = self._answered(whole[len(opened) :])
                found += [_Piece(opened[len(written) :], False), _Piece(answer, messages[i].get("weight") != 0)]
                written = opened + answer
            if prompt:
                opened = writer.write(messages, tools=tools, prompt=True)
                if not opened.startswith(written):
                    raise _rewrites()
                found.append(_Piece(self._opened(opened)[len(written) :], False))
        except Unstable:
            if learn == "all":
                raise
            return self._last(writer, messages, tools, prompt)
        if learn == "last":
            found = [replace(p, answer=p.answer and i == len(found) - 1) for i, p in enumerate(found)]
        return found if prompt or self.writes_stop else [*found[:-1], self._ended(found[-1])]

    def _last(
        self, writer: Template, messages: Sequence[Message], tools: Sequence[Any] | None, prompt: bool
    ) -> list[_Piece]:
        """The same for a template that rewrites earlier turns: all before the last answer is one piece."""
        if prompt:
            return [_Piece(self._opened(writer.write(messages, tools=tools, prompt=True)), False)]
        opened = writer.write(messages[:-1], tools=tools, prompt=True)
        whole = writer.write(messages, tools=tools, prompt=False)
        if not whole.startswith(opened):
            raise _rewrites()
        opened = self._opened(opened, whole)
        piece = _Piece(self._answered(whole[len(opened) :]), messages[-1].get("weight") != 0)
        return [_Piece(opened, False), piece if self.writes_stop else self._ended(piece)]

    def _answered(self, tail: str) -> str:
        """What is learned of the text from an answer on: the answer and the token that it ends with."""
        suffix = self._suffix
        if tail.endswith(suffix.text):
            return tail[: len(tail) - len(suffix.text) + suffix.end]
        marks = list(self.tokens.mark.finditer(tail)) if self.tokens.mark else []
        special = [m for m in marks if self.tokens.added[m.group()]]
        return tail[: special[-1].end()] if special else tail

    def _ended(self, piece: _Piece) -> _Piece:
        return replace(piece, text=piece.text + self.tokens.named.get("eos_token", ""))

    # ---- pieces in ids

    def _ids(self, pieces: Sequence[_Piece], learn: Learn) -> Rendered:
        ids: list[int] = []
        learned: list[bool] = []
        written = ""
        for piece in pieces:
            new = self._behind(written, piece.text)
            ids += new
            learned += [piece.answer] * len(new)
            written += piece.text
        return Rendered(ids, learned)

    def _behind(self, before: str, text: str) -> list[int]:
        """The ids of a text that stands behind another, whose ids stay what they were."""
        if not before or not text:
            return self.tokens.encode(text)
        # Nothing merges over a special token: what stands before the last one is out of reach.
        marks = [m.start() for m in self.tokens.mark.finditer(before)] if self.tokens.mark else []
        near = (before[marks[-1] :] if marks else before)[-REACH:]
        alone, joint = self.tokens.encode(near), self.tokens.encode(near + text)
        if joint[: len(alone)] == alone:
            return joint[len(alone) :]
        # The two would melt into one token. The prompt is given as it is, so the answer is written from its own first character.
        for anchor in (near[-1:], "\n", "a", ""):
            head, both = self.tokens.encode(anchor), self.tokens.encode(anchor + text)
            if both[: len(head)] == head:
                new = both[len(head) :]
                if self.tokens.decode([*alone, *new], special=True) == self.tokens.decode(joint, special=True):
                    return new
        raise TailorError("an answer cannot be written in tokens of its own behind this prompt")


@dataclass(frozen=True, slots=True)
class _Suffix:
    """What stands around an answer: words that the template puts before every one, the blank before it, what follows, the token to
    stop at in that, where it ends."""

    opens: str
    lead: str
    text: str
    stop: str
    end: int


def _says(message: Message) -> bool:
    return bool(str(message.get("content") or "").strip() or message.get("tool_calls"))


def _rewrites() -> Unstable:
    return Unstable(
        "the chat template writes earlier turns differently once later ones follow, so what is learned of them would not be what is served",
        hint="learn from the last answer only (learn: last), or choose the template 'plain'",
    )


def conversation(prompt: str, answer: str | None = None, *, system: str | None = None) -> list[Message]:
    """A prompt, and its answer if it has one, as messages."""
    said: list[Message] = [{"role": "system", "content": system}] if system else []
    said.append({"role": "user", "content": prompt})
    return said if answer is None else [*said, {"role": "assistant", "content": answer}]


def chat_of(folder: Path, template: str = "auto") -> Chat:
    """The rendering of a model folder, without loading torch or transformers."""
    from tailorlm.models.tokens import tokens_of

    return Chat(tokens_of(folder), template)
