"""What the page says, as plain values for the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from tailorlm.data.prep.page.pictures import bars, lengths
from tailorlm.data.prep.page.shown import difference, visible
from tailorlm.data.prep.pipeline import Prepared
from tailorlm.data.steps.base import Example
from tailorlm.data.steps.filter import PROPOSED

SPLITS = ("train", "validation", "test")
_TITLES = {
    "passages": "Cut into passages",
    "repair": "Repair",
    "filter": "Filter",
    "deduplicate": "Deduplicate",
    "redact": "Redact",
    "split": "Split",
    "decontaminate": "Decontaminate",
    "audit": "Audit of labels and balance",
    "augment": "Augment",
}
_SAID = {
    "passages": "Long documents become passages, cut at headings, paragraphs and sentences.",
    "repair": "Text that was damaged on its way is mended; what it says stays.",
    "filter": "Rows go by measures of their text.",
    "deduplicate": "Of rows that are copies of one another one stays.",
    "redact": "Personal and secret values are replaced; they are shown nowhere on this page.",
    "split": "Every row gets its side; near copies stay together.",
    "decontaminate": "Train rows that contain rows of a test set go.",
    "audit": "Said, not changed: what to look at before training.",
    "augment": "New train rows, made from others and marked.",
}


def view(manifest: dict[str, Any], prepared: Prepared) -> dict[str, Any]:
    """Everything the template needs; private values are covered already."""
    steps = [_step(said, record, prepared) for said, record in zip(manifest["steps"], prepared.steps, strict=True)]
    redacted = _numbers_of(manifest, "redact")
    return {
        "title": _title(manifest),
        "made_by": manifest["made_by"],
        "evidence": manifest["evidence"],
        "figures": _figures(manifest),
        "flow": _flow(manifest),
        "lengths": lengths(manifest["before"]["lengths"], manifest["after"]["lengths"]),
        "medians": (round(prepared.before.length_at(0.5)), round(prepared.after.length_at(0.5))),
        "labels": _labels(manifest),
        "languages": _languages(manifest),
        "redacted": bars([(name, {"rows": n}) for name, n in Counter(redacted).most_common()]),
        "redacts": any(step["step"] == "redact" for step in manifest["steps"]),
        "copies": _copies(manifest),
        "steps": steps,
        "findings": [
            found for step in prepared.steps if step.name == "audit" for found in _findings(step.facts, prepared)
        ],
        "audited": next((s["facts"] for s in manifest["steps"] if s["step"] == "audit" and s["facts"]), None),
        "notes": manifest["notes"],
        "read": manifest["read"],
        "written": manifest["written"],
        "splits": [s for s in SPLITS if s in manifest["after"]["by_split"]],
        "seconds": manifest["seconds"],
    }


def _title(manifest: dict[str, Any]) -> str:
    names = [
        "/".join(PurePath(file["name"]).parts[-2:]) if file["name"] != "-" else "standard input"
        for file in manifest["read"]["files"]
    ]
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _figures(manifest: dict[str, Any]) -> list[dict[str, str]]:
    written, read = manifest["written"], manifest["read"]
    changed = sum(step["rows_changed"] for step in manifest["steps"] if step["step"] == "repair")
    redacted = sum(step["rows_changed"] for step in manifest["steps"] if step["step"] == "redact")
    splits = manifest["after"]["split_rows"]
    sides = " · ".join(f"{splits[s]:,} {s}" for s in SPLITS if s in splits)
    figures = [
        {
            "name": "rows read",
            "big": f"{read['rows']:,}",
            "note": f"{read['bad_rows']:,} unreadable" if read["bad_rows"] else "",
        },
        {"name": "rows dropped", "big": f"{written['dropped']:,}", "note": _share(written["dropped"], read["rows"])},
        {"name": "rows repaired", "big": f"{changed:,}", "note": _share(changed, read["rows"])},
        {"name": "rows redacted", "big": f"{redacted:,}", "note": _share(redacted, read["rows"])},
        {"name": "rows written", "big": f"{written['rows']:,}", "note": sides},
    ]
    ran = {step["step"] for step in manifest["steps"]}
    needs = {"rows repaired": "repair", "rows redacted": "redact"}
    return [figure for figure in figures if needs.get(figure["name"], "") in ran | {""}]


def _share(part: int, whole: int) -> str:
    if not part or not whole:
        return ""
    value = 100 * part / whole
    return f"{value:.1f} %" if value >= 0.1 else "under 0.1 %"


def _flow(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """One bar a step: rows that went through unchanged, changed, and dropped."""
    lines = []
    for step in manifest["steps"]:
        dropped = sum(step["dropped"].values())
        kept = max(0, step["rows_in"] - dropped - step["rows_changed"])
        added = max(0, step["rows_out"] - (step["rows_in"] - dropped))
        lines.append(
            (step["step"], {"kept": kept, "changed": step["rows_changed"], "added": added, "dropped": dropped})
        )
    return bars(lines)


def _labels(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """Rows by label behind the steps, stacked by split; None where rows have no label."""
    by_split = manifest["after"]["by_split"]
    totals: Counter[str] = Counter()
    for labels in by_split.values():
        totals.update(labels)
    if not set(totals) - {""}:
        return None
    order = [s for s in ("", *SPLITS) if s in by_split]
    before: Counter[str] = Counter()
    for labels in manifest["before"]["by_split"].values():
        before.update(labels)
    rows = [
        (name or "(no label)", {s or "rows": by_split[s].get(name, 0) for s in order})
        for name, _ in sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    counts = sorted(n for name, n in totals.items() if name)
    picture = bars(rows if len(rows) <= 40 else rows[:20] + rows[-10:], most=40)
    return {
        "picture": picture,
        "count": len(counts),
        "least": counts[0],
        "most": counts[-1],
        "middle": counts[len(counts) // 2],
        "hidden": max(0, len(rows) - 30) if len(rows) > 40 else 0,
        "gone": sorted(set(before) - set(totals) - {""}),
        "legend": [(s or "rows", s or "no split") for s in order],
    }


def _languages(manifest: dict[str, Any]) -> dict[str, Any] | None:
    after = Counter(manifest["after"]["languages"])
    unclear = after.pop("", 0)
    looked = sum(after.values()) + unclear
    if not after:
        return None
    rows = [(code, {"rows": n}) for code, n in after.most_common()]
    return {"picture": bars(rows, most=12), "unclear": unclear, "looked": looked, "all": manifest["after"]["rows"]}


def _copies(manifest: dict[str, Any]) -> dict[str, Any] | None:
    for step in manifest["steps"]:
        sizes = step["facts"].get("groups by rows") if step["step"] == "deduplicate" else None
        if sizes:
            rows = [(f"{size} rows alike", {"rows": n}) for size, n in sorted(sizes.items(), key=lambda p: int(p[0]))]
            return {
                "picture": bars(rows, most=10),
                "groups": sum(sizes.values()),
                "facts": step["facts"],
                "meanings": sum(step["facts"].get("groups of the same meaning by rows", {}).values()),
            }
    return None


def _groups(facts: dict[str, Any], prepared: Prepared) -> list[dict[str, Any]]:
    """The largest groups of copies, with their first rows and what became of them."""
    cover = prepared.cover
    return [
        {
            "rows": group["rows"],
            "more": group["rows"] - len(group["shown"]),
            "shown": [
                {"where": where, "text": _cut(visible(cover(text))), "label": cover(label), "fate": fate}
                for where, text, label, fate in group["shown"]
            ],
        }
        for group in facts.get("largest groups", ())
    ]


def _numbers_of(manifest: dict[str, Any], name: str) -> dict[str, int]:
    return next((step["numbers"] for step in manifest["steps"] if step["step"] == name), {})


def _step(said: dict[str, Any], record: Any, prepared: Prepared) -> dict[str, Any]:
    examples = record.tally.examples
    reasons = [
        _reason(reason, n, kind, examples.get(reason, ()))
        for kind, found in (("dropped", said["dropped"]), ("changed", said["changed"]))
        for reason, n in sorted(found.items(), key=lambda pair: -pair[1])
    ]
    proposed = [
        {
            "reason": name.removeprefix(PROPOSED),
            "rows": n,
            "examples": [_example(e) for e in examples.get(name, ())],
        }
        for name, n in sorted(said["numbers"].items(), key=lambda pair: -pair[1])
        if name.startswith(PROPOSED)
    ]
    others = {name: n for name, n in said["numbers"].items() if not name.startswith(PROPOSED)}
    return {
        "name": said["step"],
        "title": _TITLES.get(said["step"], said["step"]),
        "said": _SAID.get(said["step"], ""),
        "settings": ", ".join(f"{k}: {_value(v)}" for k, v in said["settings"].items() if v not in (None, [], "")),
        "rows_in": said["rows_in"],
        "rows_out": said["rows_out"],
        "reasons": reasons,
        "groups": _groups(record.facts, prepared),
        "proposed": proposed,
        "facts": [(name, _value(value)) for name, value in said["facts"].items() if _is_plain(value)],
        "numbers": others if said["step"] not in ("redact",) else {},
        "seconds": said["seconds"],
    }


def _reason(reason: str, rows: int, kind: str, examples: Sequence[Example]) -> dict[str, Any]:
    pairs = kind == "dropped" and any(example.after is not None for example in examples)
    return {"reason": reason, "rows": rows, "kind": kind, "pairs": pairs, "examples": [_example(e) for e in examples]}


def _example(example: Example) -> dict[str, Any]:
    if example.before is not None and example.after is not None:
        old, new = difference(example.before, example.after)
    else:
        old = [{"text": visible(example.before), "changed": False}] if example.before is not None else []
        new = [{"text": visible(example.after), "changed": False}] if example.after is not None else []
    return {"where": example.where, "old": old, "new": new, "detail": example.detail}


def _findings(facts: dict[str, Any], prepared: Prepared) -> list[dict[str, Any]]:
    cover = prepared.cover
    shown = []
    for found in facts.get("findings", ()):
        rows = [
            {"where": where, "text": _cut(visible(cover(text))), "label": cover(label), "split": split}
            for where, text, label, split in found["shown"]
        ]
        details = [
            {k: cover(v) if isinstance(v, str) else v for k, v in line.items()} for line in found["details"][:20]
        ]
        shown.append({**found, "rows": rows, "details": details, "message": cover(found["message"])})
    return shown


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return (
            ", ".join(map(_value, value[:12])) + (f" and {len(value) - 12} more" if len(value) > 12 else "") or "none"
        )
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _is_plain(value: Any) -> bool:
    return not (isinstance(value, list) and value and isinstance(value[0], dict)) and value not in ({}, [], None)
