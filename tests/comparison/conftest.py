"""What the tests of comparisons share."""

import pytest
from small import nine

__all__ = ["nine"]


@pytest.fixture(autouse=True)
def no_reload(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh process that reads the saved folder takes seconds: only tests marked `reloads` pay for it."""
    if "reloads" not in request.keywords:
        monkeypatch.setattr("tailorlm.comparison.way.check_reload", lambda *given: None)
