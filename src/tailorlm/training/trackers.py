"""Handing a run's numbers to a tracker that people already use: TensorBoard, trackio, MLflow, Weights & Biases. Off unless asked for.

Numbers alone go out: losses, scores, speeds, and the numbers among the settings. No text, label, row id, file name or path ever does; the only word
is the name of the run. TensorBoard and trackio keep everything in a folder on this machine; MLflow and Weights & Biases send where they are
configured to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError, UsageError

if TYPE_CHECKING:
    from tailorlm.training.job import Event, Listener

TRACKERS = ("tensorboard", "trackio", "mlflow", "wandb")
# Event to the numbers of it that go out. Everything else stays here.
SENT = {
    "step": ("loss", "epoch", "rows", "tokens"),
    "validation": ("score", "loss", "epoch"),
    "needs": ("weights", "gradients", "optimiser"),
    "forecast": ("peak", "state"),
    "trained": ("tokens_per_second", "share_of_peak"),
    "back-off": ("micro_tokens",),
    "spike": ("loss", "usual"),
}
EVERY = 10


@contextmanager
def tracked(name: str, run: str, folder: Path, settings: Mapping[str, Any]) -> Iterator[Listener]:
    """Inside the block what is listened to goes to the tracker `name`; every tenth step of each fit.

    run: the run's name. folder: where trackers that write files do. settings: nested settings, whose numbers are told. Trials of a search have
    charts of their own (`trial 2/loss`). UsageError for an unknown tracker, TailorError where it is not installed. Trackers are accelerate's.
    """
    if name not in TRACKERS:
        raise UsageError(f"there is no tracker '{name}'", allowed=", ".join(TRACKERS))
    import torch
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState(cpu=not torch.cuda.is_available())
    kind = LOGGER_TYPE_TO_CLASS[name]
    tracker = kind(run, str(folder)) if kind.requires_logging_directory else kind(run)
    try:
        tracker.start()
    except ImportError:
        raise TailorError(f"{name} is not installed", hint=f"pip install {name}, or 'tailorlm[track]'") from None
    tracker.store_init_configuration(dict(numbers(settings)))
    phase = {"name": "fit"}
    step = {"last": 0}

    def listen(event: Event) -> None:
        kind = event["event"]
        if kind == "trial":
            phase["name"] = f"trial {event['number']}"
        elif kind == "last-fit":
            phase["name"] = "last fit"
        if kind == "step":
            step["last"] = int(event["step"])
        if kind in SENT and (kind != "step" or step["last"] % EVERY == 0):
            found = {key: float(event[key]) for key in SENT[kind] if isinstance(event.get(key), int | float)}
            tracker.log({f"{phase['name']}/{kind}/{key}": value for key, value in found.items()}, step=step["last"])

    try:
        yield listen
    finally:
        tracker.finish()


def numbers(settings: Mapping[str, Any] | list[Any], path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers among nested settings, by dotted key."""
    items = settings.items() if isinstance(settings, Mapping) else enumerate(settings)
    for key, value in items:
        if isinstance(value, Mapping | list):
            yield from numbers(value, f"{path}{key}.")
        elif isinstance(value, int | float):
            yield f"{path}{key}", float(value)
