"""Tasks: what is asked of the model. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {
    "classify": "tailorlm.tasks.classify:Classify",
    "extract": "tailorlm.tasks.extract:Extract",
    "generate": "tailorlm.tasks.generate:Generate",
    "language": "tailorlm.tasks.language:Language",
    "many_labels": "tailorlm.tasks.many_labels:ManyLabels",
    "retrieve": "tailorlm.tasks.retrieve:Retrieve",
    "score": "tailorlm.tasks.score:Score",
    "tag": "tailorlm.tasks.tag:Tag",
}

tasks = Registry("task", TABLE, "tailorlm.tasks")
