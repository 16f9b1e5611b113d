"""Writers: a mix as files, each text with where it came from.

Adding a format: a class with `write` and `close`, and its suffix in `WRITERS`.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.errors import ProvError
from registry import carry
from registry.card import dataset_card
from registry.lineage import find_mix, trace
from registry.schema import question
from registry.store import Store

Format = Literal["parquet", "jsonl", "text"]
STANDARD_OUTPUT = Path("-")
COMPRESSION = {".gz": "gzip", ".zst": "zstd"}
FORMATS: dict[str, Format] = {".parquet": "parquet", ".jsonl": "jsonl", ".txt": "text"}


@dataclass(frozen=True)
class Export:
    """How a mix is to be written.

    Attributes:
        path: a file of a known format, or a folder of shards with a dataset card.
        format: what to write into a folder, or to standard output; else the suffix tells.
        ids: the documents' ids alone, without texts.
        provenance: whether each text carries its provenance.
        shards: how many files a folder is cut into.
        with_lineage: whether a folder also carries the runs, models, mixes and documents it descends from.
        command: what made it, for the dataset card.
    """

    path: Path
    format: Format | None = None
    ids: bool = False
    provenance: bool = True
    shards: int = 1
    with_lineage: bool = False
    command: str = ""

    @property
    def is_folder(self) -> bool:
        return self.path != STANDARD_OUTPUT and (self.path.is_dir() or not self.path.suffix)

    def checked(self) -> "Export":
        """This very export, when it can be written.

        Raises:
            ProvError: the path has no known format, its folder is missing, or it is a folder with files in it.
        """
        if self.path == STANDARD_OUTPUT or self.is_folder:
            self._check_folder()
        else:
            self._check_file()
        if not self.path.parent.is_dir():
            raise ProvError(f"no folder {self.path.parent} to write {self.path.name} into: make it first")
        return self

    def _check_folder(self) -> None:
        if self.is_folder and self.path.exists() and any(self.path.iterdir()):
            raise ProvError(f"the folder {self.path} has files in it: name another, or empty it first")
        if not self.is_folder and self.format == "parquet":
            raise ProvError("Parquet cannot go to standard output: name a file with -o, or choose --format jsonl")

    def _check_file(self) -> None:
        if self.shards > 1 or self.with_lineage:
            flag = "--shards" if self.shards > 1 else "--with-lineage"
            raise ProvError(f"{flag} needs a folder, {self.path} is a file: name a folder with -o")
        format = FORMATS.get(_bare_suffix(self.path))
        if format is None and self.format is None:
            raise ProvError(
                f"{self.path} has no known format: wanted a folder, or {', '.join(FORMATS)} "
                f"({', '.join(COMPRESSION)} of jsonl and txt), or say --format"
            )
        if format and self.format not in (None, format):
            raise ProvError(f"{self.path} names {format}, but --format says {self.format}: drop one of them")

    def file_format(self) -> Format:
        if self.format:
            return self.format
        return FORMATS.get(_bare_suffix(self.path), "parquet" if self.is_folder else "jsonl")


def _bare_suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSION:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


class Writer(Protocol):
    """Takes the rows of an export, batch by batch."""

    def write(self, batch: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...


class ParquetWriter:
    """Parquet with the mix in its footer."""

    def __init__(self, stream: IO[bytes], footer: dict[str, str]) -> None:
        self._stream, self._footer = stream, footer
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            schema = batch.schema.with_metadata(self._footer)
            self._writer = pq.ParquetWriter(self._stream, schema, compression="zstd")
        self._writer.write_batch(batch)

    def close(self) -> None:
        if self._writer:
            self._writer.close()


class JsonlWriter:
    """One JSON object a line."""

    def __init__(self, stream: IO[bytes], footer: dict[str, str]) -> None:
        self._stream = stream

    def write(self, batch: pa.RecordBatch) -> None:
        self._stream.writelines(_json_line(row) for row in batch.to_pylist())

    def close(self) -> None:
        pass


class TextWriter:
    """The texts alone, a blank line after each."""

    def __init__(self, stream: IO[bytes], footer: dict[str, str]) -> None:
        self._stream = stream

    def write(self, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            self._stream.write((row.get("text") or row["document"]).encode() + b"\n\n"[: 2 if "text" in row else 1])

    def close(self) -> None:
        pass


WRITERS: dict[Format, Callable[[IO[bytes], dict[str, str]], Writer]] = {
    "parquet": ParquetWriter,
    "jsonl": JsonlWriter,
    "text": TextWriter,
}


def _json_line(row: dict[str, Any]) -> bytes:
    if provenance := row.get("provenance"):
        metadata, created = provenance["metadata"], provenance["created"]
        provenance["metadata"] = json.loads(metadata) if metadata else None
        provenance["created"] = created.isoformat() + "Z" if created else None
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# -- exporting


def export(store: Store, mix: str, target: Export, progress: Callable[[int], None] = lambda rows: None) -> Path:
    """Write the texts of a mix, in its order, with where each came from; a file appears whole or not at all.

    Returns:
        What was written: the file or the folder.
    Raises:
        NotFound: there is no such mix.
        ProvError: the target cannot be written, or the mix is known by its digest alone.
    """
    target = target.checked()
    mix_id, digest = find_mix(store, mix)
    if store.ask_value("mix_is_foreign", mix_id=mix_id):
        raise ProvError(f"mix {digest.hex()[:12]} is known by its digest alone: its documents were never recorded here")
    footer = {"prov.mix": digest.hex(), "prov.registry": store.setting("registry_id") or ""}
    batches = _batches(store, mix_id, target, progress)
    try:
        if target.is_folder:
            _write_folder(store, mix_id, batches, target, footer)
        else:
            _write_file(batches, target.path, target.file_format(), footer)
    except OSError as error:
        raise ProvError(
            f"cannot write {target.path}: {error.strerror or error}; the mix is kept, export it again "
            f"with `prov export {digest.hex()[:12]}`"
        ) from error
    return target.path


def _batches(store: Store, mix_id: int, target: Export, progress: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
    name = "mix_ids" if target.ids else "mix_texts"
    for batch in store.ask_batches(name, mix_id=mix_id):
        progress(batch.num_rows)
        yield batch if target.provenance or target.ids else batch.select(["text"])


def _write_file(batches: Iterator[pa.RecordBatch], path: Path, format: Format, footer: dict[str, str]) -> None:
    with _opened(path) as stream:
        writer = WRITERS[format](stream, footer)
        for batch in batches:
            writer.write(batch)
        writer.close()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A stream into a file that takes its name only when it is whole."""
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        return
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with pa.output_stream(str(unfinished), compression=COMPRESSION.get(path.suffix.lower())) as stream:
            yield stream
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


