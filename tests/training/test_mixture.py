"""Rows of one lesson in the steps of another: which, how many, what they weigh, and what they hold in a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.recipes.fit import fit
from tailorlm.recipes.forgotten import Known, Memory
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.readings import Readings
from tailorlm.training.mixture import KeptVectors, Mixed, Mixture
from tailorlm.training.order import SeededOrder
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(18, 3)


class Numbers:
    """A lesson whose row i costs (i + 1) * w * counts[i]."""

    padded = False

    def __init__(self, module: nn.Module, counts: Sequence[int], factor: float):
        self.module, self.counts, self.factor = module, list(counts), factor
        self.lengths = [2] * len(self.counts)
        self.fingerprint = f"{factor}"
        self.begun: list[int] = []

    def begin(self, epoch: int) -> None:
        self.begun.append(epoch)

    def losses(self, index: Sequence[int]) -> Tensor:
        each = torch.tensor([(i + 1) * self.counts[i] for i in index], dtype=torch.float32)
        return each * self.factor * next(self.module.parameters())[0]


def mixture(strength: float = 1.0) -> Mixture:
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    one, other = Numbers(module, [1, 1, 1, 5], 1.0), Numbers(module, [3, 7], 10.0)
    return Mixture([one, other], [strength])


def test_rows_of_both_stand_behind_one_another_and_weigh_alike() -> None:
    made = mixture()
    assert made.lengths == [2] * 6
    assert made.counts == [1, 1, 1, 5, 2, 2], "the mean row of the first is two labels"
    # A label of the other weighs 2 / 5, as its mean row has five and that of the first two.
    assert made.losses([5, 0, 3, 4]).tolist() == pytest.approx([56, 1, 20, 12])
    assert made.losses([4]).tolist() == pytest.approx([12])
    assert made.losses([1, 2]).tolist() == [2, 3]
    assert mixture(0.5).losses([5, 0]).tolist() == pytest.approx([28, 1])
    made.begin(3)
    assert [lesson.begun for lesson in made.lessons] == [[3], [3]]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.25, 0.5, 0.8])
def test_old_rows_are_their_share_of_all_steps(share: float) -> None:
    order = Mixed(SeededOrder([5] * 100, 8, 0), 100, 7, share, 0)
    steps = order.steps(0)
    flat = [row for step in steps for row in step]
    assert sorted(row for row in flat if row < 100) == list(range(100)), "every row once"
    old = [row for row in flat if row >= 100]
    assert len(old) == int(100 * share / (1 - share) + 1e-6)
    for start in range(0, len(old) - 6, 7):
        assert sorted(old[start : start + 7]) == list(range(100, 107)), "each before any comes again"
    assert order.steps(0) == steps
    assert share == 0 or order.steps(1) != steps
    assert order.total(3) == 3 * 13 == 3 * len(steps)
    assert max(len(step) for step in steps) <= np.ceil(8 / (1 - share))


def test_kept_vectors_are_one_minus_cosine(base: Base) -> None:
    model = load_model(resolve(str(base())), labels=[])
    texts = ["my card", "a flight to the sea", "salt"]
    before = embed(model, texts)
    made = KeptVectors(model, Readings(model.tokenize(texts)), before)
    model.eval()
    assert torch.allclose(made.losses([0, 1, 2]), torch.zeros(3), atol=1e-5)
    with torch.no_grad():
        next(model.parameters()).add_(0.3)
    after = embed(model, texts)
    cosine = [(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(after, before, strict=True)]
    assert made.losses([2, 0]).detach().tolist() == pytest.approx([1 - cosine[2], 1 - cosine[0]], abs=1e-5)


# ---- in a fit


def recipe(base: Base, *penalties: Any, lr: float = 0.02, **stage: Any) -> Recipe:
    given = {"weights": {"part": "full", "lr": lr}, "train": {"epochs": 4, "rows_per_step": 6, "warmup": 0}} | stage
    return validate({"name": "x", "base": str(base()), "stages": [given | {"penalties": penalties}]}, Recipe)


def old_rows(path: Path) -> str:
    old = labelled(24, 2, start=50)
    path.write_text("\n".join(["text,label", *(f"{t},{g}" for t, g in zip(old.texts, old.gold, strict=True))]) + "\n")
    return str(path)


def test_the_more_is_rehearsed_the_less_is_forgotten(base: Base) -> None:
    memory = Memory(Known.read())
    drifts = []
    for share in (0.0, 0.2, 0.6):
        kept = {"part": "rehearsal", "share": share, "strength": 50}
        drifts.append(memory.forgotten(fit(recipe(base, kept, lr=0.003), ROWS).adaptation)["drift"])
    assert drifts[0] > drifts[1] > drifts[2]


def test_labels_of_an_old_task_are_held(base: Base, tmp_path: Path) -> None:
    path = old_rows(tmp_path / "old.csv")
    known = Known.read(probes=(path,))
    kept = {"part": "rehearsal", "rows": path, "learn": "labels", "share": 0.5}
    made = recipe(base, kept, "l2_sp")
    fitted = fit(made, ROWS, ROWS)
    assert fitted.score is not None
    names = fitted.trained[0].ids
    assert list(names) == [*ROWS.ids, *(f"old row {i}" for i in range(1, 25))]
    assert np.isfinite(Memory(known).forgotten(fitted.adaptation)["probes"]["old"]["after"])


@pytest.mark.parametrize("weights", ["lora", "top_layers", "adapter"])
@pytest.mark.parametrize("pooling", ["mean", "native"])
def test_over_every_kind_of_weights(weights: str, pooling: str, base: Base, tmp_path: Path) -> None:
    kept = {"part": "rehearsal", "rows": old_rows(tmp_path / "old.csv"), "learn": "labels", "share": 0.3}
    made = recipe(base, kept, {"part": "rehearsal", "share": 0.2}, weights=weights).changed({"pooling": pooling})
    assert np.isfinite(fit(made, ROWS).adaptation.scores(ROWS.texts)).all()


def test_it_goes_on_to_the_same_bits(base: Base, tmp_path: Path) -> None:
    from tailorlm.training.checkpoint import Checkpoints

    made = recipe(base, {"part": "rehearsal", "share": 0.3})
    whole = fit(made, ROWS).adaptation.scores(ROWS.texts)
    kept, seen = Checkpoints(tmp_path / "kept", every=0), []

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 5 and not seen:
            seen.append(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(made, ROWS, listen=stop, checkpoints=kept)
    assert np.array_equal(fit(made, ROWS, checkpoints=kept).adaptation.scores(ROWS.texts), whole)


def test_a_model_that_writes_rehearses_text_and_rows(tmp_path: Path) -> None:
    from writers import tiny_writer

    folder = tiny_writer(tmp_path / "writer", "llama")
    found = []
    labels = {"part": "rehearsal", "share": 0.4, "learn": "labels", "rows": old_rows(tmp_path / "old.csv")}
    for penalties in ([], [{"part": "rehearsal", "share": 0.4}], [labels]):
        stage = {"weights": {"part": "full", "lr": 0.01}, "train": {"epochs": 1, "rows_per_step": 6, "warmup": 0}}
        plain = {"name": "x", "base": str(folder), "answers": "written", "stages": [stage | {"penalties": penalties}]}
        fitted = fit(validate(plain, Recipe), ROWS)
        found.append(fitted.adaptation.scores(ROWS.texts[:3]).tolist())
    assert found[0] != found[1] != found[2] != found[0]


def test_what_is_missing_is_said(base: Base, tmp_path: Path) -> None:
    for penalty, words in (
        ({"part": "rehearsal", "learn": "labels"}, "there are no old rows"),
        ({"part": "rehearsal", "rows": old_rows(tmp_path / "old.csv"), "column": "words"}, "has no column 'words'"),
    ):
        with pytest.raises(UsageError, match=words):
            fit(recipe(base, penalty), ROWS)
    with pytest.raises(TailorError, match="the head alone learns"):
        fit(recipe(base, "rehearsal", weights="head"), ROWS)
    (tmp_path / "empty.csv").write_text("text\n \n")
    with pytest.raises(CheckError, match="no text to rehearse"):
        fit(recipe(base, {"part": "rehearsal", "rows": str(tmp_path / "empty.csv")}), ROWS)
    target = {"part": "domain_distance", "text": old_rows(tmp_path / "t.csv")}
    with pytest.raises(TailorError, match="cannot be mixed into draws"):
        fit(recipe(base, "rehearsal", objective=target), ROWS)
