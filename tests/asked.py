"""Rows with a question, a context and an answer in it, made from the tiny models' own words."""

from __future__ import annotations

from tailorlm.data.rows import Row, Rows
from tiny import COMMON, TOPICS


def asked(count: int, start: int = 0, *, none: int = 0, length: int = 9) -> Rows:
    """`what WORD`: the answer is the one word of WORD's topic in a context of common words. none: every so many rows lack it."""
    rows, names = [], sorted(TOPICS)
    for i in range(start, start + count):
        topic, other = names[i % len(names)], names[(i + 1 + i // 5 % 4) % len(names)]
        words = [COMMON.split()[(7 * i + 3 * j) % len(COMMON.split())] for j in range(length)]
        *others, cue = TOPICS[topic].split()
        answer = others[(i * 7) % 19]
        words[(i * 5 + 2) % length] = TOPICS[other].split()[(i * 3) % 20]
        place = (i * 3) % length
        place = place if place != (i * 5 + 2) % length else (place + 1) % length
        held = not none or i % none
        if held:
            words[place] = answer
        begin = sum(len(word) + 1 for word in words[:place])
        values = {
            "question": f"what {cue}",
            "context": " ".join(words),
            "answers": [{"text": answer, "answer_start": begin}] if held else [],
        }
        rows.append(Row(values, "asked.jsonl", i + 1))
    return Rows(tuple(rows), ("question", "context", "answers"))
