"""What a comparison is asked to do, as data: the same from flags, from a YAML file and from Python."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ValidationError, ValidationInfo, field_validator

from tailorlm.comparison.compare import Comparer, check_recipes, comparison_name
from tailorlm.comparison.settings import CompareSettings, ReadSettings
from tailorlm.comparison.split import Split, split_rows
from tailorlm.core import atomic
from tailorlm.core.config import PartFault, Settings, load, setting, validate
from tailorlm.core.errors import CheckError, UsageError
from tailorlm.core.runs import DEFAULT_ROOT
from tailorlm.core.yaml import dump_yaml
from tailorlm.data import Rows, read
from tailorlm.data.hub import read_hub
from tailorlm.evaluation.metrics import fits, metric_of, metrics
from tailorlm.recipes.forgotten import Known
from tailorlm.recipes.presets import STANDARD, preset, standard
from tailorlm.recipes.schema import Recipe, TaskPart
from tailorlm.recipes.steps import check_columns
from tailorlm.tasks.base import Task


def _way(value: Any, info: ValidationInfo) -> Any:
    """A method's name, or a whole recipe; a recipe's faults are found where it stands, with the task that it takes from the request."""
    if isinstance(value, str):
        try:
            preset(value)
        except UsageError as error:
            raise ValueError(str(error).replace("\n ", ";")) from None  # the YAML's line is put before it
        return value
    if not isinstance(value, Mapping):
        raise ValueError("is neither a method's name nor a recipe")
    try:
        shared = {"task": info.data["task"].plain()} if "task" in info.data else {}
        Recipe.model_validate({"name": "recipe", **shared, **value})
    except ValidationError as error:
        raise PartFault(error, Recipe) from None
    return dict(value)


# Columns that have a flag of their own, in whichever task has them.
TASK_FLAGS = {"text", "label", "id"}
DEFAULT_TASK = "classify"
# The whole request, beside the runs that it asked for.
REQUEST = "compare.yaml"


class CompareRequest(Settings):
    """A whole comparison: rows, task, base model, ways and settings."""

    word: ClassVar[str] = "the comparison"

    rows: tuple[str, ...] = setting(
        help="files of labelled rows, `-` for standard input, or hub:org/name", min_length=1
    )
    test: tuple[str, ...] = setting((), help="files of test rows; without them a share of the rows is held out")
    base: str = setting(
        "starter", help="the base model: `starter` (`starter-lm` where it writes), a folder, a hub id, or `remote:NAME`"
    )
    task: TaskPart = setting("classify", help="what is asked of the model", validate_default=True)
    ways: tuple[Annotated[Any, BeforeValidator(_way)], ...] = setting(
        STANDARD, help="methods by name, or whole recipes", min_length=1
    )
    read: ReadSettings = setting(ReadSettings(), help="how the files are read")
    settings: CompareSettings = setting(CompareSettings(), help="the same for every way")

    @field_validator("rows", "test", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    def judging(self) -> CompareSettings:
        """The settings with the metric named; UsageError for one that does not fit the task's answers."""
        task = self.task.make()
        name = self.settings.metric or task.metrics[0]
        metric = metric_of(name)
        if not fits(metric, task.answers):
            fitting = [other for other in metrics if fits(metric_of(other), task.answers)]
            raise UsageError(
                f"the metric '{name}' does not fit the task '{self.task.name}'",
                got=f"it scores answers of the kind '{metric.reads}'",
                allowed=", ".join(fitting),
            )
        Known.read(
            self.settings.general, self.settings.probes
        )  # what is wrong with these files is told before anything slow begins
        return self.settings.with_(metric=name)

    def recipes(self) -> list[Recipe]:
        """The recipe of every way; recipes given whole take this request's base and task where they name none.

        Of the standard ways those that cannot answer the task are left out.
        """
        task, asked = self.task.plain(), self.task.registry.get(self.task.name)
        ways = standard(asked, passages=self.settings.passages is not None) if self.ways == STANDARD else self.ways
        made = []
        for way in ways:
            if isinstance(way, str):
                made.append(preset(way).recipe(way, self.base, task, self.settings.passages, self.settings.domain))
            else:
                made.append(validate({"base": self.base, "task": task} | way, Recipe))
        return made


