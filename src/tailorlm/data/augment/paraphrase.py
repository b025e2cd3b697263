"""New wordings by a local model that writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailorlm.core.config import Settings as BaseSettings
from tailorlm.core.config import setting
from tailorlm.core.errors import UsageError
from tailorlm.data.augment._draft import Draft, Pool, rewritten

TEXT = "{text}"


class Paraphrase:
    """Asks a local model for another wording of each row: an encoder-decoder (T5, BART) or a causal model (Llama, Qwen).

    The model is shown `prompt` with the row's text in it; without one, what suits its kind. Words are drawn at `temperature`
    from a generator of each row's own, so the same seed gives the same rows. What comes back unchanged is left out.
    Raises UsageError without models at hand and for a prompt without {text}, TailorError for a model that cannot write.
    Choose it for the most varied rows, where a model for the language is at hand and its time is worth it; the check of
    labels matters most here. Instead: `back_translation` with two translators; `rewrite` with a function of your own.
    """

    class Settings(BaseSettings):
        """Which model, and how it is asked."""

        model: str = setting(help="a model that writes: a folder, or an id of the hub", min_length=1)
        prompt: str | None = setting(None, help="what it is shown, with {text} in it; without it what suits its kind")
        temperature: float = setting(0.8, ge=0, le=5, help="how freely words are drawn; 0: the likeliest each time")
        top_p: float = setting(0.95, gt=0, le=1, help="draw from the likeliest words that hold this share together")
        longest: int = setting(128, ge=1, le=4096, help="new text, at most", unit="tokens")

    name = "paraphrase"
    needs_models = True

    def __init__(self, settings: Settings, models: Any = None):
        self.settings, self.models = settings, models

    def check(self) -> None:
        """The prompt must have a place for the text."""
        check_prompt(self.settings.prompt)

    def drafts(self, origins: Sequence[int], pool: Pool, seeds: Sequence[int]) -> list[Draft | None]:
        """One draft for each origin."""
        own = self.settings
        texts = [pool.texts[i] for i in origins]
        new = self.models.reworded(own.model, texts, seeds, rewording(own, own.prompt)) if texts else []
        return rewritten(self.name, new, origins, pool)


def rewording(settings: Any, prompt: str | None) -> Any:
    """The settings of a way as the model takes them."""
    from tailorlm.data.steps import Rewording

    return Rewording(prompt, settings.longest, settings.temperature, settings.top_p)


def check_prompt(prompt: str | None) -> None:
    """Raise UsageError for a prompt without a place for the text."""
    if prompt is not None and TEXT not in prompt:
        raise UsageError("a prompt needs a place for the text", got=repr(prompt), allowed="{text} in it, once")
