"""A run between two steps, as a snapshot, and back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tailorlm.training.checkpoint import Snapshot, restore_random
from tailorlm.training.groups import restore_state, state_of
from tailorlm.training.job import Score

if TYPE_CHECKING:
    from tailorlm.training.loop import Run


def snapshot_of(run: Run) -> Snapshot:
    """The run as it stood between its last two steps. On several processes all call it, since each may hold a share."""
    result = run.result
    state = {
        "epoch": run.epoch,
        "place": run.place,
        "micro_tokens": run.micro,
        "validation": [[s.value, s.loss, s.by_loss] for s in result.validation],
        "limited": result.limited,
        "best_epoch": result.best_epoch,
        "rows_seen": result.rows_seen,
        "tokens_seen": result.tokens_seen,
        "busy": result.busy,
        "notes": result.notes,
        "seconds": result.seconds + time.perf_counter() - run.start,
        "recent": list(run.watch.recent),
    }
    tensors: dict[str, Tensor] = {f"weights.{name}": p for name, p in run.learning.items()}
    tensors |= {f"kept.{name}": value for name, value in run.kept.items()}
    tensors |= {f"average.{name}": v for name, v in run.average.values.items()} if run.average else {}
    tensors |= run.random
    tensors["losses"] = torch.tensor(result.losses, dtype=torch.float64)
    tensors["row_sums"], tensors["row_seen"] = torch.from_numpy(run.watch.sums), torch.from_numpy(run.watch.seen)
    moments, numbers = state_of(run.optimiser, run.learning)
    whole = {name: run.group.whole(tensor) for name, tensor in (tensors | moments).items()}
    return Snapshot(run.done, run.identity, state | {"optimiser": numbers}, whole)


def restore(run: Run, snapshot: Snapshot) -> None:
    """Put a fresh run of the same job to where the snapshot was taken."""
    state, tensors, result, like = snapshot.state, snapshot.tensors, run.result, run.group.like
    run.put({name: tensors[f"weights.{name}"] for name in run.learning})
    run.kept = {name: like(p, tensors[f"kept.{name}"]) for name, p in run.learning.items()}
    if run.average:
        for name, value in run.average.values.items():
            value.copy_(like(value, tensors[f"average.{name}"]))
    restore_state(run.optimiser, run.learning, state["optimiser"], tensors, like)
    run.done, run.epoch, run.place = snapshot.step, state["epoch"], state["place"]
    run.micro, result.resumed = state["micro_tokens"], snapshot.step
    result.losses = tensors["losses"].tolist()
    result.validation = [Score(*values) for values in state["validation"]]
    result.limited = [
        list(values) for values in state.get("limited", ())
    ]  # not in checkpoints of before there were limits
    result.best_epoch, result.rows_seen = state["best_epoch"], state["rows_seen"]
    result.tokens_seen, result.busy = state["tokens_seen"], state["busy"]
    result.notes, result.seconds = list(state["notes"]), state["seconds"]
    result.earlier = state["seconds"]
    run.watch.sums, run.watch.seen = tensors["row_sums"].numpy().copy(), tensors["row_seen"].numpy().copy()
    run.watch.recent.extend(state["recent"])
    run.random = {name: value for name, value in tensors.items() if name.startswith("random.")}
    restore_random(run.random, run.device)
