"""Writing one version of an index: documents in the order of their names, their passages, words and vectors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tailorlm.context.index.documents import Aside, Document
from tailorlm.context.index.settings import IndexSettings
from tailorlm.context.retrieval.approximate import Approximate
from tailorlm.context.retrieval.bm25 import Bm25
from tailorlm.context.retrieval.encoder import Encoder
from tailorlm.context.retrieval.manifest import write_manifest
from tailorlm.context.retrieval.text_index import VECTORS
from tailorlm.context.retrieval.vectors import Known, write_vectors
from tailorlm.core.atomic import disk_errors
from tailorlm.core.errors import CheckError
from tailorlm.data.held_out import HeldOut
from tailorlm.data.passages import passage_rows
from tailorlm.data.rows import Row

KIND = "passages"
DOCUMENTS, PLACES = "documents.jsonl", "places.npy"
_SPOOL = ".new"
Listener = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much (0: not known)."""


class Entry(NamedTuple):
    """One document as the manifest lists it. at, size: where its line stands in `documents.jsonl`, in bytes."""

    name: str
    sha256: str
    characters: int
    passages: int
    at: int
    size: int


@dataclass
class Change:
    """What a build, an addition or a removal came to.

    added, replaced, unchanged, removed: documents. passages: in the index now; computed, reused: their vectors. too_long: passages
    of the new ones whose ends the encoder does not read. empty, unreadable: documents set aside, with the reason.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    documents: int = 0
    passages: int = 0
    computed: int = 0
    reused: int = 0
    too_long: int = 0
    empty: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Plan:
    """What the next version is made of. old: the version's folder before it, with its entries by name; held_out: what to refuse.

    settled: nothing but documents could differ from the old version.
    """

    settings: IndexSettings
    encoder: Encoder | None
    old: Path | None
    entries: dict[str, Entry]
    held_out: HeldOut | None
    read: dict[str, Any]
    listen: Listener = lambda what, done, of: None
    settled: bool = False


def write_version(
    folder: Path, plan: Plan, documents: Iterable[Document], aside: Aside, *, drop: Callable[[str], bool]
) -> Change:
    """Write a version into an empty folder: the documents of before that are not dropped, and the new ones.

    drop: whether an old document goes, by name; asked when all new ones were read, so that a name among them is no loss. The
    content depends on the documents alone, not on the order in which they came: names are sorted. Where no document changes and the
    plan is settled, the folder stays empty.
    """
    start = time.perf_counter()
    change = Change(empty=aside.empty, unreadable=aside.unreadable)
    with disk_errors(folder):
        fresh, met = _spool(folder, plan, documents)
        kept = {n: e for n, e in plan.entries.items() if n not in fresh and (n in met or not drop(n))}
        change.replaced = len(fresh.keys() & plan.entries.keys())
        change.added, change.unchanged = len(fresh) - change.replaced, len(met)
        change.removed = len(plan.entries) - len(kept) - change.replaced
        if not kept and not fresh:
            raise CheckError("the index would hold no document", hint="remove its folder instead")
        if plan.settled and len(kept) == len(plan.entries) and not fresh:
            os.remove(folder / _SPOOL)
            change.documents, change.passages = len(kept), sum(entry.passages for entry in kept.values())
            change.reused = change.passages if plan.encoder is not None else 0
            return change
        entries = _arrange(folder, plan, kept, fresh)
        places = _places(folder, entries)
        change.documents, change.passages = len(entries), len(places)
        plan.listen("words", 0, len(places))
        searched = Searched(folder, entries, plan.settings)
        Bm25(plan.settings.k1, plan.settings.b).fit(searched).save(folder)
        if plan.encoder is not None:
            known = Known.of(plan.old) if plan.old is not None else Known()
            count = len(places)
            done = write_vectors(
                folder,
                searched,
                count,
                plan.encoder,
                known,
                store=plan.settings.store,
                listen=lambda at: plan.listen("vectors", at, count),
            )
            if plan.settings.engine == "faiss":
                plan.listen("cells", 0, count)
                Approximate.write(folder, np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False))
            change.computed, change.reused, change.too_long = done.computed, done.reused, done.too_long
        facts = {
            "settings": plan.settings.model_dump(mode="json"),
            "read": plan.read,
            "passages": len(places),
            "documents": [list(entry) for entry in entries],
        }
        write_manifest(folder, KIND, plan.encoder, plan.held_out, facts)
    change.seconds = round(time.perf_counter() - start, 3)
    return change


class Searched:
    """What is searched of every passage of a written version, in order; each `for` reads the documents afresh, one at a time."""

    def __init__(self, folder: Path, entries: list[Entry], settings: IndexSettings):
        self._folder, self._entries, self._settings = folder, entries, settings

    def __iter__(self) -> Iterator[str]:
        with (self._folder / DOCUMENTS).open("rb") as handle:
            for entry in self._entries:
                record = record_of(_line(handle, entry))
                for place in record["passages"]:
                    yield searched(record, place, headings=self._settings.headings)


def searched(record: dict[str, Any], place: list[Any], *, headings: bool) -> str:
    """The text by which a passage is found: itself, below the title and those headings that it does not hold itself."""
    start, end, above, _ = place
    text = str(record["text"][start:end])
    over = [words for words in dict.fromkeys([record["title"], *above]) if words and words not in text]
    return " > ".join(over) + "\n" + text if headings and over else text


def record_of(line: bytes) -> dict[str, Any]:
    """One document of `documents.jsonl`: name, title, text, passages as [start, end, headings, page]."""
    found: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
    return found


def _line(handle: BinaryIO, entry: Entry) -> bytes:
    """A document's line of a file that nobody else reads: it is sought out first, then read."""
    handle.seek(entry.at)
    return handle.read(entry.size)


