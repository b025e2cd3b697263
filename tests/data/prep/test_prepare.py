"""A whole preparation: what goes in is what comes out, or stands in a side file with its reason."""

import json
import random

import pytest
from prep_rows import edited, read, rows, sentence, write

from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError
from tailorlm.data import read as read_rows
from tailorlm.data.prep import PrepSettings, dry_run, pipeline, prepare, spool


def settings(**values) -> PrepSettings:
    return validate(values, PrepSettings)


def put(tmp_path, name, found):
    return write(tmp_path / name, found)


def test_every_row_is_written_or_stands_aside(tmp_path):
    found = rows(200)
    found += [
        found[3],
        {"id": "e", "text": " \u200b ", "label": "l0"},
        {"id": "m", "text": "cafÃ© noir", "label": "l1"},
    ]
    manifest = prepare(
        settings(rows=put(tmp_path, "a.jsonl", found), steps=["repair", "filter", "deduplicate"]), tmp_path / "o"
    )
    kept, gone = read(tmp_path / "o/rows.jsonl"), read(tmp_path / "o/dropped.jsonl")
    assert len(kept) + len(gone) == len(found) == manifest["read"]["rows"]
    assert [(row["step"], row["reason"], row["line"]) for row in gone] == [
        ("filter", "empty", 202),
        ("deduplicate", "exact copy", 201),
    ]
    assert gone[1]["detail"].endswith("a.jsonl:4")
    assert gone[1]["row"] == found[3]
    assert kept[:200] == found[:200]
    assert kept[200]["text"] == "café noir"
    assert [step["rows_out"] for step in manifest["steps"]] == [203, 202, 201]
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "COMPLETE", "README.md", "audit.html", "dropped.jsonl", "manifest.json", "prep.yaml", "rows.jsonl",
    }  # fmt: skip
    assert json.loads((tmp_path / "o/manifest.json").read_text()) == json.loads(json.dumps(manifest))


