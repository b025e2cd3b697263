"""YAML as people mean it: `1e-5` is a number, `no` is text, a key stands once, and every value knows its line.

PyYAML follows YAML 1.1, which reads `1e-5` as text, `no` as False and `12:30` as 750. The loader here resolves plain
scalars by the YAML 1.2 core schema instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tailorlm.core.errors import UsageError, near_misses

LARGEST = 1_000_000


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its value, and the line on which each key or item stands (1-based)."""

    path: Path
    value: Any
    lines: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def line(self, path: Sequence[Any]) -> int:
        """The line of a key path, or of its nearest parent that stands in the file."""
        for end in range(len(path), -1, -1):
            if tuple(path[:end]) in self.lines:
                return self.lines[tuple(path[:end])]
        return 1


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own mechanism


_INT, _FLOAT = r"[-+]?[0-9]+", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"^{_INT}$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^{_FLOAT}$"), list("-+0123456789."))
# YAML 1.1 reads 010 as eight; 1.2 reads ten.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(str(node.value)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(str(node.value)))


def read_yaml(path: Path | str) -> Document:
    """Read one YAML file that holds a mapping.

    Raises UsageError for a missing or oversized file, bad syntax, a repeated key, an anchor or an object tag,
    naming file and line.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(
                f"{path} is too large for a recipe", got=f"{path.stat().st_size:,} bytes", allowed=f"up to {LARGEST:,}"
            )
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = near_misses(path.name, [p.name for p in path.parent.glob("*.y*ml")]) if path.parent.is_dir() else []
        raise UsageError(f"there is no file {path}", hint=f"did you mean {near[0]}?" if near else None) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", got=f"byte {error.start}: {error.reason}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read", got=error.strerror) from None
    document = parse_yaml(text, path)
    if not isinstance(document.value, dict):
        raise UsageError(
            f"{path} does not hold settings",
            got=type(document.value).__name__,
            allowed="lines of the form `key: value`",
        )
    return document


def parse_yaml(text: str, path: Path) -> Document:
    """Parse YAML text; `path` only serves messages. Raises UsageError with the line of a fault."""
    try:
        # Aliases let ten lines unfold into gigabytes, and a recipe has no use for them.
        alias = next((e for e in yaml.parse(text, Loader=_Loader) if isinstance(e, yaml.AliasEvent)), None)
        if alias is not None:
            raise UsageError(
                f"{path}:{alias.start_mark.line + 1 if alias.start_mark else 1}: anchors and aliases are not allowed in a recipe",
                got=f"*{alias.anchor}",
            )
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[tuple[Any, ...], int] = {}
        value = _value(loader, node, (), lines, path) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UsageError(
            f"{path}:{line}: not valid YAML",
            got=error.problem,
            hint="check indentation, colons and quotes on that line",
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(
            f"{path}: not valid YAML", got=str(error).splitlines()[0] if str(error) else "nested too deeply"
        ) from None
    return Document(path, value, lines)


def dump_yaml(value: Any) -> str:
    """Write plain values as YAML that `parse_yaml` reads back to the same values."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Quotes text that any YAML version could read as something else (inherited), and writes floats YAML 1.2 reads."""


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    # YAML 1.1 readers take an exponent only behind a point: 1e-05 is written 1.0e-05, which both versions read.
    text = repr(value)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


def _represent_str(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    looks_like_other = not value or re.fullmatch(f"{_INT}|{_FLOAT}|true|false|null|~", value, re.I)
    # Written as they are, these are read back as line breaks; between double quotes they are escaped.
    style = '"' if any(sign in value for sign in "\x85\u2028\u2029") else "'" if looks_like_other else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_str)


def _value(loader: _Loader, node: Any, at: tuple[Any, ...], lines: dict[tuple[Any, ...], int], path: Path) -> Any:
    lines.setdefault(at, node.start_mark.line + 1)
    own = {yaml.MappingNode: ("map",), yaml.SequenceNode: ("seq",)}.get(
        type(node), ("str", "int", "float", "bool", "null")
    )
    if node.tag.removeprefix("tag:yaml.org,2002:") not in own:
        raise UsageError(f"{path}:{node.start_mark.line + 1}: tags are not allowed in a recipe", got=node.tag)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                raise UsageError(
                    f"{path}:{key_node.start_mark.line + 1}: the key '{key}' stands twice",
                    hint="keep one of the two lines",
                )
            lines[(*at, key)] = key_node.start_mark.line + 1
            result[key] = _value(loader, value_node, (*at, key), lines, path)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*at, i), lines, path) for i, item in enumerate(node.value)]
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, KeyError):  # `!!int x`, `!!bool x`, or more digits than a number may have
        raise UsageError(
            f"{path}:{node.start_mark.line + 1}: this value cannot be read", got=str(node.value)[:40]
        ) from None
