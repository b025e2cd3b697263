"""The adaptation: predicting, and a folder that is read whole and right or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core import atomic
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError
from tailorlm.recipes.adaptation import Adaptation, Answer
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tiny import ARCHITECTURES, labelled

Base = Callable[..., Path]
ROWS = labelled(30, 3)
QUICK = {"epochs": 1, "rows_per_step": 6, "warmup": 0}


def adapted(base: Path, weights: Any = "lora", **changes: Any) -> Adaptation:
    value = {"name": "mine", "base": str(base), "stages": [{"weights": weights, "train": QUICK}]}
    return fit(validate(value | changes, Recipe), ROWS).adaptation


@pytest.fixture(scope="module")
def adaptation(base: Base) -> Adaptation:
    return adapted(base("bert", "mean"), {"part": "head", "lr": 0.5}, task={"part": "classify", "text": "utterance"})


@pytest.fixture
def saved(adaptation: Adaptation, tmp_path: Path) -> Path:
    return adaptation.save(tmp_path / "out")


# ---- predicting


def test_texts_and_rows_are_answered_in_their_order(adaptation: Adaptation) -> None:
    answers = adaptation.predict(ROWS.texts)
    assert len(answers) == 30
    assert answers == adaptation.predict([{"utterance": text, "other": 1} for text in ROWS.texts])
    assert answers == adaptation.predict(iter(ROWS.texts))
    mixed = adaptation.predict([ROWS.texts[0], {"utterance": ROWS.texts[1]}])
    assert [a.label for a in mixed] == [a.label for a in answers[:2]]
    order = np.random.default_rng(0).permutation(30)
    shuffled = adaptation.predict([ROWS.texts[i] for i in order])
    assert [a.label for a in shuffled] == [answers[i].label for i in order]
    assert len({a.label for a in answers}) > 1, "one label for all would prove nothing"


def test_an_answer_is_label_confidence_and_scores(adaptation: Adaptation) -> None:
    scores = adaptation.scores(ROWS.texts)
    assert scores.shape == (30, 3)
    assert scores.dtype == np.float32
    for answer, row in zip(adaptation.predict(ROWS.texts), scores, strict=True):
        assert isinstance(answer, Answer)
        assert answer.label == ROWS.labels[row.argmax()]
        assert list(answer.scores) == list(ROWS.labels)
        shares = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        assert list(answer.scores.values()) == pytest.approx(shares.tolist(), abs=1e-6), "probabilities, not logits"
        assert answer.confidence == pytest.approx(shares.max(), abs=1e-6)
        assert 1 / 3 <= answer.confidence <= 1


def test_the_company_of_a_row_does_not_count(adaptation: Adaptation) -> None:
    crowd = [*ROWS.texts, *labelled(69, 3, start=30).texts, "money " * 30]
    together = adaptation.scores(crowd)
    assert len(crowd) == 100
    for i in (0, 7, 50, 99):
        assert np.abs(adaptation.scores([crowd[i]])[0] - together[i]).max() <= 1e-5
    assert np.abs(adaptation.scores(crowd[::-1])[::-1] - together).max() <= 1e-5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_company_of_a_row_does_not_count_for_native_models(architecture: str, base: Base) -> None:
    made = adapted(base(architecture, "native"), {"part": "full", "lr": 0.01})
    crowd = [*ROWS.texts, "money " * 30, ""]
    together = made.scores(crowd)
    assert np.isfinite(together).all()
    for i in (0, 3, 30, 31):
        assert np.abs(made.scores([crowd[i]])[0] - together[i]).max() <= 1e-5


def test_nothing_in_nothing_out(adaptation: Adaptation) -> None:
    assert adaptation.predict([]) == []
    assert adaptation.scores([]).shape == (0, 3)


@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "😀", "日本語", "xyzzy " * 500])
def test_odd_texts_have_answers(text: str, adaptation: Adaptation) -> None:
    answer = adaptation.predict([text])[0]
    assert answer.label in ROWS.labels
    assert np.isfinite(list(answer.scores.values())).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3], "row 1 has no text\n  got:      int"),
        (["a", None], "row 2 has no text\n  got:      NoneType"),
        (
            ["a", {"text": "b"}],
            "row 2 has no text\n  got:      NoneType\n  expected: a string, or a mapping with 'utterance'",
        ),
        ([{"utterance": 3}], "row 1 has no text\n  got:      int"),
        ([["a"]], "row 1 has no text\n  got:      list"),
        ("some text", "predict takes many rows at once"),
        ({"utterance": "some text"}, "predict takes many rows at once"),
    ],
)
def test_wrong_rows_are_named(rows: Any, message: str, adaptation: Adaptation) -> None:
    with pytest.raises(TailorError) as error:
        adaptation.predict(rows)
    assert str(error.value).startswith(message)


def test_votes_are_shares_already(base: Base) -> None:
    made = adapted(base("bert", "mean"), stages=[], context={"part": "examples", "k": 4})
    answers = made.predict(ROWS.texts[:6])
    for answer in answers:
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)
        assert answer.confidence == max(answer.scores.values())


# ---- the folder


def test_a_folder_comes_back_as_it_was(adaptation: Adaptation, saved: Path) -> None:
    back = Adaptation.load(saved)
    assert np.array_equal(back.scores(ROWS.texts), adaptation.scores(ROWS.texts))
    assert back.labels == adaptation.labels
    assert back.recipe.plain() | {"base": ""} == adaptation.recipe.plain() | {"base": ""}
    assert back.predict(ROWS.texts[:3]) == adaptation.predict(ROWS.texts[:3])
    assert not back.model.training
    assert atomic.is_complete(saved, verify=True)
    assert {p.name for p in saved.iterdir()} == {
        "COMPLETE",
        "README.md",
        "adaptation.json",
        "head.json",
        "head.safetensors",
        "recipe.yaml",
    }
    record = json.loads((saved / "adaptation.json").read_text())
    assert record["format"] == 1
    assert record["labels"] == list(ROWS.labels)
    assert (record["pooling"], record["max_length"]) == ("mean", 64)


def test_the_card_says_what_it_is(adaptation: Adaptation, tmp_path: Path) -> None:
    folder = adaptation.save(tmp_path / "out", {"accuracy": "0.900 [0.8, 1.0] on 20 test rows"})
    card = (folder / "README.md").read_text()
    assert card.startswith("# mine\n")
    assert "`food`, `health`, `money`" in card
    assert "- accuracy: 0.900 [0.8, 1.0] on 20 test rows" in card


def test_folder_and_base_can_move_together(base: Base, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new" / "deeper"
    shutil.copytree(base("bert", "mean"), old / "models" / "tiny")
    made = adapted(old / "models" / "tiny")
    made.save(old / "out" / "a")
    assert str(tmp_path) not in "".join(p.read_text(errors="replace") for p in (old / "out" / "a").iterdir())
    assert np.array_equal(Adaptation.load(old / "out" / "a").scores(ROWS.texts), made.scores(ROWS.texts))
    shutil.move(old, new)
    assert np.array_equal(Adaptation.load(new / "out" / "a").scores(ROWS.texts), made.scores(ROWS.texts))
    shutil.move(new / "models" / "tiny", tmp_path / "elsewhere")
    with pytest.raises(TailorError, match=r"the base model of .* is not where it was") as error:
        Adaptation.load(new / "out" / "a")
    assert "--base" in str(error.value)
    assert np.array_equal(
        Adaptation.load(new / "out" / "a", base=str(tmp_path / "elsewhere")).scores(ROWS.texts), made.scores(ROWS.texts)
    )


def test_a_base_named_from_the_working_folder_is_found_from_any(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(base("bert", "mean"), tmp_path / "models" / "tiny")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    made = adapted(Path("models/tiny"), "features")
    made.save(Path("out"))
    expected = made.scores(ROWS.texts)
    monkeypatch.chdir(tmp_path / "other")
    assert np.array_equal(Adaptation.load("../out").scores(ROWS.texts), expected)


def test_a_run_folder_leads_to_its_adaptation(adaptation: Adaptation, tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    (temp / "adaptation").mkdir(parents=True)
    adaptation.write(temp / "adaptation")
    atomic.publish_folder(temp, tmp_path / "run")
    for folder in (tmp_path / "run", tmp_path / "run" / "adaptation"):
        assert np.array_equal(Adaptation.load(folder).scores(ROWS.texts), adaptation.scores(ROWS.texts))
    (tmp_path / "run" / "adaptation" / "head.json").write_text("{}")
    with pytest.raises(TailorError, match="is incomplete or changed"):
        Adaptation.load(tmp_path / "run")


def damaged(folder: Path, name: str, how: str) -> None:
    path = folder / name
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"")


@pytest.mark.parametrize("how", ["truncated", "flipped", "missing", "empty"])
@pytest.mark.parametrize("name", ["head.safetensors", "head.json", "recipe.yaml", "README.md", "COMPLETE"])
def test_a_damaged_folder_is_refused(name: str, how: str, saved: Path) -> None:
    if name == "COMPLETE" and how == "flipped":
        return  # its last byte is a line end; the files are whole all the same
    damaged(saved, name, how)
    with pytest.raises(TailorError, match="is incomplete or changed"):
        Adaptation.load(saved)


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty"])
def test_a_damaged_record_is_refused(how: str, saved: Path) -> None:
    damaged(saved, "adaptation.json", how)
    with pytest.raises(TailorError, match="is incomplete or changed"):
        Adaptation.load(saved)


@pytest.mark.parametrize("part", ["top_layers", "lora", "full"])
def test_damaged_weights_are_refused(part: str, base: Base, tmp_path: Path) -> None:
    folder = adapted(base("bert", "mean"), part).save(tmp_path / "out")
    name = {"top_layers": "changed.safetensors", "lora": "adapter_model.safetensors", "full": "model.safetensors"}[part]
    damaged(folder, name, "flipped")
    with pytest.raises(TailorError, match="is incomplete or changed"):
        Adaptation.load(folder)


def resealed(folder: Path) -> None:
    """The folder as if it had been written so."""
    temp = folder.with_name("temp")
    folder.rename(temp)
    atomic.publish_folder(temp, folder)


def test_a_sealed_folder_that_lacks_something_is_an_error_still(base: Base, tmp_path: Path) -> None:
    tried = 0
    for part, name in (
        ("head", "head.safetensors"),
        ("lora", "adapter_model.safetensors"),
        ("bias", "changed.safetensors"),
        ("full", "model.safetensors"),
    ):
        folder = adapted(base("bert", "mean"), part).save(tmp_path / part)
        (folder / name).unlink()
        resealed(folder)
        with pytest.raises(TailorError, match=r"no readable head|cannot be loaded|does not fit"):
            Adaptation.load(folder)
        tried += 1
    assert tried == 4


@pytest.mark.parametrize("version", [2, 0, None, "1"])
def test_another_format_is_refused(version: Any, saved: Path) -> None:
    path = saved / "adaptation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": version}))
    resealed(saved)
    with pytest.raises(TailorError, match="has another format") as error:
        Adaptation.load(saved)
    assert error.value.got == str(version)
    assert error.value.allowed == "1"


def test_the_wrong_base_is_refused(saved: Path, base: Base) -> None:
    other = base("bert", "mean", seed=9)
    with pytest.raises(TailorError, match="was fitted on other base weights") as error:
        Adaptation.load(saved, base=str(other))
    assert "--base" in str(error.value)
    assert "bert-mean" in error.value.allowed


def test_a_base_that_changed_in_its_place_is_refused(base: Base, tmp_path: Path) -> None:
    shutil.copytree(base("bert", "mean"), tmp_path / "base")
    folder = adapted(tmp_path / "base", "features").save(tmp_path / "out")
    Adaptation.load(folder)
    shutil.copy(base("bert", "mean", seed=9) / "model.safetensors", tmp_path / "base" / "model.safetensors")
    with pytest.raises(TailorError, match="was fitted on other base weights"):
        Adaptation.load(folder)


def test_what_is_no_adaptation_is_refused(base: Base, tmp_path: Path) -> None:
    with pytest.raises(TailorError, match="is not an adaptation") as error:
        Adaptation.load(tmp_path / "nowhere")
    assert error.value.got == "no such folder"
    with pytest.raises(TailorError, match="is not an adaptation") as error:
        Adaptation.load(tmp_path)
    assert error.value.got == "a folder with nothing in it"
    with pytest.raises(TailorError, match="is not an adaptation") as error:
        Adaptation.load(base("bert", "mean"))
    assert "config.json" in error.value.got
    assert "tailor fit" in str(error.value)


# ---- saving over


def test_saving_over_an_adaptation_replaces_it(adaptation: Adaptation, saved: Path, base: Base) -> None:
    other = adapted(base("bert", "mean"), "bias")
    other.save(saved)
    back = Adaptation.load(saved)
    assert np.array_equal(back.scores(ROWS.texts), other.scores(ROWS.texts))
    assert (saved / "changed.safetensors").exists()
    adaptation.save(saved)
    assert not (saved / "changed.safetensors").exists()
    assert np.array_equal(Adaptation.load(saved).scores(ROWS.texts), adaptation.scores(ROWS.texts))
    assert os.listdir(saved.parent) == ["out"], "nothing is left beside it"


def test_saving_over_itself_works(saved: Path, base: Base, tmp_path: Path) -> None:
    whole = adapted(base("bert", "native"), "full")
    folder = whole.save(tmp_path / "whole")
    expected = whole.scores(ROWS.texts)
    back = Adaptation.load(folder)
    back.save(folder)
    assert np.array_equal(Adaptation.load(folder).scores(ROWS.texts), expected)
    again = Adaptation.load(saved)
    again.save(tmp_path / "copy")
    assert np.array_equal(Adaptation.load(tmp_path / "copy").scores(ROWS.texts), again.scores(ROWS.texts))


def test_saving_into_an_empty_or_new_folder_works(adaptation: Adaptation, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a" / "b" / "c"):
        assert adaptation.save(folder) == folder
        Adaptation.load(str(folder))


def test_a_saved_folder_follows_the_umask(adaptation: Adaptation, tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        assert adaptation.save(tmp_path / "out").stat().st_mode & 0o777 == 0o750
    finally:
        os.umask(old)


def test_foreign_files_are_never_overwritten(adaptation: Adaptation, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    with pytest.raises(TailorError, match="holds other files"):
        adaptation.save(tmp_path / "mine")
    with pytest.raises(TailorError, match="is a file"):
        adaptation.save(tmp_path / "mine" / "notes.txt")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "precious"
    assert os.listdir(tmp_path) == ["mine"]
    with pytest.raises(TailorError, match="could not be written"):
        adaptation.save(tmp_path / "mine" / "notes.txt" / "deeper")


def test_a_failed_save_leaves_the_old_one(adaptation: Adaptation, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = adaptation.scores(ROWS.texts)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tailorlm.recipes.answering.head.save_head", full)
    with pytest.raises(TailorError, match="the disk is full"):
        adaptation.save(saved)
    assert os.listdir(saved.parent) == ["out"]
    monkeypatch.undo()
    for failing in (1, 2):  # the old one is moved away, then the new one takes its place
        calls: list[int] = []

        def rename(one: Any, two: Any, real: Any = os.rename, calls: list[int] = calls, failing: int = failing) -> None:
            calls.append(1)
            full() if len(calls) == failing else real(one, two)

        monkeypatch.setattr(os, "rename", rename)
        with pytest.raises(TailorError, match="the disk is full"):
            adaptation.save(saved)
        monkeypatch.undo()
        assert len(calls) >= failing
    assert np.array_equal(Adaptation.load(saved).scores(ROWS.texts), expected)
    assert os.listdir(saved.parent) == ["out"]


@pytest.mark.starter
def test_the_starter_by_its_name(tmp_path: Path) -> None:
    made = fit(validate({"name": "zero", "context": "instruction"}, Recipe), ROWS).adaptation
    folder = made.save(tmp_path / "out")
    record = json.loads((folder / "adaptation.json").read_text())
    assert record["base"]["name"] == "starter"
    assert record["base"]["origin"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert np.array_equal(Adaptation.load(folder).scores(ROWS.texts), made.scores(ROWS.texts))
    assert (made.scores(ROWS.texts).argmax(1) == ROWS.codes).mean() > 0.5, "the words of a topic lie near its name"
    vectors = made.model.pool(
        *made.model.pad(made.model.tokenize(["a wire transfer", "money transfer by wire", "a ripe apple"]))
    )
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    assert float(unit[0] @ unit[1]) > float(unit[0] @ unit[2]) + 0.2
