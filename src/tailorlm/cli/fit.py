"""`tailor fit`: one method or recipe, tuned with the usual care, kept as an adaptation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailorlm.cli import options as o
from tailorlm.comparison.settings import ReadSettings
from tailorlm.core.errors import UsageError

if TYPE_CHECKING:
    from tailorlm.comparison.request import CompareRequest
    from tailorlm.recipes.schema import Recipe


def fit(
    rows: Annotated[
        list[str] | None,
        typer.Argument(help="Files of labelled rows (csv, tsv, jsonl, json; gzip too), `-` or hub:org/name."),
    ] = None,
    text: o.Text = None,
    label: o.Label = None,
    task: o.Task = None,
    column: o.Columns = None,
    method: Annotated[
        str | None, typer.Option("--method", help="A method by name. [default: features-lr]", show_default=False)
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="A recipe YAML in place of a method.", show_default=False)
    ] = None,
    model: o.Model = None,
    passages: o.Passages = None,
    domain: o.Domain = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Set a key of the recipe: stages.0.weights.lr=1e-4.", show_default=False),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search/--no-search", help="Try the method's small grid on validation rows first.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Start, order and validation rows.")] = 0,
    id_column: o.Id = None,
    descriptions: o.Descriptions = None,
    format: o.Format = None,
    encoding: o.Encoding = None,
    delimiter: o.Delimiter = None,
    max_bad: o.MaxBad = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The adaptation's folder. [default: tailor-runs/fit-...]", show_default=False),
    ] = None,
    general: o.General = None,
    probes: o.Probes = None,
    precision: o.Precision = None,
    track: o.Track = None,
    reload: o.Reload = True,
    show_recipe: Annotated[
        bool, typer.Option("--show-recipe", help="Print the whole recipe, every default written, and stop.")
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Fit one method or recipe and keep the adaptation."""
    flags = locals()
    asked = o.task_of(task, column, {"text": text, "label": label, "id": id_column}, descriptions)
    changes = o.key_values(set_) | ({"context.passages": passages} if recipe and passages else {})
    made = _recipe(
        method, recipe, model, {"part": "classify"} | asked, changes, search=search, files=(passages, domain)
    )
    if precision:
        made = made.changed({f"{key}.train.precision": precision for key in made.stage_keys})
    if show_recipe:
        from tailorlm.core.yaml import dump_yaml

        sys.stdout.write(dump_yaml(made.plain()))
        return
    if not rows:
        raise UsageError("no rows were given", hint="tailor fit rows.csv --text text --label label --method lora")
    from tailorlm.comparison.request import CompareRequest
    from tailorlm.core.config import validate

    read = o.chosen(ReadSettings, flags) or {}
    request = validate(
        {
            "rows": rows,
            "task": made.task.plain(),
            "base": made.base,
            "ways": [made.plain()],
            "read": read,
            "settings": {"seed": seed} | o.flags_given({"general": general, "probes": probes}),
        },
        CompareRequest,
    )
    _fit(request, made, out, seed, track=track, reload=reload, as_json=as_json)


def _recipe(
    method: str | None,
    path: Path | None,
    model: str | None,
    task: dict[str, Any],
    changes: dict[str, Any],
    *,
    search: bool,
    files: tuple[str | None, str | None],
) -> Recipe:
    from tailorlm.core.config import load
    from tailorlm.recipes.presets import preset
    from tailorlm.recipes.schema import Recipe

    if method and path:
        raise UsageError("--method and --recipe were both given", hint="choose one")
    if path:
        changes = (
            ({"base": model} if model else {}) | {f"task.{k}": v for k, v in task.items() if k != "part"} | changes
        )
        made = load(path, Recipe, changes)
    else:
        name = method or {"generate": "prompting", "language": "as-is"}.get(task["part"], "features-lr")
        made = preset(name).recipe(name, model or "starter", task, *files).changed(changes)
    tuned = {key for key in changes if key in made.grid}
    if tuned and made.search is None:  # what the user has set is not searched over
        made = made.with_(search={key: values for key, values in made.grid.items() if key not in tuned})
    return made if search else made.with_(search={})


def _fit(
    request: CompareRequest,
    recipe: Recipe,
    out: Path | None,
    seed: int,
    *,
    track: str | None,
    reload: bool,
    as_json: bool,
) -> None:
    from tailorlm.cli.show import Screen
    from tailorlm.cli.show_fit import ended
    from tailorlm.comparison.report.format import forgotten_lines, task_lines
    from tailorlm.comparison.single import fit_one
    from tailorlm.core.machine import processes

    helps = processes()[0] > 0  # the first of several processes speaks for all
    screen = Screen(quiet=as_json or helps)
    with screen.events() as listen, _tracked(track, recipe, seed, listen) as both:
        done = fit_one(request, recipe, out=out, seed=seed, listen=both, reload=reload, foresee=not screen.quiet)
    if helps:
        return
    if as_json:
        sys.stdout.write(json.dumps(done.record, ensure_ascii=False, indent=2) + "\n")
        return
    score = done.record["validation_score"]
    screen.out.print(
        f"{recipe.name}: fitted on {done.record['data']['train']['rows']:,} rows in {done.record['seconds']:.1f} s",
        markup=False,
    )
    if score is not None:
        screen.out.print(
            f"  {done.metric} {score:.3f} on {done.record['data']['validation']['rows']} validation rows (settings were chosen on them: it flatters)",
            style="dim",
        )
    for line in [*task_lines(done.record.get("tasks")), *forgotten_lines(done.record["forgotten"])]:
        screen.out.print(f"  {line}", style="dim", markup=False)
    for line in ended(done.record, done.folder):
        screen.out.print(f"  {line}", style="dim", markup=False)
    screen.out.print(f"adaptation  {done.folder}")
    screen.out.print(f"next        tailor predict {done.folder} NEW_ROWS.csv", markup=False)
    screen.out.print(f"            tailor eval {done.folder} TEST_ROWS.csv", markup=False)


@contextmanager
def _tracked(name: str | None, recipe: Recipe, seed: int, listen: Callable[[dict[str, Any]], None]) -> Iterator[Any]:
    if name is None:
        yield listen
        return
    from tailorlm.core.runs import DEFAULT_ROOT
    from tailorlm.training.trackers import tracked

    with tracked(name, f"{recipe.name}-s{seed}", DEFAULT_ROOT / "tracked", recipe.plain()) as send:

        def both(event: dict[str, Any]) -> None:
            listen(event)
            send(event)

        yield both
