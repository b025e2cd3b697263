"""Writes are whole or absent: checked with injected faults, and on a real full disk where one can be made."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tailorlm.core import atomic
from tailorlm.core.errors import TailorError


def _failing(code: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def _folder(root: Path) -> Path:
    temp = root / "temp"
    (temp / "sub").mkdir(parents=True)
    (temp / "a.json").write_text("{}")
    (temp / "sub" / "ü.bin").write_bytes(b"\0\1\2")
    return temp


def test_write_and_replace_leave_one_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    atomic.write_text(path, "é\r\n")
    assert path.read_bytes() == b"\xc3\xa9\r\n"
    path.chmod(0o640)
    atomic.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["x.txt"]


def test_new_file_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic.write_bytes(tmp_path / "x", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    atomic.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:3])))
        atomic.write_bytes(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "close"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")
    real_close = os.close

    def close(handle: int) -> None:
        real_close(handle)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, close if call == "close" else _failing(code))
        with pytest.raises(TailorError) as caught:
            atomic.write_bytes(path, b"x" * 1500)
    message = str(caught.value)
    assert str(path) in message
    assert "full" in message
    assert "free" in message
    assert "1.5 kB" in message
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.json"]


def test_interrupt_leaves_no_temp_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            atomic.write_bytes(tmp_path / "x", b"data")
    assert os.listdir(tmp_path) == []


def test_other_write_faults_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="mkdir -p"):
        atomic.write_bytes(tmp_path / "no" / "x", b"")
    with pytest.raises(TailorError, match="could not be written"):
        atomic.write_bytes(tmp_path, b"")


def test_publish_then_verify(tmp_path: Path) -> None:
    temp, final = _folder(tmp_path), tmp_path / "final"
    assert not atomic.is_complete(temp)
    atomic.publish_folder(temp, final)
    assert not temp.exists()
    assert atomic.is_complete(final, verify=True)
    marker = json.loads((final / atomic.MARKER).read_text(encoding="utf-8"))
    assert {name: facts["size"] for name, facts in marker["files"].items()} == {"a.json": 2, "sub/ü.bin": 3}
    assert all(len(facts["sha256"]) == 64 for facts in marker["files"].values())
    (final / "later.log").write_text("what came later does not matter")
    assert atomic.is_complete(final, verify=True)


def test_changes_are_noticed(tmp_path: Path) -> None:
    final = tmp_path / "final"
    atomic.publish_folder(_folder(tmp_path), final)
    (final / "a.json").write_text("[]")
    assert atomic.is_complete(final)  # the size is the same
    assert not atomic.is_complete(final, verify=True)
    (final / "a.json").write_text("[1]")
    assert not atomic.is_complete(final)
    (final / "a.json").unlink()
    assert not atomic.is_complete(final)


@pytest.mark.parametrize(
    "marker",
    [
        "",
        '{"files"',
        "[]",
        "{}",
        '{"files": []}',
        '{"files": {"a.json": 2}}',
        '{"files": {"a.json": {}}}',
        '{"files": {"../outside": {"size": 1, "sha256": ""}}}',
        "[" * 5000,
        "\xff",
    ],
)
def test_damaged_marker_means_incomplete(tmp_path: Path, marker: str) -> None:
    (tmp_path / "outside").write_text("x")
    folder = _folder(tmp_path)
    (folder / atomic.MARKER).write_bytes(marker.encode("latin-1"))
    assert not atomic.is_complete(folder)


def test_publish_never_overwrites(tmp_path: Path) -> None:
    temp = _folder(tmp_path)
    (tmp_path / "final").mkdir()
    with pytest.raises(TailorError, match="exists already"):
        atomic.publish_folder(temp, tmp_path / "final")
    assert not (temp / atomic.MARKER).exists()
    assert list((tmp_path / "final").iterdir()) == []


def test_publish_refuses_links(tmp_path: Path) -> None:
    for target in ("a.json", "sub"):
        temp = _folder(tmp_path / target)
        (temp / "link").symlink_to(temp / target)
        with pytest.raises(TailorError, match="link"):
            atomic.publish_folder(temp, tmp_path / "final")
    assert not (tmp_path / "final").exists()


@pytest.mark.parametrize("call", ["fsync", "write", "rename"])
def test_failed_publish_leaves_temp_without_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    temp, final = _folder(tmp_path), tmp_path / "final"
    with monkeypatch.context() as patched:
        patched.setattr(os, call, _failing(errno.ENOSPC))
        with pytest.raises(TailorError, match="full"):
            atomic.publish_folder(temp, final)
    assert not final.exists()
    assert sorted(p.name for p in temp.rglob("*")) == ["a.json", "sub", "ü.bin"]
    atomic.publish_folder(temp, final)
    assert atomic.is_complete(final, verify=True)


def test_missing_temp_folder(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="could not be written"):
        atomic.publish_folder(tmp_path / "none", tmp_path / "final")


def test_folder_flush_that_is_unsupported_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        atomic.write_bytes(tmp_path / "x", b"1")
    assert (tmp_path / "x").read_bytes() == b"1"


@pytest.mark.parametrize(
    "raised", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")]
)
def test_disk_errors_of_other_writers(tmp_path: Path, raised: Exception) -> None:
    with pytest.raises(atomic.DiskFull, match="weights"), atomic.disk_errors(tmp_path / "weights"):
        raise raised


def test_disk_errors_leaves_the_rest_alone(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="read-only") as caught, atomic.disk_errors(tmp_path / "x"):
        raise OSError(errno.EROFS, "Read-only file system")
    assert not isinstance(caught.value, atomic.DiskFull)
    for other in (ValueError("of the caller"), TailorError("No space left, said by us")):
        with pytest.raises(type(other)) as same, atomic.disk_errors(tmp_path / "x"):
            raise other
        assert same.value is other


def test_remove_folder(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    atomic.remove_folder(folder)
    atomic.remove_folder(folder)
    assert not folder.exists()


def test_check_space(tmp_path: Path) -> None:
    atomic.check_space(tmp_path / "not" / "there" / "yet", 1)
    with pytest.raises(TailorError) as caught:
        atomic.check_space(tmp_path, 10**18)
    assert "1000000.0 TB" in str(caught.value)
    assert "free" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1532, "1.5 kB"), (30_000_000, "30.0 MB"), (2e12, "2.0 TB")]
)
def test_readable_size(size: float, text: str) -> None:
    assert atomic.readable_size(size) == text


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, timeout=10
        )
    except OSError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True, timeout=10)


def test_really_full_disk(small_disk: Path) -> None:
    path = small_disk / "x"
    atomic.write_bytes(path, b"old")
    with pytest.raises(TailorError, match="full"):
        atomic.write_bytes(path, bytes(2_000_000))
    assert path.read_bytes() == b"old"
    temp = _folder(small_disk)
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))
    with pytest.raises(TailorError, match="full"):
        atomic.publish_folder(temp, small_disk / "final")
    assert sorted(p.name for p in small_disk.iterdir()) == ["filler", "temp", "x"]
    (small_disk / "filler").unlink()
    atomic.publish_folder(temp, small_disk / "final")
    assert atomic.is_complete(small_disk / "final", verify=True)
