"""`generate`: free text for a prompt: summaries, answers, rewriting, code, SQL, JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tailorlm.core import config
from tailorlm.core.config import setting
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data.rows import Rows, as_text
from tailorlm.tasks.base import Asked, Examples, Limits
from tailorlm.tasks.columns import count, has_words, refuse_faults, require_column, row_ids

ROLES = {"system", "user", "assistant"}
# Names that people give to a prompt and to its answer; the first that the rows have is taken, where none is named.
PROMPTS = ("prompt", "instruction", "question", "query", "input", "source", "document", "text")
ANSWERS = ("completion", "response", "output", "answer", "target", "summary", "chosen", "label")
REJECTED = "rejected"
MESSAGES = "messages"


class Generate:
    """Text in, text out: a prompt with its answer, an instruction with an input, or a conversation of several turns.

    The last answer of a conversation is what is asked for; what stands before it is shown. Answers are only written, so the base must be a model that
    writes. Scores: token F1 and exact match as SQuAD counts them, ROUGE-L, BLEU.
    """

    class Settings(config.Settings):
        """Settings of `generate`: the columns, and how long prompts may be."""

        prompt: str | None = setting(None, help="the column with what is asked; without it one of the usual names")
        answer: str | None = setting(
            None, help="the column with the answer; without it the one that goes with the prompt"
        )
        input: str | None = setting(
            None, help="a column with more of what is asked, put below the prompt (Alpaca's `input`)"
        )
        system: str | None = setting(None, help="a column with a system text")
        rejected: str | None = setting(
            None,
            help="a column with a worse answer, for objective: preference; without it `rejected`, where there is one",
        )
        id: str | None = setting(None, help="a column that names each row; file:line where there is none")
        document: str | None = setting(
            None, help="a column that names the document with the answer: what is found is then scored too"
        )
        span: str | None = setting(
            None, help="a column of words of that document that answer; without it any passage of the document will do"
        )
        max_length: int = setting(
            1024,
            ge=8,
            le=1_048_576,
            help="longest prompt and answer together; prompts are cut before answers",
            unit="tokens",
        )

    answers = "text"
    limits: Limits = "prompt"
    metrics = ("token_f1", "exact_match", "rouge_l", "bleu")

    def __init__(self, settings: Settings):
        self.settings = settings

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that a prompt is made of, as far as they are named."""
        s = self.settings
        return tuple(filter(None, (s.prompt, s.input, s.system)))

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The column of the answer, and those of what is known of it besides, as far as they are named."""
        s = self.settings
        return tuple(filter(None, (s.answer, s.rejected, s.document, s.span)))

    def columns(self, rows: Rows, *, what: str) -> None:
        """Check that the columns are there; UsageError names those there are."""
        self._form(rows.columns, what)
        s = self.settings
        for name in (s.input, s.system, s.rejected, s.id, s.document, s.span):
            if name:
                require_column(rows, name, what, "--column")

    def _form(self, columns: Sequence[str], what: str = "given") -> tuple[str, str, str | None]:
        """Columns of prompt, answer (empty for conversations) and input."""
        s = self.settings
        if s.prompt is None and MESSAGES in columns:
            return MESSAGES, "", None
        prompt = s.prompt or next((name for name in PROMPTS if name in columns), None)
        if prompt == MESSAGES and prompt in columns:
            return MESSAGES, "", None
        answer = s.answer or next((name for name in ANSWERS if name in columns and name != prompt), None)
        if prompt in columns and answer in columns:
            more = "input" if prompt == "instruction" and "input" in columns else None
            return str(prompt), str(answer), s.input or more
        raise UsageError(
            f"the {what} rows have no columns for a prompt and its answer",
            got=f"columns: {', '.join(columns) or '(none)'}",
            allowed="messages, or a pair such as prompt and completion, instruction and output, question and answer",
            hint="--column prompt=COLUMN --column answer=COLUMN",
        )

    def faults(self, rows: Rows) -> dict[int, str]:
        """Rows that cannot be used, by index, with the reason."""
        form, found = self._form(rows.columns), {}
        for i, row in enumerate(rows):
            read = self._read(row.values, form, with_answer=True)
            if isinstance(read, str):
                found[i] = read
        worse = self._worse(rows.columns)
        for i, row in enumerate(rows):
            if worse and _said(row.values.get(worse)) is None:
                found.setdefault(i, f"no answer in the column '{worse}'")
        return found

    def _worse(self, columns: Sequence[str]) -> str | None:
        """The column of worse answers, where there is one."""
        return self.settings.rejected or (REJECTED if REJECTED in columns else None)

    def _read(
        self, values: Mapping[str, Any], form: tuple[str, str, str | None], *, with_answer: bool
    ) -> tuple[list[dict[str, str]], str] | str:
        """Messages up to what is asked last, and the answer; or what is wrong with the row."""
        prompt, answer, more = form
        system = values.get(self.settings.system) if self.settings.system else None
        head = [{"role": "system", "content": as_text(system)}] if has_words(system) else []
        if not answer:
            return _conversation(values.get(prompt), head, with_answer)
        gold = _said(values.get(answer))
        if with_answer and gold is None:
            return f"no answer in the column '{answer}'"
        if isinstance(values.get(prompt), list):
            read = _conversation(values[prompt], head, with_answer=False)
            return read if isinstance(read, str) else (read[0], gold or "")
        if not isinstance(values.get(prompt), str) or not has_words(values.get(prompt)):
            return f"no text in the column '{prompt}'"
        asked = as_text(values[prompt])
        if more and has_words(values.get(more)):
            asked = f"{asked}\n\n{as_text(values[more])}"
        return [*head, {"role": "user", "content": asked}], (gold or "") if with_answer else ""

    def prepare(self, rows: Rows, *, what: str, labels: Sequence[str] | None = None) -> Examples:
        """Check rows and turn them into prompts with answers. Raises UsageError (columns) and CheckError (rows at fault), naming file and line."""
        self.columns(rows, what=what)
        if not len(rows):
            raise CheckError(f"there are no {what} rows")
        refuse_faults(rows, self.faults(rows))
        form = self._form(rows.columns, what)
        read = [made for row in rows if not isinstance(made := self._read(row.values, form, with_answer=True), str)]
        texts = tuple(messages[-1]["content"] for messages, _ in read)
        inputs, gold = tuple(messages for messages, _ in read), tuple(answer for _, answer in read)
        ids = row_ids(rows, self.settings.id)
        worse = self._worse(rows.columns)
        against = tuple(_said(row.values[worse]) for row in rows) if worse else ()
        return Examples(ids, texts, gold, (), inputs, ("",) * len(read), sources=self._sources(rows), against=against)

    def _sources(self, rows: Rows) -> tuple[dict[str, str], ...]:
        """Where each row says that its answer stands; nothing where no column says so."""
        s = self.settings
        if s.document is None:
            return ()
        named = [("document", s.document), *([("span", s.span)] if s.span else [])]
        return tuple(
            {key: as_text(row.values[column]) for key, column in named if has_words(row.values.get(column))}
            for row in rows
        )

    def inputs(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Any]:
        """Prompts, or rows as mappings; answers in them are not looked at."""
        if isinstance(rows, str | Mapping):
            raise TailorError("predict takes many rows at once", hint="put it in a list: predict([row])")
        found = []
        for number, row in enumerate(rows, 1):
            values = {"prompt": row, "completion": ""} if isinstance(row, str) else dict(row)
            form = ("prompt", "completion", None) if isinstance(row, str) else self._form_to_answer(values)
            read = self._read(values, form, with_answer=False)
            if isinstance(read, str):
                raise TailorError(f"row {number} has {read}")
            found.append(read[0])
        return found

    def _form_to_answer(self, values: Mapping[str, Any]) -> tuple[str, str, str | None]:
        # Rows to predict have no answers: one is taken for there.
        return self._form([*values, self.settings.answer or "completion"])

    def findings(self, train: Examples) -> list[dict[str, object]]:
        """Equal prompts with different answers."""
        answers: dict[str, set[str]] = {}
        for text, gold in zip(train.texts, train.gold, strict=True):
            answers.setdefault(text, set()).add(gold)
        several = [text for text, found in answers.items() if len(found) > 1]
        rows = [row for row, text in zip(train.ids, train.texts, strict=True) if text in set(several)]
        message = f"{count(len(several), 'prompt')} with two or more answers"
        return [{"code": "several-answers", "message": message, "rows": rows[:8]}] if several else []

    def ask(self, value: Sequence[Mapping[str, Any]]) -> Asked:
        """The last message, behind those before it."""
        return Asked(str(value[-1]["content"]), tuple(value[:-1]))

    def written(self, gold: str, given: Any) -> str:
        """The answer itself."""
        return gold

    def choices(self, labels: Sequence[str]) -> list[str]:
        """None: answers are free."""
        return []

    def hear(self, text: str | None, labels: Sequence[str], given: Any) -> str | None:
        """The text without white space around it."""
        return text.strip() if text is not None else None

    def told(self, labels: Sequence[str]) -> dict[str, Any]:
        """Nothing: the prompts say what is asked."""
        return {}

    def cells(self, value: Any, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, and where passages were shown, which of them it names, with their places in the documents."""
        cited = {"citations": detail["citations"]} if "citations" in detail else {}
        return {"predicted": value} | cited | ({"fault": detail["fault"]} if "fault" in detail else {})


def _said(value: Any) -> str | None:
    """An answer's text: as it stands, or that of a list with one message of the assistant; None where there is none."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        message = value[0]
        value = message.get("content") if message.get("role") == "assistant" else None
    return as_text(value) if not isinstance(value, list | dict) and has_words(value) else None


def _conversation(given: Any, head: list[dict[str, str]], with_answer: bool) -> tuple[list[dict[str, str]], str] | str:
    if not isinstance(given, list) or not given:
        return "no list of messages"
    messages = []
    for number, message in enumerate(given, 1):
        if (
            not isinstance(message, dict)
            or message.get("role") not in ROLES
            or not isinstance(message.get("content"), str)
        ):
            return f"message {number} without a role (system, user, assistant) and a content"
        messages.append({"role": message["role"], "content": message["content"]})
    if not with_answer and messages[-1]["role"] == "assistant":
        messages.pop()
    answer = messages.pop() if with_answer else None
    if answer is not None and (answer["role"] != "assistant" or not answer["content"].strip()):
        return "no answer of the assistant at its end"
    if not messages or messages[-1]["role"] != "user":
        return "no message of the user before the answer"
    return [*head, *messages], answer["content"] if answer is not None else ""
