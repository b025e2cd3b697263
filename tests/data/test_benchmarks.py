"""Known test sets: facts that hang together, rows found where the user put them, words for where they must be got from."""

import json
import sys

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data.benchmarks import BENCHMARKS, find_benchmark, read_benchmark


def put(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_facts_hang_together():
    assert len(BENCHMARKS) == 29
    assert list(BENCHMARKS) == sorted(BENCHMARKS)
    for known in BENCHMARKS.values():
        owner, _, data = known.hub.partition(":")[0].partition("/")
        assert owner
        assert data
        assert known.columns
        assert known.about
        assert known.split in ("test", "validation", "train")
        assert known.card == f"https://huggingface.co/datasets/{owner}/{data}"


@pytest.mark.parametrize("name", ["gsm8k.jsonl", "gsm8k/test.jsonl", "gsm8k/part-1.jsonl"])
def test_rows_are_found_in_a_folder(tmp_path, name):
    path = put(tmp_path / name, [{"question": "How many?", "answer": "4"}])
    put(tmp_path / "gsm8k-notes.jsonl", [{"x": "no"}])
    rows = read_benchmark("gsm8k", tmp_path)
    assert [row.values["answer"] for row in rows] == ["4"]
    assert rows[0].source == str(path)


def test_train_rows_are_never_taken_for_test_rows(tmp_path):
    put(tmp_path / "gsm8k/train.jsonl", [{"question": "a", "answer": "b"}])
    with pytest.raises(TailorError, match="no rows of gsm8k") as fault:
        find_benchmark("gsm8k", tmp_path)
    assert "train rows in it" in str(fault.value)
    path = put(tmp_path / "gsm8k/test.jsonl", [{"question": "a", "answer": "b"}])
    assert find_benchmark("gsm8k", tmp_path) == path
    put(tmp_path / "boolq/validation.jsonl", [{"question": "a", "passage": "b"}])
    assert find_benchmark("boolq", tmp_path).name == "validation.jsonl"


def test_what_is_not_here_says_what_to_type(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no known test set called 'gsm9k'") as fault:
        find_benchmark("gsm9k")
    assert "gsm8k" in fault.value.hint
    with pytest.raises(TailorError, match="holds no rows of mmlu") as fault:
        find_benchmark("mmlu", tmp_path / "none")
    assert "no such folder" in str(fault.value)
    assert "https://huggingface.co/datasets/cais/mmlu" in str(fault.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    with pytest.raises(TailorError, match="are not shipped") as fault:
        find_benchmark("mmlu")
    assert "tailorlm[hub]" in str(fault.value)
    assert "mmlu.jsonl" in str(fault.value)
