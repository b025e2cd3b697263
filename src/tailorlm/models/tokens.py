"""A model's tokens as rendering needs them: text to ids, ids to text, special tokens, where answers stop.

Read from a model folder with `tokenizers` alone (no torch, for `tailor prep`), or from a tokenizer that transformers has loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorlm.core.errors import TailorError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAMED = ("bos_token", "eos_token", "pad_token", "unk_token", "mask_token")


@dataclass(frozen=True)
class Tokens:
    """The tokens of one model.

    backend: the Rust tokenizer. named: special tokens by name, as text. stop: ids that end an answer, as generation config,
    model config and tokenizer name them (a template may add its own). template: the folder's own chat templates by name
    (`default`, `tool_use`); empty where it has none.
    """

    backend: Tokenizer
    named: dict[str, str]
    stop: frozenset[int]
    templates: dict[str, str]

    def encode(self, text: str) -> list[int]:
        """Ids of the text alone: nothing is put around it; special tokens written in it are recognised."""
        return list(self.backend.encode(_whole(text), add_special_tokens=False).ids)

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts at once."""
        encoded = self.backend.encode_batch_fast([_whole(text) for text in texts], add_special_tokens=False)
        return [list(item.ids) for item in encoded]

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids. special: write special tokens too."""
        return str(self.backend.decode(list(ids), skip_special_tokens=not special))

    def one(self, text: str) -> int | None:
        """The id of a text that is one token; None where it is several."""
        found = self.backend.token_to_id(text)
        return int(found) if found is not None else None

    @cached_property
    def added(self) -> dict[str, bool]:
        """Every added token by its text: whether it is a special one. Ordinary words are never cut out of a text like these."""
        return {t.content: bool(t.special) for t in self.backend.get_added_tokens_decoder().values() if t.content}

    @cached_property
    def mark(self) -> re.Pattern[str] | None:
        """Finds added tokens in a text, the longest first; None where the model has none."""
        words = sorted(self.added, key=lambda word: (-len(word), word))
        return re.compile("|".join(map(re.escape, words))) if words else None

    @cached_property
    def begins(self) -> list[int]:
        """The ids that this tokenizer puts before every text by its own custom (`<s>`), empty for most."""
        return self._frame[0]

    @property
    def before_text(self) -> list[int]:
        """What the first token of a text follows: `begins`, else the end-of-text token; empty where there is neither."""
        end = self.one(self.named["eos_token"]) if "eos_token" in self.named else None
        return list(self.begins) or ([end] if end is not None else [])

    @cached_property
    def ends(self) -> list[int]:
        """The ids that it puts behind every text by its own custom (`</s>` for T5), empty for models that only write."""
        return self._frame[1]

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        bare = list(self.backend.encode("a", add_special_tokens=False).ids)
        framed = list(self.backend.encode("a", add_special_tokens=True).ids)
        at = next((i for i in range(len(framed) - len(bare) + 1) if framed[i : i + len(bare)] == bare), 0)
        return framed[:at], framed[at + len(bare) :]

    @property
    def size(self) -> int:
        """How many ids there are, added tokens included."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))


def stretches(
    decode: Callable[[Sequence[int]], str], ids: Sequence[int], learned: Sequence[bool]
) -> list[tuple[str, bool]]:
    """The text of a row in stretches with whether they are learned. decode: from ids to text, special tokens written out."""
    found: list[tuple[str, bool]] = []
    start, before = 0, ""
    for at in range(1, len(ids) + 1):
        if at == len(ids) or learned[at] != learned[start]:
            # Some tokenizers drop a blank at the very beginning of what they decode: each stretch is read behind the others.
            whole, alone = decode(ids[:at]), decode(ids[start:at])
            found.append((whole[len(before) :] if whole.startswith(before) else alone, bool(learned[start])))
            start, before = at, whole
    return found


def tokens_of(folder: Path) -> Tokens:
    """The tokens of a model folder, read without torch or transformers.

    Raises TailorError where the folder has no `tokenizer.json` (models that come with other files alone need transformers to turn
    them into one).
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TailorError(
            f"{folder} has no tokenizer.json",
            hint="load it with transformers once and save it again: AutoTokenizer.from_pretrained(...).save_pretrained(...)",
        )
    try:
        backend = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust side raises a bare Exception
        raise TailorError(f"{path} cannot be read as a tokenizer", got=str(error).splitlines()[0][:200]) from None
    backend.no_truncation()
    backend.no_padding()
    settings = {**_json(folder / "special_tokens_map.json"), **_json(folder / "tokenizer_config.json")}
    named = {name: text for name in NAMED if (text := _token_text(settings.get(name)))}
    return Tokens(backend, named, stop_ids(folder, backend, named), _templates(folder, settings))


def tokens_from(tokenizer: Any, folder: Path | None = None) -> Tokens:
    """The tokens of a fast tokenizer that transformers has loaded. folder: where its generation config lies, if anywhere."""
    from tokenizers import Tokenizer

    if not getattr(tokenizer, "is_fast", False):
        raise TailorError(
            f"the tokenizer {type(tokenizer).__name__} has no fast form",
            hint="choose a model with a tokenizer.json",
        )
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    named = {name: str(text) for name in NAMED if (text := getattr(tokenizer, name, None))}
    template = tokenizer.chat_template
    templates = dict(template) if isinstance(template, dict) else {"default": template} if template else {}
    return Tokens(backend, named, stop_ids(folder, backend, named), templates)


def stop_ids(folder: Path | None, backend: Tokenizer, named: dict[str, str]) -> frozenset[int]:
    """Every id that a folder says an answer may end with, and the tokenizer's own end of text."""
    found: set[int] = set()
    for name in ("generation_config.json", "config.json") if folder else ():
        found.update(_ids(_json(folder / name).get("eos_token_id")))  # type: ignore[operator]
    if "eos_token" in named:
        found.update(_ids(backend.token_to_id(named["eos_token"])))
    return frozenset(found)


def _ids(value: Any) -> Iterable[int]:
    return [
        v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int) and not isinstance(v, bool)
    ]


def _token_text(value: Any) -> str:
    return str(value.get("content", "") if isinstance(value, dict) else value or "")


def _templates(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    value = settings.get("chat_template")
    if isinstance(value, str):
        found["default"] = value
    elif isinstance(value, list):
        found |= {
            str(t["name"]): str(t["template"]) for t in value if isinstance(t, dict) and {"name", "template"} <= set(t)
        }
    own = folder / "chat_template.jinja"
    if own.is_file():
        found["default"] = own.read_text(encoding="utf-8")
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        found[path.stem] = path.read_text(encoding="utf-8")
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TailorError(f"{path} cannot be read", got=str(error).splitlines()[0]) from None
    return value if isinstance(value, dict) else {}


def _whole(text: str) -> str:
    # Half a character (a lone surrogate) cannot be handed to a tokenizer; it becomes the sign for what cannot be read.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
