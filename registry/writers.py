"""Writers: a mix as files, each text with where it came from.

Adding a format: a function that writes batches to a stream, in `WRITERS`, and its suffix in `FORMATS`.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any, Literal
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from provenance.console import as_json
from provenance.errors import NotFound, ProvError
from registry import carry
from registry.card import dataset_card
from registry.handed_out import Kind, hand_out
from registry.lineage import find_manifest, trace
from registry.readers import COMPRESSION, Input
from registry.schema import question
from registry.store import Progress, Store, silent

Format = Literal["parquet", "jsonl", "text"]
STANDARD_OUTPUT = Path("-")
FORMATS: dict[str, Format] = {".parquet": "parquet", ".jsonl": "jsonl", ".txt": "text"}
BATCH_ROWS = 10_000
BATCH_BYTES = 32_000_000
"""What is held in memory at a time: so many rows, or fewer of about so many bytes."""


@dataclass(frozen=True)
class Export:
    """How a mix is to be written.

    Attributes:
        path: a file of a known format, or a folder of shards with a dataset card.
        format: what to write into a folder, or to standard output; else the suffix tells.
        ids: the documents' ids alone, without texts.
        provenance: whether each text carries its provenance.
        shards: how many files a folder is cut into; no more than there are documents.
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
        return self.path != STANDARD_OUTPUT and (self.path.is_dir() or not (self.path.suffix or self.path.exists()))

    @property
    def file_format(self) -> Format:
        return self.format or FORMATS.get(_bare_suffix(self.path), "parquet" if self.is_folder else "jsonl")

    @property
    def holds_texts(self) -> bool:
        return self.path != STANDARD_OUTPUT and not self.ids

    def checked(self) -> "Export":
        """This very export, when it can be written.

        Raises:
            ProvError: the path has no known format, its folder is missing, it is a folder with files in it, or
                what is asked for does not go together.
        """
        self._check_together()
        if self.is_folder:
            self._check_folder()
        elif self.path != STANDARD_OUTPUT:
            self._check_file()
        elif self.format == "parquet":
            raise ProvError("Parquet cannot go to standard output: name a file with -o, or choose --format jsonl")
        if not self.path.parent.is_dir():
            raise ProvError(f"no folder {self.path.parent} to write {self.path.name} into: make it first")
        return self

    def _check_together(self) -> None:
        if (self.shards > 1 or self.with_lineage) and not self.is_folder:
            flag = "--shards" if self.shards > 1 else "--with-lineage"
            what = "standard output" if self.path == STANDARD_OUTPUT else f"{self.path}, a file"
            raise ProvError(f"{flag} needs a folder, but the output is {what}: name a folder with -o")
        if self.with_lineage and not (self.provenance and self.file_format != "text" and not self.ids):
            flag = "--ids" if self.ids else "--format text" if self.provenance else "--no-provenance"
            raise ProvError(f"--with-lineage needs texts with their provenance: leave {flag} out")

    def _check_folder(self) -> None:
        if not self.path.name:
            raise ProvError(f"a folder is made whole and then given its name, {self.path} has none: name one with -o")
        if self.path.exists() and any(self.path.iterdir()):
            raise ProvError(f"the folder {self.path} has files in it: name another, or empty it first")

    def _check_file(self) -> None:
        if self.path.exists() and not self.path.is_file():
            raise ProvError(f"{self.path} is no file that can be replaced: name another, or - for standard output")
        format = FORMATS.get(_bare_suffix(self.path))
        if format is None and self.format is None:
            raise ProvError(
                f"{self.path} has no known format: wanted a folder (one with a dot in its name must be there "
                f"already), or {', '.join(FORMATS)} ({', '.join(COMPRESSION)} of jsonl and txt), or say --format"
            )
        if format and self.format not in (None, format):
            raise ProvError(f"{self.path} names {format}, but --format says {self.format}: drop one of them")
        if self.file_format == "parquet" and self.path.suffix.lower() in COMPRESSION:
            raise ProvError(f"Parquet is compressed within: name {self.path.stem} instead of {self.path.name}")


