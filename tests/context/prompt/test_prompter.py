"""The prompter: settings as YAML has them, the three things shown alone and together, budgets, and the row itself never."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.context.prompt import Prompter, TaskWords
from tailorlm.context.prompt.prompter import FRAME, ROOM
from tailorlm.context.prompted import Prompted
from tailorlm.context.store import Example, Query
from tailorlm.core.config import load, validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.held_out import HeldOut

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


def made(**settings: Any) -> Prompter:
    return Prompter(shown(**settings), TASK, ROWS, HeldOut.of(["x"]))


def shown(**settings: Any) -> Prompted.Settings:
    """Settings of `prompt`, with examples found by their words."""
    return validate({"encoder": None} | settings, Prompted.Settings)


def words(text: str) -> int:
    return len(text.split())


def test_from_yaml_and_back(tmp_path: Path, index: str) -> None:
    path = tmp_path / "context.yaml"
    path.write_text(
        f"examples: {{part: nearest, k: 2}}\npassages: {index}\nsearch: {{k: 1, retriever: bm25}}\nbudget: 50\n"
    )
    settings = load(path, Prompted.Settings)
    assert validate(settings.model_dump(mode="json"), Prompted.Settings) == settings
    path.write_text("examples: nearst\n")
    with pytest.raises(UsageError, match="nearest"):
        load(path, Prompted.Settings)
    with pytest.raises(UsageError, match="did you mean 'passages'"):
        validate({"passage": None}, Prompted.Settings)


def test_nothing_one_and_all(index: str) -> None:
    query = Query("what is the fee", "r9")
    alone = made(instruction="").prompts([query])[0]
    assert alone.messages == [{"role": "user", "content": "what is the fee"}]
    assert (alone.tokens, alone.left_out, alone.examples, alone.passages) == (0, 0, (), ())
    assert made().prompts([query])[0].messages[0] == {
        "role": "system",
        "content": "Given the question, write the answer.",
    }
    everything = made(instruction="Do.", examples={"part": "nearest", "k": 1}, passages=index, search={"k": 1}).prompts(
        [query, Query("bus")], count=words
    )
    assert [p.examples[0].id for p in everything] == ["r0", "r1"]
    assert [p.passages[0].document for p in everything] == ["docs/a.md", "docs/b.md"]
    assert [m["role"] for m in everything[0].messages] == ["system", "user", "assistant", "user"]
    passage = words(everything[0].passages[0].text)
    assert everything[0].tokens == words("fee question") + words("fee answer") + passage + 2 * FRAME


def test_rows_found_by_words_are_varied_by_the_encoder(base: Callable[..., Path]) -> None:
    near = {"part": "nearest", "k": 2, "retriever": "bm25"}
    encoder = {"model": str(base("bert", "mean")), "max_length": 16}
    plain = made(examples=near, encoder=encoder)
    assert plain.store is not None
    assert plain.store.texts.vectors is None, "nothing is computed that nobody looks at"
    told = made(examples=near | {"variety": 0.3}, encoder=encoder)
    found = told.prompts([Query("fee question bus")])[0].examples
    assert len(found) == 2
    assert found[-1].id in {"r0", "r1"}
    with pytest.raises(UsageError, match="have no vectors"):
        made(examples=near | {"variety": 0.3}).prompts([Query("fee question bus")])


def test_budgets_and_the_row_itself(index: str) -> None:
    prompter = made(examples={"part": "nearest", "k": 4}, budget=4 + FRAME)
    row = ROWS[0]
    only = prompter.prompts([Query(row.text, row.id)], count=words)[0]
    assert row not in only.examples
    assert (len(only.examples), only.tokens, only.left_out) == (1, 4 + FRAME, 2)
    with pytest.raises(UsageError, match="needs something that counts"):
        prompter.prompts([Query(row.text)])
    short = made(passages=index, search={"k": 2}, budget=7 + FRAME)
    found = short.prompts([Query("the bus fee is late")], count=words)[0]
    assert [p.document for p in found.passages] == ["docs/a.md"]
    assert found.left_out == 1


def test_passages_take_half_and_examples_what_is_left(index: str) -> None:
    both = made(examples={"part": "nearest", "k": 4}, passages=index, search={"k": 2}, instruction="")
    query = Query("the bus fee is late")
    room = words(query.text) + int(2 * (7 + FRAME) / ROOM) + 1
    found = both.prompts([query], count=words, room=room)[0]
    assert [p.document for p in found.passages] == ["docs/a.md"], "the bus one has 10 words and no room in its half"
    assert len(found.examples) == 1
    assert found.tokens <= room - words(query.text)
    nothing = both.prompts([query], count=words, room=words(query.text))[0]
    assert (nothing.examples, nothing.passages, nothing.left_out) == ((), (), 4)
    long = Query("late " * 500)
    assert [len(p.examples) for p in both.prompts([query, long], count=words, room=300)] == [2, 0]


def test_a_conversation_and_what_it_depends_on(index: str, tmp_path: Path) -> None:
    prompter = made(instruction="Do.", passages=index, search={"k": 1}, examples="random")
    history = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi!"}]]
    prompt = prompter.prompts([Query("bus")], histories=history)[0]
    assert [m["role"] for m in prompt.messages][-4:] == ["assistant", "user", "assistant", "user"]
    facts = prompter.fingerprints()
    assert (facts["passages"]["documents"], facts["passages"]["passages"]) == (2, 2)
    assert facts["examples"] == {"rows": 4, "held_out": HeldOut.of(["x"]).fingerprint}
    (tmp_path / "docs" / "a.md").write_text("# Fees\n\nA fee is not due.\n")
    PassageIndex(index).add([str(tmp_path / "docs")])
    again = made(instruction="Do.", passages=index, search={"k": 1}, examples="random").fingerprints()
    assert again["passages"]["contents"] != facts["passages"]["contents"]


def test_kept_and_read_again_wherever_it_lies(index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompter = made(passages=index, search={"k": 1}, examples={"part": "nearest", "k": 2})
    folder = tmp_path / "kept"
    folder.mkdir()
    prompter.write(folder)
    monkeypatch.chdir(tmp_path)
    queries = [Query("bus"), Query(ROWS[0].text, ROWS[0].id)]
    settings = prompter.settings.with_(passages="index")
    assert Prompter.restore(settings, folder).prompts(queries) == prompter.prompts(queries)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("kept", "index"):
        (tmp_path / name).rename(moved / name)
    assert Prompter.restore(settings, moved / "kept").prompts(queries) == prompter.prompts(queries)
    (moved / "kept" / "shown.json").write_text("{}")
    with pytest.raises(TailorError, match="no readable prompt"):
        Prompter.restore(settings, moved / "kept")


def test_test_rows_are_left_out_of_examples_and_refused_as_documents(index: str) -> None:
    held_out = HeldOut.of(["FEE question!"])
    prompter = Prompter(shown(examples="random"), TASK, ROWS, held_out)
    assert prompter.store is not None
    assert [example.id for example in prompter.store.examples] == ["r1", "r2", "r3"]
    assert prompter.store.held_out == held_out
    with pytest.raises(CheckError, match="1 document is among the test rows"):
        Prompter(shown(passages=index), TASK, ROWS, HeldOut.of(["# Fees a fee is due"]))


def test_what_is_missing_is_said() -> None:
    with pytest.raises(UsageError, match="no row to take them from"):
        Prompter(shown(examples="random"), TASK)
    with pytest.raises(TailorError, match="holds no index"):
        made(passages="nowhere")
