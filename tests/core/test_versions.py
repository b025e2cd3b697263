"""A folder that changes as a whole: readers meet one version or the next, and a writer that fails changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError
from tailorlm.core.versions import new_version, newest


def put(root: Path, text: str, after: Path | None) -> None:
    with new_version(root, after) as folder:
        (folder / "what").write_text(text)


def put_by_another(root: Path, text: str) -> None:
    """As a process would that is not this one: it leaves alone what this one is writing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", os.getppid)
        put(root, text, newest(root))


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


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("versions", [1, 2, 5])
def test_a_slow_writer_never_undoes_what_others_published_meanwhile(tmp_path: Path, versions: int, old: bool) -> None:
    """The version that would be in its way may be gone again, since others went on from it."""
    if old:
        put(tmp_path, "old", None)

    def slow() -> None:
        with new_version(tmp_path, newest(tmp_path)) as folder:
            (folder / "what").write_text("slow")
            for i in range(versions):
                put_by_another(tmp_path, f"other {i}")

    with pytest.raises(TailorError, match=r"changed by another process[\s\S]*run the same command again"):
        slow()
    found = newest(tmp_path)
    assert found is not None
    assert (found / "what").read_text() == f"other {versions - 1}"
    assert [path.name for path in tmp_path.iterdir()] == [found.name]


def test_a_writer_overtaken_while_it_publishes_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "old", None)
    before, publish = newest(tmp_path), atomic.publish_folder

    def slowly(temp: Path, final: Path) -> None:
        monkeypatch.setattr(atomic, "publish_folder", publish)
        put_by_another(tmp_path, "first")
        put_by_another(tmp_path, "second")
        publish(temp, final)

    monkeypatch.setattr(atomic, "publish_folder", slowly)
    with pytest.raises(TailorError, match="changed by another process"):
        put(tmp_path, "slow", before)
    assert [path.name for path in tmp_path.iterdir()] == ["version-3"]
    assert (tmp_path / "version-3" / "what").read_text() == "second"


def test_what_is_read_of_a_version_that_others_removed_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    put(tmp_path, "old", None)
    before = newest(tmp_path)
    assert before is not None

    def reading(path: Path, *, others: bool) -> None:
        with new_version(tmp_path, newest(tmp_path)) as folder, atomic.disk_errors(folder):
            if others:
                put_by_another(tmp_path, "first")
            path.read_text()

    with pytest.raises(TailorError, match="changed by another process"):
        reading(before / "what", others=True)
    with pytest.raises(TailorError, match="No such file"):
        reading(tmp_path / "nowhere", others=False)


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
