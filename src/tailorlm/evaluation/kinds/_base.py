"""What a kind of answers is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from tailorlm.evaluation.predictions import Predictions


@runtime_checkable
class AnswerKind(Protocol):
    """What scoring must know of a kind of answers.

    `name` equals the registered name. Gold and predicted answers are plain JSON values; gold may be of a wider form than an
    answer (several texts of which any is right), as `right` understands. A kind may say in `scored_as` that the metrics of another
    kind score it too, and in `may_be_missing` that a predicted answer may be None. A
    kind whose answers stand in the row's text also has `marks(value)`: `[start, end, name]` of each stretch, which
    the report shows in the text.
    """

    name: str

    def fault(self, value: Any, labels: tuple[str, ...]) -> str | None:
        """What is wrong with a predicted or gold answer, in words; None where it is well-formed."""

    def right(self, gold: Any, predicted: Any) -> bool:
        """Whether the answer is wholly right."""

    def shown(self, value: Any) -> str:
        """The answer as a person reads it in a table, on one line."""

    def tables(self, predictions: Predictions) -> dict[str, Any]:
        """Tables that say more than a score, as plain data: their names are keys of `comparison.json`."""

    def cases(self) -> Iterator[Predictions]:
        """Predictions of every awkward form, for the contract of metrics; at least one all right, and one all wrong."""
