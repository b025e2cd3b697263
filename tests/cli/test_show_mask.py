"""`tailor prep --show-mask`: what would be learned, with no model loaded."""

import json
import subprocess
import sys

import pytest

from templates import STYLES, save_tokenizer


@pytest.fixture
def model(tmp_path):
    folder = save_tokenizer(STYLES["chatml"], tmp_path / "model")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_the_first_row_with_what_is_learned(tailor, put, model, tmp_path):
    rows = put(
        "rows.jsonl",
        lines(
            {"instruction": "Add.", "input": "[1] and 2", "output": "three"},
            *[{"instruction": "a", "input": "", "output": ""}] * 7,
        ),
    )
    said = tailor("prep", rows, "--show-mask", model)
    assert said.code == 0, said.err
    assert "<|im_start|>user\nAdd.\n\n[1] and 2<|im_end|>\n<|im_start|>assistant\n⟦three<|im_end|>⟧" in said.out
    assert "1 rows looked at" in said.out
    assert said.out.count("the answer is empty") == 5
    assert "2 more" in said.out
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "model"}
    found = json.loads(tailor("prep", rows, "--show-mask", model, "--json").out)
    assert [part["learned"] for part in found["shown"]] == [False, True]
    assert (found["template"], found["rows"], len(found["nothing_to_learn"])) == ("own", 1, 7)


def test_rows_without_conversations_and_without_answers(tailor, put, model):
    said = tailor("prep", put("a.csv", [(f"text {i}", f"label {i % 2}") for i in range(20)]), "--show-mask", model)
    assert said.code == 2
    assert "hold no answer" in said.err
    said = tailor("prep", put("b.jsonl", lines({"prompt": "a", "completion": " "})), "--show-mask", model)
    assert said.code == 3
    assert "b.jsonl:1: the answer is empty" in said.err
    said = tailor("prep", put("c.jsonl", lines({"prompt": "a", "completion": "b"})), "--show-mask", "no/such/model")
    assert said.code == 1


def test_no_torch(put, model, tmp_path):
    rows = put("rows.jsonl", lines({"prompt": "a", "completion": "b"}))
    code = (
        f"import sys; sys.argv = ['tailor', 'prep', {str(rows)!r}, '--show-mask', {model!r}]\n"
        "from tailorlm.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "print('HEAVY', sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "HEAVY []" in done.stdout, done.stderr
