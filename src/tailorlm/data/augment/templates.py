"""Rows from templates that the user wrote, with words filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting, validate
from tailorlm.core.errors import UsageError, near_misses
from tailorlm.core.yaml import read_yaml
from tailorlm.data.augment._draft import Draft, Pool

_SLOT = re.compile(r"\{(\w+)\}")


class TemplateFile(BaseSettings):
    """What a file of templates holds."""

    templates: dict[str, list[str]] = setting(help="sentences by label, with {slots} to fill", min_length=1)
    slots: dict[str, list[str]] = setting(default={}, help="what each slot may be filled with")


class Templates:
    """Makes rows from sentences of the user's own, filling each `{slot}` with one of its words.

    The file is YAML: `templates:` gives sentences by label, `slots:` gives words by slot. A draft has no row it was made
    from; its `source` is the file and line of the template. None for labels without a template.
    Raises UsageError, with file and line, for a file that cannot be read so and for a slot without words.
    Choose it for labels with next to no rows, where nothing else has anything to work on. It teaches the words of the
    template, so few templates make many rows that are alike.

    >>> file = "templates: {greeting: ['Hello {who}!']}, slots: {who: [Ann, Bo]}"
    """

    class Settings(BaseSettings):
        """Which file."""

        file: str = setting(help="YAML file with templates by label and words by slot", min_length=1)

    name = "templates"

    def __init__(self, settings: Settings):
        self.settings = settings

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin, of which only the label counts."""
        unknown = sorted(set(self.table) - set(pool.labels))
        if unknown:
            near = near_misses(unknown[0], set(pool.labels))
            raise UsageError(
                f"{self.settings.file}: no row has the label '{unknown[0]}' that a template is for",
                hint=f"did you mean '{near[0]}'?"
                if near
                else "labels stand under `templates:` as they stand in the rows",
            )
        return [self._filled(pool.labels[i], np.random.default_rng(s)) for i, s in zip(origins, seeds, strict=True)]

    @cached_property
    def table(self) -> dict[str, list[tuple[str, str]]]:
        """Template and `file:line` by label; read when first needed."""
        document = read_yaml(Path(self.settings.file))
        file = validate(document.value, TemplateFile, document)
        table: dict[str, list[tuple[str, str]]] = {}
        for label, sentences in file.templates.items():
            for place, sentence in enumerate(sentences):
                where = f"{document.path}:{document.line(('templates', label, place))}"
                empty = [slot for slot in _SLOT.findall(sentence) if not file.slots.get(slot)]
                if empty or not sentence.strip():
                    near = near_misses(empty[0], file.slots) if empty else []
                    raise UsageError(
                        f"{where}: there are no words for the slot '{empty[0]}'"
                        if empty
                        else f"{where}: empty template",
                        allowed=f"words under `slots:` (there are: {', '.join(file.slots) or 'none'})"
                        if empty
                        else None,
                        hint=f"did you mean '{near[0]}'?" if near else None,
                    )
                table.setdefault(label, []).append((sentence, where))
        self._slots = file.slots
        return table

    def _filled(self, label: str, random: np.random.Generator) -> Draft | None:
        known = self.table.get(label)
        if not known:
            return None
        sentence, where = known[random.integers(len(known))]

        def word(match: re.Match[str]) -> str:
            words = self._slots[match.group(1)]
            return words[random.integers(len(words))]

        return Draft(_SLOT.sub(word, sentence), label, self.name, (), where)
