"""What is wrong with labels and balance, said and not changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.steps.base import Item, RowsOnDisk, Step

SHOWN_ROWS = 8
_LISTED = 2000


class Audit(Step):
    """Looks for contradictions, likely label errors, leaking words, empty classes and differences between splits.

    Changes nothing: findings stand in the manifest and in the audit, each with the rows to look at. Above `most_rows` an
    even sample of the rows is looked at, and said so. Of rows with several labels each, the checks of labels are left out.
    Memory: about twice the texts that are looked at.
    Choose it last, when splits are made. Instead of it: `deduplicate` for copies.
    """

    class Settings(BaseSettings):
        """How an audit looks."""

        most_rows: int = setting(50_000, ge=100, help="rows looked at, at most: an even sample of more", unit="rows")
        checks: tuple[str, ...] = setting((), help="only these checks; without them all")
        silent: tuple[str, ...] = setting((), help="codes of findings to leave out")
        few_rows: int = setting(10, ge=1, help="labels with fewer rows are reported", unit="rows")

    settings: Settings
    surveys = True
    changes_rows = False

    def learn(self, looks: Iterator[Any], rows: RowsOnDisk) -> Any:
        """The findings, and how many rows were looked at."""
        from tailorlm.data.audit import AuditSettings, audit

        for _ in looks:
            pass
        every = -(-len(rows) // self.settings.most_rows)
        fields = self.context.fields
        numbers: list[int] = []
        texts: list[str] = []
        labels: list[str] = []
        splits: list[str] = []
        for item in rows:
            if item.number % every == 0:
                numbers.append(item.number)
                texts.append(fields.text(item.values))
                labels.append(fields.label_of(item.values) or "")
                splits.append(item.split)
        own = self.settings
        settings = AuditSettings(checks=own.checks, silent=own.silent, few_rows=own.few_rows, seed=self.context.seed)
        found = audit(
            texts,
            labels if any(labels) and fields.shape != "many_labels" else None,
            splits if len(set(splits)) > 1 else None,
            settings=settings,
        )
        return {
            "looked_at": len(texts),
            "of": len(rows),
            "findings": [self._plain(each, numbers, rows) for each in found],
        }

    def facts(self) -> dict[str, Any]:
        """Findings with the rows to look at."""
        return dict(self.learned or {})

    def _plain(self, found: Any, numbers: list[int], rows: RowsOnDisk) -> dict[str, Any]:
        concerned = [numbers[i] for i in found.rows[:_LISTED]]
        items = rows.fetch(concerned)
        return {
            "code": found.code,
            "severity": found.severity,
            "message": found.message,
            "advice": found.advice,
            "numbers": {name: float(value) for name, value in found.numbers.items() if value == value},
            "details": [dict(line) for line in found.details],
            "row_count": len(found.rows),
            "rows": [item.where for item in items],
            "shown": [self._shown(item) for item in items[:SHOWN_ROWS]],
        }

    def _shown(self, item: Item) -> list[str]:
        fields = self.context.fields
        return [item.where, fields.text(item.values), fields.label_of(item.values) or "", item.split]
