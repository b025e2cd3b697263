"""`multi_task`: the recipe's own task and others in the same steps, over one body with a head each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.objectives._other import OtherTask
from tailorlm.objectives.labels import Labels


class MultiTask:
    """Learn the train rows' right answers and those of other tasks together: one body, a head for each task.

    Every task has its own rows, columns, labels and kind of answers; a model that writes is asked each in its own words and needs no heads. A pass is
    every own row once, and of each other task as many rows as its share says: `size`: shares as its rows (n), `temperature`: as n^(1/T),
    between sizes and equal ones, `uniform`: all alike. Within a task a label weighs as much as another, and the mean row of each task as much as
    that of the own one, so that a tagged text does not outweigh a label because it has many words. Other tasks are scored on rows held out of
    theirs, and their heads are kept and answer (`tailor predict --task`). Choose it when a related task has rows and the own one few; where the other
    matters only as a start, `intermediate_task` before it; unrelated tasks take capacity and time and give nothing.
    Sources: Caruana 1997 (Machine Learning 28), Raffel et al. 2020 (arXiv:1910.10683, section 3.5.2, mixing by size and temperature).
    """

    class Settings(config.Settings):
        """Settings of `multi_task`."""

        tasks: tuple[OtherTask, ...] = setting(
            (), help="the other tasks: name, rows, and task where it is not as the own one"
        )
        sampling: Literal["temperature", "size", "uniform"] = setting(
            "temperature", help="how many rows of each task come: by their number, all alike, or between the two"
        )
        temperature: float = setting(
            2.0, ge=1, le=1e6, help="shares are as n^(1/temperature): 1 is by size, much more is all alike"
        )
        smoothing: float = setting(0.0, ge=0, lt=1, help="label smoothing of the own task's loss")

    learns_from: ClassVar[str] = "tasks"
    answers: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        self.settings = settings

    @property
    def others(self) -> tuple[OtherTask, ...]:
        """The tasks besides the own one."""
        return self.settings.tasks

    def labels(self) -> Labels:
        """The loss of the own task's right answers."""
        return Labels(Labels.Settings(smoothing=self.settings.smoothing))

    def draws(self, sizes: Sequence[int]) -> list[int]:
        """Rows of each task in a pass. sizes: rows that each has, the own task first; of that all come."""
        power = {"size": 1.0, "uniform": 0.0, "temperature": 1 / self.settings.temperature}[self.settings.sampling]
        return [max(1, round(sizes[0] * (size / sizes[0]) ** power)) for size in sizes]
