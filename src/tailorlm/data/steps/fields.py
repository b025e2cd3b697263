"""Where a row's texts and label stand, and how to change a text while the offsets into it stay right."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tailorlm.core.errors import TailorError
from tailorlm.data.rows import as_text
from tailorlm.data.shapes import Shape

Edit = Callable[[str], str]

_INNER = ("content", "value", "text")
"""Keys under which objects inside a column (turns of a chat, parts of a message) hold their text."""
_NO_TEXT = ("label", "labels", "tags", "spans", "answers", "source", "tools", "score", "id")
"""Roles whose columns hold no text of people: they are carried along, and not repaired."""
_SPEAKERS = ("role", "from")
"""Keys that say who speaks in a turn of a chat."""
_WORD = re.compile(r"\w+|\W")
_LONGEST_BY_LETTER = 2000
"""Longer changed stretches are compared word by word: comparing letters takes quadratic time."""
_MOST_PAIRS = 5_000_000


@dataclass(frozen=True)
class Fields:
    """The columns of a set of rows by what they are for.

    texts: columns that hold text: strings, lists of tokens, or lists of turns. label: the column with the label or the
    labels. spans: a column with objects `{start, end}` into the first text. answers: one with `{text, answer_start}` into
    the text column `answers_in`. codes: columns that hold names of a small set (labels, tags), and no text of people.
    """

    shape: str = "documents"
    texts: tuple[str, ...] = ("text",)
    label: str | None = None
    spans: str | None = None
    answers: str | None = None
    answers_in: str | None = None
    codes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Fields:
        """The fields that `plain` wrote."""
        return cls(**{**plain, "texts": tuple(plain["texts"]), "codes": tuple(plain["codes"])})

    def text(self, values: Mapping[str, Any]) -> str:
        """All text of a row as one string, columns and turns on lines of their own; what copies are found by."""
        if len(self.texts) == 1:
            value = values.get(self.texts[0])
            if type(value) is str:
                return value
        return "\n".join(piece for name in self.texts for piece in _pieces(values.get(name)) if piece)

    def label_of(self, values: Mapping[str, Any]) -> str | None:
        """The label as text, several joined in sorted order; None where there is none."""
        value = values.get(self.label) if self.label is not None else None
        if value is None or value == "":
            return None
        if isinstance(value, list):
            return " | ".join(sorted(as_text(item) for item in value if isinstance(item, str | int | float)))
        try:
            return as_text(value)
        except TailorError:
            return None

    def labels_of(self, values: Mapping[str, Any]) -> list[str]:
        """Each label by itself, for counting; one at most but for rows with several."""
        value = values.get(self.label) if self.label is not None else None
        if isinstance(value, list):
            return [as_text(item) for item in value if isinstance(item, str | int | float)]
        label = self.label_of(values)
        return [] if label is None else [label]

    def change(self, values: dict[str, Any], edit: Edit) -> dict[str, Any]:
        """`values` with every text edited, and spans and answers carried along; the very same object if nothing changed.

        Tokens keep their number: one that an edit would leave empty stays as it is. Roles, ids and labels are no text.
        """
        changed: dict[str, Any] = {}
        plain = (self.answers,) if self.answers is not None and isinstance(values.get(self.answers), str) else ()
        for name in (*self.texts, *plain):
            old = values.get(name)
            new = _edited(old, edit)
            if new is not old:
                changed[name] = new
        return self._carried(values, changed) if changed else values

    def change_all(self, values: dict[str, Any], edit: Edit) -> dict[str, Any]:
        """Like `change`, for every string in every column at any depth, keys of objects too, and for long whole numbers.

        The names of the columns themselves stay.
        """
        changed: dict[str, Any] = {}
        for name, old in values.items():
            new = _edited_all(old, edit)
            if new is not old:
                changed[name] = new
        return self._carried(values, changed) if changed else values

    def prose(self, values: Mapping[str, Any]) -> list[str]:
        """Every string, in any column at any depth, that may speak of people: no labels, tags or roles of turns.

        Tokens of a sentence are one string, with blanks between them.
        """
        found: list[str] = []
        for name, value in values.items():
            if name in self.codes:
                continue
            if self.shape == "tags" and name in self.texts and is_tokens(value):
                found.append(" ".join(value))
            else:
                found += _prose(value)
        return found

    def _carried(self, values: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
        new = {**values, **changed}
        first = self.texts[0] if self.texts else None
        if self.spans is not None and first in changed and isinstance(changed[first], str):
            new[self.spans] = _moved_spans(new.get(self.spans), realign(values[first], changed[first]))
        home = self.answers_in
        if self.answers is not None and home in changed and isinstance(changed[home], str):
            move = realign(values[home], changed[home])
            new[self.answers] = _moved_answers(values.get(self.answers), new.get(self.answers), move, changed[home])
            if _is_place(values.get("answer_start")):
                new["answer_start"] = move(values["answer_start"], False)
        return new


def fields_by_shape(shape: Shape) -> Fields:
    """The fields of rows whose shape is known."""
    columns = {role: (names,) if isinstance(names, str) else tuple(names) for role, names in shape.columns.items()}
    texts = [name for role, names in columns.items() if role not in _NO_TEXT for name in names]
    label = next((columns[role] for role in ("label", "labels") if columns.get(role)), ())
    return Fields(
        shape=shape.name,
        texts=tuple(dict.fromkeys(texts)),
        label=label[0] if len(label) == 1 else None,
        spans=columns.get("spans", (None,))[0],
        answers=columns.get("answers", (None,))[0],
        answers_in=columns.get("context", (None,))[0] if "answers" in columns else None,
        codes=tuple(name for role in ("label", "labels", "tags") for name in columns.get(role, ())),
    )


def realign(old: str, new: str) -> Callable[[int, bool], int]:
    """How places in `old` map to `new`: `move(offset, is_end)`.

    A place inside a stretch that stayed maps exactly; one inside a changed stretch maps to that stretch's beginning, or,
    as the end of a span, to its end, so that a span keeps all that it held.
    """
    shortest = min(len(old), len(new))
    front = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    back = next((i for i in range(shortest - front) if old[-1 - i] != new[-1 - i]), shortest - front)
    inner_old, inner_new = old[front : len(old) - back], new[front : len(new) - back]
    blocks = [(0, front, 0, front, True), *_blocks(inner_old, inner_new, front)]
    blocks.append((len(old) - back, len(old), len(new) - back, len(new), True))

    def move(offset: int, is_end: bool) -> int:
        for begin, end, new_begin, new_end, equal in blocks:
            inside = begin < offset <= end if is_end else begin <= offset < end
            if inside:
                return new_begin + (offset - begin) if equal else (new_end if is_end else new_begin)
        return 0 if offset <= 0 else len(new)

    return move


def _blocks(old: str, new: str, front: int) -> Iterator[tuple[int, int, int, int, bool]]:
    by_letter = max(len(old), len(new)) <= _LONGEST_BY_LETTER
    a: list[str] = list(old) if by_letter else _WORD.findall(old)
    b: list[str] = list(new) if by_letter else _WORD.findall(new)
    at_a, at_b = [front], [front]
    for piece in a:
        at_a.append(at_a[-1] + len(piece))
    for piece in b:
        at_b.append(at_b[-1] + len(piece))
    # Pieces that stand everywhere (blanks in a long run of them) take quadratic time: then they are no anchors.
    times = Counter(b)
    crowded = sum(times[piece] for piece in a) > _MOST_PAIRS
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=crowded).get_opcodes():
        yield at_a[i], at_a[j], at_b[k], at_b[m], tag == "equal"


def is_tokens(value: Any) -> bool:
    """Whether a value is a list of strings, two at least."""
    return isinstance(value, list) and len(value) > 1 and all(isinstance(token, str) for token in value)


def _prose(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _prose(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _SPEAKERS:
                yield from _prose(item)


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield " ".join(value)
        else:
            for item in value:
                yield from _pieces(item)
    elif isinstance(value, dict):
        for key in _INNER:
            yield from _pieces(value.get(key))


def _edited(value: Any, edit: Edit) -> Any:
    if isinstance(value, str):
        new = edit(value)
        return value if new == value else new
    if isinstance(value, list):
        tokens = all(isinstance(item, str) for item in value)
        made = [_edited(item, edit) for item in value]
        if tokens:
            made = [new if new.strip() else old for new, old in zip(made, value, strict=True)]
        return made if any(a is not b for a, b in zip(made, value, strict=True)) else value
    if isinstance(value, dict):
        changed = {key: _edited(value[key], edit) for key in _INNER if key in value}
        if all(changed[key] is value[key] for key in changed):
            return value
        return _with_inner_spans(value, {**value, **changed})
    return value


def _edited_all(value: Any, edit: Edit) -> Any:
    if isinstance(value, str):
        new = edit(value)
        return value if new == value else new
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        if abs(value) < 10**6:  # nothing that is looked for is that short
            return value
        try:
            text = as_text(value)
        except TailorError:
            return value
        new = edit(text)
        return value if new == text else new
    if isinstance(value, list):
        made = [_edited_all(item, edit) for item in value]
        return made if any(a is not b for a, b in zip(made, value, strict=True)) else value
    if isinstance(value, dict):
        names = _edited_keys(value, edit)
        changed = {name: _edited_all(item, edit) for name, item in zip(names, value.values(), strict=True)}
        if all(name in value and changed[name] is value[name] for name in names):
            return value
        return _with_inner_spans(value, changed)
    return value


def _edited_keys(value: dict[str, Any], edit: Edit) -> list[str]:
    """The keys of an object inside a column, which may be values too (`{"ann@firm.org": 3}`); each stays a key of its own."""
    names: dict[str, None] = {}
    for key in value:
        new = first = edit(key)
        number = 2
        while new in names:
            new, number = f"{first} {number}", number + 1
        names[new] = None
    return list(names)


def _with_inner_spans(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A turn of a chat may bring spans into its own text."""
    text, spans = old.get("text"), old.get("spans")
    if isinstance(text, str) and isinstance(spans, list) and isinstance(new.get("text"), str) and new["text"] != text:
        new["spans"] = _moved_spans(spans, realign(text, new["text"]))
    return new


