"""One split for all ways: test rows that only the final scorer reads, and validation rows that settings are chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tailorlm.comparison.settings import CompareSettings
from tailorlm.core.errors import CheckError
from tailorlm.data import Rows
from tailorlm.data.held_out import HeldOut
from tailorlm.data.quality import find_copies, normalised
from tailorlm.data.rows import as_text
from tailorlm.data.split import stratified, subsample
from tailorlm.tasks.base import Examples, Task
from tailorlm.tasks.columns import require_column

SHOWN = 8


@dataclass
class Split:
    """Train and test rows of a comparison, with everything that was noticed on the way. columns: values of the test rows in the columns that the
    report slices by."""

    train: Examples
    test: Examples
    notes: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fold:
    """What one seed tunes on: rows of a trial, validation rows, and all train rows for the last fit."""

    trial: Examples
    validation: Examples
    everything: Examples

    @property
    def share(self) -> float:
        """How much of the rows that the last fit adds to validation rows a trial sees, 0 to 1."""
        return len(self.trial) / max(1, len(self.everything) - len(self.validation))


def split_rows(
    task: Task, rows: Rows, test: Rows | None, settings: CompareSettings, *, keep_rows: bool = False
) -> Split:
    """Turn rows (and a test file, if there is one) into train and test. keep_rows: with all their columns, for recipes in steps.

    Without a test file a stratified share is held out, equal texts on one side. With one, train rows that are exact or trivially
    different copies of test rows stop it (CheckError), are dropped, or kept, as `leaks` says; in any case they are reported.
    """
    gather = getattr(task, "gather", None)  # a task may put rows together that ask the same
    if gather is not None:
        rows = gather(rows, what="given" if test is None else "train")
        test = None if test is None else gather(test, what="test")
    columns = sliced(rows if test is None else test, settings.slices, "test")
    if test is None:
        every = _with_rows(task.prepare(rows, what="given"), rows, keep_rows)
        groups = [normalised(text) for text in every.groups]
        train_index, test_index = stratified(every.strata, settings.test_share, settings.seed, groups=groups)
        _enough(train_index, test_index, every)
        split = Split(every.select(train_index), every.select(test_index))
        columns = {name: tuple(values[i] for i in test_index) for name, values in columns.items()}
        split.notes.append(
            f"{len(test_index)} of {len(every)} rows were held out as test (stratified, seed {settings.seed}, copies kept on one side)"
        )
    else:
        train = _with_rows(task.prepare(rows, what="train"), rows, keep_rows)
        split = Split(train, _with_rows(task.prepare(test, what="test", labels=train.labels), test, keep_rows))
        _leaks(split, settings)
        _shared_groups(split)
    pooled = getattr(task, "pooled", None)
    if pooled is not None:
        split.train, split.test, told = pooled(split.train, split.test)
        split.findings += told
    split.columns = columns
    split.notes = [*rows.notes, *(test.notes if test is not None else ()), *split.notes]
    split.train = replace(split.train, held_out=HeldOut.of(split.test.texts))
    split.findings += task.findings(split.train)
    if test is not None:
        split.findings += map(dict, split.test.remarks)
    return split


def _with_rows(examples: Examples, rows: Rows, keep: bool) -> Examples:
    return replace(examples, rows=rows.rows) if keep else examples


def sliced(rows: Rows, names: Sequence[str], what: str) -> dict[str, tuple[str, ...]]:
    """The values of columns in each row, as text. what: the word for these rows in the UsageError for a column that is not there."""
    for name in names:
        require_column(rows, name, what, "--slice")
    return {name: tuple("" if value is None else as_text(value) for value in rows.column(name)) for name in names}


def fold(train: Examples, settings: CompareSettings, seed: int) -> Fold:
    """The validation rows of one seed (stratified, copies on one side) and the rows of its trials."""
    share = min(settings.validation_share, settings.validation_rows / max(1, len(train)))
    groups = [normalised(text) for text in train.groups]
    kept, held = stratified(train.strata, share, seed, groups=groups)
    trial = train.select(kept)
    return Fold(trial.select(subsample(trial.strata, settings.search_rows, seed)), train.select(held), train)


def _enough(train: list[int], test: list[int], every: Examples) -> None:
    if len(test) < 2 or len({every.strata[i] for i in train}) < min(2, len(set(every.strata))):
        raise CheckError(
            f"{len(every)} rows are too few to hold any out as test",
            got=f"{len(train)} train and {len(test)} test rows",
            allowed="two labels or more, with several rows each",
            hint="give more rows, or a test file with --test",
        )


def _shared_groups(split: Split) -> None:
    """Tell which test rows are about a text that train rows are about too, where rows have more than that text."""
    if split.test.groups == split.test.texts:
        return
    learnt = {normalised(group) for group in split.train.groups}
    shared = [i for i, group in enumerate(split.test.groups) if normalised(group) in learnt]
    if shared:
        message = (
            f"{len(shared)} test row{'s are' if len(shared) > 1 else ' is'} about a text that train rows are about too"
        )
        rows = [split.test.ids[i] for i in shared[:SHOWN]]
        split.findings.append(
            {"code": "shared-texts", "message": f"{message}: scores on them may flatter", "rows": rows}
        )


def _leaks(split: Split, settings: CompareSettings) -> None:
    copies = find_copies(split.train.texts, split.test.texts)
    if not copies:
        return
    pairs = [f"{split.train.ids[c.train_index]} = {split.test.ids[c.test_index]} ({c.kind})" for c in copies]
    leaked = sorted({c.train_index for c in copies})
    some = f"{len(leaked)} train row{'s are copies' if len(leaked) > 1 else ' is a copy'} of test rows"
    if settings.leaks == "stop":
        raise CheckError(
            f"{some}: scores on them would flatter every way that remembers",
            got="; ".join(pairs[:SHOWN]) + (f"; and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""),
            hint="--leaks drop leaves them out of train (--leaks keep goes on with them)",
        )
    done = "dropped from train" if settings.leaks == "drop" else "kept in train"
    split.findings.append({"code": "test-train-copies", "message": f"{some}; {done}", "rows": pairs[:SHOWN]})
    if settings.leaks == "drop":
        gone = set(leaked)
        split.train = split.train.select([i for i in range(len(split.train)) if i not in gone])
