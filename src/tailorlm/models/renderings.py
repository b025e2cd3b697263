"""Many conversations rendered at once: what is learned of all of them, what was cut, and which rows have nothing to learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorlm.core.errors import CheckError, TailorError
from tailorlm.models.chat import Chat, Learn, Nothing, Rendered

NAMED = 5


@dataclass
class Renderings:
    """Rows ready to be learned from.

    rows, names: in order, without those that have nothing to learn, which `empty` names with the reason (it holds none of their text).
    """

    rows: list[Rendered] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    empty: dict[str, str] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Of all rows."""
        return sum(len(row.ids) for row in self.rows)

    @property
    def targets(self) -> int:
        """Tokens that are learned, of all rows."""
        return sum(row.targets for row in self.rows)

    def counts(self) -> dict[str, int]:
        """Rows and tokens, and what had to be cut: rows whose prompt was, turns that went, rows whose answer was."""
        return {
            "rows": len(self.rows),
            "nothing_to_learn": len(self.empty),
            "tokens": self.tokens,
            "learned": self.targets,
            "prompts_cut": sum(row.cut > 0 for row in self.rows),
            "turns_cut": sum(row.turns_cut for row in self.rows),
            "answers_cut": sum(row.answer_cut > 0 for row in self.rows),
        }

    def check(self, most_empty: int | None = 0) -> Renderings:
        """Raise CheckError for more rows with nothing to learn than `most_empty` (None: any number), or where none is left."""
        shown = "; ".join(f"{name}: {reason}" for name, reason in list(self.empty.items())[:NAMED])
        more = f" and {len(self.empty) - NAMED} more" if len(self.empty) > NAMED else ""
        if not self.rows:
            raise CheckError("no row has anything to learn", got=shown + more or "no rows")
        if most_empty is not None and len(self.empty) > most_empty:
            raise CheckError(
                f"{len(self.empty)} of {len(self.empty) + len(self.rows)} rows have nothing to learn",
                got=shown + more,
                hint="mend these rows, or leave them out",
            )
        return self


def render_all(
    chat: Chat, records: Iterable[tuple[str, Mapping[str, Any]]], *, max_length: int | None = None, learn: Learn = "all"
) -> Renderings:
    """Render records (`{"messages", "tools"}`, as `data.shapes` makes of every spelling), each with its row's name.

    Raises TailorError, naming the row, for what no row should do to a template (`Chat.render` says which).
    """
    found = Renderings()
    for name, record in records:
        try:
            row = chat.render(record["messages"], tools=record.get("tools"), max_length=max_length, learn=learn)
        except Nothing as reason:
            found.empty[name] = reason.what
        except TailorError as error:
            raise type(error)(f"{name}: {error.what}", got=error.got, allowed=error.allowed, hint=error.hint) from None
        else:
            found.rows.append(row)
            found.names.append(name)
    return found
