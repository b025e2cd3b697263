"""The page itself: one HTML file that loads nothing and runs no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tailorlm.data.prep.page.view import view
from tailorlm.data.prep.pipeline import Prepared

# Nothing may be loaded and no script may run, not even the page's own: there is none.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_HERE = Path(__file__).parent


def render(manifest: dict[str, Any], prepared: Prepared) -> str:
    """The audit as HTML. Texts may hold anything (markup, control characters): they are shown, never interpreted."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["n"] = lambda value: f"{value:,}"
    return environment.get_template("audit.html").render(v=view(manifest, prepared), policy=POLICY) + "\n"
