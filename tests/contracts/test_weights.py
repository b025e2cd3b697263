"""The contract of weights parts, over every registered part, architecture and pooling that make sense together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import tailorlm
from pages import WHERE, stands_in
from tailorlm.core.errors import TailorError
from tailorlm.models.encoder import TextModel, load_model
from tailorlm.models.heads import Linear, load_head, save_head
from tailorlm.models.resolve import resolve
from tailorlm.models.run import embed, label_scores
from tailorlm.objectives.labels import Labels
from tailorlm.recipes.adaptation import Adaptation
from tailorlm.recipes.fit import fit
from tailorlm.recipes.presets import DOMAIN, PRESETS
from tailorlm.tasks.readings import Readings
from tailorlm.training.job import Job
from tailorlm.training.lesson import LabelLesson
from tailorlm.training.loop import train
from tailorlm.training.settings import TrainSettings
from tailorlm.training.source import TokenSource
from tailorlm.weights import weights
from tiny import ARCHITECTURES, MORE, labelled

Base = Callable[..., Path]
TRAINED = [name for name in weights if weights.get(name).trains]
CLASSICAL = [name for name in weights if not weights.get(name).trains]
POOLINGS = [(name, pooling) for name in (*ARCHITECTURES, *MORE) for pooling in ("mean", "native")] + [
    ("bert", "cls"),
    ("gpt2", "last"),
]
WITHOUT_BIASES = ("llama", "modernbert", "t5")
# What cannot be: part, architecture, pooling, and the words of its refusal. Everything else must work.
REFUSED = [("bias", name, pooling, "no bias vectors") for name in WITHOUT_BIASES for pooling in ("mean", "native")]
REFUSED += [
    ("prefix", name, pooling, "takes keys and values from outside")
    for name in ("distilbert", "modernbert", "t5")
    for pooling in ("mean", "native")
]
REFUSED += [("prompt", "t5", "native", "prompt tuning does not work with this model's own head")]
CASES = [
    (part, name, pooling)
    for part in TRAINED
    for name, pooling in POOLINGS
    if (part, name, pooling) not in {refused[:3] for refused in REFUSED}
]
ROWS = labelled(12, 3)
# One setting that is not the default, so that what a part saves of its settings counts.
SETTINGS = {
    "lora": {"r": 3, "alpha": 7.0, "targets": "all"},
    "top_layers": {"layers": 1},
    "adapter": {"placement": "houlsby", "size": 5},
    "prefix": {"tokens": 3},
    "prompt": {"tokens": 3},
}
THROUGH_PEFT = {"lora": ".lora_", "prefix": "prompt_encoder", "prompt": "prompt_encoder", "ia3": ".ia3_l"}


def test_the_suite_found_every_part() -> None:
    assert sorted(TRAINED + CLASSICAL) == sorted(weights)
    assert TRAINED == ["head", "top_layers", "bias", "adapter", "lora", "prefix", "prompt", "ia3", "full"]
    assert CLASSICAL == ["features"]
    assert len(ARCHITECTURES | MORE) == 9
    assert len(REFUSED) == 6 + 6 + 1
    assert len(CASES) == 9 * (9 * 2 + 2) - len(REFUSED)


TITLES = {
    "bert": "BERT",
    "roberta": "RoBERTa",
    "distilbert": "DistilBERT",
    "modernbert": "ModernBERT",
    "gpt2": "GPT-2",
    "llama": "Llama",
    "qwen2": "Qwen 2",
    "gptj": "GPT-J",
    "t5": "T5",
}


def what_works_where() -> str:
    """The table of docs/methods/where.md: what the suite below runs, and what it asks to be refused."""
    words = {"bias": "norms instead", "prefix": "no", "prompt": "own poolings"}
    lines = ["| weights | " + " | ".join(TITLES.values()) + " |", "|---" * (len(TITLES) + 1) + "|"]
    for part in TRAINED:
        refused = [{pooling for p, n, pooling, _ in REFUSED if (p, n) == (part, name)} for name in TITLES]
        cells = [words[part] if found else "yes" for found in refused]
        lines.append(f"| `{part}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_page_says_what_this_suite_finds() -> None:
    """`TAILOR_WRITE=1` writes the table anew."""
    assert stands_in(WHERE, what_works_where(), "<!-- table -->", "<!-- end -->")


def model_of(folder: Path, pooling: str, *, seed: int = 0) -> TextModel:
    torch.manual_seed(seed)  # native heads draw their first weights while loading
    model = load_model(resolve(str(folder)), labels=ROWS.labels, pooling=pooling)
    if pooling != "native":
        model.head = Linear.fresh(model.width, len(ROWS.labels), generator=torch.Generator().manual_seed(1))
    return model


def answers(model: TextModel) -> torch.Tensor:
    return torch.from_numpy(label_scores(model, ROWS.texts))


def bare_answers(model: TextModel) -> torch.Tensor:
    """What the body alone says: logits of a native model, pooled vectors of any other."""
    return answers(model) if model.pooling == "native" else torch.from_numpy(embed(model, ROWS.texts))


def tensors(model: TextModel) -> dict[str, torch.Tensor]:
    """Copies of all parameters and buffers, under names that a wrapper around the body does not change."""
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {plain_name(name, found): value.detach().clone() for name, value in found.items()}


def plain_name(name: str, among: Iterable[str] = ()) -> str:
    """A name without what PEFT's wrapper puts into it, which is less where it only stands in front. among: all names there are."""
    in_front = any("prompt_encoder" in other for other in (*among, name))
    for inserted in ("body.base_model." if in_front else "body.base_model.model.", ".base_layer", ".original_module"):
        name = name.replace(inserted, "body." if inserted.startswith("body") else "")
    return name


