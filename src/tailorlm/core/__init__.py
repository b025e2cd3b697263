"""Errors, registry, settings and YAML, atomic writes, run folders, machine facts. No torch."""
