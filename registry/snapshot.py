"""Snapshots: a consistent copy of a registry, for others to read while its writer works on.

A registry appears under its name whole, or not at all. A folder of Parquet tables does too; where there is one already,
both trade places at once (on Linux; elsewhere the name is gone for an instant). Whoever has files of the old one open
reads on in them.
"""

import ctypes
import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from provenance.disk import sync_folder
from provenance.errors import ProvError
from registry.copying import (
    copy_file,
    one_moment,
    rows_at_a_time,
    rows_of,
    tables,
    translated,
    workshop,
    workshop_of,
)
from registry.handed_out import hand_out
from registry.schema import question
from registry.store import Progress, Store, silent

MANIFEST = "snapshot.json"
README = "README.md"

TABLES = {
    "annotated_field": "Fields that sidecars brought.",
    "annotation": "Their values; of several of one document and field, the one of the newest batch counts.",
    "attribution": "How probably a document of unknown origin is a model's, and by which evidence; the newest counts.",
    "batch": "The acts on the registry, each sealing all before it.",
    "declaration": "Who said what of a document, and when; of highest precedence the newest is in force.",
    "derivation": "What a document was made of.",
    "detection": "What documents score by a watermark key, and which passage is marked.",
    "detector": "What tells human from model text, with how well it does on texts that it did not see.",
    "document": "One occurrence of a text, with its origin, generation and sizes as they are in force.",
    "erased": "Hashes of rows that an erasure changed.",
    "experiment": "Experiments: name, digest and spec.",
    "field": "Names of the users' own columns, whose values stand in document.metadata.",
    "fingerprint": "MinHash signatures of texts, and the keys of their bands; the setting `fingerprint` says how.",
    "handed_out": "Files that texts were written into.",
    "holdout": "Texts that are held out.",
    "holdout_source": "Sources whose texts are held out, now and later.",
    "length": "Tokens of a text, by tokenizer.",
    "license": "Licences by name.",
    "measurement": "What experiments measured, by arm, repeat and generation.",
    "merged_batch": "Links of the chains of registries that were merged into this one.",
    "migration": "Steps of the schema.",
    "mix": "Mixes: spec, seed and digest.",
    "mix_composition": "What each mix is made of, as drawn and as known now.",
    "mix_document": "The documents of each mix, in its order.",
    "mix_parent": "Models whose texts documents of a mix were made of.",
    "model": "Models; a foreign one is known by name or digest alone.",
    "near_holdout": "Texts that are near to a held-out one, and kept out like it.",
    "picture": "What models of experiments wrote, to look at, as SVG.",
    "run": "Acts of training, generating or editing with a model.",
    "setting": "Named values, the registry's id among them.",
    "source": "Where texts came from.",
    "text": "Texts by digest; content is null where it was erased, or left out of the snapshot.",
    "tokenizer": "Tokenizers that tokens were counted with.",
    "watermark_key": "What may be known of the keys that were looked for: never the keys themselves.",
    "withdrawal": "What was withdrawn, by text, document, source or licence.",
}
"""What each table holds, for the folder's README."""

KEYS = {
    "child_id": "document.document_id",
    "parent_id": "document.document_id",
    "base_model_id": "model.model_id",
    "as_of_batch_id": "batch.batch_id",
    "erased_in": "batch.batch_id",
    "near_id": "text.text_id",
    "key_id": "watermark_key.key_id",
    "field_id": "annotated_field.field_id",
}
"""The columns that join a table by another name than theirs; every other `<table>_id` joins that table."""


@dataclass(frozen=True)
class Snapshot:
    """What was published.

    Attributes:
        path: the registry, or the folder of Parquet tables.
        registry, head: the registry it is of, and the head of its chain, both hex.
    """

    path: Path
    registry: str | None
    head: str | None
    documents: int
    texts: bool
    bytes: int

    def summary(self) -> dict[str, Any]:
        return vars(self) | {"path": str(self.path)}


class Taken(ProvError):
    """A name that something else has than an earlier snapshot of the same registry."""

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(f"cannot replace {path}: {what}; name another, or remove it first")


def is_folder(target: str | os.PathLike[str]) -> bool:
    """Whether a snapshot of that name is a folder of tables: it ends in a slash, has no suffix, or is a folder."""
    name = os.fspath(target)
    return name.endswith(("/", os.sep)) or Path(name).is_dir() or not Path(name).suffix


def snapshot(store: Store, target: str | os.PathLike[str], texts: bool = True, progress: Progress = silent) -> Snapshot:
    """Publish a consistent copy of what is committed; its writer may go on meanwhile.

    In a store that is open for writing the copy is first noted among the files that were handed out, so its head is
    that of the registry.

    Args:
        target: a registry, or a folder of Parquet tables, by `is_folder`.
        texts: False leaves the contents of the texts out.
        progress: called with the number of rows written since the last call.
    Raises:
        Taken: there is something at `target` that is no snapshot of this registry.
        ProvError: it cannot be written; what stood there is as it was.
    """
    path = Path(target)
    check(store, target)
    if texts and not store.read_only:
        note(store, target)
    if is_folder(target):
        return _publish_folder(store, path, texts, progress)
    copy_file(store, path, texts, progress)
    with Store.open(path, read_only=True) as made:
        return _told(path, made.connection, texts, path.stat().st_size)


def note(store: Store, target: str | os.PathLike[str]) -> None:
    """Note that all texts of the registry may be at `target`, as erasing one of them will tell."""
    hand_out(store, "snapshot", Path(target))


def is_noted(store: Store, target: str | os.PathLike[str]) -> bool:
    """Whether the registry has noted that all its texts may be at `target`."""
    path = str(Path(target).absolute())
    return bool(store.ask_value("was_handed_out", kind="snapshot", path=path, mix_id=None))


