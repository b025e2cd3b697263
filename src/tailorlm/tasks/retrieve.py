"""`retrieve`: a query in, the passages that answer it out, the best first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, TailorError, UsageError, near_misses
from tailorlm.data.quality import normalised
from tailorlm.data.read import read
from tailorlm.data.rows import Row, Rows, as_text
from tailorlm.tasks.base import Examples
from tailorlm.tasks.columns import SHOWN, count, has_words, refuse_faults, require_column, row_ids, text_fault

# What columns are usually called, the commonest first.
QUERIES = ("query", "queries", "question", "anchor")
POSITIVES = ("positive", "positives", "positive_passages", "pos", "passage", "answer", "document", "context")
NEGATIVES = ("negative", "negatives", "negative_passages", "hard_negative", "hard_negatives", "neg")
PASSAGES = ("passage", "passages", "text", "document", "content", *POSITIVES[:1])
# Scores look at the first ten: a pool that is no larger says nothing.
LEAST = 11


class Retrieve:
    """Search: which of many passages answer a query; what is learned is an encoder whose vectors lie near for the two.

    Rows are a query with a passage that answers it, or several, and passages that do not, where there are any. Rows of one query are put together.
    Searched is a pool, the same for every way: all passages of the train and test rows, right and wrong ones, and those of the file
    `passages`. Train and validation rows see those of the train rows and the file alone. Passages that differ in white space alone are one.
    Scores: nDCG and MRR at 10, recall at 1, 5 and 10. Choose `classify` with a second text to judge pairs one by one, and `extract`
    for words of a passage; a tuned encoder's folder stands wherever an encoder is named (`tailor index build --encoder FOLDER`).
    """

    class Settings(config.Settings):
        """Settings of `retrieve`: the columns, what else is searched, and what the encoder reads."""

        query: str | None = setting(
            None, help="the column that holds the query; without it query, question or anchor", min_length=1
        )
        positive: str | None = setting(
            None,
            help="the column with a passage that answers, or a list of them; without it by the usual names",
            min_length=1,
        )
        negative: str | None = setting(
            None,
            help="the column with a passage that does not answer, or a list of them; without it by the usual names",
            min_length=1,
        )
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        passages: str | None = setting(
            None, file=True, help="a file or folder of more passages that are searched, a row each", min_length=1
        )
        query_prefix: str = setting("", help="put before each query, where the encoder was trained so ('query: ')")
        passage_prefix: str = setting("", help="put before each passage ('passage: ')")
        max_length: int = setting(
            256,
            ge=8,
            le=131_072,
            help="longest query and longest passage; what is beyond is not read",
            unit="tokens",
        )
        k: int = setting(5, ge=1, le=100, help="how many passages an answer tells", unit="passages")

    answers = "ranking"
    metrics = ("ndcg_10", "mrr_10", "recall_1", "recall_5", "recall_10", "map_100")
    learns: ClassVar[str] = "queries"
    """What stages learn from: queries with passages, since there are no labels."""

    def __init__(self, settings: Settings):
        self.settings = settings

    # ---- columns

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names those there are, and the nearest."""
        for role, usual in (("query", QUERIES), ("positive", POSITIVES)):
            if getattr(self.settings, role) is None and _usual(rows.columns, usual) is None:
                near = [name for word in usual for name in near_misses(word, rows.columns)]
                raise UsageError(
                    f"the {what} rows have no column that is called as those of a {role} usually are",
                    got=f"columns: {', '.join(rows.columns) or '(none)'}",
                    allowed=", ".join(usual),
                    hint=f"--column {role}={near[0] if near else 'COLUMN'}",
                )
        for role in ("query", "positive", "negative", "id"):
            name = getattr(self.settings, role)
            if name is not None:
                require_column(rows, name, what, "--id" if role == "id" else f"--column {role}=")

    def _named(self, columns: Sequence[str]) -> tuple[str, str, str | None]:
        s = self.settings
        query, positive = s.query or _usual(columns, QUERIES), s.positive or _usual(columns, POSITIVES)
        negative = s.negative or _usual(columns, NEGATIVES)
        return str(query), str(positive), negative

    # ---- rows

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason."""
        names = self._named(rows.columns)
        return {i: fault for i, row in enumerate(rows) if (fault := _fault(row, *names)) is not None}

    def gather(self, rows: Rows, *, what: str) -> Rows:
        """The rows, checked, with those of one query put together: its first row, with the passages of all of them in lists.

        Queries are one where they differ in case and white space alone. A passage that one row calls right and another wrong is right.
        Raises UsageError (columns) and CheckError (rows at fault), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        query, positive, negative = self._named(rows.columns)
        found: dict[str, tuple[Row, dict[str, str], dict[str, str]]] = {}
        for row in rows:
            key = " ".join(as_text(row.values[query]).casefold().split())
            _, right, wrong = found.setdefault(key, (row, {}, {}))
            right |= {name_of(text): text for text in _texts(row.values.get(positive))}
            wrong |= {name_of(text): text for text in _texts(row.values.get(negative))} if negative else {}
        if len(found) == len(rows):
            return rows
        kept = []
        for row, right, wrong in found.values():
            values = {**row.values, positive: list(right.values())}
            values |= {negative: [text for name, text in wrong.items() if name not in right]} if negative else {}
            kept.append(Row(values, row.source, row.line))
        note = f"{len(rows):,} rows ask {len(found):,} different queries: the passages of each were put together"
        return Rows(tuple(kept), rows.columns, (*rows.notes, note), rows.bad)

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into queries with names of right and wrong passages, and the pool that holds these.

        Raises UsageError (columns) and CheckError (rows at fault), naming file and line.
        """
        rows = self.gather(rows, what=what)
        if not len(rows):
            raise CheckError(f"there are no {what} rows")
        query, positive, negative = self._named(rows.columns)
        queries = tuple(as_text(value) for value in rows.column(query))
        pool: dict[str, str] = {}
        gold, against = [], []
        for row in rows:
            right = {name_of(text): text for text in _texts(row.values.get(positive))}
            wrong = {name_of(text): text for text in (_texts(row.values.get(negative)) if negative else [])}
            for name, text in (right | wrong).items():
                pool.setdefault(name, text)
            gold.append(list(right))
            against.append(list(wrong))
        ids = row_ids(rows, self.settings.id)
        return Examples(
            ids, queries, tuple(gold), against=tuple(against) if any(against) else (), pool=pool | self._more()
        )

    def _more(self) -> dict[str, str]:
        """The passages of the file that settings name."""
        if self.settings.passages is None:
            return {}
        rows = read(self.settings.passages)
        column = _usual(rows.columns, PASSAGES)
        if column is None:
            raise UsageError(
                f"{self.settings.passages} has no column of passages",
                got=f"columns: {', '.join(rows.columns)}",
                allowed=", ".join(PASSAGES),
            )
        texts = [as_text(value) for value in rows.column(column) if has_words(value)]
        return {name_of(text): text for text in texts}

    def pooled(self, train: Examples, test: Examples) -> tuple[Examples, Examples, list[dict[str, Any]]]:
        """Train and test rows with what each is searched in: the train rows' passages and the file's; for the test rows theirs besides.

        Told is how many test queries ask for a passage that train queries ask for. CheckError where the pool is so small that every score would be 1.
        """
        learnt = self._more() | _passages_of(train)
        pool = learnt | _passages_of(test)
        if len(pool) < LEAST:
            raise CheckError(
                f"only {count(len(pool), 'passage')} would be searched: the first ten would hold every answer, whatever found it",
                allowed=f"{LEAST} passages or more",
                hint="give more rows, or more passages: --column passages=FILE",
            )
        asked = {name for of_row in train.gold for name in of_row}
        shared = [i for i, names in enumerate(test.gold) if asked & set(names)]
        told = []
        if shared:
            ask = "query asks" if len(shared) == 1 else "queries ask"
            message = (
                f"{len(shared)} of {len(test)} test {ask} for a passage that train queries ask for, too: usual in search, and easier "
                "than passages never asked for (the report parts them)"
            )
            told = [{"code": "shared-passages", "message": message, "rows": [test.ids[i] for i in shared[:SHOWN]]}]
        return replace(train, pool=learnt), replace(test, pool=pool), told

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """The queries of rows: strings, or mappings that hold them."""
        if isinstance(rows, str | Mapping):
            raise TailorError(
                "predict takes many rows at once",
                got=f"one {type(rows).__name__}",
                hint="put it in a list: predict([row])",
            )
        return [self._asked(row, number) for number, row in enumerate(rows, 1)]

    def _asked(self, row: str | Mapping[str, Any], number: int) -> str:
        named: object = row
        if isinstance(row, Mapping):
            named = row.get(self.settings.query or _usual(tuple(row), QUERIES) or "")
        if not isinstance(named, str) or not named.strip():
            allowed = f"a string with words, or a mapping with '{self.settings.query or ', '.join(QUERIES)}'"
            raise TailorError(f"row {number} has no query", got=type(named).__name__, allowed=allowed)
        return named

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Queries that are one of their own passages: word for word alike is found by any way, and teaches nothing."""
        same = [
            i
            for i, names in enumerate(train.gold)
            if normalised(train.texts[i]) in {normalised(train.pool[name]) for name in names}
        ]
        if not same:
            return []
        message = (
            f"{len(same)} train {'queries are' if len(same) > 1 else 'query is'} word for word the passage that answers"
        )
        return [{"code": "query-is-passage", "message": message, "rows": [train.ids[i] for i in same[:SHOWN]]}]

    # ---- what an encoder reads, and what is answered

    def queries(self, inputs: Sequence[Any]) -> list[str]:
        """Queries behind their prefix."""
        return [self.settings.query_prefix + str(text) for text in inputs]

    def passages(self, texts: Sequence[str]) -> list[str]:
        """Passages behind their prefix."""
        return [self.settings.passage_prefix + text for text in texts]

    def cells(self, value: Any, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The text of the passage found first (none where nothing was found), and the first `k` with their scores."""
        found = list(detail.get("passages", ()))
        return {"predicted": found[0]["text"] if found else None, "passages": found}


def name_of(text: str) -> str:
    """The name of a passage: 16 hex digits of sha256 over its words, so that white space makes no difference."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _passages_of(examples: Examples) -> dict[str, str]:
    """The passages of these rows, right and wrong ones, by name."""
    names = (name for of_row in (*examples.gold, *examples.against) for name in of_row)
    return {name: examples.pool[name] for name in names}


def _usual(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _texts(value: object) -> list[str]:
    """The passages of a cell: one text or a list of texts."""
    some = value if isinstance(value, list) else [] if value is None else [value]
    return [as_text(one) for one in some if has_words(one)]


def _fault(row: Row, query: str, positive: str, negative: str | None) -> str | None:
    fault = text_fault(row.values.get(query), query)
    if fault is not None:
        return fault
    for column in (positive, negative) if negative else (positive,):
        cell = row.values.get(column)
        some = cell if isinstance(cell, list) else [] if cell is None and column == negative else [cell]
        if isinstance(cell, dict) or any(isinstance(one, list | dict) for one in some):
            return f"neither a text nor a list of texts in the column '{column}'"
        if column == positive and not any(map(has_words, some)):
            return f"no passage that answers in the column '{column}'"
        if isinstance(cell, list) and not all(map(has_words, some)):
            return f"an empty passage in the list of the column '{column}'"
    if negative and {name_of(text) for text in _texts(row.values.get(positive))} & {
        name_of(text) for text in _texts(row.values.get(negative))
    }:
        return f"a passage that answers among those that do not, in the column '{negative}'"
    return None