# -- folders


def _write_folder(
    store: Store, mix_id: int, batches: Iterator[pa.RecordBatch], target: Export, footer: dict[str, str]
) -> None:
    unfinished = target.path.with_name(f".{target.path.name}.{uuid4().hex}")
    try:
        (unfinished / "data").mkdir(parents=True)
        total = store.ask_value("mix_size", mix_id=mix_id)
        _write_shards(batches, unfinished / "data", target, footer, total)
        if target.with_lineage:
            _write_lineage(store, mix_id, unfinished / carry.FOLDER, footer)
        card = dataset_card(store, mix_id, target.file_format(), target.command)
        (unfinished / "README.md").write_text(card, encoding="utf-8")
        if target.path.exists():
            target.path.rmdir()
        unfinished.rename(target.path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_shards(
    batches: Iterator[pa.RecordBatch], folder: Path, target: Export, footer: dict[str, str], total: int
) -> None:
    suffix = {format: suffix for suffix, format in FORMATS.items()}[target.file_format()]
    size = -(-total // target.shards)
    for number, shard in enumerate(_cut(batches, size)):
        path = folder / f"train-{number:05}-of-{-(-total // size):05}{suffix}"
        _write_file(shard, path, target.file_format(), footer)


def _cut(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """Cut a stream of batches into streams of `size` rows each; each must be read before the next."""
    rest: list[pa.RecordBatch] = []

    def shard() -> Iterator[pa.RecordBatch]:
        left = size
        while left and rest:
            head = rest.pop()
            if head.num_rows > left:
                rest.append(head.slice(left))
                head = head.slice(0, left)
            elif following := next(batches, None):
                rest.append(following)
            left -= head.num_rows
            yield head

    if first := next(batches, None):
        rest.append(first)
    while rest:
        yield shard()


def _write_lineage(store: Store, mix_id: int, folder: Path, footer: dict[str, str]) -> None:
    folder.mkdir()
    trace(store, "mix", mix_id)
    carry.write_records(store, folder)
    beyond = store.connection.sql(question("ancestor_texts"), params={"mix_id": mix_id}).to_arrow_reader(10_000)
    _write_file(iter(beyond), folder / "documents.parquet", "parquet", footer)
