"""The adaptation: a fitted recipe, kept in a folder, that predicts.

The folder holds `recipe.yaml`, `adaptation.json` (labels, base model and its fingerprint), the head, and what the weights part
saves: PEFT's files for LoRA, transformers' for full tuning, safetensors for the rest. No pickle, no absolute path.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tailorlm.core import atomic
from tailorlm.core.config import load as load_settings
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError, unknown_name
from tailorlm.core.parts import settings_in
from tailorlm.core.yaml import dump_yaml
from tailorlm.models.encoder import TextModel
from tailorlm.models.heads import load_head
from tailorlm.models.resolve import BaseModel, adaptation_folder, resolve
from tailorlm.objectives._other import OtherTask
from tailorlm.recipes.answering.head import HeadAnswering
from tailorlm.recipes.answering.reading import ReadAnswering
from tailorlm.recipes.answering.searching import SearchAnswering
from tailorlm.recipes.answering.stepping import STEPS, StepsAnswering
from tailorlm.recipes.answering.writing import WriteAnswering
from tailorlm.recipes.card import model_card
from tailorlm.recipes.schema import Recipe, learns_text, searches
from tailorlm.recipes.stack import Layout, Stack, numbered

FORMAT = 1
# The folder inside an adaptation in which what other tasks need lies, one folder each.
TASKS = "tasks"
Answering = HeadAnswering | WriteAnswering | ReadAnswering | SearchAnswering | StepsAnswering


@dataclass(frozen=True)
class Answer:
    """One prediction: its value, how sure (`confidence`, 0 to 1, where that can be told), and the score of every label, where it is one.

    detail: more to the answer than its value, as the task has it.
    """

    value: Any
    confidence: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The value, for tasks that answer with one label."""
        return str(self.value)


@dataclass(frozen=True)
class Another:
    """Another task than its recipe's own that an adaptation has learnt, and answers by the same body.

    part: the task with its settings.
    """

    name: str
    part: Any
    answering: HeadAnswering | WriteAnswering

    def predict(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Answer]:
        """Predict texts, or rows as mappings that hold this task's columns, as `Adaptation.predict`."""
        return _predicted(self.answering, rows)


