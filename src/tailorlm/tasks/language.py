"""`language`: plain text; how well a model expects it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError
from tailorlm.data.rows import Rows, as_text
from tailorlm.tasks.base import Examples, Limits
from tailorlm.tasks.columns import count, refuse_faults, require_column, row_ids, text_fault, texts_given


class Language:
    """Just text: nothing is asked and nothing answered; a model is scored by how much each text surprises it.

    Scores: bits per byte, which compares any two models, and perplexity per token. Every token is scored once, with as many before it as
    the model has positions for. The base must be a model that writes. Choose it to see what continued pre-training on a domain's text
    brings, or which of several models knows the domain.
    """

    class Settings(config.Settings):
        """Settings of `language`: the columns, and how much is read at once."""

        text: str = setting("text", help="the column that holds the text", min_length=1)
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        max_length: int = setting(
            1024,
            ge=8,
            le=1_048_576,
            help="longest piece that is read at once; longer texts go by windows",
            unit="tokens",
        )

    answers = "surprise"
    limits: Limits = "prompt"
    metrics = ("bits_per_byte", "perplexity")
    learns: ClassVar[str] = "text"
    """What stages learn from: text, since there are no labels."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names those there are."""
        for name, flag in ((self.settings.text, "--text"), (self.settings.id, "--id")):
            if name:
                require_column(rows, name, what, flag)

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows without text, by index."""
        column = self.settings.text
        read = ((i, text_fault(value, column)) for i, value in enumerate(rows.column(column)))
        return {i: fault for i, fault in read if fault is not None}

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and take their texts. Raises UsageError (columns) and CheckError (rows at fault), naming file and line."""
        self.columns(rows, what=what)
        if not len(rows):
            raise CheckError(f"there are no {what} rows")
        refuse_faults(rows, self.faults(rows))
        texts = tuple(as_text(value) for value in rows.column(self.settings.text))
        return Examples(row_ids(rows, self.settings.id), texts, (None,) * len(texts))

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[str]:
        """The texts of rows: strings, or mappings that hold the text column."""
        return texts_given(rows, self.settings.text)

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Texts that stand there more than once: a model learns them by heart."""
        seen: dict[str, list[str]] = {}
        for name, text in zip(train.ids, train.texts, strict=True):
            seen.setdefault(text, []).append(name)
        twice = [names for names in seen.values() if len(names) > 1]
        message = f"{count(len(twice), 'text')} that stand{'s' if len(twice) == 1 else ''} there twice or more"
        rows = [" = ".join(names[:3]) for names in twice[:8]]
        return [{"code": "repeated-texts", "message": message, "rows": rows}] if twice else []

    def cells(self, value: Any, detail: Mapping[str, Any]) -> dict[str, Any]:
        """Bits per byte and perplexity of the text, and how many tokens it has; empty where nothing could be scored."""
        nats, tokens, size = value
        bits = round(nats / math.log(2) / size, 4) if size else None
        perplexity = round(math.exp(min(700.0, nats / tokens)), 4) if tokens else None
        return {"bits_per_byte": bits, "perplexity": perplexity, "tokens": tokens}
