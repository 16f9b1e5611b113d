"""Copying a registry whole: for a snapshot, for a file without what was erased, for a look at the past."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from provenance.disk import sync_folder
from provenance.errors import ProvError
from registry.schema import question
from registry.store import REWRITE_PENDING, Progress, Store, silent

BATCH_ROWS = 100_000
BATCH_BYTES = 64_000_000
"""What is held in memory at a time: so many rows, or fewer of about so many bytes of text."""

WITHOUT_TEXTS = "left out"
"""What the setting `texts` says in a copy that was made without them."""


def tables(store: Store) -> list[str]:
    """The names of all tables of a registry, in the order of the alphabet."""
    return [name for (name,) in store.ask("tables")]


@contextmanager
def one_moment(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees a registry as it is committed now, whatever its writer does meanwhile."""
    with store.connection.cursor() as reading:
        reading.begin()
        try:
            yield reading
        finally:
            reading.rollback()


def rows_of(reading: duckdb.DuckDBPyConnection, table: str, texts: bool = True) -> duckdb.DuckDBPyRelation:
    """All rows of a table, the texts with or without their contents."""
    return reading.table(table) if texts or table != "text" else reading.sql(question("texts_left_out"))


def rows_at_a_time(reading: duckdb.DuckDBPyConnection) -> int:
    """How many texts of a registry's usual length make a batch that is not too large."""
    texts, size_bytes = reading.execute(question("size_of_texts")).fetchall()[0]
    return int(max(1, min(BATCH_ROWS, BATCH_BYTES * texts // max(1, size_bytes))))


def copy_rows(source: Store, target: Store, texts: bool = True, progress: Progress = silent) -> None:
    """Copy every row of every table, as one moment of the source; the target's tables must be empty.

    Args:
        texts: whether the contents of the texts are copied too.
        progress: called with the number of rows copied since the last call.
    """
    with one_moment(source) as reading:
        at_a_time = rows_at_a_time(reading)
        for name in tables(source):
            with rows_of(reading, name, texts).to_arrow_reader(at_a_time) as rows:
                target.connection.from_arrow(rows).insert_into(name)
            progress(len(target.connection.table(name)))


def copy_file(source: Store, path: Path, texts: bool = True, progress: Progress = silent) -> None:
    """Write a registry anew into a file: only what its tables hold now is in it, no byte of what was deleted.

    Raises:
        ProvError: the file cannot be written; what stood at `path` is as it was.
    """
    with translated(path), replacing(path) as unfinished, Store.empty(unfinished, source.clock) as target:
        copy_rows(source, target, texts, progress)
        target.run("forget_setting", name=REWRITE_PENDING)
        if not texts and not target.setting("texts"):
            target.run("insert_setting", name="texts", value=WITHOUT_TEXTS)
        target.connection.execute("CHECKPOINT")  # closing would do it too, but could not tell of a full disk


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Say in one line that a file or folder cannot be written, and that nothing else happened."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ProvError(
            f"cannot write {path}: {reason}; what stood there before is as it was, look for a full disk or name another"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write under; what stands there takes the place of `path` when the block ends well."""
    with workshop(path) as folder:
        unfinished = folder / path.name
        yield unfinished
        if path.exists():
            shutil.copymode(path, unfinished)
        with open(unfinished, "rb") as written:
            os.fsync(written.fileno())
        os.replace(unfinished, path)
        sync_folder(path.parent)


@contextmanager
def workshop(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to make it in, gone afterwards; also what a killed run left in it.

    Raises:
        ProvError: somebody else is writing `path` now.
    """
    import fcntl

    folder = workshop_of(path)
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProvError(f"{path} is being written already: try again when that is done") from None
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def workshop_of(path: Path) -> Path:
    """The folder that `path` is made in."""
    return path.with_name(f".{path.name}.unfinished")
