"""Keys of watermarks: kept in a file that only its owner reads, or lent by the environment, and shown to nobody.

A key has a public part (id, name, scheme, parameters, digest of the tokenizer) and a secret. The secret stands in the
keyring file and in memory alone; errors are raised outside of the block that caught their cause, since the cause may
bring along what was read.
"""

import fcntl
import hashlib
import json
import os
import pwd
import re
import secrets
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from provenance.disk import sync_folder
from provenance.errors import Ambiguous, ProvError, listed, quoted

VERSION = 1
"""Of the keyring file."""
LONGEST_FILE = 1 << 24
"""A keyring file of more bytes is none."""
PREFIX = "PROV_KEY_"
"""Variables of the environment whose names begin so hold a key each."""
_ID = re.compile("k[0-9a-f]{12}")
_NAME = re.compile("[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}")


class UnknownKey(ProvError):
    """A key that is not held; `known` are those that are."""

    def __init__(self, wanted: str, known: Iterable[str], path: Path) -> None:
        self.wanted, self.known = wanted, list(known)
        there = f"there is {listed(self.known)}" if self.known else f"{path} holds none, `prov keys add` makes one"
        super().__init__(f"no key {quoted(wanted)}: {there}")


class Secret:
    """The integers of a key, which nothing shows that is printed, logged, dumped or raised; `reveal` alone does.

    >>> Secret((123, 456))
    Secret(…)
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Iterable[int]) -> None:
        held = tuple(numbers)
        if not held or any(type(number) is not int for number in held):
            raise ValueError("wanted a list of whole numbers")
        self._numbers = held

    def reveal(self) -> tuple[int, ...]:
        """The integers themselves, for the arithmetic of a scheme and for the keyring file."""
        return self._numbers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._numbers == self._numbers

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled: hand on the key's id, and open the keyring there")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._of, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def _of(cls, value: Any) -> "Secret":
        if isinstance(value, Secret):
            return value
        if not isinstance(value, list | tuple):
            raise ValueError("wanted a list of whole numbers")
        return cls(value)


class Key(BaseModel):
    """A key of a watermark scheme: what may be known of it, and its secret.

    Attributes:
        id: random, never derived from the secret.
        name: how its owner calls it.
        scheme, parameters: what `watermark.find_scheme` makes a scheme of.
        tokenizer: SHA-256 of the tokenizer's content, in hex.
        created: when, as ISO 8601.
    Raises:
        ProvError: a value is not of its kind; it is not told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str
    name: str | None = None
    scheme: str = Field(min_length=1)
    parameters: dict[str, Any] = {}
    tokenizer: str = Field(pattern="^[0-9a-f]{64}$")
    secret: Secret = Field(exclude=True)
    created: str

    @classmethod
    def fresh(
        cls, scheme: str, parameters: Mapping[str, Any], tokenizer: str, secret: Secret, created: str, name: str | None
    ) -> Self:
        """A key with a new random id."""
        return cls(
            id=f"k{secrets.token_hex(6)}",
            name=name,
            scheme=scheme,
            parameters=dict(parameters),
            tokenizer=tokenizer,
            secret=secret,
            created=created,
        )

    def public(self) -> dict[str, Any]:
        """All but the secret, as plain JSON."""
        return self.model_dump(mode="json", exclude={"secret"})

    def __str__(self) -> str:
        return f"{self.id} ({self.name})" if self.name else self.id

    @field_validator("id")
    @classmethod
    def _random(cls, id: str) -> str:
        if not _ID.fullmatch(id):
            raise ValueError("wanted k and twelve hex digits")
        return id

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str | None) -> str | None:
        if name is not None and (not _NAME.fullmatch(name) or _ID.fullmatch(name)):
            raise ValueError("wanted up to 64 of A-Z a-z 0-9 _ . -, no - in front, and not the form of an id")
        return name

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            reason = _unfit(error)
        raise ProvError(f"not a key: {reason}")