def _bare_suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSION:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


# -- formats


def write_parquet(stream: IO[bytes], batches: pa.RecordBatchReader, footer: dict[str, str]) -> None:
    """Parquet with the mix in its footer."""
    with pq.ParquetWriter(stream, batches.schema.with_metadata(footer), compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def write_jsonl(stream: IO[bytes], batches: pa.RecordBatchReader, footer: dict[str, str]) -> None:
    """One JSON object a line."""
    for batch in batches:
        stream.writelines(_json_line(row) for row in batch.to_pylist())


def write_text(stream: IO[bytes], batches: pa.RecordBatchReader, footer: dict[str, str]) -> None:
    """The texts alone, a blank line after each; ids one a line."""
    end = "\n\n" if batches.schema.names[0] == "text" else "\n"
    for batch in batches:
        stream.writelines((value + end).encode() for value in batch.column(0).to_pylist())


Writer = Callable[[IO[bytes], pa.RecordBatchReader, dict[str, str]], None]
WRITERS: dict[Format, Writer] = {"parquet": write_parquet, "jsonl": write_jsonl, "text": write_text}


def _json_line(row: dict[str, Any]) -> bytes:
    if provenance := row.get("provenance"):
        metadata, created = provenance["metadata"], provenance["created"]
        provenance["metadata"] = json.loads(metadata) if metadata else None
        provenance["created"] = created.isoformat() + "Z" if created else None
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# -- exporting


def export(store: Store, mix: str, target: Export, progress: Progress = silent) -> Path:
    """Write the texts of a mix, in its order, with where each came from; a file appears whole or not at all.

    Returns:
        What was written: the file or the folder.
    Raises:
        NotFound: there is no such mix.
        ProvError: the target cannot be written, or the mix is empty, or known by its digest alone.
    """
    target = target.checked()
    refuse_registry(store, target.path)
    mix_id, digest = find_manifest(store, mix)
    documents, size_bytes = _size(store, mix_id, digest, target)
    footer = {"prov.mix": digest.hex(), "prov.registry": store.setting("registry_id") or ""}
    rows = max(1, min(BATCH_ROWS, BATCH_BYTES * documents // size_bytes))
    asked = store.ask_batches("mix_ids" if target.ids else "mix_texts", rows, mix_id=mix_id)
    batches = _batches(asked, target, progress)
    with _translated(target, f"the mix is kept, export it again with `prov export {digest.hex()[:12]}`"):
        if target.is_folder:
            _write_folder(store, mix_id, batches, target, footer, documents)
        else:
            _write_file(batches, target.path, target.file_format, footer)
    if not store.read_only:
        note(store, mix, target)
    return target.path


def export_held_out(store: Store, name: str, target: Export, progress: Progress = silent) -> int:
    """Write the texts that are held out under a name into a file, each once, with where it came from.

    They stand in the order of their digests. Texts that were withdrawn or erased are left out.

    Returns:
        How many texts were written.
    Raises:
        NotFound: nothing is held out under that name.
        ProvError: the target cannot be written, or is a folder; or all of the texts were withdrawn or erased.
    """
    target = target.checked()
    refuse_registry(store, target.path)
    if target.is_folder:
        raise ProvError(f"held-out texts go into one file, {target.path} is a folder: name one, such as test.parquet")
    texts, size_bytes = _stage_test_set(store, name)
    footer = {"prov.held_out": name, "prov.registry": store.setting("registry_id") or ""}
    rows = max(1, min(BATCH_ROWS, BATCH_BYTES * texts // max(1, size_bytes)))
    batches = _batches(store.stream("test_set_ids" if target.ids else "test_set_texts", rows), target, progress)
    with _translated(target, "name another file"):
        _write_file(batches, target.path, target.file_format, footer)
    if not store.read_only:
        note_held_out(store, target)
    return texts


def _stage_test_set(store: Store, name: str) -> tuple[int, int]:
    """How many texts of a hold-out can be written, and about how many bytes."""
    names = [row["name"] for row in store.ask_records("list_held_out")]
    if name not in names:
        raise NotFound("hold-out", name, names)
    store.run("stage_withdrawn")
    store.run("stage_test_set", name=name)
    texts, size_bytes = store.ask("test_set_size")[0]
    if not texts:
        raise ProvError(f"all texts held out as {name!r} were withdrawn or erased: there is nothing to write")
    return texts, size_bytes


@contextmanager
def _translated(target: Export, mend: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads standard output has had enough
    except (OSError, duckdb.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProvError(f"cannot write {target.path}: {reason}; {mend}") from error


def refuse_registry(store: Store, path: Path) -> None:
    """Let nothing take the place of the registry itself."""
    if store.is_at(path):
        raise ProvError(f"{path} is this very registry: name another file to write into")


def refuse_input(inputs: Iterable[Input], path: Path) -> None:
    """Let nothing take the place of a file that is read."""
    if path.exists() and any(input.path.exists() and input.path.samefile(path) for input in inputs):
        raise ProvError(f"{path} is one of the files to read: name another file to write into")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, into a file that appears whole or not at all.

    Raises:
        ProvError: it cannot be written there, or Parquet has no such type; what stood there is as it was.
    """
    with _replacing(path) as stream:
        pq.write_table(table, stream)


@contextmanager
def tables_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """The same for tables that come one by one, each of the columns of the first: what writes the next one."""
    with _replacing(path) as stream, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None

        def write(table: pa.Table) -> None:
            nonlocal writer
            writer = writer or stack.enter_context(pq.ParquetWriter(stream, table.schema))
            writer.write_table(table)

        yield write


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A stream into a Parquet file that replaces what is there only when it is whole."""
    if path.exists() and not path.is_file():
        raise ProvError(f"{path} is no file that can be replaced: name another")
    if not path.parent.is_dir():
        raise ProvError(f"no folder {path.parent} to write {path.name} into: make it first")
    try:
        with _opened(path) as stream:
            yield stream
    except (OSError, pa.ArrowException) as error:
        raise ProvError(f"cannot write {path}: {_first_line(error)}; what stood there before is as it was") from error


def write_csv(table: pa.Table, stream: IO[bytes]) -> None:
    """Write a table as CSV: digests in hex, lists and structs as JSON.

    Raises:
        ProvError: CSV has no form for a column.
    """
    spelled = pa.table(list(map(_spelled, table.columns)), table.column_names)
    whole = pa.BufferOutputStream()
    try:
        pc.write_csv(spelled, whole)
    except pa.ArrowException as error:
        raise ProvError(f"CSV cannot hold the answer: {_first_line(error)}; cast such a column to VARCHAR") from error
    stream.write(whole.getvalue())


def _spelled(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_binary(column.type):
        return pa.array([value and value.hex() for value in column.to_pylist()], pa.string())
    if pa.types.is_nested(column.type):
        return pa.array([value and as_json(value) for value in column.to_pylist()], pa.string())
    return column


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def note(store: Store, mix: str, target: Export) -> None:
    """Note where the texts of an export went; ids alone, and what went to standard output, are not noted."""
    if target.holds_texts:
        kind: Kind = "export with lineage" if target.with_lineage else "export"
        hand_out(store, kind, target.path, find_manifest(store, mix)[0])


def note_held_out(store: Store, target: Export) -> None:
    """Note where held-out texts went, by the same rule."""
    if target.holds_texts:
        hand_out(store, "held-out texts", target.path)


def erased_of(store: Store, mix_id: int) -> tuple[int, int]:
    """How many documents of a mix have no text here any more, and how many bytes it was; no export has them."""
    if not store.ask_value("any_text_missing"):
        return 0, 0
    documents, size_bytes = store.ask("erased_of_mix", mix_id=mix_id)[0]
    return documents, size_bytes


def _size(store: Store, mix_id: int, digest: bytes, target: Export) -> tuple[int, int]:
    """How many rows an export will have, and about how many bytes."""
    documents, size_bytes = store.ask("mix_size", mix_id=mix_id)[0]
    if not documents:
        raise ProvError(f"mix {digest.hex()[:12]} holds no documents, there is nothing to write: draw a larger one")
    erased, erased_bytes = (0, 0) if target.ids else erased_of(store, mix_id)
    if erased == documents:
        raise ProvError(
            f"no text of mix {digest.hex()[:12]} is held here any more, all were erased or left out of this copy: "
            "draw another mix, or export --ids alone"
        )
    return documents - erased, max(1, size_bytes - erased_bytes)


def _batches(batches: Iterator[pa.RecordBatch], target: Export, progress: Progress) -> pa.RecordBatchReader:
    if not (target.provenance or target.ids):
        batches = (batch.select(["text"]) for batch in batches)
    first = next(batches)

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in chain([first], batches):
            yield batch
            progress(batch.num_rows)

    return pa.RecordBatchReader.from_batches(first.schema, counted())


def _write_file(batches: pa.RecordBatchReader, path: Path, format: Format, footer: dict[str, str]) -> None:
    with _opened(path) as stream:
        WRITERS[format](stream, batches, footer)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A stream into a file that takes its name only when it is whole."""
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()  # here a full disk can still be told
        return
    unfinished = _unfinished(path)
    try:
        with pa.output_stream(str(unfinished), compression=COMPRESSION.get(path.suffix.lower())) as stream:
            yield stream
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}")


# -- folders


def _write_folder(
    store: Store, mix_id: int, batches: pa.RecordBatchReader, target: Export, footer: dict[str, str], documents: int
) -> None:
    unfinished = _unfinished(target.path)
    suffix = {format: suffix for suffix, format in FORMATS.items()}[target.file_format]
    try:
        (unfinished / "data").mkdir(parents=True)
        sizes = _even(documents, target.shards)
        for number, shard in enumerate(_cut(batches, sizes)):
            path = unfinished / "data" / f"train-{number:05}-of-{len(sizes):05}{suffix}"
            _write_file(shard, path, target.file_format, footer)
        if target.with_lineage:
            _write_lineage(store, mix_id, unfinished / carry.FOLDER, footer)
        card = dataset_card(store, mix_id, suffix, _columns(target), target.command)
        (unfinished / "README.md").write_text(card, encoding="utf-8")
        os.replace(unfinished, target.path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _columns(target: Export) -> tuple[str, ...]:
    if target.ids:
        return ("document", "source", "item")
    return ("text", "provenance") if target.provenance and target.file_format != "text" else ("text",)


def _even(rows: int, shards: int) -> list[int]:
    """The rows of each shard: none is empty, and they differ by one at most.

    >>> _even(5, 3)
    [2, 2, 1]
    """
    shards = min(rows, shards)
    return [rows // shards + (number < rows % shards) for number in range(shards)]


def _cut(batches: pa.RecordBatchReader, sizes: list[int]) -> Iterator[pa.RecordBatchReader]:
    """Cut a stream into streams of so many rows each; each must be read before the next."""
    for _, pieces in groupby(_pieces(batches, sizes), key=lambda piece: piece[0]):
        yield pa.RecordBatchReader.from_batches(batches.schema, (batch for _, batch in pieces))


def _pieces(batches: Iterable[pa.RecordBatch], sizes: list[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
    shard, left = 0, sizes[0]
    for batch in batches:
        while batch.num_rows:
            if not left:
                shard, left = shard + 1, sizes[shard + 1]
            piece = batch.slice(0, left)
            yield shard, piece
            batch, left = batch.slice(piece.num_rows), left - piece.num_rows


def _write_lineage(store: Store, mix_id: int, folder: Path, footer: dict[str, str]) -> None:
    folder.mkdir()
    trace(store, "mix", mix_id)
    carry.write_records(store, folder)
    with store.lend(asked=pa.table({"mix_id": [mix_id]})):
        beyond = store.connection.sql(question("ancestor_texts")).to_arrow_reader(BATCH_ROWS)
        _write_file(beyond, folder / "documents.parquet", "parquet", footer)
