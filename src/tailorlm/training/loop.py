"""The one training loop. Methods hand it parts; nobody overrides it.

A step: the rows of the step in parts that fit memory, losses summed and divided by the labels of the whole step, gradient
clipped, the optimiser's step, learning rate moved. A pass: all steps, then the validation score; the best pass's weights are kept.
At the border of any two steps the run can be stopped and gone on with, to the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tailorlm.core.errors import TailorError
from tailorlm.training.arithmetic import fastest_exact
from tailorlm.training.average import Average
from tailorlm.training.checkpoint import Checkpoints, Snapshot, random_states, restore_random
from tailorlm.training.checks import checksums, postflight, preflight
from tailorlm.training.groups import optimiser_of, restore_state, state_of
from tailorlm.training.job import Event, Job, Listener, Score, Trained
from tailorlm.training.memory import micro_tokens, out_of_memory
from tailorlm.training.processes import Alone, Report, group_for
from tailorlm.training.schedule import rate
from tailorlm.training.signals import Signals
from tailorlm.training.watch import Watch, not_finite


def train(
    job: Job,
    *,
    validate: Callable[[], Score] | None = None,
    listen: Listener = lambda event: None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Run the job to its end and leave the best pass's weights in the model (the last pass's, without `validate`).

    listen: receives one event a step and one a pass, and what is noticed. checkpoints: where the run is kept while it goes; one
    that was interrupted goes on from the newest, to the same bits.
    Raises TailorError when a loss or gradient is not finite, naming step and rows; the weights are then those of the best pass so
    far. CheckError when rows hold nothing to learn. KeyboardInterrupt on SIGINT or SIGTERM, after a checkpoint.
    On several processes all call this alike; the first one listens and writes, and all get the same answer.
    """
    group, module = group_for(job.settings.sharding), job.lesson.module
    listen = listen if group.first else _silent
    listen(preflight(job))
    group.agree(job.identity())
    before = checksums(dict(module.named_parameters()))
    signals = Signals(together=group.count > 1)
    with group.spread(module):
        run = _Run(job, listen, group)
        if checkpoints is not None:
            run.go_on(group.same(checkpoints.newest(run.identity) if group.first else None))
        try:
            with fastest_exact(run.device), signals:
                run.passes(validate, checkpoints, signals)
        except BaseException as fault:
            # Libraries may turn what a signal raised inside them into an error of their own.
            if not isinstance(fault, KeyboardInterrupt) and (group.count > 1 or not signals.arrived):
                raise
            if checkpoints is not None:
                run.keep(checkpoints)
                listen({"event": "interrupted", "step": run.done, "kept": str(checkpoints.folder)})
            raise KeyboardInterrupt from fault
        result = run.finish(validate is not None)
    result.notes += postflight(module, job.trainable, before, run.done)
    return result


def _silent(event: Event) -> None:
    """Listens for the processes that do not speak."""


