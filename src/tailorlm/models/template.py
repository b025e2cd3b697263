"""How a conversation is written down for a model: its own chat template, or one of two that are documented here.

Templates are jinja, run in a sandbox with the same names that transformers gives them (`messages`, `tools`, `add_generation_prompt`,
the special tokens, `raise_exception`, `strftime_now`, the tags `generation`, `break`, `continue`), so that a template reads the same
here, in transformers and in any server that takes it. Nothing of torch or transformers is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from tailorlm.core.errors import TailorError

Message = Mapping[str, Any]
"""`{"role": "system" | "user" | "assistant" | "tool", "content": text}`, with `tool_calls`, `name`, `weight` where they stand."""

PLAIN = """\
{%- if tools %}{{ '### Tools\\n' + tools | tojson + '\\n\\n' }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'system' %}{{ message.content + '\\n\\n' }}
{%- elif message.role == 'assistant' %}
{{- '### Assistant\\n' + message.content }}
{%- if message.tool_calls %}{{ message.tool_calls | tojson }}{% endif %}
{{- eos_token + '\\n\\n' }}
{%- else %}{{ '### ' + message.role | capitalize + '\\n' + message.content + '\\n\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '### Assistant\\n' }}{% endif %}"""
"""For models that come with no template: system text, then each turn under a heading; an answer ends with the end-of-text token."""

RAW = """\
{%- for message in messages %}{{ message.content }}{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"""
"""The texts as they stand, one behind the other; an answer ends with the end-of-text token. For prompts that hold their own form."""


class Template:
    """One chat template over the special tokens of one model.

    source: jinja. tokens: special tokens by name (`bos_token`, `eos_token`, ...), which the template may write; missing ones are
    empty. Raises TailorError when the source is no jinja.
    """

    def __init__(self, source: str, tokens: Mapping[str, str]):
        self.source, self.tokens = source, dict(tokens)
        self._compiled = _compile(source)

    def write(self, messages: Sequence[Message], *, tools: Sequence[Any] | None = None, prompt: bool) -> str:
        """The text of a conversation. prompt: open the turn of the assistant at the end (what a model is given to answer).

        A system text that the template refuses (Gemma's does) is put before the first user's text. Raises TailorError when the
        template refuses the conversation (roles out of order, say); the message holds none of its text.
        """
        fault: Exception | None = None
        for said in (messages, _folded(messages)):
            if said is not None:
                try:
                    return self._write(said, tools, prompt)
                except Exception as error:  # a template can raise anything
                    fault = error
        raise TailorError(
            "the chat template refuses this conversation",
            got="roles: " + ", ".join(str(m.get("role")) for m in messages) + _reason(fault, messages),
            hint="bring the turns into the order that the model knows, or choose the template 'plain'",
        )

    def _write(self, messages: Sequence[Message], tools: Sequence[Any] | None, prompt: bool) -> str:
        given = {"bos_token": "", "eos_token": "", "unk_token": "", "pad_token": "", **self.tokens}
        text = self._compiled.render(
            messages=[dict(m) for m in messages],
            tools=list(tools) if tools else None,
            documents=None,
            add_generation_prompt=prompt,
            **given,
        )
        return str(text)


def _reason(fault: Exception | None, messages: Sequence[Message]) -> str:
    """What the template says, unless it repeats the user's words."""
    said = (str(fault).splitlines() or [type(fault).__name__])[0][:200]
    words = {word for m in messages for word in str(m.get("content") or "").split() if len(word) > 3}
    return "" if any(word in said for word in words) else f"; it says: {said}"


def _folded(messages: Sequence[Message]) -> list[Message] | None:
    """The conversation with its system text before the first user's; None where it has none to move."""
    if len(messages) < 2 or messages[0].get("role") != "system" or messages[1].get("role") != "user":
        return None
    system, user = messages[0], messages[1]
    return [{**user, "content": f"{system.get('content', '')}\n\n{user.get('content', '')}"}, *messages[2:]]


@lru_cache(maxsize=32)
def _compile(source: str) -> Any:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_generation_tag(), "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _as_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return environment.from_string(source)
    except jinja2.TemplateError as error:
        raise TailorError(
            "the chat template cannot be read", got=f"line {getattr(error, 'lineno', '?')}: {error.message}"
        ) from None


@lru_cache(maxsize=1)
def _generation_tag() -> Any:
    """The tag `{% generation %}` of transformers, which marks what the assistant writes; positions tell us that without it."""
    from jinja2 import nodes
    from jinja2.ext import Extension

    class GenerationTag(Extension):
        tags = {"generation"}  # noqa: RUF012  # jinja's own way of naming them

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    return GenerationTag


def _refuse(message: str) -> None:
    import jinja2

    raise jinja2.TemplateError(message)


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # jinja's own escapes < and > for web pages.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
