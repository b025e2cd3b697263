"""The models that data preparation asks for: vectors of texts, names in them, other wordings of them.

`data/steps` names what it needs (`Models` there) and never imports this room; the command line and the API hand over
`tailorlm.models.for_rows:ForRows` by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tailorlm.models.resolve import BaseModel, resolve

if TYPE_CHECKING:
    from tailorlm.data.steps import Rewording
    from tailorlm.models.encoder import TextModel
    from tailorlm.models.rewriter import Rewriter
    from tailorlm.models.tagger import Tagger

T = TypeVar("T")


class ForRows:
    """Models by name (`starter`, a folder, a hub id); each loads once, when it is first asked for, and stays.

    Raises TailorError, with what to type, for a model that is not there or is of another kind.
    """

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Any] = {}

    def vectors(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (texts, width) of any encoder or causal model, pooled as its folder says (else mean, or last token)."""
        from tailorlm.models.run import embed

        found = embed(self._once("encoder", model, _encoder), texts)
        return np.asarray(found, np.float32)

    def tagger(self, model: str, floor: float) -> Tagger:
        """The token-classification model as a function from texts to spans."""
        from tailorlm.models.tagger import load_tagger

        return self._once("tagger", model, load_tagger).with_floor(floor)

    def reworded(self, model: str, texts: Sequence[str], seeds: Sequence[int], how: Rewording) -> list[str | None]:
        """Another wording of each text, by a model that writes (T5, BART, Marian, Llama, ...)."""
        from tailorlm.models.rewriter import load_rewriter

        rewriter: Rewriter = self._once("rewriter", model, load_rewriter)
        return rewriter.reworded(texts, seeds, how)

    def fingerprint(self, model: str) -> str:
        """sha256 over weights, configuration and tokenizer."""
        return resolve(model).fingerprint

    def _once(self, kind: str, model: str, load: Callable[[BaseModel], T]) -> T:
        if (kind, model) not in self._loaded:
            self._loaded[kind, model] = load(resolve(model))
        found: T = self._loaded[kind, model]
        return found


def _encoder(base: BaseModel) -> TextModel:
    from tailorlm.models.encoder import load_model, sentence_pooling

    return load_model(base, labels=(), pooling=sentence_pooling(base.folder))
