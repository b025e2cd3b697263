"""PDF, through the optional pypdf: the text of its pages."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from tailorlm.core.errors import TailorError
from tailorlm.data.documents import document
from tailorlm.data.rows import BadRow, Row
from tailorlm.data.source import Source

MAX_PAGES = 20_000


def read_pdf(source: Source) -> Iterator[Row | BadRow]:
    """One row: `text` (pages parted by a blank line), `title`, `source`, and `pages`: where each page begins in the text.

    pages: offsets in characters, one for each page; they hold for the text as it was read.
    Raises TailorError when pypdf is not installed, the file is damaged or needs a password, or no page holds text
    (scanned paper: it needs OCR first, which tailorlm does not do).
    """
    try:
        import pypdf
    except ImportError as exc:
        raise TailorError(
            f"{source.name} needs the package 'pypdf', which is not installed",
            hint="pip install 'tailorlm[documents]', or extract the text first: pdftotext",
        ) from exc
    with source.file() as file, _silent():
        try:
            pdf = pypdf.PdfReader(file, strict=False)
            if pdf.is_encrypted and not pdf.decrypt(""):
                raise TailorError(f"{source.name} is protected by a password", hint="save it without one")
            texts = _texts(source, pdf)
            title = _title(pdf)
        except TailorError:
            raise
        except Exception as exc:  # pypdf meets broken files with errors of every kind
            raise _damaged(source, exc) from exc
    yield _document(source, texts, title)


def _texts(source: Source, pdf: Any) -> list[str]:
    count = len(pdf.pages)
    if not count:
        raise TailorError(f"{source.name} has no pages")
    if count > MAX_PAGES:
        raise TailorError(f"{source.name} has {count:,} pages", allowed=f"at most {MAX_PAGES:,}", hint="cut it")
    return [_clean(page.extract_text()) for page in pdf.pages]


def _document(source: Source, texts: list[str], title: str | None) -> Row:
    empty = sum(not text for text in texts)
    if empty == len(texts):
        raise TailorError(
            f"{source.name} holds no text: its {_pages(len(texts))} only pictures (scanned paper?)",
            hint="run OCR on it first, e.g. ocrmypdf in.pdf out.pdf",
        )
    if empty:
        source.notes.append(f"{source.name}: {empty:,} of {len(texts):,} pages hold no text (pictures need OCR)")
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + 2 * bool(text)
    whole = "\n\n".join(text for text in texts if text)
    return document(source, whole, title, {"pages": [min(start, len(whole)) for start in starts]})


def _title(pdf: Any) -> str | None:
    title = pdf.metadata.title if pdf.metadata else None
    return _clean(title) if isinstance(title, str) else None


def _clean(text: str) -> str:
    """PDF knows glyphs, not characters: halves of pairs and NULs are remains of fonts, no text."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "").strip()


def _pages(count: int) -> str:
    return "one page holds" if count == 1 else f"{count:,} pages hold"


def _damaged(source: Source, exc: Exception) -> TailorError:
    if "cryptography" in str(exc):
        return TailorError(
            f"{source.name} is encrypted, and the package 'cryptography', which opens it, is not installed",
            hint="pip install cryptography, or save the file without protection",
        )
    if type(exc).__name__ == "LimitReachedError":
        return TailorError(
            f"{source.name} swells too far when it is unpacked",
            got="a part of it beyond the limits of pypdf",
            hint="if you trust the file, print it into a new PDF",
        )
    return TailorError(
        f"{source.name} is a damaged PDF document, or it is cut",
        got=type(exc).__name__,
        hint="fetch it again, or open it in a viewer and print it into a new PDF",
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """pypdf logs what it meets in broken files; the user's text must not get into a log."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
