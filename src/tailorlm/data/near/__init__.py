"""Duplicate rows: equal to the letter, equal when normalised, near (MinHash, true Jaccard), alike in meaning (vectors)."""

from tailorlm.data.near.clusters import Cluster, Pair, across, place
from tailorlm.data.near.index import Near, find_near, shingle_for
from tailorlm.data.near.shingles import Shingles
from tailorlm.data.near.signatures import Signatures
from tailorlm.data.near.sketches import Sketch, sketch

__all__ = [
    "Cluster",
    "Near",
    "Pair",
    "Shingles",
    "Signatures",
    "Sketch",
    "across",
    "find_near",
    "place",
    "shingle_for",
    "sketch",
]
