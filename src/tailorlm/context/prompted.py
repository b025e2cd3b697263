"""`prompt`: what a model that writes is shown with every query: an instruction, examples, passages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tailorlm.context.choosers import choosers
from tailorlm.context.prompt import PromptSettings
from tailorlm.context.retrieval.settings import EncoderSettings, SearchSettings
from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.parts import Part, part_of
from tailorlm.models.answers import Writing

if TYPE_CHECKING:
    ChooserPart = Part
else:
    ChooserPart = part_of(choosers)


class Prompted:
    """Instruction, examples and passages before each query, for a model that writes.

    Nothing learns. Choose it when there are few rows or answers change often; with a stage before it, a tuned model is shown the
    same in training and in use. For an encoder take `instruction` or `examples`.
    Sources: Brown et al. 2020 (arXiv:2005.14165) for examples in the prompt, Lewis et al. 2020 (arXiv:2005.11401) for passages.
    """

    class Settings(config.Settings):
        """Settings of `prompt`."""

        instruction: str | None = setting(
            None, help="what is asked, before everything else; without it one is proposed from the task, empty for none"
        )
        examples: ChooserPart | None = setting(None, help="which train rows are shown, and how many")
        encoder: EncoderSettings | None = setting(
            EncoderSettings(), help="the model that finds alike rows by meaning; null: by words alone"
        )
        passages: str | None = setting(None, help="the folder of a passage index (`tailor index build`)")
        search: SearchSettings = setting(SearchSettings(k=3), help="how passages are found, and how many are shown")
        budget: int | None = setting(
            None,
            ge=0,
            le=1_048_576,
            help="what examples and passages of a prompt may have together; null: what the model has room for",
            unit="tokens",
        )
        optimise: int = setting(
            0,
            ge=0,
            le=1_000_000,
            help="prompts asked on validation rows to find the best wording, with or without examples; 0 for none",
            unit="prompts",
        )
        layout: PromptSettings = setting(PromptSettings(), help="how it is all put together")
        writing: Writing = setting(Writing(max_new_tokens=128), help="how answers are written")
        choose: Literal["score", "write"] = setting(
            "score",
            help="labels: the likeliest of them behind the prompt, or written under a rule that allows no other text",
        )
        calibrate: bool = setting(
            False, help="labels: take off what the model says to inputs that say nothing (contextual calibration)"
        )

        form: Literal["free", "held"] = setting(
            "free",
            help="answers that are lists (spans, several labels): written freely, or held to their JSON alone (extra `grammar`)",
        )
        answer_schema: dict[str, Any] | None = setting(
            None, help="a JSON schema that every answer has to follow (extra `grammar`), for text that is JSON"
        )

    needs_rows: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings
