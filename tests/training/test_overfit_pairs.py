"""Eight pairs learnt by heart: rendering, training and writing agree on what an answer is and where it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailorlm.models.answers import Writing
from tailorlm.models.chat import conversation
from tailorlm.models.decoder import load_writer
from tailorlm.models.local import Local
from tailorlm.models.perplexity import surprise
from tailorlm.models.resolve import resolve
from tailorlm.models.row_losses import RowLosses
from tailorlm.training.job import Job
from tailorlm.training.language import NextTokens
from tailorlm.training.loop import train
from tailorlm.training.settings import TrainSettings
from tailorlm.training.token_rows import TokenRows
from writers import tiny_writer

PAIRS = [
    ("who sat on the mat?", "the cat"),
    ("who lay by the door?", "the dog of the old house"),
    ("what is two and two?", "four"),
    ("when is the train?", "late, please wait"),
    ("how old is Ada?", "36"),
    ("and in 日本?", "two\nlines 🙂"),
    ("where is the river?", "near the old house"),
    ("say nothing much", "no"),
]


@pytest.mark.parametrize(("kind", "style"), [("llama", "llama3"), ("gpt2", "pad_is_eos"), ("qwen2", "no_stop")])
def test_answers_come_back_and_stop_by_themselves(kind: str, style: str, tmp_path: Path) -> None:
    writer = load_writer(resolve(str(tiny_writer(tmp_path, kind, style=style))))
    local, prompts = Local(writer), [asked for asked, _ in PAIRS]
    before = local.answers(prompts, Writing(max_new_tokens=40))
    assert [a.text for a in before] != [answer for _, answer in PAIRS]
    rendered = [writer.chat.render(conversation(*pair)) for pair in PAIRS]
    rows = TokenRows.of([(r.ids, r.learned) for r in rendered], [f"pair {i}" for i in range(len(PAIRS))])
    lesson = NextTokens(RowLosses(writer.body), rows)
    assert sum(lesson.counts) == sum(r.targets for r in rendered)
    names = [name for name, _ in writer.body.named_parameters()]
    done = train(Job(lesson, names, rows.names, TrainSettings(epochs=60, rows_per_step=4), 1e-2, 0))
    assert done.losses[-1] < 0.05
    after = local.answers(prompts, Writing(max_new_tokens=40))
    assert [a.text for a in after] == [answer for _, answer in PAIRS]
    assert all(a.finished for a in after)
    assert [local.answers([p], Writing(max_new_tokens=40))[0].text for p in prompts] == [a.text for a in after]
    scores = local.score(prompts, [answer for _, answer in PAIRS])
    assert scores.argmax(1).tolist() == list(range(len(PAIRS)))
    assert surprise(writer, ["the cat"])[0].tokens > 0
