"""Names and addresses, found by a model that the caller brings, and stand-ins that read like names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from tailorlm.core.errors import TailorError
from tailorlm.data.redact._draw import Draw
from tailorlm.data.redact.base import Found

Model = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int, str]]]]
"""Texts in; for each the spans (start, end, label), in characters, end exclusive."""

_PERSON = "PER PERSON NAME FIRSTNAME GIVENNAME MIDDLENAME LASTNAME SURNAME PATIENT STAFF DOCTOR"
_ADDRESS = "ADDRESS STREET STREET_ADDRESS STREETADDRESS SECONDARYADDRESS BUILDINGNUMBER BUILDINGNUM ZIPCODE ZIP"
LABELS = {**dict.fromkeys(_PERSON.split(), "person"), **dict.fromkeys(_ADDRESS.split(), "address")}
"""Labels that models use, with the kind they become. Places and organisations are not in it: they are rarely personal."""

_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_WORD = re.compile(r"[^\W\d_]+")


class NamesByModel:
    """The spans of a token-classification model, as finds.

    model: any callable from texts to spans; nothing of torch is needed here. labels: the model's labels to kinds; others are
    left. Labels are compared in capitals and without a B- or I- before them. threshold and batching are the caller's.
    Raises TailorError where the model answers for another number of texts, or with offsets outside a text.
    Choose it for what has no form: names of people, streets. Its recall is that of the model on texts like yours.
    """

    def __init__(self, model: Model, labels: Mapping[str, str] | None = None):
        self.model = model
        self.labels = {label.upper(): kind for label, kind in (LABELS if labels is None else labels).items()}

    def find_all(self, texts: Sequence[str]) -> list[list[Found]]:
        """For each text its finds, in any order."""
        answers = self.model(texts)
        if len(answers) != len(texts):
            raise TailorError(
                "the model for names must answer once for every text",
                got=f"{len(answers)} answers for {len(texts)} texts",
            )
        return [self._found(text, spans) for text, spans in zip(texts, answers, strict=True)]

    def _found(self, text: str, spans: Sequence[tuple[int, int, str]]) -> list[Found]:
        found = []
        for start, end, label in spans:
            if not 0 <= start <= end <= len(text):
                raise TailorError(
                    "the model for names gave a span outside its text",
                    got=f"{start} to {end} in a text of {len(text)} characters",
                    allowed="offsets in characters, the end exclusive",
                )
            kind = self.labels.get(label.upper().removeprefix("B-").removeprefix("I-"))
            if kind is not None and start < end:
                found.append(Found(kind, start, end))
        return found


def name_pseudonym(value: str, kind: str, key: bytes) -> str:
    """Another name of the same form: a made-up word for each word, another digit for each digit.

    A word always becomes the same word, so "Ada Byron" and "Byron" stay one family. Case is kept.
    """
    numbers = Draw(key, kind, "digits", value)
    words = _WORD.sub(lambda m: _cased(m[0], _word(m[0].casefold(), kind, key)), value)
    return re.sub("[0-9]", lambda _: str(numbers.below(10)), words)


def is_name_pseudonym(value: str, kind: str, key: bytes) -> bool:
    """Whether all words of a value were made with this key, which their last syllable shows."""
    words = _WORD.findall(value)
    return bool(words) and all(_sealed(word.casefold()[:6], kind, key) == word.casefold() for word in words)


def _word(word: str, kind: str, key: bytes) -> str:
    return _sealed(_syllables(Draw(key, kind, "word", word), 3), kind, key)


def _sealed(begin: str, kind: str, key: bytes) -> str:
    return begin + _syllables(Draw(key, kind, "seal", begin), 1)


def _syllables(draw: Draw, count: int) -> str:
    return "".join(draw.some(_CONSONANTS, 1) + draw.some(_VOWELS, 1) for _ in range(count))


def _cased(model: str, word: str) -> str:
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
