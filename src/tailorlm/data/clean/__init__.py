"""Text made clean: repair and normalise, lines that recur over documents, measures to filter by, the language."""

from tailorlm.data.clean.language import Guess, identify
from tailorlm.data.clean.measures import MEASURES, measure
from tailorlm.data.clean.recurring import FrequentKeys, line_key, lines_of, template_key, without_lines
from tailorlm.data.clean.repair import RepairOptions, repair

__all__ = [
    "MEASURES",
    "FrequentKeys",
    "Guess",
    "RepairOptions",
    "identify",
    "line_key",
    "lines_of",
    "measure",
    "repair",
    "template_key",
    "without_lines",
]
