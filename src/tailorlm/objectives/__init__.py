"""Objectives: what the weights learn from. One file each; add a line here and it is everywhere."""

from tailorlm.core.registry import Registry

TABLE = {"labels": "tailorlm.objectives.labels:Labels"}

objectives = Registry("objective", TABLE, "tailorlm.objectives")
