"""What a penalty is: asked once before the first step, then a loss of the weights alone, once a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

Term = Callable[[], "Tensor"]


class Scene(Protocol):
    """What a penalty may look at before the first step.

    learning: parameters that learn, by name, with the values they start from. head: those of them that belong to the new task's head.
    """

    learning: Mapping[str, nn.Parameter]
    head: frozenset[str]

    def old(self, file: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of an earlier task, one by one: scores (places, labels) of its head, with gradients, and codes (places,).

        file: of its rows; "" for the tasks that earlier stages learnt. count: rows of each. UsageError where there are none."""


class Penalty(Protocol):
    """A registered penalty, made with its settings."""

    def begin(self, scene: Scene) -> Term:
        """The loss to add, as a function of the weights as they will be."""