def _unfit(error: ValidationError) -> str:
    """Which field does not fit, and what is wanted of it, without what it holds."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    if field not in Key.model_fields:  # this may be a secret in the wrong place
        return f"wanted an object with the fields {listed(Key.model_fields)}, and no others"
    if first["type"] == "missing":
        return f"it has no {field}"
    if first["type"] == "string_pattern_mismatch":
        return f"its {field} is not of 64 hex digits"
    return f"its {field}: {first['msg'].removeprefix('Value error, ').replace('Input should be', 'wanted')}"


@dataclass(frozen=True)
class _Lent:
    """A key from the environment, and where its tokenizer stands, if that is told."""

    key: Key
    tokenizer_file: Path | None


class Keyring:
    """The keys of a file and of the environment, those of the file first."""

    def __init__(self, path: Path, filed: list[Key], lent: dict[str, _Lent]) -> None:
        self.path, self._filed, self._lent = path, filed, lent

    @classmethod
    def open(cls, path: Path | None = None, *, environment: Mapping[str, str]) -> Self:
        """The keyring of a file, which may be missing, and of the variables `PROV_KEY_<NAME>`.

        Args:
            path: of the file; None for `default_path`.
            environment: the variables; `os.environ` is what commands give.
        Raises:
            ProvError: the file is no keyring, others may read it, it is another user's; a variable holds no key.
        """
        target = Path(os.path.realpath(path or default_path(environment)))
        lent = {
            name: _read_variable(name, value)
            for name, value in sorted(environment.items())
            if name.startswith(PREFIX) and name != PREFIX
        }
        held = cls(target, _read_file(target), lent)
        held._refuse_twice(held._filed)
        return held

    @property
    def tokenizers(self) -> Path:
        """The folder of the tokenizers that texts were marked with."""
        return self.path.with_name(f"{self.path.name}.tokenizers")

    def keys(self) -> list[Key]:
        """All keys, those of the file first, in the order in which they came."""
        known = {key.id for key in self._filed}
        lent = {held.key.id: held.key for held in self._lent.values() if held.key.id not in known}
        return [*self._filed, *lent.values()]

    def variable(self, key: Key) -> str | None:
        """The variable of the environment that a key comes from; None for one of the file."""
        if any(held.id == key.id for held in self._filed):
            return None
        return next((name for name, held in self._lent.items() if held.key.id == key.id), None)

    def find(self, wanted: str) -> Key:
        """The key of this id or name, or the only one whose id or name begins so.

        Raises:
            UnknownKey: there is none.
            Ambiguous: there are several.
        """
        held = self.keys()
        exact = [key for key in held if wanted in (key.id, key.name)]
        begun = [key for key in held if wanted and any(said.startswith(wanted) for said in (key.id, key.name or ""))]
        fits = exact or begun
        if not fits:
            raise UnknownKey(wanted, map(str, held), self.path)
        if len(fits) > 1:
            raise Ambiguous("key", wanted, map(str, fits))
        return fits[0]

    def add(self, key: Key) -> None:
        """Keep a key in the file.

        Raises:
            ProvError: its id or name is taken; the file cannot be written, then it is as it was.
        """
        with self._alone():
            self._keep([*self._filed, key])

    def remove(self, id: str) -> None:
        """Drop a key from the file; tokenizers stay.

        Raises:
            ProvError: the file does not hold it.
        """
        with self._alone():
            if any(key.id == id for key in self._filed):
                self._keep([key for key in self._filed if key.id != id])
                return
            key = self.find(id)
            raise ProvError(f"key {key} comes from {self.variable(key)}, not from {self.path}: unset that variable")

    def tokenizer(self, digest: str) -> str | None:
        """The content of the tokenizer with this digest; None where nobody kept it.

        Raises:
            ProvError: what is there is another one.
        """
        kept = self.tokenizers / f"{digest}.json"
        content = _read(kept)
        if content is not None:
            if hashlib.sha256(content).hexdigest() != digest:
                raise ProvError(f"{kept} is not the tokenizer that it was: put that back, or remove the file")
            return content.decode()
        for name, held in self._lent.items():
            if held.key.tokenizer == digest and held.tokenizer_file:
                told = read_tokenizer(held.tokenizer_file)
                if tokenizer_digest(told) != digest:
                    raise ProvError(
                        f"{name}: {held.tokenizer_file} is another tokenizer than the key's: "
                        f"its digest begins with {tokenizer_digest(told)[:12]}, wanted {digest[:12]}"
                    )
                return told
        return None

    def keep_tokenizer(self, content: str) -> str:
        """Keep a tokenizer beside the keyring, and return its digest."""
        digest = tokenizer_digest(content)
        with self._alone():
            if _read(self.tokenizers / f"{digest}.json") != content.encode():
                _make_folders(self.tokenizers)
                _write(self.tokenizers / f"{digest}.json", content.encode())
        return digest

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from changing the file, and read what they made of it until now."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        _make_folders(self.path.parent)
        with _telling("write", self.path):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._filed = _read_file(self.path)
            yield
        finally:
            os.close(descriptor)

    def _keep(self, filed: list[Key]) -> None:
        self._refuse_twice(filed)
        held = [key.public() | {"secret": key.secret.reveal()} for key in filed]
        _write(self.path, json.dumps({"version": VERSION, "keys": held}, indent=1, allow_nan=False).encode())
        self._filed = filed

    def _refuse_twice(self, filed: list[Key]) -> None:
        """Refuse two keys of one id or name; a variable may lend what the file holds, or another variable lends."""
        held = {key.id: key for key in filed}
        for name, lent in self._lent.items():
            if not _same(held.setdefault(lent.key.id, lent.key), lent.key):
                raise ProvError(f"{name} holds another key of the id {lent.key.id} than is known: unset it, or mend it")
        ids = Counter(key.id for key in filed)
        names = Counter(key.name for key in held.values() if key.name)
        if twice := [said for said, count in (ids + names).items() if count > 1]:
            raise ProvError(f"two keys are called {twice[0]}: give one another name, or unset a variable {PREFIX}…")


def _same(one: Key, other: Key) -> bool:
    """Whether two keys mark alike, whatever they are called."""
    nameless = {"name": None, "created": ""}
    return one.model_copy(update=nameless) == other.model_copy(update=nameless)


def default_path(environment: Mapping[str, str]) -> Path:
    """Where the keyring is: `PROV_KEYRING`, else `prov/keyring.json` in `XDG_CONFIG_HOME`, else in `~/.config`."""
    if named := environment.get("PROV_KEYRING"):
        return Path(named)
    configured = Path(environment.get("XDG_CONFIG_HOME") or "")
    if configured.is_absolute():  # the XDG specification has relative ones ignored
        return configured / "prov" / "keyring.json"
    return _home(environment) / ".config" / "prov" / "keyring.json"


def _home(environment: Mapping[str, str]) -> Path:
    if named := environment.get("HOME"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        raise ProvError("there is no home folder to hold a keyring: name its file with PROV_KEYRING") from None


# -- tokenizers


def read_tokenizer(path: Path) -> str:
    """The content of a `tokenizer.json` as a registry keeps it: with neither truncation nor padding.

    Raises:
        ProvError: there is no such file, or it is no tokenizer.
    """
    import tokenizers

    if not path.is_file():
        raise ProvError(f"no tokenizer file {path}: wanted a tokenizer.json")
    try:
        encoder = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        reason = str(error).partition("\n")[0]
        raise ProvError(f"cannot load the tokenizer {path}: {reason}; name a tokenizer.json") from error
    encoder.no_truncation()
    encoder.no_padding()
    content: str = encoder.to_str()
    return content


def tokenizer_digest(content: str) -> str:
    """SHA-256 of a tokenizer's content, in hex."""
    return hashlib.sha256(content.encode()).hexdigest()


