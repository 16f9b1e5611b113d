"""Erasing: contents go, digests stay; the file is written anew, so that no byte of what was erased is left in it."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from provenance.errors import ProvError
from registry.copying import copy_file
from registry.store import REWRITE_PENDING, Batch, Store

MOST_KEPT_BY = 1_000


@dataclass(frozen=True)
class Erasure:
    """What an erasure came to.

    Attributes:
        texts, documents: texts whose content went, and all documents of them.
        metadata, annotations: how many documents lost their metadata, and how many annotations went.
        refused: texts that were asked for and that a document keeps which no withdrawal covers.
        kept_by: those documents, the first thousand.
    """

    texts: int = 0
    documents: int = 0
    metadata: int = 0
    annotations: int = 0
    refused: int = 0
    kept_by: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_something(self) -> bool:
        return bool(self.texts or self.metadata or self.annotations)


NOTHING_ERASED = Erasure()


class NotRewritten(ProvError):
    """A file that could not be written anew, and still has the bytes of what was erased from its tables."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"what was erased is out of all tables of {path}, but its bytes are still in the file, which could not be "
            f"written anew: {reason}; it needs free disk of about its own size, and is tried again when the registry "
            "is next opened for writing"
        )


def erase(store: Store, batch: Batch) -> Erasure:
    """Delete the contents of the texts in the temporary table `withdrawing`, with the metadata and annotations.

    A text goes only where every document of it is withdrawn. The hashes of the rows that change are kept for the
    chain, and the file is marked to be written anew: `rewrite` it once all this is committed.
    """
    for step in ("stage_withdrawn", "stage_keeping", "stage_erasing"):
        store.run(step)
    erasure = Erasure(
        **store.ask_records("erasing_size")[0], kept_by=store.ask_records("keeping_documents", most=MOST_KEPT_BY)
    )
    if erasure.is_something:
        store.run("keep_row_digests", batch_id=batch.batch_id)
        for step in ("erase_metadata", "erase_annotations", "erase_texts"):
            store.run(step)
        store.run("forget_fingerprints", every=False)
        store.keep_setting(REWRITE_PENDING, str(batch.batch_id))
    return erasure


def rewrite(store: Store) -> None:
    """Write the file of a registry anew where an erasure asks for it, and go on in the new file.

    Nothing may be streaming from the store meanwhile. While the file is copied others can read it, but not write.

    Raises:
        NotRewritten: the old file stands as it was, and the store works on in it.
    """
    if not store.setting(REWRITE_PENDING):
        return
    if store.streams:  # DuckDB would wait for them without end
        raise NotRewritten(store.path, "texts are still being read from it")
    store.close()  # empties the write-ahead log into the file, which nothing may follow into the new one
    try:
        if store.path.with_name(store.path.name + ".wal").exists():
            raise OSError("its write-ahead log was not emptied")
        with Store.open(store.path, read_only=True, clock=store.clock) as source:
            copy_file(source, store.path)
    except (ProvError, OSError, duckdb.Error) as error:
        raise NotRewritten(store.path, str(error).splitlines()[0]) from error
    finally:
        store.reconnect()


def finish_rewrite(store: Store) -> None:
    """Do what an interrupted act left to do; the store can be used even where that fails, with a warning."""
    try:
        rewrite(store)
    except NotRewritten as error:
        warnings.warn(str(error), stacklevel=3)
