"""Duplicate rows: equal to the letter, equal when normalised, near (MinHash, true Jaccard), alike in meaning (vectors)."""

from tailorlm.data.near.bar import Bar
from tailorlm.data.near.clusters import Cluster, Pair, across, place
from tailorlm.data.near.index import Near, find_near, shingle_by, shingle_for, typical_length
from tailorlm.data.near.keep import RULES, Given, Rule, choose, damage
from tailorlm.data.near.shingles import Shingles
from tailorlm.data.near.signatures import Signatures
from tailorlm.data.near.sketches import Sketch, sketch
from tailorlm.data.near.vectors import find_semantic

__all__ = [
    "RULES",
    "Bar",
    "Cluster",
    "Given",
    "Near",
    "Pair",
    "Rule",
    "Shingles",
    "Signatures",
    "Sketch",
    "across",
    "choose",
    "damage",
    "find_near",
    "find_semantic",
    "place",
    "shingle_by",
    "shingle_for",
    "sketch",
    "typical_length",
]
