"""A very long text goes through a whole preparation with a few times its size in memory."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import ctypes, gc, sys
from pathlib import Path
from tailorlm.data.prep import prepare
from tailorlm.data.prep.settings import PrepSettings

def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name): return int(line.split()[1]) * 1024

for name in ("short.txt", "long.txt"):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    before = memory("VmRSS")
    prepare(PrepSettings(rows=(name,), read={"format": "txt"}), Path(name + ".out"), workers=1)
    print(memory("VmHWM") - before)
"""


def prose(words: int) -> str:
    """Sentences of made-up words, in lines and paragraphs."""
    draw = random.Random(7)
    known = ["".join(draw.choices("aeioubdfgklmnprstvz", k=draw.randint(2, 9))) for _ in range(4000)]
    lines = []
    for _ in range(words // 12):
        line = " ".join(draw.choices(known, k=12)).capitalize()
        lines.append(line + draw.choice((".", "?", ".  ", ".\n")))
    return "\n".join(lines)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_long_document_takes_less_than_ten_times_its_size(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text(prose(3000))  # what is loaded on the way is loaded here
    (tmp_path / "long.txt").write_text(prose(600_000))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=200
    )
    size = (tmp_path / "long.txt").stat().st_size
    assert size > 3_500_000
    peak = int(done.stdout.split()[-1])
    assert peak < 10 * size, f"{peak / size:.1f} times the file"
