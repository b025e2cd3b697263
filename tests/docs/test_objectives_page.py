"""The page of objectives: every recipe on it is one, and every objective stands on it."""

from __future__ import annotations

import re
from pathlib import Path

from tailorlm.core.config import validate
from tailorlm.core.yaml import parse_yaml
from tailorlm.objectives import objectives
from tailorlm.recipes.schema import Recipe

PAGE = (Path(__file__).parents[2] / "docs" / "methods" / "objectives.md").read_text(encoding="utf-8")


def test_every_recipe_on_the_page_is_one() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S)
    assert len(blocks) == 7
    used = [validate(parse_yaml(block, Path("page.md")).value, Recipe).stages[0].objective.name for block in blocks]
    assert used == ["distill", "simcse", "denoising", "multi_task", "intermediate_task", "preference", "ranking"]


def test_every_objective_stands_on_it() -> None:
    assert [name for name in objectives if f"`{name}`" not in PAGE] == []
