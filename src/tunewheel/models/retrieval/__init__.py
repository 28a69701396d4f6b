"""Retrieval: an index of texts by their vectors, their words or both; re-ranking; hard negatives."""

from __future__ import annotations

from tunewheel.models.retrieval.index import How, Index
from tunewheel.models.retrieval.mining import hard_negatives
from tunewheel.models.retrieval.ranking import Hit, fused, reranked
from tunewheel.models.retrieval.words import RetrievalError

__all__ = ["Hit", "How", "Index", "RetrievalError", "fused", "hard_negatives", "reranked"]
