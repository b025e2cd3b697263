"""`tag`: stretches of a text with a type each: names, slots, any labelling of tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, TailorError, UsageError, near_misses
from tailorlm.data.rows import Row, Rows, as_text
from tailorlm.tasks._lists import heard_spans, spans_schema, written_spans
from tailorlm.tasks._paths import chained, likeliest
from tailorlm.tasks._spans import (
    Marked,
    codes_of,
    from_spans,
    from_tags,
    marks_beginnings,
    outputs_of,
    spans_of,
    words_of,
)
from tailorlm.tasks._windows import windows
from tailorlm.tasks.base import Answers, Asked, Examples, Limits, Target
from tailorlm.tasks.columns import SHOWN, count, has_words, refuse, refuse_faults, row_ids
from tailorlm.tasks.readings import Readings, log_shares


class Tag:
    """Spans with a type, found in running text: names, slots, symptoms, clauses.

    Rows hold tokens with a tag each (BIO, BILOU, BIOES or IO), or a text with spans by character offsets. Words are the given
    tokens, or runs of letters and digits, single signs and single CJK characters; the state of each word's first piece is read.
    Texts longer than `max_length` are read in overlapping windows, each word where it has most around it. Tags are decoded so that
    no illegal sequence comes out; `decoder: crf` also learns which tags follow one another (Lafferty, McCallum & Pereira 2001), which helps most
    where spans are long and the encoder is weak, and costs some time.
    Scores: span F1 (strict, as seqeval counts), F1 by overlap, precision, recall.
    """

    class Settings(config.Settings):
        """Settings of `tag`: the columns, and what is done with what does not fit."""

        text: str = setting(
            "text", help="the column that holds the text, where spans are marked by offsets", min_length=1
        )
        spans: str = setting("spans", help="the column with the spans: lists of start, end, label", min_length=1)
        tokens: str = setting("tokens", help="the column with lists of tokens, where each has a tag", min_length=1)
        tags: str = setting("tags", help="the column with a tag for each token", min_length=1)
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        nested: Literal["refuse", "outermost", "innermost"] = setting(
            "refuse", help="spans inside or across others: refuse them, or keep the longest or the shortest of them"
        )
        illegal: Literal["repair", "refuse"] = setting(
            "repair",
            help="a tag that cannot follow the one before: it begins a span of its own (and is counted), or stops",
        )
        max_length: int = setting(
            256, ge=8, le=131_072, help="longest window; longer texts are read in several", unit="tokens"
        )
        decoder: Literal["viterbi", "crf"] = setting(
            "viterbi",
            help="how tags of neighbours bear on one another: by what is legal alone, or by a learnt chain (a linear-chain CRF)",
        )
        stride: int = setting(32, ge=0, le=4096, help="tokens that two windows of a long text share", unit="tokens")

    answers = "spans"
    limits: Limits = "window"
    metrics = ("span_f1", "span_overlap_f1", "span_precision", "span_recall")
    tokens = True

    def __init__(self, settings: Settings):
        self.settings = settings
        self.target: Target = "chain" if settings.decoder == "crf" else "one"

    # ---- rows

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The column of the text."""
        return (self.settings.text,)

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The column of the spans."""
        return (self.settings.spans,)

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the rows have tokens and tags, or a text and spans; UsageError names the columns there are."""
        self._form(rows, what)
        if self.settings.id and self.settings.id not in rows.columns:
            raise UsageError(f"the {what} rows have no column '{self.settings.id}'", hint="leave --id out")

    def _form(self, rows: Rows, what: str) -> bool:
        """Whether rows hold tokens with tags, rather than a text with spans."""
        s = self.settings
        for pair in ((s.tokens, s.tags), (s.text, s.spans)):
            if set(pair) <= set(rows.columns):
                return pair[0] == s.tokens
        near = [
            f"{role}={found[0]}"
            for role in ("tokens", "tags", "text", "spans")
            if (found := near_misses(role, rows.columns))
        ]
        raise UsageError(
            f"the {what} rows have neither tokens with tags nor a text with spans",
            got=f"columns: {', '.join(rows.columns) or '(none)'}",
            allowed=f"'{s.tokens}' and '{s.tags}', or '{s.text}' and '{s.spans}'",
            hint=" ".join(f"--column {pair}" for pair in near) or "--column tokens=COLUMN --column tags=COLUMN",
        )

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason."""
        every = self._all_marked(rows, "given")
        return {i: marked for i, marked in enumerate(every) if isinstance(marked, str)}

    def _all_marked(self, rows: Rows, what: str) -> list[Marked | str]:
        """The text, words and spans of each row; or what is wrong with it."""
        tagged, tags = self._form(rows, what), self.settings.tags
        begun = tagged and marks_beginnings(
            [as_text(tag) for tag in given] for row in rows if isinstance(given := row.values.get(tags), list)
        )
        return [self._marked(row, tagged, begun) for row in rows]

    def _marked(self, row: Row, tagged: bool, begun: bool) -> Marked | str:
        s = self.settings
        if tagged:
            tokens, tags = row.values.get(s.tokens), row.values.get(s.tags)
            if not isinstance(tokens, list) or not tokens or not all(has_words(token) for token in tokens):
                return f"no list of tokens in the column '{s.tokens}'"
            if not isinstance(tags, list) or len(tags) != len(tokens):
                length = len(tags) if isinstance(tags, list) else "no"
                return f"{len(tokens)} tokens and {length} tags"
            return from_tags(
                [as_text(token) for token in tokens], [as_text(tag) for tag in tags], s.illegal, begun=begun
            )
        text = row.values.get(s.text)
        if not isinstance(text, str) or not text.strip():
            return f"no text in the column '{s.text}'"
        return from_spans(text, row.values.get(s.spans), s.nested)

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into texts with spans.

        labels: the types to hold to; without them the rows' own, at least one. Raises UsageError (columns) and CheckError (rows at fault, no
        span at all, types that train does not have), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        marked = [found for found in self._all_marked(rows, what) if isinstance(found, Marked)]
        gold: tuple[list[list[Any]], ...] = tuple([list(span) for span in row.spans] for row in marked)
        types: list[str] = sorted({span[2] for row in marked for span in row.spans})
        known = tuple(types) if labels is None else tuple(labels)
        if labels is None and not known:
            raise CheckError(
                f"no {what} row has a span" if len(rows) else f"there are no {what} rows",
                allowed="rows with something to find",
                hint=f"are '{self.settings.tags}' or '{self.settings.spans}' the right columns?",
            )
        strange = [i for i, spans in enumerate(gold) if {span[2] for span in spans} - set(known)]
        names = ", ".join(sorted(repr(kind) for kind in set(types) - set(known))[:SHOWN])
        refuse(rows, strange, f"with a type that no train row has ({names})", hint="mend the labels, or add train rows")
        inputs = tuple([row.text, [list(word) for word in row.words]] for row in marked)
        totals = Counter(span[2] for row in marked for span in row.spans)
        # A split keeps the share of the rarest type that a row has.
        strata = tuple(
            min((span[2] for span in row.spans), key=lambda kind: (totals[kind], kind)) if row.spans else "O"
            for row in marked
        )
        ids, texts = row_ids(rows, self.settings.id), tuple(row.text for row in marked)
        return Examples(ids, texts, gold, known, inputs, strata, remarks=_repaired(rows, marked, what))

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """Texts, or mappings with a text or a list of tokens."""
        if isinstance(rows, str | Mapping):
            raise TailorError("predict takes many rows at once", hint="put it in a list: predict([row])")
        found = []
        for number, row in enumerate(rows, 1):
            value: Any = row
            if isinstance(row, Mapping):
                value = row.get(self.settings.tokens, row.get(self.settings.text))
            if isinstance(value, list) and value and all(has_words(token) for token in value):
                marked = from_tags([as_text(token) for token in value], ["O"] * len(value), "repair")
                assert isinstance(marked, Marked)
                found.append([marked.text, [list(word) for word in marked.words]])
            elif isinstance(value, str):
                found.append([value, [list(word) for word in words_of(value)]])
            else:
                allowed = f"a string, or a mapping with '{self.settings.text}' or '{self.settings.tokens}'"
                raise TailorError(f"row {number} has no text", got=type(value).__name__, allowed=allowed)
        return found

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Tags that were repaired, rare types, and spans whose edges lie inside a word, which no answer can meet exactly."""
        found: list[dict[str, object]] = [dict(remark) for remark in train.remarks]
        counts = Counter(span[2] for spans in train.gold for span in spans)
        rare = sorted(kind for kind, n in counts.items() if n < 10)
        if rare:
            message = f"{count(len(rare), 'type')} with fewer than ten spans: hardly learnt, and its score is chance"
            found.append({"code": "rare-type", "message": message, "rows": rare[:SHOWN]})
        inside = [
            row
            for row, (_, words), spans in zip(train.ids, train.inputs, train.gold, strict=True)
            if any(start not in {w[0] for w in words} or end not in {w[1] for w in words} for start, end, _ in spans)
        ]
        if inside:
            message = (
                f"{count(len(inside), 'row')} with a span that begins or ends inside a word: answers are whole words"
            )
            found.append({"code": "span-inside-word", "message": message, "rows": inside[:SHOWN]})
        return found

    # ---- a head on token states

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """`O`, and for each type its first word and its further ones."""
        return outputs_of(labels)

    def read(self, tokenizer: Any, inputs: Sequence[Any], max_length: int) -> Readings:
        """Windows over each text, read at the first piece of each word. detail: (words, word of each place)."""
        return windows(tokenizer, [(text, words) for text, words in inputs], max_length, self.settings.stride)

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """The tag of each place's word, (places,) codes."""
        tags = [
            codes_of(words, spans, examples.labels)
            for (_, words), spans in zip(examples.inputs, examples.gold, strict=True)
        ]
        return [
            tags[row][np.asarray(places, dtype=np.int64)]
            for row, places in zip(readings.rows, readings.detail, strict=True)
        ]

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings,
        inputs: Sequence[Any],
        labels: Sequence[str],
        *,
        votes: bool = False,
        links: np.ndarray | None = None,
    ) -> Answers:
        """The best legal tags of each text as spans. links: the chain's, (tags, tags), where it was learnt.

        detail: for each span its text and the mean probability of its tags. How sure an answer is: the least probable of its tags.
        """
        sizes = [len(words) for _, words in inputs]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        table = np.full((starts[-1], len(outputs_of(labels))), -np.inf if links is None else 0.0)
        read = [starts[row] + np.asarray(places) for row, places in zip(readings.rows, readings.detail, strict=True)]
        if read:
            given = np.concatenate(scores).astype(np.float64)
            if links is None:
                given = np.log(np.clip(given, 1e-9, None)) if votes else log_shares(given)
            table[np.concatenate(read).astype(np.int64)] = given
        if links is None:
            table[np.isneginf(table).all(axis=1), 0] = 0.0  # words of which the tokenizer leaves nothing
            path, chance = likeliest(table, sizes)
        else:
            path, chance = chained(table, sizes, links)
        values, sure = list[Any](), np.ones(len(inputs))
        detail: list[Mapping[str, Any]] = []
        for i, (text, words) in enumerate(inputs):
            here, odds = path[starts[i] : starts[i + 1]], chance[starts[i] : starts[i + 1]]
            spans = spans_of(here, labels) if here.any() else []
            values.append([[words[a][0], words[b - 1][1], kind] for a, b, kind in spans])
            detail.append({"spans": [_told(text, words, span, odds) for span in spans]})
            sure[i] = odds.min(initial=1.0)
        return Answers(values, sure, None, detail)

    # ---- a model that writes

    def ask(self, value: Any) -> Asked:
        """The text."""
        return Asked(value[0])

    def written(self, gold: Any, given: Any) -> str:
        """The spans as a JSON list of objects with `text` and `label`."""
        return written_spans(given[0], gold)

    def choices(self, labels: Sequence[str]) -> list[str]:
        """None: answers are words of the text."""
        return []

    def schema(self, labels: Sequence[str]) -> dict[str, Any]:
        """The JSON that a written answer has: a list of words with their types."""
        return spans_schema(labels)

    def hear(self, text: str | None, labels: Sequence[str], given: Any) -> Any:
        """The spans that were written, found in the text; what stands nowhere in it is left out. None where no list was written."""
        spans, _ = heard_spans(text, given[0], given[1], labels)
        return None if spans is None else [list(span) for span in spans]

    def aside(self, text: str | None, labels: Sequence[str], given: Any) -> dict[str, Any]:
        """The spans with their words, and how many items were `invented`, of `unknown` form or type, or all `unread`."""
        spans, counts = heard_spans(text, given[0], given[1], labels)
        told = [{"start": a, "end": b, "label": kind, "text": given[0][a:b]} for a, b, kind in spans or ()]
        return {"spans": told, **counts}

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """The types."""
        words = {label: label for label in labels}
        return {"kind": "tag", "inputs": (self.settings.text,), "answer": self.settings.spans, "labels": words}

    def cells(self, value: Any, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The spans with their text and how sure each is."""
        return {"predicted": detail["spans"]}


def _repaired(rows: Rows, marked: Sequence[Marked], what: str) -> tuple[dict[str, object], ...]:
    """What is told of tags that could not stand where they stood."""
    where = [row.where for row, found in zip(rows, marked, strict=True) if found.repaired]
    if not where:
        return ()
    total = sum(found.repaired for found in marked)
    message = f"{count(len(where), f'{what} row')} with {count(total, 'tag')} that cannot stand where they stand; each begins a span of its own"
    return ({"code": "illegal-tags", "message": message, "rows": where[:SHOWN]},)


def _told(text: str, words: Sequence[Sequence[int]], span: tuple[int, int, str], chance: np.ndarray) -> dict[str, Any]:
    first, last, kind = span
    start, end = words[first][0], words[last - 1][1]
    score = round(float(chance[first:last].mean()), 4)
    return {"start": start, "end": end, "label": kind, "text": text[start:end], "score": score}
