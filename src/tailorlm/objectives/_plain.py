"""What objectives on plain text share: where the text comes from."""

from __future__ import annotations

from collections.abc import Sequence

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, UsageError


class PlainSettings(config.Settings):
    """Settings of objectives on plain text."""

    text: str | None = setting(
        None,
        file=True,
        help="file or folder of plain text to learn from; the train rows' own texts without it",
        min_length=1,
    )
    column: str = setting("text", help="the column that holds the text", min_length=1)
    max_length: int = setting(
        512, ge=8, le=131_072, help="longest piece; longer texts are cut into several", unit="tokens"
    )


class HeadSettings(PlainSettings):
    """Settings of objectives that need a head or decoder over the vocabulary, which is made where the base brings none."""

    warm_up: int = setting(
        1,
        ge=0,
        le=1000,
        help="passes in which what the base does not bring (a head, a decoder) learns alone, but for the last pass",
        unit="passes",
    )


def texts_of(
    settings: PlainSettings, ids: Sequence[str], texts: Sequence[str], *, both: bool = False
) -> tuple[list[str], list[str]]:
    """Names and texts to learn from: those of `settings.text`, or the ones given. CheckError when there is none with a word in it.

    both: the ones given besides those of the file.
    """
    if settings.text is None:
        pairs = list(zip(ids, texts, strict=True))
    else:
        from tailorlm.data import as_text, read

        rows = read(settings.text)
        if settings.column not in rows.columns:
            raise UsageError(
                f"{settings.text} has no column '{settings.column}'",
                got=", ".join(rows.columns),
                hint="objective.column names the one with the text",
            )
        pairs = [(row.where, as_text(value)) for row, value in zip(rows, rows.column(settings.column), strict=True)]
        pairs += zip(ids, texts, strict=True) if both else ()
    kept = [(name, text) for name, text in pairs if text.strip()]
    if not kept:
        raise CheckError("there is no text to learn from", got=settings.text or "the train rows hold none")
    return [name for name, _ in kept], [text for _, text in kept]
