"""ROUGE and BLEU beside the packages that people quote, perplexity and bits by hand."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tailorlm.evaluation.metrics import metric_of
from tailorlm.evaluation.metrics._ngrams import longest_common, words
from tailorlm.evaluation.metrics.bleu import tokens
from tailorlm.evaluation.predictions import Predictions

VOCABULARY = (
    "a the cat sat on mat. In 3.5 1,000 well-known it's (yes) no, U.S. 7-up & <b> x_y don't end! e.g. 50% -- ..."
)


def texts(rng: random.Random, least: int = 0) -> str:
    said = " ".join(rng.choice(VOCABULARY.split()) for _ in range(rng.randint(least, 14)))
    return said.upper() if rng.random() < 0.1 else said + rng.choice(["", " ", "\n", "-\nx", " &amp; y"])


def scored(name: str, gold: list[Any], predicted: list[Any], kind: str = "text") -> float:
    ids = tuple(str(i) for i in range(len(gold)))
    return metric_of(name).evidence(Predictions(ids, tuple(gold), tuple(predicted), (), None, kind)).score()


def cases(seed: int, rows: int) -> tuple[list[list[str]], list[str]]:
    rng = random.Random(seed)
    gold = [[texts(rng, 1) for _ in range(rng.randint(1, 3))] for _ in range(rows)]
    near = [" ".join(rng.sample(one[0].split(), k=len(one[0].split()))) for one in gold]
    return gold, [rng.choice([near[i], gold[i][0], texts(rng), gold[i][-1][:20]]) for i in range(rows)]


@pytest.mark.parametrize(("name", "theirs"), [("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")])
def test_rouge_is_that_of_rouge_score(name: str, theirs: str) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer([theirs])
    gold, predicted = cases(1, 200)
    expected = [scorer.score_multi(g, p)[theirs].fmeasure for g, p in zip(gold, predicted, strict=True)]
    assert len({round(value, 6) for value in expected}) > 30
    assert scored(name, gold, predicted) == pytest.approx(sum(expected) / 200, abs=1e-12)
    for g, p, value in zip(gold[:40], predicted[:40], expected[:40], strict=True):
        assert scored(name, [g], [p]) == pytest.approx(value, abs=1e-12)


def test_bleu_is_that_of_sacrebleu() -> None:
    bleu = pytest.importorskip("sacrebleu").BLEU(effective_order=True)
    for seed in range(30):
        gold, predicted = cases(seed, 3 + seed)
        most = max(map(len, gold))
        references = [[one[i] if i < len(one) else None for one in gold] for i in range(most)]
        expected = bleu.corpus_score(predicted, references).score / 100
        assert scored("bleu", gold, predicted) == pytest.approx(expected, abs=1e-9)


def test_tokens_are_those_of_13a() -> None:
    theirs = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a").Tokenizer13a()
    rng = random.Random(0)
    signs = [chr(c) for c in range(32, 127)] + ["\n", "é", "ß", "&quot;", "-\n", "<skipped>"]
    for _ in range(500):
        text = "".join(rng.choice(signs) for _ in range(rng.randint(0, 30)))
        assert tokens(text) == theirs(text.rstrip()).split()


def test_by_hand() -> None:
    gold, said = ["the cat sat on the mat"], ["the cat on the mat"]
    assert scored("rouge_1", gold, said) == pytest.approx(10 / 11)
    assert scored("rouge_2", gold, said) == pytest.approx(2 * 3 / (5 + 4))
    assert scored("rouge_l", gold, said) == pytest.approx(10 / 11)
    precision = (1 * 3 / 4 * 1 / 3 * (1 / 2) / 2) ** 0.25
    assert scored("bleu", gold, said) == pytest.approx(precision * math.exp(1 - 6 / 5))


@pytest.mark.parametrize("name", ["rouge_1", "rouge_2", "rouge_l", "bleu"])
def test_awkward_rows(name: str) -> None:
    same = "one two three four five"
    assert scored(name, [same], [same]) == 1.0
    assert scored(name, [same], [None]) == 0.0
    assert scored(name, [same], [""]) == 0.0
    assert scored(name, [same], ["six seven"]) == 0.0
    assert scored(name, ["東京へ行きました"], ["東京へ行きました"]) == 1.0
    assert 0.2 < scored(name, ["東京へ行きました"], ["東京へ来ました"]) < 1.0
    assert scored(name, ["🙂 ok then it is fine"], ["🙂 ok then it is fine"]) == 1.0
    assert scored(name, [["no", same]], [same]) == 1.0


def test_words_and_common_subsequences() -> None:
    assert words("Café_au lait, 3.5% ไทย 東京") == ["café", "au", "lait", "3", "5", "ไ", "ท", "ย", "東", "京"]
    rng = random.Random(3)
    for _ in range(200):
        a, b = ([rng.choice("abcd") for _ in range(rng.randint(0, 12))] for _ in range(2))
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a, 1):
            for j, y in enumerate(b, 1):
                table[i][j] = table[i - 1][j - 1] + 1 if x == y else max(table[i - 1][j], table[i][j - 1])
        assert longest_common(a, b) == table[-1][-1]


def test_surprise_by_hand() -> None:
    found = [[math.log(2) * 8, 2, 4], [0.0, 0, 0], [math.log(2) * 4, 4, 2]]
    gold = [None] * 3
    assert scored("bits_per_byte", gold, found, "surprise") == pytest.approx(12 / 6)
    assert scored("perplexity", gold, found, "surprise") == pytest.approx(2 ** (12 / 6))
    assert scored("perplexity", gold[:1], [[1e6, 1, 1]], "surprise") < math.inf
