"""What the parts that stand on PEFT share: putting its wrapper on and off, and its files, free of absolute paths.

Source: peft 0.21 (`peft_model.py`, `utils/save_and_load.py`). A saved folder loads with plain `PeftModel.from_pretrained`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tailorlm.models.encoder import TextModel


def task_type(model: TextModel) -> str:
    """PEFT's word for what the model is asked for."""
    return {"native": "SEQ_CLS", "written": "CAUSAL_LM"}.get(model.pooling, "FEATURE_EXTRACTION")


def native_heads(model: TextModel) -> list[str] | None:
    """The modules of a native model's own head, which PEFT trains and stores beside its tensors."""
    heads = sorted({name.split(".")[1] for name in model.head_parameters()}) if model.pooling == "native" else []
    return heads or None


def wrap(model: TextModel, config: Any) -> list[str]:
    """Put PEFT's wrapper around the body; returns the names of what learns, the head's included, sorted."""
    import peft

    from tailorlm.models.low_rank import fuse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # transformers' own names, met inside PEFT
        model.body = peft.get_peft_model(model.body, config)
    fuse(model.body)
    if model.head is not None:
        model.head.requires_grad_(True)
    for name, parameter in model.named_parameters():
        # Nobody reads the pooler of a body that we pool ourselves.
        if model.pooling != "native" and ".pooler." in name:
            parameter.requires_grad_(False)
    return sorted(name for name, p in model.named_parameters() if p.requires_grad)


def unwrap(model: TextModel) -> None:
    """Take the wrapper off again; the base is as it was, a native head included."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = wrapper_of(model).get_base_model()
    _put_heads(
        base, trained=False
    )  # PEFT would leave the trained copy in place, and not unload IA3 from a quantised base at all
    for path, module in list(base.named_modules()):
        if isinstance(module, BaseTunerLayer):
            parent, _, name = path.rpartition(".")
            setattr(base.get_submodule(parent), name, module.get_base_layer())
    model.body = base
    model.requires_grad_(False)


def save(model: TextModel, folder: Path) -> None:
    """Write PEFT's own files, free of absolute paths."""
    # No embedding is ever resized here; looking for that, PEFT would ask the hub for the base's configuration.
    wrapper_of(model).save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # PEFT notes the folder the base was read from, which means nothing on another machine.
    config["base_model_name_or_path"] = model.base.origin
    for name in ("target_modules", "modules_to_save", "feedforward_modules"):
        config |= {name: sorted(config[name])} if config.get(name) else {}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's is an empty form


def load(model: TextModel, folder: Path, what: str) -> None:
    """Wrap a fresh base with what was saved; a key that does not fit is an error, not a warning. what: for messages."""
    import peft
    from safetensors import SafetensorError, safe_open

    from tailorlm.models.low_rank import fuse

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.body = peft.PeftModel.from_pretrained(model.body, folder)
            fuse(model.body)
        with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
            saved = set(file.keys())
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise TailorError(f"{folder} cannot be loaded as {what}", got=str(error).splitlines()[0]) from None
    known = set(peft.get_peft_model_state_dict(model.body, save_embedding_layers=False))
    if saved != known:
        raise TailorError(
            f"{folder} does not fit the base model", got=f"{len(saved ^ known)} keys differ", hint="fit it again"
        )


def merge(model: TextModel) -> None:
    """Add the learnt change into the base weights. Raises TailorError over a quantised base, where rounding would change answers."""
    if model.base.quantise != "none":
        raise TailorError(
            "a change cannot be merged into quantised weights without changing the answers",
            got=f"quantise: {model.base.quantise}",
            hint="keep the adaptation beside its base, or fit it with `quantise: none`",
        )
    wrapper = wrapper_of(model)
    _put_heads(wrapper.get_base_model(), trained=True)  # PEFT cannot unload those of several layers from IA3
    model.body = wrapper.merge_and_unload()
    vars(model.body).pop("peft_config", None)  # left behind, it makes PEFT take the next wrapper for a second one


def is_wrapped(model: TextModel) -> bool:
    """Whether PEFT's wrapper is on."""
    return hasattr(model.body, "get_base_model")


def changed_by_merging(model: TextModel) -> dict[str, object]:
    """Copies of the base's own tensors that `merge` will change, by the names that they will have."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    found: dict[str, object] = {}
    for path, module in wrapper_of(model).get_base_model().named_modules():
        if isinstance(module, BaseTunerLayer):
            inner, deep = module.get_base_layer(), False
        elif isinstance(module, ModulesToSaveWrapper):
            inner, deep = module.original_module, True
        else:
            continue
        own = inner.named_parameters(recurse=deep)
        found |= {f"body.{path}.{name}": parameter.detach().clone() for name, parameter in own}
    return found


def _put_heads(base: Any, *, trained: bool) -> None:
    """Put a native head, the trained copy or the one that was there before, in the place of PEFT's wrapper around both."""
    from peft.utils import ModulesToSaveWrapper

    for path, module in list(base.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            parent, _, name = path.rpartition(".")
            head = module.modules_to_save[module.active_adapters[0]] if trained else module.original_module
            setattr(base.get_submodule(parent), name, head)


def wrapper_of(model: TextModel) -> Any:
    """PEFT's wrapper, which has more methods than a module."""
    return model.body
