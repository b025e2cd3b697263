"""Personal and secret values out of every column: masked, replaced by a consistent stand-in, or taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.data.redact import KINDS, NamesByModel, Phone, Redactor, find, kinds_named
from tailorlm.data.steps.base import Context, Dropped, Item, Step, Tally

_AROUND = 60
_SHORT, _REMEMBERED = 40, 10_000


class Redact(Step):
    """Redacts every string of a row, in all columns and at any depth, and long numbers; offsets are carried along.

    Kinds are those of `data/redact`: e-mail, phone, card (Luhn), IBAN (mod 97), national ids, IP and MAC addresses, API keys,
    passwords, logins in URLs; names and addresses by a token-classification model that you name. What is written beside the
    rows (dropped rows, examples, notes) goes through the same redaction. Nothing keeps the values.
    Choose `pseudonym` with a key file where the same person must stay the same person, also in a later delivery.
    """

    class Settings(BaseSettings):
        """What is looked for and what takes its place."""

        kinds: tuple[str, ...] = setting((), help="kinds or groups (national_id); without them all")
        mode: Literal["mask", "pseudonym", "drop"] = setting(
            "mask",
            help="`mask`: <EMAIL>; `pseudonym`: a stand-in of the same form, equal for equal values; `drop`: nothing",
        )
        regions: tuple[str, ...] = setting(
            (), help="countries (DE, US) by whose plans bare phone numbers are known too; needs the extra `pii`"
        )
        names_model: str | None = setting(
            None,
            help="a local token-classification model for names and addresses (a folder, or an id in the hub's cache)",
        )
        names_floor: float = setting(0.5, ge=0, le=1, help="the model's least probability for a name")

    settings: Settings
    covers = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._redactor: Redactor | None = None
        self._innocent: set[str] = set()

    def check(self) -> None:
        """Kinds must exist, extras must be installed."""
        self._made()

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row without private values."""
        counts: Counter[str] = Counter()

        def edit(text: str) -> str:
            new, found = self._applied(text)
            if found:
                counts.update(found)
            return new

        values = self.context.fields.change_all(item.values, edit)
        values = self._over_tokens(values, counts)
        if values is item.values:
            return item
        tally.numbers.update(counts)
        after = self.context.fields.text(values)
        for kind in counts:
            tally.changed[kind] += 1
            # Only what came of it is shown: the text before holds the value.
            mark = after.find(f"<{kind.upper()}>")
            start = max(0, mark - _AROUND)
            tally.show(kind, item.where, None, ("…" if start else "") + after[start : start + 4 * _AROUND])
        return item.with_values(values)

    def cover(self, text: str) -> str:
        """`text` without private values."""
        return self._made().apply(text)[0]

    def facts(self) -> dict[str, Any]:
        """The kinds that were looked for."""
        return {"kinds": len(self._made().kinds)}

    def _applied(self, text: str) -> tuple[str, Counter[str]]:
        """Labels and other short values come again and again: those in which nothing was found are remembered."""
        if text in self._innocent:
            return text, Counter()
        new, found = self._made().apply(text)
        if not found and len(text) <= _SHORT and len(self._innocent) < _REMEMBERED:
            self._innocent.add(text)
        return new, found

    def _made(self) -> Redactor:
        if self._redactor is None:
            own = self.settings
            kinds: list[Any] = list(own.kinds or KINDS)
            if own.regions and ("phone" in kinds or not own.kinds):
                kinds = [kind for kind in kinds if kind != "phone"] + [Phone(own.regions)]
            key = self.context.secret if own.mode == "pseudonym" else None
            names = NamesByModel(_Tagger(own.names_model, own.names_floor)) if own.names_model else None
            self._redactor = Redactor(kinds_named(kinds), own.mode, key, names=names)
        return self._redactor

    def _over_tokens(self, values: dict[str, Any], counts: Counter[str]) -> dict[str, Any]:
        """A number may be torn into several tokens: they are looked at together, and each that it touches is masked."""
        for name, tokens in values.items():
            if not (isinstance(tokens, list) and len(tokens) > 1 and all(isinstance(token, str) for token in tokens)):
                continue
            found = find(" ".join(tokens), self._made().kinds)
            if not found:
                continue
            new, at = list(tokens), 0
            for place, token in enumerate(tokens):
                for each in found:
                    if each.start < at + len(token) and at < each.end and not token.startswith("<"):
                        new[place] = f"<{each.kind.upper()}>"
                at += len(token) + 1
            if new != tokens:
                counts.update(each.kind for each in found)
                values = {**values, name: new}
        return values


class _Tagger:
    """A token-classification model of transformers as a function from texts to spans; loaded on first use, offline."""

    def __init__(self, model: str, floor: float):
        self._model, self._floor = model, floor
        self._pipeline: Any = None

    def __call__(self, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        """Spans (start, end, label) for each text."""
        if self._pipeline is None:
            self._pipeline = self._load()
        asked = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        answers = [self._pipeline(text) if text.strip() else [] for text in asked]
        return [
            [(int(e["start"]), int(e["end"]), str(e["entity_group"])) for e in found if e["score"] >= self._floor]
            for found in answers
        ]

    def _load(self) -> Any:
        from transformers import pipeline

        try:
            return pipeline(
                "token-classification", model=self._model, aggregation_strategy="simple", local_files_only=True
            )
        except Exception as fault:
            raise TailorError(
                f"{self._model} cannot be loaded as a token-classification model",
                got=type(fault).__name__,
                hint="name the folder of a model that tags tokens (NER), with its tokenizer",
            ) from None
