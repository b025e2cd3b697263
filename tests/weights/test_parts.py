"""What is particular to one weights part; what all hold to is in tests/contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tailorlm.core.errors import TailorError, UsageError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed
from tailorlm.weights.base import CHANGED, TrainedPart, WeightsSettings
from tailorlm.weights.bias import Bias
from tailorlm.weights.features import Features, linear_head
from tailorlm.weights.full import Full
from tailorlm.weights.lora import LoRA
from tailorlm.weights.top_layers import TopLayers
from tiny import LAYERS, labelled

Base = Callable[..., Path]
ROWS = labelled(30, 3)


def model_of(folder: Path, pooling: str = "mean") -> TextModel:
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)
    model.head = None if pooling == "native" else Linear.fresh(model.width, 3)
    return model


# ---- top_layers


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_top_layers_counts_from_the_top(layers: int, base: Base) -> None:
    names = TopLayers(TopLayers.Settings(layers=layers)).attach(model_of(base("bert", "mean")))
    assert {int(name.split(".")[3]) for name in names if "encoder.layer." in name} == set(
        range(LAYERS - layers, LAYERS)
    )
    assert not any("embeddings" in name for name in names)


def test_top_layers_takes_what_stands_above_the_stack(base: Base) -> None:
    part = TopLayers(TopLayers.Settings(layers=1))
    above = {"gpt2": "body.ln_f.weight", "llama": "body.norm.weight", "modernbert": "body.final_norm.weight"}
    for architecture, name in above.items():
        assert name in part.attach(model_of(base(architecture, "mean"))), architecture
    assert "body.bert.pooler.dense.weight" in part.attach(model_of(base("bert", "native"), "native"))
    assert not any("pooler" in name for name in part.attach(model_of(base("bert", "mean"))))


def test_top_layers_says_how_many_there_are(base: Base) -> None:
    with pytest.raises(UsageError, match="top_layers: 4 layers asked for") as error:
        TopLayers(TopLayers.Settings(layers=4)).attach(model_of(base("bert", "mean")))
    assert error.value.allowed == "1 to 3 (the model has 3)"


# ---- bias


def test_bias_takes_every_bias_and_none_else(base: Base) -> None:
    model = model_of(base("qwen2", "mean"))
    names = Bias(Bias.Settings()).attach(model)
    assert len([name for name in names if name.startswith("body.")]) == 3 * LAYERS
    learning = sum(p.numel() for name, p in model.body.named_parameters() if p.requires_grad)
    assert learning / sum(p.numel() for p in model.body.parameters()) < 0.05


# ---- lora


@pytest.mark.parametrize(("targets", "count"), [("query_value", 2), ("attention", 4), ("mlp", 2), ("all", 6)])
def test_lora_sizes_by_rank_and_targets(targets: str, count: int, base: Base) -> None:
    model = model_of(base("bert", "mean"))
    names = LoRA(LoRA.Settings(r=4, targets=targets)).attach(model)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if name in names and "lora_" in name}
    assert len(shapes) == 2 * count * LAYERS
    assert all(4 in shape for shape in shapes.values())
    dropouts = [m.p for m in model.body.modules() if type(m) is torch.nn.Dropout and m.p == 0.5]
    assert dropouts == []


def test_lora_starts_as_the_base_and_scales_by_alpha_over_r(base: Base) -> None:
    folder = base("bert", "mean")
    model = model_of(folder)
    before = embed(model, ROWS.texts)
    LoRA(LoRA.Settings(r=4, alpha=12, dropout=0.5)).attach(model)
    assert np.array_equal(embed(model, ROWS.texts), before)
    layers = [m for name, m in model.body.named_modules() if name.endswith("layer.0.attention.self.query")]
    assert layers[0].scaling == {"default": 3.0}
    assert layers[0].lora_dropout["default"].p == 0.5
    with torch.no_grad():
        change = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
        layers[0].lora_A["default"].weight.copy_(change)
        layers[0].lora_B["default"].weight.copy_(change.T)
        asked = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(
            layers[0](asked), layers[0].base_layer(asked) + 3.0 * asked @ change.T @ change, atol=1e-4
        )


def test_lora_on_gpt2_warns_of_nothing(base: Base, recwarn: pytest.WarningsRecorder) -> None:
    LoRA(LoRA.Settings()).attach(model_of(base("gpt2", "mean")))
    assert [str(w.message) for w in recwarn.list if "fan_in_fan_out" in str(w.message)] == []


def test_saving_lora_asks_no_hub(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def asked(*_: object, **__: object) -> bool:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", asked)
    part, model = LoRA(LoRA.Settings()), model_of(base("bert", "mean"))
    part.attach(model)
    part.save(model, tmp_path)
    LoRA(LoRA.Settings()).load(model_of(base("bert", "mean")), tmp_path)
    assert not [w for w in recwarn.list if "config file" in str(w.message)]
    assert {p.name for p in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


# ---- full


def test_full_leaves_out_a_pooler_that_nobody_reads(base: Base) -> None:
    assert not any("pooler" in name for name in Full(Full.Settings()).attach(model_of(base("bert", "mean"))))
    assert any("pooler" in name for name in Full(Full.Settings()).attach(model_of(base("bert", "native"), "native")))


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "native"])
def test_full_notes_its_pooling_where_others_look_for_it(pooling: str, base: Base, tmp_path: Path) -> None:
    from tailorlm.models.encoder import folder_pooling

    model = model_of(base("bert", "native"), pooling)
    Full(Full.Settings()).save(model, tmp_path)
    assert folder_pooling(tmp_path) == pooling
    with pytest.raises(TailorError, match=r"holds no model\.safetensors"):
        Full(Full.Settings()).load(model, tmp_path / "1_Pooling")


# ---- what all trained parts share


def test_a_part_that_names_nothing_is_told_so(base: Base) -> None:
    class Silent(TrainedPart):
        """Says nothing."""

    with pytest.raises(TailorError, match="Silent does not say which parameters learn"):
        Silent(WeightsSettings()).attach(model_of(base("bert", "mean")))


def test_release_frees_what_detach_needed(base: Base, tmp_path: Path) -> None:
    model = model_of(base("bert", "mean"))
    part = TopLayers(TopLayers.Settings())
    part.attach(model)
    assert part._before
    part.release()
    assert part._before == {}
    part.save(model, tmp_path)
    assert (tmp_path / CHANGED).is_file()


# ---- features


def test_features_scale_vectors_to_length_one() -> None:
    random = np.random.default_rng(0)
    vectors, codes = random.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 2
    stretched = vectors * random.uniform(0.1, 9, size=(40, 1)).astype(np.float32)
    part = Features(Features.Settings())
    one, two = part.fit(vectors, codes, 2, 0), part.fit(stretched, codes, 2, 0)
    assert torch.allclose(one.weight, two.weight, atol=1e-3)
    assert one.normalise


def test_two_labels_get_zeros_and_the_row() -> None:
    head = linear_head(np.array([[1.0, -2.0]]), np.array([0.5]), np.array([0, 1]), 2)
    assert head.weight.tolist() == [[0.0, 0.0], [1.0, -2.0]]
    assert head.bias.tolist() == [0.0, 0.5]


def test_labels_without_rows_never_win() -> None:
    head = linear_head(np.array([[1.0], [2.0], [3.0]]), np.array([0.1, 0.2, 0.3]), np.array([0, 2, 3]), 5)
    assert head.weight.flatten().tolist() == [1.0, 0.0, 2.0, 3.0, 0.0]
    assert head.bias.tolist() == pytest.approx([0.1, -1e4, 0.2, 0.3, -1e4])
    two = linear_head(np.array([[1.0]]), np.array([0.5]), np.array([1, 2]), 3)
    assert two.bias.tolist() == pytest.approx([-1e4, 0.0, 0.5])


@pytest.mark.parametrize("classifier", ["logistic", "linear_svm"])
def test_features_repeat_to_the_bit(classifier: str) -> None:
    random = np.random.default_rng(1)
    vectors, codes = random.normal(size=(60, 8)).astype(np.float32), np.arange(60) % 4
    part = Features(Features.Settings(classifier=classifier))
    one, two = part.fit(vectors, codes, 4, 3), part.fit(vectors.copy(), codes.copy(), 4, 3)
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(one.bias, two.bias)


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_a_machine_with_a_kernel_answers_as_scikit_learns(labels: int, tmp_path: Path) -> None:
    from sklearn.svm import SVC

    from tailorlm.models.heads import load_head, save_head

    random = np.random.default_rng(labels)
    vectors, codes = random.normal(size=(90, 8)).astype(np.float32), np.arange(90) % labels
    vectors[:, 0] += codes
    part = Features(Features.Settings(classifier="rbf_svm", c=3.0, gamma=2.0))
    head = part.fit(vectors, codes, labels + 1, seed=0)
    ours = head(torch.from_numpy(vectors)).numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    theirs = SVC(C=3.0, gamma=2.0, break_ties=labels > 2).fit(unit, codes)
    assert np.array_equal(ours.argmax(1), theirs.predict(unit))
    assert (ours[:, labels] == -1).all(), "a label without rows never wins"
    if labels > 2:
        assert np.abs(ours[:, :labels] - theirs.decision_function(unit)).max() < 1e-5
    save_head(head, tmp_path)
    assert np.array_equal(load_head(tmp_path)(torch.from_numpy(vectors)).numpy(), ours)


def test_neighbours_answer_as_scikit_learns() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    random = np.random.default_rng(0)
    vectors, codes = random.normal(size=(60, 8)).astype(np.float32), np.arange(60) % 3
    asked = random.normal(size=(30, 8)).astype(np.float32)
    ours = Features(Features.Settings(classifier="knn", k=7)).fit(vectors, codes, 3, 0)(torch.from_numpy(asked)).numpy()
    like = KNeighborsClassifier(7, metric="cosine", weights=lambda d: np.maximum(1 - d, 0)).fit(vectors, codes)
    assert np.abs(ours - like.predict_proba(asked)).max() < 1e-4


def test_a_classifier_is_searched_by_what_it_reads() -> None:
    assert Features.Settings(classifier="knn").search_space() == {
        "k": [1, 3, 5, 10],
        "pairs": ["cross_encoder", "bi_encoder"],
    }
    assert set(Features.Settings(classifier="rbf_svm").search_space()) == {"c", "pairs"}


def test_biases_of_queries_and_of_the_mlps_inside(base: Base) -> None:
    names = Bias(Bias.Settings(which="query_mlp")).attach(model_of(base("bert", "mean")))
    inner = {name.partition("layer.")[2][2:] for name in names if not name.startswith("head.")}
    assert inner == {"attention.self.query.bias", "intermediate.dense.bias"}
    with pytest.raises(TailorError, match="queries share one projection with keys and values"):
        Bias(Bias.Settings(which="query_mlp")).attach(model_of(base("gpt2", "mean")))


@pytest.mark.parametrize(
    ("architecture", "count"), [("llama", 2 * LAYERS + 1), ("t5", 2 * LAYERS + 1), ("bert", 4 * LAYERS + 2)]
)
def test_norms_learn_where_there_are_no_biases(architecture: str, count: int, base: Base) -> None:
    names = Bias(Bias.Settings(which="norms")).attach(model_of(base(architecture, "mean")))
    assert len([name for name in names if not name.startswith("head.")]) == count


def test_blocks_begin_one_after_the_other(base: Base) -> None:
    from tailorlm.objectives.labels import Labels
    from tailorlm.tasks.readings import Readings
    from tailorlm.training.job import Job
    from tailorlm.training.lesson import LabelLesson
    from tailorlm.training.loop import train
    from tailorlm.training.settings import TrainSettings
    from tailorlm.training.source import TokenSource

    model, part = model_of(base("bert", "mean")), TopLayers(TopLayers.Settings(layers=3, unfreeze=1))
    names = part.attach(model)
    begins = part.begins(model, names)
    assert {int(name.split(".")[3]): n for name, n in begins.items()} == {1: 1, 0: 2}
    start = {name: model.get_parameter(name).detach().clone() for name in names}
    moved: list[set[int]] = []

    def seen(event: dict[str, object]) -> None:
        if event["event"] == "step" and event["step"] % 3 == 0:
            changed = {n for n in names if not torch.equal(model.get_parameter(n), start[n])}
            moved.append({int(n.split(".")[3]) for n in changed if "layer." in n})

    settings = TrainSettings(epochs=3, rows_per_step=10, warmup=0.0)
    lesson = LabelLesson(
        TokenSource(model, Readings(model.tokenize(ROWS.texts))), Labels(Labels.Settings()), ROWS.codes
    )
    train(Job(lesson, names, ROWS.ids, settings, 0.01, 0, begins=begins), listen=seen)
    assert moved == [{2}, {1, 2}, {0, 1, 2}]


def test_dropout_while_it_learns_alone(base: Base) -> None:
    model = model_of(base("bert", "mean"))
    before = [m.p for m in model.body.modules() if isinstance(m, torch.nn.Dropout)]
    part = Full(Full.Settings(dropout=0.4))
    part.attach(model)
    assert {m.p for m in model.body.modules() if isinstance(m, torch.nn.Dropout)} == {0.4}
    part.release()
    assert [m.p for m in model.body.modules() if isinstance(m, torch.nn.Dropout)] == before
    Full(Full.Settings(dropout=0.3)).attach(other := model_of(base("llama", "mean")))
    assert {m.attention_dropout for m in other.body.modules() if hasattr(m, "attention_dropout")} == {0.3}
