"""The passage index: a folder that finds passages, takes new documents, and lets go of old ones."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import mmap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tailorlm.context.index.documents import Aside, Document, ReadSettings, read_documents
from tailorlm.context.index.settings import IndexSettings
from tailorlm.context.index.writing import (
    DOCUMENTS,
    KIND,
    PLACES,
    Change,
    Entry,
    Listener,
    Plan,
    record_of,
    searched,
    write_version,
)
from tailorlm.context.retrieval.approximate import faiss_module
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.manifest import check_encoder, held_out_of, read_manifest
from tailorlm.context.retrieval.settings import SearchSettings
from tailorlm.context.retrieval.text_index import TextIndex, ask
from tailorlm.core.config import validate
from tailorlm.core.errors import TailorError, UsageError, near_misses
from tailorlm.core.versions import new_version, newest
from tailorlm.data.held_out import HeldOut

_KEPT = 64


@dataclass(frozen=True)
class Passage:
    """A passage that was found: `text` is `document_text[start:end]` to the letter.

    id: `document#number`, the number counted from 1. headings: those it stands under. page: of a PDF, from 1. score: what it was
    ordered by. by: retriever to (rank from 1, its own score).
    """

    id: str
    document: str
    title: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    score: float = 0.0
    by: dict[str, tuple[int, float]] | None = None


class PassageIndex:
    """Passages of documents that can be found by words, by meaning, or by both.

    Open one by its folder, make one with `PassageIndex.build`. It is a point in time: `add` and `remove` publish a new version whole
    and go on with it; another process that has the folder open keeps the version that it opened. Memory: the vocabulary, 24 bytes
    a passage, some 300 bytes a document; vectors, word scores and texts stay on the disk until they are needed. Several threads may
    ask one index at once; while it takes documents in or lets go of some, nobody else may use it.
    Raises TailorError where the folder holds no index.
    Choose it for answers that stand in documents (facts, terms, instructions); for rows with answers use `context.store`.
    """

    def __init__(self, folder: str | Path, *, encoder: str | None = None):
        """encoder: where the encoder lies, if not where it was when the index was built."""
        self.folder = Path(folder)
        self._where = encoder
        self._keeping = Lock()
        self._open()

    @classmethod
    def build(
        cls,
        folder: str | Path,
        paths: Sequence[str],
        settings: IndexSettings | None = None,
        read: ReadSettings | None = None,
        *,
        held_out: HeldOut | None = None,
        listen: Listener = lambda what, done, of: None,
    ) -> tuple[PassageIndex, Change]:
        """An index over exactly the documents of `paths`, and what that took.

        Where `folder` holds an index of the same settings already, only documents that changed are read into passages, and only
        passages that are new are given vectors; documents that are not among `paths` go. settings, read: by default as that index was
        built, else the defaults. held_out: test rows; a document that is one is refused, now and whenever documents are added. Raises
        UsageError for an index of other settings, TailorError for a folder that holds something else, and what `read_documents` raises.
        """
        folder = Path(folder)
        if settings is None or read is None:
            usual = cls.made_with(folder)
            settings, read = settings or usual[0], read or usual[1]
        where = settings.encoder.model if settings.encoder else None
        if newest(folder) is not None:
            index = cls(folder, encoder=where)
            index.same(settings)
            plan = replace(index._plan(read, listen), held_out=held_out or index.held_out)
            plan.settled = read == index.read and plan.held_out == index.held_out
        else:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise TailorError(f"{folder} exists and is no index", hint="choose another folder")
            encoder = Encoder(settings.encoder) if settings.encoder else None
            if encoder is not None:
                encoder.origin  # noqa: B018  # that there is no such model is said before an hour of reading
            if settings.engine == "faiss":
                faiss_module()
            plan = Plan(settings, encoder, None, {}, held_out, read.model_dump(), listen)
        change = _publish(folder, plan, lambda aside: read_documents(paths, read, aside), drop=lambda name: True)
        made = cls(folder, encoder=where)
        made.encoder = plan.encoder  # the model is loaded already
        return made, change

    @staticmethod
    def made_with(folder: str | Path) -> tuple[IndexSettings, ReadSettings]:
        """How the index in a folder was built and its documents read; the defaults where the folder holds nothing yet.

        Raises TailorError where it holds another kind of index.
        """
        folder = Path(folder)
        if newest(folder) is None:
            return IndexSettings(), ReadSettings()
        _, manifest = read_manifest(folder, KIND, hint=_build(folder))
        return validate(manifest["settings"], IndexSettings), validate(manifest["read"], ReadSettings)

    def add(
        self, paths: Sequence[str], read: ReadSettings | None = None, *, listen: Listener = lambda what, done, of: None
    ) -> Change:
        """Take in the documents of `paths`; one with the name of an old one replaces it. read: by default as it was built."""
        read = read or self.read
        change = _publish(
            self.folder,
            self._plan(read, listen),
            lambda aside: read_documents(paths, read, aside),
            drop=lambda name: False,
        )
        self._open()
        return change

    def remove(self, names: Sequence[str], *, listen: Listener = lambda what, done, of: None) -> Change:
        """Let go of documents by name, or by pattern (`docs/old/*`). Raises UsageError for one that nothing answers to."""
        gone: set[str] = set()
        for name in names:
            found = {name} & self.entries.keys() or set(fnmatch.filter(self.entries, name))
            if not found:
                raise self._unknown(name)
            gone |= found
        change = _publish(self.folder, self._plan(self.read, listen), lambda aside: (), drop=lambda name: name in gone)
        self._open()
        return change

    def search(self, queries: Sequence[str], settings: SearchSettings | None = None) -> list[list[Passage]]:
        """For every query the passages found, best first; none for a query that is blank.

        Raises UsageError when vectors are asked for that the index does not have, TailorError when its encoder cannot be had or
        has changed since.
        """
        settings = settings or SearchSettings()
        asked = [query for query in queries if query.strip()]
        found = iter(
            self.texts.search(
                ask(asked, self.texts, settings, self._encoder_for(settings)), settings, self.searched_text
            )
        )
        answers = []
        for query in queries:
            hits = next(found) if query.strip() else []
            answers.append([replace(self.passage(hit.position), score=hit.score, by=hit.by) for hit in hits])
        return answers

    def passage(self, position: int) -> Passage:
        """The passage of a position (documents by name, passages in the order of the text)."""
        number, start, end = (int(x) for x in self._places[position])
        record = self._record(number)
        place = position - int(self._firsts[number])
        _, _, headings, page = record["passages"][place]
        name, title = record["name"], record["title"]
        return Passage(f"{name}#{place + 1}", name, title, start, end, record["text"][start:end], tuple(headings), page)

    def searched_text(self, position: int) -> str:
        """What a passage is found by: itself below its title and headings, as the settings say."""
        number = int(self._places[position][0])
        record = self._record(number)
        place = record["passages"][position - int(self._firsts[number])]
        return searched(record, place, headings=self.settings.headings)

    def positions(self, document: str) -> range:
        """The positions of a document's passages. Raises UsageError for a name that is not in the index."""
        if document not in self.entries:
            raise self._unknown(document)
        number = self._number[document]
        first = int(self._firsts[number])
        return range(first, first + self.entries[document].passages)

    def text(self, document: str) -> str:
        """The whole text of a document, as it was read."""
        if document not in self.entries:
            raise self._unknown(document)
        return str(self._record(self._number[document])["text"])

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over documents, settings and encoder: what a search finds depends on nothing else."""
        encoder = self.manifest["encoder"]
        settings = self.settings.model_dump(mode="json", exclude={"encoder"})
        facts = [settings, encoder["fingerprint"] if encoder else None]
        documents = sorted((entry.name, entry.sha256) for entry in self.entries.values())
        return hashlib.sha256(json.dumps([facts, documents]).encode("utf-8", "surrogatepass")).hexdigest()

    def __len__(self) -> int:
        """Passages."""
        return len(self._places)

    def same(self, settings: IndexSettings) -> None:
        """Raise UsageError where the index was made with other settings, each named."""
        mine, theirs = self.settings.model_dump(mode="json"), settings.model_dump(mode="json")
        if mine["encoder"] and theirs["encoder"]:
            # The name of a model is where it lies; whether it is the same model its fingerprint says.
            mine["encoder"]["model"] = theirs["encoder"]["model"]
        other = [name for name in mine if mine[name] != theirs[name]]
        if other:
            raise UsageError(
                f"{self.folder} was built with other settings",
                got="; ".join(
                    f"{name} {_short(mine[name])} in the index, {_short(theirs[name])} asked for" for name in other
                ),
                hint=f"leave them out to keep the index's own, or build another one: --out {self.folder}-2",
            )
        self.encoder  # noqa: B018  # looks whether the model is the same

    @cached_property
    def encoder(self) -> Encoder | None:
        """The encoder, or None for an index of words. Raises TailorError when it is another one than the index was built with."""
        if self.settings.encoder is None:
            return None
        encoder = Encoder(self.settings.encoder.with_(model=self._where or self.settings.encoder.model))
        return check_encoder(encoder, self.manifest, self.folder)

    def _unknown(self, name: str) -> UsageError:
        near = near_misses(name, self.entries)
        return UsageError(
            f"{self.folder} has no document '{name}'",
            allowed=f"one of its {len(self.entries):,}; `tailor index info {self.folder}` lists them",
            hint=f"did you mean {' or '.join(repr(n) for n in near)}?" if near else None,
        )

    def _encoder_for(self, settings: SearchSettings) -> Encoder | None:
        needed = "dense" in self.texts.retrievers(settings) or settings.variety > 0
        return self.encoder if needed else None

    def _plan(self, read: ReadSettings, listen: Listener) -> Plan:
        return Plan(
            self.settings,
            self.encoder,
            self.version,
            dict(self.entries),
            self.held_out,
            read.model_dump(),
            listen,
            True,
        )

    def _open(self) -> None:
        hint = _build(self.folder)
        self.version, self.manifest = read_manifest(self.folder, KIND, hint=hint)
        try:
            self._map()
        except (OSError, TailorError):
            # A writer may have published the next version, and removed this one, just now.
            if self.version.is_dir():
                raise
            self.version, self.manifest = read_manifest(self.folder, KIND, hint=hint)
            self._map()
        self.entries = {entry.name: entry for entry in (Entry(*one) for one in self.manifest["documents"])}
        self.settings = validate(self.manifest["settings"], IndexSettings)
        self.read = validate(self.manifest["read"], ReadSettings)
        self.held_out = held_out_of(self.manifest)
        counts = [entry.passages for entry in self.entries.values()]
        self._firsts = np.concatenate([[0], np.cumsum(counts)])
        self._records: dict[int, dict[str, Any]] = {}
        self._names = list(self.entries)
        self._number = {name: number for number, name in enumerate(self._names)}

    def _map(self) -> None:
        """Everything of a version is opened at once: it may be removed at any time, and what is mapped stays readable."""
        self._places = np.load(self.version / PLACES, allow_pickle=False)
        self.texts = TextIndex.load(self.version)
        with (self.version / DOCUMENTS).open("rb") as handle:
            self._documents = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)

    def _record(self, number: int) -> dict[str, Any]:
        """One document; the last few are kept.

        Threads share what is mapped and what is kept: the one has a place of reading, so bytes are taken by where they lie, and of
        the other any may be gone by the time one looks again.
        """
        record = self._records.get(number)
        if record is None:
            entry = self.entries[self._names[number]]
            record = record_of(self._documents[entry.at : entry.at + entry.size])
            with self._keeping:
                while len(self._records) >= _KEPT:
                    del self._records[next(iter(self._records))]
                self._records[number] = record
        return record


def _publish(
    folder: Path, plan: Plan, documents: Callable[[Aside], Iterable[Document]], *, drop: Callable[[str], bool]
) -> Change:
    aside = Aside()
    with new_version(folder, plan.old) as temp:
        return write_version(temp, plan, documents(aside), aside, drop=drop)


def _build(folder: Path) -> str:
    return f"tailor index build DOCUMENTS --out {folder}"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value["model"] if isinstance(value, dict) else value)
    return text if len(text) <= 40 else text[:37] + "..."
