"""The prompter: settings as YAML has them, the three things shown alone and together, budgets, and the row itself never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.context.prompt import Prompter, ShownSettings, TaskWords
from tailorlm.context.retrieval.held_out import HeldOut
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.config import load, validate
from tailorlm.core.errors import TailorError, UsageError

ROWS = [
    Example(f"r{i}", f"{word} question", f"{word} answer", word[0])
    for i, word in enumerate(["fee", "bus", "soup", "fever"])
]
TASK = TaskWords("generate", ["question"])


@pytest.fixture
def index(tmp_path: Path) -> str:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Fees\n\nA fee is due.\n")
    (tmp_path / "docs" / "b.md").write_text("# Bus\n\nThe bus is late, so wait for it.\n")
    PassageIndex.build(tmp_path / "index", [str(tmp_path / "docs")], IndexSettings(encoder=None))
    return str(tmp_path / "index")


def made(index: str = "", **settings: Any) -> Prompter:
    store = ExampleStore.of(ROWS, StoreSettings(encoder=None), held_out=HeldOut.of(["x"]))
    return Prompter(validate(settings, ShownSettings), TASK, store)


def words(text: str) -> int:
    return len(text.split())


def test_from_yaml_and_back(tmp_path: Path, index: str) -> None:
    path = tmp_path / "context.yaml"
    path.write_text(
        f"examples: {{part: nearest, k: 2}}\npassages: {{index: {index}, search: {{k: 1, retriever: bm25}}}}\nexample_tokens: 50\n"
    )
    settings = load(path, ShownSettings)
    assert validate(settings.model_dump(mode="json"), ShownSettings) == settings
    path.write_text("examples: nearst\n")
    with pytest.raises(UsageError, match="nearest"):
        load(path, ShownSettings)
    with pytest.raises(UsageError, match="did you mean 'passages'"):
        validate({"passage": None}, ShownSettings)


def test_nothing_one_and_all(index: str) -> None:
    query = Query("what is the fee", "r9")
    alone = made(instruction="").prompts([query])[0]
    assert alone.messages == [{"role": "user", "content": "what is the fee"}]
    assert (alone.tokens, alone.left_out, alone.examples, alone.passages) == (0, 0, (), ())
    assert made().prompts([query])[0].messages[0] == {
        "role": "system",
        "content": "Given the question, write the answer.",
    }
    everything = made(
        instruction="Do.", examples={"part": "nearest", "k": 1}, passages={"index": index, "search": {"k": 1}}
    ).prompts([query, Query("bus")], count=words)
    assert [p.examples[0].id for p in everything] == ["r0", "r1"]
    assert [p.passages[0].document for p in everything] == ["docs/a.md", "docs/b.md"]
    assert [m["role"] for m in everything[0].messages] == ["system", "user", "assistant", "user"]
    assert everything[0].tokens == words("fee question") + words("fee answer") + words(everything[0].passages[0].text)


def test_budgets_and_the_row_itself(index: str) -> None:
    prompter = made(examples={"part": "nearest", "k": 4}, example_tokens=4)
    row = ROWS[0]
    shown = prompter.prompts([Query(row.text, row.id)], count=words)[0]
    assert row not in shown.examples
    assert (len(shown.examples), shown.tokens, shown.left_out) == (1, 4, 2)
    with pytest.raises(UsageError, match="needs something that counts"):
        prompter.prompts([Query(row.text)])
    short = made(passages={"index": index, "search": {"k": 2}}, passage_tokens=7)
    found = short.prompts([Query("the bus fee is late")], count=words)[0]
    assert [p.document for p in found.passages] == ["docs/a.md"]
    assert found.left_out == 1


def test_a_conversation_and_what_it_depends_on(index: str) -> None:
    prompter = made(instruction="Do.", passages={"index": index, "search": {"k": 1}})
    history = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi!"}]]
    prompt = prompter.prompts([Query("bus")], histories=history)[0]
    assert [m["role"] for m in prompt.messages] == ["system", "user", "assistant", "user"]
    facts = prompter.fingerprints()
    assert set(facts["passages"]["documents"]) == {"docs/a.md", "docs/b.md"}
    assert facts["examples"]["held_out"] == HeldOut.of(["x"]).fingerprint


def test_what_is_missing_is_said() -> None:
    with pytest.raises(UsageError, match="no store to take them from"):
        Prompter(validate({"examples": "random"}, ShownSettings), TASK)
    with pytest.raises(TailorError, match="holds no index"):
        made(passages={"index": "nowhere"})
