"""Settings by trying: a small grid a way, each trial scored on validation rows, the best kept.

Every way gets the same rows, the same validation rows and its own grid of the same small size, declared beside the setting
it is about. Trials are remembered, so that an interrupted search goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from tailorlm.comparison.evidence import recipe_key
from tailorlm.comparison.split import Fold
from tailorlm.core import atomic
from tailorlm.core.errors import TailorError
from tailorlm.models.run import EmbeddingView
from tailorlm.recipes.answering.writing import scores_choices
from tailorlm.recipes.fit import fit
from tailorlm.recipes.fitting.fitted import Fitted
from tailorlm.recipes.fitting.head import FEW_ROWS
from tailorlm.recipes.fitting.steps import Fits, Lesson, metric_for, walk
from tailorlm.recipes.schema import Recipe, Stage
from tailorlm.tasks.base import Examples
from tailorlm.training.checkpoint import Checkpoints
from tailorlm.training.job import Event, Score
from tailorlm.training.processes import Alone

T = TypeVar("T", bound="Trial | Failed")


@dataclass(frozen=True)
class Trial:
    """One setting tried: what was set, validation score (higher is better) and log loss, passes kept, seconds it took.

    found: what its validation rows decided besides: settings of the task, such as a threshold, and the prompt.
    """

    settings: Mapping[str, Any]
    score: float
    loss: float
    epochs: int | None
    seconds: float
    found: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As kept in files."""
        return {
            "settings": dict(self.settings),
            "score": self.score,
            "loss": self.loss,
            "epochs": self.epochs,
            "seconds": self.seconds,
        } | ({"found": dict(self.found)} if self.found else {})


@dataclass(frozen=True)
class Failed:
    """A setting tried that came to nothing: what was set, the words of the fault, seconds until then."""

    settings: Mapping[str, Any]
    fault: str
    seconds: float

    def plain(self) -> dict[str, Any]:
        """As kept in files, with the keys of a `Trial`."""
        return {
            "settings": dict(self.settings),
            "score": None,
            "loss": None,
            "epochs": None,
            "seconds": self.seconds,
            "fault": self.fault,
        }


@dataclass
class Tuned:
    """The outcome of a search: the recipe with the best settings in it, every trial, and those that failed. judged: whether the best one's score
    is of the answers. seconds: of all of them."""

    recipe: Recipe
    trials: list[Trial]
    best: Trial | None
    seconds: float
    judged: bool = True
    failed: list[Failed] = field(default_factory=list)


