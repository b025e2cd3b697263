"""The split: adding rows never moves a row from the test to the train rows, nothing alike stands on two sides."""

import random

import numpy as np
import pytest
from prep_rows import edited, read, rows, sentence, write

from tailorlm.core.config import validate
from tailorlm.core.yaml import read_yaml
from tailorlm.data.near import Shingles
from tailorlm.data.near.verify import jaccard
from tailorlm.data.prep import PrepSettings, prepare

SIDES = ("train", "validation", "test")


def drawn(count: int, seed: int) -> list[dict]:
    """Rows of which a third are near copies of rows before, in chains; some of them with another label and date."""
    random_ = random.Random(seed)
    found: list[dict] = []
    for i in range(count):
        text = edited(random_.choice(found)["text"], random_) if found and i % 3 == 0 else sentence(random_, 14)
        when = f"2025-{random_.randint(1, 12):02d}-{random_.randint(1, 28):02d}T10:00:00+02:00"
        row = {"id": f"{seed}-{i}", "text": text, "label": f"l{random_.randint(0, 5) ** 2 % 7}"}
        found.append(row | {"who": f"w{random_.randint(0, 40)}", "when": when})
    return found


def split(tmp_path, name: str, found: list[dict], step: dict | None, like: str | None = None) -> dict[str, list[dict]]:
    source = write(tmp_path / f"{name}.jsonl", found)
    columns = {"shape": "classify", "roles": {"text": "text", "label": "label"}}
    chosen = {"rows": source, "columns": columns, "steps": [{"part": "split", **(step or {})}]}
    if like is not None:
        chosen = read_yaml(tmp_path / like / "prep.yaml").value | {"rows": [source]}
    prepare(validate(chosen, PrepSettings), tmp_path / name)
    files = {side: tmp_path / name / f"{side}.jsonl" for side in SIDES}
    return {side: read(path) if path.exists() else [] for side, path in files.items()}


def across(sides: dict[str, list[dict]], threshold: float) -> int:
    """Pairs of rows on different sides that are near copies, all pairs compared."""
    texts = [row["text"] for side in SIDES for row in sides[side]]
    place = np.repeat(np.arange(3), [len(sides[side]) for side in SIDES])
    pairs = np.array([(i, j) for i in range(len(texts)) for j in range(i) if place[i] != place[j]])
    return int((jaccard(texts, pairs, Shingles()) >= threshold).sum())


WAYS = [
    ({"by": "content"}, False),
    ({"by": "group", "column": "who"}, False),
    ({"by": "label"}, True),
    ({"by": "time", "column": "when"}, True),
]


@pytest.mark.parametrize(("step", "kept"), WAYS, ids=[str(step["by"]) for step, _ in WAYS])
@pytest.mark.parametrize("seed", [1, 2])
def test_added_rows_never_move_a_row_from_test_to_train(tmp_path, step, kept, seed):
    """Three deliveries, each with all rows before and more; near copies bridge the sides."""
    random_ = random.Random(seed)
    drawn_ = drawn(500, seed)
    first, *later = drawn_[:150], drawn_[:300], drawn_
    before = split(tmp_path, "first", first, step)
    assert min(len(before["train"]), len(before["test"])) >= 5
    assert across(before, 0.7) == 0
    for number, more in enumerate(later):
        more = random_.sample(more, len(more))  # their order in the file does not matter
        after = split(tmp_path, f"later{number}", more, step, like="first" if kept else None)
        side = {row["id"]: name for name in SIDES for row in after[name]}
        assert all(side[row["id"]] == "test" for row in before["test"])
        assert all(side.get(row["id"], "gone") in ("validation", "gone") for row in before["validation"])
        assert all(side.get(row["id"], "gone") in ("train", "gone") for row in before["train"])
        assert across(after, 0.7) == 0


def test_a_row_that_bridges_two_sides(tmp_path):
    """An added row is near an old test row and an old train row: both stay; it goes, or, held out, the train row does."""
    sides = split(tmp_path, "first", rows(30, seed=9), {"validation": 0, "test": 0.5, "near": 0})
    test, train = sides["test"][0], sides["train"][0]
    half = len(test["text"]) // 2
    seen = set()
    for i in range(8):
        bridge = {"id": "new", "text": f"{test['text'][:half]} {i} {train['text'][: half * 2]}", "label": "l0"}
        step = {"validation": 0, "test": 0.5, "near": 0.25}
        quiet = [test, train]
        old = {row["id"]: side for side, got in split(tmp_path, f"a{i}", quiet, step).items() for row in got}
        new = split(tmp_path, f"b{i}", [*quiet, bridge], step)
        side = {row["id"]: name for name, got in new.items() for row in got}
        assert side[test["id"]] == old[test["id"]] == "test"
        assert old[train["id"]] == "train"
        if "new" in side:
            assert side["new"] == "test"
            assert train["id"] not in side
        else:
            assert side[train["id"]] == "train"
        seen.add("new" in side)
    assert seen == {True, False}


def test_borders_by_label_meet_the_shares_and_hold_for_new_labels(tmp_path):
    random_ = random.Random(4)
    found = [{"text": sentence(random_), "label": label} for label in ["a"] * 100 + ["b"] * 30 + ["c"] * 2 + ["d"]]
    sides = split(tmp_path, "o", found, {"by": "label", "test": 0.2, "validation": 0.1, "near": 0})
    counted = {label: [sum(r["label"] == label for r in sides[s]) for s in SIDES] for label in "abcd"}
    assert counted == {"a": [70, 10, 20], "b": [21, 3, 6], "c": [1, 0, 1], "d": [1, 0, 0]}
    borders = read_yaml(tmp_path / "o/prep.yaml").value["steps"][0]["label_borders"]
    assert sorted(borders) == ["a", "b", "c", "d"]
    assert borders["d"] == [0.0, 0.0]
    new = [{"text": sentence(random_), "label": "e"} for _ in range(200)]
    later = split(tmp_path, "p", found + new, None, like="o")
    counted = [sum(r["label"] == "e" for r in later[s]) for s in SIDES]
    assert sum(counted) == 200
    assert 25 <= counted[2] <= 55


def test_equal_texts_with_different_labels_stand_on_one_side(tmp_path):
    random_ = random.Random(6)
    texts = [sentence(random_) for _ in range(150)]
    found = [{"text": text, "label": label} for label in ("a", "b") for text in (texts if label == "a" else texts[:50])]
    sides = split(tmp_path, "o", found, {"by": "label", "test": 0.3, "validation": 0.2, "near": 1.0})
    assert across(sides, 1.0) == 0
    assert len(sides["test"]) >= 50
