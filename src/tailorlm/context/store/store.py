"""Examples that can be found: in memory for a comparison, in a folder for what is in use and goes on learning."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.manifest import check_encoder, held_out_of, read_manifest, write_manifest
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.context.retrieval.text_index import Asked, Found, TextIndex, ask
from tailorlm.context.retrieval.vectors import Known, key_of
from tailorlm.context.store.examples import Example, Query
from tailorlm.context.store.settings import StoreSettings
from tailorlm.core.atomic import disk_errors
from tailorlm.core.config import validate
from tailorlm.core.errors import CheckError, TailorError, UsageError, near_misses
from tailorlm.core.versions import new_version, newest
from tailorlm.data.held_out import HeldOut
from tailorlm.data.quality import normalised

KIND = "examples"
ROWS = "examples.jsonl"
SHOWN = 8


class ExampleStore:
    """Train rows with their answers, found by words, by meaning, or by both.

    A store does not change: `plus` and `minus` give another one, in which vectors that are known are kept; `save` publishes it as the
    next version of its folder. Memory: the rows, their vectors, and what `Bm25` needs.
    Rows come from train alone: `held_out` names the test rows (by hash), and every row that is one of them is refused, now and in
    all stores made from this one. Choose it where labels or answers drift: a row added today is shown today, and nothing is trained.
    """

    def __init__(
        self,
        examples: tuple[Example, ...],
        texts: TextIndex,
        settings: StoreSettings,
        encoder: Encoder | None,
        held_out: HeldOut | None,
        version: Path | None = None,
    ):
        self.examples, self.texts, self.settings = examples, texts, settings
        self.encoder, self.held_out, self.version = encoder, held_out, version

    @classmethod
    def of(
        cls,
        examples: Sequence[Example],
        settings: StoreSettings | None = None,
        *,
        held_out: HeldOut | None = None,
        encoder: Encoder | None = None,
    ) -> ExampleStore:
        """A store over train rows. encoder: one that is loaded already, in place of that of the settings.

        Raises CheckError for rows that are test rows, and for two rows of one id.
        """
        settings = settings or StoreSettings()
        if encoder is None and settings.encoder is not None:
            encoder = Encoder(settings.encoder)
        return _made(tuple(examples), settings, encoder, held_out, Known(), None)

    @classmethod
    def open(cls, folder: str | Path, *, encoder: str | None = None) -> ExampleStore:
        """The store in a folder. encoder: where the encoder lies, if not where it was.

        Raises TailorError where the folder holds none, UsageError when its encoder is another one than it was made with.
        """
        root = Path(folder)
        version, manifest = read_manifest(root, KIND, hint="make one with ExampleStore.of(...).save(folder)")
        settings = validate(manifest["settings"], StoreSettings)
        try:
            with (version / ROWS).open(encoding="utf-8", errors="surrogatepass") as lines:
                examples = tuple(Example(**json.loads(line)) for line in lines)
        except (OSError, ValueError, TypeError) as error:
            raise TailorError(f"{version / ROWS} cannot be read", got=type(error).__name__) from None
        model = None
        if settings.encoder is not None:
            model = Encoder(settings.encoder.with_(model=encoder or settings.encoder.model))
            check_encoder(model, manifest, root)
        return cls(examples, TextIndex.load(version), settings, model, held_out_of(manifest), version)

    def plus(self, examples: Sequence[Example]) -> ExampleStore:
        """This store with more rows; a row that is in it already, to the letter, changes nothing.

        Raises CheckError for test rows, and for an id that stands for another row already.
        """
        new = [row for row in examples if row.id not in self.places or self.examples[self.places[row.id]] != row]
        return _made((*self.examples, *new), self.settings, self.encoder, self.held_out, self._known(), self.version)

    def minus(self, ids: Sequence[str]) -> ExampleStore:
        """This store without some rows. Raises UsageError for an id that is not in it."""
        for one in ids:
            if one not in self.places:
                near = near_misses(one, self.places)
                hint = f"did you mean {' or '.join(repr(name) for name in near)}?" if near else None
                raise UsageError(f"this store has no row '{one}'", got=f"{len(self):,} other rows", hint=hint)
        kept = tuple(row for row in self.examples if row.id not in set(ids))
        return _made(kept, self.settings, self.encoder, self.held_out, self._known(), self.version)

    def save(self, folder: str | Path) -> ExampleStore:
        """Publish it in a folder, whole, in place of the version that it was made from; returns the store as it lies there.

        Raises TailorError when the folder holds something else, or another process has changed it meanwhile.
        """
        root = Path(folder)
        after = newest(root)
        if after is None and root.exists() and any(root.iterdir()):
            raise TailorError(f"{root} exists and is no store", hint="choose another folder")
        if after is not None:
            read_manifest(root, KIND, hint="choose another folder")
            # The same folder may be named in another way than when the store was opened.
            mine = self.version is not None and self.version.parent.resolve() == root.resolve()
            after = self.version if mine else after
        with new_version(root, after) as temp, disk_errors(temp):
            lines = [json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in self.examples]
            (temp / ROWS).write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
            self.texts.save(temp)
            facts = {"settings": self.settings.model_dump(mode="json"), "rows": len(self), "labels": dict(self.labels)}
            write_manifest(temp, KIND, self.encoder, self.held_out, facts)
        return ExampleStore(self.examples, self.texts, self.settings, self.encoder, self.held_out, newest(root))

    def search(self, queries: Sequence[Query], settings: SearchSettings) -> list[list[Found]]:
        """For every query the rows found, best first; never the row itself (see `Query`)."""
        asked = ask([query.text for query in queries], self.texts, settings, self.encoder)
        without = Asked(asked.texts, asked.vectors, [self.itself(query) for query in queries])
        return self.texts.search(without, settings, lambda position: self.examples[position].text)

    def itself(self, query: Query) -> frozenset[int]:
        """The rows that are the query itself."""
        if query.id is None:
            return frozenset()
        same = self._by_content.get(normalised(query.text), frozenset())
        return same | {self.places[query.id]} if query.id in self.places else same

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each id stands in `examples`."""
        return {row.id: i for i, row in enumerate(self.examples)}

    @cached_property
    def labels(self) -> Counter[str]:
        """How many rows each label has."""
        return Counter(row.label for row in self.examples if row.label is not None)

    def vectors(self) -> NDArray[Any] | None:
        """(rows, width) of length one, float32; None for a store of words."""
        return None if self.texts.vectors is None else np.asarray(self.texts.vectors, np.float32)

    def __len__(self) -> int:
        return len(self.examples)

    def __repr__(self) -> str:
        return f"ExampleStore({len(self)} rows, {len(self.labels)} labels)"

    @cached_property
    def _by_content(self) -> dict[str, frozenset[int]]:
        found: dict[str, set[int]] = {}
        for i, row in enumerate(self.examples):
            found.setdefault(normalised(row.text), set()).add(i)
        return {text: frozenset(places) for text, places in found.items()}

    def _known(self) -> Known:
        if self.texts.vectors is None:
            return Known()
        keys = np.frombuffer(b"".join(key_of(row.text) for row in self.examples), np.uint8)
        return Known(keys, self.texts.vectors)