def _told(path: Path, reading: duckdb.DuckDBPyConnection, texts: bool, size_bytes: int) -> Snapshot:
    registry, head, documents = reading.execute(question("identity")).fetchall()[0]
    return Snapshot(path, registry, head, documents, texts, size_bytes)


# -- what may be replaced


def check(store: Store, target: str | os.PathLike[str]) -> None:
    """See that a snapshot may be written there.

    Raises:
        Taken: there is something else than an earlier snapshot of this registry.
        ProvError: it has no name, or no folder to stand in.
    """
    path = Path(target)
    if not path.name:
        raise ProvError(f"a snapshot is made whole and then given its name, {path} has none: name one")
    if not path.parent.is_dir():
        raise ProvError(f"no folder {path.parent} to write {path.name} into: make it first")
    if not os.access(path.parent, os.W_OK):
        raise ProvError(f"the folder {path.parent.absolute()} may not be written: name another, or ask for the right")
    if store.is_at(path):
        raise Taken(path, "it is this very registry")
    if path.exists() and is_folder(target):
        _check_folder(store, path)
    elif path.exists():
        _check_file(store, path)


def _check_folder(store: Store, path: Path) -> None:
    if not path.is_dir():
        raise Taken(path, "it is a file, and a snapshot without a suffix is a folder")
    if any(path.iterdir()):
        try:
            found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            registry = found["registry"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise Taken(path, "it has files in it, and is no snapshot of prov") from None
        if registry != store.setting("registry_id"):
            raise Taken(path, "it is a snapshot of another registry")


def _check_file(store: Store, path: Path) -> None:
    """An earlier snapshot holds nothing that the registry does not; another file might."""
    try:
        with Store.open(path, read_only=True) as found:
            registry, head = found.setting("registry_id"), found.head()
    except ProvError as error:
        raise Taken(path, str(error).partition(": ")[0]) from error
    if registry != store.setting("registry_id"):
        raise Taken(path, "it is another registry")
    if head and not store.ask_value("has_link", digest=head):
        raise Taken(path, "it has grown by itself since it was copied; `prov merge` takes in what it has learnt")


# -- folders


def _publish_folder(store: Store, path: Path, texts: bool, progress: Progress) -> Snapshot:
    _recover(path)
    with translated(path), workshop(path) as folder, one_moment(store) as reading:
        made = folder / "new"
        made.mkdir()
        names = tables(store)
        counts = {name: _write_table(reading, name, made, texts, progress) for name in names}
        told = _told(path, reading, texts, sum(file.stat().st_size for file in made.iterdir()))
        (made / README).write_text(_readme(told, reading, counts), encoding="utf-8")
        manifest = {"registry": told.registry, "head": told.head, "texts": texts, "tables": counts}
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for file in made.iterdir():
            _sync(file)
        sync_folder(made)
        _put_in_place(made, path)
    return told


def _write_table(reading: duckdb.DuckDBPyConnection, name: str, folder: Path, texts: bool, progress: Progress) -> int:
    """Write one table as `<name>.parquet`.

    Returns:
        Its number of rows.
    """
    count = 0
    with (
        rows_of(reading, name, texts).to_arrow_reader(rows_at_a_time(reading)) as rows,
        pq.ParquetWriter(folder / f"{name}.parquet", rows.schema, compression="zstd") as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows
            progress(batch.num_rows)
    return count


def _sync(file: Path) -> None:
    with open(file, "rb") as written:
        os.fsync(written.fileno())


def _readme(told: Snapshot, reading: duckdb.DuckDBPyConnection, counts: dict[str, int]) -> str:
    head = [
        "# A snapshot of a prov registry",
        "",
        f"Registry {told.registry}, head of its chain {told.head}. One Parquet file a table; digests are 32 bytes,",
        "times are UTC, ids are local to this snapshot" + ("." if told.texts else ", texts were left out."),
        "",
        "```sql",
        "FROM 'document.parquet' JOIN 'text.parquet' USING (text_id) WHERE origin = 'human'",
        "```",
    ]
    return "\n".join(head + [line for name in counts for line in _explained(reading, name, counts[name])]) + "\n"


def _explained(reading: duckdb.DuckDBPyConnection, name: str, rows: int) -> list[str]:
    table = reading.table(name)
    columns = [
        f"| {column} | {kind} | {_joined(column, name) or ''} |"
        for column, kind in zip(table.columns, table.types, strict=True)
    ]
    return ["", f"## {name}.parquet", "", f"{TABLES.get(name, '')} Rows: {rows:,}.".lstrip(), "",
            "| column | type | joins |", "| --- | --- | --- |", *columns]  # fmt: skip


def _joined(column: str, table: str) -> str | None:
    """What a column joins, if anything."""
    named = column.removesuffix("_id")
    joins = KEYS.get(column) or (f"{named}.{column}" if column.endswith("_id") and named in TABLES else None)
    return joins if joins != f"{table}.{column}" else None


# -- one folder in the place of another


def _put_in_place(made: Path, path: Path) -> None:
    if not path.exists():
        os.rename(made, path)
    elif not _exchange(made, path):
        os.rename(path, made.with_name("old"))
        os.rename(made, path)
    sync_folder(path.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders trade names at once; False where the system cannot do that."""
    at_here, exchange = -100, 2
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(at_here, os.fsencode(one), at_here, os.fsencode(other), exchange) == 0:
        return True
    if ctypes.get_errno() in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))


def _recover(path: Path) -> None:
    """Give an old folder its name back that a killed run had taken away, where two cannot trade names."""
    old = workshop_of(path) / "old"
    if old.exists() and not path.exists():
        with suppress(OSError):
            os.rename(old, path)
