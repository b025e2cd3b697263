"""The loop against an independent implementation: transformers' own Trainer, same batches, same settings, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.resolve import resolve
from tailorlm.objectives.labels import Labels
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Job, Trained
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource
from tailorlm.weights.full import Full
from tiny import labelled

Base = Callable[..., Path]
ROWS = labelled(38, 3)  # ten steps a pass, the last with two rows
# The gradients of these steps are 0.36 to 0.7 long: some are clipped, some are not.
LR, EPOCHS, BATCH, CLIP = 1e-3, 3, 4, 0.375


class InOrder:
    """The rows as they stand, in every pass."""

    def steps(self, epoch: int) -> list[list[int]]:
        return [list(range(start, min(start + BATCH, len(ROWS)))) for start in range(0, len(ROWS), BATCH)]

    def total(self, epochs: int) -> int:
        return epochs * len(self.steps(0))


class Reseeded(TokenSource):
    """Dropout masks that depend on the step alone."""

    step = 0

    def scores(self, index: Sequence[int]) -> Tensor:
        torch.manual_seed(1000 + self.step)
        self.step += self.module.training  # before the first step operations are counted on a row, at rest
        return super().scores(index)


def fresh(folder: Path) -> TextModel:
    torch.manual_seed(7)
    return load_model(resolve(str(folder)), labels=ROWS.labels, pooling="native")


def ours(model: TextModel, schedule: str, **changes: Any) -> Trained:
    part = Full(Full.Settings(lr=LR))
    settings = TrainSettings(
        epochs=EPOCHS, rows_per_step=BATCH, schedule=schedule, warmup=0.1, weight_decay=0.05, clip=CLIP, **changes
    )
    lesson = LabelLesson(Reseeded(model, Readings(model.tokenize(ROWS.texts))), Labels(Labels.Settings()), ROWS.codes)
    return train(Job(lesson, part.attach(model), ROWS.ids, settings, LR, 0, InOrder()))


def theirs(model: TextModel, schedule: str, folder: Path) -> list[float]:
    from torch.utils.data import SequentialSampler
    from transformers import Trainer, TrainingArguments

    losses: list[float] = []

    class Sequential(Trainer):
        def _get_train_sampler(self, *_: Any) -> SequentialSampler:
            return SequentialSampler(self.train_dataset)

        def training_step(self, *arguments: Any, **named: Any) -> Tensor:
            torch.manual_seed(1000 + len(losses))
            loss = super().training_step(*arguments, **named)
            losses.append(float(loss))
            return loss

    def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        ids, mask = model.pad([row["ids"] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["label"] for row in rows])}

    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        num_train_epochs=EPOCHS,
        learning_rate=LR,
        lr_scheduler_type=schedule,
        warmup_steps=3,
        weight_decay=0.05,
        max_grad_norm=CLIP,
        optim="adamw_torch",
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        logging_strategy="no",
        dataloader_drop_last=False,
    )
    rows = [{"ids": ids, "label": int(code)} for ids, code in zip(model.tokenize(ROWS.texts), ROWS.codes, strict=True)]
    Sequential(model=model.body, args=arguments, train_dataset=rows, data_collator=collate).train()
    return losses


@pytest.mark.parametrize(("dropout", "schedule"), [(0.0, "linear"), (0.1, "linear"), (0.1, "cosine")])
def test_the_loop_is_transformers_trainer_step_by_step(
    dropout: float, schedule: str, base: Base, tmp_path: Path
) -> None:
    folder = base("bert", "native", hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    mine, reference = fresh(folder), fresh(folder)
    start = {name: p.detach().clone() for name, p in mine.named_parameters()}
    expected = theirs(reference, schedule, tmp_path)
    found = ours(mine, schedule).losses
    assert len(found) == len(expected) == 30
    assert np.abs(np.array(found) - np.array(expected)).max() <= 1e-4
    assert min(expected[-10:]) < expected[0] - 0.01, "nothing was learnt, so nothing was compared"
    others = dict(reference.named_parameters())
    for name, parameter in mine.named_parameters():
        assert (parameter - others[name]).abs().max() <= 1e-4, name
    moved = max(float((p.detach() - start[name]).abs().max()) for name, p in mine.named_parameters())
    assert moved > 0.01


@pytest.mark.parametrize("micro_tokens", [16, 24])
def test_accumulation_changes_nothing(micro_tokens: int, base: Base) -> None:
    """In float64, where rounding cannot hide a wrong divisor: losses and weights agree to a millionth."""
    folder = base("bert", "native", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    whole, cut = fresh(folder).double(), fresh(folder).double()
    forwards: list[int] = []
    cut.body.register_forward_hook(lambda *_: forwards.append(1))
    one, two = ours(whole, "linear"), ours(cut, "linear", micro_tokens=micro_tokens)
    assert len(one.losses) == len(two.losses) == 30
    assert len(forwards) > 45, "the steps were not cut"
    assert np.abs(np.array(one.losses) - np.array(two.losses)).max() <= 1e-6
    others = dict(cut.named_parameters())
    assert max(float((p.detach() - others[name].detach()).abs().max()) for name, p in whole.named_parameters()) <= 1e-6
