"""The store: one DuckDB file, its transactions, its questions and its chain of batches."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeAlias, TypeVar
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa

import provenance
from provenance.errors import ProvError
from provenance.origin import canonical
from registry.schema import Migration, SchemaMismatch, chained_kinds, migrations, missing, question

Clock = Callable[[], datetime]
Progress = Callable[[int], None]
"""Called with the number of things done since it was last called."""
Lendable: TypeAlias = pa.Table | pa.RecordBatch | pa.RecordBatchReader | duckdb.DuckDBPyRelation

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.5.0",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # In order, DuckDB 1.5 and 2.0 lose sight of rows of large inserts into tables made in the same transaction.
    "preserve_insertion_order": "false",
}


REWRITE_PENDING = "rewrite_pending"
"""The setting that says: texts were erased, and the file still has to be written anew without their bytes."""

CREATE_MIGRATION = "CREATE TABLE migration (version INTEGER, name VARCHAR, digest BLOB, applied_at TIMESTAMP)"


MOMENT = timedelta(microseconds=1)
"""The least by which one act comes after another."""


def silent(done: int) -> None:
    """Progress that nobody watches."""


def utc_now() -> datetime:
    """The time now in UTC, without a zone, as DuckDB's TIMESTAMP wants it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Locked(ProvError):
    """A registry that another process holds for writing, or cannot share."""

    def __init__(self, path: Path, holder: str) -> None:
        self.path, self.holder = path, holder
        super().__init__(f"{path} is in use by {holder}: one process writes at a time, try again when it is done")


@dataclass
class Batch:
    """One act on the registry, and one link of its chain."""

    batch_id: int
    kind: str
    made_at: datetime
    run_id: int | None = None
    input_digest: bytes | None = None
    documents: int = 0
    bytes: int = 0
    abandoned: bool = False

    def abandon(self) -> None:
        """Leave the registry as it was: nothing in this act was new."""
        self.abandoned = True


