"""The schema: numbered migrations, applied forward only, each in one transaction."""

import hashlib
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


class SchemaMismatch(ProvError):
    """A registry whose schema is not the one this version of prov works with."""

    def __init__(self, path: str, version: int, wanted: int) -> None:
        self.path, self.version, self.wanted = path, version, wanted
        mend = "use a newer prov" if version > wanted else "use the prov that made it"
        super().__init__(f"{path} has schema {version}, this prov works with schema {wanted}: {mend}")


def migrations() -> list[Migration]:
    """All migrations that this version ships, oldest first."""
    folder = resources.files("registry") / "sql" / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [_migration(entry.name, entry.read_text(encoding="utf-8")) for entry in files]


def _migration(file_name: str, sql: str) -> Migration:
    version, _, name = file_name.removesuffix(".sql").partition("_")
    return Migration(int(version), name, sql)


@cache
def question(name: str) -> str:
    """The SQL of `registry/sql/<name>.sql`."""
    return (resources.files("registry") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
