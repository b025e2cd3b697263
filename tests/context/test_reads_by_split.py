"""What is read of which split: no text of a test row comes into an index, a store, a prompt, or before an encoder or a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest

from tailorlm.context.choosers import choosers
from tailorlm.context.index import IndexSettings, PassageIndex
from tailorlm.context.prompt import Message, candidates, optimise, propose, read_citations
from tailorlm.context.prompt.propose import TaskWords
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.settings import EncoderSettings
from tailorlm.context.store import Example, ExampleStore, Query, StoreSettings
from tailorlm.core.errors import CheckError
from tailorlm.core.parts import Part
from tailorlm.data.held_out import HeldOut

Base = Callable[..., Path]
SPLITS = ("train", "validation", "test")


class Traced(Sequence[Example]):
    """The rows of one split; every row that is taken out is written down."""

    def __init__(self, split: str, count: int, trace: list[str]):
        # A word of each row's own, so that it is known again wherever its text turns up.
        self._rows = [
            Example(f"{split}{i}", f"{split}word{i} about money or travel {i % 3}", f"{split}answer{i}", "abc"[i % 3])
            for i in range(count)
        ]
        self._split, self._trace = split, trace

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: Any) -> Any:
        self._trace.append(self._split)
        return self._rows[index]

    def __iter__(self) -> Iterator[Example]:
        self._trace.append(self._split)
        return iter(self._rows)


def test_no_test_row_is_read_or_shown(tmp_path: Path, base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    trace: list[str] = []
    train, validation, test = (Traced(split, 12, trace) for split in SPLITS)
    before_encoder: list[str] = []
    vectors = Encoder._vectors

    def watched(self: Encoder, texts: Sequence[str], *more: Any) -> np.ndarray:
        before_encoder.extend(texts)
        return vectors(self, texts, *more)

    monkeypatch.setattr(Encoder, "_vectors", watched)
    encoder = EncoderSettings(model=str(base("bert", "mean")), max_length=32)

    # The split itself reads test rows once, to know them again by their hashes. After that nothing does.
    held = HeldOut.of([row.text for row in test], [row.id for row in test])
    assert set(trace) == {"test"}
    trace.clear()

    store = ExampleStore.of(train, StoreSettings(encoder=encoder), held_out=held).save(tmp_path / "store")
    docs = tmp_path / "docs"
    docs.mkdir()
    for row in train:
        (docs / f"{row.id}.txt").write_text(f"{row.text}. {row.answer}.")
    index, _ = PassageIndex.build(tmp_path / "index", [str(docs)], IndexSettings(encoder=encoder), held_out=held)

    queries = [Query(row.text, row.id) for row in validation]
    gold = [row.answer for row in validation]
    passages = index.search([query.text for query in queries])
    sets = {name: Part(name, choosers.get(name).Settings(k=3), choosers) for name in choosers}
    tried = candidates(propose(TaskWords("generate", passages=True)), sets, store, queries, passages=passages)
    before_model: list[Message] = []

    def ask(prompts: Sequence[list[Message]]) -> list[str]:
        before_model.extend(message for prompt in prompts for message in prompt)
        return [f"{prompt[-1]['content'][:9]} [1]" for prompt in prompts]

    def score(answers: Sequence[str], rows: Sequence[int]) -> float:
        cited = [len(read_citations(a, passages[r]).grounded) for a, r in zip(answers, rows, strict=True)]
        return float(np.mean([a in gold[r] for a, r in zip(answers, rows, strict=True)])) + float(np.mean(cited))

    found = optimise(tried, len(queries), ask, score, budget=100)
    assert found.calls <= 100

    assert set(trace) == {"train", "validation"}
    written = [
        path.read_bytes() for folder in ("store", "index") for path in (tmp_path / folder).rglob("*") if path.is_file()
    ]
    assert len(written) > 12
    shown = [message["content"] for message in before_model]
    for texts in (before_encoder, shown, [str(found.plain())]):
        assert not any("testword" in text or "testanswer" in text for text in texts)
    assert not any(b"testword" in data or b"testanswer" in data for data in written)
    # The traces can see: train rows are in all of these, and validation rows in the prompts.
    assert any("trainword" in text for text in before_encoder)
    assert any("trainword" in text for text in shown)
    assert any("validationword" in text for text in shown)
    assert any(b"trainword" in data for data in written)

    # And where somebody hands them in, they are refused.
    with pytest.raises(CheckError, match="12 examples are among the test rows"):
        store.plus(list(test))
    for row in test:
        (docs / f"{row.id}.txt").write_text(row.text)
    with pytest.raises(CheckError, match="12 documents are among the test rows"):
        index.add([str(docs)])
    with pytest.raises(CheckError, match="12 validation rows are among the test rows"):
        candidates(["One."], sets, store, [Query(row.text) for row in test])
