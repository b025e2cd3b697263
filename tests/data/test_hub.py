"""The hub reader against a stand-in for the `datasets` package: there is no network in tests."""

from __future__ import annotations

import datetime
import sys
import types
from typing import Any

import pytest

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.data import read_hub


class ClassLabel:
    def __init__(self, names: list[str]):
        self.names = names


class Image:
    """A feature whose values would be decoded when they are read."""


class ListOf:
    def __init__(self, feature: Any):
        self.feature = feature


class Dataset(list[dict[str, Any]]):
    def __init__(self, rows: list[dict[str, Any]], features: dict[str, Any]):
        super().__init__(rows)
        self.features = features

    def remove_columns(self, names: list[str]) -> Dataset:
        rows = [{k: v for k, v in row.items() if k not in names} for row in self]
        return Dataset(rows, {k: v for k, v in self.features.items() if k not in names})


def _stub(monkeypatch: pytest.MonkeyPatch, data: Dataset | None = None, fault: Exception | None = None) -> list[Any]:
    calls: list[Any] = []

    def load_dataset(path: str, config: str | None, *, split: str) -> Dataset | None:
        calls.append((path, config, split))
        if fault:
            raise fault
        return data

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    module.get_dataset_split_names = lambda path, config: ["train", "test"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def test_rows_with_label_names(monkeypatch: pytest.MonkeyPatch) -> None:
    features = {
        "text": object(),
        "label": ClassLabel(["no", "yes"]),
        "tags": ListOf(ClassLabel(["x", "y"])),
        "day": object(),
        "image": Image(),
        "odd": object(),
    }
    rows = [
        {"text": "007", "label": 1, "tags": [0, 1], "day": datetime.date(2024, 1, 2), "image": None, "odd": 1},
        {"text": "b", "label": -1, "tags": None, "day": None, "image": None, "odd": object()},
    ]
    calls = _stub(monkeypatch, Dataset(rows, features))
    found = read_hub("hub:PolyAI/banking77:small", "test")
    assert calls == [("PolyAI/banking77", "small", "test")]
    assert [row.values for row in found] == [
        {"text": "007", "label": "yes", "tags": ["x", "y"], "day": "2024-01-02"},
        {"text": "b", "label": None, "tags": None, "day": None},
    ]
    assert found.columns == ("text", "label", "tags", "day")
    assert [row.where for row in found] == ["hub:PolyAI/banking77:small[test]:1", "hub:PolyAI/banking77:small[test]:2"]
    assert [note.split(": ", 1)[1] for note in found.notes] == [
        "2 rows",
        "label numbers turned into names: label, tags",
        "columns left out (no text or numbers): image, odd",
    ]
    assert len(found.fingerprint()) == 64


def test_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(TailorError) as caught:
        read_hub("hub:PolyAI/banking77", "test")
    assert "pip install 'tailorlm[hub]'" in str(caught.value)


class DatasetNotFoundError(FileNotFoundError):
    pass


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ConnectionError("Couldn't reach the Hub"), "could not be reached"),
        (TimeoutError("timed out"), "could not be reached"),
        (DatasetNotFoundError("Dataset 'x' doesn't exist"), "has no data set"),
        (ValueError("Config name is missing.\nPlease pick one"), "has several configurations"),
        (RuntimeError("something else"), "could not be loaded"),
    ],
)
def test_faults_of_the_hub(monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str) -> None:
    _stub(monkeypatch, fault=fault)
    with pytest.raises(TailorError, match=words) as caught:
        read_hub("hub:a/b", "train")
    assert "hub:a/b" in str(caught.value)
    assert type(fault).__name__ in str(caught.value) or "config" in str(caught.value).lower()


def test_unknown_split(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _stub(monkeypatch, Dataset([], {}))
    with pytest.raises(UsageError, match="did you mean 'test'"):
        read_hub("hub:a/b", "tests")
    assert calls == []


def test_malformed_names_and_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    _stub(monkeypatch, Dataset([], {"text": object()}))
    for name in ("hub:", "hub:a/b/c", "hub:/a", "hub::x"):
        with pytest.raises(UsageError, match="names no hub data set"):
            read_hub(name, "train")
    with pytest.raises(TailorError, match="holds no rows"):
        read_hub("hub:a/b", "train")