@dataclass
class Case:
    """A part attached to a model and trained for three steps, with what stood there before."""

    part: object
    name: str
    model: TextModel
    folder: Path
    pooling: str
    bare: torch.Tensor
    before: dict[str, torch.Tensor]
    structure: list[str]
    names: list[str]
    started: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor]

    def fresh(self) -> TextModel:
        """The base once more, with another random head."""
        return model_of(self.folder, self.pooling, seed=99)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest, base: Base) -> Case:
    name, architecture, pooling = request.param
    part_class = weights.get(name)
    part = part_class(part_class.Settings(lr=0.01, **SETTINGS.get(name, {})))
    folder = base(architecture, "mean")
    model = model_of(folder, pooling)
    bare, before = bare_answers(model), tensors(model)
    structure = [name for name, _ in model.named_parameters()]
    names = part.attach(model)
    parameters = dict(model.named_parameters())
    gradients: dict[str, torch.Tensor] = {}
    for key in names:
        parameters[key].register_hook(_first(model, gradients, key))
    started = {key: parameters[key].detach().clone() for key in names}
    # No decay and no warm-up: what moves moves by its gradient, from the first step on.
    settings = TrainSettings(epochs=1, rows_per_step=4, warmup=0.0, weight_decay=0.0, schedule="constant")
    lesson = LabelLesson(
        TokenSource(model, Readings(model.tokenize(ROWS.texts))), Labels(Labels.Settings()), ROWS.codes
    )
    trained = train(Job(lesson, names, ROWS.ids, settings, 0.01, 0))
    assert len(trained.losses) == 3
    return Case(part, name, model, folder, pooling, bare, before, structure, names, started, gradients)


def _first(model: torch.nn.Module, gradients: dict[str, torch.Tensor], name: str) -> Callable[[torch.Tensor], None]:
    def hook(gradient: torch.Tensor) -> None:  # what a hook returns takes the gradient's place
        if model.training:  # not what is counted on one row before the first step
            gradients.setdefault(name, gradient.clone())

    return hook