@dataclass
class Prepared:
    """A request whose rows are read, checked and split, ready to run."""

    request: CompareRequest
    split: Split
    comparer: Comparer
    earlier: list[str]

    @property
    def folder(self) -> Path:
        """Where runs and report go."""
        return self.comparer.folder


def load_request(path: Path, overrides: Mapping[str, Any] | None = None) -> CompareRequest:
    """Read a comparison from YAML; files named in it are found from the folder that it lies in."""
    request = load(path, CompareRequest, overrides)

    def beside(name: str) -> str:
        return name if name == "-" or name.startswith("hub:") or Path(name).is_absolute() else str(path.parent / name)

    settings = request.settings.moved(beside)
    return request.with_(
        rows=tuple(map(beside, request.rows)),
        test=tuple(map(beside, request.test)),
        settings=settings.model_dump(),
        ways=_moved(request.ways, beside),
    )


def _moved(ways: Sequence[Any], place: Callable[[str], str]) -> tuple[Any, ...]:
    """The ways with the indexes that whole recipes name put in their place."""
    return tuple(_moved_way(way, place) if isinstance(way, Mapping) else way for way in ways)


def _moved_way(way: Mapping[str, Any], place: Callable[[str], str]) -> dict[str, Any]:
    moved, context = dict(way), way.get("context")
    if isinstance(context, Mapping) and context.get("passages"):
        moved["context"] = {**context, "passages": place(context["passages"])}
    if way.get("steps"):
        moved["steps"] = [{**step, "recipe": _moved_way(step["recipe"], place)} for step in way["steps"]]
    return moved


def prepare(request: CompareRequest, root: Path = DEFAULT_ROOT) -> Prepared:
    """Read and check the rows, split them, and name the folder. Nothing is fitted yet.

    Raises TailorError for whatever is wrong with files, columns, labels or names, before anything slow begins.
    """
    recipes = request.recipes()
    check_recipes(recipes)
    settings = request.judging()
    task = request.task.make()
    rows, test = read_rows(request, task, root)
    in_steps = [recipe for recipe in recipes if recipe.steps]
    for recipe in in_steps:
        for part, what in ((rows, "given" if test is None else "train"), (test, "test")):
            if part is not None:
                check_columns(recipe, part, what)
    split = split_rows(task, rows, test, settings, keep_rows=bool(in_steps))
    named = any(recipe.context is not None and recipe.context.name == "instruction" for recipe in recipes)
    if named and hasattr(task, "label_texts"):
        task.label_texts(split.train.labels)
    stem = Path(request.rows[0].removeprefix("hub:")).name.split(".")[0] if request.rows[0] != "-" else "stdin"
    stem = (
        Path(request.rows[0]).resolve().parent.name + "-" + stem
        if stem in {"train", "rows", "data"} and request.rows[0] != "-"
        else stem
    )
    name = comparison_name(stem, split, settings, recipes)
    others = [
        p.name
        for p in root.glob(f"{name.rsplit('-', 1)[0]}-*")
        if p.is_dir() and p.name != name and (p / "runs").is_dir()
    ]
    return Prepared(request, split, Comparer(recipes, split, settings, root / name), sorted(others))


def keep_request(prepared: Prepared) -> None:
    """Write the request beside its runs as `compare.yaml`, every default written, files named from that folder."""

    def from_folder(name: str) -> str:
        return name if name == "-" or name.startswith("hub:") else os.path.relpath(name, prepared.folder)

    request = prepared.request
    plain = request.model_dump(exclude={"task"}) | {"task": request.task.plain()}
    plain |= {"rows": [*map(from_folder, request.rows)], "test": [*map(from_folder, request.test)]}
    plain["settings"] = request.settings.moved(from_folder).model_dump()
    plain["ways"] = list(_moved(request.ways, from_folder))
    with atomic.disk_errors(prepared.folder):
        atomic.write_text(prepared.folder / REQUEST, dump_yaml(plain))


def command(prepared: Prepared) -> str:
    """The shell command that repeats a request: flags, those at their defaults left out, or the kept YAML where flags cannot say it."""
    request, root = prepared.request, prepared.folder.parent
    words = ["tailor", "compare"]
    words += [str(prepared.folder / REQUEST)] if _needs_file(request) else _flags(request)
    return shlex.join(words + (["--out", str(root)] if root != DEFAULT_ROOT else []))


