"""Labels with very unequal numbers of rows, and labels with next to none."""

from __future__ import annotations

from collections.abc import Iterator

from tailorlm.data.audit.effect import effective_number
from tailorlm.data.audit.finding import Finding, count, listed, share
from tailorlm.data.audit.subject import Subject

_MAJORITY = 0.75
_EVEN = 0.5


def balance(subject: Subject) -> Iterator[Finding]:
    """`label-imbalance`: one label has three quarters of the rows, or the labels are as uneven as half their number.

    `few-rows`: labels with fewer rows than `few_rows` of the settings. `one-label`: nothing to tell apart. The effective
    number of labels is the exponential of their entropy: 10 labels of equal size count as 10.
    """
    sizes = subject.sizes
    if len(sizes) == 1:
        yield Finding(
            "one-label",
            "fault",
            f"All {count(sizes.total(), 'row')} have the same label, {listed(sizes)}.",
            "Nothing can be learnt from one label. Add rows of the others, or check that the right column is read.",
            numbers={"labels": 1, "rows": sizes.total()},
        )
    if len(sizes) < 2:
        return
    yield from _imbalance(subject)
    few = sorted((name for name in sizes if sizes[name] < subject.settings.few_rows), key=lambda n: (sizes[n], n))
    if few:
        single = sum(sizes[name] == 1 for name in few)
        alone = f"; {single} of them {'has' if single == 1 else 'have'} a single row" if single else ""
        yield Finding(
            "few-rows",
            "warning",
            f"{count(len(few), 'label has', 'labels have')} fewer than {subject.settings.few_rows} rows{alone}: "
            f"{listed(few)}.",
            "No split can both teach and test so few rows. Collect more, merge the label into another, or leave it out; "
            "augmentation repeats what is there and adds nothing new.",
            rows=tuple(i for name in few for i in subject.by_label[name]),
            numbers={"labels": len(few), "single": single, "rows": sum(sizes[name] for name in few)},
            details=tuple({"label": name, "rows": sizes[name]} for name in few[: subject.settings.shown]),
        )


def _imbalance(subject: Subject) -> Iterator[Finding]:
    sizes = subject.sizes
    ranked = sizes.most_common()
    n, effective = sizes.total(), effective_number(list(sizes.values()))
    (largest, most), (smallest, least) = ranked[0], ranked[-1]
    if most / n < _MAJORITY and effective >= _EVEN * len(sizes):
        return
    yield Finding(
        "label-imbalance",
        "warning" if most / n >= _MAJORITY else "note",
        f"The {len(sizes)} labels are as uneven as {effective:.1f} labels of equal size: {listed([largest])} has "
        f"{share(most, n)} of the rows ({most:,}), {listed([smallest])} has {share(least, n)} ({least:,}).",
        f"Answering {listed([largest])} always is right on {share(most, n)}, so accuracy says little here: judge by "
        "macro_f1 or balanced_accuracy, and read the scores of the small labels one by one.",
        numbers={
            "labels": len(sizes),
            "effective": effective,
            "largest_share": most / n,
            "largest": most,
            "smallest": least,
        },
        details=tuple(
            {"label": name, "rows": rows, "share": rows / n} for name, rows in ranked[: subject.settings.shown]
        ),
    )
