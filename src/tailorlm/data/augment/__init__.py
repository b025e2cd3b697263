"""New train rows from old ones: one file a way, one line in the table.

A way makes drafts of rows (see `_draft.Way`); `augment` asks for as many as each label lacks and keeps those that are no
copies and that a check says still have their label. Third parties add ways through the entry-point group
`tailorlm.augment`.
"""

from __future__ import annotations

from tailorlm.core.registry import Registry
from tailorlm.data.augment._agreement import Agreement
from tailorlm.data.augment._draft import Draft, Pool, Way
from tailorlm.data.augment._run import Augmentation, AugmentSettings, Check, augment, way_of

TABLE = {
    "back_translation": "tailorlm.data.augment.back_translation:BackTranslation",
    "mix": "tailorlm.data.augment.mix:Mix",
    "paraphrase": "tailorlm.data.augment.paraphrase:Paraphrase",
    "rewrite": "tailorlm.data.augment.rewrite:Rewrite",
    "synonyms": "tailorlm.data.augment.synonyms:Synonyms",
    "templates": "tailorlm.data.augment.templates:Templates",
    "typos": "tailorlm.data.augment.typos:Typos",
    "word_drop": "tailorlm.data.augment.word_drop:WordDrop",
    "word_swap": "tailorlm.data.augment.word_swap:WordSwap",
}

WAYS = Registry("way of augmenting", TABLE, "tailorlm.augment")

__all__ = [
    "TABLE",
    "WAYS",
    "Agreement",
    "AugmentSettings",
    "Augmentation",
    "Check",
    "Draft",
    "Pool",
    "Way",
    "augment",
    "way_of",
]
