"""The nearest held-out row of each row: against the plain definition, and in good time for crowds of copies."""

import random
import time

from prep_rows import edited, rows

from tailorlm.data.near import Near
from tailorlm.data.steps._alike import nearest
from tailorlm.data.steps.base import Context, Item
from tailorlm.data.steps.fields import Fields


def items(texts: list[str]) -> list[Item]:
    return [Item(i, {"text": text}, "a", i + 1) for i, text in enumerate(texts)]


def plainly(text: str, others: list[str], near: Near) -> tuple[int, float] | None:
    sets = near.shingles.sets([text, *others])
    alike = [
        1.0 if text == other else len(sets[0] & own) / len(sets[0] | own)
        for other, own in zip(others, sets[1:], strict=True)
    ]
    best = max(range(len(others)), key=lambda i: (text == others[i], alike[i], -i))
    return (best, alike[best]) if alike[best] >= near.bar.low else None


def test_nearest_is_what_the_definition_says():
    random_ = random.Random(0)
    others = [row["text"] for row in rows(20)]
    texts = [*others[:5], *(edited(text, random_) for text in others[5:12]), *(row["text"] for row in rows(9, seed=1))]
    texts += [*texts[:3], others[2].upper()]
    near = Near(threshold=0.7, shingle=3)
    got = {
        number: (other.number, similar)
        for number, other, similar in nearest(items(texts), items(others), Context(Fields()), near)
    }
    wanted = {i: found for i, text in enumerate(texts) if (found := plainly(text, others, near))}
    assert {i: place for i, (place, _) in got.items()} == {i: place for i, (place, _) in wanted.items()}
    assert all(abs(got[i][1] - wanted[i][1]) < 1e-9 for i in wanted)
    assert len(wanted) >= 16
    assert not list(nearest(items(texts), [], Context(Fields()), near))
    assert not list(nearest([], items(others), Context(Fields()), near))


def test_crowds_of_copies_cost_what_one_does():
    near = Near(threshold=0.7, shingle=3)
    many = items([f"Your code is here, use it today please: {i % 50}" for i in range(20_000)])
    few = items([f"Your code is here, use it today please: {i % 70}" for i in range(5_000)])
    start = time.process_time()
    assert len(list(nearest(many, few, Context(Fields()), near))) == 20_000
    assert time.process_time() - start < 3