def test_attach_returns_exactly_what_learns(case: Case) -> None:
    parameters = dict(case.model.named_parameters())
    assert case.names == sorted(set(case.names))
    assert set(case.names) == {name for name, p in parameters.items() if p.requires_grad}
    assert set(case.model.head_parameters()) & set(case.names), "the head always learns"


def test_only_what_learns_changes(case: Case) -> None:
    parameters = dict(case.model.named_parameters())
    for name in case.names:
        assert name in case.gradients, f"{name} has no gradient at step 1"
        assert torch.isfinite(case.gradients[name]).all()
        assert not torch.equal(parameters[name], case.started[name]), f"{name} has not moved"
    # LoRA's second factor begins at zero, so the first has a zero gradient at step 1; nothing else may.
    still = {name for name in case.names if not case.gradients[name].any()}
    assert all(case.name == "lora" and ".lora_A." in name for name in still), still
    assert all(p.grad is None for name, p in parameters.items() if name not in case.names)

    after, learnt = tensors(case.model), {plain_name(name, case.names) for name in case.names}
    compared = [name for name in case.before if name in after and name not in learnt]
    for name in compared:
        assert torch.equal(after[name], case.before[name]), f"{name} was frozen and has changed"
    assert len(compared) + len(learnt & set(case.before)) >= len(case.before)


def test_what_learns_is_what_the_part_says(case: Case) -> None:
    inner = [name for name in case.names if name not in case.model.head_parameters()]
    pooler = [name for name in case.names if ".pooler." in name]
    assert not pooler or case.pooling == "native", "a pooler whose output nobody reads cannot learn"
    if case.name == "head":
        assert inner == []
    elif case.name in THROUGH_PEFT:
        assert inner
        assert all(THROUGH_PEFT[case.name] in name for name in inner)
    elif case.name == "adapter":
        blocks = {"t5": 3 if case.pooling == "mean" else 6}.get(case.folder.name.split("-")[0], 3)
        assert len(inner) == (2 * blocks + (3 if blocks == 6 else 0)) * 4, "T5's decoder has two attentions in a block"
        assert all(".adapter." in name for name in inner)
    elif case.name == "bias":
        assert inner
        assert all(name.endswith("bias") for name in inner)
    elif case.name == "top_layers":
        assert inner
        blocks = {int(found[1]) for name in inner if (found := re.search(r"\.(?:layer|layers|h|block)\.(\d)\.", name))}
        assert blocks == {2}, "a lower block learns"
        assert not any("transformer.encoder." in name for name in inner) or case.folder.name.startswith("distilbert")
        assert not any("emb" in name or "wte" in name or "wpe" in name for name in inner)
    else:
        every = {
            name for name, _ in case.model.named_parameters() if case.pooling == "native" or ".pooler." not in name
        }
        assert set(case.names) == every


def test_save_and_load_give_the_same_answers_to_the_bit(case: Case, tmp_path: Path) -> None:
    case.part.save(case.model, tmp_path)
    if case.model.head is not None:
        save_head(case.model.head, tmp_path)
    clean(tmp_path, case.folder)
    fresh = case.fresh()
    part = type(case.part)(case.part.settings)
    part.load(fresh, tmp_path)
    fresh.head = load_head(tmp_path) if case.pooling != "native" else None
    fresh.eval()
    assert torch.equal(answers(fresh), answers(case.model))


def test_merge_changes_no_answer(case: Case, tmp_path: Path) -> None:
    if not hasattr(case.part, "merge"):
        assert case.name not in {"lora", "ia3"}
        return
    expected = answers(case.model)
    case.part.save(case.model, tmp_path)
    fresh = case.fresh()
    fresh.head = case.model.head
    other = type(case.part)(case.part.settings)
    other.load(fresh, tmp_path)
    other.merge(fresh)
    assert not [name for name, _ in fresh.named_parameters() if "lora" in name or "ia3" in name]
    assert [name for name, _ in fresh.named_parameters()] == case.structure
    assert (answers(fresh) - expected).abs().max() <= 1e-5


