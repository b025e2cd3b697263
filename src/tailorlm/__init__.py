"""tailorlm: tailor a language model to your domain, and prove how well it fits.

The public names load on first use, so that importing the package costs nothing.

>>> import tailorlm
>>> sorted(tailorlm.methods())[:3]
['bitfit', 'features-lr', 'features-svm']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailorlm.api import Adaptation, Comparison, Recipe, TailorError, compare, fit, load, methods, prep, read

_NAMES = ("Adaptation", "Comparison", "Recipe", "TailorError", "compare", "fit", "load", "methods", "prep", "read")

__all__ = ["Adaptation", "Comparison", "Recipe", "TailorError", "compare", "fit", "load", "methods", "prep", "read"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module("tailorlm.api"), name)
    raise AttributeError(f"module 'tailorlm' has no attribute '{name}'")


def __dir__() -> list[str]:
    return list(__all__)
