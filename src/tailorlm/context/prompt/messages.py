"""One function that puts together what a model is shown, for training, evaluation and serving alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, TypedDict

from tailorlm.context.index import Passage
from tailorlm.context.store import Example
from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import UsageError


class Message(TypedDict):
    """One message of a chat. role: `system`, `user` or `assistant`."""

    role: str
    content: str


class PromptSettings(Settings):
    """The layout of a prompt."""

    word: ClassVar[str] = "the prompt"

    query: str = setting("{}", help="how the query is put; `{}` stands for it, in examples too", pattern=r"\{\}")
    examples: Literal["turns", "text"] = setting(
        "turns",
        help="examples as earlier turns of the chat, or written into the one message (for models without a chat template)",
    )
    system: bool = setting(
        True, help="whether the instruction is a system message; false puts it before the first message of the user"
    )
    cite: str = setting(
        "Use these passages. After each fact, name the passage it comes from by its number, like [1]. "
        "If the passages do not hold the answer, say so.",
        help="said below the passages; empty for nothing",
    )
    passages: str = setting("Passages:", help="the line above the passages")
    input: str = setting("Input:", help="with examples as text: what stands before each input")
    output: str = setting("Answer:", help="with examples as text: what stands before each answer")


def assemble(
    query: str,
    *,
    instruction: str = "",
    examples: Sequence[Example] = (),
    passages: Sequence[Passage] = (),
    history: Sequence[Message] = (),
    settings: PromptSettings | None = None,
) -> list[Message]:
    """The messages of one prompt, up to and with the query; the answer is what comes next.

    examples: in the order in which they are shown (`show` puts the nearest last). passages: numbered from 1 in the order given.
    history: earlier turns of this conversation, between the examples and the query; a system message at its head joins the
    instruction. By default:

        system     the instruction
        user       the text of an example          (for every example)
        assistant  its answer
        user       Passages:

                   [1] Title > Heading
                   text of the passage

                   Use these passages. ...

                   the query

    Whatever is not given leaves no trace, blank lines included. Text is shown as it stands: signs of a chat template inside it are
    for whoever turns messages into tokens to keep from meaning anything. To learn from a prompt, put the answer behind it and learn
    the last answer alone (`Chat.render(..., learn="last")`): the answers of examples are shown, not learned.
    Raises UsageError for a history that does not alternate.
    """
    s = settings or PromptSettings()
    earlier = list(history)
    system = [instruction.strip()]
    while earlier and earlier[0]["role"] == "system":
        system.append(earlier.pop(0)["content"].strip())
    _check(earlier)
    made: list[Message] = []
    if s.examples == "turns":
        for example in examples:
            made += [_said("user", _put(s.query, example.text)), _said("assistant", example.answer)]
    made += earlier
    parts = [_written(examples, s)] if s.examples == "text" and examples else []
    parts += [_numbered(passages, s)] if passages else []
    asked = _put(s.query, query)
    parts.append(f"{s.input} {asked}\n{s.output}" if s.examples == "text" and examples else asked)
    made.append(_said("user", "\n\n".join(parts)))
    head = "\n\n".join(part for part in system if part)
    if head and s.system:
        return [_said("system", head), *made]
    if head:
        made[0] = _said(made[0]["role"], f"{head}\n\n{made[0]['content']}")
    return made


def _said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _put(template: str, text: str) -> str:
    return template.replace("{}", text, 1)


def _written(examples: Sequence[Example], s: PromptSettings) -> str:
    return "\n\n".join(f"{s.input} {_put(s.query, one.text)}\n{s.output} {one.answer}" for one in examples)


def _numbered(passages: Sequence[Passage], s: PromptSettings) -> str:
    blocks = [s.passages] if s.passages else []
    for number, passage in enumerate(passages, 1):
        above = [words for words in dict.fromkeys([passage.title, *passage.headings]) if words]
        head = f"[{number}] {' > '.join(above)}".rstrip()
        blocks.append(f"{head}\n{passage.text.strip()}")
    return "\n\n".join([*blocks, s.cite] if s.cite else blocks)


def _check(history: Sequence[Message]) -> None:
    roles = [message["role"] for message in history]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise UsageError(
            "earlier turns must alternate, the user first and the assistant last",
            got=", ".join(roles),
            hint="the query itself is not part of them",
        )
