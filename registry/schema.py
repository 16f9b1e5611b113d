"""The schema: numbered migrations, applied forward only, each in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from provenance.errors import ProvError


@dataclass(frozen=True)
class Migration:
    """One step of the schema, in the words of its file `NNNN_<name>.sql`."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


Applied = Sequence[tuple[int, bytes]]
"""The migrations that a file has, by version and digest, oldest first."""


class SchemaMismatch(ProvError):
    """A registry whose schema is not the one this version of prov works with."""

    def __init__(self, path: str, applied: Applied) -> None:
        self.path, self.wanted = path, migrations()[-1].version
        self.version = max((version for version, _ in applied), default=0)
        known = missing(applied) is not None
        if self.version > self.wanted:
            mend = "use a newer prov"
        else:
            mend = "run `prov migrate`, which keeps a copy" if known else "use the prov that made it"
        other = "" if known or self.version > self.wanted else "another "
        super().__init__(f"{path} has {other}schema {self.version}, this prov works with schema {self.wanted}: {mend}")


def migrations() -> list[Migration]:
    """All migrations that this version ships, oldest first."""
    folder = resources.files("registry") / "sql" / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [_migration(entry.name, entry.read_text(encoding="utf-8")) for entry in files]


def missing(applied: Applied) -> list[Migration] | None:
    """The migrations that a file still needs; None where it has others than this version ships."""
    shipped = migrations()
    if not applied or list(applied) != [(step.version, step.digest) for step in shipped[: len(applied)]]:
        return None
    return shipped[len(applied) :]


def _migration(file_name: str, sql: str) -> Migration:
    version, _, name = file_name.removesuffix(".sql").partition("_")
    return Migration(int(version), name, sql)


@cache
def chained_kinds() -> frozenset[str]:
    """The kinds of rows that a batch may declare, each with its question `registry/sql/content/<kind>.sql`."""
    folder = resources.files("registry") / "sql" / "content"
    return frozenset(entry.name.removesuffix(".sql") for entry in folder.iterdir())


@cache
def question(name: str) -> str:
    """The SQL of `registry/sql/<name>.sql`."""
    return (resources.files("registry") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
