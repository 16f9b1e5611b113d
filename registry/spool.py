"""Spooling: a mix as blocks of tokens, read from the registry once, kept in files that a training maps into memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from tokenizers import Tokenizer

from provenance.disk import sync_folder
from provenance.errors import ProvError
from registry.blocks import PADDING, Blocks, Integers, pack
from registry.copying import translated, workshop
from registry.handed_out import hand_out
from registry.lineage import find_manifest
from registry.store import Progress, Store, silent
from registry.tokens import digest_of, load, whole
from registry.writers import erased_of

SHARD_TOKENS = 1 << 22
"""About so many tokens are packed at a time, into a shard of their own: that bounds the memory, not the mix."""
ROWS = 1_000
NOTE, DIGESTS, PARTS = "spool.json", "digests.npy", ("tokens", "positions", "documents")


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, and the tokens that each document begins and ends with and that fill blocks.

    `begin` and `end` are None where documents have none.
    """

    tokenizer: Tokenizer
    begin: int | None
    end: int | None
    pad: int

    @classmethod
    def of(
        cls, tokenizer: Any, begin: int | str | None = None, end: int | str | None = None, pad: int | str | None = None
    ) -> Encoder:
        """What there is of a tokenizer.

        Args:
            tokenizer: one of `tokenizers`, the path of a tokenizer.json, a fast one of `transformers`.
            begin, end, pad: the tokens, by number or name; one of `transformers` knows its own.
        Raises:
            ProvError: it is none of these, it has no such token, or nothing ends a document.
        """
        if isinstance(tokenizer, str | Path):
            tokenizer = load(str(tokenizer))
        if hasattr(tokenizer, "backend_tokenizer"):  # fast ones of transformers wrap one of tokenizers
            own = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
            begin, end, pad = (
                mine if said is None else said for said, mine in zip((begin, end, pad), own, strict=True)
            )
            tokenizer = tokenizer.backend_tokenizer
        if not isinstance(tokenizer, Tokenizer):
            raise ProvError(
                f"wanted a tokenizer of tokenizers, a fast one of transformers or a tokenizer.json, got a "
                f"{type(tokenizer).__name__}: load one first"
            )
        first, last, fill = (_token(tokenizer, name) for name in (begin, end, pad))
        if last is None:
            raise ProvError('nothing says which token ends a document: name it, as in end="<|endoftext|>"')
        return cls(whole(tokenizer), first, last, last if fill is None else fill)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tokenizer as JSON, in hex."""
        return digest_of(self.tokenizer)

    def documents(self, texts: list[str]) -> list[NDArray[np.int32]]:
        """Texts as tokens, each from its beginning to its end."""
        first, last = ([] if token is None else [token] for token in (self.begin, self.end))
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array([*first, *encoding.ids, *last], np.int32) for encoding in encodings]


def _token(tokenizer: Tokenizer, name: int | str | None) -> int | None:
    if not isinstance(name, str):
        return name
    token: int | None = tokenizer.token_to_id(name)
    if token is None:
        raise ProvError(f"the tokenizer has no token {name!r}: name one that it has")
    return token


class Spec(BaseModel):
    """What a spool is of: the mix and how its texts became blocks; two of one spec hold the same.

    Attributes:
        mix: its digest, in hex.
        documents: how many of its documents have a text.
        tokenizer: its digest, in hex.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    mix: str
    documents: int
    tokenizer: str
    begin: int | None
    end: int | None
    pad: int
    length: int


