"""Sealed files: a table under AES-256-GCM that only who has its key can read, bound to the registry that it is about.

A first line in plain JSON says what it is and of which registry; it is authenticated with all the rest. An empty
message sealed before the table tells a wrong key from a damaged file.
"""

import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from provenance.errors import ProvError

KIND = "prov-truth"
VERSION = 1
KEY_BYTES = 32
NONCE_BYTES, TAG_BYTES = 12, 16
MOST_BYTES = 2**31 - 1 - TAG_BYTES
"""The longest message that the cipher takes at once."""
MOST_HEADER_BYTES = 1_000


class Unopened(ProvError):
    """A sealed file that does not open."""


@dataclass(frozen=True)
class Key:
    """A secret of 32 bytes, and the file that it stands in."""

    path: Path
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({str(self.path)!r})"


# -- keys


def keep_key(path: Path) -> Key:
    """The key in a file, which is made where there is none, for its owner alone; what stands there is never changed.

    Raises:
        ProvError: others can read it, it holds no key, or it cannot be made.
    """
    if not path.exists():
        _make_key(path)
    return read_key(path)


def _make_key(path: Path) -> None:
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process has made one meanwhile: that is the key
                os.link(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise ProvError(
            f"cannot make the key file {path}: {error.strerror}; name another with --key-file, or make its folder"
        ) from error


def read_key(path: Path) -> Key:
    """The key in a file.

    Raises:
        ProvError: there is none, others can read it, or it holds something else.
    """
    try:
        with open(path, encoding="ascii") as file:
            open_to = os.fstat(file.fileno()).st_mode & 0o077
            written = file.read(MOST_HEADER_BYTES).strip()
    except FileNotFoundError:
        raise ProvError(f"no key file {path}: name the one that `prov blind` made or used") from None
    except OSError as error:
        raise ProvError(f"cannot read the key file {path}: {error.strerror}; name another") from error
    except UnicodeDecodeError:
        written, open_to = "", 0
    if open_to:
        raise ProvError(f"others can use the key file {path}: close it with `chmod 600`, if it is a secret still")
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", written):
        raise ProvError(f"{path} is no key file: wanted {2 * KEY_BYTES} hex digits and nothing else; name another")
    return Key(path, bytes.fromhex(written))


# -- sealing


def seal(table: pa.Table, registry: str, key: Key) -> bytes:
    """A table as a sealed file about a registry, given by its id.

    Raises:
        ProvError: it is too long for the cipher.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    content = _packed(table)
    if len(content) > MOST_BYTES:
        raise ProvError(
            f"what is to be sealed of {len(table):,} documents has {len(content):,} bytes, the cipher takes "
            f"{MOST_BYTES:,}: take fewer with --docs"
        )
    header = json.dumps({"kind": KIND, "version": VERSION, "registry": registry}).encode() + b"\n"
    cipher = AESGCM(key.secret)
    first, second = secrets.token_bytes(NONCE_BYTES), secrets.token_bytes(NONCE_BYTES)
    proof = cipher.encrypt(first, b"", header)  # 16 bytes, the tag alone
    return b"".join([header, first, proof, second, cipher.encrypt(second, content, header)])


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unseal(path: Path, registry: str, key: Key) -> pa.Table:
    """The table of a sealed file that is about a registry.

    Raises:
        Unopened: it is no such file, is about another registry, has another key or is damaged.
        ProvError: it is not there, or cannot be read.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    content = _read(path)
    header = content[: content.find(b"\n", 0, MOST_HEADER_BYTES) + 1]
    about = _registry_of(path, header)
    if about != registry:
        raise Unopened(f"{path} is about registry {about}, not about this one, {registry}: name the truth made with it")
    cipher, sealed = AESGCM(key.secret), memoryview(content)[len(header) :]
    proven = NONCE_BYTES + TAG_BYTES
    try:
        cipher.decrypt(bytes(sealed[:NONCE_BYTES]), bytes(sealed[NONCE_BYTES:proven]), header)
    except (InvalidTag, ValueError):
        raise Unopened(f"{key.path} does not open {path}: name the key file that it was made with") from None
    try:
        opened = cipher.decrypt(bytes(sealed[proven : proven + NONCE_BYTES]), sealed[proven + NONCE_BYTES :], header)
    except (InvalidTag, ValueError):
        raise Unopened(f"{path} is damaged, or was changed after it was made: take another copy of it") from None
    with pa.ipc.open_stream(opened) as reader:
        return reader.read_all()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ProvError(f"no truth file {path}: name the one that `prov blind` made") from None
    except OSError as error:
        raise ProvError(f"cannot read {path}: {error.strerror}; name another") from error


def _registry_of(path: Path, header: bytes) -> str:
    try:
        said = json.loads(header)
        kind, version, registry = said["kind"], said["version"], said["registry"]
    except (ValueError, KeyError, TypeError, RecursionError):
        kind, version, registry = None, None, None
    if kind != KIND or not isinstance(registry, str):
        raise Unopened(f"{path} is no truth file of `prov blind`, or its beginning is damaged: name another")
    if version != VERSION:
        raise Unopened(f"{path} is of version {version}, this prov reads version {VERSION}: use a newer prov")
    return registry
