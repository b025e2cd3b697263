"""The rows under audit, with what several checks need of them worked out once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.audit.crossfit import Floats
from tailorlm.data.audit.vectors import TextVectors


class AuditSettings(Settings):
    """How an audit looks."""

    word = "the settings of the audit"

    checks: tuple[str, ...] = setting((), help="only these checks, by name; all when empty")
    silent: tuple[str, ...] = setting((), help="codes of findings to leave out")
    few_rows: int = setting(10, ge=1, help="labels with fewer rows are reported", unit="rows")
    folds: int = setting(5, ge=2, le=20, help="parts for held-out judging: more are slower and a little more exact")
    trial: bool = setting(
        True, help="plants wrong labels to measure how far the ranking of likely errors can be trusted"
    )
    shown: int = setting(20, ge=1, le=1000, help="most lines in the table of a finding", unit="lines")
    seed: int = setting(0, ge=0, help="decides folds and planted labels")


@dataclass(frozen=True)
class Subject:
    """The rows under audit: n texts, with a label each and the name of a split each, or None where there is none.

    vectors: (n, d) of the caller's own for the search for likely errors. Raises UsageError for unequal lengths.
    """

    texts: Sequence[str]
    labels: Sequence[str] | None = None
    splits: Sequence[str] | None = None
    vectors: Floats | None = None
    settings: AuditSettings = field(default_factory=AuditSettings)

    def __post_init__(self) -> None:
        for name, values in (("labels", self.labels), ("splits", self.splits), ("vectors", self.vectors)):
            if values is not None and len(values) != len(self.texts):
                raise UsageError(
                    f"texts and {name} must come in pairs", got=f"{len(self.texts)} texts and {len(values)} {name}"
                )

    @cached_property
    def labelled(self) -> list[int]:
        """Indices of the rows that have a text and a label: what the checks of labels are about."""
        labels = self.labels or ()
        return [i for i, label in enumerate(labels) if label.strip() and self.texts[i].strip()]

    @cached_property
    def sizes(self) -> Counter[str]:
        """Rows by label, blank ones left out."""
        return Counter(label for label in self.labels or () if label.strip())

    @cached_property
    def cheap(self) -> Floats | None:
        """(n, 256) vectors of the texts by their words (see `TextVectors`); None where no two have a word in common."""
        try:
            return TextVectors(seed=self.settings.seed).fit(self.texts).transform(self.texts)
        except TailorError:
            return None

    @cached_property
    def parts(self) -> dict[str, list[int]]:
        """Indices by split; empty without splits."""
        found: dict[str, list[int]] = {}
        for i, name in enumerate(self.splits or ()):
            found.setdefault(name, []).append(i)
        return found

    @cached_property
    def by_label(self) -> dict[str, list[int]]:
        """Indices of the labelled rows by label, in order of the labels' names."""
        found: dict[str, list[int]] = {name: [] for name in sorted(self.sizes)}
        for i in self.labelled:
            found[(self.labels or ())[i]].append(i)
        return found

    @property
    def train(self) -> str | None:
        """The name of the split that is learnt from: 'train', else the largest one; None without two splits."""
        if len(self.parts) < 2:
            return None
        return "train" if "train" in self.parts else max(self.parts, key=lambda name: (len(self.parts[name]), name))
