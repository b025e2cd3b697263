"""Labels that are one label spelt in several ways."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from tailorlm.data.audit.finding import Cell, Finding, count, listed
from tailorlm.data.audit.subject import Subject

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Between two words only: 'A-' is not 'A', '-1' is not '1', and '1.5' is not '1-5'.
_JOINT = re.compile(r"(?<=[^\W\d_])[\s_./-]+(?=[^\W_])|(?<=\d)[\s_./-]+(?=[^\W\d_])")


def label_names(subject: Subject) -> Iterator[Finding]:
    """`label-spelling`: labels that differ only in case, in blanks around them, or in how their words are joined.

    'card_arrival', 'Card arrival' and 'cardArrival' are one label; 'C', 'C++' and 'C#' are three.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(subject.sizes):
        groups.setdefault(_key(name), []).append(name)
    # The most frequent spelling first: the one to keep.
    alike = [
        sorted(names, key=lambda name: (-subject.sizes[name], name)) for names in groups.values() if len(names) > 1
    ]
    if not alike:
        return
    lines: list[Mapping[str, Cell]] = [
        {"spelling": name, "same as": names[0], "rows": subject.sizes[name]} for names in alike for name in names
    ]
    rows = tuple(i for names in alike for name in names for i in subject.by_label[name])
    yield Finding(
        "label-spelling",
        "fault",
        f"{count(len(alike), 'label is', 'labels are')} spelt in several ways and will be learnt as different ones: "
        + "; ".join(listed(names) for names in alike[:3])
        + (f"; and {len(alike) - 3:,} more." if len(alike) > 3 else "."),
        "Choose one spelling for each and rename the others before anything else is counted.",
        rows=rows,
        numbers={"labels": len(alike), "rows": len(rows)},
        details=tuple(lines[: subject.settings.shown]),
    )


def _key(name: str) -> str:
    return _JOINT.sub(" ", _CAMEL.sub(" ", unicodedata.normalize("NFKC", name))).strip().casefold()
