"""What is no registry, or not this version's, is told so in one line and left alone."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from provenance.errors import ProvError
from registry.registry import Registry
from registry.schema import SchemaMismatch, migrations
from registry.store import Locked, Store


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_new_registry_has_every_migration_once(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "r.prov") as held:
        assert held.ask("applied_migrations") == [(step.version, step.digest) for step in migrations()]


def test_a_registry_can_be_read_by_older_duckdb(tmp_path: Path) -> None:
    Registry.create(tmp_path / "r.prov").close()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{tmp_path / 'r.prov'}' AS r (READ_ONLY)")
        tags = connection.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'r'")
        assert tags.fetchall()[0][0].startswith("v1.5")


def test_a_registry_is_never_made_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.prov"
    path.write_text("mine")
    with pytest.raises(ProvError, match="exists already"):
        Registry.create(path)
    assert path.read_text() == "mine"


def test_a_failed_creation_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(store: Store, settings: Mapping[str, str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "_migrate", fail)
    with pytest.raises(KeyboardInterrupt):
        Registry.create(tmp_path / "r.prov")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_registry_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProvError, match="prov init"):
        Registry.open(tmp_path / "none.prov")


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to look at" * 100])
def test_a_file_that_is_no_database_is_told_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    for read_only in (True, False):
        with pytest.raises(ProvError, match=r"no (prov )?registry") as raised:
            Registry.open(path, read_only=read_only)
        assert len(str(raised.value).splitlines()) == 1
    assert path.read_bytes() == content


def test_a_truncated_registry_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "r.prov"
    with Registry.create(path) as held:
        held.add([{"text": f"text {number}"} for number in range(1000)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(ProvError) as raised, Registry.open(path, read_only=True) as held:
        held.stats()
    assert len(str(raised.value).splitlines()) == 1


def test_another_duckdb_database_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(ProvError, match="no prov registry"):
        Registry.open(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("INSERT INTO migration VALUES (99, 'later', 'x'::BLOB, now()::TIMESTAMP)", "newer prov"),
        ("UPDATE migration SET digest = 'x'::BLOB", "the prov that made it"),
    ],
)
def test_a_registry_of_another_schema_is_told_so(tmp_path: Path, change: str, words: str) -> None:
    path = tmp_path / "r.prov"
    Registry.create(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    with pytest.raises(SchemaMismatch, match=words):
        Registry.open(path)


def test_a_second_process_is_told_who_holds_the_registry(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "r.prov"
    Registry.create(path).close()
    program = f"from registry import Registry; held = Registry.open({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for read_only in (True, False):
            with pytest.raises(Locked, match=f"process {other.pid}"):
                Registry.open(path, read_only=read_only)
        other.communicate(b"\n")
    Registry.open(path).close()


def test_each_act_is_a_link_of_the_chain(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "r.prov") as held:
        assert held.head() is None
        heads = []
        for text in ("one", "two", "three"):
            held.add([{"text": text}])
            heads.append(held.head())
        rows = held.list("batches")
    assert len(set(heads)) == 3
    assert [row["previous"] for row in rows] == [rows[1]["digest"], rows[2]["digest"], None]


def test_the_content_of_a_batch_is_the_same_in_any_registry(tmp_path: Path) -> None:
    rows = [{"text": f"text {number}", "id": str(number), "origin": "human", "lang": "de"} for number in range(50)]
    digests = []
    for name, order in (("a", rows), ("b", rows[::-1])):
        with Registry.create(tmp_path / f"{name}.prov") as held:
            if name == "b":
                held.add([{"text": "something before"}])
            held.add(order)
            digests.append(held.content_digest(*held.ask("last_batch")[0]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("closed", ["r.prov", "."])
def test_a_registry_that_may_not_be_written_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """The file, or its folder, in which the write-ahead log stands."""
    path = tmp_path / "r.prov"
    Registry.create(path).close()
    monkeypatch.setattr("os.access", lambda place, mode: Path(place) != tmp_path / closed)
    with pytest.raises(ProvError, match="may not be written, so nothing can be kept"):
        Registry.open(path)
    Registry.open(path, read_only=True).close()
