"""`tailor compare`: ways of adapting a model, side by side on your rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailorlm.cli import options as o
from tailorlm.comparison.settings import CompareSettings, ReadSettings
from tailorlm.core.errors import UsageError

if TYPE_CHECKING:
    from tailorlm.comparison.request import CompareRequest


def compare(
    rows: Annotated[
        list[str],
        typer.Argument(
            help="Files of labelled rows (csv, tsv, jsonl, json; gzip too), `-`, hub:org/name, or one YAML that holds all of this."
        ),
    ],
    text: o.Text = None,
    label: o.Label = None,
    task: o.Task = None,
    column: o.Columns = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Files of test rows; else a share of the rows is held out.", show_default=False),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            help="Methods with commas between. [default: the standard ones of the task]",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        list[Path] | None,
        typer.Option("--recipe", help="A recipe YAML to compare as well; may be repeated.", show_default=False),
    ] = None,
    model: o.Model = None,
    id_column: o.Id = None,
    descriptions: o.Descriptions = None,
    metric: Annotated[str | None, o.option(CompareSettings, "metric", "--metric")] = None,
    seeds: Annotated[int | None, o.option(CompareSettings, "seeds", "--seeds")] = None,
    seed: Annotated[int | None, o.option(CompareSettings, "seed", "--seed")] = None,
    test_share: Annotated[float | None, o.option(CompareSettings, "test_share", "--test-share")] = None,
    validation_share: Annotated[
        float | None, o.option(CompareSettings, "validation_share", "--validation-share")
    ] = None,
    validation_rows: Annotated[int | None, o.option(CompareSettings, "validation_rows", "--validation-rows")] = None,
    search_rows: Annotated[int | None, o.option(CompareSettings, "search_rows", "--search-rows")] = None,
    refit: Annotated[bool | None, o.option(CompareSettings, "refit", "--refit/--no-refit")] = None,
    leaks: Annotated[str | None, o.option(CompareSettings, "leaks", "--leaks")] = None,
    passages: Annotated[str | None, o.option(CompareSettings, "passages", "--passages")] = None,
    domain: Annotated[str | None, o.option(CompareSettings, "domain", "--domain")] = None,
    slices: Annotated[list[str] | None, o.option(CompareSettings, "slices", "--slice")] = None,
    volume: Annotated[int | None, o.option(CompareSettings, "volume", "--volume")] = None,
    level: Annotated[float | None, o.option(CompareSettings, "level", "--level")] = None,
    general: o.General = None,
    probes: o.Probes = None,
    format: o.Format = None,
    encoding: o.Encoding = None,
    delimiter: o.Delimiter = None,
    max_bad: o.MaxBad = None,
    out: o.Out = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done and how long it takes, and stop.")
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Compare ways of adapting a model on your rows."""
    flags = locals()
    asked = o.task_of(task, column, {"text": text, "label": label, "id": id_column}, descriptions)
    given = {
        "test": test or None,
        "base": model,
        "task": asked or None,
        "ways": _ways(methods, recipe, asked),
    }
    given |= {"read": o.chosen(ReadSettings, flags), "settings": o.chosen(CompareSettings, flags)}
    request = _request(rows, o.flags_given(given))
    result = _run(request, out, plan_only=plan, as_json=as_json)
    if result is not None and as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n")


def _ways(methods: str | None, recipes: list[Path] | None, task: dict[str, Any]) -> list[Any] | None:
    names: list[Any] | None = o.names_list(methods)
    if recipes:
        from tailorlm.core.config import load
        from tailorlm.core.yaml import read_yaml
        from tailorlm.recipes.schema import Recipe

        for path in recipes:  # a fault is named with this file's line
            value = read_yaml(path).value
            in_steps = isinstance(value, dict) and value.get("steps") and "task" not in value
            load(path, Recipe, {"task": {"part": "classify"} | task} if in_steps else None)
        names = (names or []) + [read_yaml(path).value for path in recipes]
    return names


def _request(rows: list[str], given: dict[str, Any]) -> CompareRequest:
    from tailorlm.comparison.request import CompareRequest, load_request
    from tailorlm.core.config import validate

    if not any(name.endswith((".yaml", ".yml")) for name in rows):
        return validate({"rows": rows} | _with_task(given), CompareRequest)
    if len(rows) > 1:
        raise UsageError("a comparison's YAML comes alone", got=" ".join(rows))
    overrides: dict[str, Any] = {}
    for key, value in given.items():
        nested = isinstance(value, dict)
        overrides |= {f"{key}.{name}": inner for name, inner in value.items()} if nested else {key: value}
    return load_request(Path(rows[0]), overrides)


def _with_task(given: dict[str, Any]) -> dict[str, Any]:
    return given | {"task": {"part": "classify"} | given.get("task", {})}


def _run(request: CompareRequest, out: Path | None, *, plan_only: bool, as_json: bool) -> dict[str, Any] | None:
    from tailorlm.cli import show
    from tailorlm.comparison.finish import finish
    from tailorlm.comparison.request import prepare
    from tailorlm.core.runs import DEFAULT_ROOT

    prepared = prepare(request, out or DEFAULT_ROOT)
    screen = show.Screen(quiet=as_json)
    screen.findings(prepared)
    estimate = prepared.comparer.plan()
    screen.plan(prepared, estimate)
    if plan_only:
        seeds = request.settings.seeds
        return {
            "plan": estimate.seconds,
            "total_seconds": estimate.total(seeds),
            "finished": prepared.comparer.finished(),
        }
    with screen.progress(prepared, estimate) as listen:
        outcome = prepared.comparer.run(listen)
    result = finish(prepared, outcome)
    screen.result(result, prepared.folder)
    return result
