"""Prompts: the layout to the letter, citations read back, proposals, and the search for the best one."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tailorlm.context.choosers import choosers
from tailorlm.context.index import Passage
from tailorlm.context.prompt import (
    Candidate,
    PromptSettings,
    TaskWords,
    assemble,
    candidates,
    optimise,
    propose,
    read_citations,
    without_citations,
)
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.core.parts import Part
from tailorlm.data.held_out import HeldOut

EXAMPLES = [Example("1", "far", "A"), Example("2", "near", "B")]
PASSAGES = [
    Passage("terms.md#2", "terms.md", "Terms", 100, 120, "Fees are due.\n", ("Terms", "Fees")),
    Passage("a.txt#1", "a.txt", "", 0, 9, "Some text"),
]


def test_the_default_layout_to_the_letter() -> None:
    assert assemble("What?", instruction=" Be brief. ", examples=EXAMPLES, passages=PASSAGES) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "far"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "near"},
        {"role": "assistant", "content": "B"},
        {
            "role": "user",
            "content": "Passages:\n\n[1] Terms > Fees\nFees are due.\n\n[2]\nSome text\n\n"
            "Use these passages. After each fact, name the passage it comes from by its number, like [1]. "
            "If the passages do not hold the answer, say so.\n\nWhat?",
        },
    ]


def test_what_is_not_given_leaves_no_trace() -> None:
    assert assemble("What?") == [{"role": "user", "content": "What?"}]
    assert assemble("") == [{"role": "user", "content": ""}]
    quiet = PromptSettings(cite="", passages="")
    assert assemble("Q", passages=PASSAGES[1:], settings=quiet)[0]["content"] == "[1]\nSome text\n\nQ"


def test_other_layouts() -> None:
    text = PromptSettings(examples="text", system=False, query="Question: {}")
    assert assemble("Why {}?", instruction="Do it.", examples=EXAMPLES, settings=text) == [
        {
            "role": "user",
            "content": "Do it.\n\nInput: Question: far\nAnswer: A\n\nInput: Question: near\nAnswer: B\n\n"
            "Input: Question: Why {}?\nAnswer:",
        }
    ]
    turns = assemble("Q", instruction="Do it.", examples=EXAMPLES, settings=PromptSettings(system=False))
    assert turns[0] == {"role": "user", "content": "Do it.\n\nfar"}
    with pytest.raises(Exception, match="query"):
        PromptSettings(query="no place")


def test_a_conversation_goes_on() -> None:
    history = [
        {"role": "system", "content": "You are a clerk."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
    ]
    made = assemble("And now?", instruction="Be brief.", examples=EXAMPLES[:1], history=history)
    assert [message["role"] for message in made] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert made[0]["content"] == "Be brief.\n\nYou are a clerk."
    assert made[3]["content"] == "Hello"
    assert len(history) == 3
    with pytest.raises(UsageError, match="must alternate"):
        assemble("Q", history=[{"role": "user", "content": "one"}])


@pytest.mark.parametrize(
    ("answer", "grounded", "ungrounded"),
    [
        ("Fees are due [1].", [1], []),
        ("So it is [1][2], and [2].", [1, 2, 2], []),
        ("So [1, 2] and [1-2] and [1–2]", [1, 2, 1, 2, 1, 2], []),
        ("Never [3] nor [0], in [2020].", [], [3, 0, 2020]),
        ("Backwards [2-1], beyond [1-9]", [2, 1, 1], [9]),
        ("【1】 and ［２］ and [Passage 2]", [1, 2, 2], []),
        ("None (1) {2} [a] [] [1.5] [12345]", [], []),
        ("", [], []),
    ],
)
def test_citations_are_read_back(answer: str, grounded: list[int], ungrounded: list[int]) -> None:
    found = read_citations(answer, PASSAGES)
    assert [citation.number for citation in found.grounded] == grounded
    assert list(found.ungrounded) == ungrounded
    for citation in found.grounded:
        passage = PASSAGES[citation.number - 1]
        assert (citation.passage, citation.document) == (passage.id, passage.document)
        assert (citation.start, citation.end) == (passage.start, passage.end)
        assert answer[citation.at[0]] in "[［【"
        assert answer[citation.at[1] - 1] in "]］】"


def test_citations_go_without_a_trace() -> None:
    assert without_citations("Fees are due [1], and [2] more [3].") == "Fees are due, and more."
    assert read_citations("[1][2][1]", PASSAGES).passages == ("terms.md#2", "a.txt#1")


def test_proposals_name_labels_and_columns() -> None:
    labels = {"card_lost": "the card is gone", "fee": "fee"}
    for wording in propose(TaskWords("classify", ["text"], "label", labels)):
        assert "card_lost" in wording
        assert "fee" in wording
    assert "the card is gone" in propose(TaskWords("classify", ["text"], "label", labels))[0]
    many = propose(TaskWords("classify", labels={f"label{i}": f"label{i}" for i in range(500)}))
    assert all(len(wording) < 300 for wording in many)
    for wording in propose(TaskWords("generate", ["user_question", "region"], "reply")):
        assert "user question and region" in wording
        assert "reply" in wording
    assert all("passages" in wording for wording in propose(TaskWords("generate", ["question"], passages=True)))
    for task in (TaskWords("extract"), TaskWords("generate"), TaskWords("classify", labels=labels)):
        found = propose(task)
        assert len(found) == len(set(found)) >= 2


class Fake:
    """A model that is right in a share of the rows that the prompt names: prompt (name, row), right where row < skill[name]."""

    def __init__(self, skill: dict[str, int], fails: Sequence[tuple[str, int]] = ()):
        self.skill, self.fails, self.asked = skill, set(fails), []

    def ask(self, prompts: Sequence[tuple[str, int]]) -> list[str | None]:
        self.asked += prompts
        return [None if p in self.fails else "right" if p[1] < self.skill[p[0]] else "wrong" for p in prompts]

    def candidates(self, cost: dict[str, float] | None = None) -> list[Candidate[tuple[str, int]]]:
        return [Candidate(name, lambda row, name=name: (name, row), (cost or {}).get(name, 0.0)) for name in self.skill]


def share(answers: Sequence[str], rows: Sequence[int]) -> float:
    assert len(answers) == len(rows)
    return sum(answer == "right" for answer in answers) / len(rows)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 16])
@pytest.mark.parametrize("budget", [16, 17, 40, 100, 1000])
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_the_budget_holds_and_every_answer_counts(count: int, budget: int, rows: int) -> None:
    fake = Fake({f"c{i}": i * 40 // count for i in range(count)})
    found = optimise(fake.candidates(), rows, fake.ask, share, budget=budget)
    assert found.calls == len(fake.asked) == len(set(fake.asked)) <= budget
    assert found.winner in fake.skill
    assert found.rows <= rows
    assert {trial.candidate for trial in found.trials if trial.round == 1} == set(fake.skill)
    if budget == 1000 and rows == 40:
        assert found.winner == f"c{count - 1}"
        assert found.rows == 40
    json.dumps(found.plain())


def test_halving_by_hand() -> None:
    fake = Fake({"a": 0, "b": 10, "c": 20, "d": 5})
    found = optimise(fake.candidates(), 20, fake.ask, share, budget=48, seed=3)
    # Two rounds of 24 calls: 6 rows for each of 4, then 12 more for each of 2.
    assert [(t.round, t.rows) for t in found.trials] == [(1, 6)] * 4 + [(2, 18)] * 2
    assert [t.candidate for t in found.trials if t.round == 2] == ["c", "b"]
    assert (found.winner, found.rows, found.calls, found.score) == ("c", 18, 48, 1.0)
    first = [row for name, row in fake.asked if name == "a"]
    assert [row for name, row in fake.asked if name == "c"][:6] == first, "all are asked on the same rows"
    again = Fake(fake.skill)
    assert optimise(again.candidates(), 20, again.ask, share, budget=48, seed=3) == found
    other = Fake(fake.skill)
    optimise(other.candidates(), 20, other.ask, share, budget=48, seed=4)
    assert other.asked != fake.asked


def test_ties_go_to_the_cheaper_then_to_the_first() -> None:
    fake = Fake({"a": 5, "b": 5, "c": 5})
    assert optimise(fake.candidates(), 5, fake.ask, share, budget=30).winner == "a"
    assert optimise(fake.candidates({"a": 9, "b": 2, "c": 2}), 5, fake.ask, share, budget=30).winner == "b"


def test_failed_calls_are_counted_and_never_right() -> None:
    fake = Fake({"a": 4, "b": 4}, fails=[("a", row) for row in range(4)])
    found = optimise(fake.candidates(), 4, fake.ask, share, budget=8)
    assert found.winner == "b"
    assert {t.candidate: t.failed for t in found.trials} == {"a": 4, "b": 0}


def test_what_cannot_be_tried_is_said() -> None:
    fake = Fake({"a": 1, "b": 1})
    with pytest.raises(UsageError, match="1 calls are too few to ask each of 2"):
        optimise(fake.candidates(), 4, fake.ask, share, budget=1)
    with pytest.raises(UsageError, match="nothing to try"):
        optimise([], 4, fake.ask, share, budget=9)
    with pytest.raises(UsageError, match="nothing to try"):
        optimise(fake.candidates(), 0, fake.ask, share, budget=9)
    with pytest.raises(UsageError, match="two candidates are called 'a'"):
        optimise(fake.candidates() + fake.candidates(), 4, fake.ask, share, budget=9)
    with pytest.raises(TailorError, match="another number of answers"):
        optimise(fake.candidates(), 4, lambda prompts: ["x"] * (len(prompts) + 1), share, budget=9)
    with pytest.raises(TailorError, match="is not a number"):
        optimise(fake.candidates(), 4, fake.ask, lambda answers, rows: float("nan"), budget=9)


def test_candidates_are_wordings_times_sets() -> None:
    rows = [Example(f"r{i}", f"text {i} about {'money' if i % 2 else 'food'}", f"a{i}", "xy"[i % 2]) for i in range(8)]
    store = ExampleStore.of(rows, StoreSettings(encoder=None), held_out=HeldOut.of(["the test question"]))
    sets = {name: Part(name, choosers.get(name).Settings(k=2), choosers) for name in ("balanced", "nearest")}
    queries = [Query("text 3 about money", "r3"), Query("what about food")]
    made = candidates(["One.", "Two words."], sets, store, queries, count=lambda row: len(row.text))
    assert [one.name for one in made] == [
        "wording 1, balanced",
        "wording 1, nearest",
        "wording 2, balanced",
        "wording 2, nearest",
    ]
    prompt = made[3].prompt(0)
    assert prompt[0]["content"] == "Two words."
    assert prompt[-1] == {"role": "user", "content": "text 3 about money"}
    assert len(prompt) == 6
    assert all(message["content"] != "text 3 about money" for message in prompt[:-1])
    assert made[0].cost < made[2].cost
    assert [one.name for one in candidates(["One."], {}, None, queries)] == ["wording 1, none"]
    with pytest.raises(CheckError, match="1 validation row is among the test rows"):
        candidates(["One."], sets, store, [Query("The TEST question.")])
