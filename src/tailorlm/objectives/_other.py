"""What objectives over several tasks share: how another task is named, and how its right answers are learnt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.parts import Part, part_of
from tailorlm.objectives.labels import Labels
from tailorlm.tasks import tasks

if TYPE_CHECKING:
    TaskPart = Part
else:
    TaskPart = part_of(tasks)

# What becomes the name of a folder and of parameters.
NAME = r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$"


class OtherTask(config.Settings):
    """Another task than the recipe's own: its rows, and what is asked about them."""

    name: str = setting(
        "", help="its name in tables and for `tailor predict --task`; that of the file without one", pattern=NAME
    )
    rows: str = setting("", file=True, help="a file with its rows")
    task: TaskPart | None = setting(None, help="what is asked, with its columns; as the recipe's own task without it")
    test: str = setting(
        "", file=True, help="a file with rows it is scored on; a fifth of its rows is held out without one"
    )
    smoothing: float = setting(0.0, ge=0, lt=1, help="label smoothing of its loss")

    @property
    def called(self) -> str:
        """Its name, or what one can be made of its file."""
        stem = Path(self.rows).name.split(".")[0]
        return self.name or "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in stem).strip("-")

    def labels(self) -> Labels:
        """The loss of its right answers."""
        return Labels(Labels.Settings(smoothing=self.smoothing))
