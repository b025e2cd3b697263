"""A text model with a head over its vocabulary, so that its body can learn from plain text."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from tailorlm.models.encoder import TextModel
from tailorlm.models.mode import Learner


class Worded(Learner):
    """The body of a text model, and transformers' own vocabulary head of its architecture put on it.

    Parameters of the body go by the names they have in the text model. `made` are the names of head parameters that the folder did not hold:
    those begin afresh and have to learn; a head that came with the model stays as it is. whole: what is called, and gives logits.
    """

    def __init__(self, model: TextModel, kind: Literal["masked", "causal"]):
        super().__init__()
        self.body = model.body
        whole, missing = _from_folder(model, kind)
        self.whole: nn.Module = whole if whole is not None and not missing else Tied(model.transformer)
        own = {id(p) for p in self.body.parameters()}
        head = {name: p for name, p in self.named_parameters() if id(p) not in own}
        for parameter in head.values():
            parameter.requires_grad_(isinstance(self.whole, Tied))
        self.made = sorted(head) if isinstance(self.whole, Tied) else []
        self.to(model.device)


class Tied(nn.Module):
    """A head over the embeddings themselves: one square matrix, which begins as no change, and a bias a token."""

    base_model_prefix = "body"

    def __init__(self, body: Any):
        super().__init__()
        self.body, self.config = body, body.config
        rows, width = body.get_input_embeddings().weight.shape
        self.turn = nn.Linear(int(self.config.hidden_size), width)
        self.words = nn.Linear(width, rows)
        self.words.weight = body.get_input_embeddings().weight
        with torch.no_grad():
            nn.init.eye_(self.turn.weight)
            self.turn.bias.zero_()
            self.words.bias.zero_()

    def get_output_embeddings(self) -> nn.Linear:
        """The projection to the vocabulary."""
        return self.words

    def forward(self, **inputs: Any) -> Any:
        """transformers' answer of the body, with `logits`."""
        output = self.body(**inputs)
        logits: Tensor = self.words(self.turn(output.last_hidden_state))
        output.logits = logits
        return output


def _from_folder(model: TextModel, kind: str) -> tuple[Any, bool]:
    """transformers' model with its head, over the text model's own body, and whether its folder holds no weights for the head."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM
    from transformers.utils import logging

    auto = AutoModelForMaskedLM if kind == "masked" else AutoModelForCausalLM
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        whole, found = auto.from_pretrained(
            model.base.folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except ValueError:  # no such head in this architecture
        return None, True
    finally:
        logging.set_verbosity(level)
    prefix = str(whole.base_model_prefix)
    missing = any(not key.startswith(f"{prefix}.") for key in found["missing_keys"])
    setattr(whole, prefix, model.transformer)
    projection = whole.get_output_embeddings()
    if projection is not None and whole.config.tie_word_embeddings:
        projection.weight = model.transformer.get_input_embeddings().weight  # type: ignore[operator]
    return whole, missing
