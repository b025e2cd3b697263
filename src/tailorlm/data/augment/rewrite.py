"""New wordings by a function of the user's: a paraphrase, a translation there and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.errors import UsageError
from tailorlm.data.augment._draft import Draft, Pool, rewritten

Rewriter = Callable[[list[str], list[int]], Sequence[str | None]]
"""Texts and one seed each to new texts, None where there is none. Called with many at once, so that a model can batch."""


class Rewrite:
    """Asks a function for another wording of each row: any local model behind it.

    The function gets a list of texts and a list of seeds, and gives as many texts back (None where it has none); with
    the same seeds it should give the same. It must raise its own errors: they pass through. Texts it gives back unchanged
    are left out. `there_and_back` makes such a function of two translators.
    Raises UsageError without a function, TailorError when as many texts do not come back.
    Choose it for the most varied rows, where a model is at hand and its time is worth it; the check of labels matters
    most here. From Python alone: a YAML file cannot name a function; it names a model with `paraphrase`.
    """

    class Settings(BaseSettings):
        """Nothing to set: the function decides."""

    name = "rewrite"

    def __init__(self, settings: Settings | None = None, function: Rewriter | None = None):
        self.settings, self.function = settings or self.Settings(), function

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        if self.function is None:
            raise UsageError(
                "the way of augmenting 'rewrite' needs a function that rewrites texts",
                hint="from Python: Rewrite(function=...); in a YAML file take `paraphrase` or `back_translation`",
            )
        texts = [pool.texts[i] for i in origins]
        return rewritten(self.name, list(self.function(texts, list(seeds))) if texts else [], origins, pool)


def there_and_back(there: Rewriter, back: Rewriter) -> Rewriter:
    """A rewriter of two translators, into another language and back; a text that either has no answer for gives None.

    Source: back-translation, Sennrich et al. 2016, arXiv:1511.06709; as augmentation, Xie et al. 2019, arXiv:1904.12848.
    """

    def both(texts: list[str], seeds: list[int]) -> list[str | None]:
        abroad = list(there(texts, seeds))
        known = [i for i, text in enumerate(abroad) if text is not None]
        home = back([text for text in abroad if text is not None], [seeds[i] for i in known])
        found: list[str | None] = [None] * len(texts)
        for i, text in zip(known, home, strict=True):
            found[i] = text
        return found

    return both
