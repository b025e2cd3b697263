"""Each check: what it finds, that it is silent elsewhere, and how it says it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

import numpy as np
import pytest
from audit_rows import TOPICS, made_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import UsageError
from tailorlm.data.audit import SEVERITIES, AuditSettings, Finding, audit
from tailorlm.data.audit.checks import CHECKS, TABLE
from tailorlm.data.audit.finding import by_severity, count, listed, share
from tailorlm.data.audit.words import name_words, words


def only(check: str, texts: Sequence[str], labels: Sequence[str] | None, splits: Sequence[str] | None = None) -> dict:
    return {found.code: found for found in audit(texts, labels, splits, settings=AuditSettings(checks=(check,)))}


def halves(n: int) -> list[str]:
    return ["train" if i % 2 else "test" for i in range(n)]


def test_there_are_checks() -> None:
    assert len(TABLE) == 11
    for name in CHECKS:
        assert CHECKS.get(name).__doc__


def test_clean_rows_give_no_finding() -> None:
    texts, labels = made_rows(800)
    # Two rows in a row share no topic, so halves by place are even in everything.
    splits = ["train" if i // 4 % 2 else "test" for i in range(800)]
    assert audit(texts, labels, splits) == []


def test_missing() -> None:
    found = only("missing", ["a", " ", "\n"], ["x", "x", ""])
    assert found["empty-text"].rows == (1, 2)
    assert found["empty-label"].rows == (2,)
    assert only("missing", ["a"], ["x"]) == {}
    assert only("missing", ["a"], None) == {}


def test_conflicts() -> None:
    found = only("conflicts", ["Hi there", "hi there!", "hi, there", "b", "b", "c"], ["x", "y", "x", "y", "x", "x"])
    conflict = found["label-conflict"]
    assert conflict.rows == (0, 1, 2, 3, 4)
    assert conflict.severity == "fault"
    assert conflict.numbers == {"texts": 2, "rows": 5, "wrong_at_least": 2, "with_majority": 1}
    assert conflict.details == ({"labels": "x / y", "texts": 2},)
    assert "2 texts stand" in conflict.message
    texts, labels = made_rows(800)
    assert only("conflicts", [*texts, texts[0]], [*labels, "other"])["label-conflict"].severity == "warning"


def test_balance() -> None:
    texts, labels = made_rows(400, topics=2)
    assert only("balance", texts, labels) == {}
    rare = ["garden" if label == "garden" or i > 40 else label for i, label in enumerate(labels)]
    found = only("balance", texts, rare)["label-imbalance"]
    assert found.severity == "warning"
    assert found.numbers["largest"] == rare.count("garden")
    assert found.numbers["effective"] == pytest.approx(1.2, abs=0.1)
    few = only("balance", ["a", "b", *texts], ["one", "two", *labels])["few-rows"]
    assert few.rows == (0, 1)
    assert few.numbers["single"] == 2
    assert only("balance", ["a", "b"], ["x", "x"])["one-label"].severity == "fault"
    assert only("balance", [], []) == {}


def test_few_rows_is_a_setting() -> None:
    texts, labels = made_rows(80)
    found = audit(texts, labels, settings=AuditSettings(checks=("balance",), few_rows=21))
    assert [each.code for each in found] == ["few-rows"]


def test_label_spelling() -> None:
    found = only("label_names", ["a"] * 7, ["Card arrival", "card_arrival", "cardArrival", "yes", "yes ", "no", "yes"])
    spelling = found["label-spelling"]
    assert spelling.numbers == {"labels": 2, "rows": 6}
    assert spelling.details[3] == {"spelling": "yes", "same as": "yes", "rows": 2}
    different = ["+1", "-1", "1", "A", "A-", "C", "C++", "C#", "1.5", "1-5", "15", "日本", "日 本"]
    assert only("label_names", ["a"] * 13, different) == {}


def test_label_in_text() -> None:
    texts, labels = made_rows(200)
    planted = [f"{text} ({label})" if label == "garden" else text for text, label in zip(texts, labels, strict=True)]
    found = only("label_in_text", planted, labels)["label-in-text"]
    assert found.severity == "fault"
    assert found.numbers == {"labels": 1, "rows": 50, "share": 0.25}
    assert set(found.rows) == {i for i, label in enumerate(labels) if label == "garden"}
    assert only("label_in_text", texts, labels) == {}
    # Also as a name of several words, however it is joined, and never for numbers.
    renamed = [{"garden": "my_gardenWork"}.get(label, label) for label in labels]
    joined = [
        text + " my garden work" if label == "garden" else text for text, label in zip(texts, labels, strict=True)
    ]
    assert only("label_in_text", joined, renamed)["label-in-text"].numbers["labels"] == 1
    apart = [text.replace(" ", " my work garden ", 1) for text in texts]
    assert only("label_in_text", apart, renamed) == {}
    stars = ["5" if label == "garden" else "4" for label in labels]
    assert only("label_in_text", [f"{t} {s}" for t, s in zip(texts, stars, strict=True)], stars) == {}


def test_likely_errors() -> None:
    texts, labels = made_rows(400)
    wrong = list(range(0, 40, 4))
    noisy = ["music" if i in wrong else label for i, label in enumerate(labels)]
    found = only("likely_errors", texts, noisy)["likely-label-error"]
    assert found.severity == "warning"
    assert set(found.rows) <= set(wrong)
    assert len(found.rows) >= 4
    assert found.details[0] == {"label": "music", "looks like": "garden", "rows": len(found.rows)}
    assert found.numbers["trial"] > 0.8
    assert "first tenth" in found.message
    untested = audit(texts, noisy, settings=AuditSettings(checks=("likely_errors",), trial=False))[0]
    assert "first tenth" not in untested.message
    vectors = np.eye(4, dtype=np.float32)[[list(TOPICS).index(label) for label in labels]]
    told = audit(texts, noisy, vectors=vectors, settings=AuditSettings(checks=("likely_errors",)))[0]
    assert set(told.rows) <= set(wrong)
    assert told.numbers["accuracy"] == pytest.approx(390 / 400)


def test_a_weak_judge_says_so() -> None:
    texts, labels = made_rows(400)
    random = np.random.default_rng(0)
    half = [label if i % 2 else str(random.choice(list(TOPICS))) for i, label in enumerate(labels)]
    found = only("likely_errors", texts, half)["likely-label-error"]
    assert found.severity == "note"
    assert found.message.startswith("A weak classifier")


def test_length() -> None:
    texts, labels = made_rows(400)
    longer = [text * 3 if label == "music" else text for text, label in zip(texts, labels, strict=True)]
    found = only("length", longer, labels)["length-by-label"]
    assert found.details[-1]["label"] == "music"
    splits = halves(400)
    test_longer = [text + " more of it" * (split == "test") for text, split in zip(texts, splits, strict=True)]
    found = only("length", test_longer, labels, splits)["length-by-split"]
    assert found.severity == "warning"
    assert found.numbers["delta"] > 0.5
    assert "longer" in found.message
    assert only("length", texts, labels, splits) == {}
    assert only("length", ["x" * 9000, *texts], None)["long-text"].rows == (0,)


def test_split_labels() -> None:
    texts, labels = made_rows(400)
    splits = halves(400)  # every second row: two topics each
    found = only("split_labels", texts, labels, splits)
    assert found["label-not-in-train"].severity == "fault"
    assert found["label-not-in-train"].numbers == {"labels": 2, "rows": 200}
    assert found["label-not-in-split"].numbers == {"labels": 2}
    assert found["label-shift"].severity == "warning"
    assert found["label-shift"].numbers["apart"] == 1.0
    assert only("split_labels", texts, labels) == {}
    assert only("split_labels", texts, labels, ["train"] * 400) == {}


def test_split_shift_and_new_words() -> None:
    texts, labels = made_rows(400)
    found = only("split_shift", texts, labels, halves(400))["split-shift"]
    assert found.severity == "warning"
    assert found.numbers["auc"] > 0.95
    found = only("vocabulary", texts, labels, halves(400))["new-words"]
    assert found.severity == "warning"
    assert found.numbers["unknown"] > 5 * found.numbers["by_chance"]
    even = ["train" if i // 4 % 2 else "test" for i in range(400)]
    assert only("split_shift", texts, labels, even) == only("vocabulary", texts, labels, even) == {}


def test_new_words_by_chance_is_that_of_a_random_split() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{int(k)}" for k in random.zipf(1.6, 8)) for _ in range(500)]
    rates = []
    for seed in range(30):
        test = set(np.random.default_rng(seed).permutation(500)[:150].tolist())
        known = {word for i, text in enumerate(texts) if i not in test for word in words(text)}
        asked = [word for i in test for word in set(words(texts[i]))]
        rates.append(sum(word not in known for word in asked) / len(asked))
    from collections import Counter

    from tailorlm.data.audit.checks.vocabulary import _by_chance

    counts = Counter(word for text in texts for word in set(words(text)))
    expected, spread = _by_chance(list(counts.values()), 350, 150)
    asked_words = counts.total() * 150 / 500
    assert np.mean(rates) == pytest.approx(expected / asked_words, rel=0.05)
    assert np.std(rates) == pytest.approx(spread / asked_words, rel=0.5)


def test_few_words() -> None:
    texts, labels = made_rows(400)
    texts += [f"Please call me back{'!' * i}" for i in range(80)]
    found = only("vocabulary", texts, labels + ["template"] * 80)["few-words"]
    assert found.numbers["labels"] == 1
    assert found.rows == tuple(range(400, 480))


def test_order_severity_and_silence() -> None:
    texts, labels = made_rows(100)
    found = audit(["", *texts, texts[0]], ["x", *labels, "music"])
    assert [each.severity for each in found] == sorted((e.severity for e in found), key=SEVERITIES.index)
    codes = {each.code for each in found}
    assert {"empty-text", "label-conflict", "few-rows"} <= codes
    quiet = audit(["", *texts, texts[0]], ["x", *labels, "music"], settings=AuditSettings(silent=tuple(codes)))
    assert quiet == []
    one, two = (Finding(code, "note", "", "", rows=rows) for code, rows in (("a", ()), ("b", (1,))))
    assert by_severity([one, two]) == [two, one]


def test_the_tables_have_a_limit() -> None:
    texts, labels = made_rows(100)
    odd = [f"only {i}" if i < 30 else label for i, label in enumerate(labels)]
    found = audit(texts, odd, settings=AuditSettings(checks=("balance",), shown=7))
    assert [len(each.details) for each in found if each.code == "few-rows"] == [7]


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="labels must come in pairs"):
        audit(["a"], [])
    with pytest.raises(UsageError, match="splits must come in pairs"):
        audit(["a"], ["x"], [])
    with pytest.raises(UsageError, match="did you mean 'balance'"):
        audit(["a"], ["x"], settings=AuditSettings(checks=("ballance",)))


ANY = st.one_of(st.text(max_size=12), st.sampled_from(["\ud800", "日本語 文", "😀", "a\x00", " ", "x" * 300]))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(ANY, st.sampled_from(["x", "y", "", "X ", "日本"]), st.sampled_from(["train", "test", ""])),
        max_size=12,
    )
)
def test_any_rows_can_be_audited(rows: list[tuple[str, str, str]]) -> None:
    texts, labels, splits = ([row[k] for row in rows] for k in range(3))
    for given_labels in (labels, None):
        for found in audit(texts, given_labels, splits):
            assert found.severity in SEVERITIES
            assert all(0 <= i < len(rows) for i in found.rows)
            assert len(set(found.rows)) == len(found.rows)
            assert found.message.endswith(".")
            assert found.advice.endswith(".")
            assert "nan" not in found.message


def test_codes_stand_in_the_docstrings() -> None:
    for name in CHECKS:
        module = inspect.getmodule(CHECKS.get(name))
        source = inspect.getsource(module)  # type: ignore[arg-type]
        codes = set(re.findall(r'Finding\(\s+"([a-z-]+)"', source))
        assert codes
        for code in codes:
            assert f"`{code}`" in (CHECKS.get(name).__doc__ or ""), code


def test_words_and_numbers_in_messages() -> None:
    assert share(0, 5) == "0.0 %"
    assert share(1, 5000) == "<0.1 %"
    assert share(9999, 10000) == ">99.9 %"
    assert share(1, 24) == "4.2 %"
    assert share(5, 5) == "100 %"
    assert share(0, 0) == "0.0 %"
    assert count(1, "row") == "1 row"
    assert count(2500, "row") == "2,500 rows"
    assert listed(["a"] * 7, 2) == "'a', 'a' and 5 more"
    assert listed(["x" * 60]) == "'" + "x" * 39 + "…'"
    assert name_words("card_arrival") == name_words("cardArrival") == name_words("Card-Arrival") == ["card", "arrival"]
    assert words("Straße 日本 a_b") == ["strasse", "日", "本", "a", "b"]


def test_more_labels_than_can_be_judged_are_said_and_not_waited_for() -> None:
    texts = [f"some words about thing number {i} and {i % 7}" for i in range(5_000)]
    found = only("likely_errors", texts, [f"l{i % 2_500}" for i in range(5_000)])
    assert list(found) == ["likely-label-error"]
    assert "were not looked for: 5,000 rows with 2,500 labels" in found["likely-label-error"].message
