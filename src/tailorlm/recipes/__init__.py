"""Recipes: a base model, stages in order and a context; presets with known names; the fitted adaptation."""
