"""`extract`: a question and a context in, the stretch of the context that answers it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, TailorError
from tailorlm.data.rows import Row, Rows
from tailorlm.data.shapes import SHAPES, Unfit
from tailorlm.tasks._quotes import SPARE, best_stretches, found_in, read_contexts, trimmed
from tailorlm.tasks.base import Answers, Asked, Examples, Limits, Target
from tailorlm.tasks.columns import SHOWN, count, refuse_faults, require_column, row_ids, text_fault
from tailorlm.tasks.readings import Readings, log_shares

NOTHING = "no answer"
NONE: dict[str, Any] = {"text": "", "start": None}


class Extract:
    """A question answered by a stretch of its context, or by the word that the context holds no answer.

    Rows are those of SQuAD: question, context, and answers with the character at which each begins (any of them is right; none at all says that the
    context holds no answer). Question and context are read as one pair; a head gives each piece of the context two scores, as the beginning and
    as the end of the answer, and one place more stands for `no answer` (Devlin et al. 2019, arXiv:1810.04805). Scores of a window are shares of
    it, `no answer` included, so that windows of a long context can be compared (Clark and Gardner 2018, arXiv:1710.10723). A model that
    writes is shown both and writes the words, which are then looked for in the context.
    Scores: token F1 and exact match as SQuAD 2.0 counts them. For answers in other words than the context's, take `generate`.
    """

    class Settings(config.Settings):
        """Settings of `extract`: the columns, how long contexts are read, and when there is no answer."""

        question: str = setting("question", help="the column that holds the question", min_length=1)
        context: str = setting("context", help="the column that holds the text with the answer", min_length=1)
        answers: str = setting(
            "answers",
            help="the column with the right answers: SQuAD's lists, or a text that stands in the context",
            min_length=1,
        )
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        max_length: int = setting(
            384,
            ge=8,
            le=131_072,
            help="longest window of question and context; longer contexts are read in several",
            unit="tokens",
        )
        stride: int = setting(128, ge=0, le=4096, help="tokens that two windows of a long context share", unit="tokens")
        longest: int | None = setting(
            None, ge=1, le=1_000_000, help="longest answer; without it that of the train rows", unit="characters"
        )
        no_answer: bool | None = setting(
            None, help="whether `no answer` may be answered; without it where a train row has none"
        )
        threshold: float | None = setting(
            None,
            ge=-1e6,
            le=1e6,
            help="how much likelier than the best stretch `no answer` must be; without it found on the validation rows",
            unit="nats",
        )
        candidates: int = setting(5, ge=1, le=100, help="answers that are told, the best first", unit="answers")

    answers = "quote"
    limits: Limits = "window"
    metrics = ("token_f1", "exact_match")
    target: Target = "place"
    tokens = True

    def __init__(self, settings: Settings):
        self.settings = settings

    # ---- rows

    @property
    def text_columns(self) -> tuple[str, str]:
        """The columns that an input is made of."""
        return self.settings.question, self.settings.context

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The column of the right answers."""
        return (self.settings.answers,)

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names those there are, and the nearest."""
        for role in ("question", "context", "answers", "id"):
            name = getattr(self.settings, role)
            if name:
                require_column(rows, name, what, "--id" if role == "id" else f"--column {role}=")

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason."""
        return {i: read for i, row in enumerate(rows) if isinstance(read := self._read(row), str)}

    def _read(self, row: Row) -> tuple[str, str, list[dict[str, Any]]] | str:
        """Question, context and right answers of a row; or what is wrong with it."""
        s = self.settings
        for column in (s.question, s.context):
            fault = text_fault(row.values.get(column), column)
            if fault is not None:
                return fault
        try:
            roles = {"question": s.question, "context": s.context, "answers": s.answers}
            record = SHAPES.get("extract")().record(row.values, roles)
        except Unfit as unfit:
            misplaced = "an answer that does not stand in its context, or not where it says, in the column"
            unknown = "neither a text nor answers in the form of SQuAD in the column"
            return f"{misplaced if unfit.what.startswith('answer ') else unknown} '{s.answers}'"
        context, found = record["context"], []
        for answer in record["answers"]:
            start, end = trimmed(context, answer["start"], answer["start"] + len(answer["text"]))
            if start < end:
                found.append({"text": context[start:end], "start": start})
        return record["question"], context, [one for i, one in enumerate(found) if one not in found[:i]]

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into questions with contexts and answers.

        labels: given for rows that are scored alone; without it these are rows to learn from, of which one must have an answer. Raises UsageError
        (columns) and CheckError (rows at fault, no answer at all), naming file and line.
        """
        self.columns(rows, what=what)
        refuse_faults(rows, self.faults(rows))
        if not len(rows):
            raise CheckError(f"there are no {what} rows")
        read = [made for row in rows if not isinstance(made := self._read(row), str)]
        if labels is None and not any(answers for _, _, answers in read):
            raise CheckError(
                f"no {what} row has an answer",
                hint=f"is '{self.settings.answers}' the right column? the columns are: {', '.join(rows.columns)}",
            )
        return Examples(
            row_ids(rows, self.settings.id),
            tuple(asked_text(question, context) for question, context, _ in read),
            tuple(answers for _, _, answers in read),
            (),
            tuple([question, context] for question, context, _ in read),
            tuple("answered" if answers else NOTHING for _, _, answers in read),
            # Questions about one text stay together: a context that was learnt from would flatter every way.
            tuple(context for _, context, _ in read),
        )

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """Questions with contexts, of mappings that hold both; answers in them are not looked at."""
        if isinstance(rows, str | Mapping):
            raise TailorError("predict takes many rows at once", hint="put it in a list: predict([row])")
        columns, found = self.text_columns, []
        for number, row in enumerate(rows, 1):
            values = [row.get(column) if isinstance(row, Mapping) else None for column in columns]
            for column, value in zip(columns, values, strict=True):
                if not isinstance(value, str) or not value.strip():
                    raise TailorError(
                        f"row {number} has no text '{column}'",
                        got=type(row if not isinstance(row, Mapping) else value).__name__,
                        allowed=f"a mapping with texts '{columns[0]}' and '{columns[1]}'",
                    )
            found.append(values)
        return found

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Rows without an answer, and equal questions about one context that are answered in different places."""
        found: list[dict[str, object]] = []
        none = [row for row, gold in zip(train.ids, train.gold, strict=True) if not gold]
        if none:
            message = f"{count(len(none), 'row')} without an answer: `no answer` may be answered, from a threshold on"
            found.append({"code": "no-answer", "message": message, "rows": none[:SHOWN]})
        places: dict[str, set[str]] = {}
        for text, gold in zip(train.texts, train.gold, strict=True):
            places.setdefault(text, set()).add(repr(gold))
        several = {text for text, golds in places.items() if len(golds) > 1}
        if several:
            rows = [row for row, text in zip(train.ids, train.texts, strict=True) if text in several]
            message = f"{count(len(several), 'question')} that stand more than once, with different answers"
            found.append({"code": "several-answers", "message": message, "rows": rows[:SHOWN]})
        return found

    # ---- a head on token states

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Two scores a piece: as the beginning and as the end of the answer."""
        return ("start", "end")

    def settle(self, train: Examples) -> dict[str, Any]:
        """Settings that the train rows decide: `longest`, `no_answer`."""
        longest = max((len(answer["text"]) for gold in train.gold for answer in gold), default=1)
        told = {"longest": longest, "no_answer": not all(train.gold)}
        return {name: value for name, value in told.items() if getattr(self.settings, name) is None}

    def read(self, tokenizer: Any, inputs: Sequence[Any], max_length: int) -> Readings:
        """Windows over each context behind its question; the first place of each stands for `no answer`."""
        return read_contexts(tokenizer, inputs, max_length, self.settings.stride)

    def targets(self, readings: Readings, examples: Examples) -> list[np.ndarray]:
        """(2,): the places of beginning and end of the first right answer that the window holds; 0 and 0 where it holds none."""
        found = []
        for row, window in zip(readings.rows, readings.detail, strict=True):
            ends = ((one["start"], one["start"] + len(one["text"])) for one in examples.gold[row])
            place = next((held for start, end in ends if (held := window.places_of(start, end)) is not None), (-1, -1))
            found.append(np.array(place, dtype=np.int64) + 1)
        return found

    def decode(
        self,
        scores: Sequence[np.ndarray],
        readings: Readings,
        inputs: Sequence[Any],
        labels: Sequence[str],
        *,
        votes: bool = False,
    ) -> Answers:
        """The likeliest stretch of each context, or none. detail: the best ones with the probability of both their ends, in their window."""
        values: list[Any] = []
        sure = np.zeros(len(inputs))
        detail: list[Mapping[str, Any]] = []
        for i, (none, ranked) in enumerate(self._ranked(scores, readings, inputs)):
            told: list[tuple[dict[str, Any], float]] = [
                (_stretch(inputs[i][1], start, end), score) for score, start, end in ranked
            ]
            place = self._place_of_none(none, [score for _, score in told])
            if place is not None:
                told.insert(place, (NONE, none))
            del told[self.settings.candidates :]
            values.append(dict(told[0][0]))
            sure[i] = np.exp(told[0][1])
            detail.append({"candidates": [one | {"score": round(float(np.exp(score)), 4)} for one, score in told]})
        return Answers(values, sure, None, detail)

    def _place_of_none(self, none: float, scores: Sequence[float]) -> int | None:
        """Where `no answer` ranks among stretches with falling scores (log probabilities); None where it is no answer."""
        if not scores:
            return 0
        if self.settings.no_answer is False:
            return None
        if none - scores[0] > (self.settings.threshold or 0.0):
            return 0
        return max(1, sum(score >= none for score in scores))

    def _ranked(
        self, scores: Sequence[np.ndarray], readings: Readings, inputs: Sequence[Any]
    ) -> list[tuple[float, list[tuple[float, int, int]]]]:
        """For each input how likely `no answer` is, and its best stretches (log probability, start, end), the best first."""
        none = np.zeros(len(inputs))
        best: list[dict[tuple[int, int], float]] = [{} for _ in inputs]
        longest, wanted = self.settings.longest or 1_000_000, self.settings.candidates + SPARE
        for part, row, window in zip(scores, readings.rows, readings.detail, strict=True):
            logs = log_shares(np.asarray(part, np.float64).T)
            none[row] = min(none[row], float(logs[:, 0].sum()))
            for score, one, other in best_stretches(logs[0, 1:], logs[1, 1:], window.offsets, longest, wanted):
                place = trimmed(inputs[row][1], int(window.offsets[one, 0]), int(window.offsets[other, 1]))
                if place[0] < place[1]:
                    best[row][place] = max(best[row].get(place, -np.inf), score)
        ranked = [
            sorted(((score, *place) for place, score in some.items()), key=lambda one: (-one[0], *one[1:]))
            for some in best
        ]
        return list(zip(none.tolist(), ranked, strict=True))

    def choose(
        self, scores: Sequence[np.ndarray], readings: Readings, examples: Examples, *, votes: bool = False
    ) -> dict[str, Any]:
        """Settings that validation rows decide: the `threshold` at which most of the right answers' characters are met."""
        if self.settings.threshold is not None or self.settings.no_answer is False or all(examples.gold):
            return {}
        margins, gains = [], []
        for (none, ranked), gold in zip(self._ranked(scores, readings, examples.inputs), examples.gold, strict=True):
            if ranked:
                margins.append(none - ranked[0][0])
                gains.append(_shared(ranked[0][1:], gold) - float(not gold))
        return {"threshold": best_margin(np.array(margins), np.array(gains))} if margins else {}

    # ---- a model that writes

    def ask(self, value: Sequence[str]) -> Asked:
        """The context, then the question."""
        return Asked(asked_text(*value))

    def written(self, gold: Sequence[Mapping[str, Any]], given: Any) -> str:
        """The words of the first right answer; `no answer` where there is none."""
        return str(gold[0]["text"]) if gold else NOTHING

    def choices(self, labels: Sequence[str]) -> list[str]:
        """None: answers are words of the context."""
        return []

    def hear(self, text: str | None, labels: Sequence[str], given: Sequence[str]) -> dict[str, Any] | None:
        """The stretch of the context that was written (see `found_in`); without a start where it does not stand there."""
        if text is None:
            return None
        said = text.strip()
        if said.casefold().strip(" .!\"'") in (NOTHING, ""):
            return dict(NONE)
        place = found_in(given[1], said)
        return _stretch(given[1], *place) if place is not None else {"text": said, "start": None}

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """What is asked with, and what to write where there is no answer."""
        s = self.settings
        nothing = NOTHING if s.no_answer else ""
        return {"kind": "extract", "inputs": self.text_columns, "answer": s.answers, "nothing": nothing}

    def cells(self, value: Mapping[str, Any] | None, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The words with their offsets in the context, and the candidates with how likely each is."""
        one = NONE | {"text": None} if value is None else value
        end = one["start"] + len(one["text"]) if one["start"] is not None else None
        more = {"candidates": detail["candidates"]} if "candidates" in detail else {}
        return {"predicted": one["text"], "start": one["start"], "end": end, **more}


def asked_text(question: str, context: str) -> str:
    """Question and context as one text, the context first: places in the context are places in it."""
    return f"{context}\n\nQuestion: {question}"


def best_margin(margins: np.ndarray, gains: np.ndarray) -> float:
    """Where to cut so that the gains of rows with a margin up to it are highest, half-way to the next margin; of equal ones next to 0.

    margins: (rows,) how much likelier `no answer` is than a stretch. gains: (rows,) what the stretch scores more than `no answer`.
    """
    order = np.argsort(margins, kind="stable")
    ordered = margins[order]
    edges = np.concatenate([[ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]])
    totals = np.concatenate([[0.0], gains[order].cumsum()])
    totals[1:-1][ordered[1:] == ordered[:-1]] = -np.inf  # equal margins are answered together
    best = np.flatnonzero(totals >= totals.max() - 1e-9)
    return round(float(edges[best[np.abs(edges[best]).argmin()]]), 6)


def _stretch(context: str, start: int, end: int) -> dict[str, Any]:
    return {"text": context[start:end], "start": start}


def _shared(place: tuple[int, int], gold: Sequence[Mapping[str, Any]]) -> float:
    """The best F1 of characters that a stretch shares with a right answer; 0 where there is none."""
    start, end = place
    best = 0.0
    for answer in gold:
        first, behind = answer["start"], answer["start"] + len(answer["text"])
        both = max(0, min(end, behind) - max(start, first))
        best = max(best, 2 * both / (end - start + behind - first))
    return best
