"""What the tests of comparisons share."""

from small import nine

__all__ = ["nine"]
