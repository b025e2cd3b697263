"""What a recipe names by where it lies, by what it holds: another teacher or other texts under an old name are another recipe."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from tailorlm.core.atomic import sha256_of
from tailorlm.core.config import field_extra
from tailorlm.core.parts import settings_in
from tailorlm.recipes.fitting.teaching import teacher_fingerprint
from tailorlm.recipes.schema import Recipe


def contents(recipe: Recipe) -> dict[str, str]:
    """Dotted key to sha256 (hex) for every teacher, file and folder that the task and the stages name.

    A name that leads nowhere is left out: the fit says so.
    """
    found: dict[str, str] = {}
    parts: dict[str, Any] = {"task": recipe.task}
    for place, stage in enumerate(recipe.stages):
        parts |= {f"stages.{place}.objective": stage.objective, f"stages.{place}.weights": stage.weights}
        parts |= {f"stages.{place}.penalties.{number}": penalty for number, penalty in enumerate(stage.penalties)}
    for where, part in parts.items():
        for at, settings in settings_in(part, where):
            teacher = getattr(settings, "teacher", "")
            if teacher:
                found[f"{at}.teacher"] = teacher_fingerprint(teacher)
            for name, field in type(settings).model_fields.items():
                held = _held(getattr(settings, name)) if field_extra(field).get("file") else None
                found |= {f"{at}.{name}": held} if held else {}
    return found


def _held(named: Any) -> str | None:
    """What a file, a folder or several of them hold; None for anything else."""
    names = [named] if isinstance(named, str) else list(named) if isinstance(named, tuple) else []
    files = [file for name in names if isinstance(name, str) for file in files_of(name)]
    if not files:
        return None
    content = "".join(
        f"{file.name} {_hashed(str(file), file.stat().st_size, file.stat().st_mtime_ns)}" for file in files
    )
    return hashlib.sha256(content.encode()).hexdigest()


def files_of(name: str) -> list[Path]:
    """The file of this name, or those of the folder, in order; none for an empty name and for one that leads nowhere."""
    path = Path(name).expanduser()
    if name and path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.is_file() else []


@lru_cache(maxsize=256)
def _hashed(name: str, size: int, changed: int) -> str:
    return sha256_of(Path(name))
