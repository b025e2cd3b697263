"""The one training loop. Methods hand it parts; nobody overrides it.

A step: the rows of the step in parts that fit memory, losses summed and divided by the labels of the whole step, gradient
clipped, the optimiser's step, learning rate moved. A pass: all steps, then the validation score; the best pass's weights are kept.
At the border of any two steps the run can be stopped and gone on with, to the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tailorlm.core.atomic import DiskFull
from tailorlm.core.errors import TailorError
from tailorlm.models.arithmetic import computing, fastest_exact
from tailorlm.training.average import Average
from tailorlm.training.border import restore, snapshot_of
from tailorlm.training.checkpoint import Checkpoints, Snapshot, random_states, restore_random
from tailorlm.training.checks import checksums, postflight, preflight
from tailorlm.training.frozen import in_bfloat16
from tailorlm.training.groups import optimiser_of
from tailorlm.training.job import Event, Job, Listener, Score, Trained
from tailorlm.training.memory import micro_tokens, no_room_beside, out_of_memory, pages_kept, too_large
from tailorlm.training.processes import Alone, Report, group_for
from tailorlm.training.recompute import can_recompute, recomputing, without_cache
from tailorlm.training.rehearsal import Forecast, Needs, forecast_of, state_bytes, worth_a_forecast
from tailorlm.training.schedule import rate
from tailorlm.training.signals import Signals
from tailorlm.training.speed import operations_of, speed
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
    group.alike(parameter for name, parameter in module.named_parameters() if name in set(job.trainable))
    before = checksums(module)
    signals = Signals(together=group.count > 1)
    device = next(module.parameters()).device
    small = in_bfloat16(module, job.trainable) if job.computed_in == "bfloat16" else nullcontext()
    with pages_kept(), fastest_exact(device), without_cache(module), small, group.spread(module), ExitStack() as stack:
        run = Run(job, listen, group, stack)
        if checkpoints is not None:
            run.go_on(group.same(run.found(checkpoints) if group.first else None))
        try:
            with signals:
                run.prepare()
                run.result.operations = operations_of(run)
                run.passes(validate, checkpoints, signals)
        except BaseException as fault:
            # Libraries may turn what a signal raised inside them into an error of their own.
            if not isinstance(fault, KeyboardInterrupt) and (group.count > 1 or not signals.arrived):
                if out_of_memory(fault):  # not in a part of a step, which is met with smaller ones
                    run.put(run.kept)
                    raise no_room_beside() from fault
                raise
            if checkpoints is not None:
                run.keep(checkpoints)
                listen({"event": "interrupted", "step": run.done, "kept": str(checkpoints.folder)})
            raise KeyboardInterrupt from fault
        result = run.finish(validate is not None or bool(job.limits))
    result.notes += postflight(module, job.trainable, before, run.done)
    return result


def _silent(event: Event) -> None:
    """Listens for the processes that do not speak."""


class Run:
    """A job on its way. What is entered into `stack` stays until its end."""

    def __init__(self, job: Job, listen: Listener, group: Alone, stack: ExitStack):
        self.job, self.listen, self.group, self.stack = job, listen, group, stack
        torch.manual_seed(job.seed)
        self.identity = job.identity()
        parameters = dict(job.lesson.module.named_parameters())
        self.learning = {name: parameters[name] for name in job.trainable}
        self.optimiser = optimiser_of(job, self.learning)
        self.order, self.result, self.watch = job.rows_in_order(), Trained(computed_in=job.computed_in), Watch(job)
        self.total = self.order.total(job.settings.epochs)
        self.average = Average(self.learning, job.settings.average) if job.settings.average else None
        self.kept = {name: p.detach().clone() for name, p in self.learning.items()}
        self.epoch = self.place = self.done = 0
        self.device = next(iter(self.learning.values())).device
        self.micro = job.settings.micro_tokens or micro_tokens(self.device)
        self.start = time.perf_counter()
        self.random = random_states(self.device)
        self.recomputes = False
        if job.settings.recompute == "on":
            self._recompute()

    def prepare(self) -> None:
        """Before the first step: say what the run surely takes; of a long one forecast its memory, and make do with what there is."""
        self.result.needs = Needs.of(self)
        self.listen(self.result.needs.event())
        if not worth_a_forecast(self):
            return
        while True:
            forecast = forecast_of(self)
            if not self.group.any(forecast is None or forecast.short):
                break
            self._back_off(self.job.lesson.lengths, forecast)
        self.result.forecast = forecast
        if forecast is not None:
            self.listen(forecast.event())

    def _recompute(self) -> None:
        self.stack.enter_context(recomputing(self.job.lesson.module))
        self.recomputes = True

    # ---- passes and steps

    def passes(self, validate: Callable[[], Score] | None, checkpoints: Checkpoints | None, signals: Signals) -> None:
        """All passes that are left."""
        settings, module = self.job.settings, self.job.lesson.module
        last = min(settings.epochs, settings.stop_after or settings.epochs)
        while self.epoch < last and not self._ended():
            steps = self.order.steps(self.epoch)
            self.job.lesson.begin(self.epoch)
            for name, first in self.job.begins.items():
                self.learning[name].requires_grad_(first <= self.epoch)
            module.train()
            while self.place < len(steps):
                due = (
                    self.group.first and checkpoints is not None and checkpoints.due
                )  # its clock is the one that is reset
                heard = self._step(steps[self.place], signals, due)
                if heard.stop:
                    raise KeyboardInterrupt
                signals.check()
                if checkpoints is not None and heard.due:
                    self.keep(checkpoints)
            module.eval()
            with computing(self.result.computed_in, self.device):
                score, limited = self.group.same(self._judged(validate, signals))
            if self.group.any(signals.arrived):
                raise KeyboardInterrupt
            with signals.held():
                events = self._passed(score, limited)
            for event in events:
                self.listen(event)

    def _ended(self) -> bool:
        """Whether patience has come to its end, or a limit was crossed."""
        if self.result.limited and self._over(self.result.limited[-1]):
            return True
        patience = self.job.settings.patience
        return patience is not None and bool(self.result.validation) and self.epoch - self.result.best_epoch >= patience

    def _over(self, limited: Sequence[float]) -> bool:
        return any(value > limit.limit for value, limit in zip(limited, self.job.limits, strict=True))

    def _judged(self, validate: Callable[[], Score] | None, signals: Signals) -> tuple[Score | None, list[float]]:
        """The validation score, and what the limits measure, of the weights as they would be kept."""

        def judge() -> tuple[Score | None, list[float]]:
            return (validate() if validate else None), [limit() for limit in self.job.limits]

        if self.average is None or not (validate or self.job.limits):
            return judge()
        try:
            with signals.held():
                self.average.show()
            return judge()
        finally:
            with signals.held():
                self.average.hide()

    def _passed(self, score: Score | None, limited: list[float]) -> list[Event]:
        """Take in what was judged of the pass that has ended, and go on to the next."""
        self.epoch, self.place = self.epoch + 1, 0
        events = self._limited(limited) if limited else []
        improved = not (self._over(limited) and self.epoch > 1)
        if score is not None:
            noticed = self.watch.validated(self.result, score)
            improved &= self.job.settings.patience is None or score.beats(self.result.best)
            self.result.validation.append(score)
            told = {"epoch": self.epoch, "score": score.value, "loss": score.loss, "best": improved}
            events = [{"event": "validation"} | told, *([noticed] if noticed else []), *events]
        if improved:
            self.result.best_epoch = self.epoch
        if improved and events:
            values = self.average.values if self.average else self.learning
            self.kept = {name: value.detach().clone() for name, value in values.items()}
        return events

    def _limited(self, limited: list[float]) -> list[Event]:
        """Take in what the limits measured, and tell it."""
        self.result.limited.append(limited)
        told = {"event": "limited", "epoch": self.epoch, "values": limited, "ends": self._over(limited)}
        if not told["ends"]:
            return [told]
        first = self.epoch == 1
        kept = (
            "the first pass is kept, there is none before"
            if first
            else f"the weights of pass {self.epoch - 1} at most are kept"
        )
        at_most = ", ".join(f"{limit.limit:g}" for limit in self.job.limits)
        found = ", ".join(f"{value:.4g}" for value in limited)
        self.result.notes.append(f"pass {self.epoch} crossed a limit ({found}, at most {at_most}): {kept}")
        return [told]

    def _step(self, index: list[int], signals: Signals, due: bool) -> Report:
        job, settings, start = self.job, self.job.settings, time.perf_counter()
        factor = rate(self.done, self.total, schedule=settings.schedule, warmup=settings.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = job.lr * factor * group["share"]
        while True:
            with computing(self.result.computed_in, self.device):
                mine = replace(self._parts(index), stop=signals.arrived, due=due)
            heard = self.group.exchange(index, mine, self.device)
            if not heard.short:
                break
            self._back_off([job.lesson.lengths[i] for i in index])
        learning = list(self.learning.values())
        self.group.add_gradients(learning)
        loss = heard.total / sum(job.lesson.counts[i] for i in index) + self._penalties()
        if not np.isfinite(loss):
            raise self._stopped(index, "loss", heard.losses)
        if not torch.isfinite(self.group.clip(learning, settings.clip)):
            raise self._stopped(index, "gradient", heard.losses)
        with signals.held():
            self.optimiser.step()
            if self.average:
                self.average.update(self.done + 1)
            self._advance(index, loss, heard.losses)
            self.result.busy += time.perf_counter() - start
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
                if summed.requires_grad:  # rows that move nothing yet: old ones, while a new head learns alone
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
            if extra.requires_grad:  # not while what it holds is still to begin to learn
                extra.backward()  # type: ignore[no-untyped-call]
            total += float(self.group.whole(extra.detach()))
        return total

    def _advance(self, index: list[int], loss: float, losses: np.ndarray) -> None:
        self.done, self.place = self.done + 1, self.place + 1
        self.result.losses.append(loss)
        self.result.rows_seen += len(index)
        self.result.tokens_seen += sum(self.job.lesson.lengths[i] for i in index)
        self.watch.rows(index, losses)
        self.random = random_states(self.device)

    def _tell(self, index: list[int], loss: float, losses: np.ndarray) -> None:
        noticed = self.watch.step(self.done, loss, index, losses)
        step = {"event": "step", "step": self.done, "steps": self.total, "epoch": self.epoch + 1}
        step |= {"epochs": self.job.settings.epochs, "loss": loss, "rows": len(index)}
        self.listen(step | {"tokens": sum(self.job.lesson.lengths[i] for i in index)})
        if noticed:
            self.listen(noticed)

    # ---- faults

    def _back_off(self, lengths: Sequence[int], forecast: Forecast | None = None) -> None:
        """Half the tokens at once, then blocks computed again: the same step of the same rows, with the same chance.

        lengths: of the rows that did not fit. forecast: what said so, where nothing failed yet.
        """
        longest = max(lengths)
        self.optimiser.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        restore_random(self.random, self.device)
        from_here = f"from step {self.done + 1} on; steps and order are the same"
        if self.micro > longest:
            self.micro = max(longest, self.micro // 2)
            note = f"memory was short: {self.micro} tokens at once {from_here}"
        elif self.job.settings.recompute == "auto" and not self.recomputes and can_recompute(self.job.lesson.module):
            self._recompute()
            note = f"memory was short: blocks are computed again in backward {from_here}"
        else:
            raise too_large(longest, forecast)
        self.result.notes.append(note)
        told = {"step": self.done + 1, "micro_tokens": self.micro, "recompute": self.recomputes}
        self.listen({"event": "back-off"} | told)

    def _stopped(self, index: list[int], what: str, losses: np.ndarray) -> TailorError:
        self.put(self.kept)
        return not_finite(self.job, index, self.done + 1, what, losses)

    # ---- the border of two steps, and the end

    def keep(self, checkpoints: Checkpoints) -> None:
        """Write a checkpoint of the last border."""
        border = snapshot_of(self)  # on all processes, which may each hold a share of it
        if self.group.first:
            checkpoints.save(border)

    def found(self, checkpoints: Checkpoints) -> Snapshot | None:
        """The checkpoint to go on from, if there is one; that the next would have no room is told."""
        snapshot = checkpoints.newest(self.identity)
        for name in checkpoints.damaged:
            self.listen({"event": "damaged", "checkpoint": name, "folder": str(checkpoints.folder)})
        size = 2 * sum(p.numel() * p.element_size() for p in self.learning.values()) + state_bytes(self)
        try:
            checkpoints.check_space(size)
        except DiskFull as full:  # a short run writes none
            self.listen({"event": "no-room", "minutes": checkpoints.every, "got": full.got, "needed": full.allowed})
        return snapshot

    def go_on(self, snapshot: Snapshot | None) -> None:
        """Go to where the snapshot was taken, if there is one."""
        if snapshot is not None:
            restore(self, snapshot)
            self.listen({"event": "resumed", "step": self.done, "steps": self.total})

    def finish(self, validated: bool) -> Trained:
        """Leave the weights to be kept in the model; what the run left."""
        result, module = self.result, self.job.lesson.module
        if validated:
            self.put(self.kept)
        elif self.average:
            self.put(self.average.values)
        module.eval()
        result.seconds += time.perf_counter() - self.start
        result.row_losses, result.ids = self.watch.row_losses(), self.job.ids
        self.listen({"event": "trained", "steps": self.done} | speed(result, self.device, self.group.count))
        return result

    @torch.no_grad()
    def put(self, values: Mapping[str, Tensor]) -> None:
        """Copy these values into the parameters that learn."""
        for name, parameter in self.learning.items():
            parameter.copy_(self.group.like(parameter, values[name]))
