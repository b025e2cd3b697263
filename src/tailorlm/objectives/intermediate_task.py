"""`intermediate_task`: another task's right answers first, from which the stages behind it go on."""

from __future__ import annotations

from typing import ClassVar

from tailorlm.objectives._other import OtherTask


class IntermediateTask:
    """Learn the right answers of another task, broad before narrow; what the body has learnt is where the next stage begins.

    The other task's head is kept and answers (`tailor predict --task`), and it is scored on rows held out of its own after this stage and after
    every later one: the difference is what that stage forgot of it. Penalties of a later stage hold it (`ewc` and `rehearsal` take these rows
    where they name no others). Choose it when a larger labelled set asks something near; where both tasks are wanted at the end, `multi_task`
    learns them together and forgets neither. It can also hurt: compare it with the same recipe without this stage.
    Source: Phang et al. 2018 (arXiv:1811.01088, supplementary training on intermediate labelled tasks).
    """

    class Settings(OtherTask):
        """Settings of `intermediate_task`."""

    learns_from: ClassVar[str] = "task"
    answers: ClassVar[bool] = False

    def __init__(self, settings: Settings):
        self.settings = settings

    @property
    def others(self) -> tuple[OtherTask, ...]:
        """The task that is learnt."""
        return (self.settings,)
