"""The Python API: the same jobs as the command line, with results as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, unknown_name
from tailorlm.core.runs import DEFAULT_ROOT
from tailorlm.data import read
from tailorlm.recipes.presets import METHODS
from tailorlm.recipes.schema import Recipe

if TYPE_CHECKING:
    from tailorlm.recipes.adaptation import Adaptation

__all__ = ["Adaptation", "Comparison", "Recipe", "TailorError", "compare", "fit", "load", "methods", "prep", "read"]

DRY_ROWS = 20_000
"""Rows that a dry run looks at, of each file set."""
MODELS = "tailorlm.models.for_rows:ForRows"
"""Who brings language models to steps of a preparation that ask for one; by name, so that nothing of torch loads before that."""
Paths = str | Path | Sequence[str | Path]
Event = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The answer of a comparison. result: the content of comparison.json. folder: where report and runs lie."""

    result: Mapping[str, Any]
    folder: Path

    @property
    def recommended(self) -> str:
        """Name of the cheapest way among the best and those that cannot be told apart from it."""
        return str(self.result["recommended"])

    @property
    def reason(self) -> str:
        """Why, in one sentence with the numbers."""
        return str(self.result["reason"])

    def scores(self, metric: str | None = None) -> dict[str, float]:
        """Score of every way by name, on the test rows; UsageError for a metric that was not computed."""
        name = metric or self.result["metric"]["name"]
        known = {score for way in self.result["ways"] for score in way.get("scores", ())}
        if name not in known:
            raise unknown_name("metric in this comparison", name, known)
        return {way["name"]: way["scores"][name]["value"] for way in self.result["ways"] if way["status"] == "ok"}

    def adaptation(self, way: str | None = None) -> Adaptation:
        """The fitted adaptation of a way (the recommended one, without a name)."""
        wanted = way or self.recommended
        for entry in self.result["ways"]:
            if entry["name"] == wanted and entry["runs"]:
                return load(self.folder / "runs" / entry["runs"][0])
        raise TailorError(
            f"the comparison has no way called '{wanted}'", allowed=", ".join(w["name"] for w in self.result["ways"])
        )


def compare(
    rows: Paths,
    *,
    test: Paths = (),
    text: str | None = None,
    label: str | None = None,
    task: str | Mapping[str, Any] = "classify",
    methods: Sequence[str | Recipe | Mapping[str, Any]] | None = None,
    base: str = "starter",
    folder: str | Path = DEFAULT_ROOT,
    **settings: Any,
) -> Comparison:
    """Compare ways of adapting a model on labelled rows; writes report and runs below `folder`.

    rows, test: files (csv, tsv, jsonl, json; gzip too). text, label: columns, where they are not called so. task: a task by name, or a mapping
    with `part` and its settings. methods: names of `methods()` or recipes; the standard ones of the task without it.
    settings: fields of `CompareSettings` (seeds, metric, search_rows, leaks, passages, ...). An interrupted comparison called again goes on where
    it was. Raises TailorError for anything wrong with rows, names or settings, before anything slow begins.
    """
    from tailorlm.comparison.finish import finish
    from tailorlm.comparison.request import prepare

    prepared = prepare(_request(rows, test, _task(task, text, label), methods, base, settings), Path(folder))
    return Comparison(finish(prepared, prepared.comparer.run()), prepared.folder)


def fit(
    recipe: Recipe | Mapping[str, Any] | str,
    rows: Paths,
    *,
    text: str | None = None,
    label: str | None = None,
    base: str = "starter",
    seed: int = 0,
    out: str | Path | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> Adaptation:
    """Fit a method (by name) or recipe on labelled rows, its small grid searched on validation rows, and keep the run.

    out: the run's folder (else below `tailor-runs`). text, label, base: used where a method's name is given; a recipe names its own.
    Raises TailorError for anything wrong with rows or recipe.
    """
    from tailorlm.comparison.single import fit_one

    request = _request(rows, (), _task("classify", text, label), [recipe], base, {"seed": seed})
    made = request.recipes()[0]
    request = request.with_(task=made.task.plain(), base=made.base)
    done = fit_one(request, made, out=Path(out) if out else None, seed=seed, listen=listen)
    return load(done.folder)


def load(folder: str | Path, *, base: str | None = None) -> Adaptation:
    """Read an adaptation (its folder, or that of the run that holds it). base: where the base model lies, if it moved."""
    from tailorlm.recipes.adaptation import Adaptation

    return Adaptation.load(Path(folder), base=base)


def methods() -> dict[str, str]:
    """The methods by name, with one line on what each does."""
    return {name: preset.summary for name, preset in METHODS.items()}


def prep(
    rows: Paths, *, out: str | Path | None = None, dry_run: bool = False, workers: int | None = None, **settings: Any
) -> dict[str, Any]:
    """Prepare rows into the folder `out` (`tailor prep` from Python); returns the manifest.

    settings: the keys of a preparation's YAML (steps, test, columns, key_file, ...), e.g. `steps=["repair", {"part": "redact",
    "mode": "drop"}]`. out: beside the first file, with `-prep` behind its name, without it. dry_run: write nothing; each step then
    has `examples` of before and after, of the first 20,000 rows. Steps that ask a language model get ours.
    Raises TailorError for files and settings, and where `out` exists already.
    """
    from tailorlm.data.prep import PrepSettings, default_out, prepare
    from tailorlm.data.prep import dry_run as tried

    asked = validate({"rows": _names(rows), **settings}, PrepSettings)
    if dry_run:
        return tried(asked, rows=DRY_ROWS, workers=workers, models=MODELS)
    return prepare(asked, out or default_out(asked), workers=workers, models=MODELS)


def _task(task: str | Mapping[str, Any], text: str | None, label: str | None) -> dict[str, Any]:
    columns = {key: value for key, value in (("text", text), ("label", label)) if value is not None}
    return ({"part": task} if isinstance(task, str) else dict(task)) | columns


def _request(
    rows: Paths,
    test: Paths,
    task: Mapping[str, Any],
    ways: Sequence[Any] | None,
    base: str,
    settings: Mapping[str, Any],
) -> Any:
    from tailorlm.comparison.request import CompareRequest

    value: dict[str, Any] = {
        "rows": _names(rows),
        "test": _names(test),
        "base": base,
        "task": dict(task),
        "settings": dict(settings),
    }
    if ways is not None:
        value["ways"] = [
            way.plain() if isinstance(way, Recipe) else dict(way) if isinstance(way, Mapping) else way for way in ways
        ]
    return validate(value, CompareRequest)


def _names(paths: Paths) -> list[str]:
    return [str(paths)] if isinstance(paths, str | Path) else [str(path) for path in paths]


def __getattr__(name: str) -> Any:
    if name == "Adaptation":
        from tailorlm.recipes.adaptation import Adaptation

        return Adaptation
    raise AttributeError(f"module 'tailorlm.api' has no attribute '{name}'")
