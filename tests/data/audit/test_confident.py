"""Confident learning: by hand, against cleanlab's figures, by properties."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.data.audit import confident

GOLDEN = Path(__file__).parent / "golden"
CODES = np.array([0, 0, 0, 1, 1, 1])
FOUND = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.3, 0.7]])


def test_by_hand() -> None:
    assert confident.thresholds(CODES, FOUND) == pytest.approx([(0.9 + 0.7 + 0.2) / 3, (0.6 + 0.9 + 0.7) / 3])
    assert confident.confident_labels(CODES, FOUND).tolist() == [0, 0, 1, -1, 1, -1]
    assert confident.confident_joint(CODES, FOUND).tolist() == [[2, 1], [0, 1]]
    # Each line scaled to its 3 rows, over 6 rows.
    assert confident.joint(CODES, FOUND) == pytest.approx(np.array([[2 / 6, 1 / 6], [0, 3 / 6]]))
    assert confident.margins(CODES, FOUND) == pytest.approx([0.8, 0.4, -0.6, 0.2, 0.8, 0.4])
    assert confident.prune_by_noise_rate(CODES, FOUND).tolist() == [False, False, True, False, False, False]
    assert confident.suggested(CODES, FOUND).tolist() == [1, 1, 1, 0, 0, 0]


def test_the_likeliest_of_the_confident_labels_counts_and_not_of_all() -> None:
    # Row 6: label 0 is likeliest, below its threshold of 0.9; labels 1 and 2 are over theirs. The paper takes 1.
    codes = np.array([0, 0, 1, 1, 2, 2, 0])
    found = np.array(
        [[0.98, 0.01, 0.01]] * 2 + [[0.9, 0.1, 0], [0.5, 0.5, 0], [0.9, 0, 0.1], [0.7, 0, 0.3], [0.36, 0.33, 0.31]]
    )
    assert confident.thresholds(codes, found) == pytest.approx([2.32 / 3, 0.3, 0.2])
    assert confident.confident_labels(codes, found)[-1] == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_against_cleanlab(seed: int) -> None:
    spec = importlib.util.spec_from_file_location("make_cleanlab", GOLDEN / "make_cleanlab.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    codes, found = script.inputs(seed)
    theirs = json.loads((GOLDEN / "cleanlab.json").read_text())[str(seed)]
    assert confident.thresholds(codes, found) == pytest.approx(theirs["thresholds"])
    assert confident.confident_joint(codes, found).tolist() == theirs["confident_joint"]
    assert np.argsort(confident.margins(codes, found))[:50].tolist() == theirs["lowest"]
    ours = set(np.flatnonzero(confident.prune_by_noise_rate(codes, found)).tolist())
    # They round the joint to whole rows and keep a few rows of every label.
    assert len(ours ^ set(theirs["issues"])) <= 0.05 * len(theirs["issues"])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(0, 40), st.integers(0, 10**6))
def test_properties(n_labels: int, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, n_labels, n)
    found = random.dirichlet(np.ones(n_labels), n).reshape(n, n_labels)
    shares = confident.joint(codes, found)
    assert shares.shape == (n_labels, n_labels)
    assert shares.sum() == pytest.approx(1.0 if n else 0.0)
    assert shares.sum(axis=1) * n == pytest.approx(np.bincount(codes, minlength=n_labels))
    margin = confident.margins(codes, found)
    assert ((margin >= -1) & (margin <= 1 + 1e-12)).all()
    flags = confident.prune_by_noise_rate(codes, found)
    assert (margin[flags] < 0).all()
    mixed = random.permutation(n)
    assert (
        confident.confident_joint(codes[mixed], found[mixed]).tolist()
        == confident.confident_joint(codes, found).tolist()
    )


def test_a_sure_and_right_judge_flags_nothing() -> None:
    codes = np.arange(30) % 3
    assert not confident.prune_by_noise_rate(codes, np.eye(3)[codes]).any()
    assert confident.confident_joint(codes, np.eye(3)[codes]).tolist() == (10 * np.eye(3)).tolist()
