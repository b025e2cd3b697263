"""A folder that changes as a whole: readers meet one version or the next, and a writer that fails changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailorlm.core.errors import TailorError
from tailorlm.core.versions import new_version, newest


def put(root: Path, text: str, after: Path | None) -> None:
    with new_version(root, after) as folder:
        (folder / "what").write_text(text)


def test_versions_follow_one_another_and_the_last_one_counts(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "index"
    assert newest(root) is None
    for i in range(12):  # ten comes after nine, not after one
        put(root, str(i), newest(root))
        found = newest(root)
        assert found is not None
        assert (found / "what").read_text() == str(i)
    assert [path.name for path in root.iterdir()] == ["version-12"]


def test_a_writer_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    put(tmp_path, "old", None)

    def broken() -> None:
        with new_version(tmp_path, newest(tmp_path)) as folder:
            (folder / "what").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert [path.name for path in tmp_path.iterdir()] == ["version-1"]


def test_an_empty_folder_is_no_version(tmp_path: Path) -> None:
    put(tmp_path, "old", None)
    with new_version(tmp_path, newest(tmp_path)):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["version-1"]


def test_two_writers_from_the_same_version_cannot_both_win(tmp_path: Path) -> None:
    put(tmp_path, "old", None)
    before = newest(tmp_path)
    put(tmp_path, "first", before)
    with pytest.raises(TailorError, match="changed by another process"):
        put(tmp_path, "second", before)
    found = newest(tmp_path)
    assert found is not None
    assert (found / "what").read_text() == "first"


def test_a_damaged_version_does_not_count_and_is_written_again(tmp_path: Path) -> None:
    put(tmp_path, "old", None)
    old = newest(tmp_path)
    broken = tmp_path / "version-2"
    broken.mkdir()
    (broken / "what").write_text("no marker")
    assert newest(tmp_path) == old
    put(tmp_path, "new", old)
    found = newest(tmp_path)
    assert found is not None
    assert (found / "what").read_text() == "new"


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".version-1.tmp-999999999"
    left.mkdir(parents=True)
    put(tmp_path, "new", None)
    assert not left.exists()
