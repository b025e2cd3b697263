"""Splits and samples that keep the share of every label, the same on every machine.

The order is decided by sha256 of (seed, position), not by a random generator: no global state, and no change when a
numerical library changes its streams.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Hashable, Sequence

from tailorlm.core.errors import CheckError, UsageError


def stratified(
    labels: Sequence[str], fraction: float, seed: int, *, groups: Sequence[Hashable] | None = None
) -> tuple[list[int], list[int]]:
    """Split row indices into (kept, held out), each rising, with `fraction` (between 0 and 1) of every label held out.

    A label with two rows or more gives at least one and never all of them; a label with a single row is kept.
    groups: one value a row; rows with the same value (equal text, same customer) stay on one side. Then the counts are
    as near as whole groups allow, and a label that cannot be divided without tearing a group is kept.
    Depends on labels, groups, fraction and seed alone. Raises UsageError for a fraction out of bounds or lists of
    different lengths, CheckError when no label can give a row.
    Choose it for the split into training and validation or test rows; give groups when rows repeat.
    """
    if not 0 < fraction < 1:
        raise UsageError(
            "the held-out fraction is out of bounds", got=str(fraction), allowed="between 0 and 1, e.g. 0.2"
        )
    if groups is not None and len(groups) != len(labels):
        raise UsageError("groups and labels must come in pairs", got=f"{len(groups)} groups, {len(labels)} labels")
    sizes = Counter(labels)
    wanted = quotas(sizes, fraction, seed)
    held: Counter[str] = Counter()
    out: set[int] = set()
    by_label = _units_by_label(labels, groups, seed)
    for label in sorted(sizes, key=lambda name: (sizes[name], name)):  # rare labels have the least choice: first
        for unit in by_label[label]:
            if held[label] >= wanted[label]:
                break
            inside = Counter(labels[i] for i in unit)
            if unit[0] not in out and all(held[name] + n <= wanted[name] for name, n in inside.items()):
                held.update(inside)
                out.update(unit)
        if not held[label] and wanted[label]:
            _hold_smallest(label, by_label[label], labels, sizes, held, out)
    if not out:
        raise CheckError(
            "no row can be held out: that needs a label with two rows (or groups) at least",
            got=f"{len(labels)} rows, {len(sizes)} labels",
            hint="add rows, or name a file of held-out rows yourself",
        )
    return [i for i in range(len(labels)) if i not in out], sorted(out)


def subsample(labels: Sequence[str], limit: int, seed: int) -> list[int]:
    """At most `limit` row indices (rising) with the share of every label kept, and one of each label where that fits.

    With fewer places than labels the biggest labels get one each. A bigger limit with the same seed gives the same rows
    and more, so a learning curve adds rows and never swaps them. Raises UsageError for a limit below 1.
    Choose it for quick trials and learning curves.
    """
    if limit < 1:
        raise UsageError("the limit of rows is out of bounds", got=str(limit), allowed="1 or more")
    if limit >= len(labels):
        return list(range(len(labels)))
    sizes = Counter(labels)
    places = _places(sizes, limit, seed)
    chosen: list[int] = []
    for label, units in _units_by_label(labels, None, seed).items():
        chosen += [unit[0] for unit in units[: places[label]]]
    return sorted(chosen)


def _units_by_label(
    labels: Sequence[str], groups: Sequence[Hashable] | None, seed: int
) -> dict[str, list[tuple[int, ...]]]:
    """For every label the units (rows, or whole groups) that hold it, in the order the seed gives."""
    members: dict[Hashable, list[int]] = {}
    for i in range(len(labels)):
        members.setdefault(i if groups is None else groups[i], []).append(i)
    units = sorted((tuple(unit) for unit in members.values()), key=lambda unit: _order(seed, "row", str(unit[0])))
    by_label: dict[str, list[tuple[int, ...]]] = {}
    for unit in units:
        for label in dict.fromkeys(labels[i] for i in unit):
            by_label.setdefault(label, []).append(unit)
    return by_label


def _hold_smallest(
    label: str,
    units: Sequence[tuple[int, ...]],
    labels: Sequence[str],
    sizes: Counter[str],
    held: Counter[str],
    out: set[int],
) -> None:
    """No unit fitted the quota of `label`: hold the smallest one that leaves rows of every label behind, if any."""
    fitting = []
    for unit in units:
        inside = Counter(labels[i] for i in unit)
        if unit[0] not in out and all(held[name] + n < sizes[name] for name, n in inside.items()):
            fitting.append((inside[label], len(unit), unit))
    if fitting:
        unit = min(fitting, key=lambda found: found[:2])[2]
        held.update(labels[i] for i in unit)
        out.update(unit)


def quotas(sizes: Counter[str], fraction: float, seed: int) -> dict[str, int]:
    """Rows to hold out of each label: largest remainders, so that the total is right too; then the bounds 1 and n-1."""
    wanted = {label: math.floor(size * fraction) for label, size in sizes.items()}
    missing = math.floor(sum(sizes.values()) * fraction + 0.5) - sum(wanted.values())
    by_remainder = sorted(
        sizes, key=lambda label: (wanted[label] - sizes[label] * fraction, _order(seed, "label", label))
    )
    for label in by_remainder[:missing]:
        wanted[label] += 1
    return {label: min(max(n, 1), sizes[label] - 1) for label, n in wanted.items()}


def _places(sizes: Counter[str], limit: int, seed: int) -> Counter[str]:
    """Places for each label: one each, then the next place always to the label that is furthest below its share.

    The divisors are Sainte-Lague's (1, 3, 5, ...): no bias towards big or small labels, and growing the limit never
    takes a place away.
    """
    ties = {label: _order(seed, "label", label) for label in sizes}
    first = sorted(sizes, key=lambda label: (-sizes[label], ties[label]))[:limit]
    places = Counter(first)
    queue = [(-sizes[label] / 3, ties[label], label) for label in first if sizes[label] > 1]
    heapq.heapify(queue)
    while places.total() < limit:
        _, tie, label = heapq.heappop(queue)
        places[label] += 1
        if places[label] < sizes[label]:
            heapq.heappush(queue, (-sizes[label] / (2 * places[label] + 1), tie, label))
    return places


def _order(seed: int, what: str, name: str) -> bytes:
    return hashlib.sha256(f"{seed}|{what}|{name}".encode("utf-8", "surrogatepass")).digest()
