"""Bytes that an adaptation needs."""

from __future__ import annotations

from pathlib import Path

from tailorlm.comparison.cost import folder_bytes


def test_folder_bytes_count_what_predicting_needs(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "sub" / "b.json").write_bytes(b"x" * 7)
    (tmp_path / "README.md").write_bytes(b"x" * 1000)
    (tmp_path / "COMPLETE").write_bytes(b"x" * 1000)
    assert folder_bytes(tmp_path) == 107
