"""Settings of a comparison: how rows are read, with what care ways are tuned, how they are judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tailorlm.core.config import Settings, setting


class CompareSettings(Settings):
    """The same for every way that takes part; that is what makes it a comparison."""

    metric: str | None = setting(
        None, help="the score that ways are ranked and tested by; without it the first of the task's own"
    )
    seeds: int = setting(1, ge=1, le=100, help="repeats with other seeds (start, order, validation rows)", unit="seeds")
    seed: int = setting(0, ge=0, le=2**31 - 1, help="the first seed")
    test_share: float = setting(
        0.25, gt=0, lt=1, help="share of the rows held out as test, where no test file is given"
    )
    validation_share: float = setting(0.2, gt=0, lt=1, help="share of the train rows that settings are chosen on")
    validation_rows: int = setting(1000, ge=2, help="validation rows at most", unit="rows")
    search_rows: int = setting(2000, ge=2, help="train rows of a trial at most; the last fit takes all", unit="rows")
    refit: bool = setting(True, help="fit the chosen settings once more on all train rows, validation included")
    leaks: Literal["stop", "drop", "keep"] = setting(
        "stop", help="train rows that are copies of test rows: stop, drop them from train, or keep"
    )
    passages: str | None = setting(None, help="the folder of the passage index that methods with passages show")
    domain: str | None = setting(
        None, help="a file of plain text of the domain (column text), for methods that learn from it without labels"
    )
    volume: int = setting(
        10_000, ge=0, help="rows to predict that count as cost beside fitting, when the cheapest is named", unit="rows"
    )
    slices: tuple[str, ...] = setting(
        (), help="columns of the rows by whose values the report shows every score, such as country or source"
    )
    general: str | None = setting(
        None,
        help="file of general texts (column text) on which it is measured what was forgotten; those of tailorlm without it",
    )
    probes: tuple[str, ...] = setting(
        (),
        help="labelled files (text, label), NAME=FILE or FILE, on whose vectors a classifier is fitted before and after",
    )
    level: float = setting(0.95, gt=0.5, lt=1, help="level of the intervals; 1 - level is the threshold of a verdict")

    def moved(self, path: Callable[[str], str]) -> CompareSettings:
        """The same with every file's name put through a function."""

        def probe(given: str) -> str:
            name, equals, file = given.partition("=")
            return name + equals + path(file) if equals else path(given)

        named = {name: path(file) for name in ("general", "passages", "domain") if (file := getattr(self, name))}
        return self.with_(probes=tuple(map(probe, self.probes)), **named)


class ReadSettings(Settings):
    """How files of rows are read."""

    format: str | None = setting(None, help="csv, tsv, jsonl or json; without it the file's name and content decide")
    encoding: str | None = setting(None, help="the files' encoding where it is not UTF-8, e.g. cp1252")
    delimiter: str | None = setting(
        None, help="what separates the fields of a CSV, where it is not plain", min_length=1, max_length=1
    )
    max_bad: int = setting(
        0, ge=0, help="broken rows that are set aside in a quarantine file before it stops", unit="rows"
    )