class Adaptation:
    """A fitted recipe that predicts.

    recipe: what it was fitted from. answering: how it answers. stack: its fitted weights parts; None where it answers in steps, each with an
    adaptation of its own. others: other tasks that it answers besides. Made by `fit` or `Adaptation.load`.
    """

    def __init__(self, recipe: Recipe, answering: Answering, stack: Stack | None, others: Sequence[Another] = ()):
        self.recipe, self.answering, self.stack = recipe, answering, stack
        self.others = {one.name: one for one in others}

    @property
    def model(self) -> Any:
        """The model that answers: a `TextModel`, or a `Writer` where answers are written."""
        return self.answering.model

    @property
    def labels(self) -> tuple[str, ...]:
        """The label set in score order; empty where answers are free."""
        return self.answering.labels

    def over(self, pool: Mapping[str, str]) -> Answering:
        """What answers, where rows bring passages to search besides its own; itself for all other tasks."""
        answering = self.answering
        return answering.over({**answering.pool, **pool}) if isinstance(answering, SearchAnswering) else answering

    def scores(self, inputs: Sequence[Any]) -> np.ndarray:
        """Scores of every label for tasks with one a text, (texts, labels): logits, margins, cosines, vote shares or log-probabilities,
        by what answers."""
        return self.answering.scores(inputs)

    def predict(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Answer]:
        """Predict texts, or rows as mappings that hold the task's columns.

        Raises TailorError for a row without them. Answers come in the order of the rows.
        """
        return _predicted(self.answering, rows)

    def other(self, name: str) -> Another:
        """Another task that was learnt beside or before the recipe's own. UsageError for one that was not, naming those there are."""
        if name not in self.others:
            if not self.others:
                raise UsageError(
                    "this adaptation answers its own task alone", got=f"--task {name}", hint="leave --task out"
                )
            raise unknown_name("task of this adaptation", name, list(self.others))
        return self.others[name]

    def save(self, folder: Path | str, facts: Mapping[str, Any] | None = None) -> Path:
        """Write the adaptation; the folder appears whole or not at all.

        facts: figures for the model card (scores, rows, cost). An existing complete adaptation is replaced. Raises TailorError when the
        disk is full or the folder holds something else.
        """
        folder = Path(folder)
        if folder.is_dir() and not (folder / "adaptation.json").is_file() and any(folder.iterdir()):
            raise TailorError(f"{folder} holds other files", hint="give a new folder with --out")
        if folder.exists() and not folder.is_dir():
            raise TailorError(f"{folder} is a file", hint="give a new folder with --out")
        with atomic.disk_errors(folder):
            self._publish(folder, facts)
        return folder

    def _publish(self, folder: Path, facts: Mapping[str, Any] | None) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temp = folder.with_name(f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        temp.mkdir()  # not mkdtemp: others may read an adaptation as far as the umask lets them
        old = temp.with_name(temp.name + ".old")
        try:
            self.write(temp, facts)
            if folder.exists():
                folder.rename(old)
            atomic.publish_folder(temp, folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
        finally:
            atomic.remove_folder(temp)
            if folder.exists():  # else the old one could not be put back, and is all there is
                atomic.remove_folder(old)

    def write(self, folder: Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write the files into an existing folder that somebody else publishes (a run's temp folder)."""
        with atomic.disk_errors(folder):
            if self.stack is not None:
                self.stack.save(folder)
            self.answering.write(folder)
            for one in self.others.values():
                (folder / TASKS / one.name).mkdir(parents=True)
                one.answering.write(folder / TASKS / one.name)
            base = self.model.base
            record = {
                "format": FORMAT,
                "labels": list(self.labels),
                "base": {"name": _portable(base, folder), "origin": base.origin, "fingerprint": base.fingerprint},
            } | self.answering.facts()
            if self.others:
                told = {
                    one.name: {"labels": list(one.answering.labels), "task": one.part.plain()}
                    for one in self.others.values()
                }
                record["tasks"] = told
            plain = self._portable(folder)
            (folder / "adaptation.json").write_text(
                json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            (folder / "recipe.yaml").write_text(dump_yaml(plain), encoding="utf-8")
            (folder / "README.md").write_text(model_card(self.recipe, record, facts or {}), encoding="utf-8")
            # safetensors makes files that only their owner reads; an adaptation is as open as the umask lets it be.
            mode = (folder / "adaptation.json").stat().st_mode
            for path in folder.rglob("*.safetensors"):
                path.chmod(mode)

    def _portable(self, folder: Path) -> dict[str, Any]:
        """The recipe as `recipe.yaml` in this folder keeps it: no path that leads nowhere on another machine."""
        plain, base = self.recipe.plain(), self.model.base
        if isinstance(self.answering, StepsAnswering):
            for step, part in zip(plain["steps"], self.answering.parts, strict=True):
                assert isinstance(part, Adaptation)
                step["recipe"] = part._portable(folder)
        index = self.answering.prompter.index if isinstance(self.answering, WriteAnswering) else None
        if index is not None and plain["context"]:  # where it lies from here; `shown.json` beside has it too
            plain["context"]["passages"] = Path(os.path.relpath(index.folder, folder)).as_posix()
        if Path(str(plain["base"])).is_absolute():
            plain["base"] = base.origin
        return plain

    @classmethod
    def load(cls, folder: Path | str, *, base: str | None = None) -> Adaptation:
        """Read an adaptation folder.

        base: where the base model lies now, when its name no longer leads to it; of several steps, that of those which were fitted on these
        weights. Raises TailorError for an incomplete folder, or a base whose weights are not those it was fitted on.
        """
        folder = _adaptation_folder(Path(folder))
        _check_complete(folder)
        return cls._read(folder, base)

    @classmethod
    def _read(cls, folder: Path, base: str | None) -> Adaptation:
        """Read a folder that is known to be complete."""
        record = _record(folder)
        recipe = load_settings(folder / "recipe.yaml", Recipe)
        if recipe.steps:
            own = [folder / STEPS / step.name for step in recipe.steps]
            used = [base if base and _fitted_on(base, one) else None for one in own]
            if base and not any(used):
                raise TailorError(f"no step of {folder} was fitted on the weights of {base}", hint="leave --base out")
            steps = [cls._read(one, given) for one, given in zip(own, used, strict=True)]
            return cls(recipe, StepsAnswering(recipe, steps, record["labels"]), None)
        parts = recipe.parts()
        whole = Layout.of(numbered(parts)).base(folder)
        name, origin = record["base"]["name"], record["base"]["origin"]
        found = BaseModel(name, whole, origin) if whole else _base(base, name, folder, recipe)
        if whole is None and found.fingerprint != record["base"]["fingerprint"]:
            raise TailorError(
                f"{folder} was fitted on other base weights",
                got=f"{found.name} with fingerprint {found.fingerprint[:12]}",
                allowed=f"{record['base']['origin']} with fingerprint {record['base']['fingerprint'][:12]}",
                hint="give the right base with --base, or fit again",
            )
        answering = _answering(recipe, found, record)
        stack = Stack(answering.model)
        stack.load(folder, parts)
        answering.restore(folder)
        return cls(recipe, answering, stack, list(_others(recipe, answering, record, folder / TASKS)))


def fingerprint_of(folder: Path) -> str:
    """sha256 (hex) over what an adaptation answers by: weights, recipe, what is told of its base; wherever it lies, and not its passages."""
    kept = (path for path in folder.rglob("*") if path.suffix in {".safetensors", ".json", ".yaml"})
    files = sorted(path for path in kept if path.name != "COMPLETE")
    content = "".join(f"{path.relative_to(folder).as_posix()} {atomic.sha256_of(path)}" for path in files)
    return hashlib.sha256(content.encode()).hexdigest()


def _predicted(answering: Answering, rows: Iterable[str | Mapping[str, Any]]) -> list[Answer]:
    inputs = answering.task.inputs(rows)
    if not inputs:
        return []
    found = answering.answer(inputs)
    scores = found.scores if found.scores is not None else [()] * len(inputs)
    return [
        Answer(
            value,
            float(found.confidence[i]) if found.confidence is not None else None,
            dict(zip(answering.labels, map(float, row), strict=False)),
            found.detail[i] if found.detail else {},
        )
        for i, (value, row) in enumerate(zip(found.values, scores, strict=True))
    ]


def _others(recipe: Recipe, answering: Answering, record: Mapping[str, Any], folder: Path) -> Iterator[Another]:
    """The other tasks that were kept. Their names are the recipe's, which are names of folders and nothing else."""
    for name in dict.fromkeys(one.name for _, one in settings_in(recipe) if isinstance(one, OtherTask)):
        told = record["tasks"][name]
        part = validate({"task": told["task"]}, OtherTask).task
        assert part is not None
        labels, model = told["labels"], answering.model
        if isinstance(answering, WriteAnswering):
            yield Another(name, part, answering.kept_beside(part.make(), labels, folder / name))
        else:
            assert isinstance(model, TextModel)
            view = model.beside(load_head(folder / name).to(model.device), part.settings.max_length)
            yield Another(name, part, HeadAnswering(part.make(), view.eval(), labels))


def _answering(
    recipe: Recipe, base: BaseModel, record: Mapping[str, Any]
) -> HeadAnswering | WriteAnswering | ReadAnswering | SearchAnswering:
    """How a kept recipe's model answers, before its weights parts."""
    task = recipe.task.registry.get(recipe.task.name)
    if learns_text(task):
        return ReadAnswering.open(recipe, base, record)
    if searches(task):
        return SearchAnswering.open(recipe, base, record)
    return (WriteAnswering if recipe.written else HeadAnswering).open(recipe, base, record)


def _portable(base: BaseModel, folder: Path) -> str:
    # An absolute path means nothing on another machine; from the adaptation's folder, both can move together.
    if base.name == "starter" or not Path(base.name).expanduser().is_dir():
        return base.name
    return Path(os.path.relpath(Path(base.name).expanduser(), folder)).as_posix()


def _base(given: str | None, name: str, folder: Path, recipe: Recipe) -> BaseModel:
    if given or not name.startswith("../"):
        return resolve(given or name, recipe.quantise, recipe.layers)
    path = Path(os.path.normpath(folder.absolute() / name))
    if not path.is_dir():
        raise TailorError(
            f"the base model of {folder} is not where it was",
            got=f"no folder {path}",
            hint="give its folder with --base",
        )
    return resolve(str(path), recipe.quantise, recipe.layers)


def _adaptation_folder(folder: Path) -> Path:
    found = adaptation_folder(folder)
    if found is None:
        raise TailorError(
            f"{folder} is not an adaptation",
            got="no such folder"
            if not folder.is_dir()
            else f"a folder with {', '.join(sorted(os.listdir(folder))[:5]) or 'nothing'} in it",
            hint="`tailor fit ... --out FOLDER` makes one, `tailor runs` lists those you have",
        )
    return found


def _fitted_on(base: str, folder: Path) -> bool:
    """Whether the adaptation in the folder was fitted on the weights of this base."""
    recipe = load_settings(folder / "recipe.yaml", Recipe)
    found: str = _record(folder)["base"]["fingerprint"]
    return resolve(base, recipe.quantise, recipe.layers).fingerprint == found


def _check_complete(folder: Path) -> None:
    marked = folder if (folder / "COMPLETE").is_file() else folder.parent
    if not atomic.is_complete(marked, verify=True):
        raise TailorError(
            f"{folder} is incomplete or changed", got="files do not match its COMPLETE marker", hint="fit it again"
        )


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "adaptation.json").read_text(encoding="utf-8"))
    if record.get("format") != FORMAT:
        raise TailorError(
            f"{folder} has another format",
            got=str(record.get("format")),
            allowed=str(FORMAT),
            hint="use a newer tailorlm",
        )
    return record
