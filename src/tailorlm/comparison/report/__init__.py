"""The report of a comparison: one HTML page, one Markdown page and comparison.json, all from one plain dict."""

from tailorlm.comparison.report.render import render_html, render_markdown, write
from tailorlm.comparison.report.view import COLUMNS, columns, summary_rows

__all__ = ["COLUMNS", "columns", "render_html", "render_markdown", "summary_rows", "write"]
