"""Answers by a model behind an OpenAI-compatible endpoint, under the same protocol as one on this machine."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.account import Spent
from tailorlm.models.answers import Answer, Prompt, Writing, check_writing, messages_of
from tailorlm.models.endpoint import Caller, Endpoint, Refused, endpoint_called, tokens_used
from tailorlm.tasks.readings import whole

USUAL = Writing()
SENT = ("role", "content", "name", "tool_calls", "tool_call_id")
ONE_OF = "answer"


class Remote:
    """A model behind an endpoint. Choose it to compare a hosted model, prompted, with a small one of your own, tuned.

    kept_in: a folder for answers by content, so that the same question is paid for once. `spent` counts calls, tokens, cost.
    """

    def __init__(self, endpoint: Endpoint, *, kept_in: Path | None = None):
        self.endpoint = endpoint
        self._caller = Caller(endpoint, kept_in)

    @property
    def spent(self) -> Spent:
        """What this process has spent on this model by the same key, through this object or others: what `most` is a limit for."""
        return self._caller.spent

    def answers(
        self,
        prompts: Sequence[Prompt],
        writing: Writing = USUAL,
        *,
        schema: Mapping[str, Any] | None = None,
        choices: Sequence[str] | None = None,
    ) -> list[Answer]:
        """One answer a prompt, in order; equal prompts are asked once at temperature 0.

        An answer that cannot be used (refused, not JSON where a schema was asked, none of the choices) has a `fault` and no text. Raises
        TailorError where the endpoint cannot be reached, UsageError for settings that it does not know (beams, top_k).
        """
        check_writing(writing, schema=schema, choices=choices)
        if writing.beams > 1 or writing.top_k:
            raise UsageError("an endpoint knows neither beams nor top_k", hint="set beams: 1 and top_k: 0")
        form = _form(schema, choices)
        bodies = []
        seen: Counter[str] = Counter()
        for prompt in prompts:
            messages = [{k: m[k] for k in SENT if k in m} for m in messages_of(prompt)]
            key = json.dumps(messages, sort_keys=True)
            bodies.append(_body(messages, writing, form, _seed(writing.seed, key, seen[key])))
            seen[key] += 1
        distinct = {json.dumps(body, sort_keys=True): body for body in bodies}
        over: list[BaseException] = []

        def asked(body: Mapping[str, Any]) -> Answer:
            if over:  # what ended one call would end the next
                raise over[0]
            try:
                return self._answer(body, schema, choices)
            except BaseException as error:
                over.append(error)
                raise

        with ThreadPoolExecutor(self.endpoint.parallel) as pool:
            futures = {key: pool.submit(asked, body) for key, body in distinct.items()}
            try:
                found = {key: future.result() for key, future in futures.items()}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [found[json.dumps(body, sort_keys=True)] for body in bodies]

    def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[str], *, mean: bool = False, ends: bool = True
    ) -> np.ndarray:
        """Refused: endpoints do not say how likely a given answer is."""
        raise TailorError(
            "an endpoint does not say how likely a given answer is",
            got=f"{self.endpoint.model}",
            hint="let it write one of the labels instead (answers with choices), or choose a model on this machine",
        )

    def _answer(self, body: Mapping[str, Any], schema: Any, choices: Sequence[str] | None) -> Answer:
        try:
            called = self._caller.call(body)
        except Refused as error:
            return Answer("", False, 0, 0, fault=f"refused: {error.got}")
        said = called.answer
        choice = said["choices"][0]
        text = str(choice["message"].get("content") or "")
        tokens_in, tokens_out = tokens_used(said)
        finished = choice.get("finish_reason") in ("stop", "tool_calls", None)
        fault = None
        if choice.get("finish_reason") == "content_filter":
            fault = "filtered"
        elif schema is not None or choices is not None:
            text, fault = _parsed(text, choices, finished, wrapped=schema is not None and _bare(schema))
        return Answer(
            "" if fault else text,
            finished and fault is None,
            tokens_in,
            tokens_out,
            fault=fault,
            kept=called.kept,
            seconds=called.seconds,
        )


def _body(
    messages: list[dict[str, Any]], writing: Writing, form: Mapping[str, Any] | None, seed: int
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": messages,
        "max_tokens": writing.max_new_tokens,
        "temperature": writing.temperature,
        "top_p": writing.top_p,
    }
    if writing.temperature:
        body["seed"] = seed
    if writing.stop:
        body["stop"] = list(writing.stop)
    if form is not None:
        body["response_format"] = form
    return body


def _seed(seed: int, messages: str, occurrence: int) -> int:
    """The seed of one draw, in [0, 2**31), told by `seed`, what is asked (as JSON) and how often that was asked before in the same call.

    As with the dice of models here, the place among other prompts says nothing: a prompt is drawn for alike whatever stands beside it, and
    its kept answer is found again when other rows are left out.
    """
    content = json.dumps([seed, occurrence, messages])
    return int.from_bytes(hashlib.sha256(content.encode("ascii")).digest()[:4], "big") >> 1


def _form(schema: Mapping[str, Any] | None, choices: Sequence[str] | None) -> dict[str, Any] | None:
    if choices is not None:
        one = {"type": "string", "enum": list(choices)}
        schema = {"type": "object", "properties": {ONE_OF: one}, "required": [ONE_OF], "additionalProperties": False}
    if schema is None:
        return None
    if _bare(schema):  # endpoints take objects alone
        schema = {"type": "object", "properties": {ONE_OF: schema}, "required": [ONE_OF], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": ONE_OF, "schema": dict(schema), "strict": True}}


def _bare(schema: Mapping[str, Any]) -> bool:
    """Whether what follows a schema is no object, so that it is asked for inside one."""
    return bool(schema.get("type", "object") != "object")


def _parsed(
    text: str, choices: Sequence[str] | None, finished: bool, *, wrapped: bool = False
) -> tuple[str, str | None]:
    """The text of an answer that was to be JSON, and what is wrong with it. wrapped: it was asked for inside an object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # Endpoints that know no schemas answer with the bare label.
        if choices is not None and text.strip() in choices:
            return text.strip(), None
        return "", "no JSON" if finished else "JSON that was not finished"
    if choices is None:
        inner = value[ONE_OF] if wrapped and isinstance(value, dict) and ONE_OF in value else None
        return (text if inner is None else whole(json.dumps(inner, ensure_ascii=False))), None
    value = value.get(ONE_OF) if isinstance(value, dict) else value
    return (value, None) if isinstance(value, str) and value in choices else ("", "none of the choices")


def remote_called(name: str, *, kept_in: Path | None = None) -> Remote:
    """The endpoint that this machine's file calls `name` (see `endpoint_called`)."""
    return Remote(endpoint_called(name), kept_in=kept_in)
