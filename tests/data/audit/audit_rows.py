"""Rows made for these tests: sentences of a few topics."""

from __future__ import annotations

import numpy as np

TOPICS = {
    "garden": [
        "rose",
        "tulip",
        "soil",
        "spade",
        "seed",
        "hedge",
        "lawn",
        "compost",
        "pruning",
        "blossom",
        "weeds",
        "watering",
    ],
    "kitchen": [
        "oven",
        "flour",
        "butter",
        "whisk",
        "simmer",
        "garlic",
        "onion",
        "recipe",
        "pan",
        "spice",
        "dough",
        "baking",
    ],
    "travel": [
        "train",
        "ticket",
        "luggage",
        "passport",
        "airport",
        "hotel",
        "platform",
        "delay",
        "flight",
        "border",
        "visa",
        "tour",
    ],
    "music": [
        "violin",
        "chorus",
        "melody",
        "rhythm",
        "drummer",
        "concert",
        "tune",
        "singer",
        "piano",
        "lyrics",
        "tempo",
        "band",
    ],
}
FILLER = ["the", "a", "my", "your", "about", "with", "and", "for", "today", "again", "some", "more"]


def made_rows(n: int, seed: int = 0, topics: int = 4) -> tuple[list[str], list[str]]:
    """`n` different sentences, three to five words of their topic among filler, labels in turn."""
    random = np.random.default_rng(seed)
    names = list(TOPICS)[:topics]
    texts: list[str] = []
    labels: list[str] = []
    seen: set[str] = set()
    while len(texts) < n:
        name = names[len(texts) % topics]
        words = [*random.choice(TOPICS[name], random.integers(3, 6), False), *random.choice(FILLER, 5, False)]
        text = " ".join(str(words[i]) for i in random.permutation(len(words))).capitalize() + "."
        if text not in seen:
            seen.add(text)
            texts.append(text)
            labels.append(name)
    return texts, labels
