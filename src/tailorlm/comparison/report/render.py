"""The report as files: one HTML page, one Markdown page, and the comparison itself as JSON."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from tailorlm.comparison.report.markdown import page
from tailorlm.comparison.report.view import view
from tailorlm.core.atomic import write_bytes

# Behind punctuation inside a word, and wherever the last 28 characters brought no chance to break.
_BREAKS = re.compile(r"(?<=[_/:;,-])(?=\w)|(?<=[^\s_/:;,-]{28})(?=[^\s_/:;,-])")

# Nothing may be loaded and no script may run, not even the page's own: there is none.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_HERE = Path(__file__).parent


def render_html(result: dict[str, Any]) -> str:
    """The comparison as one self-contained HTML page: no request, no script, light and dark, for screen and paper.

    result: the content of comparison.json. Equal input gives equal output. Texts, labels and error messages may hold
    anything (markup, control characters): they are shown, never interpreted. Long texts are cut to 600 characters.
    Choose `render_markdown` for a pull request or a wiki. Example: `page = render_html(result)`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(px=_px, soft=_soft)
    shown = view(plain(result))
    shown["contents"] = _contents(shown)
    return environment.get_template("report.html").render(v=shown, policy=POLICY) + "\n"


def render_markdown(result: dict[str, Any]) -> str:
    """The comparison as GitHub Markdown: the answer, the table and the lists, without pictures.

    result: the content of comparison.json. Texts and labels stand in code spans, so that no markup, link or mention in
    them comes to life. Choose `render_html` for pictures. Example: `page = render_markdown(result)`.
    """
    return page(view(plain(result)))


def write(result: dict[str, Any], folder: str | Path) -> None:
    """Write report.html, report.md and comparison.json into `folder`, which is made if it is missing.

    Each file is finished or not there. Numbers that are not finite become null in the JSON, which knows none.
    Raises TailorError when the place cannot be written. Example: `write(result, Path("runs/compare-1"))`.
    """
    result, folder = plain(result), Path(folder)
    text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    pages = {"report.html": render_html(result), "report.md": render_markdown(result)}
    folder.mkdir(parents=True, exist_ok=True)
    # A lone surrogate cannot be written as UTF-8, but JSON has an escape for it: \udXXX.
    write_bytes(folder / "comparison.json", text.encode("utf-8", "backslashreplace"))
    for name, content in pages.items():
        write_bytes(folder / name, content.encode("utf-8"))


def plain(value: Any) -> Any:
    """A deep copy in JSON's own types: tuples as lists, keys as text, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _contents(shown: dict[str, Any]) -> list[tuple[str, str]]:
    parts = [
        ("picture", "Quality against cost", shown["pictures"]),
        ("ways", "All ways", True),
        ("steps", "Step by step", shown["steps"]),
        ("reading", "How to read this", True),
        ("data", "The rows", True),
        ("labels", "Label by label", shown["per_label"] or shown["most_confused"] or shown["label_count"]),
        ("found", "What was found", shown["found_at"]),
        ("sure", "How sure, how right", shown["reliability"] or shown["coverage"]),
        ("levels", "Level by level", shown["levels"]),
        ("quotes", "What was quoted", shown["quotes"]),
        ("groups", "Where it goes wrong", shown["groups"]),
        ("disagreements", "Disagreements", shown["scored"] > 1),
        ("all-wrong", "Wrong in every way" if shown["scored"] > 1 else "Wrong answers", shown["scored"]),
        ("search", "Search", shown["search"]),
        ("recipes", "Recipes", shown["recipes"]),
        ("repeat", "How to repeat this", True),
        ("failed", "Failed", shown["failed"]),
    ]
    return [(name, title) for name, title, there in parts if there]


def _px(value: float) -> str:
    """A coordinate with at most one decimal, written the same way everywhere."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _soft(text: str) -> Any:
    """Text that may break behind its punctuation, and within runs that would not fit on a phone; escaped."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_BREAKS.split(text))  # join escapes every piece
