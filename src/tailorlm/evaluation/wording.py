"""Metrics' names as people write them."""

from __future__ import annotations

# Words of names that are written otherwise than in small letters.
_WORDS = {
    "f1": "F1",
    "mcc": "MCC",
    "map": "mAP",
    "rmse": "RMSE",
    "mae": "MAE",
    "bleu": "BLEU",
    "rouge": "ROUGE",
    "ece": "ECE",
    "qwk": "QWK",
}
# Of metrics that end in a place up to which they look.
_TITLES = {
    "ndcg_10": "nDCG@10",
    "mrr_10": "MRR@10",
    "map_100": "MAP@100",
    **{f"recall_{k}": f"Recall@{k}" for k in (1, 5, 10)},
}


def metric_title(name: str) -> str:
    """`macro_f1` -> 'Macro F1'."""
    if name in _TITLES:
        return _TITLES[name]
    title = " ".join(_WORDS.get(word, word) for word in name.replace("_", " ").split())
    return title[:1].upper() + title[1:]


def metric_words(name: str) -> str:
    """A metric inside a sentence: 'accuracy', 'macro F1', 'MCC'."""
    title = metric_title(name)
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
