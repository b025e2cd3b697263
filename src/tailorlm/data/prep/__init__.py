"""Data preparation: files in, steps over all rows, a folder with rows, manifest, card and audit out."""

from tailorlm.data.prep.output import dry_run, prepare
from tailorlm.data.prep.pipeline import Prepared, run
from tailorlm.data.prep.settings import USUAL, PrepSettings, default_out
from tailorlm.data.prep.workplace import working_folder

__all__ = ["USUAL", "PrepSettings", "Prepared", "default_out", "dry_run", "prepare", "run", "working_folder"]
