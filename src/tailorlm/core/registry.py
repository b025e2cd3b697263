"""Names to parts: one short table of strings per folder, resolved on first use.

A table maps the name a user types to `"module:Class"`. Third parties add theirs through an entry point
group (`tailorlm.<kind>`), and meet the same contract tests. Nothing is imported until a name is asked for,
so listing names stays free of torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any

from tailorlm.core.errors import TailorError, unknown_name


class Registry:
    """The parts of one kind by name.

    kind: the word used in messages ("weights part"). table: name to `"module:Class"`.
    group: entry-point group for third parties, e.g. `tailorlm.weights`.
    """

    def __init__(self, kind: str, table: Mapping[str, str], group: str):
        self.kind, self.group = kind, group
        self._own = dict(table)
        self._loaded: dict[str, Any] = {}

    @cached_property
    def table(self) -> dict[str, str]:
        """Every name with where it comes from: our own table, then the entry points (which may not shadow ours)."""
        table = dict(self._own)
        for point in entry_points(group=self.group):
            if table.get(point.name, point.value) != point.value:
                raise TailorError(
                    f"two {self.kind}s are called '{point.name}'",
                    got=f"{table[point.name]} and {point.value}",
                    hint=f"uninstall one of the packages, or rename its entry point in the group {self.group}",
                )
            table[point.name] = point.value
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def __len__(self) -> int:
        return len(self.table)

    def get(self, name: str) -> Any:
        """The part called `name`, imported now if it was not; an unknown name answers with near misses."""
        if name not in self._loaded:
            if name not in self.table:
                raise unknown_name(self.kind, name, self.table)
            module, _, attribute = self.table[name].partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]
