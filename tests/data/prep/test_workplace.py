"""Where a preparation works, and where its key lies: private, whole, and gone when it should be."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.prep import PrepSettings, dry_run, prepare, working_folder
from tailorlm.data.prep.keys import check_place, read_key

HOLD = """
import sys, time
from pathlib import Path
from tailorlm.data.prep import working_folder
with working_folder(Path(sys.argv[1])) as folder:
    (folder / "pass-0").write_text("as it was read")
    print(folder, flush=True)
    time.sleep(60)
"""


def _held(out: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_preparation_left_goes_and_what_is_in_use_stays(tmp_path):
    out = tmp_path / "out"
    process, left = _held(out)
    assert left.parent == tmp_path
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    with working_folder(out) as other:
        assert other != left
        assert left.is_dir()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "pass-0").is_file()
    with working_folder(out):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_whole(tmp_path):
    place = tmp_path / "keys" / "one.key"
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(read_key(str(place)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [path.name for path in place.parent.iterdir()] == ["one.key"]


def test_a_trial_makes_no_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("text,label\nmail to ann@firm.org,a\nsome other row,b\n")
    steps = [{"part": "redact", "mode": "pseudonym"}]
    settings = PrepSettings.model_validate({"rows": "rows.csv", "steps": steps, "key_file": "k"})
    dry_run(settings, rows=10)
    assert os.listdir() == ["rows.csv"]
    prepare(settings, "out")
    assert sorted(os.listdir()) == ["k", "out", "rows.csv"]


def test_a_key_does_not_lie_beside_the_rows(tmp_path):
    check_place(str(tmp_path / "key"), tmp_path / "out")
    for key in ("out/key", "out", "out/../out/deep/key"):
        with pytest.raises(UsageError, match="beside the rows"):
            check_place(str(tmp_path / key), tmp_path / "out")


@pytest.mark.parametrize("path", ["", "a\0b", "."])
def test_a_name_that_is_no_key_file(path):
    with pytest.raises(TailorError, match="key file"):
        read_key(path)