def _spool(folder: Path, plan: Plan, documents: Iterable[Document]) -> tuple[dict[str, Entry], set[str]]:
    """New and changed documents, cut into passages and written one after another; and the names of those that did not change."""
    fresh: dict[str, Entry] = {}
    met: set[str] = set()
    refused: list[str] = []
    at = 0
    with (folder / _SPOOL).open("wb") as handle:
        for number, document in enumerate(documents, 1):
            old = plan.entries.get(document.name)
            if plan.held_out is not None and plan.held_out.holds(document.text):
                refused.append(document.name)
            elif old is not None and old.sha256 == document.sha256:
                met.add(document.name)
            else:
                record = _record(document, plan.settings)
                line = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
                handle.write(line)
                sizes = len(document.text), len(record["passages"])
                fresh[document.name] = Entry(document.name, document.sha256, *sizes, at, len(line))
                at += len(line)
            plan.listen("documents", number, 0)
    if refused:
        assert plan.held_out is not None
        raise plan.held_out.fault(refused, "document")
    return fresh, met


def _record(document: Document, settings: IndexSettings) -> dict[str, Any]:
    values = {"text": document.text} | ({"pages": list(document.pages)} if document.pages else {})
    rows = passage_rows(Row(values, document.name, 1), size=settings.size, overlap=settings.repeated)
    places = [[r.values["start"], r.values["end"], r.values["headings"], r.values.get("page")] for r in rows]
    return {"name": document.name, "title": document.title, "text": document.text, "passages": places}


def _arrange(folder: Path, plan: Plan, kept: dict[str, Entry], fresh: dict[str, Entry]) -> list[Entry]:
    """`documents.jsonl` in the order of the names, copied from the version before and from the new ones."""
    arranged: list[Entry] = []
    with (folder / DOCUMENTS).open("wb") as out, (folder / _SPOOL).open("rb") as new:
        old = (plan.old / DOCUMENTS).open("rb") if plan.old is not None else None
        try:
            for name in sorted([*kept, *fresh]):
                entry, source = (fresh[name], new) if name in fresh else (kept[name], old)
                assert source is not None
                at = out.tell()
                out.write(_line(source, entry))
                arranged.append(entry._replace(at=at))
        finally:
            if old is not None:
                old.close()
    os.remove(folder / _SPOOL)
    return arranged


def _places(folder: Path, entries: list[Entry]) -> np.ndarray:
    """Write `places.npy`: (passages, 3) document number, start, end."""
    found: list[tuple[int, int, int]] = []
    with (folder / DOCUMENTS).open("rb") as handle:
        for number, entry in enumerate(entries):
            found += [(number, place[0], place[1]) for place in record_of(_line(handle, entry))["passages"]]
    places = np.array(found, np.int64).reshape(-1, 3)
    np.save(folder / PLACES, places, allow_pickle=False)
    return places