def _moved_spans(spans: Any, move: Callable[[int, bool], int]) -> Any:
    if not isinstance(spans, list):
        return spans
    moved: list[Any] = []
    for span in spans:
        if isinstance(span, dict) and _is_place(span.get("start")) and _is_place(span.get("end")):
            moved.append({**span, "start": move(span["start"], False), "end": move(span["end"], True)})
        elif isinstance(span, list) and len(span) >= 2 and _is_place(span[0]) and _is_place(span[1]):
            moved.append([move(span[0], False), move(span[1], True), *span[2:]])
        else:
            moved.append(span)
    return moved


def _moved_answers(old: Any, edited: Any, move: Callable[[int, bool], int], text: str) -> Any:
    """Answers as SQuAD writes them, `{"text": [..], "answer_start": [..]}`, or as a list of objects.

    old: as they stood in the old text, which says how long they are. edited: the same with their own texts edited, from
    which all else is taken.
    """
    if isinstance(old, dict) and isinstance(old.get("text"), list):
        starts, texts = old.get("answer_start"), old["text"]
        if not isinstance(starts, list) or len(starts) != len(texts):
            return edited
        pairs = [_moved_answer(t, s, move, text) for t, s in zip(texts, starts, strict=True)]
        return {**edited, "text": [t for t, _ in pairs], "answer_start": [s for _, s in pairs]}
    if isinstance(old, list):
        return [_moved_object(a, b, move, text) for a, b in zip(old, edited, strict=True)]
    return edited


def _moved_object(old: Any, edited: Any, move: Callable[[int, bool], int], text: str) -> Any:
    key = next((k for k in ("answer_start", "start") if isinstance(old, dict) and k in old), None)
    if key is None or not isinstance(old.get("text"), str):
        return edited
    new, start = _moved_answer(old["text"], old[key], move, text)
    ends = {"end": start + len(new)} if _is_place(old.get("end")) and _is_place(start) else {}
    return {**edited, "text": new, key: start, **ends}


def _moved_answer(answer: Any, start: Any, move: Callable[[int, bool], int], text: str) -> tuple[Any, Any]:
    if not isinstance(answer, str) or not _is_place(start):
        return answer, start
    begin, end = move(start, False), move(start + len(answer), True)
    return text[begin:end], begin


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
