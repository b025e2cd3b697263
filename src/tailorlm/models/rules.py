"""What may come next in an answer: one of some texts, or JSON of a schema (extra `grammar`)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.models.tokens import Tokens


FORM = "x-guidance"
# Compact, or with a blank behind commas and colons: models left free to write blanks may never stop.
BLANKS = " ?"


class ChoiceRule:
    """One of some token rows, each ending with the token to stop at.

    candidates: token ids, none empty, none the beginning of another. size: of the model's vocabulary.
    """

    def __init__(self, candidates: Sequence[Sequence[int]], size: int):
        self._left = [list(c) for c in candidates]
        self._at, self._size = 0, size

    def allowed(self) -> Tensor | None:
        """Bool (vocabulary,)."""
        import torch

        mask = torch.zeros(self._size, dtype=torch.bool)
        mask[[c[self._at] for c in self._left]] = True
        return mask

    def take(self, token: int) -> bool:
        """Keep the candidates that go on like this; done when one of them is whole."""
        self._left = [c for c in self._left if c[self._at] == token]
        self._at += 1
        return any(len(c) == self._at for c in self._left)


class JsonRule:
    """JSON that a grammar allows.

    matcher: llguidance's, made by `json_rules`.
    """

    def __init__(self, matcher: Any):
        self._matcher = matcher

    def allowed(self) -> Tensor | None:
        """Bool (vocabulary,)."""
        import numpy as np
        import torch

        return torch.from_numpy(np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8) > 0)

    def take(self, token: int) -> bool:
        """Go on behind a token; done when nothing may follow."""
        self._matcher.consume_token(token)
        if self._matcher.is_error():
            raise TailorError(
                "the grammar does not know a token that it allowed", hint="choose another model, or leave schema out"
            )
        return bool(self._matcher.is_stopped())


class JsonRules:
    """Makes the rule of each row for one JSON schema; between its parts stands one blank or none, unless the schema's own `x-guidance`
    says otherwise.

    Raises TailorError where the extra `grammar` is not installed, UsageError for a schema that cannot be followed.
    """

    def __init__(self, tokens: Tokens, stop: frozenset[int], size: int, schema: Mapping[str, Any]):
        check_grammar()
        from llguidance import LLMatcher

        self._tokenizer = _grammar_tokens(tokens.backend.to_str(), size, tuple(sorted(stop)))
        try:
            self._grammar = LLMatcher.grammar_from_json_schema(
                json.dumps({FORM: {"whitespace_pattern": BLANKS}, **schema})
            )
        except (ValueError, TypeError) as error:
            raise _no_schema(str(error)) from None
        fault = LLMatcher.validate_grammar(self._grammar, self._tokenizer)
        if fault:
            raise _no_schema(fault)
        self._first = LLMatcher(self._tokenizer, self._grammar)

    def __call__(self, _: int) -> JsonRule:
        """The rule of a row, at its beginning."""
        return JsonRule(self._first.deep_copy())


def check_grammar() -> None:
    """TailorError where the extra `grammar` is not installed."""
    if importlib.util.find_spec("llguidance") is None:
        raise TailorError("answers that follow a JSON schema need llguidance", hint="pip install 'tailorlm[grammar]'")


def _no_schema(fault: str) -> UsageError:
    return UsageError("the JSON schema cannot be followed", got=(fault.splitlines() or ["?"])[0][:200])


@lru_cache(maxsize=4)
def _grammar_tokens(tokenizer: str, size: int, stop: tuple[int, ...]) -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer(tokenizer, n_vocab=size, eos_token=list(stop))
