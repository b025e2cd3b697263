"""Thirty identifiers of every kind through the command as people run it: none is in anything it writes or says."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "data" / "redact"))
from identifiers import MAKERS, NATIONAL, card, iban, shaped, wrong_digit

from tailorlm.data.redact import KINDS

WORDS = [
    "river",
    "market",
    "winter",
    "engine",
    "letter",
    "garden",
    "silver",
    "doctor",
    "window",
    "planet",
    "bridge",
    "cotton",
    "forest",
    "signal",
    "kitchen",
]


def planted() -> dict[str, list[tuple[str, str]]]:
    """Thirty valid values of every kind, each with a sentence that holds it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for kind, (make, sentence) in MAKERS.items():
        random_ = random.Random(kind)
        found[kind] = [(value, sentence.format(value)) for value in (make(random_) for _ in range(30))]
    for kind, (shape, sentence) in NATIONAL.items():
        scheme, random_, values = KINDS.get(kind), random.Random(kind), []
        while len(values) < 30:
            number = shaped(random_, shape)
            if scheme.form.fullmatch(number) and scheme.valid(scheme.same(number)):
                values.append(number)
        found[kind] = [(value, f"As noted {sentence.format(value)}. Next.") for value in values]
    return found


def rows_of(found: dict[str, list[tuple[str, str]]]) -> list[dict]:
    """Rows that hold the values in kept rows, dropped rows (copies, too short), labels' neighbours and nested columns."""
    random_, rows = random.Random(0), []
    for kind, pairs in found.items():
        for i, (_, sentence) in enumerate(pairs):
            filler = " ".join(random_.choice(WORDS) for _ in range(12))
            row = {
                "text": f"{filler}. {sentence}",
                "label": f"l{i % 3}",
                "note": {"seen": [sentence]},
                "kind": f"k {kind[:2]}",
            }
            rows.append(row)
            if i % 5 == 0:
                rows.append(dict(row))  # a copy, which is dropped
            if i % 5 == 1:
                rows.append({"text": f"x\u200bx. {sentence}", "label": "short", "note": None, "kind": "damaged"})
            if i % 5 == 2:
                rows.append({"text": f"{filler}. {sentence}", "label": "contradicts", "note": {}, "kind": "conflict"})
    return rows


def run(folder: Path, *words: str) -> str:
    """The command in a process of its own; everything it said."""
    code = "from tailorlm.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "prep", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def everything(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


def test_thirty_of_each_kind_are_in_nothing_written_or_said(tmp_path):
    found = planted()
    assert len(found) == 46
    assert all(len({value for value, _ in pairs}) >= 25 for pairs in found.values())
    rows = rows_of(found)
    lines = [json.dumps(row) for row in rows]
    lines.insert(50, '{"text": "broken ' + found["email"][0][0] + " and " + found["card"][0][0])
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = ["rows.jsonl", "--max-bad", "1", "--set", "filter.min_characters=60"]
    given += ["--set", "split.by=label", "--set", "audit.checks=[conflicts]"]
    said = run(tmp_path, *given, "--out", "o", "--json")
    written = everything(tmp_path / "o")
    assert (tmp_path / "o/dropped.jsonl").stat().st_size > 20_000
    assert (tmp_path / "o/unreadable.jsonl").exists()
    manifest = json.loads((tmp_path / "o/manifest.json").read_text())
    dropped = {step["step"]: sum(step["dropped"].values()) for step in manifest["steps"]}
    assert dropped["deduplicate"] >= 200
    assert dropped["filter"] >= 100
    said += run(tmp_path, *given, "--dry-run")
    left = {kind: [v for v, _ in pairs if v in written or v in said] for kind, pairs in found.items()}
    assert {kind: values for kind, values in left.items() if values} == {}


def test_invalid_cards_and_ibans_stay(tmp_path):
    random_ = random.Random(2)
    values = []
    for _ in range(30):
        values.append(wrong_digit(card(random_)))
        good = iban(random_)
        values.append(good[:2] + f"{(int(good[2:4]) + 1) % 100:02}" + good[4:])
    rows = [json.dumps({"text": f"the parcel {value} is here", "label": f"l{i % 2}"}) for i, value in enumerate(values)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run(tmp_path, "rows.jsonl", "--steps", "redact", "--set", "redact.kinds=[card,iban]", "--out", "o")
    written = (tmp_path / "o/rows.jsonl").read_text()
    assert sum(value in written for value in values) == 60
