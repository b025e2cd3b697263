"""The passage index: a folder of documents, cut into passages that can be found by words and by meaning."""

from tailorlm.context.index.documents import ReadSettings
from tailorlm.context.index.passage_index import Passage, PassageIndex
from tailorlm.context.index.questions import Gold, QuestionSettings, bearing, gold_of, gold_places, score_index
from tailorlm.context.index.settings import IndexSettings
from tailorlm.context.index.writing import Change

__all__ = [
    "Change",
    "Gold",
    "IndexSettings",
    "Passage",
    "PassageIndex",
    "QuestionSettings",
    "ReadSettings",
    "bearing",
    "gold_of",
    "gold_places",
    "score_index",
]
