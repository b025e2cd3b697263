"""New wordings by translation into another language and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.data.augment._draft import Draft, Pool, rewritten
from tailorlm.data.augment.paraphrase import check_prompt, rewording
from tailorlm.data.augment.rewrite import there_and_back


class BackTranslation:
    """Translates each row with one local model and back with another (or the same with two prompts).

    Raises UsageError for a prompt without {text}, TailorError for a model that cannot write.
    Source: Sennrich et al. 2016, arXiv:1511.06709; as augmentation, Xie et al. 2019, arXiv:1904.12848.
    Choose it where translators for the language are at hand (the Marian models are small): meaning is kept better than by
    a free paraphrase, and the new rows are less varied. Instead: `paraphrase`.
    """

    class Settings(BaseSettings):
        """The two translators, and how they are asked."""

        there: str = setting(help="the model into the other language: a folder, or an id of the hub", min_length=1)
        back: str = setting(help="the model back", min_length=1)
        prompt_there: str = setting(
            "{text}", help="what the first is shown, e.g. 'translate English to German: {text}'"
        )
        prompt_back: str = setting("{text}", help="what the second is shown")
        temperature: float = setting(0.7, ge=0, le=5, help="how freely words are drawn; 0: the likeliest each time")
        top_p: float = setting(0.95, gt=0, le=1, help="draw from the likeliest words that hold this share together")
        longest: int = setting(256, ge=1, le=4096, help="new text, at most", unit="tokens")

    name = "back_translation"
    needs_models = True

    def __init__(self, settings: Settings, models: Any = None):
        self.settings, self.models = settings, models

    def check(self) -> None:
        """Both prompts must have a place for the text."""
        check_prompt(self.settings.prompt_there)
        check_prompt(self.settings.prompt_back)

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        own = self.settings

        def there(texts: list[str], seeds: list[int]) -> Sequence[str | None]:
            found: Sequence[str | None] = self.models.reworded(
                own.there, texts, seeds, rewording(own, own.prompt_there)
            )
            return found

        def back(texts: list[str], seeds: list[int]) -> Sequence[str | None]:
            found: Sequence[str | None] = self.models.reworded(own.back, texts, seeds, rewording(own, own.prompt_back))
            return found

        texts = [pool.texts[i] for i in origins]
        return rewritten(self.name, there_and_back(there, back)(texts, list(seeds)) if texts else [], origins, pool)
