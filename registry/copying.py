"""Copying a registry whole: for a snapshot, for a file without what was erased, for a look at the past."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from registry.store import Store


def tables(store: Store) -> list[str]:
    """The names of all tables of a registry, in the order of the alphabet."""
    return [name for (name,) in store.ask("tables")]


def copy_rows(source: Store, target: Store) -> None:
    """Copy every row of every table, in its order, as one moment of the source; the target's tables must be empty."""
    with source.connection.cursor() as reading:
        reading.begin()
        try:
            for name in tables(source):
                rows = reading.table(name).to_arrow_reader(100_000)
                target.connection.from_arrow(rows).insert_into(name)
        finally:
            reading.rollback()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write under; what stands there takes the place of `path` when the block ends well."""
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        yield unfinished
        with open(unfinished, "rb") as written:
            os.fsync(written.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
        unfinished.with_name(unfinished.name + ".wal").unlink(missing_ok=True)


def copy_file(source: Store, path: Path) -> None:
    """Write a registry anew into a file: only what its tables hold now is in it, no byte of what was deleted."""
    with replacing(path) as unfinished, Store.empty(unfinished, source.clock) as target:
        copy_rows(source, target)
