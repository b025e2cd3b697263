"""The trained parts of a recipe on one model, one over the other: how the next begins, how all are kept and read.

A part that is trained over another begins from what the other left. Parts that change the base's own tensors leave them changed; LoRA and IA3
are merged; adapters stay where they are, frozen. So at any time there are the base's own tensors, adapters over them, and at most one
wrapper on top, and that is what a folder holds: the last part's files in the folder itself, what lies below in `stage-N` (the number of the
stage that trained it last), all changes of own tensors together in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.weights.base import CHANGED, changed_in, put_tensors
from tailorlm.weights.full import own_state, save_whole

if TYPE_CHECKING:
    from torch import Tensor

# A trained part, and the number (from 1) of the last stage that trained it.
Numbered = tuple[Any, int]


def numbered(parts: Iterable[Any]) -> list[Numbered]:
    """The different trained parts of the stages in order. parts: of each stage; equal objects are one part that goes on."""
    last = {part: number for number, part in enumerate(parts, 1) if part.trains}
    return list(last.items())


@dataclass(frozen=True)
class Layout:
    """Which part lies where in a folder.

    own: where the changes of the base's own tensors are: "" is the folder itself, None where nothing but the top is stored. whole: whether
    that is a whole model. adapters: below the top, in order, each with its folder. top: the last trained part, None where there is none.
    alone: whether the top is all there is.
    """

    own: str | None
    whole: bool
    adapters: Sequence[tuple[Any, str]]
    top: Any
    alone: bool

    @classmethod
    def of(cls, parts: Sequence[Numbered]) -> Layout:
        """The layout of parts in order."""
        if not parts:
            return cls(None, False, (), None, True)
        below, top = parts[:-1], parts[-1][0]
        changing = [(part, number) for part, number in below if not part.mounts]
        on_top = not (top.mounts or top.wraps)
        own = "" if on_top else f"stage-{changing[-1][1]}" if changing else None
        whole = any(part.whole for part, _ in changing) or (on_top and top.whole)
        adapters = [(part, f"stage-{number}") for part, number in below if part.mounts]
        return cls(own, whole, adapters, top, not below)

    def base(self, folder: Path) -> Path | None:
        """The folder of the whole model that stands for the base, where there is one."""
        return folder / (self.own or "") if self.whole else None


class Stack:
    """The trained parts on a model. top: the one that learns, or learnt last; below: those under it, the lowest first.

    counted: numbers in each tensor that learnt, in any stage, by name.
    """

    def __init__(self, model: Any):
        self.model = model
        self.below: list[Any] = []
        self.top: Any = None
        self.names: list[str] = []
        self.counted: dict[str, int] = {}
        self._stages: list[Any] = []  # the part of each stage so far
        self._changed: set[str] = set()  # the base's own tensors that those below have changed
        self._own: Mapping[str, Tensor] = {}  # and all of the base's own, as they were when the top came

    def begin(self, part: Any) -> list[str]:
        """Let a part learn in the next stage: the one on top goes on, another begins over it. Returns the names of what learns."""
        self._stages.append(part)
        if part is self.top:
            parameters = dict(self.model.named_parameters())
            for name in self.names:
                parameters[name].requires_grad_(True)
            return self.names
        self.fold()
        self.names = part.attach(self.model)
        self.top = part
        parameters = dict(self.model.named_parameters())
        self.counted |= {name: parameters[name].numel() for name in self.names}
        return self.names

    def fold(self) -> None:
        """Make what is on top a part of what the next begins from."""
        if self.top is not None:
            self._changed.update(self.top.fold(self.model))
            self.below.append(self.top)
            self.top = None
        self._own = own_state(self.model)

    def settle(self) -> None:
        """Bring the top into the form in which it is kept."""
        if self.top is not None:
            self.top.settle(self.model)

    def release(self) -> None:
        """Forget what taking the parts off again would need; frees its memory."""
        for part in (*self.below, self.top):
            if part is not None:
                part.release()

    def detach(self) -> None:
        """Take all parts off, the last first: the base is as it was, unless they were released."""
        for part in (self.top, *reversed(self.below)):
            if part is not None:
                part.detach(self.model)
        self.below, self.top, self._changed, self._stages = [], None, set(), []

    # ---- folders

    def save(self, folder: Path) -> None:
        """Write all parts into a folder."""
        layout = Layout.of(numbered(self._stages))
        if layout.top is None:
            return
        for part, name in layout.adapters:
            (folder / name).mkdir()
            part.save(self.model, folder / name, below=True)
        if layout.own == "" and not layout.alone:
            self._save_own(folder, layout, own_state(self.model), self._changed | set(self.top.fold(self.model)))
            return
        layout.top.save(self.model, folder)
        if layout.own:
            (folder / layout.own).mkdir(exist_ok=True)
            self._save_own(folder / layout.own, layout, self._own, self._changed)

    def _save_own(self, folder: Path, layout: Layout, state: Mapping[str, Tensor], changed: set[str]) -> None:
        if layout.whole:
            save_whole(self.model, folder, state)
            return
        from safetensors.torch import save_file

        found = {name: state[name.removeprefix("body.")].detach().contiguous() for name in sorted(changed)}
        if found:  # a head of ours alone changes nothing below it
            save_file(found, folder / CHANGED)

    def load(self, folder: Path, stages: Sequence[Any]) -> None:
        """Put saved parts on the model, whose base is the whole model of the folder where it holds one. stages: the part of each stage.

        TailorError for what does not fit.
        """
        parts = numbered(stages)
        layout = Layout.of(parts)
        self._stages = [part for part in stages if part.trains]
        if layout.top is None:
            return
        if layout.own is not None and not layout.whole and not (layout.own == "" and layout.alone):
            self._load_own(folder / layout.own / CHANGED)
        for part, name in layout.adapters:
            part.load(self.model, folder / name, below=True)
        if layout.own != "" or (layout.alone and not layout.whole):
            self._own = own_state(self.model)
            layout.top.load(self.model, folder)
        self.below, self.top = [part for part, _ in parts[:-1]], layout.top

    def _load_own(self, path: Path) -> None:
        saved, own = changed_in(path), dict(self.model.named_parameters())
        put_tensors(path, saved, own, {name: name for name in saved if name in own})
        self._changed.update(saved)
