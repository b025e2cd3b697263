"""The starter decoder that comes with the package: what is in its folder, and that it writes. Skipped while the folder is not there."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from tailorlm.core.errors import TailorError
from tailorlm.models import resolve as module
from tailorlm.models.answers import Writing
from tailorlm.models.decoder import load_writer
from tailorlm.models.local import Local
from tailorlm.models.perplexity import Surprise, surprise
from tailorlm.models.resolve import STARTER_WRITER, STARTER_WRITER_FOLDER, resolve

ROOT = Path(__file__).parents[2]
LARGEST = 30_000_000
shipped = pytest.mark.skipif(not (STARTER_WRITER_FOLDER / "config.json").is_file(), reason="no starter decoder here")


def test_without_it_the_name_says_how_to_make_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "STARTER_WRITER_FOLDER", tmp_path)
    with pytest.raises(TailorError, match=r"(?s)not in this installation.*scripts/starter/train.py"):
        resolve(STARTER_WRITER)


@shipped
def test_its_folder_holds_what_it_should_and_no_more() -> None:
    names = {path.name for path in STARTER_WRITER_FOLDER.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "chat_template.jinja",
        "README.md",
        "training.json",
    } <= names
    assert not {path.suffix for path in STARTER_WRITER_FOLDER.iterdir()} - {".json", ".safetensors", ".jinja", ".md"}
    assert sum(path.stat().st_size for path in STARTER_WRITER_FOLDER.iterdir()) < LARGEST
    from safetensors import safe_open

    with safe_open(STARTER_WRITER_FOLDER / "model.safetensors", "pt") as tensors:
        kinds = {str(tensors.get_tensor(name).dtype) for name in tensors.keys()}  # noqa: SIM118
    assert kinds == {"torch.bfloat16"}
    scores = json.loads((STARTER_WRITER_FOLDER / "training.json").read_text())["scores"]
    assert 0 < scores["bits a byte"] < 8


@shipped
def test_its_sources_are_credited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "starter"))
    from texts import CREDITS

    sys.modules.pop("texts")
    card, credits = (
        (folder / name).read_text() for folder, name in ((STARTER_WRITER_FOLDER, "README.md"), (ROOT, "CREDITS.md"))
    )
    for name, words in CREDITS.items():
        assert name in card
        assert words in card
        assert words in " ".join(credits.split()), f"CREDITS.md names the source of {name} and its licence"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "CC-BY-SA-4.0" in project["license"], (
        'the weights are under CC BY-SA 4.0: license = "Apache-2.0 AND CC-BY-SA-4.0"'
    )
    assert "CREDITS.md" in project["license-files"]


@shipped
def test_it_writes_and_expects_english() -> None:
    writer = load_writer(resolve(STARTER_WRITER))
    answer = Local(writer).answers(["What is the capital of France?"], Writing(max_new_tokens=24))[0]
    assert answer.text.strip()
    english, noise = surprise(writer, ["The children went to school and learned to read.", "xq zv kjw qpx zzt vbn wq"])
    assert english.bits_per_byte < 3 < noise.bits_per_byte
    assert isinstance(english + noise, Surprise)
