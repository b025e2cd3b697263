"""Labels of one domain, answers in another: source-only, task adapter, domain distance and two-step adapters beside the target's own labels.

    python benchmarks/domain_adaptation.py ../shared/data runs/domain-adaptation

Sentiment (positive or negative) over pairs of domains of three sets; what is asked for (to look up, to set, to remove) over scenarios of a home
assistant (hwu64); whether a customer looks for something or wants it done over services (the turns of sgd that say what is wanted). Each source has
up to 160 labelled rows, as many of each label; the target lends up to 160 texts without labels, and up to 240 others are scored on. The oracle
learns from labels of the target's remaining rows. All with the starter encoder, one seed, the same passes, a rate for each kind of weights; nothing
is chosen on the target. Results are kept in the folder as they come, so that an interrupted run goes on. `--curve` adds two-step with fewer texts of
the target on two pairs.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tailorlm.core.config import validate
from tailorlm.data import read
from tailorlm.evaluation import Predictions, compare
from tailorlm.models.encoder import load_model
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.objectives.domain_distance import mmd
from tailorlm.recipes.fit import fit
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Examples
from tailorlm.weights.features import unit
from tailorlm.weights.full import own_state

SENTIMENT = ("negative", "positive")
SETS = {
    "uci_sentences": "domain",
    "product_reviews": "domain",
    "clothing_reviews": "department",
}  # and where their domain stands
LABELS = {**dict.fromkeys(SETS, SENTIMENT), "hwu64": ("query", "remove", "set"), "sgd": ("do", "find")}
SERVICES = {  # of sgd: intents that look for something, and those that want it done
    "restaurants": (("FindRestaurants",), ("ReserveRestaurant",)),
    "events": (("FindEvents", "GetEventDates"), ("BuyEventTickets",)),
    "stays": (("SearchHotel", "SearchHouse"), ("ReserveHotel", "BookHouse")),
    "appointments": (("FindProvider",), ("BookAppointment",)),
}
PAIRS = (
    ("uci_sentences", "imdb", "yelp"),
    ("product_reviews", "music player", "camera"),
    ("uci_sentences", "yelp", "amazon"),
    ("product_reviews", "camera", "phone"),
    ("uci_sentences", "amazon", "imdb"),
    ("product_reviews", "phone", "dvd player"),
    ("clothing_reviews", "Dresses", "Tops"),
    ("hwu64", "alarm", "calendar"),
    ("sgd", "restaurants", "events"),
    ("hwu64", "calendar", "lists"),
    ("sgd", "events", "stays"),
    ("hwu64", "lists", "alarm"),
    ("sgd", "stays", "appointments"),
)
CURVES = (PAIRS[1], PAIRS[7])
SOURCE, UNLABELLED, TEST, LENGTH = 160, 160, 240, 48
PASSES, TEXT_PASSES = 4, 4
# The middle of what `benchmarks/methods.py` chose for each on validation rows of its own; text moves an adapter at a third of that.
FULL, ADAPTER, TEXT = 1e-4, 3e-3, 1e-3
WAYS = ("source-only", "task-adapter", "domain-distance", "two-step", "target-oracle")


def labelled(name: str, which: str, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of one row that belong to a domain, with their labels; a label that is none of the task's stays as it is."""
    if name == "hwu64":
        if row["scenario"] == which:
            words = {f"{which}_createoradd": "set"}
            yield str(row["text"]), words.get(row["label"], str(row["label"]).removeprefix(f"{which}_"))
    elif name == "sgd":
        words = {intent: label for label, some in zip(("find", "do"), SERVICES[which], strict=True) for intent in some}
        for turn in row["turns"]:
            if "inform_intent" in turn["acts"] and turn.get("intent") in words:
                yield str(turn["text"]), words[turn["intent"]]
    elif row[SETS[name]] == which:
        yield str(row["text"]), {"0": "negative", "1": "positive"}.get(str(row["label"]), str(row["label"]))


def domain(data: Path, name: str, which: str) -> list[tuple[str, str]]:
    """Texts and labels of one domain, each text once, shuffled by their hashes."""
    found = {}
    for file in sorted((data / name).glob("t[re]*.jsonl*")):
        for row in read(str(file)):
            found.update((text.strip(), label) for text, label in labelled(name, which, dict(row.values)))
    return sorted(found.items(), key=lambda pair: hashlib.sha256(pair[0].encode()).hexdigest())