class Store:
    """A DuckDB file that holds a registry, opened."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection, read_only: bool, clock: Clock) -> None:
        self.path = path
        self.connection = connection
        self.read_only = read_only
        self.clock = clock
        self.streams = 0  # answers that are being read

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], clock: Clock = utc_now, settings: Mapping[str, str] = MappingProxyType({})
    ) -> Self:
        """Make an empty registry and open it for writing.

        Args:
            settings: named values that it has from the beginning.
        Raises:
            ProvError: something stands at `path` already, or its folder does not exist.
        """
        path = Path(path)
        if path.exists():
            raise ProvError(f"{path} exists already: name another file, or use it as it is")
        if not path.parent.is_dir():
            raise ProvError(f"no folder {path.parent} to make {path.name} in: make it first")
        unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with cls(unfinished, _connect(unfinished, read_only=False), False, clock) as made:
                made._migrate(settings)
            os.rename(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        return cls.open(path, clock=clock)

    @classmethod
    def empty(cls, path: str | os.PathLike[str], clock: Clock = utc_now) -> Self:
        """A new file, or `:memory:`, with all tables and not one row in them: for a copy of another registry."""
        store = cls(Path(path), _connect(Path(path), read_only=False), False, clock)
        with store.transaction():
            for command in (CREATE_MIGRATION, *(migration.sql for migration in migrations())):
                store.connection.execute(command)
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str], read_only: bool = False, clock: Clock = utc_now) -> Self:
        """Open a registry; several processes may read it, one alone may write.

        Raises:
            Locked: another process holds it.
            SchemaMismatch: it was made by another version of prov.
            ProvError: there is no registry at `path`.
        """
        store = cls.of_any_schema(path, read_only, clock)
        try:
            store._check_schema()
            if not read_only and store.setting(REWRITE_PENDING):
                store._finish_rewrite()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def of_any_schema(cls, path: str | os.PathLike[str], read_only: bool = False, clock: Clock = utc_now) -> Self:
        """Open a registry of whatever version; its `applied` migrations tell what can be asked of it."""
        path = Path(path)
        if not path.exists():
            raise ProvError(f"no registry at {path}: make one with `prov init {path}`, or name another")
        if not path.is_file():
            raise ProvError(f"{path} is no file, so no prov registry: name another, or make one with `prov init`")
        if not _is_database(path):  # DuckDB would make one of an empty file, and offer tables of a CSV or JSON file
            raise _no_registry(path)
        if not read_only:
            _check_writable(path)
        return cls(path, _connect(path, read_only), read_only, clock)

    def close(self) -> None:
        self.connection.close()

    def is_at(self, path: Path) -> bool:
        """Whether a path leads to the file of this very registry."""
        return path.exists() and self.path.exists() and path.samefile(self.path)

    def reconnect(self) -> None:
        """Open the file again after `close`, which may be another one by now."""
        self.connection = _connect(self.path, self.read_only)

    def _finish_rewrite(self) -> None:
        from registry.erase import finish_rewrite  # which itself stores

        finish_rewrite(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- questions

    def ask(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The rows that answer the question `registry/sql/<name>.sql`."""
        with self._mendable():
            return self.connection.execute(question(name), params).fetchall()

    def ask_one(self, name: str, /, **params: Any) -> tuple[Any, ...] | None:
        """The first row of the answer, or None."""
        rows = self.ask(name, **params)
        return rows[0] if rows else None

    def ask_value(self, name: str, /, **params: Any) -> Any:
        """The first column of the first row of the answer, or None."""
        row = self.ask_one(name, **params)
        return row[0] if row else None

    def ask_records(self, name: str, /, **params: Any) -> list[dict[str, Any]]:
        """The answer as one dict a row, by column name."""
        with self._mendable():
            cursor = self.connection.execute(question(name), params)
            columns = [column[0] for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def ask_table(self, name: str, /, **params: Any) -> pa.Table:
        """The answer whole, as an Arrow table."""
        with self._mendable():
            return self.connection.sql(question(name), params=params or None).to_arrow_table()

    def ask_batches(self, name: str, /, rows: int = 10_000, **params: Any) -> Iterator[pa.RecordBatch]:
        """Stream the answer as Arrow batches, on a connection of its own that sees what is committed.

        The question finds its parameters in the one row of the relation `asked`: DuckDB 1.5 does not stream
        a prepared statement.
        """
        with self._mendable(), self._streaming(), self.connection.cursor() as cursor:
            cursor.register("asked", pa.table({key: [value] for key, value in params.items()}))
            yield from cursor.sql(question(name)).to_arrow_reader(rows)

    def stream(self, name: str, /, rows: int = 10_000) -> Iterator[pa.RecordBatch]:
        """Stream the answer on the store's own connection, which sees temporary tables; ask nothing else meanwhile."""
        with self._mendable(), self._streaming():
            yield from self.connection.sql(question(name)).to_arrow_reader(rows)

    def run(self, name: str, /, **params: Any) -> None:
        """Carry out the statement in `registry/sql/<name>.sql`."""
        self.ask(name, **params)

    @contextmanager
    def _streaming(self) -> Iterator[None]:
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    @contextmanager
    def _mendable(self) -> Iterator[None]:
        """Say what a person can mend in DuckDB's errors: a broken file, a full disk, too little memory."""
        try:
            yield
        except (duckdb.Error, RuntimeError) as error:
            if _was_interrupted(error):
                raise KeyboardInterrupt from error
            if not _is_mendable(error):
                raise
            raise ProvError(
                f"DuckDB cannot work with {self.path}: {_first_line(error)}; nothing of this command was kept, "
                "look for a full disk, too little memory or a damaged file"
            ) from error

    def insert(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table, with its columns in their order; unlike what is lent, they are let go at once.

        DuckDB holds on to a lent relation until the end of the transaction.
        """
        if rows.num_rows:
            with self._mendable():
                self.connection.from_arrow(rows).insert_into(table)

    @contextmanager
    def lend(self, **relations: Lendable) -> Iterator[None]:
        """Let questions join what is held in memory, each relation under its name."""
        try:
            for name, relation in relations.items():
                self.connection.register(name, relation)
            yield
        finally:
            for name in relations:
                with suppress(duckdb.Error):  # an aborted transaction refuses; its rollback frees them
                    self.connection.unregister(name)

    # -- acts

    def limit(self, **limits: str | int) -> None:
        """Let DuckDB use no more than so much `memory_limit`, or so many `threads`."""
        for name, limit in limits.items():
            self.connection.execute(f"SET {name} = $limit", {"limit": limit})

    @contextmanager
    def limited(self, **limits: str | int) -> Iterator[None]:
        """The same, for as long as the block lasts."""
        try:
            self.limit(**limits)
            yield
        finally:
            for name in limits:
                self.lift(name)

    def lift(self, limit: str) -> None:
        """Let DuckDB use as much again as it likes."""
        self.connection.execute(f"RESET {limit}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: whatever ends the block early leaves the registry as it was."""
        self.connection.begin()
        try:
            with self._mendable():
                yield
        except BaseException:
            with suppress(duckdb.Error):  # a fatal error has ended the transaction by itself
                self.connection.rollback()
            raise
        with self._mendable():
            self.connection.commit()

    @contextmanager
    def batch(self, kind: str, run_id: int | None = None) -> Iterator[Batch]:
        """One act on the registry: one transaction, one link of the chain.

        The block may count `documents` and `bytes` into the batch it is given, or `abandon` it.
        """
        try:
            with self.transaction():
                last, newest = self.ask_one("last_batch") or (0, datetime.min)
                # The newest declaration is in force, so time only runs forwards here, whatever a clock says.
                batch = Batch(last + 1, kind, max(self.clock(), newest + MOMENT), run_id)
                yield batch
                if batch.abandoned:
                    raise _Abandoned
                self._chain(batch)
        except _Abandoned:
            pass

    def _chain(self, batch: Batch) -> None:
        previous = self.head()
        content = self.content_digest(batch.batch_id, batch.made_at)
        version = provenance.__version__
        self.run(
            "insert_batch",
            batch_id=batch.batch_id,
            kind=batch.kind,
            made_at=batch.made_at,
            tool_version=version,
            run_id=batch.run_id,
            input_digest=batch.input_digest,
            documents=batch.documents,
            bytes=batch.bytes,
            content_digest=content,
            previous_digest=previous,
            digest=link_digest(previous, content, batch.kind, batch.made_at, version),
        )

    def content_digest(self, batch_id: int, made_at: datetime) -> bytes:
        """SHA-256 over all that a batch declared, in the order of its digests (32 bytes)."""
        return self.content_digests({batch_id: made_at})[batch_id]

    def content_digests(self, made_at: Mapping[int, datetime]) -> dict[int, bytes]:
        """The content digest of each of some batches, given when they were made.

        Each kind of row that a batch may declare has its question, `registry/sql/content/<kind>.sql`; a batch's rows
        are hashed kind by kind, by name.
        """
        digests = {batch_id: hashlib.sha256() for batch_id in made_at}
        kinds = {
            kind for (kind,) in self.ask("content_kinds", first=min(made_at, default=0), last=max(made_at, default=0))
        }
        for kind in sorted(kinds & chained_kinds()):  # of another that was erased there is nothing to hash
            for batch_id, rows in self._row_digests(kind, made_at):
                update_with(digests[batch_id], rows)
        return {batch_id: digest.digest() for batch_id, digest in digests.items()}

    def _row_digests(self, kind: str, made_at: Mapping[int, datetime]) -> Iterator[tuple[int, pa.Array]]:
        """What some batches declared of one kind: of each, in pieces, the hashes of its rows in their order."""
        asked = {
            "batch_id": pa.array(made_at, pa.int64()),
            "made_at": pa.array(made_at.values(), pa.timestamp("us")),
            "of_kind": pa.repeat(kind, len(made_at)),
        }
        with self.lend(asked=pa.table(asked)), self.lend(content=self.connection.sql(question(f"content/{kind}"))):
            for rows in self.stream("row_digests"):
                batches = rows.column("batch_id").to_numpy()
                starts = [0, *(np.flatnonzero(np.diff(batches)) + 1).tolist(), len(batches)]
                for start, end in pairwise(starts):
                    yield int(batches[start]), rows.column("row_digest").slice(start, end - start)

    def head(self) -> bytes | None:
        """Digest of the newest batch, which seals all before it; None in an empty registry."""
        value: bytes | None = self.ask_value("head")
        return value

    def setting(self, name: str) -> str | None:
        value: str | None = self.ask_value("setting", name=name)
        return value

    def keep_setting(self, name: str, value: str) -> None:
        """Keep a value under a name, instead of the one that was."""
        self.run("forget_setting", name=name)
        self.run("insert_setting", name=name, value=value)

    def lock_down(self) -> None:
        """Let what is asked from now on touch nothing but this file."""
        for command in ("SET enable_external_access = false", "SET lock_configuration = true"):
            self.connection.execute(command)

    # -- schema

    def _migrate(self, settings: Mapping[str, str]) -> None:
        with self.transaction():
            self.connection.execute(CREATE_MIGRATION)
            for migration in migrations():
                self.apply(migration)
            for name, value in {"registry_id": str(uuid4()), **settings}.items():
                self.run("insert_setting", name=name, value=value)

    def apply(self, migration: Migration) -> None:
        """Take one step of the schema, inside the caller's transaction."""
        self.connection.execute(migration.sql)
        self.run(
            "insert_migration",
            version=migration.version,
            name=migration.name,
            digest=migration.digest,
            applied_at=self.clock(),
        )

    def applied(self) -> list[tuple[int, bytes]]:
        """The migrations that this file has, by version and digest, oldest first.

        Raises:
            ProvError: the file is a database, but no registry.
        """
        try:
            return [(version, digest) for version, digest in self.ask("applied_migrations")]
        except (duckdb.CatalogException, duckdb.BinderException):
            raise ProvError(f"{self.path} is a DuckDB database, but no prov registry: name another file") from None

    def _check_schema(self) -> None:
        applied = self.applied()
        if missing(applied) != []:
            raise SchemaMismatch(str(self.path), applied)


def link_digest(previous: bytes | None, content: bytes, kind: str, made_at: datetime, tool_version: str) -> bytes:
    """Identify a link of the chain, and with it all before it (32 bytes)."""
    link = ["prov-batch-1", previous and previous.hex(), content.hex(), kind, made_at.isoformat(), tool_version]
    return hashlib.sha256(canonical(link)).digest()


def update_with(hasher: "hashlib._Hash", digests: pa.Array) -> None:
    """Feed digests, (n,) binary of 32 bytes each, to a hash without making Python objects of them."""
    fixed = digests.cast(pa.binary(32))
    hasher.update(fixed.buffers()[1][32 * fixed.offset : 32 * (fixed.offset + len(fixed))])


_MENDABLE = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.SerializationException)


def _is_mendable(error: Exception) -> bool:
    """Whether a person can do something about an error: DuckDB tells a full disk in several ways."""
    could_not_write = isinstance(error, duckdb.TransactionException | duckdb.FatalException) and "Could not" in str(
        error
    )
    return could_not_write or isinstance(error, _MENDABLE) or "Corrupt database file" in str(error)


def _was_interrupted(error: Exception) -> bool:
    """Whether Ctrl-C is behind an error: DuckDB dresses it differently, depending on what it was doing."""
    return isinstance(error, duckdb.InterruptException) or any(
        words in str(error) for words in ("Query interrupted", "KeyboardInterrupt")
    )


class _Abandoned(Exception):
    """Unwinds a transaction that had nothing to write."""


Opened = TypeVar("Opened")


def patiently(open: Callable[[], Opened], patience_s: float = 3.0) -> Opened:
    """What `open` returns, tried again for a while where another process holds the registry."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return open()
        except Locked:
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


def _connect(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=CONFIG)
        connection.execute("SET enable_progress_bar = false")  # it would go to stdout, among the data
        return connection
    except (duckdb.Error, RuntimeError) as error:
        if _was_interrupted(error):
            raise KeyboardInterrupt from error
        if isinstance(error, duckdb.IOException):
            raise _translate(path, str(error)) from None
        if isinstance(error, duckdb.Error):
            raise ProvError(f"cannot open {path}: {_first_line(error)}") from None
        raise


def _is_database(path: Path) -> bool:
    """Whether a file begins as DuckDB's do: a checksum, then their mark."""
    try:
        with open(path, "rb") as file:
            return file.read(12)[8:] == b"DUCK"
    except OSError as error:
        raise ProvError(
            f"cannot read {path}: {error.strerror}; ask for the right to read it, or name another"
        ) from error


def _check_writable(path: Path) -> None:
    """Tell before an act what DuckDB would tell at its end: its write-ahead log stands beside the file."""
    for place in (path, path.absolute().parent):
        if not os.access(place, os.W_OK):
            raise ProvError(f"{place} may not be written, so nothing can be kept: ask for the right, or use a copy")


def _no_registry(path: Path) -> ProvError:
    return ProvError(f"{path} is no prov registry: name another file, or make one with `prov init`")


def _translate(path: Path, message: str) -> ProvError:
    if held := re.search(r"held in (.+?) \(PID (\d+)\)", message):
        return Locked(path, f"process {held[2]} ({held[1]})")
    if "not a valid DuckDB database" in message:
        return _no_registry(path)
    return ProvError(f"cannot open {path}: {message.splitlines()[0]}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
