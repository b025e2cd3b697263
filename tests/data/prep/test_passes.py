"""Which steps share a pass, who looks ahead, and that it changes nothing whether a step looked ahead or by itself."""

from prep_rows import read, rows, write

from tailorlm.core.config import validate
from tailorlm.data.prep import USUAL, PrepSettings, prepare, spool
from tailorlm.data.prep.passes import Pass, planned
from tailorlm.data.prep.stage import make_step
from tailorlm.data.steps import Context
from tailorlm.data.steps.fields import Fields

CLASSIFY = Context(Fields(shape="classify", texts=("text",), label="label"))


def made(*names):
    return [make_step(name, {"own": True} if name == "decontaminate" else {}, CLASSIFY) for name in names]


def test_the_usual_steps_take_four_passes():
    assert planned(made(*USUAL)) == [
        Pass((0,), first=True, scout=1),  # repair, and filter looks
        Pass((1,), scout=2),
        Pass((2, 3), scout=4),  # deduplicate and redact, and split looks
        Pass((4,), final=True),
        Pass((5,), idle=True, needed=False),  # the audit reads, and no pass is made
    ]


def test_nobody_looks_at_rows_that_are_still_to_be_made():
    first, second, third = planned(made("split", "augment", "decontaminate"))
    assert (first.scout, first.final) == (None, False)
    assert (second.steps, second.scout, second.idle) == ((1,), None, True)
    assert (third.steps, third.final, third.needed) == ((2,), True, False)
    assert planned(made("split", "augment"))[0].final is False
    assert planned([]) == []


def test_a_step_that_looks_ahead_counts_rows_right(tmp_path, monkeypatch):
    """The first three rows of a template stay, wherever chunks end and whatever was dropped before."""
    monkeypatch.setattr(spool, "CHUNK_BYTES", 700)
    found = []
    for i, row in enumerate(rows(60)):
        found += [row, {"id": f"t{i}", "text": f"The order number {i} has now left our house.", "label": "l0"}]
        found += [{"id": f"e{i}", "text": "...", "label": "l0"}] * (i % 3)
    source = write(tmp_path / "a.jsonl", found)
    kept = []
    for name, before in (("ahead", ["filter"]), ("alone", [])):
        steps = [*before, {"part": "filter", "max_of_template": 3}]
        prepare(validate({"rows": source, "steps": steps}, PrepSettings), tmp_path / name)
        kept.append([row["id"] for row in read(tmp_path / name / "rows.jsonl")])
    assert kept[0] == kept[1]
    assert [name for name in kept[0] if name.startswith("t")] == ["t0", "t1", "t2"]
    assert len(kept[0]) == 63
