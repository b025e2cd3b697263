"""What is written depends on the prompt alone: not on the batch, the padding, what is shared, or who leaves first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError
from tailorlm.models.answers import Writing
from tailorlm.models.arithmetic import VARIABLE, fastest_exact
from tailorlm.models.decoder import Writer, load_writer
from tailorlm.models.generate import shared_start, write
from tailorlm.models.local import Local
from tailorlm.models.resolve import resolve
from tailorlm.models.row_losses import RowLosses
from tailorlm.models.score import candidate_scores
from writers import KINDS, POSITIONS, tiny_writer

Made = Callable[..., Writer]


def prompts_of(writer: Writer, count: int, *, shared: int = 0, seed: int = 0) -> list[list[int]]:
    """Rows of random ids of very different lengths, after `shared` ids that all begin with."""
    random = np.random.default_rng(seed)
    size = int(writer.config.vocab_size)
    begin = random.integers(10, size, shared).tolist()
    return [[*begin, *random.integers(10, size, 1 + (7 * i) % 23).tolist()] for i in range(count)]


@torch.inference_mode()
def slowly(writer: Writer, prompt: list[int], count: int) -> tuple[list[int], float]:
    """Greedy, by reading everything again for each token, with nothing of ours."""
    ids, total = list(prompt), 0.0
    for _ in range(count):
        scores = torch.log_softmax(writer.body(torch.tensor([ids])).logits[0, -1].double(), 0)
        token = int(scores.argmax())
        ids.append(token)
        total += float(scores[token])
        if token in writer.chat.stop_ids:
            break
    return ids[len(prompt) :], total


@pytest.mark.parametrize("shared", [0, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_what_the_model_says_token_by_token(kind: str, shared: int, writers: Made) -> None:
    writer = writers(kind)
    prompts = prompts_of(writer, 9, shared=shared)
    written = write(writer, prompts, Writing(max_new_tokens=20))
    assert [row.index for row in written] == list(range(9))
    for row, prompt in zip(written, prompts, strict=True):
        ids, total = slowly(writer, prompt, 20)
        assert row.ids == ids
        assert row.logprob == pytest.approx(total, abs=1e-3)
        assert row.finished == (ids[-1] in writer.chat.stop_ids)
    assert len({tuple(row.ids) for row in written}) > 3, "the rows say different things"


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_one_two_or_eight_rows(kind: str, writers: Made) -> None:
    writer = writers(kind)
    prompts = prompts_of(writer, 8)
    for writing in (
        Writing(max_new_tokens=12),
        Writing(max_new_tokens=12, temperature=1.0, top_p=0.9, top_k=50, seed=3),
    ):
        whole = write(writer, prompts, writing)
        for size in (1, 2):
            parts = [row for i in range(0, 8, size) for row in write(writer, prompts[i : i + size], writing)]
            assert [row.ids for row in parts] == [row.ids for row in whole]
            assert [row.logprob for row in parts] == pytest.approx([row.logprob for row in whole], abs=1e-4)


def test_equal_to_transformers_with_padding_on_the_left(writers: Made) -> None:
    writer = writers("llama")
    prompts = prompts_of(writer, 8)
    longest = max(map(len, prompts))
    ids = torch.tensor([[*[0] * (longest - len(p)), *p] for p in prompts])
    mask = torch.tensor([[*[0] * (longest - len(p)), *[1] * len(p)] for p in prompts])
    theirs = writer.body.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=16,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=sorted(writer.chat.stop_ids),
    )[:, longest:].tolist()
    for row, other in zip(write(writer, prompts, Writing(max_new_tokens=16)), theirs, strict=True):
        assert row.ids == other[: len(row.ids)]


@pytest.mark.parametrize(("rows", "held"), [(4, 1000), (64, 100), (64, 30), (1, 1000)])
def test_rows_that_end_leave_and_others_follow(
    rows: int, held: int, writers: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writers("llama")
    prompts = prompts_of(writer, 20)
    alone = [write(writer, [prompt], Writing(max_new_tokens=10))[0].ids for prompt in prompts]
    # Every third row ends early: whatever it says second is a stop.
    stops = frozenset(ids[1] for ids in alone[::3])
    monkeypatch.setitem(vars(writer.chat), "stop_ids", stops)
    monkeypatch.setattr("tailorlm.models.generate.ROWS", {"cpu": rows})
    assert writer.token_bytes == 2 * 2 * 2 * 8 * 4, (
        "two layers, keys and values, two heads of eight numbers of four bytes"
    )
    monkeypatch.setattr("tailorlm.models.generate.HELD", {"cpu": held * writer.token_bytes})
    written = write(writer, prompts, Writing(max_new_tokens=10))
    for row, ids in zip(written, alone, strict=True):
        end = next((i + 1 for i, token in enumerate(ids) if token in stops), len(ids))
        assert row.ids == ids[:end]
        assert row.finished == (ids[end - 1] in stops)
    assert sum(row.finished for row in written) >= 7


def test_draws_follow_the_model(writers: Made) -> None:
    writer = writers("llama")
    prompt = prompts_of(writer, 1)[0]
    rows = write(writer, [prompt] * 4000, Writing(max_new_tokens=1, temperature=0.7))
    with torch.inference_mode():
        truth = torch.softmax(writer.body(torch.tensor([prompt])).logits[0, -1].double() / 0.7, 0).numpy()
    counts = np.bincount([row.ids[0] for row in rows], minlength=len(truth))
    likely = truth > 0.01
    assert likely.sum() >= 5
    assert np.abs(counts[likely] / 4000 - truth[likely]).max() < 4 * np.sqrt(0.25 / 4000)
    few = write(writer, [prompt] * 300, Writing(max_new_tokens=1, temperature=2.0, top_k=3))
    assert {row.ids[0] for row in few} == set(np.argsort(-truth)[:3].tolist())
    order = np.argsort(-truth)
    share = float(truth[order[:4]].sum()) - 1e-3
    nucleus = write(writer, [prompt] * 300, Writing(max_new_tokens=1, temperature=0.7, top_p=share))
    assert {row.ids[0] for row in nucleus} <= set(order[:4].tolist())
    again = write(writer, [prompt] * 300, Writing(max_new_tokens=1, temperature=0.7, top_p=share))
    assert [r.ids for r in again] == [r.ids for r in nucleus]
    other = write(writer, [prompt] * 300, Writing(max_new_tokens=1, temperature=0.7, top_p=share, seed=1))
    assert [r.ids for r in other] != [r.ids for r in nucleus]


def test_shared_start() -> None:
    assert shared_start([]) == 0
    assert shared_start([[1, 2, 3]]) == 2
    assert shared_start([[1, 2, 3], [1, 2, 3]]) == 2
    assert shared_start([[1, 2, 3, 4], [1, 2, 9], [1, 2, 3]]) == 2
    assert shared_start([[5], [5, 6]]) == 0


def test_nothing_to_write_and_no_room(writers: Made) -> None:
    writer = writers("llama")
    assert write(writer, [], Writing()) == []
    with pytest.raises(TailorError, match="no token"):
        write(writer, [[20], []], Writing())
    with pytest.raises(TailorError, match="nothing can be written"):
        write(writer, [[20] * POSITIONS], Writing())
    last = write(writer, [[20] * (POSITIONS - 1), [21]], Writing(max_new_tokens=3))
    assert [len(row.ids) for row in last] == [1, 3]


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_writer(tmp_path, "llama")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(TailorError, match="cannot be loaded as a model that writes") as caught:
        load_writer(resolve(str(folder)))
    assert "up_proj" in str(caught.value)


def test_half_precision(tmp_path: Path) -> None:
    folder = tiny_writer(tmp_path, "llama")
    writer = load_writer(resolve(str(folder)), dtype="bf16")
    assert writer.dtype == torch.bfloat16
    prompts = prompts_of(writer, 3, shared=20)
    assert all(row.ids for row in write(writer, prompts, Writing(max_new_tokens=4)))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
@pytest.mark.parametrize("part", ["lora", "prefix", "prompt"])
def test_what_was_learned_beside_the_weights_counts(part: str, kind: str, tmp_path: Path) -> None:
    """LoRA, and keys or vectors in front of every prompt: written and scored behind them, as PEFT's own model would."""
    import peft

    writer = load_writer(resolve(str(tiny_writer(tmp_path, kind))))
    prompts = prompts_of(writer, 5, shared=20)
    bare = write(writer, prompts, Writing(max_new_tokens=8))
    config = {
        "lora": lambda: peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, target_modules="all-linear"),
        "prefix": lambda: peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5),
        "prompt": lambda: peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5),
    }[part]()
    torch.manual_seed(1)
    wrapped = peft.get_peft_model(writer.body, config)
    writer.body = wrapped
    writer.eval()
    found = write(writer, prompts, Writing(max_new_tokens=8))
    assert [row.ids for row in found] != [row.ids for row in bare]
    for row, prompt in zip(found, prompts, strict=True):
        ids, total = slowly(writer, prompt, 8)
        assert row.ids == ids
        assert row.logprob == pytest.approx(total, abs=1e-3)
    candidates = [[20], [21, 22], [21, 23, 24]]
    scores = candidate_scores(writer, prompts, candidates)
    with torch.inference_mode():
        logits = writer.body(torch.tensor([[*prompts[1], 21, 23]])).logits[0, -3:].double()
    truth = sum(float(torch.log_softmax(logits[i], 0)[token]) for i, token in enumerate(candidates[2]))
    assert scores[1, 2] == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
