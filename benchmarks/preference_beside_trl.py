"""The loss of preferences beside TRL's: the same pairs, the same two models, both losses and the gradient.

    python benchmarks/preference_beside_trl.py        # needs `pip install trl`

A Qwen 2 of two blocks with random weights learns, another one is where it began. TRL's DPOTrainer is handed the very tokens that ours has, so
that the loss alone is compared. TRL's usual loss (`sigmoid`) leaves label smoothing out; ours with smoothing is held to its formula in
tests/recipes/test_preference.py.
"""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import DPOConfig, DPOTrainer

from tailorlm.models.row_losses import RowLosses
from tailorlm.objectives.preference import Preference
from tailorlm.training.preferences import PreferenceLesson, losses_of
from tailorlm.training.token_rows import TokenRows

PAIRS, VOCABULARY = 6, 64


def model(seed: int) -> Qwen2ForCausalLM:
    """A tiny model with random weights."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    made = Qwen2ForCausalLM(Qwen2Config(vocab_size=VOCABULARY, num_key_value_heads=2, **sizes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def rows() -> list[tuple[list[int], list[bool]]]:
    """Chosen answers, then rejected ones, each behind its pair's prompt."""
    random = np.random.default_rng(0)
    prompts = [random.integers(4, VOCABULARY, random.integers(3, 9)).tolist() for _ in range(PAIRS)]
    found = []
    for _ in range(2):
        for prompt in prompts:
            answer = random.integers(4, VOCABULARY, random.integers(2, 7)).tolist()
            found.append(([*prompt, *answer], [False] * len(prompt) + [True] * len(answer)))
    return found


def ours(beta: float, smoothing: float) -> tuple[float, torch.Tensor]:
    """Mean loss of a pair, and the gradient of the embeddings."""
    policy, before = model(0), model(1)
    tokens = TokenRows.of(rows(), [str(i) for i in range(2 * PAIRS)])
    objective = Preference(Preference.Settings(beta=beta, smoothing=smoothing))
    lesson = PreferenceLesson(RowLosses(policy), tokens, losses_of(RowLosses(before), tokens), objective, policy)
    loss = lesson.losses(range(PAIRS)).mean()
    loss.backward()
    return float(loss.detach()), policy.get_input_embeddings().weight.grad


def theirs(beta: float, smoothing: float, folder: str) -> tuple[float, torch.Tensor]:
    """The same by TRL."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w1"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w2", unk_token="w1")
    config = DPOConfig(
        output_dir=folder,
        beta=beta,
        label_smoothing=smoothing,
        use_cpu=True,
        report_to=[],
        disable_dropout=True,
        bf16=False,
    )
    empty = Dataset.from_list([{"prompt": "w4", "chosen": "w5", "rejected": "w6"}])
    trainer = DPOTrainer(model(0), model(1), args=config, train_dataset=empty, processing_class=tokenizer)
    longest = max(len(ids) for ids, _ in rows())
    ids, mask, answer = (torch.zeros(2 * PAIRS, longest, dtype=torch.long) for _ in range(3))
    for i, (tokens, learned) in enumerate(rows()):
        ids[i, : len(tokens)], mask[i, : len(tokens)] = torch.tensor(tokens), 1
        answer[i, : len(tokens)] = torch.tensor(learned).long()
    given = {"input_ids": ids, "attention_mask": mask, "completion_mask": answer}
    policy = trainer.model.eval()
    loss = trainer.compute_loss(policy, given)
    loss.backward()
    return float(loss.detach()), policy.get_input_embeddings().weight.grad


def main() -> None:
    """Print both losses, and how far the gradients lie apart."""
    print(f"{'beta':>5} {'smoothing':>9} {'ours':>10} {'TRL':>10} {'gradients differ by':>20}")
    with tempfile.TemporaryDirectory() as folder:
        for beta, smoothing in ((0.1, 0.0), (0.5, 0.0), (2.0, 0.0)):
            (one, first), (other, second) = ours(beta, smoothing), theirs(beta, smoothing, folder)
            print(
                f"{beta:>5} {smoothing:>9} {one:>10.6f} {other:>10.6f} {float((first - second).abs().max()):>20.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
