"""`rehearsal`: a share of old or general rows in every step."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailorlm.core import config
from tailorlm.core.config import setting


class Rehearsal:
    """Mix rows that must not be forgotten into the steps, so that `share` of a step's rows are theirs.

    `learn: vectors` (encoders): the vector of each text stays where it was when the stage began, 1 - cosine a text; needs no labels, and
    without `rows` takes the general sentences of tailorlm. `learn: labels`: old rows with this task's columns are answered right, by a head
    that was fitted to them when the stage began and stays as it is; without `rows` those of the tasks that earlier stages learnt,
    by the heads they were learnt with. A model that writes learns old rows, or text, as it learns its own.
    `learn: generated` (models that write): what it was trained on is gone, so it learns texts that it wrote itself when the stage began, drawn
    as likely as it says from nothing but the token that texts begin with. It costs `share` of the time. Choose `ewc` where old rows may be looked at
    once alone, `l2_sp` where there are none. Sources: Robins 1995 (rehearsal), Li and Hoiem 2016 (arXiv:1606.09282, learning without
    forgetting), Sun et al. 2020 (arXiv:1909.03329, replay of generated texts).
    """

    class Settings(config.Settings):
        """Settings of `rehearsal`."""

        rows: str = setting(
            "",
            file=True,
            help="a file of old rows or texts; without it general sentences, or (labels) what earlier stages learnt",
        )
        share: float = setting(0.05, ge=0, lt=1, help="share of each step's rows that are old ones")
        learn: Literal["vectors", "labels", "generated"] = setting(
            "vectors",
            help="that their vectors stay as they were, or their labels; or texts that the model itself writes",
        )
        texts: int = setting(
            200, ge=1, le=100_000, help="how many texts are written, where they are generated", unit="texts"
        )
        tokens: int = setting(64, ge=2, le=8192, help="longest of them, where they are generated", unit="tokens")
        column: str = setting("text", help="the column that holds the text, where vectors are kept", min_length=1)
        strength: float = setting(
            1.0,
            ge=0,
            le=1e6,
            help="weight of an old row beside a new one; vectors, whose loss is small, want 10 and more",
        )

    acts_on: ClassVar[Literal["rows"]] = "rows"

    def __init__(self, settings: Settings):
        self.settings = settings
