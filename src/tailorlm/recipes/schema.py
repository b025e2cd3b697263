"""The recipe: the whole of an adaptation in one YAML file.

A recipe is a point on three axes: *weights* (which parameters learn) x *objective* (what from), trained in stages, and
*context* (what the model is shown). Parts come from the tables of their folders, so a part added there is known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from tailorlm.context import contexts
from tailorlm.core.config import Settings, set_key, setting, validate
from tailorlm.core.parts import Part, part_of
from tailorlm.models.resolve import HOSTED, STARTER, STARTER_WRITER
from tailorlm.objectives import objectives
from tailorlm.objectives.penalties import penalties
from tailorlm.recipes.steps import check_steps
from tailorlm.tasks import tasks
from tailorlm.training.settings import TrainSettings
from tailorlm.weights import weights
from tailorlm.weights.features import PAIRS

if TYPE_CHECKING:
    WeightsPart = Part
    ObjectivePart = Part
    PenaltyPart = Part
    ContextPart = Part
    TaskPart = Part
else:
    WeightsPart, ObjectivePart, ContextPart, TaskPart = map(part_of, (weights, objectives, contexts, tasks))
    PenaltyPart = part_of(penalties)


class Stage(Settings):
    """Weights x objective, trained once."""

    weights: WeightsPart = setting(help="which parameters learn")
    objective: ObjectivePart = setting("labels", help="what they learn from", validate_default=True)
    penalties: tuple[PenaltyPart, ...] = setting((), help="what is added to the loss against forgetting, if anything")
    train: TrainSettings = setting(TrainSettings(), help="how long, in what steps")
    anew: bool = setting(
        False,
        help="begin a part of its own where it would go on with the same one of the stage before: an adapter over the first, another LoRA",
    )


SEARCH = "search"
# Settings of objectives that a head's scores are learnt by; tokens that are written are learnt by likelihood alone.
FOR_HEADS = ("smoothing", "class_weights", "focal")


def _goes_on(one: Stage, other: Stage) -> bool:
    """Whether the second stage trains the very parameters of the first."""
    first, second = (stage.weights.plain() | {"lr": 0, "head_start": ""} for stage in (one, other))
    return first == second and not other.anew


def _fault_of_order(stages: Sequence[Stage], quantised: bool) -> str | None:
    """Why these stages cannot be trained one over the other, if they cannot."""
    names = ", ".join(stage.weights.name for stage in stages)
    if any(not stage.weights.trains for stage in stages[:-1]):
        return f"stages: {names}: a classical classifier (features) reads what comes out at the end, so it is the last stage"
    deaf = [stage for stage in stages if not stage.weights.trains and stage.objective.learns_from != "labels"]
    if deaf:
        return f"stages: {names}: {deaf[0].weights.name} learns from labels alone, not from objective: {deaf[0].objective.name}"
    mounted = False
    for one, other in pairwise(stage for stage in stages if stage.weights.trains):
        if _goes_on(one, other):
            continue
        part = one.weights.registry.get(one.weights.name)
        if not part.folds:
            return f"stages: {names}: {one.weights.name} stands in front of every text and cannot be trained over, so it is the last one"
        if part.wraps and (mounted or quantised):
            over = "adapters" if mounted else "a quantised base"
            return f"stages: {names}: {one.weights.name} over {over} cannot be merged without changing answers, so it is the last one"
        mounted = mounted or part.mounts
    return None


def _fault_of_unheard(stages: Sequence[Stage], written: bool) -> str | None:
    """What a stage is asked for that nothing of it would hear, if anything."""
    for number, stage in enumerate(stages):
        weights, objective = stage.weights, stage.objective
        asked = _asked(objective.settings)
        if not weights.trains and (asked or stage.penalties):
            what = f"objective.{asked[0]}" if asked else "penalties"
            return f"stages.{number}: {weights.name} is fitted by scikit-learn, which hears nothing of {what}: leave it out, or weights: head"
        heads = [name for name in asked if objective.learns_from in ("labels", "tasks") and name in FOR_HEADS]
        if written and heads:
            return (
                f"stages.{number}: a model that writes learns every token of an answer alike, and hears nothing of objective.{heads[0]}: "
                "leave it out, or answers: head"
            )
        if stage.train.tokens_per_step is not None and objective.bundles:
            return (
                f"stages.{number}: {objective.name} tells the rows of a step from each other, so that its steps are counted in rows: "
                "train.rows_per_step, not train.tokens_per_step"
            )
    return None


def _asked(settings: Settings) -> list[str]:
    """Names of the settings that are not as they are without being named."""
    fields = type(settings).model_fields.items()
    return [name for name, field in fields if getattr(settings, name) != field.get_default(call_default_factory=True)]


def _fault_of_search(recipe: Recipe, searched: bool) -> str | None:
    """What of a recipe goes with no search, or with nothing but a search."""
    kinds = [stage.objective.learns_from for stage in recipe.stages]
    if not searched:
        if recipe.context is not None and recipe.context.name == SEARCH:
            return f"context: {SEARCH} finds passages, and the task '{recipe.task.name}' asks for none: task: retrieve"
        return "objective: ranking and triplet learn to find passages: task: retrieve" if "queries" in kinds else None
    if recipe.answers == "written" or recipe.base.startswith(HOSTED):
        return f"the task '{recipe.task.name}' compares vectors of a model on this machine, and nothing is written: answers: auto, base: an encoder"
    if recipe.context is not None and recipe.context.name != SEARCH:
        return f"the task '{recipe.task.name}' is answered by a search: context: {SEARCH}, not {recipe.context.name}"
    odd = next(
        (stage.objective.name for stage in recipe.stages if stage.objective.learns_from not in ("queries", "text")),
        None,
    )
    if odd:
        return (
            f"the task '{recipe.task.name}' has no labels that {odd} could learn from: objective: ranking, or triplet"
        )
    return None


class Recipe(Settings):
    """A base model, stages in order, a context; or steps, each with a recipe of its own. `method` names the preset it came from, if any."""

    word: ClassVar[str] = "the recipe"

    name: str = setting(help="the name on the comparison's line", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    method: str | None = setting(None, help="the preset that this recipe began as")
    base: str = setting("starter", help="the base model: `starter`, `starter-lm`, a folder, a hub id, or `remote:NAME`")
    pooling: Literal["auto", "mean", "cls", "last", "native"] = setting(
        "auto", help="how token states become one vector; `native` = transformers' own classification model"
    )
    layers: int | None = setting(
        None, ge=1, le=1000, help="keep so many of the base's blocks, spread evenly: a smaller student", unit="blocks"
    )
    quantise: Literal["none", "nf4", "nf4_plain", "int8"] = setting(
        "none",
        help="the frozen base in 4 bits (`nf4` as QLoRA, `nf4_plain` with plain scales) or 8 (`int8`): less memory, other answers",
    )
    answers: Literal["auto", "head", "written"] = setting(
        "auto",
        help="a head on the model's states answers, or the model writes; `auto`: a head wherever the task allows one",
    )
    task: TaskPart = setting("classify", help="what is asked of the model", validate_default=True)
    stages: tuple[Stage, ...] = setting((), help="what is trained, in order")
    context: ContextPart | None = setting(None, help="what the model is shown when it answers")
    steps: tuple[Step, ...] = setting(
        (), max_length=20, help="the task taken apart: smaller ones that run in order, each with its own recipe"
    )
    search: dict[str, tuple[Any, ...]] | None = setting(
        None, help="what the search tries: dotted key to values; without it, the grid of the last part; {} for none"
    )

    @model_validator(mode="before")
    @classmethod
    def _steps_take_over(cls, value: Any) -> Any:
        """What the recipe of a step leaves open is as in the whole: base and task; it is called as the step is."""
        if not isinstance(value, Mapping) or not value.get("steps") or not isinstance(value["steps"], list | tuple):
            return value
        shared = {name: value[name] for name in ("base", "task") if name in value}
        return {**value, "steps": [_of_whole(step, shared) for step in value["steps"]]}

    @model_validator(mode="after")
    def _something_answers(self) -> Recipe:
        if self.steps:
            if self.stages or self.context is not None:
                raise ValueError("a recipe has steps, each with stages and a context, or these itself, not both")
            check_steps(self)
            return self
        task = self.task.registry.get(self.task.name)
        reads, fault = learns_text(task), _fault_of_search(self, searches(task))
        if fault:
            raise ValueError(fault)
        if reads and (self.context is not None or any(stage.objective.answers for stage in self.stages)):
            raise ValueError(
                f"the task '{self.task.name}' has no answers: leave the context out, and give every stage objective: causal_lm"
            )
        if not self.stages and self.context is None and not reads and not searches(task):
            raise ValueError("a recipe needs a stage (weights that learn) or a context (something shown)")
        if self.base.startswith(HOSTED) and (self.stages or self.answers == "head"):
            raise ValueError(
                f"base: {self.base} is behind an endpoint, so nothing of it can be trained or read: leave stages out, and let it write "
                "(--methods prompting,few-shot,nearest-shot,rag)"
            )
        if self.answers == "head" and not hasattr(task, "outputs") and not reads and not searches(task):
            raise ValueError(
                f"the task '{self.task.name}' is answered by writing, and a head writes nothing: answers: auto, base: a model that writes"
            )
        fault = _fault_of_order(self.stages, self.quantise != "none") or _fault_of_unheard(self.stages, self.written)
        if fault:
            raise ValueError(fault)
        if (
            not reads
            and self.context is None
            and self.stages
            and self.stages[-1].weights.trains
            and not self.stages[-1].objective.answers
        ):
            raise ValueError(
                "the last stage learns no answers, and nothing else gives them: put a stage of labels, `features` or a context behind it"
            )
        return self

    def parts(self) -> list[Any]:
        """The weights part of each stage; one that goes on with that of the stage before is the same object."""
        return parts_of(self.stages)

    @property
    def bases(self) -> tuple[str, ...]:
        """The names of the base models that answer: one, or those of the steps."""
        return tuple(dict.fromkeys(step.recipe.base for step in self.steps)) if self.steps else (self.base,)

    @property
    def stage_keys(self) -> list[str]:
        """The dotted key of every stage, those of steps too."""
        if self.steps:
            return [f"steps.{i}.recipe.{key}" for i, step in enumerate(self.steps) for key in step.recipe.stage_keys]
        return [f"stages.{i}" for i in range(len(self.stages))]

    def with_steps(self, recipes: Sequence[Recipe]) -> Recipe:
        """A copy with the recipe of each step in place of its own."""
        return self.changed({f"steps.{place}.recipe": recipe.plain() for place, recipe in enumerate(recipes)})

    def step_recipes(self) -> tuple[Recipe, ...]:
        """The recipe of each step, with what this recipe's own `search` has it try."""
        if self.search is None:
            return tuple(step.recipe for step in self.steps)
        own = [f"steps.{place}.recipe." for place in range(len(self.steps))]
        grids = [{k.removeprefix(at): v for k, v in self.search.items() if k.startswith(at)} for at in own]
        return tuple(step.recipe.with_(search=grid) for step, grid in zip(self.steps, grids, strict=True))

    @property
    def written(self) -> bool:
        """Whether the model writes its answers."""
        task = self.task.registry.get(self.task.name)
        if searches(task):
            return False
        by_head = hasattr(task, "outputs") and not self.base.startswith(HOSTED)
        return self.answers == "written" or (self.answers == "auto" and not by_head)

    @property
    def grid(self) -> dict[str, list[Any]]:
        """Dotted key to the values that the search tries: its own, or those declared by the last part."""
        if self.search is not None:
            return {key: list(values) for key, values in self.search.items()}
        if self.steps:
            return {
                f"steps.{place}.recipe.{key}": values
                for place, step in enumerate(self.steps)
                for key, values in step.recipe.grid.items()
            }
        if self.context is None and not self.stages:
            return {}
        shown = self.context if self.context is not None and not (self.context.name == SEARCH and self.stages) else None
        part = shown if shown is not None else self.stages[-1].weights
        at = "context" if shown is not None else f"stages.{len(self.stages) - 1}.weights"
        space = part.settings.search_space()
        if getattr(self.task.settings, "second", None) is None:
            space.pop(PAIRS, None)
        return {f"{at}.{name}": values for name, values in space.items()}

    def plain(self) -> dict[str, Any]:
        """Every key with its value, defaults written out."""
        return self.model_dump(mode="json")

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """A copy with dotted keys set to new values, validated like a new recipe."""
        value = self.plain()
        for key, new in changes.items():
            set_key(value, key, new)
        return validate(value, Recipe)

    def with_task(self, found: Mapping[str, Any]) -> Recipe:
        """A copy with what rows have decided: settings of the task by name, others by dotted key."""
        dotted = {name if "." in name else f"task.{name}": value for name, value in found.items()}
        return self.changed(dotted) if found else self

    @property
    def key(self) -> str:
        """sha256 (hex) over everything but the name: two recipes with equal keys give equal results."""
        return self.key_without(())

    def key_without(self, named: Iterable[str]) -> str:
        """The key, whatever stands at these dotted keys."""
        content = {k: v for k, v in self.plain().items() if k not in {"name", "method"} and (k != "steps" or v)}
        for key in named:
            set_key(content, key, None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Step(Settings):
    """One of several smaller tasks that a task is taken apart into: what it reads, what answers it, where rows go from there.

    Its answer is a column of the steps behind it, under its name. It learns from the column of answers that its task names, where the rows
    have one; what it leaves to the steps behind it while they learn is said by `passes_on`.
    """

    name: str = setting(
        help="the name of the step, and of the column with its answer", pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
    )
    recipe: Recipe = setting(
        help="what answers it: task, base, stages, context; base and task of the whole where it names none"
    )
    texts: dict[str, str] = setting(
        {},
        help="columns made for this step: name to a text in which {column} stands for the row's, or an earlier answer",
    )
    routes: dict[str, str] = setting(
        {}, help="label to the step that rows with it go to; steps that are gone to answer no other rows"
    )
    otherwise: str | None = setting(
        None, help="the step that rows with any other label, or none, go to; without it they pass on"
    )
    passes_on: Literal["gold", "out_of_fold", "answers"] = setting(
        "gold",
        help="what the steps behind it learn from: right answers where rows have them, answers of fits that did not see the row, "
        "or of the fitted step, which knows its train rows",
    )
    folds: int = setting(3, ge=2, le=20, help="fits that answers out of fold come from", unit="fits")


Recipe.model_rebuild()


def _of_whole(step: Any, shared: Mapping[str, Any]) -> Any:
    if not isinstance(step, Mapping) or not isinstance(step.get("recipe", {}), Mapping):
        return step
    own = {"name": step.get("name"), **shared, **step.get("recipe", {})}
    named = {
        key: part.get("part") if isinstance(part := own.get(key), Mapping) else part for key in ("task", "context")
    }
    writes = own.get("answers") == "written" or named["context"] == "prompt" or named["task"] == "generate"
    if "base" not in step.get("recipe", {}) and writes and own.get("base", STARTER) == STARTER:
        own["base"] = STARTER_WRITER
    return {**step, "recipe": own}


def learns_text(task: type) -> bool:
    """Whether a task (its class) has nothing but text: no answers to learn, and none to give."""
    return getattr(task, "learns", "labels") == "text"


def searches(task: type) -> bool:
    """Whether a task (its class) is answered by searching passages."""
    return getattr(task, "learns", "labels") == "queries"


def objective_of(task: type) -> str:
    """The objective that a task (its class) is learnt by, where none is named."""
    return {"text": "causal_lm", "queries": "ranking"}.get(getattr(task, "learns", "labels"), "labels")


def parts_of(stages: Sequence[Stage]) -> list[Any]:
    """The weights part of each stage; one that goes on with that of the stage before is the same object."""
    made: list[Any] = []
    for number, stage in enumerate(stages):
        goes_on = number and stage.weights.trains and _goes_on(stages[number - 1], stage)
        made.append(made[-1] if goes_on else stage.weights.make())
    return made
