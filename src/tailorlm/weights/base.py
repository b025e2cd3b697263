"""What every weights part is: settings, which parameters learn, and how they are kept.

The contract (one suite in `tests/contracts` runs over every registered part): `attach` makes exactly the declared
tensors trainable and returns their names; after training they have moved and all others are bit-equal; `detach` gives the
base back; `save` then `load` on a fresh base gives the same answers to the bit; `merge`, where there is one, changes
no answer. A fit calls, in this order: `attach`, `rates` and `begins`, the loop, `settle`, `release`; then `save`. Where another part
is trained over it, `fold` comes after `settle`: what was learned becomes a part of the model that the next one begins from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from tailorlm.core.config import Settings, setting
from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.models.encoder import TextModel

CHANGED = "changed.safetensors"


class WeightsSettings(Settings):
    """What all trained parts share."""

    head_start: Literal["auto", "probe", "random"] = setting(
        "auto",
        help="start of the head: `probe` (logistic regression on frozen features), `random`; `auto`: random where tokens are asked about",
    )


class TrainedPart:
    """The common manners of parts that change some of the model's own parameters.

    A subclass says which, in `trainable`; the head always learns with them. The changed tensors are stored as they are,
    in one safetensors file.
    """

    Settings: ClassVar[type[WeightsSettings]] = WeightsSettings
    trains: ClassVar[bool] = True
    # Whether scores, through a softmax, are probabilities, so that a log loss can choose between settings.
    probabilities: ClassVar[bool] = True
    # Whether anything below the head learns; where not, vectors are computed once and a pass costs nothing.
    body_learns: ClassVar[bool] = True
    # Whether the saved folder is a whole model, which is read without the base.
    whole: ClassVar[bool] = False
    # Whether it puts modules of its own beside the base's, which stay there (frozen) under a part that is trained later.
    mounts: ClassVar[bool] = False
    # Whether it wraps the body, and whether another part can be trained over it all the same: its change is then merged.
    wraps: ClassVar[bool] = False
    folds: ClassVar[bool] = True

    def __init__(self, settings: WeightsSettings):
        self.settings = settings
        self._before: dict[str, object] = {}

    def trainable(self, model: TextModel) -> list[str]:
        """Names of the body's parameters that learn (as in `model.named_parameters()`)."""
        raise TailorError(f"{type(self).__name__} does not say which parameters learn")

    def attach(self, model: TextModel) -> list[str]:
        """Make exactly the declared parameters and the head trainable; returns their names, sorted.

        Raises TailorError where one of them is kept in whole numbers, as a quantised base keeps its projections.
        """
        wanted = self._wanted(model)
        for name, parameter in model.named_parameters():
            if name in wanted and not parameter.is_floating_point():
                raise TailorError(
                    "quantised weights cannot learn", got=name, hint="take lora, adapter or prefix, or `quantise: none`"
                )
            parameter.requires_grad_(name in wanted)
            if name in wanted and not name.startswith("head."):
                self._before[name] = parameter.detach().clone()
        return sorted(wanted)

    def _wanted(self, model: TextModel) -> set[str]:
        """Names of what learns: what the part says, and the head; never what another part has put beside the base's own."""
        wanted = {*self.trainable(model), *model.head_parameters()}
        return wanted if self.mounts else wanted - mounted(model)

    def detach(self, model: TextModel) -> None:
        """Put the base's own values back and freeze everything."""
        import torch

        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in self._before:
                    parameter.copy_(self._before[name])  # type: ignore[arg-type]
                parameter.requires_grad_(False)
        self._before = {}

    def rates(self, names: Sequence[str]) -> dict[str, float]:
        """Factors on the learning rate by name, where they are not 1."""
        return {}

    def begins(self, model: TextModel, names: Sequence[str]) -> dict[str, int]:
        """The pass (0 is the first) in which a tensor begins to learn, where it is not the first."""
        return {}

    def settle(self, model: TextModel) -> None:
        """Bring what was trained into the form in which it is kept; done once, before the last answers are given."""

    def fold(self, model: TextModel) -> list[str]:
        """Make room for another part over this one, with the same answers; returns the base's own tensors that have changed, by name.

        `detach` still gives the base back, when those above are taken off first.
        """
        return sorted(name for name in self._wanted(model) if not name.startswith("head."))

    def release(self) -> None:
        """Forget the base's own values, which `detach` would have needed; frees their memory."""
        self._before = {}

    def save(self, model: TextModel, folder: Path) -> None:
        """Write the changed tensors of the body into `changed.safetensors`."""
        from safetensors.torch import save_file

        names = {name for name in self._wanted(model) if not name.startswith("head.")}
        tensors = {name: p.detach().contiguous() for name, p in model.named_parameters() if name in names}
        if tensors:
            save_file(tensors, folder / CHANGED)

    def load(self, model: TextModel, folder: Path) -> None:
        """Put the saved tensors into a fresh base. A missing or foreign tensor is a TailorError."""
        wanted = {name: name for name in self._wanted(model) if not name.startswith("head.")}
        put_tensors(folder / CHANGED, changed_in(folder / CHANGED), dict(model.named_parameters()), wanted)


def changed_in(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, none where it is not there."""
    from safetensors.torch import load_file

    return load_file(path) if path.is_file() else {}


def put_tensors(
    found: Path, saved: Mapping[str, Tensor], parameters: Mapping[str, Tensor], names: Mapping[str, str]
) -> None:
    """Copy saved tensors into a model. names: what is wanted, by the name it has in the file to that in `parameters`.

    Raises TailorError when the file (found) has more, less, or other shapes.
    """
    import torch

    odd = sorted(set(saved) ^ set(names))
    odd += [name for name, to in names.items() if name in saved and parameters[to].shape != saved[name].shape]
    if odd:
        raise TailorError(
            f"{found} does not fit the base model", got=f"{len(odd)} tensors differ, e.g. {odd[0]}", hint="fit it again"
        )
    with torch.no_grad():
        for name, tensor in saved.items():
            parameters[names[name]].copy_(tensor)


def mounted(model: TextModel) -> set[str]:
    """Names of the parameters that adapters have put beside the base's own."""
    from tailorlm.weights._bottleneck import Place

    places = [f"{path}." for path, module in model.named_modules() if isinstance(module, Place)]
    return {name for name, _ in model.named_parameters() if name.startswith(tuple(places))} if places else set()
