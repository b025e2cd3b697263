"""Every hostile file: never a traceback, its place and the reason, the good rows on request, memory within bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.data import read, stream

from hostile import Hostile, files  # isort: skip

COUNT = 91
NEEDS = {"parquet": "pyarrow", "arrow": "pyarrow", "zst": "pyarrow", "pdf": "pypdf"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Hostile]]:
    folder = tmp_path_factory.mktemp("hostile")
    known = []
    for one in files():
        (folder / one.name).write_bytes(one.content)
        known.append(Hostile(**{**vars(one), "content": b""}))
    return folder, known


def usable(one: Hostile) -> bool:
    package = NEEDS.get(one.name.rsplit(".", 1)[1])
    try:
        if package:
            __import__(package)
    except ImportError:
        return False
    return True


def test_every_file_is_read_or_told(hostile: tuple[Path, list[Hostile]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, known = hostile
    monkeypatch.chdir(folder)
    assert len(known) == len({one.name for one in known}) == COUNT
    for one in filter(usable, known):
        if not one.fault:
            rows = read(one.name)
            assert len(rows) == one.rows, one.name
            assert {key: rows[0].values[key] for key in one.first} == one.first, one.name
            continue
        with pytest.raises(TailorError) as caught:
            read(one.name)
        told = str(caught.value)
        assert one.fault in told, f"{one.name}: {told}"
        place = f"{one.name}:{one.line}: " if one.line else one.name
        assert place in told, f"{one.name}: {told}"
        if one.bad:
            assert isinstance(caught.value, CheckError)
            kept = read(one.name, max_bad=1)
            assert len(kept) == one.rows, one.name
            assert [bad.line for bad in kept.bad] == [one.line], one.name
        else:
            with pytest.raises(TailorError):
                read(one.name, max_bad=1000)


def test_a_folder_of_them_names_each_document_that_cannot_be_read(hostile: tuple[Path, list[Hostile]]) -> None:
    folder, known = hostile
    documents = [one for one in known if one.name.endswith((".docx", ".odt", ".md")) and usable(one)]
    faulty = [one for one in documents if one.fault]
    assert len(faulty) == 16
    rows = stream([folder / one.name for one in documents], max_bad=len(faulty))
    with pytest.raises(CheckError, match="0 rows could be read"):
        list(rows)
    assert sorted(Path(bad.source).name for bad in rows.bad) == sorted(one.name for one in faulty)


# The peak since the last file: the kernel forgets the old one when 5 is written to clear_refs.
MEASURE = """
import ctypes, gc, sys
from tailorlm.core.errors import TailorError
from tailorlm.data import stream
from tailorlm.data.readers import READERS
for name in READERS: READERS.get(name)
try:
    import pyarrow.parquet, pyarrow.ipc, pypdf
except ImportError: pass
def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field): return int(line.split()[1]) * 1024
for name in sys.argv[1:]:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    before = memory("VmRSS")
    try:
        for row in stream(name, max_bad=1): pass
    except TailorError: pass
    print(name, memory("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_stays_below_ten_times_the_file(hostile: tuple[Path, list[Hostile]]) -> None:
    folder, known = hostile
    names = [one.name for one in filter(usable, known)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *names], cwd=folder, capture_output=True, text=True, check=True, timeout=100
    )
    peaks = {name: int(peak) for name, peak in (line.split() for line in done.stdout.splitlines())}
    assert len(peaks) == len(names) > 70
    # Below a few megabytes the peak is that of buffers and of modules loaded on the way, not of the file.
    too_much = {n: p for n, p in peaks.items() if p > 10 * (folder / n).stat().st_size and p > 24_000_000}
    assert too_much == {}
