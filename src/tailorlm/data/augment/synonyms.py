"""Words exchanged for others of a list that the user gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.data.augment._draft import Draft, Pool, edited
from tailorlm.data.augment._words import in_case_of, replaced

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LONGEST = 6
_LARGEST = 50_000_000


class Synonyms:
    """Exchanges words or phrases for others of the same meaning, from a list of the user's own.

    The list is a text file, one group a line, parted by commas: `cheap, inexpensive, low-cost` may each stand for the
    others; `buy => purchase, get hold of` goes one way. Blank lines and lines with `#` in front are left out. Case is
    carried over; the longest phrase that fits is taken. None where no word of the text is in the list.
    Raises UsageError, with file and line, for a file that is missing or cannot be read so.
    Choose it where the domain has known equal terms. Instead: `rewrite` where a model is at hand.
    """

    class Settings(BaseSettings):
        """Which list, and how much of a text is exchanged."""

        file: str = setting(help="text file with one group of equal words a line", min_length=1)
        share: float = setting(0.3, gt=0, le=1, help="share of the words found that are exchanged; one at least")

    name = "synonyms"

    def __init__(self, settings: Settings):
        self.settings = settings

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        return edited(self.name, self.edit, origins, pool, seeds)

    @cached_property
    def table(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """What may stand for each phrase, by its words case folded; read when first needed."""
        return _read(Path(self.settings.file))

    def edit(self, text: str, random: np.random.Generator) -> str | None:
        """`text` with some words exchanged, or None where it has none of the list."""
        found = self._places(text)
        if not found:
            return None
        wanted = max(1, round(self.settings.share * len(found)))
        changes = []
        for k in random.choice(len(found), wanted, replace=False):
            start, end, others = found[k]
            changes.append((start, end, in_case_of(text[start:end], others[random.integers(len(others))])))
        return replaced(text, changes)

    def _places(self, text: str) -> list[tuple[int, int, tuple[str, ...]]]:
        spans = [match.span() for match in _WORD.finditer(text)]
        words = [text[start:end].casefold() for start, end in spans]
        found, k = [], 0
        while k < len(words):
            for width in range(min(_LONGEST, len(words) - k), 0, -1):
                others = self.table.get(tuple(words[k : k + width]))
                if others:
                    found.append((spans[k][0], spans[k + width - 1][1], others))
                    k += width - 1
                    break
            k += 1
        return found


def _read(path: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: too large for a list of synonyms", allowed=f"{_LARGEST // 10**6} MB at most")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: the list of synonyms cannot be read",
            got=getattr(error, "strerror", None) or "text that is not UTF-8",
            hint="name a UTF-8 text file with one group of equal words a line",
        ) from None
    table: dict[tuple[str, ...], list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        for key, others in _group(line, f"{path}:{number}"):
            known = table.setdefault(key, [])
            known += [other for other in others if other not in known]
    if not table:
        raise UsageError(f"{path}: the list of synonyms is empty", allowed="lines like 'cheap, inexpensive, low-cost'")
    return {key: tuple(others) for key, others in table.items()}


def _group(line: str, where: str) -> list[tuple[tuple[str, ...], list[str]]]:
    left, arrow, right = line.partition("=>")
    from_, to = ([part.strip() for part in side.split(",") if part.strip()] for side in (left, right))
    to = to if arrow else from_
    keys = {phrase: tuple(match.group().casefold() for match in _WORD.finditer(phrase)) for phrase in from_}
    if (
        not from_
        or not to
        or (not arrow and len(from_) < 2)
        or not all(0 < len(key) <= _LONGEST for key in keys.values())
    ):
        raise UsageError(
            f"{where}: this is no group of synonyms",
            allowed=f"two phrases or more with commas between them ('cheap, low-cost') or 'buy => purchase', each of "
            f"1 to {_LONGEST} words",
        )
    return [(key, [other for other in to if other.casefold() != phrase.casefold()]) for phrase, key in keys.items()]
