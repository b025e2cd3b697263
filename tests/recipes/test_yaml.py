"""YAML as people mean it: there and back for any plain value, and every fault with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailorlm.core.errors import UsageError
from tailorlm.core.yaml import dump_yaml, parse_yaml, read_yaml

PATH = Path("x.yaml")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# Words, numbers, times and signs that some YAML reads as something other than text.
ODD = (
    "yes no on off y n true TRUE null ~ 1 01 0x1F 0o17 1_000 1e5 1e-05 1.5 .5 5. -3 +3 .inf .nan 12:30 1:2:3 2001-01-01 "
    "<< = - ? : # & * ! | > % @ `"
)
SIGNS = [
    "",
    " ",
    " a",
    "a ",
    "a: b",
    "a #b",
    "- a",
    "'",
    '"',
    "\n",
    "a\nb\n",
    "\t",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x1b",
    "\x85",
]
tricky = st.sampled_from([*ODD.split(), *SIGNS, "é", "日本語", "😀"])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts | tricky
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | tricky, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(texts | tricky, values, max_size=4))
@example({"lr": 1e-5, "big": 1e22, "small": 5e-324, "no": "no", "on": True, "time": "12:30", "n": "010", "one": 1.0})
def test_any_plain_value_survives(value: dict[str, Any]) -> None:
    text = dump_yaml(value)
    back = parse_yaml(text, PATH).value
    assert back == value
    assert repr(back) == repr(value), "types too: 1 is not 1.0, True is not 1"
    assert dump_yaml(back) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        ("1.0e-05", 1e-5),
        (".5", 0.5),
        ("5.", 5.0),
        ("010", 10),
        ("+3", 3),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
        ("{b: 1}", {"b": 1}),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_plain_values_mean_what_they_look_like(text: str, value: Any) -> None:
    found = parse_yaml(f"a: {text}", PATH).value["a"]
    assert found == value
    assert type(found) is type(value)


def test_yaml_1_1_readers_agree_on_what_is_dumped() -> None:
    import yaml

    value = {"lr": 1e-5, "big": 1e22, "n": "no", "t": "12:30", "i": 10, "s": "1e-5", "d": "2024-01-01", "u": "1_0"}
    assert yaml.safe_load(dump_yaml(value)) == value


def test_lines_are_known_to_the_item() -> None:
    document = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n    d: 3\n\ne: {f: 4}\n", PATH)
    assert [document.line(p) for p in ((), ("a",), ("b",), ("b", 0), ("b", 1, "c"), ("b", 1, "d"), ("e", "f"))] == [
        1,
        1,
        2,
        3,
        4,
        5,
        7,
    ]
    assert document.line(("b", 1, "missing")) == 4
    assert document.line(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"x\.yaml:3: the key 'a' stands twice"),
        ("a:\n  b: 1\n  b: 2\n", r"x\.yaml:3: the key 'b' stands twice"),
        ("a: {b: 1, b: 2}\n", r"x\.yaml:1: the key 'b' stands twice"),
        ("a: &x 1\nb: *x\n", r"x\.yaml:2: anchors and aliases are not allowed"),
        ("a: !!python/object:os.system {}\n", r"x\.yaml:1: tags are not allowed"),
        ("a: !!python/name:os.system\n", r"x\.yaml:1: tags are not allowed"),
        ("a: !!set {b, c}\n", r"x\.yaml:1: tags are not allowed"),
        ("a:\n  - !mine [1]\n", r"x\.yaml:2: tags are not allowed"),
        ("a: !!int x\n", r"x\.yaml:1: this value cannot be read"),
        ("a: !!bool x\n", r"x\.yaml:1: this value cannot be read"),
        ("a: !!float x\n", r"x\.yaml:1: this value cannot be read"),
        ("a: 1\nb: !mine 2\n", r"x\.yaml:2: tags are not allowed"),
        ("a: 1\n\tb: 2\n", r"x\.yaml:2: not valid YAML"),
        ("a:\n\t- 1\n", r"x\.yaml:2: not valid YAML"),
        ("a: [1, 2\nb: 3\n", r"x\.yaml:2: not valid YAML"),
        ("a: 'open\n", r"x\.yaml:\d: not valid YAML"),
        ("a: 1\n b: 2\n", r"x\.yaml:2: not valid YAML"),
        ("a: 1\n---\nb: 2\n", r"x\.yaml:2: not valid YAML"),
        ("a: \x07\n", r"x\.yaml: not valid YAML"),
    ],
)
def test_faults_carry_file_and_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_yaml(text, PATH)


def test_what_is_hostile_ends_soon() -> None:
    for bomb in ("[" * 500, "a: " + "[" * 600 + "]" * 600, "{a: " * 3000, "a: " + "9" * 5000):
        with pytest.raises(UsageError, match=r"x\.yaml.*(not valid YAML|cannot be read)"):
            parse_yaml(bomb, PATH)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    with pytest.raises(UsageError, match="there is no file"):
        read_yaml(path)
    (tmp_path / "recipes.yaml").write_text("a: 1")
    with pytest.raises(UsageError, match=r"did you mean recipes\.yaml\?"):
        read_yaml(path)
    with pytest.raises(UsageError, match="there is no file"):
        read_yaml(tmp_path / "none" / "x.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_yaml(tmp_path)
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_yaml(path)
    path.write_text("- a\n- b\n")
    with pytest.raises(UsageError, match="does not hold settings"):
        read_yaml(path)
    path.write_text("a: " + "x" * 1_000_001)
    with pytest.raises(UsageError, match="too large"):
        read_yaml(path)
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path).value == {"a": 1, "b": 2}
    for empty in ("", "# nothing\n", "\n\n"):
        path.write_text(empty)
        assert read_yaml(path).value == {}
