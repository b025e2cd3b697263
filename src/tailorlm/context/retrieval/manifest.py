"""The manifest of a folder that can be searched: what kind it is, how it was made, by which encoder; written and read in one way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.core.versions import newest
from tailorlm.data.held_out import HeldOut

MANIFEST = "index.json"
FORMAT = 1


def write_manifest(
    folder: Path, kind: str, encoder: Encoder | None, held_out: HeldOut | None, facts: dict[str, Any]
) -> None:
    """Write `index.json`. kind: `passages` or `examples`. facts: what this kind keeps besides, its settings among them."""
    made_with = None if encoder is None else {"name": encoder.origin, "fingerprint": encoder.fingerprint}
    held = None if held_out is None else held_out.plain()
    whole = {"format": FORMAT, "kind": kind, "encoder": made_with, "held_out": held, **facts}
    text = json.dumps(whole, ensure_ascii=False, indent=1)
    (folder / MANIFEST).write_bytes(text.encode("utf-8", "surrogatepass") + b"\n")


def read_manifest(folder: Path, kind: str, *, hint: str) -> tuple[Path, dict[str, Any]]:
    """The newest version inside `folder` and its manifest. Raises TailorError where there is none of this kind; hint: what to type."""
    version = newest(folder)
    if version is None:
        got = "no complete version in it" if folder.exists() else "no such folder"
        raise TailorError(f"{folder} holds no index of {kind}", got=got, hint=hint)
    try:
        found: dict[str, Any] = json.loads((version / MANIFEST).read_bytes().decode("utf-8", "surrogatepass"))
        if found["kind"] == kind and found["format"] == FORMAT:
            return version, found
        got = f"an index of {found['kind']}, format {found['format']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = type(error).__name__
    raise TailorError(f"{version} cannot be read as an index of {kind}", got=got, hint=hint)


def held_out_of(manifest: dict[str, Any]) -> HeldOut | None:
    """The test rows that a folder refuses, if it knows any."""
    return None if manifest["held_out"] is None else HeldOut.read(manifest["held_out"])


def check_encoder(encoder: Encoder, manifest: dict[str, Any], folder: Path) -> Encoder:
    """The encoder itself, if the folder was made with it. Raises UsageError for another one: vectors of two models share no space."""
    made_with = manifest["encoder"]
    if encoder.fingerprint != made_with["fingerprint"]:
        raise UsageError(
            f"{folder} was built with another encoder than '{encoder.settings.model}'",
            got=f"fingerprint {encoder.fingerprint[:12]}",
            allowed=f"{made_with['name']}, fingerprint {made_with['fingerprint'][:12]}",
            hint=f"name the old one with --encoder, or build another index: --out {folder}-2",
        )
    return encoder
