"""A teacher and its student: losses by independent formulas, the teacher asked once a row, students of fewer blocks, what cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.comparison.evidence import recipe_key
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.decoder import load_writer
from tailorlm.models.encoder import load_model
from tailorlm.models.layers import blocks
from tailorlm.models.resolve import resolve
from tailorlm.models.run import EmbeddingCache, EmbeddingView
from tailorlm.objectives.distill import Distill
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting import teaching
from tailorlm.recipes.schema import Recipe
from tiny import ARCHITECTURES, labelled
from writers import tiny_writer

Base = Callable[..., Path]
ROWS = labelled(18, 3)
MORE = labelled(12, 3, start=50)


def distill(**settings: Any) -> Distill:
    return Distill(Distill.Settings(**settings))


def softmax(scores: np.ndarray, heat: float) -> np.ndarray:
    powers = np.exp(scores / heat)
    return powers / powers.sum(-1, keepdims=True)


def test_soft_losses_by_independent_formulas() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.normal(size=(5, 4)), random.normal(size=(5, 4))
    heat = 3.0
    p, q = softmax(theirs, heat), softmax(ours, heat)
    one = heat**2 * (p * np.log(p / q)).sum(1)
    p, q = 1 / (1 + np.exp(-theirs / heat)), 1 / (1 + np.exp(-ours / heat))
    many = heat**2 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(1)
    number = ((ours - theirs) ** 2 / 2).sum(1)
    made = distill(temperature=heat, labels=0.25)
    hard = torch.arange(5.0)
    for target, expected in (("one", one), ("many", many), ("number", number)):
        given = torch.from_numpy(ours), torch.from_numpy(theirs)
        assert np.allclose(made.soft(*given, target), expected, atol=1e-9), target
        assert np.allclose(made.losses(*given, hard, target), 0.75 * expected + 0.25 * np.arange(5), atol=1e-6)
        assert np.allclose(made.soft(given[1], given[1], target), 0, atol=1e-12)
    assert float(distill(hidden=2.0).far(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]]))) == 2 * 5


def test_gradients_hardly_shrink_with_the_temperature() -> None:
    """Hinton et al. 2015: in the limit the gradient is that of matching centred scores, whatever the temperature."""
    sizes = []
    for heat in (50.0, 100.0):
        scores = torch.tensor([[1.0, 0.0, -2.0]], requires_grad=True)
        distill(temperature=heat).soft(scores, torch.tensor([[0.5, 1.0, 0.0]]), "one").sum().backward()
        sizes.append(float(scores.grad.norm()))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


@pytest.fixture(scope="module")
def teacher(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = {"weights": {"part": "full", "lr": 0.005}, "train": {"epochs": 4, "rows_per_step": 6}}
    made = fit(validate({"name": "t", "base": str(base("bert")), "pooling": "mean", "stages": [stage]}, Recipe), ROWS)
    return made.adaptation.save(tmp_path_factory.mktemp("teacher") / "t")


def student(
    base: Base, teacher: Path | str, weights: str = "full", *, layers: int | None = 2, **settings: Any
) -> Recipe:
    stage = {
        "weights": {"part": weights, "lr": 0.005},
        "objective": {"part": "distill", "teacher": str(teacher), **settings},
        "train": {"epochs": 3, "rows_per_step": 6},
    }
    plain = {"name": "s", "base": str(base("bert")), "pooling": "mean", "layers": layers, "stages": [stage]}
    return validate(plain, Recipe)


def far_from(adaptation: Adaptation, teacher: Path, texts: Any) -> float:
    ours, theirs = (softmax(a.scores(list(texts)), 1.0) for a in (adaptation, Adaptation.load(teacher)))
    return float((theirs * np.log(theirs / ours)).sum(1).mean())


@pytest.mark.parametrize("weights", ["full", "lora", "head"])
def test_a_student_of_fewer_blocks_comes_near_its_teacher_and_its_folder_answers_the_same(
    weights: str, base: Base, teacher: Path, tmp_path: Path
) -> None:
    made = fit(student(base, teacher, weights, labels=0.0), ROWS)
    assert len(blocks(made.adaptation.model.body)) == 2
    assert made.trained[0].losses[-1] < made.trained[0].losses[0]
    folder = made.adaptation.save(tmp_path / "s")
    again = Adaptation.load(folder)
    assert len(blocks(again.model.body)) == 2
    assert np.array_equal(again.scores(ROWS.texts), made.adaptation.scores(ROWS.texts))
    before = fit(student(base, teacher, weights, labels=0.0).changed({"stages.0.weights.lr": 1e-12}), ROWS)
    assert far_from(made.adaptation, teacher, ROWS.texts) < far_from(before.adaptation, teacher, ROWS.texts)


def test_rows_without_labels_and_vectors_teach_too(base: Base, teacher: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("text\n" + "\n".join(MORE.texts) + "\n", encoding="utf-8")
    plain, more, drawn = (
        fit(student(base, teacher, **settings), ROWS)
        for settings in ({}, {"rows": str(path)}, {"rows": str(path), "hidden": 1.0})
    )
    assert [len(made.trained[0].losses) for made in (plain, more, drawn)] == [9, 15, 15]
    assert len(more.trained[0].ids) == 30
    scores = [made.adaptation.scores(ASKED) for made in (plain, more, drawn)]
    assert not np.allclose(scores[0], scores[1])
    assert not np.allclose(scores[1], scores[2])
    assert not [name for name, _ in drawn.adaptation.model.named_parameters() if "projection" in name]
    assert "projection.weight" not in drawn.adaptation.model.state_dict()


ASKED = list(labelled(6, 3, start=80).texts)


def test_the_teacher_is_asked_once_a_row(base: Base, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = teaching._Adapted.scores
    monkeypatch.setattr(teaching._Adapted, "scores", lambda self, some: (asked.append(len(some)), real(self, some))[1])
    cache = EmbeddingCache()
    views = [EmbeddingView(cache), EmbeddingView(cache)]
    for seed, view in enumerate(views):
        fit(student(base, teacher), ROWS, embeddings=view, seed=seed)
    assert asked == [18], "passes, trials and seeds share its answers"
    assert views[1].charge() > 0, "and each is charged for them"


def test_a_model_with_its_own_head_teaches(base: Base, teacher: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path / "native"
    torch.manual_seed(0)
    names = list(reversed(ROWS.labels))  # another order than the student's
    whole = AutoModelForSequenceClassification.from_pretrained(
        base("bert"), num_labels=3, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)}
    )
    whole.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base("bert")).save_pretrained(folder)
    view = EmbeddingView()
    found = teaching.Teacher(str(folder), ROWS.labels, view).scores(list(ROWS.texts[:4]))
    tokens = AutoTokenizer.from_pretrained(folder)(list(ROWS.texts[:4]), return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = whole.eval()(**tokens).logits.numpy()[:, ::-1]
    assert np.allclose(found, expected, atol=1e-5)
    assert teaching.Teacher(str(folder), ROWS.labels, view).vectors(list(ROWS.texts[:4])).shape == (4, 32)


def test_what_cannot_be(base: Base, teacher: Path) -> None:
    with pytest.raises(UsageError, match="needs a teacher"):
        fit(student(base, ""), ROWS)
    with pytest.raises(UsageError, match="has no classification head"):
        fit(student(base, base("bert")), ROWS)
    with pytest.raises(UsageError, match="answers with other labels"):
        fit(student(base, teacher), labelled(12, 2))
    with pytest.raises(TailorError, match="brings its own head"):
        fit(student(base, teacher, hidden=1.0).changed({"pooling": "native"}), ROWS)
    with pytest.raises(TailorError, match="layers: 9 blocks asked for"):
        fit(student(base, teacher, layers=9), ROWS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_of_fewer_blocks_is_the_model_without_the_others(architecture: str, base: Base) -> None:
    folder = base(architecture)
    whole, cut = (load_model(resolve(str(folder), layers=n), labels=[], pooling="mean") for n in (None, 2))
    names = [name for name, _ in blocks(whole.body)]
    assert (len(names), len(blocks(cut.body))) == (3, 2)
    assert cut.config.num_hidden_layers == 2
    assert cut.base.fingerprint != whole.base.fingerprint
    top = dict(whole.body.get_submodule(names[2]).named_parameters())
    kept = dict(cut.body.get_submodule(names[1]).named_parameters())
    assert all(torch.equal(kept[name], value) for name, value in top.items())
    assert torch.isfinite(cut.vectors(*cut.pad(cut.tokenize(["a few words", "more of them here"])))).all()


def test_a_writer_of_fewer_blocks_writes(tmp_path: Path) -> None:
    model = load_writer(resolve(str(tiny_writer(tmp_path, "qwen2")), layers=1))
    assert model.layers == 1
    first = model.next_logits([[5, 6, 7, 8]])
    prefix = model.prefix([5, 6])
    with torch.no_grad():
        assert torch.allclose(model.next_logits([[7, 8]], prefix), first, atol=1e-4)


def test_a_teacher_and_files_count_by_what_they_hold(base: Base, teacher: Path, tmp_path: Path) -> None:
    moved, texts = tmp_path / "moved", tmp_path / "texts.txt"
    shutil.copytree(teacher, moved)
    texts.write_text("one\n")

    def key(at: Path, **more: Any) -> str:
        stage = {"weights": "full", "objective": {"part": "distill", "teacher": str(at), **more}}
        return recipe_key(validate({"name": "s", "base": str(base("bert", "mean")), "stages": [stage]}, Recipe))

    assert key(teacher) == key(moved)
    with_rows = key(teacher, rows=str(texts))
    assert with_rows != key(teacher)
    texts.write_text("another\n")
    assert key(teacher, rows=str(texts)) != with_rows
    (moved / "recipe.yaml").write_text((moved / "recipe.yaml").read_text() + "# other\n")
    assert key(teacher) != key(moved)