def balanced(rows: list[tuple[str, str]], count: int, labels: tuple[str, ...]) -> list[tuple[str, str]]:
    """The first rows of every label, as many of each, `count` at most."""
    each = [[row for row in rows if row[1] == label] for label in labels]
    most = min(count // len(labels), *map(len, each))
    return [row for part in each for row in part[:most]]


def examples(rows: list[tuple[str, str]], what: str, labels: tuple[str, ...]) -> Examples:
    """Rows as the task takes them."""
    order = random.Random(0).sample(rows, len(rows))
    ids = tuple(f"{what}:{i}" for i in range(len(order)))
    return Examples(ids, tuple(t for t, _ in order), tuple(label for _, label in order), labels)


def split(data: Path, name: str, source: str, target: str) -> dict[str, Any]:
    """Labelled rows of the source; test rows, labelled rows and unlabelled texts of the target, none in two of them but the last two."""
    mine, theirs, labels = domain(data, name, source), domain(data, name, target), LABELS[name]
    least = min(sum(label == wanted for _, label in theirs) for wanted in labels)
    test = balanced(
        theirs, min(TEST, len(labels) * least // 2), labels
    )  # half of what is there, so that the oracle has as many
    left = [row for row in theirs if row not in set(test)]
    return {
        "train": examples(balanced(mine, SOURCE, labels), source, labels),
        "oracle": examples(balanced(left, SOURCE, labels), target, labels),
        "test": examples(test, "test", labels),
        "texts": [text for text, _ in left][:UNLABELLED],
    }


def recipe(way: str, target: Path) -> Recipe:
    """The recipe of one way."""
    train = {"epochs": PASSES, "rows_per_step": 16}
    adapter = {"part": "adapter", "lr": ADAPTER}
    stage: dict[str, Any] = {"weights": adapter, "train": train}
    text = {"part": "masked_lm", "text": str(target), "with_rows": True, "max_length": LENGTH}
    stages = {
        "source-only": [stage | {"weights": {"part": "full", "lr": FULL}}],
        "task-adapter": [stage],
        "domain-distance": [
            stage | {"objective": {"part": "domain_distance", "text": str(target), "max_length": LENGTH}}
        ],
        "two-step": [
            {"weights": adapter | {"lr": TEXT}, "objective": text, "train": train | {"epochs": TEXT_PASSES}},
            stage,
        ],
        "target-oracle": [stage],
    }[way]
    return validate({"name": way, "stages": stages, "task": {"part": "classify", "max_length": LENGTH}}, Recipe)


def divergence(model: Any, one: list[str], other: list[str]) -> dict[str, float]:
    """Squared MMD, and the proxy A-distance 2 (1 - 2 error) of a linear classifier of domains, five folds, of vectors of length one."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    vectors = [unit(embed(model, texts)) for texts in (one, other)]
    both, codes = np.concatenate(vectors), np.repeat([0, 1], [len(one), len(other)])
    right = cross_val_score(LogisticRegression(C=10, max_iter=1000, class_weight="balanced"), both, codes, cv=5).mean()
    return {"mmd": float(mmd(*map(torch.from_numpy, vectors))), "a": float(2 * (2 * right - 1))}


def plain() -> Any:
    """The base as it is."""
    return load_model(resolve("starter"), labels=SENTIMENT, max_length=LENGTH)


def frozen(model: Any) -> bool:
    """Whether every tensor of the base is byte-identical to that of a fresh one."""
    fresh, mine = own_state(plain()), own_state(model)
    return set(fresh) == set(mine) and all(torch.equal(mine[name], value) for name, value in fresh.items())


def run(rows: dict[str, Any], way: str, texts: list[str], folder: Path) -> dict[str, Any]:
    """Fit one way and answer the target's test rows."""
    path = folder / "target.csv"
    path.write_text(
        "text\n" + "".join(json.dumps(text).replace('\\"', '""') + "\n" for text in texts), encoding="utf-8"
    )
    start = time.process_time()
    fitted = fit(recipe(way, path), rows["oracle" if way == "target-oracle" else "train"])
    seconds = time.process_time() - start
    model = fitted.adaptation.model
    answers = fitted.adaptation.answering.answer(rows["test"].inputs).values
    mine, theirs = list(rows["train"].texts), list(rows["test"].texts)
    return {
        "answers": list(answers),
        "accuracy": float(np.mean([a == g for a, g in zip(answers, rows["test"].gold, strict=True)])),
        "seconds": seconds,
        "fitted": divergence(model, mine, theirs),
        "frozen": frozen(model) if way != "source-only" else None,
    }


def cached(folder: Path, key: str, make: Any) -> dict[str, Any]:
    """What is kept under this name, made where it is not."""
    path = folder / f"{key.replace(' ', '_')}.json"
    if not path.is_file():
        path.write_text(json.dumps(make()), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main(data: Path, folder: Path, *, curve: bool) -> None:
    """Run what is missing and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    gold: dict[tuple[str, ...], Examples] = {}
    for pair in PAIRS:
        rows = split(data, *pair)
        gold[pair] = rows["test"]
        found[pair] = {}
        texts = [list(rows["train"].texts), list(rows["test"].texts)]
        before = cached(folder, "-".join((*pair, "base")), lambda t=texts: divergence(plain(), *t))
        for way in WAYS:
            key = "-".join((*pair, way))
            found[pair][way] = cached(folder, key, lambda w=way, r=rows: run(r, w, r["texts"], folder))
            found[pair][way]["base"] = before
        report(found, gold)
    if curve:
        print("\n| pair | texts of the target | accuracy of two-step |\n|---|---:|---:|")
        for pair in CURVES:
            rows, named = split(data, *pair), f"{pair[0]}: {pair[1]} → {pair[2]}"
            for count in (0, 40, 80):
                texts = rows["texts"][:count] or [rows["train"].texts[0]]
                key = "-".join((*pair, "curve", str(count)))
                one = cached(folder, key, lambda t=texts, r=rows: run(r, "two-step", t, folder))
                print(f"| {named} | {count} | {one['accuracy']:.3f} |")
            print(f"| {named} | {len(rows['texts'])} | {found[pair]['two-step']['accuracy']:.3f} |", flush=True)


def report(found: dict[Any, dict[str, Any]], gold: dict[Any, Examples]) -> None:
    """Tables of what is there: accuracy by pair, means with paired tests, divergence before and after."""
    print(f"\n\n{len(found)} of {len(PAIRS)} pairs\n\n| pair | test rows | " + " | ".join(WAYS) + " |")
    print("|---|---:|" + "---:|" * len(WAYS))
    for pair, ways in found.items():
        cells = " | ".join(f"{ways[way]['accuracy']:.3f}" for way in WAYS)
        print(f"| {pair[0]}: {pair[1]} → {pair[2]} | {len(gold[pair])} | {cells} |")
    for what, sets in (("sentiment", set(SETS)), ("intents", set(LABELS) - set(SETS)), ("all", set(LABELS))):
        if some := {pair: ways for pair, ways in found.items() if pair[0] in sets}:
            means = " | ".join(f"{np.mean([ways[way]['accuracy'] for ways in some.values()]):.3f}" for way in WAYS)
            print(f"| **mean, {what}** | {sum(len(gold[pair]) for pair in some)} | {means} |")
    ids = tuple(f"{'-'.join(pair)}:{i}" for pair, rows in gold.items() for i in range(len(rows)))
    right = tuple(label for rows in gold.values() for label in rows.gold)
    every = tuple(sorted({label for labels in LABELS.values() for label in labels}))
    answers = {
        way: [Predictions(ids, right, tuple(a for ways in found.values() for a in ways[way]["answers"]), every)]
        for way in WAYS[:-1]
    }
    judged = compare("accuracy", answers)
    print(f"\nAll test rows together, without the oracle: best {judged.best}.")
    for name, against in judged.against_best.items():
        print(f"- {name}: {against.difference:+.3f}, adjusted p {against.p_adjusted:.3g}: {against.verdict}")
    print(
        "\n| way | MMD² before | after | proxy A-distance before | after | base byte-identical | processor s a pair |"
    )
    print("|---|---:|---:|---:|---:|---|---:|")
    for way in WAYS:
        ones = [ways[way] for ways in found.values()]
        middle = [np.mean([one[when][what] for one in ones]) for what in ("mmd", "a") for when in ("base", "fitted")]
        same = {one["frozen"] for one in ones}
        told = "–" if same == {None} else "yes" if same == {True} else "NO"
        print(
            f"| {way} | "
            + " | ".join(f"{m:.3f}" for m in middle)
            + f" | {told} | {np.mean([o['seconds'] for o in ones]):.0f} |"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    main(Path(arguments[0]), Path(arguments[1]), curve="--curve" in sys.argv)
