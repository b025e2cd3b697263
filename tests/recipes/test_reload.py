"""The saved folder, read by a fresh process: the same answers, and what is said where they are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tailorlm.core.errors import CheckError
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import preset
from tailorlm.recipes.reload import check_reload
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)


@pytest.fixture(scope="module")
def fitted(base: Base) -> object:
    recipe = preset("lora").recipe("lora", str(base("bert", "mean")), {"part": "classify"})
    return fit(recipe.changed({"stages.0.train.epochs": 1}), ROWS).adaptation


def test_a_fresh_process_answers_alike_until_the_folder_is_another(fitted: object, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "a")  # type: ignore[attr-defined]
    check_reload(folder, fitted, ROWS.inputs)  # type: ignore[arg-type]
    check_reload(folder, fitted, [])  # type: ignore[arg-type]
    with torch.no_grad():
        fitted.model.head.bias[0] += 0.5  # type: ignore[attr-defined]
    with pytest.raises(CheckError, match="answers otherwise") as caught:
        check_reload(folder, fitted, ROWS.inputs)  # type: ignore[arg-type]
    assert not any(text in str(caught.value) for text in ROWS.texts)


def test_a_folder_that_cannot_be_read_is_said(fitted: object, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "a")  # type: ignore[attr-defined]
    (folder / "adaptation.json").write_text(json.dumps({}))
    with pytest.raises(CheckError, match="cannot be read"):
        check_reload(folder, fitted, ROWS.inputs)  # type: ignore[arg-type]
