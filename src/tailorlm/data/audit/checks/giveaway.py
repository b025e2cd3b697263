"""Words and marks that give a label away."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.audit.finding import Finding, count, listed, share
from tailorlm.data.audit.leaks import Leak, leaks, tokens
from tailorlm.data.audit.subject import Subject

_PURE = 0.95
# (share of the label's rows, share of all there is to tell): either is enough. On sets without leaks no plain word stands
# in more than 90 % of a label's rows (a topic's own word) or tells more than 8 %; in a fixed place, or with a form that
# no language has, far less is suspicious.
_WORD = (0.95, 0.2)
_PLACED = (0.5, 0.1)
_CODED = (0.25, 0.05)


def giveaway(subject: Subject) -> Iterator[Finding]:
    """`giveaway`: a word, sign or outer form that nearly only the rows of one label have, and most or many of them do.

    Words of a topic are not meant: 'coffee' in nine of ten rows about coffee is the task. The limits are set so that sets
    without planted leaks give none (see docs/studies/label_errors.md); a leak in fewer rows than they say is missed.
    """
    labels = subject.labels or ()
    kept = subject.labelled
    if len(subject.sizes) < 2:
        return
    texts = [subject.texts[i] for i in kept]
    found: dict[tuple[str, str], Leak] = {}
    for leak in leaks(texts, [labels[i] for i in kept], purity=_PURE):
        covers, tells = _limits(leak)
        if leak.coverage >= covers or leak.told >= tells:
            found.setdefault((leak.token, leak.label), leak)  # the most telling place comes first
    if not found:
        return
    telling = {(leak.place, leak.token) for leak in found.values()}
    rows = tuple(i for i, text in zip(kept, texts, strict=True) if any(key in telling for key in tokens(text)))
    names = list(dict.fromkeys(leak.label for leak in found.values()))
    yield Finding(
        "giveaway",
        "fault" if len(rows) >= 0.2 * len(kept) else "warning",
        f"{count(len(found), 'word, sign or form gives', 'words, signs or forms give')} the label away in "
        f"{count(len(rows), 'row')} ({share(len(rows), len(kept))}): nearly all rows that have it are of one label. "
        f"Labels concerned: {listed(names)}.",
        "Look at the table. What a source, a form or a template wrote into the rows must be taken out of all of them, or "
        "the model learns it in place of the task and fails on rows without it.",
        rows=rows,
        numbers={"tokens": len(found), "rows": len(rows), "share": len(rows) / len(kept), "labels": len(names)},
        details=tuple(_line(leak) for leak in list(found.values())[: subject.settings.shown]),
    )


def _limits(leak: Leak) -> tuple[float, float]:
    if leak.place != "anywhere":
        return _PLACED
    signs = [any(c.isalpha() for c in leak.token), any(c.isdigit() for c in leak.token), "_" in leak.token]
    return _CODED if len(leak.token) > 2 and (signs[2] or (signs[0] and signs[1])) else _WORD


def _line(leak: Leak) -> dict[str, str | int | float]:
    place = {"anywhere": "", "first": " (first)", "last": " (last)", "form": " (form)"}[leak.place]
    return {
        "what": leak.token + place,
        "label": leak.label,
        "rows of the label": leak.rows,
        "share of its rows": leak.coverage,
        "other rows": leak.elsewhere,
    }