class Note(BaseModel):
    """What stands in `spool.json`: the spec, and how many blocks each shard has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: Spec
    shards: list[int]


class OtherSpool(ProvError):
    """A folder that holds something else than the blocks that are wanted."""

    def __init__(self, folder: Path, wanted: Spec, held: Spec | None) -> None:
        self.folder, self.wanted, self.held = folder, wanted, held
        there = "no spool" if held is None else f"{_differing(held, wanted)}, wanted was {_differing(wanted, held)}"
        super().__init__(f"{folder} holds {there}: name another folder, or remove it")


def _differing(one: Spec, other: Spec) -> str:
    """What a spec says that another does not."""
    told = one.model_dump()
    return ", ".join(f"{name} {str(value)[:12]}" for name, value in told.items() if value != getattr(other, name))


class Window(NamedTuple):
    """Some documents of a mix in their order, packed."""

    blocks: Blocks
    digests: list[bytes]


@dataclass(frozen=True)
class Spooled:
    """The blocks of a mix, in files; opening it reads none of them.

    Attributes:
        folder: where they are.
        note: what they are of.
    """

    folder: Path
    note: Note
    _shards: list[list[NDArray[np.int32]]] = field(repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path) -> Spooled:
        """The spool in a folder, mapped into memory.

        Raises:
            ProvError: it is broken.
        """
        try:
            note = Note.model_validate_json((folder / NOTE).read_bytes())
            shards = [
                [np.load(folder / f"{part}-{number:05}.npy", mmap_mode="r") for part in PARTS]
                for number in range(len(note.shards))
            ]
        except (OSError, ValueError, ValidationError) as error:
            raise ProvError(f"cannot read the spool {folder}: {str(error).splitlines()[0]}; remove it") from error
        return cls(folder, note, shards)

    def __reduce__(self) -> tuple[Any, ...]:
        return Spooled.open, (self.folder,)  # a worker in a process of its own maps the files, too

    def __len__(self) -> int:
        return sum(self.note.shards)

    @property
    def digest(self) -> str:
        """SHA-256 of what it is of, in hex: the same spec gives the same blocks."""
        return hashlib.sha256(self.note.spec.model_dump_json().encode()).hexdigest()

    @cached_property
    def digests(self) -> NDArray[np.uint8]:
        """The digest of each document of the mix, in its order, (documents, 32)."""
        held: NDArray[np.uint8] = np.load(self.folder / DIGESTS, mmap_mode="r")
        return held

    def take(self, rows: Integers) -> Blocks:
        """Some of the blocks, by their numbers."""
        ends = np.cumsum(self.note.shards)
        shards = np.searchsorted(ends, rows, side="right")
        held = np.empty((len(PARTS), len(rows), self.note.spec.length), np.int64)
        for place, (shard, row) in enumerate(zip(shards.tolist(), rows.tolist(), strict=True)):
            held[:, place] = [part[row - ends[shard]] for part in self._shards[shard]]  # counted from its end
        tokens, positions, documents = held
        return Blocks(tokens, _pieces(positions, documents), positions, _weights(positions), documents)


def _pieces(positions: Integers, documents: Integers) -> Integers:
    """Which piece of its block a token belongs to: one begins wherever positions count from 0 again."""
    return np.where(documents == PADDING, PADDING, (positions == 0).cumsum(axis=1) - 1)


def _weights(positions: Integers) -> NDArray[np.float32]:
    return (positions > 0).astype(np.float32)


def spool(store: Store, mix: str, encoder: Encoder, length: int, folder: Path, progress: Progress = silent) -> Spooled:
    """The texts of a mix as blocks in a folder; what is there already of the same is taken as it is.

    The folder is noted as handed out, since it holds what the texts say.

    Args:
        mix: by (the start of) its digest.
        length: tokens of a block.
        folder: appears whole, or not at all.
        progress: called with the number of documents done since the last call.
    Raises:
        OtherSpool: the folder holds something else.
        ProvError: the mix has no texts, or the folder cannot be written.
    """
    mix_id, spec = _spec(store, mix, encoder, length)
    if folder.exists():
        return _same(folder, spec)
    with translated(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with workshop(folder) as shop:
            unfinished = shop / folder.name
            unfinished.mkdir()
            _write(unfinished, spec, _windows(store, mix_id, encoder, length, progress))
            unfinished.rename(folder)
        sync_folder(folder.parent)
    if not store.read_only:
        hand_out(store, "export", folder, mix_id)
    return Spooled.open(folder)


def packed(store: Store, mix: str, encoder: Encoder, length: int, progress: Progress = silent) -> Window:
    """The same blocks in memory, for a mix that is small enough, with the digest of each document.

    Raises:
        ProvError: the mix has no texts.
    """
    mix_id, _ = _spec(store, mix, encoder, length)
    windows = list(_windows(store, mix_id, encoder, length, progress))
    columns = zip(*(vars(window.blocks).values() for window in windows), strict=True)
    return Window(
        Blocks(*(np.concatenate(column) for column in columns)),
        [digest for window in windows for digest in window.digests],
    )


def _spec(store: Store, mix: str, encoder: Encoder, length: int) -> tuple[int, Spec]:
    if length < 2:
        raise ProvError(f"a block of {length} tokens has none to foretell: take 2 or more")
    mix_id, digest = find_manifest(store, mix)
    documents = store.ask("mix_size", mix_id=mix_id)[0][0] - erased_of(store, mix_id)[0]
    if not documents:
        raise ProvError(f"mix {digest.hex()[:12]} has no text to learn from: draw another")
    return mix_id, Spec(
        mix=digest.hex(),
        documents=documents,
        tokenizer=encoder.digest,
        begin=encoder.begin,
        end=encoder.end,
        pad=encoder.pad,
        length=length,
    )


def _same(folder: Path, spec: Spec) -> Spooled:
    if not (folder / NOTE).exists():
        raise OtherSpool(folder, spec, None)
    held = Spooled.open(folder)
    if held.note.spec != spec:
        raise OtherSpool(folder, spec, held.note.spec)
    return held


def _windows(store: Store, mix_id: int, encoder: Encoder, length: int, progress: Progress) -> Iterator[Window]:
    """The mix in its order, about `SHARD_TOKENS` at a time; documents are numbered through."""
    held: list[NDArray[np.int32]] = []
    digests: list[bytes] = []
    size = done = 0
    for batch in store.ask_batches("mix_contents", ROWS, mix_id=mix_id):
        held += (new := encoder.documents(batch.column("text").to_pylist()))
        digests += batch.column("document").to_pylist()
        size += sum(map(len, new))
        if size >= SHARD_TOKENS:
            yield Window(_numbered(pack(held, length, encoder.pad), done), digests)
            done += len(held)
            held, digests, size = [], [], 0
        progress(batch.num_rows)
    if held:
        yield Window(_numbered(pack(held, length, encoder.pad), done), digests)


def _numbered(blocks: Blocks, first: int) -> Blocks:
    """Count the documents of blocks from a number on."""
    blocks.documents[blocks.documents != PADDING] += first
    return blocks


def _write(folder: Path, spec: Spec, windows: Iterator[Window]) -> None:
    shards: list[int] = []
    digests: list[bytes] = []
    for number, window in enumerate(windows):
        for part in PARTS:
            _save(folder / f"{part}-{number:05}.npy", getattr(window.blocks, part).astype(np.int32))
        shards.append(len(window.blocks))
        digests += window.digests
    _save(folder / DIGESTS, np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32))
    with open(folder / NOTE, "w") as note:
        note.write(Note(spec=spec, shards=shards).model_dump_json(indent=1))
        note.flush()
        os.fsync(note.fileno())
    sync_folder(folder)


def _save(path: Path, values: NDArray[Any]) -> None:
    with open(path, "wb") as written:
        np.save(written, values, allow_pickle=False)
        written.flush()
        os.fsync(written.fileno())
