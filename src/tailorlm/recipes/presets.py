"""Methods: recipes with names people know. A preset is data, nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorlm.core.config import validate
from tailorlm.core.errors import unknown_name
from tailorlm.recipes.schema import Recipe

# Parts that are nothing but a head, which a model that writes does not have.
HEAD_ALONE = {"features", "head"}


@dataclass(frozen=True)
class Preset:
    """A named point on the three axes.

    title: as shown to people. summary: one line on what it does. quantise: how the base is kept. before: stages before the
    last, as written. search: what the search tries, where it is not the last part's own grid.
    """

    title: str
    summary: str
    weights: str | dict[str, Any] | None = None
    context: str | dict[str, Any] | None = None
    train: dict[str, Any] = field(default_factory=dict)
    quantise: str = "none"
    before: tuple[dict[str, Any], ...] = ()
    search: dict[str, list[Any]] | None = None

    def answers(self, task: type) -> bool:
        """Whether this way can answer a task (its class), however the model answers: with a head, or by writing."""
        part = self.weights if isinstance(self.weights, str) else (self.weights or {}).get("part")
        if not hasattr(task, "outputs"):
            return part not in HEAD_ALONE
        if getattr(task, "target", None) == "place":  # no classifier, no vote and no name finds a place in a text
            return self.context is None and part != "features"
        return self.context != "instruction" or hasattr(task, "label_texts")

    def recipe(self, name: str, base: str, task: Mapping[str, Any]) -> Recipe:
        """The recipe of this preset for a base model and a task."""
        stage = {"weights": self.weights, "objective": "labels", "train": self.train}
        value = {
            "name": name,
            "method": name,
            "base": base,
            "quantise": self.quantise,
            "task": dict(task),
            "stages": [*self.before, stage] if self.weights else [],
            "search": self.search,
            "context": self.context,
        }
        return validate(value, Recipe)


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

# What a comparison tries unless told: one way of each kind, each of which works with every base model.
STANDARD = ("zero-shot", "nearest", "features-lr", "features-svm", "head", "top-layers", "bitfit", "lora", "full")


def preset(name: str) -> Preset:
    """The preset called `name`; an unknown name answers with near misses and the list."""
    if name not in PRESETS:
        raise unknown_name("method", name, PRESETS)
    return PRESETS[name]
