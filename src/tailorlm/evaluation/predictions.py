"""What a way answered on the test rows, and its file: all that scoring ever sees of a way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core.atomic import write_text
from tailorlm.core.errors import TailorError
from tailorlm.evaluation.kinds import kind_of
from tailorlm.evaluation.metrics._base import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers of one trained way on n test rows, with the right ones beside them.

    `ids`: n unique strings that name the rows. `gold`, `predicted`: n answers each, plain JSON values of the kind `kind`
    (`evaluation/kinds`; a `label` is a string). `labels`: the label set, sorted, where the kind has one; gold and predicted stand in it,
    and it may hold labels that neither has (and gold labels that training never saw).
    `scores`: (n, len(labels)) finite probabilities or margins, columns in the order of `labels`, or None.
    `scale`: of numbers, the lowest and highest that are right, against which a missing one is held; those of gold unless given, so that some of
    the rows (a resample, a slice) are judged as they were among all.

    Sequences of other types are turned into tuples and float64; the scores array is then read-only. Errors: a
    TailorError that names the row at fault when lengths, labels, ids or scores do not fit.
    """

    ids: tuple[str, ...]
    gold: tuple[Any, ...]
    predicted: tuple[Any, ...]
    labels: tuple[str, ...] = ()
    scores: FloatArray | None = None
    kind: str = "label"
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        strings = {"ids", "labels", "gold", "predicted"} if self.kind == "label" else {"ids", "labels"}
        for name in ("ids", "gold", "predicted", "labels"):
            values = tuple(getattr(self, name))
            if name in strings:
                _all_strings(name, values)
            object.__setattr__(self, name, values)
        if not self.ids:
            raise TailorError("there are no predictions", got="0 rows", allowed="at least one row")
        if not len(self.ids) == len(self.gold) == len(self.predicted):
            raise TailorError(
                "predictions need one id, one gold and one predicted answer a row",
                got=f"{len(self.ids)} ids, {len(self.gold)} gold, {len(self.predicted)} predicted",
            )
        if len(set(self.ids)) != len(self.ids):
            raise TailorError(
                "two rows have the same id",
                got=_first_repeated(self.ids),
                allowed="each id once: rows are paired by id",
            )
        if list(self.labels) != sorted(set(self.labels)):
            raise TailorError(
                "the label set must be sorted and hold each label once",
                got=", ".join(self.labels[:8]),
                hint="labels=tuple(sorted(set(labels)))",
            )
        self._well_formed()
        if self.scale is None and self.kind == "number":
            object.__setattr__(self, "scale", (float(min(self.gold)), float(max(self.gold))))
        if self.scores is not None:
            object.__setattr__(self, "scores", _checked_scores(self.scores, (len(self), len(self.labels))))

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Predictions):
            return NotImplemented
        mine, theirs = self.scores, other.scores
        same_scores = mine is theirs if mine is None or theirs is None else bool(np.array_equal(mine, theirs))
        return same_scores and self._content() == other._content()

    def __hash__(self) -> int:
        return hash((self.ids, self.labels, self.kind))

    def codes(self, labels: Sequence[str] | None = None) -> tuple[IntArray, IntArray]:
        """Gold and predicted labels (kind `label` alone) as positions in `labels` (default: the own label set), (n,) integers each."""
        place = {label: code for code, label in enumerate(self.labels if labels is None else labels)}
        gold = np.array([place[label] for label in self.gold], dtype=np.int64)
        predicted = np.array([place[label] for label in self.predicted], dtype=np.int64)
        return gold, predicted

    def to_jsonl(self, path: Path | str) -> None:
        """Write one JSON object a row: id, gold, predicted and, with scores, the predicted label's `score` and all.

        The first row also carries `labels`, the label set and the order of every row's `scores`, and the `kind` of the answers where it is
        not `label`. Numbers are written so that `from_jsonl` reads back the very same ones.
        """
        lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in self._rows())
        write_text(path, "".join(lines))

    @classmethod
    def from_jsonl(cls, path: Path | str, labels: Sequence[str] | None = None) -> Predictions:
        """Read what `to_jsonl` wrote, or any file with id, gold and predicted on each row.

        The label set is the first row's `labels`, else `labels`, else the labels that occur; scores need one of the
        first two. Errors: a TailorError that names the line.
        """
        rows = list(_read_rows(Path(path)))
        known = rows[0].get("labels", labels) if rows else labels
        with_scores = [row["scores"] for row in rows if row.get("scores") is not None]
        if with_scores and (len(with_scores) != len(rows) or known is None):
            missing = "its label set" if known is None else f"scores on {len(rows) - len(with_scores)} rows"
            raise TailorError(
                f"{path} has scores but lacks {missing}", allowed="`labels` on row 1, scores on every row"
            )
        kind = str(rows[0].get("kind", "label")) if rows else "label"
        gold, predicted = [row["gold"] for row in rows], [row["predicted"] for row in rows]
        if known is None:
            known = sorted({*gold, *predicted}) if kind == "label" else ()
        scores = _score_array(path, with_scores) if with_scores else None
        return cls(tuple(row["id"] for row in rows), tuple(gold), tuple(predicted), tuple(known), scores, kind)

    def _content(self) -> tuple[Any, ...]:
        return self.ids, self.gold, self.predicted, self.labels, self.kind

    def _well_formed(self) -> None:
        kind, known = kind_of(self.kind), set(self.labels)
        for which, values in (("gold", self.gold), ("predicted", self.predicted)):
            if self.kind == "label" and known.issuperset(values):
                continue
            for row, answer in enumerate(values):
                if answer is None and which == "predicted" and getattr(kind, "may_be_missing", False):
                    continue
                fault = kind.fault(answer, self.labels)
                if fault:
                    raise TailorError(
                        f"the {which} {self.kind} of row {row} (id {self.ids[row]!r}) is {fault}",
                        got=repr(answer),
                        allowed=", ".join(self.labels[:12]) + (", ..." if len(self.labels) > 12 else "") or None,
                        hint="put every label that gold or a prediction can have into `labels`"
                        if self.kind == "label"
                        else None,
                    )

    def _rows(self) -> Iterator[dict[str, Any]]:
        place = {label: code for code, label in enumerate(self.labels)}
        for i, (row_id, gold, predicted) in enumerate(zip(self.ids, self.gold, self.predicted)):
            row: dict[str, Any] = {"id": row_id, "gold": gold, "predicted": predicted}
            if self.scores is not None:
                scores = self.scores[i].tolist()
                row |= ({"score": scores[place[predicted]]} if self.kind == "label" else {}) | {"scores": scores}
            first = {"labels": list(self.labels)} | ({"kind": self.kind} if self.kind != "label" else {})
            yield row | first if i == 0 else row


