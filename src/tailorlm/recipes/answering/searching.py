"""How a fitted encoder answers queries: the passages of a pool, by vectors, by words, or by both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.context.retrieval.bm25 import Bm25
from tailorlm.context.retrieval.encoder import unit
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.context.retrieval.text_index import Asked, Found, TextIndex
from tailorlm.context.search import Search
from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel, load_model, sentence_pooling
from tailorlm.models.heads import load_head, save_head
from tailorlm.models.resolve import BaseModel
from tailorlm.models.run import EmbeddingView, embed
from tailorlm.recipes.schema import Recipe
from tailorlm.tasks.base import Answers, SearchTask
from tailorlm.training.search import compared

# Passages that an answer ranks: as many as any score looks at.
DEPTH = 100
PASSAGES = "passages.jsonl"


class SearchAnswering:
    """A task answered by searching a pool. pool: name to text. search: by what; view: vectors of the base shared with other fits, while it is
    the base's own."""

    labels: tuple[str, ...] = ()

    def __init__(
        self,
        task: SearchTask,
        model: TextModel,
        search: Search.Settings,
        pool: Mapping[str, str],
        view: EmbeddingView | None = None,
    ):
        self.task, self.model, self.search, self.pool, self.view = task, model, search, pool, view

    @classmethod
    def of(cls, recipe: Recipe, base: BaseModel, pool: Mapping[str, str]) -> SearchAnswering:
        """For a recipe, with the base's model. Raises TailorError for a pooling that gives no vectors."""
        task = recipe.task.make()
        if recipe.pooling == "native":
            raise TailorError(
                "a search compares pooled vectors, and `native` is a model with a head of its own",
                hint="pooling: mean, or auto",
            )
        pooling = sentence_pooling(base.folder) if recipe.pooling == "auto" else recipe.pooling
        model = load_model(base, labels=(), pooling=pooling, max_length=task.settings.max_length)
        return cls(task, model, search_of(recipe), pool)

    @classmethod
    def open(cls, recipe: Recipe, base: BaseModel, record: Mapping[str, Any]) -> SearchAnswering:
        """From the record that `facts` went into: the base's model, before weights parts and `restore`."""
        model = load_model(base, labels=(), pooling=record["pooling"], max_length=record["max_length"])
        return cls(recipe.task.make(), model, search_of(recipe), {})

    def over(self, pool: Mapping[str, str]) -> SearchAnswering:
        """The same over other passages."""
        return SearchAnswering(self.task, self.model, self.search, pool, self.view)

    @property
    def meant(self) -> bool:
        """Whether meaning counts: vectors are compared."""
        return self.search.retriever != "bm25"

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(texts, width) of length one, as the model stands: pooled, and through the head where one was learned."""
        pooled = embed(self.model, texts) if self.view is None else self.view.take(self.model, texts)
        if self.model.head is None or not len(pooled):
            return unit(pooled)
        import torch

        with torch.inference_mode():
            through = compared(self.model, torch.from_numpy(pooled).to(self.model.device)).cpu().numpy()
        return unit(through)

    @cached_property
    def names(self) -> list[str]:
        """Names of the passages, in the order in which equal scores stay."""
        return list(self.pool)

    @cached_property
    def index(self) -> TextIndex:
        """The pool, read once: with the model as it stood when it was first asked."""
        texts = list(self.pool.values())
        words = Bm25(self.search.k1, self.search.b)
        if self.search.retriever != "dense":
            words.fit(texts)
        return TextIndex(words, self.vectors(self.task.passages(texts)) if self.meant else None)

    def answer(self, inputs: Sequence[Any], ids: Sequence[str] | None = None) -> Answers:
        """The names of the passages found for each input, the best first; the first of them with text and score beside. ids: of the rows, not needed.

        Raises TailorError where there is no pool.
        """
        if not self.pool:
            raise TailorError("there are no passages to search", hint="--column passages=FILE when it is fitted")
        settings = SearchSettings(
            retriever=self.search.retriever, k=DEPTH, depth=DEPTH, dense_weight=self.search.dense_weight
        )
        # Words are those of the query itself: a prefix is for the encoder.
        asked = Asked(list(inputs), self.vectors(self.task.queries(inputs)) if self.meant else None)
        found = self.index.search(asked, settings, lambda place: self.pool[self.names[place]])
        told = self.task.settings.k
        values = [[self.names[hit.position] for hit in hits] for hits in found]
        return Answers(values, detail=[{"passages": [self._shown(hit) for hit in hits[:told]]} for hits in found])

    def _shown(self, hit: Found) -> dict[str, Any]:
        name = self.names[hit.position]
        return {"id": name, "text": self.pool[name], "score": round(float(hit.score), 4)}

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Refused: there are no labels."""
        raise TailorError("a search has no labels to score", hint="predict gives the passages found, with their scores")

    def facts(self) -> dict[str, Any]:
        """What `open` needs again."""
        model = self.model
        return {"pooling": model.pooling, "max_length": model.max_length, "pad_token_id": model.config.pad_token_id}

    def write(self, folder: Path) -> None:
        """Write the passages, and the head where one was learned."""
        lines = [json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in self.pool.items()]
        (folder / PASSAGES).write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
        if self.model.head is not None:
            save_head(self.model.head, folder)

    def restore(self, folder: Path) -> None:
        """Read what `write` wrote."""
        with (folder / PASSAGES).open(encoding="utf-8", errors="surrogatepass") as lines:
            self.pool = {row["id"]: row["text"] for row in map(json.loads, lines)}
        if (folder / "head.json").is_file():
            self.model.head = load_head(folder).to(self.model.device)
        self.model.eval()


def search_of(recipe: Recipe) -> Search.Settings:
    """How a recipe searches: by vectors, where it says nothing."""
    return recipe.context.settings if recipe.context is not None else Search.Settings()
