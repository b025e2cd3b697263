"""`adapter`: small bottlenecks between frozen layers, and the head, learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from tailorlm.core.config import setting
from tailorlm.core.errors import TailorError
from tailorlm.weights.base import TrainedPart, WeightsSettings, put_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from tailorlm.models.encoder import TextModel
    from tailorlm.weights._bottleneck import Mounted, Saved


class Adapter(TrainedPart):
    """Train bottlenecks (down, bend, up) that are added to what frozen layers leave behind, and the head.

    `houlsby`: two a block, behind attention and MLP; `pfeiffer`: one, behind the MLP, half the size and nearly as good; `parallel`: one
    beside the MLP, reading what enters it (the best of them in He et al.). They begin as nearly nothing. Adapters of several folders
    can be stacked under a new one, or fused: then a small attention learns which of them to hear. A few percent of a model to store, and a
    step to compute that cannot be merged away: choose `lora` when prediction must cost nothing more, `adapter` to stack and to fuse, and
    for moving domain and task apart. Sources: Houlsby et al. 2019 (arXiv:1902.00751), Pfeiffer et al. 2020 (2005.00052) and 2021
    (2005.00247, fusion), He et al. 2022 (2110.04366, parallel).
    """

    class Settings(WeightsSettings):
        """Settings of `adapter`."""

        lr: float = setting(1e-3, gt=0, le=1, help="learning rate", search=(3e-4, 1e-3, 3e-3))
        placement: Literal["houlsby", "pfeiffer", "parallel"] = setting(
            "pfeiffer", help="two a block (`houlsby`), one behind the MLP (`pfeiffer`), or one beside it (`parallel`)"
        )
        reduction: float = setting(
            16, gt=1, le=4096, help="the bottleneck is so many times narrower than the model; less for more rows"
        )
        size: int | None = setting(
            None, ge=1, le=65_536, help="width of the bottleneck, in place of `reduction`", unit="columns"
        )
        activation: Literal["relu", "gelu", "silu", "tanh"] = setting("relu", help="what bends the bottleneck")
        dropout: float = setting(0.0, ge=0, lt=1, help="share of the change dropped in training, against overfitting")
        scale: float = setting(1.0, gt=0, le=1000, help="factor on the change; 4 is usual for `parallel`")
        over: tuple[str, ...] = setting(
            (), file=True, help="folders of adapters fitted before, which stay frozen below the new one, or are fused"
        )
        join: Literal["stack", "fuse"] = setting(
            "stack", help="with `over`: a new adapter on top of them, or a fusion of them that learns in its place"
        )

        @model_validator(mode="after")
        def _something_to_fuse(self) -> Adapter.Settings:
            if self.join == "fuse" and len(self.over) < 2:
                raise ValueError("join: fuse needs two folders or more in `over`")
            return self

    settings: Settings
    mounts: ClassVar[bool] = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._mounted: Mounted | None = None
        self._learning: list[str] = []

    def trainable(self, model: TextModel) -> list[str]:
        """The parameters of the new adapter, or of the fusion."""
        return self._learning

    def attach(self, model: TextModel) -> list[str]:
        """Put the adapters in; those of `over` stay frozen. TailorError where the blocks have no places for them."""
        from tailorlm.weights._bottleneck import Mounted, Shape

        s = self.settings
        self._mounted = mounted = Mounted(model.body)
        try:
            for folder in s.over:
                _mount(mounted, _unfused(Path(folder)), model, {})
            if s.join == "fuse":
                names = mounted.fuse()
            else:
                size = s.size or max(1, int(model.width / s.reduction))
                names = mounted.add(Shape(s.placement, size, s.activation, s.scale, s.dropout))
        except TailorError:
            mounted.remove()
            raise
        self._learning = [f"body.{name}" for name in names]
        return super().attach(model)

    def detach(self, model: TextModel) -> None:
        """Take the adapters out again and freeze everything; the base is as it was."""
        super().detach(model)
        if self._mounted is not None:
            self._mounted.remove()
        self._mounted, self._learning = None, []

    def fold(self, model: TextModel) -> list[str]:
        """The adapters stay where they are; of the base's own tensors a native head alone has changed."""
        return sorted(_heads(model))

    def save(self, model: TextModel, folder: Path, *, below: bool = False) -> None:
        """Write all adapters, those of `over` included, in a folder laid out as PEFT's. below: another part lies over them, which has the head."""
        from tailorlm.weights import _bottleneck

        assert self._mounted is not None
        heads = {} if below else _heads(model)
        _bottleneck.save(self._mounted, folder, origin=model.base.origin, heads=heads)

    def load(self, model: TextModel, folder: Path, *, below: bool = False) -> None:
        """Put saved adapters into a fresh base; a tensor that does not fit is a TailorError."""
        from tailorlm.weights._bottleneck import Mounted, read

        self._mounted = Mounted(model.body)
        _mount(self._mounted, read(folder), model, {} if below else _heads(model))


def _heads(model: TextModel) -> dict[str, Tensor]:
    """A native model's own head by name; it learns with the adapters and is kept beside them."""
    names = {name for name in model.head_parameters() if not name.startswith("head.")}
    return {name: parameter for name, parameter in model.named_parameters() if name in names}


def _unfused(folder: Path) -> Saved:
    from tailorlm.weights._bottleneck import read

    inner = folder / "adaptation"
    saved = read(inner if inner.is_dir() else folder)
    if saved.fused:
        raise TailorError(f"{folder} holds adapters that are fused already", allowed="folders of plain adapters")
    return saved


def _mount(mounted: Mounted, saved: Saved, model: TextModel, heads: dict[str, Tensor]) -> None:
    """Put the adapters of a folder in, behind those that are mounted already. heads: where to put a native head; {} leaves it out."""
    from tailorlm.weights._bottleneck import NAME

    names: dict[str, str] = {}
    for number, shape in enumerate(saved.shapes):
        for name in mounted.add(shape):
            place, _, inner = mounted.filed(name).partition(f".{NAME}.bottlenecks.")
            names[f"{place}.{NAME}.bottlenecks.{number}.{inner.partition('.')[2]}"] = f"body.{name}"
    if saved.fused:
        names |= {mounted.filed(name): f"body.{name}" for name in mounted.fuse()}
    names |= {name: name for name in heads}
    kept = {name: tensor for name, tensor in saved.tensors.items() if f".{NAME}." in name or heads}
    put_tensors(saved.folder, kept, dict(model.named_parameters()), names)
