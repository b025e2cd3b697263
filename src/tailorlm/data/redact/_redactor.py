"""Texts without what is personal in them: by mask, by stand-in, or by taking it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from tailorlm.core.errors import UsageError
from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact._find import Claim, all_ranked, claims, kinds_named, ranked, settled
from tailorlm.data.redact._names import NamesByModel, is_name_pseudonym, name_pseudonym
from tailorlm.data.redact._view import View
from tailorlm.data.redact.base import Found, Kind

Mode = Literal["mask", "pseudonym", "drop"]
_SHORTEST_KEY = 16
_ATTEMPTS = 64
# From this round on everything is masked, so that the rounds end.
_LAST_FREE_ROUND = 2


class Redactor:
    """Redacts texts, one way for all of them.

    kinds: names, groups ("national_id") or kinds such as `Phone(regions=["DE"])`; None means all.
    mode: `mask` writes the kind (`<EMAIL>`); `pseudonym` a stand-in of the same form that can belong to nobody, equal for
    equal values within one key; `drop` takes the value out, with the blank beside it.
    key: for pseudonyms, sixteen characters or more, kept secret: who has it can check guesses. names: a model for names.

    In what `apply` returns, `find` finds nothing of these kinds any more, so applying twice is applying once. Where a
    stand-in would make a new identifier together with its neighbours, a mask is written there.
    Choose mask for training on text where the value does not matter, pseudonym where the model should see whole sentences
    or who is who matters, drop where even the place should not show. Raises UsageError for an unknown kind or mode, and
    for a missing or short key.
    """

    def __init__(
        self,
        kinds: Iterable[str | Kind] | None = None,
        mode: Mode = "mask",
        key: str | bytes | None = None,
        *,
        names: NamesByModel | None = None,
    ):
        if mode not in get_args(Mode):
            raise UsageError("there is no such way to redact", got=repr(mode), allowed=", ".join(get_args(Mode)))
        self.kinds = kinds_named(kinds)
        self._ranked = ranked(self.kinds)
        self.mode = mode
        self.names = names
        self._key = _checked(key) if mode == "pseudonym" else b""
        self._by_name = {kind.name: kind for kind in self.kinds}

    def __repr__(self) -> str:
        return f"Redactor({[kind.name for kind in self.kinds]}, mode={self.mode!r})"

    def apply(self, text: str) -> tuple[str, Counter[str]]:
        """The text redacted, and how many finds of each kind it had."""
        return self.apply_all([text])[0] if self.names else self._redacted(text, [])

    def apply_all(self, texts: Sequence[str]) -> list[tuple[str, Counter[str]]]:
        """The same for many texts, which go to the model for names together."""
        named = self.names.find_all(texts) if self.names else [[] for _ in texts]
        return [self._redacted(text, found) for text, found in zip(texts, named, strict=True)]

    def apply_with(self, text: str, named: Sequence[Found]) -> tuple[str, Counter[str]]:
        """The same where the finds of the model for names in this very text are known already."""
        return self._redacted(text, named)

    def stand_in(self, kind: str, token: str, *, torn: bool) -> str:
        """What takes the place of one token of a find: a mask, or for a word of a name its pseudonym. torn: the value is
        written over several tokens, so that this one alone means nothing."""
        return _mask(kind) if torn or self.mode != "pseudonym" else self._pseudonym(kind, token)

    def _redacted(self, text: str, named: Sequence[Found]) -> tuple[str, Counter[str]]:
        own = [claim for claim in map(_as_claim, named) if not self._is_ours(text, claim)]
        found = settled(claims(View(text), self._ranked) + own)
        counts: Counter[str] = Counter()
        for round_ in range(1, len(text) + 2):
            if not found:
                break
            counts.update(each.kind for each in found)
            text = self._replaced(text, found, self.mode if round_ <= _LAST_FREE_ROUND else "mask", round_)
            found = settled(claims(View(text), self._ranked))
        return text, counts

    def _replaced(self, text: str, found: list[Found], mode: Mode, round_: int) -> str:
        pieces, at = [], 0
        for each in found:
            start, value = each.start, text[each.start : each.end]
            pieces.append(text[at:start])
            at = each.end
            if mode == "drop":
                # Of the two blanks around the gap one goes with the value.
                if text[start - 1 : start] in ("", " ") and text[at : at + 1] == " ":
                    at += 1
            elif mode == "pseudonym" and round_ == 1:
                pieces.append(self._pseudonym(each.kind, value))
            else:
                pieces.append(_mask(each.kind))
        return "".join([*pieces, text[at:]])

    def _pseudonym(self, name: str, value: str) -> str:
        kind = self._by_name.get(name)
        if kind is None:
            other = name_pseudonym(value, name, self._key)
            return other if is_name_pseudonym(other, name, self._key) else _mask(name)
        plain = View(value).text
        same = kind.same(plain)
        for attempt in range(_ATTEMPTS):
            other = kind.pseudonym(plain, Draw(self._key, name, same, str(attempt)))
            # Not even with a fitting word beside it may any kind take the stand-in for a real value.
            if other != plain and not claims(View(other, named_all=True), all_ranked()):
                return other
        return _mask(name)

    def _is_ours(self, text: str, claim: Claim) -> bool:
        value = text[claim.start : claim.end]
        return _is_mask(value) or (self.mode == "pseudonym" and is_name_pseudonym(value, claim.kind, self._key))


def _as_claim(found: Found) -> Claim:
    # Behind all kinds that have a form.
    return Claim(found.start, found.end, (True, 1_000_000), found.kind)


def _mask(kind: str) -> str:
    return f"<{kind.upper()}>"


def _is_mask(value: str) -> bool:
    return value.strip("<>").isupper() and View(f"<{value.strip('<>')}>").text.isspace()


def _checked(key: str | bytes | None) -> bytes:
    if key is None:
        raise UsageError(
            "pseudonyms need a key",
            allowed=f"{_SHORTEST_KEY} characters or more that only you know",
            hint="make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    encoded = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else bytes(key)
    if len(encoded) < _SHORTEST_KEY:
        raise UsageError("the key for pseudonyms is too short", allowed=f"{_SHORTEST_KEY} characters or more")
    return encoded