def test_values_come_out_as_they_were_written(tmp_path):
    lines = [
        '{"text": "007", "label": "NA", "n": 1.50, "e": 1e5, "m": -0, "big": 123456789012345678901234567890}',
        '{"text": "a\\u2028b 日本 👩", "label": "null", "n": null, "l": [1.0, {"x": 2E+3}], "t": true}',
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    prepare(settings(rows=str(path), steps=["filter"]), tmp_path / "o")
    out = (tmp_path / "o/rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert out == [lines[0], lines[1]]
    assert read_rows(tmp_path / "o/rows.jsonl").fingerprint() == read_rows(path).fingerprint()


def test_several_processes_give_the_very_same_folder(tmp_path, monkeypatch):
    found = rows(1500) + rows(150)
    found[5]["text"] = "mail me: someone@somewhere.org or schÃ¶n"
    source = put(tmp_path, "a.jsonl", found)
    chosen = settings(rows=source, steps=["repair", "filter", "deduplicate", "redact", "split"])
    monkeypatch.setattr(spool, "CHUNK_BYTES", 20_000)
    one = prepare(chosen, tmp_path / "one", workers=1)
    monkeypatch.setattr(pipeline, "ALONE_BYTES", 0)
    two = prepare(chosen, tmp_path / "two", workers=2)
    assert [file["sha256"] for file in one["written"]["files"]] == [file["sha256"] for file in two["written"]["files"]]
    assert (tmp_path / "one/dropped.jsonl").read_bytes() == (tmp_path / "two/dropped.jsonl").read_bytes()
    assert len(one["written"]["files"]) == 3
    for first, second in zip(one["steps"], two["steps"], strict=True):
        assert first | {"seconds": 0} == second | {"seconds": 0}


def test_own_split_has_no_planted_copy_across(tmp_path):
    random_ = random.Random(1)
    found = rows(1000, words=20)
    copies = [found[i] | {"id": f"c{i}"} for i in range(50)]
    edits = [found[i] | {"id": f"d{i}", "text": edited(found[i]["text"], random_)} for i in range(50, 100)]
    prepare(settings(rows=put(tmp_path, "a.jsonl", found + copies + edits), steps=["split"]), tmp_path / "o")
    sides = {row["id"]: name for name in ("train", "validation", "test") for row in read(tmp_path / f"o/{name}.jsonl")}
    gone = read(tmp_path / "o/dropped.jsonl")
    together = 0
    for i in range(100):
        pair = {sides.get(f"0-{i}"), sides.get(f"{'c' if i < 50 else 'd'}{i}")} - {None}
        assert len(pair) == 1
        together += len(pair)
    assert together == 100
    assert {row["reason"] for row in gone} == {"near copy of a held-out row"}
    assert len(sides) + len(gone) == 1100


def test_copies_of_given_test_rows_leave_train(tmp_path):
    random_ = random.Random(2)
    test = rows(200, seed=5, words=14)
    exact = [row | {"id": f"c{row['id']}"} for row in test[:50]]
    light = [row | {"id": f"d{row['id']}", "text": edited(row["text"], random_)} for row in test[50:100]]
    train = put(tmp_path, "train.jsonl", rows(500, seed=6) + exact + light)
    manifest = prepare(
        settings(rows=train, test=put(tmp_path, "test.jsonl", test), steps=["deduplicate"]), tmp_path / "o"
    )
    dropped = manifest["steps"][0]["dropped"]
    assert dropped["exact copy of a held-out row"] == 50
    assert dropped["near copy of a held-out row"] >= 45
    assert read(tmp_path / "o/test.jsonl") == test


def test_added_rows_never_move_a_row_out_of_the_test(tmp_path):
    found = rows(600) + [row | {"text": row["text"] + " Yes"} for row in rows(100)]
    sides = []
    for count in (300, 700):
        name = tmp_path / f"o{count}"
        prepare(settings(rows=put(tmp_path, f"{count}.jsonl", found[:count]), steps=["split"]), name)
        sides.append({row["id"]: s for s in ("train", "validation", "test") for row in read(name / f"{s}.jsonl")})
    few, many = sides
    assert len(few) == 300
    held = {row: side for row, side in few.items() if side == "test"}
    assert 15 <= len(held) <= 50
    assert all(many[row] == "test" for row in held)


def test_splits_by_label_group_and_time(tmp_path):
    random_ = random.Random(3)
    found = [
        {"text": sentence(random_), "label": f"l{i % 4}", "who": f"w{i % 40}", "when": f"2024-01-{i % 28 + 1:02d}"}
        for i in range(400)
    ]
    source = put(tmp_path, "a.jsonl", found)

    def split(**how):
        name = tmp_path / "-".join(map(str, how.values())).replace(":", "")
        prepare(settings(rows=source, steps=[{"part": "split", "near": 0, **how}]), name)
        return {s: read(name / f"{s}.jsonl") for s in ("train", "validation", "test") if (name / f"{s}.jsonl").exists()}

    by_label = split(by="label")
    assert {s: len(found) for s, found in by_label.items()} == {"train": 320, "validation": 40, "test": 40}
    assert [sum(row["label"] == f"l{k}" for row in by_label["test"]) for k in range(4)] == [10] * 4
    by_group = split(by="group", column="who")
    owners = [{row["who"] for row in side} for side in by_group.values()]
    assert sum(map(len, owners)) == 40
    by_time = split(by="time", column="when", test=0.2)
    assert max(row["when"] for row in by_time["train"]) < min(row["when"] for row in by_time["validation"])
    assert max(row["when"] for row in by_time["validation"]) < min(row["when"] for row in by_time["test"])
    assert sum(map(len, by_time.values())) == 400


def test_a_split_needs_what_it_goes_by(tmp_path):
    source = put(tmp_path, "a.jsonl", rows(10))
    for how, said in (({"by": "time"}, "column"), ({"by": "content", "test": 0.6, "validation": 0.5}, "train on")):
        with pytest.raises(UsageError, match=said):
            prepare(settings(rows=source, steps=[{"part": "split", **how}]), tmp_path / "o")
    with pytest.raises(CheckError, match=r"a.jsonl:1: the column 'text' holds no time"):
        prepare(settings(rows=source, steps=[{"part": "split", "by": "time", "column": "text"}]), tmp_path / "o")
    assert not (tmp_path / "o").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_rows_without_a_group_are_no_group(tmp_path):
    found = [{**row, "who": f"w{i % 20}" if i % 2 else None} for i, row in enumerate(rows(400))]
    steps = [{"part": "split", "by": "group", "column": "who", "test": 0.4, "validation": 0, "near": 0}]
    made = prepare(settings(rows=put(tmp_path, "a.jsonl", found), steps=steps), tmp_path / "o")
    alone = [sum(row["who"] is None for row in read(tmp_path / f"o/{side}.jsonl")) for side in ("train", "test")]
    assert min(alone) > 50
    assert made["steps"][0]["numbers"]["rows without a group (each by its content)"] == 200


@pytest.mark.parametrize(
    ("values", "more", "said"),
    [
        (["2024-01-01", "2023"], {}, "a.jsonl:2: a number, where the rows before have a date"),
        (["7", "2024-01-01"], {}, "a.jsonl:2: a date, where the rows before have a number"),
        (["2024-01-01", ""], {}, "a.jsonl:2: the column 'when' holds no time"),
        (["2024-01-01", ["x"]], {}, "a.jsonl:2: the column 'when' holds a list"),
        (["5", "6"], {"test_from": "2024-01-01"}, "test_from is of another kind"),
    ],
)
def test_times_that_cannot_be_put_in_order_stop(tmp_path, values, more, said):
    found = [{**row, "when": value} for row, value in zip(rows(2), values, strict=True)]
    steps = [{"part": "split", "by": "time", "column": "when", **more}]
    with pytest.raises(TailorError, match=said):
        prepare(settings(rows=put(tmp_path, "a.jsonl", found), steps=steps), tmp_path / "o")


def test_a_row_without_the_column_of_the_split_is_named(tmp_path):
    found = [{**row, "who": "a"} for row in rows(3)]
    del found[1]["who"]
    steps = [{"part": "split", "by": "group", "column": "who"}]
    with pytest.raises(UsageError, match=r"a.jsonl:2: there is no column called 'who'"):
        prepare(settings(rows=put(tmp_path, "a.jsonl", found), steps=steps), tmp_path / "o")


def test_filters_and_proposals(tmp_path):
    found = rows(300)
    found.append({"text": "spam " * 60, "label": "l0"})
    found.append({"text": "Dear {{name}}, your order has come in today.", "label": "l0"})
    source = put(tmp_path, "a.jsonl", found)
    shown = dry_run(settings(rows=source, steps=["filter"]))["steps"][0]
    assert shown["rows_out"] == 302
    assert {k.split(" (")[0]: n for k, n in shown["numbers"].items()} == {
        "would drop: too repetitive": 1,
        "would drop: template left unfilled": 1,
    }
    manifest = prepare(settings(rows=source, steps=[{"part": "filter", "learn": "apply"}]), tmp_path / "o")
    assert manifest["steps"][0]["dropped"] == {"too repetitive": 1, "template left unfilled": 1}
    # The kept YAML holds plain numbers: a later delivery meets the same thresholds.
    later = put(tmp_path, "b.jsonl", [{"text": "spam " * 60, "label": "l0"}, *rows(3)])
    from tailorlm.core.yaml import read_yaml

    kept = validate(read_yaml(tmp_path / "o/prep.yaml").value | {"rows": [later]}, PrepSettings)
    assert kept.chosen_steps[0].settings.learn == "no"
    assert prepare(kept, tmp_path / "p")["steps"][0]["dropped"] == {"too repetitive": 1}


def test_languages_stay_where_they_cannot_be_told(tmp_path):
    found = [
        {"text": "This is a plain English sentence about the weather of today."},
        {"text": "Das ist ein deutscher Satz über das Wetter von gestern und heute."},
        {"text": "ok"},
    ]
    chosen = settings(
        rows=put(tmp_path, "a.jsonl", found),
        columns={"shape": "documents"},
        steps=[{"part": "filter", "languages": ["en"]}],
    )
    assert prepare(chosen, tmp_path / "o")["steps"][0]["dropped"] == {"wrong language": 1}
    assert [row["text"] for row in read(tmp_path / "o/rows.jsonl")] == [found[0]["text"], "ok"]


def test_boilerplate_goes_and_later_rows_lose_the_same(tmp_path):
    random_ = random.Random(4)
    found = [
        {"text": f"Confidential, page {i}\n{sentence(random_)}\n{sentence(random_)}\nAcme Inc. all rights reserved"}
        for i in range(40)
    ]
    chosen = settings(rows=put(tmp_path, "a.jsonl", found), columns={"shape": "documents"}, steps=["repair"])
    manifest = prepare(chosen, tmp_path / "o")
    assert manifest["steps"][0]["changed"] == {"boilerplate lines": 40}
    assert manifest["steps"][0]["facts"]["lines that recur"] == 2
    assert [row["text"].count("\n") for row in read(tmp_path / "o/rows.jsonl")] == [1] * 40
    from tailorlm.core.yaml import read_yaml

    kept = validate(
        read_yaml(tmp_path / "o/prep.yaml").value | {"rows": [put(tmp_path, "b.jsonl", found[:1])]}, PrepSettings
    )
    prepare(kept, tmp_path / "p")
    assert read(tmp_path / "p/rows.jsonl")[0]["text"] == "\n".join(found[0]["text"].split("\n")[1:3])


def test_passages_of_one_document_stay_on_one_side(tmp_path):
    random_ = random.Random(5)
    found = [{"text": " ".join(sentence(random_) for _ in range(30)), "name": f"d{i}"} for i in range(40)]
    chosen = settings(
        rows=put(tmp_path, "a.jsonl", found),
        columns={"shape": "documents", "roles": {"text": "text"}},
        steps=[{"part": "passages", "size": 400, "overlap": 50}, "split"],
    )
    prepare(chosen, tmp_path / "o")
    sides: dict[str, set] = {}
    texts = {row["name"]: row["text"] for row in found}
    count = 0
    for side in ("train", "validation", "test"):
        for row in read(tmp_path / f"o/{side}.jsonl"):
            sides.setdefault(row["name"], set()).add(side)
            assert texts[row["name"]][row["start"] : row["end"]] == row["text"]
            count += 1
    assert count > 200
    assert all(len(found) == 1 for found in sides.values())


def test_augmented_rows_are_marked_and_train_alone(tmp_path):
    found = rows(90, labels=2) + [row | {"label": "rare"} for row in rows(6, seed=9)]
    chosen = settings(
        rows=put(tmp_path, "a.jsonl", found),
        steps=[{"part": "split", "test": 0.2, "validation": 0}, {"part": "augment", "check": "none", "target": 12}],
    )
    manifest = prepare(chosen, tmp_path / "o")
    new = [row for row in read(tmp_path / "o/train.jsonl") if "augmented" in row]
    assert len(new) == manifest["steps"][1]["numbers"]["rows added"] > 0
    assert {row["label"] for row in new} == {"rare"}
    assert not [row for row in read(tmp_path / "o/test.jsonl") if "augmented" in row]
    with pytest.raises(UsageError, match="behind `split`"):
        settings(rows="a", steps=["augment", "split"])


def test_decontamination_names_the_test_row(tmp_path):
    random_ = random.Random(6)
    secret = sentence(random_, 20)
    test = put(tmp_path, "bench.jsonl", [{"text": sentence(random_)}, {"text": secret}])
    found = [*rows(20), {"text": f"Somebody wrote: {secret} And so on.", "label": "l0"}]
    chosen = settings(rows=put(tmp_path, "a.jsonl", found), steps=[{"part": "decontaminate", "tests": [test]}])
    assert prepare(chosen, tmp_path / "o")["written"]["dropped"] == 1
    gone = read(tmp_path / "o/dropped.jsonl")[0]
    assert gone["line"] == 21
    assert gone["detail"].endswith("bench.jsonl:2: 20 words in a row")


def test_bad_rows_stand_aside_and_too_many_stop(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "good one", "label": "a"}\n{broken\n{"text": "good two", "label": "b"}\n')
    with pytest.raises(CheckError, match=r"a.jsonl:2"):
        prepare(settings(rows=str(path), steps=["repair"]), tmp_path / "o")
    assert not (tmp_path / "o").exists()
    manifest = prepare(settings(rows=str(path), read={"max_bad": 1}, steps=["repair"]), tmp_path / "o")
    assert manifest["read"]["bad_rows"] == 1
    assert read(tmp_path / "o/unreadable.jsonl")[0]["line"] == 2


def test_a_folder_is_never_overwritten_and_an_empty_result_is_none(tmp_path):
    source = put(tmp_path, "a.jsonl", rows(5))
    (tmp_path / "o").mkdir()
    with pytest.raises(TailorError, match="exists already"):
        prepare(settings(rows=source), tmp_path / "o")
    with pytest.raises(CheckError, match="no row is left"):
        prepare(settings(rows=source, steps=[{"part": "filter", "min_characters": 9999}]), tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_one_row_goes_through_all_usual_steps(tmp_path):
    manifest = prepare(settings(rows=put(tmp_path, "a.jsonl", rows(1))), tmp_path / "o")
    assert manifest["written"]["rows"] == 1


def test_a_dry_run_leaves_nothing(tmp_path):
    source = put(tmp_path, "a.jsonl", [{"text": "cafÃ© au lait", "label": "x"}, *rows(30)])
    said = dry_run(settings(rows=source), rows=20)
    assert said["read"]["rows"] == 20
    assert said["steps"][0]["examples"]["mojibake"][0][1:3] == ["cafÃ© au lait", "café au lait"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_rows_of_several_labels_count_for_each(tmp_path):
    found = [{"text": sentence(random.Random(i)), "labels": ["a", "b"] if i % 2 else ["b"]} for i in range(60)]
    manifest = prepare(settings(rows=put(tmp_path, "a.jsonl", found), steps=["repair", "audit"]), tmp_path / "o")
    assert manifest["shape"] == "many_labels"
    assert manifest["after"]["by_split"] == {"": {"b": 60, "a": 30}}
    assert manifest["after"]["split_rows"] == {"": 60}


def test_known_test_sets_count_column_by_column(tmp_path):
    question = "How many apples has Ann left after she gave two of seven away"
    other = "She had seven and gave away two so there are five apples left in her basket"
    put(tmp_path, "gsm8k.jsonl", [{"question": question, "answer": other}, {"question": "Why?", "answer": "#### 5"}])
    mine = put(tmp_path, "mine.jsonl", [{"text": "a sentence of my own test set that nobody may see"}])
    texts = [
        f"Quiz: {question}?",
        f"Say: {other}",
        "A sentence of my own test set, that nobody may see!",
        "Why? Because.",
    ]
    source = put(tmp_path, "a.jsonl", [{"text": text, "label": "x"} for text in texts] + rows(5))
    step = {"part": "decontaminate", "tests": ["gsm8k", mine], "folder": str(tmp_path)}
    manifest = prepare(settings(rows=source, steps=[step]), tmp_path / "o")
    assert manifest["steps"][0]["numbers"] == {"rows that hold one of gsm8k": 2, f"rows that hold one of {mine}": 1}
    found = manifest["steps"][0]["facts"]["test sets"]
    assert list(found) == ["gsm8k", mine]
    assert found["gsm8k"].startswith("4 texts, sha256 ")
    assert [row["detail"].split(" ")[2] for row in read(tmp_path / "o/dropped.jsonl")] == [
        "gsm8k",
        "gsm8k",
        mine + ":1:",
    ]
    assert len(read(tmp_path / "o/rows.jsonl")) == 6
    with pytest.raises(UsageError, match="neither a known test set nor a file"):
        prepare(settings(rows=source, steps=[{"part": "decontaminate", "tests": ["gsm9k"]}]), tmp_path / "p")
