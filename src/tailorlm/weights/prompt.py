"""`prompt`: vectors shown as tokens in front of every text, and the head, learn. Stands on PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.weights import _peft
from tailorlm.weights._virtual import Front
from tailorlm.weights.base import TrainedPart, WeightsSettings

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


class Prompt(TrainedPart):
    """Train the vectors of a few tokens in front of every text, and the head (prompt tuning).

    The smallest adaptation of all, one text of vectors a task, so that tasks can share a batch. Weak on models below billions of
    parameters and slow to learn (Lester et al., figure 1): choose `prefix`, which speaks to every block, or `lora` there. Texts lose as many
    positions as there are tokens. Our own poolings read the text's states and not the prompt's; native encoder heads read the first
    position, which is the prompt's, as PEFT's do. Saved in PEFT's layout. Source: Lester et al. 2021 (arXiv:2104.08691), peft 0.21
    `tuners/prompt_tuning`.
    """

    class Settings(WeightsSettings):
        """Settings of `prompt`."""

        lr: float = setting(1e-2, gt=0, le=10, help="learning rate", search=(3e-3, 1e-2, 5e-2))
        tokens: int = setting(16, ge=1, le=1000, help="vectors in front of each text", unit="tokens")
        start: Literal["vocabulary", "random"] = setting(
            "vocabulary", help="what the vectors begin as: words drawn from the vocabulary, or numbers of size one"
        )

    settings: Settings
    wraps: ClassVar[bool] = True
    folds: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._front = Front(settings.tokens, shown=True)

    def attach(self, model: TextModel) -> list[str]:
        """Wrap the body with PEFT; the prompt and the head learn. TailorError where the model takes no vectors for tokens."""
        import peft

        drawn = self.settings.start == "vocabulary"
        config = peft.PromptTuningConfig(
            task_type=_peft.task_type(model),
            num_virtual_tokens=self.settings.tokens,
            token_dim=model.width,
            num_layers=1,  # not read, but asked for: architectures name theirs differently
            num_attention_heads=1,
            num_transformer_submodules=1,
            prompt_tuning_init="SAMPLE_VOCAB" if drawn else "RANDOM",
            modules_to_save=_peft.native_heads(model),
        )
        names = self._front.put(model, config)
        if names is None:
            raise TailorError(
                "prompt tuning does not work with this model's own head",
                got=f"{model.config.model_type}, pooling: native",
                hint="--pooling mean, or --method lora",
            )
        return names

    def detach(self, model: TextModel) -> None:
        """Take the prompt off again; the base is as it was."""
        self._front.take_off(model)

    def save(self, model: TextModel, folder: Path) -> None:
        """Write PEFT's own files, free of absolute paths."""
        _peft.save(model, folder)

    def load(self, model: TextModel, folder: Path) -> None:
        """Wrap a fresh base with the saved prompt."""
        self._front.load(model, folder, "a prompt")