def test_detach_gives_the_base_back(case: Case) -> None:  # the last of a case: it takes the part off
    assert not torch.equal(bare_answers(case.model), case.bare) or case.name == "head"
    case.part.detach(case.model)
    assert torch.equal(bare_answers(case.model), case.bare)
    assert not any(p.requires_grad for name, p in case.model.named_parameters())
    assert [name for name, _ in case.model.named_parameters()] == case.structure


def clean(folder: Path, base: Path) -> None:
    """No pickle, no absolute path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.suffix in {".safetensors", ".json", ".yaml", ".md", ".txt", ".jinja", ""}, path
        content = path.read_bytes()
        for place in (base, base.parent, folder, Path.home(), Path(tailorlm.__file__).parents[2]):
            assert str(place).encode() not in content or str(place) == "/", f"{path.name} names {place}"
        assert b"\x80\x04\x95" not in content[:64], f"{path.name} looks like a pickle"


@pytest.mark.parametrize(("name", "architecture", "pooling", "words"), REFUSED)
def test_what_cannot_be_is_refused_and_leaves_the_model_as_it_was(
    name: str, architecture: str, pooling: str, words: str, base: Base
) -> None:
    part_class = weights.get(name)
    model = model_of(base(architecture), pooling)
    before, structure, length = bare_answers(model), [n for n, _ in model.named_parameters()], model.max_length
    with pytest.raises(TailorError, match=words) as error:
        part_class(part_class.Settings(**SETTINGS.get(name, {}))).attach(model)
    assert architecture in error.value.got
    assert "lora" in error.value.hint, "it says what works"
    assert torch.equal(bare_answers(model), before)
    assert [n for n, _ in model.named_parameters()] == structure
    assert (model.max_length, model.prompt_tokens) == (length, 0)


def test_parts_refuse_files_of_another_model(base: Base, tmp_path: Path) -> None:
    """A folder whose tensors do not fit is an error for every part, never a half-loaded model."""
    tried = 0
    for name in TRAINED:
        part_class = weights.get(name)
        part, model = part_class(part_class.Settings()), model_of(base("bert"), "native")
        part.attach(model)
        folder = tmp_path / name
        folder.mkdir()
        part.save(model, folder)
        other = model_of(base("distilbert"), "native")
        if name == "full":  # a whole model is read as it is: only a missing one can be at fault
            (folder / "model.safetensors").unlink()
        if name == "prompt":  # one text of vectors fits every model of that width; a torn file fits none
            (folder / "adapter_model.safetensors").write_bytes(b"torn")
        with pytest.raises(
            TailorError, match=r"does not fit the base model|cannot be loaded|holds no model.safetensors"
        ):
            part_class(part_class.Settings()).load(other, folder)
        tried += 1
    assert tried == 9


# ---- the same through fit, the folder and a process that knows nothing but the folder

LOADER = """
import json, sys
import numpy as np
from tailorlm.recipes.adaptation import Adaptation
folders, texts, out = json.load(sys.stdin)
np.savez(out, **{str(i): Adaptation.load(folder).scores(texts) for i, folder in enumerate(folders)})
"""


def test_every_method_answers_the_same_in_a_fresh_process(base: Base, tmp_path: Path) -> None:
    rows, folders, scores = labelled(18, 3), [], []
    task, domain = {"part": "classify"}, tmp_path / "domain.csv"
    domain.write_text("\n".join(["text", *labelled(8, 2, start=70).texts]) + "\n", encoding="utf-8")
    methods = PRESETS | DOMAIN
    for architecture, pooling in (("bert", "mean"), ("gpt2", "native")):
        for name, preset in methods.items():
            if preset.text == "beside" and pooling == "native":
                continue  # a distance is one of vectors that our own head reads, which is refused (tests/objectives)
            recipe = preset.recipe(name, str(base(architecture, pooling)), task, domain=str(domain))
            if recipe.quantise != "none" and architecture == "gpt2":
                continue  # its projections are no plain linear layers, which is refused (tests/models/test_quantise.py)
            if recipe.stages:
                recipe = recipe.changed(
                    {
                        f"stages.{i}.train.{k}": v
                        for i in range(len(recipe.stages))
                        for k, v in {"epochs": 1, "warmup": 0}.items()
                    }
                )
            adaptation = fit(recipe, rows).adaptation
            folder = adaptation.save(tmp_path / f"{architecture}-{pooling}-{name}")
            clean(folder, base(architecture, pooling))
            folders.append(str(folder))
            scores.append(adaptation.scores(rows.texts))
            assert np.array_equal(Adaptation.load(folder).scores(rows.texts), scores[-1]), folder.name
    refused = sum(preset.quantise != "none" or preset.text == "beside" for preset in methods.values())
    assert len(folders) == 2 * len(methods) - refused
    source = str(Path(tailorlm.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    given = json.dumps([folders, rows.texts, str(tmp_path / "scores.npz")])
    subprocess.run(
        [sys.executable, "-c", LOADER],
        input=given,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
    )
    with np.load(tmp_path / "scores.npz") as loaded:
        assert len(loaded.files) == len(folders)
        for i, folder in enumerate(folders):
            assert np.array_equal(loaded[str(i)], scores[i]), folder


# ---- features: the classical contract


@pytest.mark.parametrize("classifier", ["logistic", "linear_svm"])
@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("name", CLASSICAL)
def test_features_reproduces_scikit_learn(name: str, labels: int, classifier: str, base: Base) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    rows = labelled(60, labels)
    model = load_model(resolve(str(base("bert", "mean"))), labels=rows.labels, pooling="mean")
    vectors = embed(model, rows.texts)
    part_class = weights.get(name)
    head = part_class(part_class.Settings(classifier=classifier, c=3.0)).fit(vectors, rows.codes, labels, seed=5)
    model.head = head.eval()
    ours = label_scores(model, rows.texts)
    assert ours.shape == (60, labels)

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if classifier == "logistic":
        theirs = LogisticRegression(C=3.0, max_iter=2000).fit(unit, rows.codes)
        powers = np.exp(ours - ours.max(1, keepdims=True))
        assert np.abs(powers / powers.sum(1, keepdims=True) - theirs.predict_proba(unit)).max() <= 1e-5
    else:
        theirs = LinearSVC(C=3.0, random_state=5, max_iter=20_000).fit(unit, rows.codes)
    decision = theirs.decision_function(unit)
    if labels == 2:
        assert np.abs((ours[:, 1] - ours[:, 0]) - decision).max() <= 1e-5
    else:
        assert np.abs(ours - decision).max() <= 1e-5
    assert np.array_equal(ours.argmax(1), theirs.predict(unit))


@pytest.mark.parametrize("name", CLASSICAL)
def test_features_leaves_the_body_alone_and_never_answers_a_label_without_rows(name: str, base: Base) -> None:
    rows = labelled(30, 4)
    model = load_model(resolve(str(base("bert", "mean"))), labels=rows.labels, pooling="mean")
    before = tensors(model)
    seen = [i for i in range(30) if rows.gold[i] != rows.labels[1]]
    part_class = weights.get(name)
    vectors = embed(model, rows.texts)
    head = part_class(part_class.Settings()).fit(vectors[seen], rows.codes[seen], 4, seed=0)
    scores = head(torch.from_numpy(vectors)).detach().numpy()
    assert not (scores.argmax(1) == 1).any()
    assert np.isfinite(scores).all()
    assert all(torch.equal(value, before[key]) for key, value in tensors(model).items())
