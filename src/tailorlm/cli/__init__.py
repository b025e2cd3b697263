"""The command line: one file per verb; each parses, calls, prints."""

from __future__ import annotations


def main() -> None:
    """Entry point of `tailor`."""
    from tailorlm.cli.app import run

    run()