@dataclass
class TrialMemory:
    """Finished trials by key, kept in a file of JSON lines so that a stopped search need not repeat them.

    A torn last line (the process was killed while writing) is passed over. `path` None keeps them in memory alone.
    """

    path: Path | None = None
    _known: dict[str, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                key = str(entry.pop("key"))
                self._known[key] = Trial(**entry)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def find(self, key: str) -> Trial | None:
        """The trial of that key, if it was finished before."""
        return self._known.get(key)

    def shared(self, group: Alone) -> TrialMemory:
        """The first process's memory, on all of those that train together; the others write nothing."""
        return TrialMemory(self.path if group.first else None, group.same(self._known))

    def add(self, key: str, trial: Trial) -> None:
        """Remember a finished trial."""
        self._known[key] = trial
        if self.path is not None:
            with atomic.disk_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.disk_errors(self.path), open(self.path, "a", encoding="utf-8") as handle:
                handle.write("\n" * bool(handle.tell()) + json.dumps({"key": key, **trial.plain()}))
                handle.flush()


def candidates(grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of a grid's values, as dotted key to value."""
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


@dataclass(frozen=True)
class Care:
    """What every fit of a way gets alike.

    metric: what validation rows are scored by. view: the shared vectors. memory: finished trials. underway: the folder in which fits are kept
    while they go, None for nowhere.
    """

    seed: int
    metric: str
    view: EmbeddingView
    memory: TrialMemory
    listen: Callable[[Event], None] = lambda event: None
    underway: Path | None = None

    def checkpoints(self, name: str) -> Checkpoints | None:
        """Where the fit of this name is kept while it goes."""
        return Checkpoints(self.underway / name) if self.underway is not None else None


def tune(recipe: Recipe, fold: Fold, care: Care, share: float | None = None) -> Tuned:
    """Try every setting of the recipe's grid on the fold and keep the best (metric, then log loss; see `FEW_ROWS`).

    The passes that the best trial kept become those of the last fit (see `_passes`); where there is nothing to try, and every pass is to be
    made (`patience: null`), there is no trial. A trial that diverges counts as failed, which is told;
    if all do, that is a TailorError. share: how much of the rows of the last fit a trial sees, where it is not what the fold says.
    """
    if recipe.steps:
        return _tune_steps(recipe, fold, care)
    grid = recipe.grid
    chooses = hasattr(recipe.task.make(), "choose") and (not recipe.written or scores_choices(recipe))
    chooses = chooses or (recipe.context is not None and bool(getattr(recipe.context.settings, "optimise", 0)))
    if not grid and not chooses and not any(_open(stage) for stage in recipe.stages):
        return Tuned(recipe, [], None, 0.0)
    trials: list[Trial] = []
    failed: list[Failed] = []
    first: TailorError | None = None
    for number, changes in enumerate(candidates(grid), 1):
        candidate = recipe.changed(changes)
        care.listen({"event": "trial", "number": number, "settings": changes})
        start, spent = time.perf_counter(), care.view.spent
        try:
            trials.append(_trial(candidate, changes, fold, care))
        except atomic.DiskFull:
            raise
        except TailorError as fault:
            # Its first sentence alone: what was got may be of the rows.
            failed.append(Failed(changes, fault.what, time.perf_counter() - start - (care.view.spent - spent)))
            care.listen({"event": "trial-failed", "number": number, "settings": changes, "fault": fault.what})
            first = first or fault
    if not trials:
        assert first is not None
        raise first
    by_loss = len(fold.validation) < FEW_ROWS and _gives_probabilities(recipe)
    best = max(trials, key=lambda trial: Score(trial.score, trial.loss, by_loss=by_loss).rank)
    chosen = recipe.changed(best.settings).with_task(best.found)
    if best.epochs:
        seen = share if share is not None else fold.share
        chosen = chosen.changed(_passes(chosen, best.epochs, seen))
    return Tuned(chosen, trials, best, sum(t.seconds for t in trials) + sum(f.seconds for f in failed), failed=failed)


def _open(stage: Stage) -> bool:
    """Whether validation rows decide something of a stage: its passes, unless all of them are made."""
    return bool(stage.weights.trains) and stage.train.patience is not None


def _gives_probabilities(recipe: Recipe) -> bool:
    # A log loss of margins or votes means nothing, so ways that answer with those are chosen by score alone.
    part = recipe.context if recipe.context is not None else recipe.stages[-1].weights
    return bool(getattr(part.make(), "probabilities", False))


def _tune_steps(recipe: Recipe, fold: Fold, care: Care) -> Tuned:
    """Tune every step like a recipe of its own, on the rows that come to it; a step that others need is then fitted on the trial's rows."""
    tuned: list[Tuned] = []
    ends: list[
        tuple[Trial, int]
    ] = []  # the best trial of each step that some rows end at, and how many validation rows judged it
    extra = 0.0

    def again(one: Recipe, rows: Examples) -> Fitted:
        nonlocal extra
        start, spent = time.perf_counter(), care.view.spent
        fitted = fit(one, rows, seed=care.seed, embeddings=care.view, listen=care.listen)
        extra += time.perf_counter() - start - (care.view.spent - spent)
        return fitted

    def fit_step(lesson: Lesson) -> Fitted | None:
        own = care.underway / f"step-{lesson.place + 1}" if care.underway is not None else None
        its = replace(care, metric=metric_for(lesson, care.metric), underway=own)
        if lesson.validation is None:  # nothing to choose on: as it stands in the recipe
            tuned.append(Tuned(lesson.recipe, [], None, 0.0))
        else:
            rows = Fold(lesson.rows, lesson.validation, lesson.rows)
            tuned.append(tune(lesson.recipe, rows, its, fold.share))
            best = tuned[-1].best
            ends.extend([(best, len(lesson.validation))] if lesson.answers and best is not None else [])
        return again(tuned[-1].recipe, lesson.rows) if lesson.asked else None

    walk(recipe, fold.trial, fold.validation, seed=care.seed, fit=Fits(fit_step, again), listen=care.listen)
    trials = [_of_step(place, trial) for place, one in enumerate(tuned) for trial in one.trials]
    bests = [_of_step(place, one.best) for place, one in enumerate(tuned) if one.best is not None]
    best = _together(bests, ends or [(one, 1) for one in bests]) if bests else None
    whole = recipe.with_steps([one.recipe for one in tuned])
    failed = [_of_step(place, fault) for place, one in enumerate(tuned) for fault in one.failed]
    return Tuned(whole, trials, best, sum(one.seconds for one in tuned) + extra, bool(ends), failed)


def _together(bests: Sequence[Trial], ends: Sequence[tuple[Trial, int]]) -> Trial:
    """What was chosen in all steps; its score is the mean of those that answer, by their validation rows."""
    settings = {key: value for one in bests for key, value in one.settings.items()}
    rows = sum(count for _, count in ends)
    score, loss = (sum(getattr(one, name) * count for one, count in ends) / rows for name in ("score", "loss"))
    return Trial(settings, score, loss, None, sum(one.seconds for one in bests))


def _of_step(place: int, trial: T) -> T:
    """A trial of a step, or one that failed, with the keys that its settings have in the whole recipe."""
    return replace(trial, settings={f"steps.{place}.recipe.{key}": value for key, value in trial.settings.items()})


def _passes(recipe: Recipe, best: int, share: float) -> dict[str, int]:
    """Passes of the last fit: those of the best trial, fewer where the trial saw only a part (`share`) of the train rows.

    With n times the rows, the same passes would be n times the steps and the same steps a fraction of a pass; the last fit takes
    the geometric middle, passes / sqrt(n). Where only the head learns, passes cost nothing and stay as they are. The schedule falls
    to its end within these passes: a fit that stops while the rate is high keeps the noise of its last steps. Stages before the last trained
    one keep the passes that they were given.
    """
    last = max(i for i, stage in enumerate(recipe.stages) if stage.weights.trains)
    fewer = math.sqrt(min(1.0, share)) if recipe.stages[last].weights.body_learns else 1.0
    return {f"stages.{last}.train.epochs": max(1, math.ceil(best * fewer))}


def _trial(candidate: Recipe, changes: Mapping[str, Any], fold: Fold, care: Care) -> Trial:
    content = [recipe_key(candidate), fold.trial.fingerprint, fold.validation.fingerprint, care.seed, care.metric]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    known = care.memory.find(key)
    if known is not None:
        return known
    start, spent, checkpoints = time.perf_counter(), care.view.spent, care.checkpoints(key[:12])
    fitted = fit(
        candidate,
        fold.trial,
        fold.validation,
        seed=care.seed,
        metric=care.metric,
        embeddings=care.view,
        listen=care.listen,
        checkpoints=checkpoints,
    )
    # Vectors are charged once for the whole way, not to the trial that happened to come first.
    seconds = time.perf_counter() - start - (care.view.spent - spent) + fitted.earlier
    assert fitted.score is not None
    epochs = fitted.trained[-1].best_epoch if fitted.trained else None
    trial = Trial(dict(changes), fitted.score.value, fitted.score.loss, epochs, seconds, fitted.found)
    care.memory.add(key, trial)
    if checkpoints is not None:
        checkpoints.remove()
    return trial