def _made(
    examples: tuple[Example, ...],
    settings: StoreSettings,
    encoder: Encoder | None,
    held_out: HeldOut | None,
    known: Known,
    version: Path | None,
) -> ExampleStore:
    """A store over rows that were looked at: none twice, none of the test."""
    if not examples:
        raise CheckError("a store needs a row at least", hint="give train rows")
    twice = sorted(name for name, count in Counter(row.id for row in examples).items() if count > 1)
    if twice:
        more = f" and {len(twice) - SHOWN} more" if len(twice) > SHOWN else ""
        raise CheckError(
            f"{len(twice)} id{'s stand' if len(twice) > 1 else ' stands'} for two different rows",
            got=", ".join(twice[:SHOWN]) + more,
            hint="name rows by an id column, or take the old ones out first",
        )
    if held_out is not None:
        refused = [row.id for row in examples if held_out.holds(row.text, row.id)]
        if refused:
            raise held_out.fault(refused, "example")
    texts = [row.text for row in examples]
    vectors = None if encoder is None else _vectors(texts, encoder, known, settings.store)
    return ExampleStore(
        examples, TextIndex.of(texts, vectors, k1=settings.k1, b=settings.b), settings, encoder, held_out, version
    )


def _vectors(texts: Sequence[str], encoder: Encoder, known: Known, store: str) -> NDArray[Any]:
    old = [known.find(key_of(text)) for text in texts]
    new = [i for i, vector in enumerate(old) if vector is None]
    computed = encoder.texts([texts[i] for i in new]) if new else None
    width = next((len(vector) for vector in old if vector is not None), 0) if computed is None else computed.shape[1]
    found = np.zeros((len(texts), width), np.dtype(store))
    for i, vector in enumerate(old):
        if vector is not None:
            found[i] = vector
    if computed is not None:
        found[new] = computed
    return found