# -- reading


def read_secret(text: str, what: str) -> Secret:
    """A secret of integers with commas or white space between, or of a JSON list of them.

    Args:
        what: where the text comes from.
    Raises:
        ProvError: it is something else; it is not told.
    """
    words = text.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    if not words:
        raise ProvError(f"{what} is empty: wanted the whole numbers of a secret")
    for number, word in enumerate(words, 1):
        if not (word.isdecimal() and word.isascii() and len(word) <= 1_000):
            raise ProvError(f"{what}: number {number} of {len(words):,} is no whole number: wanted such as 17, 4, 2023")
    return Secret(map(int, words))


def _read_variable(name: str, value: str) -> _Lent:
    fields = _parse(value, name)
    if not isinstance(fields, dict):
        raise ProvError(f"{name} holds no key: wanted an object in JSON, as a keyring file has")
    said = dict(fields)
    file = said.pop("tokenizer_file", None)
    if file is not None and not isinstance(file, str):
        raise ProvError(f"{name}: its tokenizer_file is no path: wanted that of a tokenizer.json")
    called = name.removeprefix(PREFIX)
    if said.get("name") is None and _NAME.fullmatch(called):
        said["name"] = called
    return _Lent(_read_key(said, name), None if file is None else Path(file))


def _read_key(fields: Any, what: str) -> Key:
    try:
        return Key.model_validate(fields)
    except ProvError as error:
        raise ProvError(f"{what}: {error}") from None


