"""Scoring a kept adaptation on new labelled rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailorlm.core.machine import environment
from tailorlm.core.runs import Run, RunWriter, read_run
from tailorlm.data import Rows
from tailorlm.evaluation import Predictions, tables
from tailorlm.evaluation.scores import score_table
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.tasks.classify import Classify


@dataclass
class Evaluated:
    """Scores of an adaptation on rows: metric name to value, interval and version; per label; the run that keeps them."""

    run: Run
    rows: int
    scores: dict[str, Any]
    per_label: list[tables.LabelScore]


def evaluate_adaptation(model: Adaptation, rows: Rows, *, text: str | None, label: str | None, root: Path) -> Evaluated:
    """Predict labelled rows and score the predictions; the run folder keeps every prediction.

    text, label: columns, where they are not those of the fit. Raises TailorError for unusable rows or labels it never learnt.
    """
    settings = model.recipe.task.settings
    named = {key: value for key, value in (("text", text), ("label", label)) if value}
    task = Classify(settings.with_(**named) if named else settings)
    labelled = task.prepare(rows, what="given", labels=model.labels)
    scores = model.scores(labelled.texts)
    predicted = tuple(model.labels[i] for i in scores.argmax(1))
    predictions = Predictions(
        ids=labelled.ids, gold=labelled.gold, predicted=predicted, labels=model.labels, scores=scores
    )
    table = score_table(Classify.metrics, [predictions])
    key = hashlib.sha256(json.dumps([model.recipe.key, labelled.fingerprint, predicted]).encode()).hexdigest()
    run_id = f"eval-{model.recipe.name}-{key[:12]}"
    run = read_run(root / run_id)
    if run is None:
        with RunWriter(root, run_id) as writer:
            predictions.to_jsonl(writer.folder / "predictions.jsonl")
            shared = {
                "data": labelled.fingerprint,
                "seed": None,
                "commit": environment()["commit"],
                "tailorlm": environment()["tailorlm"],
            }
            writer.write_json("scores.json", {name: value | shared for name, value in table.items()})
            writer.write_recipe(model.recipe.plain())
            data = {"test": {"rows": len(labelled), "fingerprint": labelled.fingerprint}}
            run = writer.publish(
                {
                    "kind": "eval",
                    "name": model.recipe.name,
                    "method": model.recipe.method,
                    "data": data,
                    "environment": environment(),
                }
            )
    return Evaluated(run, len(labelled), table, tables.per_label(predictions))
