"""`classify`: one text in, one of a fixed set of labels out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, UsageError, near_misses
from tailorlm.data.quality import duplicate_ids, find_conflicts
from tailorlm.data.rows import Row, Rows, as_text

SHOWN = 8


@dataclass(frozen=True)
class Labelled:
    """Texts with their labels, ready for a model.

    ids, texts, gold: one entry a row. labels: the whole label set in fixed (sorted) order, which may hold labels that no row
    here has. codes: each row's place in `labels`.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    gold: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def codes(self) -> np.ndarray:
        """(rows,) int64 places in `labels`."""
        place = {label: i for i, label in enumerate(self.labels)}
        return np.array([place[label] for label in self.gold], dtype=np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over texts, labels and label set, in order: what a run was fitted or scored on."""
        content = json.dumps([self.texts, self.gold, self.labels], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def select(self, index: Sequence[int]) -> Labelled:
        """Some of the rows, with the label set kept whole."""
        ids, texts, gold = (tuple(column[i] for i in index) for column in (self.ids, self.texts, self.gold))
        return Labelled(ids, texts, gold, self.labels)


class Classify:
    """One label for one text: intents, topics, sentiment.

    Scores: accuracy, macro-F1, balanced accuracy. Output is read back as the label with the highest score.
    """

    class Settings(config.Settings):
        """Settings of `classify`: the columns, and words for the labels."""

        text: str = setting("text", help="the column that holds the text", min_length=1)
        label: str = setting("label", help="the column that holds the label", min_length=1)
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        descriptions: dict[str, str] = setting(
            {}, help="words for a label, shown to ways that read label names (zero-shot)"
        )
        max_length: int = setting(
            256, ge=8, le=131_072, help="longest text; what is beyond is cut, and counted", unit="tokens"
        )

    metrics = ("accuracy", "macro_f1", "balanced_accuracy")

    def __init__(self, settings: Settings):
        self.settings = settings

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names the columns there are, and the nearest."""
        text, label = self.settings.text, self.settings.label
        for name in (text, label, *([self.settings.id] if self.settings.id else [])):
            _require_column(rows, name, what, "--label" if name == label else "--text" if name == text else "--id")

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason: no text, no label, a label that is a list or object."""
        text, label = self.settings.text, self.settings.label
        found: dict[int, str] = {}
        for i, (words, name) in enumerate(zip(rows.column(text), rows.column(label), strict=True)):
            if isinstance(words, list | dict):
                found[i] = f"a list or object in the column '{text}'"
            elif not _words(words):
                found[i] = f"no text in the column '{text}'"
            elif isinstance(name, list | dict):
                found[i] = f"a list or object in the column '{label}' (one label a row)"
            elif not _words(name):
                found[i] = f"no label in the column '{label}'"
        return found

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Labelled:
        """Check rows and turn them into texts with labels.

        what: the word for these rows in messages ("train", "test"). labels: the label set to hold to; without it the rows'
        own, which must be two or more. Raises UsageError (missing column) and CheckError (rows at fault, one label only, labels
        that train does not have, ids that stand twice), naming file and line.
        """
        self.columns(rows, what=what)
        for reason, bad in _by_reason(self.faults(rows)).items():
            _refuse(
                rows,
                bad,
                f"{'has' if len(bad) == 1 else 'have'} {reason}",
                hint="mend these rows, or set up to N aside with --max-bad N",
            )
        gold = tuple(as_text(value).strip() for value in rows.column(self.settings.label))
        known = tuple(sorted(set(gold))) if labels is None else tuple(labels)
        if labels is None and len(known) < 2:
            raise CheckError(
                f"all {len(rows)} {what} rows have the same label" if len(rows) else f"there are no {what} rows",
                got=f"{self.settings.label} = {known[0]!r}" if known else None,
                allowed="two labels or more",
                hint=f"is '{self.settings.label}' the right column? the columns are: {', '.join(rows.columns)}",
            )
        strange = [i for i, value in enumerate(gold) if value not in set(known)]
        names = ", ".join(sorted({repr(gold[i]) for i in strange})[:SHOWN])
        _refuse(
            rows,
            strange,
            f"{'has' if len(strange) == 1 else 'have'} a label that no train row has ({names})",
            hint="mend the labels, or add train rows",
        )
        return Labelled(
            self._ids(rows), tuple(as_text(value) for value in rows.column(self.settings.text)), gold, known
        )

    def _ids(self, rows: Rows) -> tuple[str, ...]:
        if not self.settings.id:
            return tuple(row.where for row in rows)
        hint = "mend the ids, or leave --id out: rows are then named by file and line"
        column = rows.column(self.settings.id)
        empty = [i for i, value in enumerate(column) if isinstance(value, list | dict) or not _words(value)]
        has = "has" if len(empty) == 1 else "have"
        _refuse(rows, empty, f"{has} no value in the id column '{self.settings.id}'", hint=hint)
        ids = [as_text(value) for value in column]
        bad = sorted(i for places in duplicate_ids(ids).values() for i in places)
        _refuse(rows, bad, f"share a value of the id column '{self.settings.id}'", hint=hint)
        return tuple(ids)

    def label_texts(self, labels: Sequence[str]) -> list[str]:
        """Words for each label: its description where one is given, else its name with separators opened up."""
        unknown = sorted(set(self.settings.descriptions) - set(labels))
        if unknown:
            near = near_misses(unknown[0], labels)
            raise UsageError(
                f"descriptions names a label that no train row has: '{unknown[0]}'",
                hint=f"did you mean '{near[0]}'?" if near else None,
            )
        return [self.settings.descriptions.get(label, _opened(label)) for label in labels]


def findings(train: Labelled) -> list[dict[str, object]]:
    """What a careful person would want to know of train rows before fitting: conflicts and nearly empty labels."""
    found: list[dict[str, object]] = []
    conflicts = find_conflicts(train.texts, train.gold)
    if conflicts:
        rows = [" and ".join(f"{train.ids[i]} ({train.gold[i]})" for i in c.indices[:3]) for c in conflicts]
        found.append(
            {
                "code": "conflicting-labels",
                "message": f"{_count(len(conflicts), 'text')} with two or more labels",
                "rows": rows[:SHOWN],
            }
        )
    counts = Counter(train.gold)
    single = sorted(label for label, n in counts.items() if n == 1)
    if single:
        message = f"{_count(len(single), 'label')} with one row only: it is trained on, and cannot be validated"
        found.append({"code": "single-row-label", "message": message, "rows": single[:SHOWN]})
    most, least = max(counts.values()), min(counts.values())
    if most >= 20 * least:
        found.append(
            {
                "code": "imbalance",
                "message": f"labels have {least} to {most} rows; look at macro_f1 beside accuracy",
                "rows": [],
            }
        )
    return found


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' if n != 1 else ''}"


def _words(value: object) -> bool:
    return value is not None and bool(as_text(value).strip())


def _opened(label: str) -> str:
    return " ".join(
        "".join(f" {c}" if c.isupper() and i and label[i - 1].islower() else c for i, c in enumerate(label))
        .replace("_", " ")
        .replace("-", " ")
        .split()
    )


def _require_column(rows: Rows, name: str, what: str, flag: str) -> None:
    if name in rows.columns:
        return
    near = near_misses(name, rows.columns)
    raise UsageError(
        f"the {what} rows have no column '{name}'",
        got=f"columns: {', '.join(rows.columns) or '(none)'}",
        hint=f"{flag} {near[0] if near else (rows.columns[0] if rows.columns else 'COLUMN')}",
    )


def _by_reason(faults: Mapping[int, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, reason in faults.items():
        found.setdefault(reason, []).append(index)
    return found


def _refuse(rows: Sequence[Row], bad: Sequence[int], what: str, *, hint: str) -> None:
    if not bad:
        return
    shown = ", ".join(rows[i].where for i in bad[:SHOWN])
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    raise CheckError(f"{_count(len(bad), 'row')} {what}", got=shown + more, hint=hint)
