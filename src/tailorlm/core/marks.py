"""Words that stand where a value is missing, the same in files of predictions, on pages and in tables."""

NONE_OF_THESE = "(none of these)"
"""An answer that is none of the labels: too unsure to be given, or written as something else; and the right answer of a row that belongs to none."""