def _all_strings(name: str, values: tuple[object, ...]) -> None:
    if set(map(type, values)) <= {str}:
        return
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise TailorError(
                f"`{name}` of predictions must be strings (position {row} is not)",
                got=f"{value!r}, a {type(value).__name__}",
                hint=f"{name}=tuple(str(x) for x in {name})",
            )


def _first_repeated(values: Sequence[str]) -> str:
    seen: set[str] = set()
    for row, value in enumerate(values):
        if value in seen:
            return f"{value!r}, again at row {row}"
        seen.add(value)
    return ""


def _checked_scores(scores: object, shape: tuple[int, int]) -> FloatArray:
    array = np.array(scores, dtype=np.float64)
    if array.shape != shape:
        raise TailorError("scores need one number for each row and label", got=f"{array.shape}", allowed=f"{shape}")
    if not np.isfinite(array).all():
        row, label = np.argwhere(~np.isfinite(array))[0]
        raise TailorError(
            f"the score of row {row} for label {label} is not a number", got=f"{array[row, label]}", allowed="finite"
        )
    array.setflags(write=False)
    return array


def _score_array(path: Path | str, rows: Sequence[Any]) -> FloatArray:
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TailorError(f"{path}: `scores` must be one list of numbers a row, all of one length") from error


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TailorError(f"the predictions {path} cannot be read", got=str(error)) from error
    kind = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TailorError(
                f"{path}:{number} is not JSON", got=f"{error}", allowed="one JSON object a row"
            ) from error
        missing = [key for key in ("id", "gold", "predicted") if not isinstance(row, dict) or key not in row]
        if missing:
            raise TailorError(
                f"{path}:{number} lacks {', '.join(missing)}", allowed="id, gold and predicted on each row"
            )
        kind = kind or row.get("kind", "label")
        strings = ("id",) if kind != "label" else ("id", "gold", "predicted")
        wrong = [key for key in strings if not isinstance(row[key], str)]
        if wrong:
            raise TailorError(f"{path}:{number}: {', '.join(wrong)} must be a string", got=repr(row[wrong[0]]))
        yield row
