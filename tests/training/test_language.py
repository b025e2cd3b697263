"""Lessons in language: rows, windows, hidden words, and both in the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError
from tailorlm.models.row_losses import RowLosses
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Job, Trained
from tailorlm.training.language import HiddenTokens, NextTokens
from tailorlm.training.loop import train
from tailorlm.training.order import SeededOrder, micro_batches
from tailorlm.training.settings import TrainSettings
from tailorlm.training.token_rows import TokenRows
from token_models import writer


def counted(lengths: list[int]) -> TokenRows:
    """Rows of 0, 1, 2, ...: a token tells its place; every third is not learned."""
    total = iter(range(sum(lengths)))
    pairs = [([next(total) for _ in range(n)], [i % 3 != 2 for i in range(n)]) for n in lengths]
    return TokenRows.of(pairs, [f"row {i}" for i in range(len(lengths))])


def test_rows_are_kept_flat() -> None:
    rows = counted([3, 1, 4])
    assert len(rows) == 3
    assert rows.borders.tolist() == [0, 3, 4, 8]
    assert rows.row(2).tolist() == [4, 5, 6, 7]
    assert rows.targets().tolist() == [False, True, False, False, False, True, False, True]
    assert len(TokenRows.of([], [])) == 0
    with pytest.raises(TailorError, match="1 rows have no token") as caught:
        TokenRows.of([([1], [True]), ([], [])], ["a", "b"])
    assert caught.value.got == "b"


@pytest.mark.parametrize("overlap", [0, 1, 3])
@pytest.mark.parametrize("length", [4, 5, 17, 100])
def test_windows_learn_each_token_once(length: int, overlap: int) -> None:
    rows = counted([17, 1, 4, 5, 40])
    cut = rows.windows(length, overlap)
    assert max(cut.lengths) <= length
    learned = cut.ids[np.asarray(cut.learned)]
    assert sorted(learned.tolist()) == rows.ids[rows.learned].tolist(), "a token is lost or learned twice"
    lost = int(rows.targets().sum()) - int(cut.targets().sum())
    inner = [i for i, name in enumerate(cut.names) if "(" in name and "(1 of" not in name]
    assert lost == (sum(bool(cut.learned[cut.borders[i]]) for i in inner) if overlap == 0 else 0)
    for start, stop in zip(cut.borders[:-1], cut.borders[1:], strict=True):
        assert (np.diff(cut.ids[start:stop]) == 1).all(), "a window is not one piece of its row"


def test_windows_are_named_and_must_advance() -> None:
    assert list(counted([9, 2]).windows(4).names) == ["row 0 (1 of 3)", "row 0 (2 of 3)", "row 0 (3 of 3)", "row 1"]
    for length, overlap in ((4, 4), (4, -1), (0, 0)):
        with pytest.raises(TailorError, match="must advance"):
            counted([9]).windows(length, overlap)


def test_rows_on_disk_are_the_same_rows(tmp_path: Path) -> None:
    for ids in ([1, 2, 70_000], [1, 2, 3]):
        rows = TokenRows.of([(ids, [True, False, True]), ([5], [True])], ["é one", "two"])
        rows.save(tmp_path / "rows")
        back = TokenRows.load(tmp_path / "rows")
        assert back.fingerprint() == rows.fingerprint()
        assert list(back.names) == list(rows.names)
        assert isinstance(back.ids, np.memmap)
    changed = TokenRows.of([(ids, [True, True, True]), ([5], [True])], ["é one", "two"])
    assert changed.fingerprint() != rows.fingerprint()


def hidden(share: float = 0.15, seed: int = 0, lengths: tuple[int, ...] = (400, 30, 7, 1)) -> HiddenTokens:
    random = np.random.default_rng(0)
    pairs = [([3, *random.integers(10, 90, n).tolist()], [False, *[True] * n]) for n in lengths]
    rows = TokenRows.of(pairs, [str(i) for i in range(len(lengths))])
    begins = random.random(len(rows.ids)) < 0.6
    model = writer("bert", max_position_embeddings=512)
    return HiddenTokens(RowLosses(model), rows, mask=4, vocabulary=90, begins=begins, share=share, seed=seed)


def test_words_are_hidden_whole_and_special_tokens_never() -> None:
    lesson = hidden(share=0.3)
    for epoch in range(4):
        lesson.begin(epoch)
        assert not lesson.hidden[lesson.rows.borders[:-1]].any(), "a special token was hidden"
        for word in np.unique(lesson.words):
            inside = (lesson.words == word) & lesson.rows.learned
            assert lesson.hidden[inside].all() or not lesson.hidden[inside].any()
        assert min(lesson.counts) >= 1
        assert lesson.counts == [
            int(lesson.hidden[a:b].sum()) for a, b in zip(lesson.rows.borders, lesson.rows.borders[1:])
        ]
        assert (lesson.shown[~lesson.hidden] == lesson.rows.ids[~lesson.hidden]).all()


def test_shares_are_as_said() -> None:
    lesson = hidden(lengths=(500,) * 40)
    assert 0.13 < lesson.hidden.mean() < 0.17
    masked = lesson.shown[lesson.hidden] == lesson.mask
    same = lesson.shown[lesson.hidden] == lesson.rows.ids[lesson.hidden]
    assert 0.77 < masked.mean() < 0.83
    assert 0.08 < same.mean() < 0.13
    with pytest.raises(TailorError, match="cannot be hidden"):
        hidden(share=0.0)


def test_what_is_hidden_is_a_function_of_seed_and_pass() -> None:
    one, other, third = hidden(), hidden(), hidden(seed=1)
    first = one.shown.copy()
    assert (first == other.shown).all()
    assert one.fingerprint == other.fingerprint != third.fingerprint
    assert (first != third.shown).any()
    one.begin(1)
    assert (first != one.shown).any()
    one.begin(0)
    assert (first == one.shown).all()


def test_parts_of_packed_rows_are_counted_by_their_sum() -> None:
    lengths = [5, 5, 100, 3, 4]
    assert micro_batches(range(5), lengths, 10, padded=False) == [[0, 1], [2], [3, 4]]
    assert micro_batches(range(5), lengths, 10) == [[0, 1], [2], [3, 4]]
    assert micro_batches([2, 3, 4], lengths, 110, padded=False) == [[2, 3, 4]]
    assert micro_batches([2, 3, 4], lengths, 110) == [[2], [3, 4]]


def trained(micro: int = 4096, **changes: Any) -> tuple[Trained, Any]:
    model = writer("llama").double()
    random = np.random.default_rng(5)
    pairs = [(random.integers(10, 100, n).tolist(), [i >= n // 3 for i in range(n)]) for n in range(4, 34)]
    rows = TokenRows.of(pairs, [f"r{i}" for i in range(len(pairs))])
    lesson = NextTokens(RowLosses(model), rows)
    made = TrainSettings(**({"epochs": 3, "rows_per_step": 6, "micro_tokens": micro} | changes))
    names = [name for name, _ in model.named_parameters()]
    return train(Job(lesson, names, rows.names, made, 3e-3, 0)), model


def test_steps_cut_into_parts_are_the_same_steps() -> None:
    whole, one = trained()
    cut, other = trained(micro=40)
    assert len(whole.losses) == len(cut.losses) == 15
    assert np.abs(np.array(whole.losses) - np.array(cut.losses)).max() <= 1e-6
    others = dict(other.named_parameters())
    assert max(float((p - others[name]).detach().abs().max()) for name, p in one.named_parameters()) <= 1e-5
    assert whole.losses[-1] < whole.losses[0] - 0.25


def test_tokens_of_a_step_are_as_the_user_says() -> None:
    lengths = [int(n) for n in np.random.default_rng(0).integers(3, 60, 200)]
    steps = SeededOrder(lengths, 16, 0, 300).steps(0)
    assert sorted(i for step in steps for i in step) == list(range(200))
    assert all(sum(lengths[i] for i in step) <= 300 for step in steps)


def test_a_pass_of_hidden_words_is_gone_on_with_to_the_bit(tmp_path: Path) -> None:
    def job() -> Job:
        torch.manual_seed(0)
        lesson = hidden(lengths=(30, 20, 25, 30, 12, 9, 14))
        names = [name for name, _ in lesson.module.named_parameters() if "position" not in name]
        made = TrainSettings(epochs=3, rows_per_step=2)
        return Job(lesson, names, lesson.rows.names, made, 1e-3, 0)

    class Stop(Exception):
        pass

    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == 6:
            raise KeyboardInterrupt

    expected = job()
    whole = train(expected)
    with pytest.raises(KeyboardInterrupt):
        train(job(), listen=stop, checkpoints=Checkpoints(tmp_path))
    again = job()
    resumed = train(again, checkpoints=Checkpoints(tmp_path))
    assert resumed.resumed == 6
    assert resumed.losses == whole.losses
    others = dict(again.lesson.module.named_parameters())
    assert all(torch.equal(p, others[name]) for name, p in expected.lesson.module.named_parameters())