class _Run:
    """A job on its way. `border` is the run as it stood between the last two steps."""

    def __init__(self, job: Job, listen: Listener, group: Alone):
        self.job, self.listen, self.group = job, listen, group
        torch.manual_seed(job.seed)
        self.identity = job.identity()
        parameters = dict(job.lesson.module.named_parameters())
        self.learning = {name: parameters[name] for name in job.trainable}
        self.optimiser = optimiser_of(job, self.learning)
        self.order, self.result, self.watch = job.rows_in_order(), Trained(), Watch(job)
        self.total = self.order.total(job.settings.epochs)
        self.average = Average(self.learning, job.settings.average) if job.settings.average else None
        self.kept = {name: p.detach().clone() for name, p in self.learning.items()}
        self.epoch = self.place = self.done = 0
        self.device = next(iter(self.learning.values())).device
        self.micro = job.settings.micro_tokens or micro_tokens(self.device)
        self.start = time.perf_counter()
        self.random = random_states()

    # ---- passes and steps

    def passes(self, validate: Callable[[], Score] | None, checkpoints: Checkpoints | None, signals: Signals) -> None:
        settings, module = self.job.settings, self.job.lesson.module
        last = min(settings.epochs, settings.stop_after or settings.epochs)
        while self.epoch < last and not self._patience_ended():
            steps = self.order.steps(self.epoch)
            self.job.lesson.begin(self.epoch)
            module.train()
            while self.place < len(steps):
                due = checkpoints is not None and checkpoints.due
                heard = self._step(steps[self.place], signals, due)
                if heard.stop:
                    raise KeyboardInterrupt
                signals.check()
                if checkpoints is not None and heard.due:
                    self.keep(checkpoints)
            module.eval()
            score = self.group.same(self._score(validate, signals))
            if self.group.any(signals.arrived):
                raise KeyboardInterrupt
            with signals.held():
                events = self._passed(score)
            for event in events:
                self.listen(event)

    def _patience_ended(self) -> bool:
        return bool(self.result.validation) and self.epoch - self.result.best_epoch >= self.job.settings.patience

    def _score(self, validate: Callable[[], Score] | None, signals: Signals) -> Score | None:
        """The validation score of the weights as they would be kept."""
        if validate is None or self.average is None:
            return validate() if validate else None
        try:
            with signals.held():
                self.average.show()
            return validate()
        finally:
            with signals.held():
                self.average.hide()

    def _passed(self, score: Score | None) -> list[Event]:
        """Take in the score of the pass that has ended, and go on to the next."""
        self.epoch, self.place = self.epoch + 1, 0
        if score is None:
            self.result.best_epoch = self.epoch
            return []
        noticed = self.watch.validated(self.result, score)
        improved = score.beats(self.result.best)
        self.result.validation.append(score)
        if improved:
            self.result.best_epoch = self.epoch
            values = self.average.values if self.average else self.learning
            self.kept = {name: value.detach().clone() for name, value in values.items()}
        told = {"epoch": self.epoch, "score": score.value, "loss": score.loss, "best": improved}
        return [{"event": "validation"} | told, *([noticed] if noticed else [])]

    def _step(self, index: list[int], signals: Signals, due: bool) -> Report:
        job, settings = self.job, self.job.settings
        factor = rate(self.done, self.total, schedule=settings.schedule, warmup=settings.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = job.lr * factor * group["share"]
        while True:
            mine = replace(self._parts(index), stop=signals.arrived, due=due)
            heard = self.group.exchange(index, mine, self.device)
            if not heard.short:
                break
            self._back_off(index)
        learning = list(self.learning.values())
        self.group.add_gradients(learning)
        loss = heard.total / sum(job.lesson.counts[i] for i in index) + self._penalties()
        if not np.isfinite(loss):
            raise self._stopped(index, "loss")
        if not torch.isfinite(self.group.clip(learning, settings.clip)):
            raise self._stopped(index, "gradient")
        with signals.held():
            self.optimiser.step()
            if self.average:
                self.average.update(self.done + 1)
            self._advance(index, loss, heard.losses)
        self._tell(index, loss, heard.losses)
        return replace(heard, stop=heard.stop and self.group.count > 1)

    def _parts(self, index: list[int]) -> Report:
        """This process's part of a step: the losses of its rows; the gradients lie in the parameters."""
        lesson, group = self.job.lesson, self.group
        labels = sum(lesson.counts[i] for i in index)
        self.optimiser.zero_grad(set_to_none=True)
        found, total = [np.zeros(0, np.float32)], 0.0
        try:
            parts = group.parts(index, lesson.lengths, self.micro, padded=lesson.padded)
            for number, (part, weight) in enumerate(parts):
                group.chance(self.job.seed, self.done, number)
                losses = lesson.losses(part)
                summed = losses.sum()
                (summed * (weight / labels) if weight != 1 else summed / labels).backward()  # type: ignore[no-untyped-call]
                if weight:
                    total += float(summed.detach())
                    found.append(losses.detach().float().cpu().numpy())
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            return Report(short=True)
        return Report(total, np.concatenate(found))

    def _penalties(self) -> float:
        """Their sum; the gradients are added, on every process to the gradients of the whole step."""
        total = 0.0
        for penalty in self.job.penalties:
            extra = penalty()
            extra.backward()  # type: ignore[no-untyped-call]
            total += float(self.group.whole(extra.detach()))
        return total

    def _advance(self, index: list[int], loss: float, losses: np.ndarray) -> None:
        self.done, self.place = self.done + 1, self.place + 1
        self.result.losses.append(loss)
        self.result.rows_seen += len(index)
        self.watch.rows(index, losses)
        self.random = random_states()

    def _tell(self, index: list[int], loss: float, losses: np.ndarray) -> None:
        noticed = self.watch.step(self.done, loss, index, losses)
        step = {"event": "step", "step": self.done, "steps": self.total, "epoch": self.epoch + 1}
        self.listen(step | {"epochs": self.job.settings.epochs, "loss": loss, "rows": len(index)})
        if noticed:
            self.listen(noticed)

    # ---- faults

    def _back_off(self, index: list[int]) -> None:
        """Half the tokens at once, for the same step of the same rows, with the same chance."""
        longest = max(self.job.lesson.lengths[i] for i in index)
        self.optimiser.zero_grad(set_to_none=True)
        if self.micro <= longest:
            raise TailorError(
                f"one row of {longest} tokens does not fit into memory",
                hint="shorter texts (task.max_length), a smaller model, or weights: head, which keeps no gradients of the body",
            )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.micro = max(longest, self.micro // 2)
        restore_random(self.random)
        note = (
            f"memory was short: {self.micro} tokens at once from step {self.done + 1} on; steps and order are the same"
        )
        self.result.notes.append(note)
        self.listen({"event": "back-off", "step": self.done + 1, "micro_tokens": self.micro})

    def _stopped(self, index: list[int], what: str) -> TailorError:
        self._put(self.kept)
        return not_finite(self.job, index, self.done + 1, what)

    # ---- the border of two steps, and the end

    def keep(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint of the last border."""
        border = self.border  # on all processes, which may each hold a share of it
        if self.group.first:
            checkpoints.save(border)

    @property
    def border(self) -> Snapshot:
        result = self.result
        state = {
            "epoch": self.epoch,
            "place": self.place,
            "micro_tokens": self.micro,
            "validation": [[s.value, s.loss, s.by_loss] for s in result.validation],
            "best_epoch": result.best_epoch,
            "rows_seen": result.rows_seen,
            "notes": result.notes,
            "seconds": result.seconds + time.perf_counter() - self.start,
            "recent": list(self.watch.recent),
        }
        tensors: dict[str, Tensor] = {f"weights.{name}": p for name, p in self.learning.items()}
        tensors |= {f"kept.{name}": value for name, value in self.kept.items()}
        tensors |= {f"average.{name}": v for name, v in self.average.values.items()} if self.average else {}
        tensors |= self.random
        tensors["losses"] = torch.tensor(result.losses, dtype=torch.float64)
        tensors["row_sums"], tensors["row_seen"] = torch.from_numpy(self.watch.sums), torch.from_numpy(self.watch.seen)
        moments, numbers = state_of(self.optimiser, self.learning)
        whole = {name: self.group.whole(tensor) for name, tensor in (tensors | moments).items()}
        return Snapshot(self.done, self.identity, state | {"optimiser": numbers}, whole)

    def go_on(self, snapshot: Snapshot | None) -> None:
        if snapshot is None:
            return
        state, tensors, result = snapshot.state, snapshot.tensors, self.result
        self._put({name: tensors[f"weights.{name}"] for name in self.learning})
        like = self.group.like
        self.kept = {name: like(p, tensors[f"kept.{name}"]) for name, p in self.learning.items()}
        if self.average:
            for name, value in self.average.values.items():
                value.copy_(like(value, tensors[f"average.{name}"]))
        restore_state(self.optimiser, self.learning, state["optimiser"], tensors, like)
        self.done, self.epoch, self.place = snapshot.step, state["epoch"], state["place"]
        self.micro, result.resumed = state["micro_tokens"], snapshot.step
        result.losses = tensors["losses"].tolist()
        result.validation = [Score(*values) for values in state["validation"]]
        result.best_epoch, result.rows_seen = state["best_epoch"], state["rows_seen"]
        result.notes, result.seconds = list(state["notes"]), state["seconds"]
        result.earlier = state["seconds"]
        self.watch.sums, self.watch.seen = tensors["row_sums"].numpy().copy(), tensors["row_seen"].numpy().copy()
        self.watch.recent.extend(state["recent"])
        self.random = {name: value for name, value in tensors.items() if name.startswith("random.")}
        restore_random(self.random)
        self.listen({"event": "resumed", "step": self.done, "steps": self.total})

    def finish(self, validated: bool) -> Trained:
        """Leave the weights to be kept in the model; what the run left."""
        result, module = self.result, self.job.lesson.module
        if validated:
            self._put(self.kept)
        elif self.average:
            self._put(self.average.values)
        module.eval()
        result.seconds += time.perf_counter() - self.start
        result.row_losses = self.watch.row_losses()
        return result

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.learning.items():
            parameter.copy_(self.group.like(parameter, values[name]))
