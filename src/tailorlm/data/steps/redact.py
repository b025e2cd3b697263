"""Personal and secret values out of every column: masked, replaced by a consistent stand-in, or taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.data.redact import KINDS, LABELS, Found, NamesByModel, Phone, Redactor, find, kinds_named
from tailorlm.data.steps._models import Models, models_of, same_model
from tailorlm.data.steps.base import Context, Dropped, Item, Step, Tally
from tailorlm.data.steps.fields import is_tokens

_AROUND = 60
_SHORT, _REMEMBERED = 40, 10_000


class Redact(Step):
    """Redacts every string of a row, in all columns and at any depth, and long numbers; offsets are carried along.

    Kinds are those of `data/redact`: e-mail, phone, card (Luhn), IBAN (mod 97), national ids, IP and MAC addresses, API keys,
    passwords, logins in URLs; names and addresses by a token-classification model that you name (`names_model`), which reads
    every string but labels, tags and the roles of turns; each process holds one copy of it. What is written beside the rows
    (dropped rows, examples, notes) goes through the same redaction. Nothing keeps the values.
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
            help="a token-classification model for names and addresses: a folder, or an id of the hub",
        )
        names_floor: float = setting(
            0.5, gt=0, le=1, help="the model's least probability for a name; lower finds more, and is wrong more often"
        )
        names_labels: dict[str, str] = setting(
            {},
            help="labels of the model and the kinds they become ({PER: person, LOC: address}); without it the usual ones",
        )
        names_sha256: str | None = setting(
            None, help="the fingerprint of the model for names; another model is refused"
        )

    settings: Settings
    covers = True

    def __init__(self, settings: Settings, context: Context):
        super().__init__(settings, context)
        self._redactor: Redactor | None = None
        self._innocent: set[str] = set()
        self._named: dict[str, list[Found]] = {}

    def check(self) -> None:
        """Kinds must exist, extras must be installed, a model for names must be there and be the one told."""
        self._made()
        if self.settings.names_model is not None:
            same_model(self._models(), self.settings.names_model, self.settings.names_sha256)

    def ahead(self, items: Sequence[Item]) -> None:
        """Ask the model for the names in these rows, all at once."""
        names = self._made().names
        if names is not None:
            texts = list(dict.fromkeys(text for item in items for text in self.context.fields.prose(item.values)))
            self._named = dict(zip(texts, names.find_all(texts), strict=True))

    def apply(self, item: Item, tally: Tally) -> Item | Dropped | list[Item]:
        """The row without private values."""
        counts: Counter[str] = Counter()

        def edit(text: str) -> str:
            new, found = self._applied(text, self._named.get(text, ()))
            if found:
                counts.update(found)
            return new

        values = self.context.fields.change_all(item.values, edit)
        values = self._over_tokens(item.values, values, counts)
        if values is item.values:
            return item
        tally.numbers.update(counts)
        after = self.context.fields.text(values)
        for kind in counts:
            tally.changed[kind] += 1
            # Only what came of it is shown: the text before holds the value.
            mark = after.find(f"<{kind.upper()}>")
            start, end = max(0, mark - _AROUND), max(0, mark - _AROUND) + 4 * _AROUND
            shown = ("…" if start else "") + after[start:end] + ("…" if end < len(after) else "")
            tally.show(kind, item.where, None, shown)
        return item.with_values(values)

    def cover(self, text: str) -> str:
        """`text` without private values."""
        names = self._made().names
        if names is None or text in self._innocent:
            return self._applied(text, ())[0]
        return self._applied(text, names.find_all([text])[0])[0]

    def facts(self) -> dict[str, Any]:
        """The kinds that were looked for, and the model for names."""
        model = self.settings.names_model
        return {"kinds": len(self._made().kinds)} | ({"model for names": model} if model else {})

    def learned_settings(self) -> dict[str, Any]:
        """A later delivery is asked the same model for names."""
        model = self.settings.names_model
        return {} if model is None else {"names_sha256": self._models().fingerprint(model)}

    def _applied(self, text: str, named: Sequence[Found]) -> tuple[str, Counter[str]]:
        """Labels and other short values come again and again: those in which nothing was found are remembered."""
        if text in self._innocent and not named:
            return text, Counter()
        new, found = self._made().apply_with(text, named)
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
            self._redactor = Redactor(kinds_named(kinds), own.mode, key, names=self._names())
        return self._redactor

    def _models(self) -> Models:
        return models_of(self.context.models, "redact.names_model")

    def _names(self) -> NamesByModel | None:
        own = self.settings
        if own.names_model is None:
            return None
        tagger = self._models().tagger(own.names_model, own.names_floor)
        labels = own.names_labels or LABELS
        known = {label.upper() for label in labels}
        if not known & {label.upper() for label in tagger.labels}:
            raise UsageError(
                f"{own.names_model} has no label for names or addresses that is known here",
                got=", ".join(tagger.labels) or "no labels",
                allowed=", ".join(labels),
                hint="say which label is what: --set 'redact.names_labels={PER: person, LOC: address}'",
            )
        return NamesByModel(tagger, labels)

    def _over_tokens(self, old: dict[str, Any], values: dict[str, Any], counts: Counter[str]) -> dict[str, Any]:
        """A value may be torn into several tokens: they are looked at together, and each that it touches is covered."""
        for name, tokens in values.items():
            if not is_tokens(tokens):
                continue
            made = self._made()
            new = list(tokens)
            for sentence, found in (
                (tokens, find(" ".join(tokens), made.kinds)),
                (old[name], self._named.get(" ".join(old[name]), ())),
            ):
                counts.update(each.kind for each in found)
                for place, each in _touched(sentence, found):
                    if not new[place].startswith("<"):
                        new[place] = made.stand_in(each.kind, new[place], torn=sentence is tokens)
            if new != tokens:
                values = {**values, name: new}
        return values


def _touched(tokens: Sequence[str], found: Sequence[Found]) -> Iterator[tuple[int, Found]]:
    """The tokens that a find in their sentence touches."""
    at = 0
    for place, token in enumerate(tokens):
        for each in found:
            if each.start < at + len(token) and at < each.end:
                yield place, each
        at += len(token) + 1
