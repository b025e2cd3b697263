"""Makes comparisons for the report: the plain dict of comparison.json, the same for equal arguments."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

WAYS: dict[str, tuple[str, str, float, float, float, int, int]] = {
    # name: title, summary, accuracy, fit seconds, ms per row, trainable parameters, bytes stored
    "zero-shot": ("Zero-shot", "rows against the labels' names; no labelled row is used", 0.612, 0.0, 2.9, 0, 41_000),
    "nearest": ("Nearest examples", "the most similar train rows vote", 0.803, 1.9, 3.0, 0, 402_000),
    "features-lr": (
        "Features + logistic regression",
        "a classical classifier on the frozen model's vectors",
        0.869,
        2.6,
        2.9,
        9_625,
        79_000,
    ),
    "features-svm": (
        "Features + linear SVM",
        "a classical classifier on the frozen model's vectors",
        0.862,
        2.2,
        2.9,
        9_625,
        79_000,
    ),
    "head": (
        "Head only",
        "a linear head learns by gradient descent, the body is frozen",
        0.846,
        21.0,
        2.9,
        9_625,
        39_800,
    ),
    "top-layers": ("Top layers", "the last two blocks and the head learn", 0.873, 61.0, 2.9, 3_560_000, 14_300_000),
    "bitfit": ("BitFit", "only the bias vectors and the head learn", 0.851, 88.0, 2.9, 39_000, 160_000),
    "lora": (
        "LoRA",
        "low-rank matrices beside frozen projections, and the head, learn",
        0.868,
        96.1,
        3.1,
        123_456,
        1_234_567,
    ),
    "full": ("Full fine-tuning", "every parameter learns", 0.880, 154.0, 2.9, 22_722_841, 90_900_000),
}
# fmt: off
LABELS = [
    "card_arrival", "card_linking", "exchange_rate", "card_payment_wrong_exchange_rate", "extra_charge_on_statement",
    "pending_cash_withdrawal", "fiat_currency_support", "card_delivery_estimate", "automatic_top_up",
    "card_not_working", "exchange_via_app", "lost_or_stolen_card", "age_limit", "pin_blocked",
    "contactless_not_working", "top_up_by_bank_transfer_charge", "pending_top_up", "cancel_transfer",
    "top_up_limits", "wrong_amount_of_cash_received", "card_payment_fee_charged",
    "transfer_not_received_by_recipient", "supported_cards_and_currencies", "getting_virtual_card",
    "card_acceptance",
]
# fmt: on
TEXTS = (
    "I am still waiting on my card?",
    "What can I do if my card still hasn't arrived after 2 weeks?",
    "Why was I charged an extra pound when I paid abroad, the rate in the app was not the one on my statement.",
    "How do I link a new card",
    "The ATM gave me 20 instead of 100 and the app still says that the withdrawal is pending!",
    "Is there a limit to top-ups?",
)
HOSTILE = (
    "</svg></title></style><script>alert(1)</script><img src=x onerror=alert(2)>"
    '" onmouseover="alert(3)\' {{ 7*7 }} |a`b`|\x1b[31m\u202e&lt;'
)


def make(
    ways: int = 9, labels: int = 25, test_rows: int = 3080, seeds: int = 1, train_rows: int = 250
) -> dict[str, Any]:
    """A full comparison of up to nine ways; numbers are made up but hang together."""
    draw = random.Random(f"{ways} {labels} {test_rows} {seeds}")
    names = list(WAYS)[-ways:]
    label_names = [
        LABELS[i] if i < len(LABELS) else f"{LABELS[i % len(LABELS)]}_{i // len(LABELS) + 1}" for i in range(labels)
    ]
    best = max(names, key=lambda name: WAYS[name][2])
    recommended = "features-lr" if "features-lr" in names else best
    result = {
        "format": "tailorlm-comparison",
        "version": 1,
        "tailorlm": "0.1.0",
        "created": "2026-11-21T10:00:00Z",
        "seconds": 412.3,
        "title": "bank.csv",
        "repeat": "tailor compare bank/train.csv --test bank/test.csv --text text --label intent --out runs/bank",
        "task": {"name": "classify", "text": "text", "label": "intent", "labels": label_names},
        "base": {"name": "starter", "origin": "sentence-transformers/all-MiniLM-L6-v2", "fingerprint": "9f3c" * 16},
        "data": _data(train_rows, test_rows),
        "settings": _settings(seeds),
        "metric": {"name": "accuracy", "version": 1, "higher_is_better": True},
        "metrics": ["accuracy", "macro_f1"],
        "ways": [_way(name, best, test_rows, seeds, draw) for name in names],
        "best": best,
        "recommended": recommended,
        "reason": _reason(recommended, best, names),
        "next": [
            "tailor fit bank/train.csv --recipe runs/bank/recipes/features-lr.yaml --out model",
            "tailor predict model new.csv",
        ],
        "environment": _environment(),
    }
    result.update(_labels(label_names, test_rows, draw))
    result.update(_rows(names, label_names, draw))
    return result


def hostile() -> dict[str, Any]:
    """Every text that a user, a model or a file can bring in tries to get out of its place."""
    result = make(labels=4)
    evil = copy.deepcopy(result)
    for key in ("title", "reason", "repeat"):
        evil[key] = HOSTILE
    evil["next"] = [HOSTILE]
    evil["task"]["labels"] = [HOSTILE + str(i) for i in range(4)]
    evil["confusion"]["labels"] = evil["task"]["labels"]
    evil["base"].update(name=HOSTILE, origin=HOSTILE, fingerprint=HOSTILE)
    evil["data"]["train"].update(source=HOSTILE, fingerprint=HOSTILE)
    evil["data"]["notes"] = [HOSTILE]
    evil["data"]["findings"] = [{"code": HOSTILE, "message": HOSTILE, "rows": [HOSTILE]}]
    evil["settings"][HOSTILE] = HOSTILE
    evil["environment"][HOSTILE] = HOSTILE
    for way in evil["ways"]:
        way.update(title=f"{way['title']} {HOSTILE}", summary=HOSTILE, runs=[HOSTILE], verdict=way["verdict"])
        way["recipe"] = {"name": HOSTILE, HOSTILE: [HOSTILE]}
        way["search"] = [[{"settings": {HOSTILE: HOSTILE}, "score": 0.5, "loss": None, "epochs": 1, "fault": HOSTILE}]]
        way["chosen"] = [{HOSTILE: HOSTILE}]
    evil["ways"][0].update(status="failed", error=HOSTILE, scores={}, cost={})
    for entry in evil["per_label"]:
        entry["label"] = HOSTILE
    for pair in evil["most_confused"]:
        pair.update(gold=HOSTILE, predicted=HOSTILE + "2")
    for row in (*evil["disagreements"], *evil["all_wrong"]):
        row.update(id=HOSTILE, text=HOSTILE * 3, gold=HOSTILE, answers=dict.fromkeys(row["answers"], HOSTILE + "?"))
    return evil


def fail(result: dict[str, Any], name: str) -> dict[str, Any]:
    """The same comparison in which one way failed."""
    changed = copy.deepcopy(result)
    for way in changed["ways"]:
        if way["name"] == name:
            error = "CUDA out of memory. Tried to allocate 2.50 GiB\n  try: a smaller --batch, or a smaller --base"
            way.update(
                status="failed", error=error, scores={}, chosen=[], search=[], cost={}, against_best=None, verdict=None
            )
    return changed


def edge_scores() -> dict[str, Any]:
    """Scores of 0 and 1, and times from nothing to days."""
    result = make(labels=10)
    result["ways"][0]["scores"]["accuracy"].update(value=0.0, low=0.0, high=0.0)
    result["ways"][-1]["scores"]["accuracy"].update(value=1.0, low=1.0, high=1.0)
    result["ways"][1]["cost"]["fit_seconds"] = 1e-7
    result["ways"][2]["cost"]["fit_seconds"] = 900_000
    return result


def no_cost_at_all() -> dict[str, Any]:
    """Ways that took no time at all."""
    result = make(ways=4, labels=3)
    for way in result["ways"]:
        way["cost"].update(fit_seconds=0, last_fit_seconds=0.0, predict_ms_per_row=0.0004)
    return result


def _data(train_rows: int, test_rows: int) -> dict[str, Any]:
    findings = [
        {
            "code": "conflicting-labels",
            "message": "2 texts stand twice with different labels.",
            "rows": ["bank/train.csv:12", "bank/train.csv:87"],
        },
        {
            "code": "near-duplicates",
            "message": "1 test row is nearly the same as a train row.",
            "rows": ["bank/test.csv:301"],
        },
    ]
    return {
        "train": {"source": "bank/train.csv", "rows": train_rows, "fingerprint": "1b2c" * 16},
        "validation": {"rows": train_rows // 5, "taken_from": "train", "trial_rows": train_rows - train_rows // 5},
        "test": {"source": "bank/test.csv", "rows": test_rows, "fingerprint": "77aa" * 16},
        "notes": ["3 rows without a label were left out of training.", "Labels were read as text; '007' stays '007'."],
        "findings": findings,
    }


def _settings(seeds: int) -> dict[str, Any]:
    return {
        "seeds": list(range(seeds)),
        "metric": "accuracy",
        "level": 0.95,
        "search_rows": 2000,
        "refit": True,
        "volume": 10000,
    }


def _environment() -> dict[str, Any]:
    return {
        "python": "3.11.7",
        "torch": "2.13.0",
        "transformers": "5.23.1",
        "peft": "0.21.0",
        "processor": "AMD EPYC",
        "cores": 2,
        "memory_bytes": 25_276_514_304,
        "commit": None,
    }


def _reason(recommended: str, best: str, names: list[str]) -> str:
    head = f"{recommended}: {WAYS[recommended][2]:.3f} accuracy"
    if len(names) == 1:
        return f"{head}, the only way compared."
    if recommended == best:
        return f"{head}, the best, and no dearer than any way that cannot be told apart from it."
    return (
        f"{head} cannot be told apart from the best ({best}, {WAYS[best][2]:.3f}; difference 1.1 points, p = 0.21) "
        f"and takes {WAYS[recommended][3]} s to fit instead of {WAYS[best][3]:.0f} s."
    )


def _way(name: str, best: str, n: int, seeds: int, draw: random.Random) -> dict[str, Any]:
    title, summary, accuracy, fit, per_row, trainable, stored = WAYS[name]
    noise = (accuracy * (1 - accuracy) / max(n, 2)) ** 0.5
    against = _against(accuracy - WAYS[best][2], noise) if name != best else None
    per_seed = [round(accuracy + (draw.uniform(-0.01, 0.01) if seeds > 1 else 0), 4) for _ in range(seeds)]
    low, high = accuracy - 2 * noise, min(1.0, accuracy + 2 * noise)
    macro = {"value": accuracy - 0.007, "low": accuracy - 0.03, "high": accuracy + 0.02, "n": n, "per_seed": per_seed}
    cost = {"fit_seconds": fit, "last_fit_seconds": fit / 3, "predict_ms_per_row": per_row, "stored_bytes": stored}
    cost |= {"peak_memory_bytes": 420_000_000 + trainable * 16, "trainable_parameters": trainable}
    return {
        "name": name,
        "title": title,
        "summary": summary,
        "status": "ok",
        "error": None,
        "runs": [f"{name}-s{seed}-ab12cd34" for seed in range(seeds)],
        "scores": {
            "accuracy": {"value": accuracy, "low": low, "high": high, "n": n, "per_seed": per_seed},
            "macro_f1": macro,
        },
        **_search(name, accuracy, seeds),
        "cost": cost,
        "against_best": against,
        "verdict": "best" if against is None else "worse" if against["p_adjusted"] < 0.05 else "cannot be told apart",
        "recipe": _recipe(name),
    }


def _against(gap: float, noise: float) -> dict[str, Any]:
    p = max(0.0002, math.erfc(-gap / noise / 2**0.5))
    interval = {"difference": gap, "low": gap - 1.96 * noise, "high": gap + 1.96 * noise}
    bootstrap = {"p_bootstrap": p, "p_adjusted": min(1.0, 3 * p)}
    mcnemar = {"p_mcnemar": min(1.0, 1.2 * p), "p_mcnemar_adjusted": min(1.0, 4 * p), "rows_won": 59, "rows_lost": 94}
    return interval | bootstrap | mcnemar


def _search(name: str, accuracy: float, seeds: int) -> dict[str, Any]:
    if name in {"zero-shot", "nearest"}:
        return {"chosen": [{}] * seeds, "search": [[]] * seeds}
    key = "stages.0.weights.C" if name.startswith("features") else "stages.0.weights.lr"
    tries = [
        {"settings": {key: rate}, "score": accuracy - 0.01 * abs(i - 2), "loss": 0.61 + 0.02 * i, "epochs": 5 + i}
        for i, rate in enumerate([0.0001, 0.0003, 0.001, 0.003])
    ]
    return {
        "chosen": [{key: 0.001, "epochs": 7} for _ in range(seeds)],
        "search": [copy.deepcopy(tries) for _ in range(seeds)],
    }


def _recipe(name: str) -> dict[str, Any]:
    train = {"epochs": 7, "patience": 2}
    return {
        "name": name,
        "method": name,
        "base": "starter",
        "task": {"part": "classify", "text": "text", "label": "intent"},
        "stages": [{"weights": {"part": name, "lr": 1e-3}, "objective": {"part": "labels"}, "train": train}],
        "context": None,
    }


def _labels(names: list[str], test_rows: int, draw: random.Random) -> dict[str, Any]:
    size = len(names)
    each = max(1, test_rows // size)
    counts = [[0] * size for _ in names]
    for i in range(size):
        wrong = min(each, int(each * draw.choice([0.02, 0.05, 0.1, 0.2, 0.35, 0.6]))) if size > 1 else 0
        for _ in range(wrong):
            counts[i][draw.choice([(i + 1) % size, (i + 3) % size, draw.randrange(size)])] += 1
        counts[i][i] += each - wrong
    per_label = []
    for i, name in enumerate(names):
        predicted = sum(row[i] for row in counts) or 1
        precision, recall = counts[i][i] / predicted, counts[i][i] / each
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        per_label.append({"label": name, "n": each, "precision": precision, "recall": recall, "f1": f1})
    pairs = [(counts[i][j], names[i], names[j]) for i in range(size) for j in range(size) if i != j and counts[i][j]]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    most = [{"gold": gold, "predicted": predicted, "count": amount} for amount, gold, predicted in pairs[:12]]
    return {"per_label": per_label, "confusion": {"labels": names, "counts": counts}, "most_confused": most}


def _rows(ways: list[str], labels: list[str], draw: random.Random) -> dict[str, Any]:
    disagreements, all_wrong = [], []
    for i in range(30):
        gold, other = labels[i % len(labels)], labels[(i + 1) % len(labels)]
        third = labels[(i + 2) % len(labels)]
        text = TEXTS[i % len(TEXTS)]
        answers = {way: draw.choice([gold, gold, other, third]) for way in ways}
        disagreements.append({"id": f"bank/test.csv:{12 + 7 * i}", "text": text, "gold": gold, "answers": answers})
        wrong = {way: draw.choice([other, other, third]) for way in ways}
        all_wrong.append({"id": f"bank/test.csv:{13 + 9 * i}", "text": text, "gold": gold, "answers": wrong})
    return {
        "disagreements": disagreements if len(ways) > 1 else [],
        "all_wrong": all_wrong if len(labels) > 2 else [],
        "all_wrong_total": 95,
    }
