"""Methods: recipes with names people know. A preset is data, nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tailorlm.core.config import validate
from tailorlm.core.errors import UsageError, unknown_name
from tailorlm.models.resolve import STARTER, STARTER_WRITER, resolve
from tailorlm.models.tokens import tokens_of
from tailorlm.recipes.schema import SEARCH, Recipe, learns_text, objective_of, searches
from tailorlm.tasks import tasks

# Parts that are nothing but a head, which a model that writes does not have.
HEAD_ALONE = {"features", "head"}


@dataclass(frozen=True)
class Preset:
    """A named point on the three axes.

    title: as shown to people. summary: one line on what it does. quantise: how the base is kept. before: stages before the
    last, as written. search: what the search tries, where it is not the last part's own grid. writes: the model writes its answers,
    though the task may have a head. passages: passages of an index are shown, so one has to be named. text: what learns from a file of plain text of
    the domain (so that one has to be named): a weights part in a stage of its own before the task's (`before`), or the stage of the task itself
    (`beside`), or nothing. objective: what its last stage learns from, where it is not the task's usual one.
    """

    title: str
    summary: str
    weights: str | dict[str, Any] | None = None
    context: str | dict[str, Any] | None = None
    train: dict[str, Any] = field(default_factory=dict)
    quantise: str = "none"
    before: tuple[dict[str, Any], ...] = ()
    search: dict[str, list[Any]] | None = None
    writes: bool = False
    passages: bool = False
    text: Literal["before", "beside"] | None = None
    objective: dict[str, Any] | None = None

    def answers(self, task: type) -> bool:
        """Whether this way can answer a task (its class), however the model answers: with a head, or by writing."""
        part = self.weights if isinstance(self.weights, str) else (self.weights or {}).get("part")
        shown = self.context if isinstance(self.context, str) else (self.context or {}).get("part")
        if searches(task):
            return shown in (None, SEARCH) and not self.before and part != "features" and self.text != "beside"
        if shown == SEARCH or self.objective is not None:
            return False
        if learns_text(task):
            return self.context is None and not self.before and part not in HEAD_ALONE
        if part is None and self.context is None:
            return False
        if self.text == "beside":  # what is drawn near is one vector a text
            return (
                hasattr(task, "outputs")
                and not getattr(task, "tokens", False)
                and getattr(task, "target", "") != "place"
            )
        if not hasattr(task, "outputs"):
            return part not in HEAD_ALONE
        if self.writes:
            return hasattr(task, "ask")
        if getattr(task, "target", None) == "place":  # no classifier, no vote and no name finds a place in a text
            return self.context is None and part != "features"
        return self.context != "instruction" or hasattr(task, "label_texts")

    def recipe(
        self, name: str, base: str, task: Mapping[str, Any], passages: str | None = None, domain: str | None = None
    ) -> Recipe:
        """The recipe of this preset for a base model and a task.

        passages: the folder of the index that methods with passages show. domain: the file that methods with plain text read. Where the
        model writes, the starter is the one that can. Raises UsageError where one of them is needed and not named.
        """
        if self.text and domain is None:
            raise UsageError(
                f"the method '{name}' learns from plain text of your domain, and no file of it is named",
                hint="--domain texts.csv, with a column `text`; no labels are read from it",
            )
        if self.passages and passages is None:
            raise UsageError(
                f"the method '{name}' shows passages of your documents, and no index of them is named",
                hint="tailor index build DOCUMENTS --out INDEX, then --passages INDEX",
            )
        asked = tasks.get(str(task.get("part", "classify")))
        writes = self.writes or not (hasattr(asked, "outputs") or searches(asked))
        context = (
            {**self.context, "passages": passages} if isinstance(self.context, dict) and self.passages else self.context
        )
        objective: Any = self.objective or objective_of(asked)
        base = STARTER_WRITER if writes and base == STARTER else base
        before = self.before
        if self.text == "before":
            before = ({"weights": self.weights, "objective": _language(base, domain)},)
        if self.text == "beside":
            objective = {"part": "domain_distance", "text": domain}
        stage = {"weights": self.weights, "objective": objective, "train": self.train}
        value = {
            "name": name,
            "method": name,
            "base": base,
            "answers": "written" if self.writes else "auto",
            "quantise": self.quantise,
            "task": dict(task),
            "stages": [*before, stage] if self.weights else [],
            "search": self.search,
            "context": context,
        }
        return validate(value, Recipe)


def _language(base: str, domain: str | None) -> dict[str, Any]:
    """What a base learns of plain text: hidden words where it has a token that stands for them, else the next one."""
    hides = "mask_token" in tokens_of(resolve(base).folder).named
    return {"part": "masked_lm" if hides else "causal_lm", "text": domain, "with_rows": True}


PRESETS: dict[str, Preset] = {
    "zero-shot": Preset(
        "Zero-shot", "rows against the labels' names or descriptions; no labelled row is used", context="instruction"
    ),
    "nearest": Preset(
        "Nearest examples", "the most similar train rows vote, chosen anew for every row", context="examples"
    ),
    "features-lr": Preset(
        "Features + logistic regression", "a classical classifier on the frozen model's vectors", weights="features"
    ),
    "features-svm": Preset(
        "Features + linear SVM",
        "a classical classifier on the frozen model's vectors",
        weights={"part": "features", "classifier": "linear_svm"},
    ),
    "features-rbf": Preset(
        "Features + RBF SVM",
        "a classifier with curved borders on the frozen model's vectors",
        weights={"part": "features", "classifier": "rbf_svm"},
    ),
    "head": Preset(
        "Head only",
        "a linear head learns by gradient descent, the body is frozen",
        weights="head",
        train={"epochs": 60, "patience": 10},
    ),
    "contrastive": Preset(
        "Contrastive pairs",
        "pairs of rows move the vectors, logistic regression answers on them (for few rows)",
        weights="features",
        before=(
            {"weights": "full", "objective": "contrastive", "train": {"epochs": 1, "warmup": 0.1, "rows_per_step": 16}},
        ),
        search={"stages.0.weights.lr": [2e-5, 5e-5, 1.5e-4]},
    ),
    "top-layers": Preset(
        "Top layers", "the last two blocks and the head learn (partial fine-tuning)", weights="top_layers"
    ),
    "bitfit": Preset("BitFit", "only the bias vectors and the head learn", weights="bias"),
    "adapter": Preset(
        "Adapter",
        "small bottlenecks between frozen layers, and the head, learn (Pfeiffer's placement)",
        weights="adapter",
    ),
    "houlsby": Preset(
        "Adapters, two a block",
        "bottlenecks behind attention and MLP, and the head, learn",
        weights={"part": "adapter", "placement": "houlsby"},
    ),
    "lora": Preset("LoRA", "low-rank matrices beside frozen projections, and the head, learn", weights="lora"),
    "dora": Preset(
        "DoRA", "low-rank matrices for directions, lengths apart, and the head", weights={"part": "lora", "dora": True}
    ),
    "qlora": Preset(
        "QLoRA", "low-rank matrices over a base kept in 4 bits, and the head, learn", weights="lora", quantise="nf4"
    ),
    "prefix": Preset("Prefix tuning", "keys and values in front of every block's own, and the head", weights="prefix"),
    "prompt-tuning": Preset("Prompt tuning", "vectors in front of every text, and the head, learn", weights="prompt"),
    "ia3": Preset("IA3", "factors on keys, values and the MLP's inside, and the head, learn", weights="ia3"),
    "full": Preset("Full fine-tuning", "every parameter learns", weights="full"),
}

LORA_RATES = {"stages.0.weights.lr": [3e-4, 1e-3, 3e-3]}
# Ways that need a model that writes, whatever the task.
WRITTEN: dict[str, Preset] = {
    "as-is": Preset("As it is", "the base model as it comes, and nothing learns"),
    "prompting": Preset(
        "Prompting", "a model that writes is told what to do, and nothing else", context={"part": "prompt"}, writes=True
    ),
    "few-shot": Preset(
        "Fixed examples",
        "the same four train rows, unlike each other, stand in every prompt",
        context={"part": "prompt", "examples": {"part": "diverse", "k": 4}},
        writes=True,
    ),
    "nearest-shot": Preset(
        "Nearest examples in the prompt",
        "the four train rows most like the query, chosen anew for each, stand in its prompt",
        context={"part": "prompt", "examples": {"part": "nearest", "k": 4}},
        writes=True,
    ),
    "rag": Preset(
        "Passages (RAG)",
        "passages of your documents, found for each query, stand in its prompt",
        context={"part": "prompt"},
        writes=True,
        passages=True,
    ),
    "rag-shot": Preset(
        "Passages and nearest examples",
        "passages found for each query, and the train rows most like it, stand in its prompt",
        context={"part": "prompt", "examples": {"part": "nearest", "k": 4}},
        writes=True,
        passages=True,
    ),
    "lora-shot": Preset(
        "LoRA with nearest examples",
        "low-rank matrices learn from prompts that hold the rows most like each, as in use",
        weights="lora",
        context={"part": "prompt", "examples": {"part": "nearest", "k": 4}},
        search=LORA_RATES,
        writes=True,
    ),
    "lora-rag": Preset(
        "LoRA with passages",
        "low-rank matrices learn from prompts that hold the passages found for each row, as in use",
        weights="lora",
        context={"part": "prompt"},
        search=LORA_RATES,
        writes=True,
        passages=True,
    ),
}

# Ways that read plain text of the domain that is to be answered in, without labels.
DOMAIN: dict[str, Preset] = {
    "adaptive": Preset(
        "Domain text, then the task",
        "every parameter learns from text of the domain, then from the rows",
        weights="full",
        text="before",
    ),
    "two-step": Preset(
        "Two-step adapters",
        "adapters learn from text of the domain and of the rows, then from the rows; the base stays as it is",
        weights="adapter",
        text="before",
    ),
    "domain-distance": Preset(
        "Domain distance",
        "adapters learn from the rows while vectors of the domain's text are drawn near to theirs",
        weights="adapter",
        text="beside",
    ),
}

# Ways of finding passages.
SEARCHED: dict[str, Preset] = {
    "bm25": Preset(
        "BM25",
        "passages are found by the words they share with the query",
        context={"part": SEARCH, "retriever": "bm25"},
    ),
    "fused": Preset(
        "Words and meaning",
        "BM25 and the frozen encoder's vectors, joined by rank; nothing learns",
        context={"part": SEARCH, "retriever": "fused"},
    ),
    "hard-negatives": Preset(
        "LoRA with hard negatives",
        "low-rank matrices learn from passages that the frozen encoder takes for right ones",
        weights="lora",
        objective={"part": "ranking", "mined": 8},
    ),
}

METHODS = PRESETS | WRITTEN | DOMAIN | SEARCHED
# What a comparison tries unless told: one way of each kind, each of which works with every base model.
STANDARD = ("zero-shot", "nearest", "features-lr", "features-svm", "head", "top-layers", "bitfit", "lora", "full")

# The same for tasks that are answered by writing alone; those with passages where an index is named.
STANDARD_WRITTEN = ("prompting", "few-shot", "nearest-shot", "rag", "lora", "lora-rag", "full")

# And for plain text.
STANDARD_READ = ("as-is", "bitfit", "lora", "full")

# And for search.
STANDARD_SEARCHED = ("bm25", "as-is", "fused", "head", "bitfit", "lora", "full")


def standard(task: type, *, passages: bool) -> list[str]:
    """The methods that a comparison tries unless told, for a task (its class). passages: whether an index is named."""
    written = STANDARD_READ if learns_text(task) else STANDARD_WRITTEN
    names = STANDARD if hasattr(task, "outputs") else STANDARD_SEARCHED if searches(task) else written
    return [name for name in names if METHODS[name].answers(task) and (passages or not METHODS[name].passages)]


def preset(name: str) -> Preset:
    """The preset called `name`; an unknown name answers with near misses and the list."""
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]