def _read_file(path: Path) -> list[Key]:
    content = _read(path, private=True)
    if content is None:
        return []
    held = _parse(content, str(path))
    if not isinstance(held, dict) or set(held) != {"version", "keys"} or not isinstance(held["keys"], list):
        raise ProvError(f'{path} is no keyring: wanted {{"version": {VERSION}, "keys": […]}}; mend it, or move it away')
    if held["version"] != VERSION:
        raise ProvError(f"{path} is a keyring of another version than {VERSION}: use the prov that made it")
    return [_read_key(fields, f"{path}, key {number}") for number, fields in enumerate(held["keys"], 1)]


def _read(path: Path, private: bool = False) -> bytes | None:
    """What a file holds, None where there is none; a private one only where nobody else may read or write it."""
    with _telling("read", path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ProvError(f"{path} is no file: name another, or move it away")
            if private:
                _check_private(path, found)
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read()
        finally:
            os.close(descriptor)


def _check_private(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise ProvError(f"{path} belongs to another user, who could change its keys: use a keyring of your own")
    if found.st_mode & 0o077:
        raise ProvError(f"{path} may be read or written by others, as it holds secrets: chmod 600 {path}")
    if found.st_size > LONGEST_FILE:
        raise ProvError(f"{path} is no keyring, it has {found.st_size:,} bytes: mend it, or move it away")


def _parse(text: str | bytes, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # a ValueError of JSON holds all of the text
        pass
    raise ProvError(f"{what} is no JSON: mend it, or take it away; nothing was changed")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# -- writing


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it, for their owner alone."""
    with _telling("make the folder", folder):
        for missing in [one for one in (*reversed(folder.parents), folder) if not one.exists()]:
            try:
                missing.mkdir(0o700)
            except FileExistsError:
                if not missing.is_dir():
                    raise


def _write(path: Path, content: bytes) -> None:
    """Let a file hold this wholly or what it held before; nobody but its owner may read it at any moment."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with _telling("write", path):
        unfinished.unlink(missing_ok=True)  # left by a run that was killed
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                os.fchmod(descriptor, 0o600)
                stream.write(content)
                stream.flush()
                os.fsync(descriptor)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def _telling(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProvError(
            f"cannot {what} {path}: {error.strerror or error}; no key was changed, PROV_KEYRING names another keyring"
        ) from error