@pytest.mark.parametrize("learns", [False, True])
def test_short_rows_look_no_further_than_they_reach(
    learns: bool, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = load_writer(resolve(str(tiny_writer(tmp_path, kind))))
    own = writer.body.config._attn_implementation
    if learns:  # whose rows are packed, with an attention of its own
        assert RowLosses(writer.body).packed
    before = writer.body.config._attn_implementation
    assert (before == own) != learns
    prompts = prompts_of(writer, 20)
    seen: list[tuple[int, int]] = []
    attention = torch.nn.functional.scaled_dot_product_attention

    def watched(query: torch.Tensor, key: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        if query.shape[2] < key.shape[2]:  # a step, not a prompt
            seen.append((len(key), key.shape[2]))
        return attention(query, key, *args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    together = write(writer, prompts, Writing(max_new_tokens=4))
    if own == "sdpa":
        groups, reaches = zip(*seen, strict=True)
        assert max(groups) == 8
        assert min(reaches) < max(reaches) / 2
    assert writer.body.config._attn_implementation == before
    alone = [write(writer, [prompt], Writing(max_new_tokens=4))[0].ids for prompt in prompts]
    assert [row.ids for row in together] == alone


@pytest.mark.parametrize("beams", [1, 2])
def test_prompts_take_the_fast_route_and_single_tokens_the_usual_one(
    beams: int, writers: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writers("llama")
    monkeypatch.setenv(VARIABLE, "medium")
    seen: set[tuple[bool, str]] = set()

    def look(module: object, args: object, given: dict[str, torch.Tensor]) -> None:
        seen.add((given["input_ids"].shape[1] == 1, torch.get_float32_matmul_precision()))

    hook = writer.body.register_forward_pre_hook(look, with_kwargs=True)
    try:
        with fastest_exact(writer.device):
            Local(writer).answers(["a", "a longer prompt"], Writing(max_new_tokens=3, beams=beams))
    finally:
        hook.remove()
    assert seen == {(False, "medium"), (True, "highest")}


def test_threads_that_share_a_model_get_what_each_would_get_alone(writers: Made) -> None:
    from concurrent.futures import ThreadPoolExecutor

    writer = writers("llama")
    many = [prompts_of(writer, 3, seed=seed) for seed in range(8)]
    alone = [[row.ids for row in write(writer, prompts, Writing(max_new_tokens=6))] for prompts in many]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda prompts: write(writer, prompts, Writing(max_new_tokens=6)), many))
    assert [[row.ids for row in rows] for rows in found] == alone