def _needs_file(request: CompareRequest) -> bool:
    plain = {field: getattr(request.task.settings, field) for field in type(request.task.settings).model_fields}
    changed = {k for k, v in plain.items() if v != type(request.task.settings).model_fields[k].default}
    return bool(changed - TASK_FLAGS) or any(not isinstance(way, str) for way in request.ways)


def _flags(request: CompareRequest) -> list[str]:
    words = [*request.rows]
    for name in request.test:
        words += ["--test", name]
    task = request.task.settings
    words += ["--task", request.task.name] if request.task.name != DEFAULT_TASK else []
    for name in sorted(TASK_FLAGS & set(type(task).model_fields)):
        value = getattr(task, name)
        words += [f"--{name}", str(value)] if value != type(task).model_fields[name].default else []
    words += ["--model", request.base] if request.base != "starter" else []
    words += ["--methods", ",".join(request.ways)] if request.ways != STANDARD else []
    for settings in (request.read, request.settings):
        for name, field in type(settings).model_fields.items():
            value, flag = getattr(settings, name), f"--{name.replace('_', '-')}"
            if value == field.default:
                continue
            if isinstance(value, tuple):  # a flag that may be repeated, named for one of them
                words += [word for one in value for word in (flag.removesuffix("s"), str(one))]
            else:
                words += [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, str(value)]
    return words


def read_rows(request: CompareRequest, task: Task, root: Path) -> tuple[Rows, Rows | None]:
    """The request's rows and test rows (None where none are named), broken ones set aside within `max_bad`."""
    hub = [name for name in request.rows if name.startswith("hub:")]
    if hub:
        if len(request.rows) > 1:
            raise UsageError("a hub data set comes alone", got=" ".join(request.rows))
        name = hub[0].removeprefix("hub:")
        test = (
            _read_files(request.test, request, task, root, "test")
            if request.test
            else _usable(read_hub(name, "test"), request, task, root, "test")
        )
        return _usable(read_hub(name, "train"), request, task, root, "train"), test
    held = _read_files(request.test, request, task, root, "test") if request.test else None
    return _read_files(request.rows, request, task, root, "train" if request.test else "given"), held


def _read_files(names: Sequence[str], request: CompareRequest, task: Task, root: Path, what: str) -> Rows:
    options = request.read
    quarantine = root / f"quarantine-{what}.jsonl" if options.max_bad else None
    rows = read(
        list(names),
        format=options.format,
        encoding=options.encoding,
        delimiter=options.delimiter,
        max_bad=options.max_bad,
        quarantine=quarantine,
    )
    return _usable(rows, request, task, root, what)


def _usable(rows: Rows, request: CompareRequest, task: Task, root: Path, what: str) -> Rows:
    """Set rows aside that the task cannot use, within `max_bad`, together with those that could not be read."""
    task.columns(rows, what=what)
    faults = task.faults(rows)
    if not faults or len(faults) + len(rows.bad) > request.read.max_bad:
        if faults and request.read.max_bad:
            raise CheckError(
                f"{len(faults) + len(rows.bad)} of the {what} rows are broken",
                got=", ".join(f"{rows[i].where}: {reason}" for i, reason in list(faults.items())[:8]),
                allowed=f"{request.read.max_bad} (--max-bad)",
            )
        return rows  # the task refuses them, with a list
    path = root / f"quarantine-{what}.jsonl"
    lines = [_aside(rows, i, reason) for i, reason in faults.items()]
    before = path.read_text(encoding="utf-8") if rows.bad and path.is_file() else ""
    root.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, before + "".join(lines))
    kept = rows.select([i for i in range(len(rows)) if i not in faults])
    return Rows(
        kept.rows,
        kept.columns,
        (
            *kept.notes,
            f"{len(faults)} {what} row{'s' if len(faults) > 1 else ''} that the task cannot use set aside in {path}",
        ),
        kept.bad,
    )


def _aside(rows: Rows, index: int, reason: str) -> str:
    import json

    row = rows[index]
    return (
        json.dumps(
            {"source": row.source, "line": row.line, "reason": reason, "raw": dict(row.values)},
            ensure_ascii=False,
            default=str,
        )
        + "\n"
    )
