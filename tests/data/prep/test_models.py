"""Steps that ask a language model: names, meanings, other wordings; through tiny models that were made for it."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from prep_rows import read, rows, write

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.core.yaml import read_yaml
from tailorlm.data.prep import PrepSettings, dry_run, pipeline, prepare, spool
from taught import address, name, sentence, tiny_t5, tiny_writer

MODELS = "tailorlm.models.for_rows:ForRows"


def settings(**values) -> PrepSettings:
    return validate(values, PrepSettings)


def everything(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()).lower()


def private(count: int = 40):
    """Rows with names and addresses in text, in lists, in chats; and what was planted."""
    random_, found, planted = random.Random(3), [], []
    for i in range(count):
        who, where = name(random_), address(random_)
        planted += [who, where]
        words = " ".join(word for word, _ in sentence(random_, [(who, "PER"), (where, "ADDRESS")]))
        found.append({"id": f"r{i}", "text": words, "label": f"l{i % 2}", "by": [f"i am {who} ."], "n": i})
    return found, planted


@pytest.mark.parametrize("mode", ["mask", "pseudonym", "drop"])
def test_names_and_addresses_are_in_nothing_written(tmp_path, taught, mode, capsys):
    found, planted = private()
    found += [found[0], {"id": "s", "text": f"i am {planted[2]}", "label": "l0", "by": [], "n": 1}]
    steps = [
        {"part": "filter", "min_words": 6},
        "deduplicate",
        {"part": "redact", "mode": mode, "names_model": str(taught)},
        "split",
    ]
    chosen = settings(rows=write(tmp_path / "a.jsonl", found), steps=steps)
    manifest = prepare(chosen, tmp_path / "o", models=MODELS)
    assert manifest["steps"][0]["dropped"] == {"too few words": 1}
    assert manifest["steps"][1]["dropped"] == {"exact copy": 1}
    text = everything(tmp_path / "o") + str(dry_run(chosen, models=MODELS)).lower()
    missed = [value for value in planted if value.lower() in text]
    assert len(missed) <= 2, missed  # of 80; the tagger is a tiny one
    assert manifest["steps"][2]["numbers"]["person"] >= 75
    assert manifest["steps"][2]["numbers"]["address"] >= 38
    assert {row["label"] for row in read(tmp_path / "o/train.jsonl")} == {"l0", "l1"}
    said = capsys.readouterr()
    assert not [value for value in planted if value.lower() in (said.out + said.err).lower()]


def test_tokens_and_chats_keep_their_form(tmp_path, taught):
    random_ = random.Random(4)
    who = name(random_)
    tokens = ["then", "she", "saw", *who.split(), "there", "."]
    source = write(tmp_path / "a.jsonl", [{"tokens": tokens, "tags": ["O", "O", "O", "B", "I", "O", "O"]}] * 2)
    step = {"part": "redact", "names_model": str(taught)}
    prepare(settings(rows=source, steps=[step]), tmp_path / "o", models=MODELS)
    assert read(tmp_path / "o/rows.jsonl")[0]["tokens"] == ["then", "she", "saw", "<PERSON>", "<PERSON>", "there", "."]
    turns = [
        {"role": "user", "content": f"i am {who} , are you there"},
        {"role": "assistant", "content": "we are here"},
    ]
    source = write(tmp_path / "b.jsonl", [{"messages": turns}] * 3)
    prepare(settings(rows=source, steps=[step]), tmp_path / "p", models=MODELS)
    assert read(tmp_path / "p/rows.jsonl")[0]["messages"] == [
        {"role": "user", "content": "i am <PERSON> , are you there"},
        turns[1],
    ]


def test_several_processes_find_the_same_names(tmp_path, taught, monkeypatch):
    found, _ = private(30)
    step = {"part": "redact", "names_model": str(taught)}
    chosen = settings(rows=write(tmp_path / "a.jsonl", found), steps=[step])
    one = prepare(chosen, tmp_path / "one", workers=1, models=MODELS)
    monkeypatch.setattr(spool, "CHUNK_BYTES", 2_000)
    monkeypatch.setattr(pipeline, "ALONE_BYTES", 0)
    two = prepare(chosen, tmp_path / "two", workers=2, models=MODELS)
    assert one["written"]["files"][0]["sha256"] == two["written"]["files"][0]["sha256"]


def test_a_later_delivery_needs_the_same_model(tmp_path, taught):
    found, _ = private(4)
    source = write(tmp_path / "a.jsonl", found)
    step = {"part": "redact", "names_model": str(taught)}
    prepare(settings(rows=source, steps=[step]), tmp_path / "o", models=MODELS)
    kept = read_yaml(tmp_path / "o/prep.yaml").value
    assert len(kept["steps"][0]["names_sha256"]) == 64
    prepare(validate(kept, PrepSettings), tmp_path / "p", models=MODELS)
    kept["steps"][0]["names_sha256"] = "0" * 64
    with pytest.raises(CheckError, match="not the model of the earlier preparation"):
        prepare(validate(kept, PrepSettings), tmp_path / "q", models=MODELS)


def test_what_a_model_for_names_must_be(tmp_path, taught, base):
    source = write(tmp_path / "a.jsonl", rows(4))
    for step, said in (
        ({"names_model": str(taught), "names_labels": {"NOM": "person"}}, "no label for names"),
        ({"names_model": str(base("bert", "native"))}, "cannot be loaded as a model for names"),
        ({"names_model": str(tmp_path / "nowhere")}, "there is no model"),
    ):
        with pytest.raises(TailorError, match=said):
            prepare(settings(rows=source, steps=[{"part": "redact", **step}]), tmp_path / "o", models=MODELS)
    with pytest.raises(UsageError, match="needs a language model"):
        prepare(settings(rows=source, steps=[{"part": "redact", "names_model": str(taught)}]), tmp_path / "o")


class Turned:
    """Vectors by hand: texts that share their last word point the same way, and a little apart."""

    def vectors(self, model, texts):
        assert model == "by hand"
        found = np.zeros((len(texts), 50), np.float32)
        for i, text in enumerate(texts):
            found[i, sum(map(ord, text.split()[-1])) % 49] = 1
            found[i, 49] = 0.01 * len(text)
        return found

    def fingerprint(self, model):
        return "f" * 64


HAND = f"{__name__}:Turned"


def meaning(tmp_path, found, **how):
    step = {"part": "deduplicate", "semantic": 0.9, "encoder": "by hand", **how}
    source = write(tmp_path / "a.jsonl", found)
    return prepare(settings(rows=source, steps=[step], columns={"shape": "classify"}), tmp_path / "o", models=HAND)


def test_rows_of_one_meaning_are_one(tmp_path):
    found = [
        {"text": "please close the account", "label": "x"},
        {"text": "shut down this account", "label": "x"},
        {"text": "an open account", "label": "y"},  # another label: no copy
        {"text": "where is the card", "label": "x"},
        {"text": "please close the account", "label": "x"},  # a copy to the letter goes as such
        {"text": "???", "label": "x"},
        {"text": "!!!", "label": "x"},
    ]
    manifest = meaning(tmp_path, found)
    assert manifest["steps"][0]["dropped"] == {"exact copy": 1, "same in other words": 1}
    gone = read(tmp_path / "o/dropped.jsonl")
    assert [(row["line"], row["detail"].split(":")[-1]) for row in gone] == [(2, "1, cosine 1.00"), (5, "1")]
    facts = manifest["steps"][0]["facts"]
    assert facts["groups of the same meaning by rows"] == {"3": 1}
    assert facts["encoder"] == "by hand, 50 numbers a row"
    assert [group["rows"] for group in facts["largest groups"]] == [3, 2]
    page = (tmp_path / "o/audit.html").read_text()
    assert "shut down this account" in page
    assert "1 group says the same in other words" in page
    kept = read_yaml(tmp_path / "o/prep.yaml").value
    assert kept["steps"][0]["encoder_sha256"] == "f" * 64
    assert "shut down" not in json.dumps(manifest)


def test_a_row_that_stands_for_others_stays(tmp_path):
    long = "the quick brown fox jumps over the lazy dog and away from the old "
    found = [{"text": text, "label": "x"} for text in ("my account", long + "account", long + "accounts")]
    manifest = meaning(tmp_path, found)
    assert manifest["steps"][0]["dropped"] == {"near copy": 1}
    assert len(read(tmp_path / "o/rows.jsonl")) == 2


def test_any_label_and_the_longest(tmp_path):
    found = [{"text": text, "label": label} for text, label in (("an account", "x"), ("my very own account", "y"))]
    meaning(tmp_path, found, labels="any", keep="longest")
    assert [row["label"] for row in read(tmp_path / "o/rows.jsonl")] == ["y"]


def test_train_rows_that_say_what_test_rows_say_go(tmp_path):
    train = [{"text": f"{word} account", "label": "x"} for word in ("my", "their", "whose")] + rows(3)
    test = [{"text": "somebody's old account", "label": "z"}]
    step = {"part": "deduplicate", "semantic": 0.9, "encoder": "by hand"}
    chosen = settings(rows=write(tmp_path / "a.jsonl", train), test=write(tmp_path / "t.jsonl", test), steps=[step])
    manifest = prepare(chosen, tmp_path / "o", models=HAND)
    assert manifest["steps"][0]["dropped"] == {"same in other words of a held-out row": 3}
    assert read(tmp_path / "o/test.jsonl") == test


def test_a_real_encoder_makes_the_vectors(tmp_path, base):
    folder = str(base("bert", "mean"))
    found = [
        {"text": text, "label": "x"} for text in ("pay the fee now", "Pay, the fee: NOW", "a long flight by plane")
    ]
    step = {"part": "deduplicate", "near": 1.0, "semantic": 0.9999, "encoder": folder}
    manifest = prepare(settings(rows=write(tmp_path / "a.jsonl", found), steps=[step]), tmp_path / "o", models=MODELS)
    assert manifest["written"]["rows"] == 2
    assert manifest["steps"][0]["facts"]["encoder"] == f"{folder}, 32 numbers a row"


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_models_that_write_make_marked_train_rows(tmp_path, kind):
    make = {"t5": tiny_t5, "llama": tiny_writer}[kind]
    folder = str(make(tmp_path / kind))
    found = rows(60, labels=2) + [row | {"label": "rare", "id": f"rare{i}"} for i, row in enumerate(rows(8, seed=9))]
    ways = [
        {"part": "paraphrase", "model": folder, "longest": 8, "prompt": "say {text} again"},
        {"part": "back_translation", "there": folder, "back": folder, "longest": 8},
    ]
    chosen = settings(
        rows=write(tmp_path / "a.jsonl", found),
        columns={"shape": "classify"},
        steps=[
            {"part": "split", "test": 0.2, "validation": 0},
            {"part": "augment", "ways": ways, "target": 14, "check": "none"},
        ],
    )
    made = []
    for out in ("o", "p"):
        manifest = prepare(chosen, tmp_path / out, models=MODELS)
        made.append((tmp_path / out / "train.jsonl").read_text())
    assert made[0] == made[1]
    train = read(tmp_path / "o/train.jsonl")
    new = [row for row in train if "augmented" in row]
    assert set(manifest["steps"][1]["facts"]["made"]) == {"paraphrase", "back_translation"}
    assert len(new) == manifest["steps"][1]["numbers"]["rows added"] >= 6
    assert {row["label"] for row in new} == {"rare"}
    old = {f"{row['id']}" for row in train if "augmented" not in row}
    assert all(row["augmented_from"].split(" ")[0] in old for row in new)
    assert not [row for row in read(tmp_path / "o/test.jsonl") if "augmented" in row]
    assert len({row["text"] for row in new}) == len(new)


def test_a_prompt_needs_a_place_and_a_way_its_models(tmp_path):
    source = write(tmp_path / "a.jsonl", rows(4))
    for way, models, said in (
        ({"prompt": "say it again"}, MODELS, "needs a place for the text"),
        ({}, "", "needs a language model"),
    ):
        step = {"part": "augment", "ways": [{"part": "paraphrase", "model": "nowhere", **way}]}
        with pytest.raises(UsageError, match=said):
            prepare(settings(rows=source, steps=[step]), tmp_path / "o", models=models)


def test_the_same_from_python(tmp_path, base, monkeypatch):
    import tailorlm

    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", [{"text": text, "label": "x"} for text in ("pay the fee now", "Pay, the fee: NOW")])
    step = {"part": "deduplicate", "near": 1.0, "semantic": 0.99, "encoder": str(base("bert", "mean"))}
    tried = tailorlm.prep("a.jsonl", steps=[step], dry_run=True)
    assert list(tried["steps"][0]["examples"]) == ["equal but for case, punctuation and blanks"]
    assert not (tmp_path / "a-prep").exists()
    manifest = tailorlm.prep("a.jsonl", steps=[step])
    assert manifest["written"]["rows"] == 1
    assert read(tmp_path / "a-prep/rows.jsonl")[0]["text"] == "pay the fee now"
    with pytest.raises(TailorError, match="exists already"):
        tailorlm.prep("a.jsonl", steps=[step])
