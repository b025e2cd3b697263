"""Rows from a data set of the Hugging Face hub, through the optional `datasets` package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailorlm.core.errors import TailorError, UsageError, unknown_name
from tailorlm.data.plain import NoJsonError, label_names, plain_value
from tailorlm.data.rows import Row, Rows

_PREFIX = "hub:"
_MEDIA = frozenset({"Image", "Audio", "Video", "Pdf"})


def read_hub(name: str, split: str) -> Rows:
    """The rows of one split of a hub data set: `read_hub("hub:PolyAI/banking77", "test")`.

    name: `hub:owner/data`, with `:configuration` behind it where the data set has several. Label numbers (ClassLabel)
    become their names, -1 (no label) becomes None, dates become ISO text; columns that hold no text, number or list are
    left out and noted. A row's line is its position in the split, from 1.
    Raises TailorError when `datasets` is not installed, the hub cannot be reached, or the data set is not there;
    UsageError for an unknown split or a malformed name. No code of the data set is ever run.
    Choose a local file (`read`) where the network may be missing: then faults name a line that can be mended.
    """
    path, _, config = name.removeprefix(_PREFIX).partition(":")
    if not path or path.startswith("/") or path.count("/") > 1:
        raise UsageError(f"'{name}' names no hub data set", allowed="hub:owner/data or hub:owner/data:configuration")
    data = _load(name, path, config or None, split)
    left_out = {column for column, feature in data.features.items() if type(feature).__name__ in _MEDIA}
    if left_out:  # before a row is touched: reading them would decode every picture and sound
        data = data.remove_columns(sorted(left_out))
    source = f"{_PREFIX}{path}{':' + config if config else ''}[{split}]"
    as_names = {column: read for column, feature in data.features.items() if (read := label_names(feature))}
    rows = [Row(_values(values, as_names, left_out), source, i) for i, values in enumerate(data, 1)]
    if not rows:
        raise TailorError(f"{source} holds no rows")
    for row in rows:
        for column in left_out:
            row.values.pop(column, None)
    columns = tuple(column for column in data.features if column not in left_out)
    notes = [f"{source}: {len(rows):,} rows"]
    notes += [f"{source}: label numbers turned into names: {', '.join(as_names)}"] if as_names else []
    notes += [f"{source}: columns left out (no text or numbers): {', '.join(sorted(left_out))}"] if left_out else []
    return Rows(tuple(rows), columns, tuple(notes))


def _load(name: str, path: str, config: str | None, split: str) -> Any:
    """The split as a `datasets.Dataset`; what can go wrong there is told in our words."""
    try:
        import datasets
    except ImportError as exc:
        raise TailorError(
            f"{name} needs the package 'datasets', which is not installed",
            hint="pip install 'tailorlm[hub]', or save the rows as CSV or JSON Lines and read that file",
        ) from exc
    try:
        splits = datasets.get_dataset_split_names(path, config)
        if split not in splits:
            raise unknown_name(f"split of {name}", split, splits)
        return datasets.load_dataset(path, config, split=split)
    except TailorError:
        raise
    except Exception as exc:  # datasets raises its own, huggingface_hub's, requests' and builtin errors alike
        raise _load_fault(name, exc) from exc


def _load_fault(name: str, exc: Exception) -> TailorError:
    kind, text = type(exc).__name__, str(exc).strip().split("\n")[0][:300]
    if isinstance(exc, ConnectionError | TimeoutError) or "Connect" in kind or "Timeout" in kind or "Offline" in kind:
        return TailorError(
            f"{name}: the hub could not be reached",
            got=f"{kind}: {text}",
            hint="check the network, or download the rows elsewhere and read them as a file",
        )
    if isinstance(exc, FileNotFoundError) or "NotFound" in kind:
        return TailorError(f"the hub has no data set {name}, or it is private", got=f"{kind}: {text}")
    if isinstance(exc, ValueError) and "config" in text.lower():
        return UsageError(f"{name} has several configurations", got=text, hint=f"name one: {name}:<configuration>")
    return TailorError(f"{name} could not be loaded", got=f"{kind}: {text}")


def _values(
    values: Mapping[str, Any], as_names: Mapping[str, Callable[[Any], Any]], left_out: set[str]
) -> dict[str, Any]:
    found = {}
    for column, value in values.items():
        if column in left_out:
            continue
        try:
            found[column] = as_names[column](value) if column in as_names else plain_value(value)
        except NoJsonError:
            left_out.add(column)
        except (IndexError, TypeError):
            what = f"the column {column!r} holds a label number that has no name"
            raise TailorError(
                what, hint="save the rows as JSON Lines, mend the label there, and read that file"
            ) from None
    return found
