"""What learns beside a model's body and head: other heads, a projection, a classifier of domains."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from tailorlm.models.encoder import TextModel
from tailorlm.models.mode import Learner


class Beside(Learner):
    """Body and head of a text model under their own names, and further modules under theirs.

    more: by name, which is neither `body` nor `head`. made: names of all their parameters. The body is the model's as it stands: make this
    when its weights part is on.
    """

    def __init__(self, model: TextModel, more: Mapping[str, nn.Module]):
        super().__init__()
        self.body, self.head = model.body, model.head
        for name, module in more.items():
            self.add_module(name, module.to(model.device))
        self.made = [f"{name}.{inner}" for name, module in more.items() for inner, _ in module.named_parameters()]
