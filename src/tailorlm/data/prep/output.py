"""The folder that a preparation leaves: rows, manifest, side files, card, audit and the YAML for later rows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError
from tailorlm.core.machine import version
from tailorlm.data.prep.keys import check_place, read_key
from tailorlm.data.prep.pipeline import DROPPED, UNREADABLE, Listener, Prepared, run
from tailorlm.data.prep.settings import PrepSettings
from tailorlm.data.prep.tables import write_csv, write_parquet
from tailorlm.data.prep.workplace import working_folder

FORMAT = 1
MANIFEST, CARD, AUDIT, YAML = "manifest.json", "README.md", "audit.html", "prep.yaml"


def prepare(
    settings: PrepSettings,
    out: str | Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    listen: Listener = lambda what, done, all_: None,
    models: str = "",
) -> dict[str, Any]:
    """Prepare rows into the folder `out`, which appears when all of it is there; returns the manifest.

    models: the class that brings language models, for steps that ask for one ("tailorlm.models.for_rows:ForRows").
    workers, ray: how many processes, and on which Ray cluster (`run`); what comes out is the same.
    Raises TailorError when `out` exists already, and whatever `run` raises. Nothing stays behind then.
    Choose `dry_run` to see what would happen first.
    """
    final = Path(out)
    if os.path.lexists(final):
        raise TailorError(f"{final} exists already", hint="choose another --out, or remove it")
    check_place(settings.key_file, final)
    with working_folder(final) as work, atomic.disk_errors(final):
        secret = read_key(settings.key_file)
        prepared = run(settings, work, workers=workers, ray=ray, secret=secret, listen=listen, models=models)
        folder = work / "published"
        folder.mkdir()
        listen("audit", 0, 0)
        manifest = write(prepared, work, folder)
        atomic.publish_folder(folder, final)
    return manifest


def write(prepared: Prepared, work: Path, folder: Path) -> dict[str, Any]:
    """Everything into `folder`; the manifest's content."""
    from tailorlm.data.prep.card import card
    from tailorlm.data.prep.page.render import render

    with atomic.disk_errors(folder):
        rows = [_table(prepared, path, folder) for path in prepared.files.values()]
        for name in (DROPPED, UNREADABLE):
            side = work / name
            if side.is_file() and side.stat().st_size:
                side.rename(folder / name)
        learned = [
            # Tables by label may name what another step hides.
            {k: covered(v, prepared.cover) if isinstance(v, dict) else v for k, v in record.learned_settings.items()}
            for record in prepared.steps
        ]
        kept = prepared.settings.with_learned(learned, prepared.intake.found)
        (folder / YAML).write_text(kept, encoding="utf-8")
        manifest = _manifest(prepared, folder, rows)
        write_json(folder / MANIFEST, manifest)
        (folder / CARD).write_bytes(card(manifest).encode("utf-8", "replace"))
        (folder / AUDIT).write_bytes(render(manifest, prepared).encode("utf-8", "replace"))
    return manifest


def write_json(path: Path, value: Any) -> None:
    """JSON for people and programs; a lone surrogate stands as its escape."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _table(prepared: Prepared, path: Path, folder: Path) -> dict[str, Any]:
    kind = prepared.settings.format
    split = next(name for name, found in prepared.files.items() if found == path)
    target = folder / f"{path.stem}.{kind}"
    columns = list(prepared.after.columns)
    if kind == "jsonl":
        path.rename(target)
    else:
        make: Callable[[Path, Path, list[str]], None] = write_csv if kind == "csv" else write_parquet
        make(path, target, columns)
        path.unlink()
    count = prepared.after.splits()[split]
    return {
        "file": target.name,
        "split": split,
        "rows": count,
        "bytes": target.stat().st_size,
        "sha256": atomic.sha256_of(target),
    }


def _manifest(prepared: Prepared, folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    intake, cover = prepared.intake, prepared.cover
    aside = {name: name for name in (DROPPED, UNREADABLE) if (folder / name).exists()}
    return {
        "format": FORMAT,
        "made_by": f"tailorlm {version('tailorlm') or ''}".strip(),
        "seconds": round(prepared.seconds, 1),
        "shape": prepared.context.fields.shape,
        "fields": prepared.context.fields.plain(),
        "evidence": [cover(line) for line in prepared.evidence],
        "notes": [cover(note) for note in intake.notes],
        "read": {"files": intake.files, "rows": intake.rows, "bad_rows": len(intake.bad), "sha256": intake.fingerprint},
        "steps": [_step(record, cover) for record in prepared.steps],
        "written": {"files": rows, "rows": prepared.after.rows, "dropped": prepared.dropped, "aside": list(aside)},
        "before": _counts(prepared, before=True),
        "after": _counts(prepared, before=False),
    }


def _step(record: Any, cover: Callable[[str], str]) -> dict[str, Any]:
    plain = record.tally.plain()
    plain.pop("examples")  # texts stand in the audit; the manifest is for programs and may travel
    return {
        "step": record.name,
        "settings": record.settings,
        "seconds": round(record.seconds, 2),
        **plain,
        "facts": covered(_without_texts(record.facts), cover),
    }


def _without_texts(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts without the rows that are shown for them: those stand in the audit."""
    return {name: _not_shown(value) for name, value in facts.items()}


def _not_shown(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [{k: v for k, v in one.items() if k != "shown"} if isinstance(one, dict) else one for one in value]


def covered(value: Any, cover: Callable[[str], str]) -> Any:
    """JSON's own types with every string covered."""
    if isinstance(value, str):
        return cover(value)
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            name, new = cover(key), covered(item, cover)
            # Labels that are e-mail addresses are all called <EMAIL> now: their counts go together.
            found[name] = found[name] + new if isinstance(found.get(name), int) and isinstance(new, int) else new
        return found
    if isinstance(value, list | tuple):
        return [covered(item, cover) for item in value]
    return value


def _counts(prepared: Prepared, *, before: bool) -> dict[str, Any]:
    census = prepared.before if before else prepared.after
    plain = covered(census.plain(), prepared.cover)
    return {
        name: plain[name]
        for name in ("rows", "characters", "made", "split_rows", "by_split", "languages", "lengths", "columns")
    }


def dry_run(
    settings: PrepSettings,
    *,
    rows: int | None = None,
    workers: int | None = None,
    listen: Listener = lambda what, done, all_: None,
    models: str = "",
) -> dict[str, Any]:
    """What `prepare` would do, on the first `rows` rows of each file set, with examples; nothing is kept.

    Returns the manifest, each step with `examples`: reason -> [where, before, after, detail]; private values covered.
    """
    with working_folder(None) as work:
        secret = read_key(settings.key_file, make=False)
        prepared = run(settings, work, workers=workers, limit=rows, secret=secret, listen=listen, models=models)
        files = [{"file": "", "split": split, "rows": prepared.after.splits()[split]} for split in prepared.files]
        manifest = _manifest(prepared, work, files)
        for said, record in zip(manifest["steps"], prepared.steps, strict=True):
            said["examples"] = {
                name: [[e.where, _shown(e.before), _shown(e.after), e.detail] for e in found]
                for name, found in record.tally.examples.items()
            }
    return manifest


def _shown(text: str | None) -> str | None:
    from tailorlm.data.prep.page.shown import visible

    return None if text is None else visible(text)
