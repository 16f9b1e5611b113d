"""An older registry is told to be one, migrates with a copy kept, and is whole afterwards, whatever happens."""

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from provenance.errors import ProvError
from registry import Declared, MixSpec, Registry, real_frac
from registry import migrate as migrating
from registry.migrate import migrate
from registry.schema import SchemaMismatch, migrations
from registry.store import CONFIG, CREATE_MIGRATION, link_digest
from registry.verify import verify

CONTENT = (Path(__file__).parent / "schema_1" / "batch_content.sql").read_text(encoding="utf-8")
"""The question whose answer a batch's content digest was taken of, in the words of schema 1."""


@pytest.fixture(scope="session")
def schema_1(three_generations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry as schema 1 had it: three generations, and a document that was declared anew after two mixes."""
    folder = tmp_path_factory.mktemp("schema_1")
    with Registry.open(shutil.copy(three_generations, folder / "today.prov")) as today:
        again = [{"id": "w0", "text": "w wrote 0", "origin": "model", "generator": "nobody knew"}]
        today.add(again, Declared(source="wiki"), redeclare=True)
        with duckdb.connect(str(folder / "old.prov"), config=CONFIG) as old:
            _make_schema_1(old)
            _copy_what_both_have(today, old)
            _chain_as_then(old)
    return folder / "old.prov"


def _make_schema_1(old: duckdb.DuckDBPyConnection) -> None:
    spine = migrations()[0]
    old.execute(CREATE_MIGRATION)
    old.execute(spine.sql)
    old.execute("INSERT INTO migration VALUES (1, 'spine', $digest, now()::TIMESTAMP)", {"digest": spine.digest})


def _copy_what_both_have(today: Registry, old: duckdb.DuckDBPyConnection) -> None:
    for (table,) in old.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'migration'").fetchall():
        rows = today.connection.table(table).select(*old.table(table).columns).to_arrow_table()
        old.from_arrow(rows).insert_into(table)
    old.execute("DELETE FROM setting WHERE name = 'fingerprint'")


def _chain_as_then(old: duckdb.DuckDBPyConnection) -> None:
    previous = None
    for batch_id, kind, made_at, version in old.execute(
        "SELECT batch_id, kind, made_at, tool_version FROM batch ORDER BY batch_id"
    ).fetchall():
        rows = old.execute(CONTENT, {"batch_id": batch_id}).fetchall()
        content = hashlib.sha256(b"".join(bytes.fromhex(digest) for (digest,) in rows)).digest()
        digest = link_digest(previous, content, kind, made_at, version)
        old.execute(
            "UPDATE batch SET content_digest = $content, previous_digest = $previous, digest = $digest "
            "WHERE batch_id = $batch_id",
            {"content": content, "previous": previous, "digest": digest, "batch_id": batch_id},
        )
        previous = digest


@pytest.fixture
def old(schema_1: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(schema_1, tmp_path / "r.prov"))


@pytest.mark.parametrize("read_only", [True, False])
def test_an_older_schema_says_what_to_run(old: Path, read_only: bool) -> None:
    before = old.read_bytes()
    with pytest.raises(SchemaMismatch) as raised:
        Registry.open(old, read_only=read_only)
    assert str(raised.value) == (
        f"{old} has schema 1, this prov works with schema {len(migrations())}: run `prov migrate`, which keeps a copy"
    )
    assert old.read_bytes() == before


def test_a_migrated_registry_holds_and_its_copy_is_what_was(old: Path, schema_1: Path) -> None:
    done = migrate(old)
    assert done.copy == old.with_name("r.schema-1.prov")
    assert done.copy.read_bytes() == schema_1.read_bytes()
    with Registry.open(old) as held:
        found = verify(held)
        assert (found.findings, found.notes) == ([], [])
        assert found.checked["mixes_drawn_again"] == 3
    assert sorted(path.name for path in old.parent.iterdir()) == ["r.prov", "r.schema-1.prov"]


def test_an_erasure_lists_the_copy_that_migrating_kept(old: Path) -> None:
    done = migrate(old)
    with Registry.open(old) as held:
        gone = held.withdraw("b1", reason="asked", text=True, erase=True)
        assert [(row["kind"], row["path"]) for row in gone.handed_out] == [("copy", str(done.copy))]


def test_migrating_tells_when_things_were_declared_and_what_mixes_are_made_of(old: Path) -> None:
    migrate(old)
    with Registry.open(old) as held:
        ask = held.connection.execute
        assert ask("SELECT count(*) FROM declaration WHERE declared_at IS NULL OR precedence IS NULL").fetchall() == [
            (0,)
        ]
        assert ask("SELECT count(*) FROM declaration NATURAL JOIN batch WHERE declared_at <> made_at").fetchall() == [
            (0,)
        ]
        for as_drawn in (True, False):
            rows = ask("SELECT mix_id, sum(documents) FROM mix_composition WHERE as_drawn = ? GROUP BY ALL", [as_drawn])
            assert sorted(rows.fetchall()) == [(1, 30), (2, 30), (3, 30)]
        declared = ask(
            "SELECT origin, model.name FROM document JOIN model USING (model_id) WHERE item = 'w0'"
        ).fetchall()
        assert declared == [("model", "nobody knew")]


@pytest.mark.slow
def test_a_migrated_registry_works_on(old: Path) -> None:
    migrate(old)
    with Registry.open(old) as held:
        held.add([{"text": "new", "origin": "human"}])
        held.mix(MixSpec(strata=real_frac(0.5), size=10))
        assert verify(held).holds


def test_a_dry_run_and_a_registry_of_today_change_nothing(old: Path) -> None:
    before = old.read_bytes()
    assert migrate(old, dry_run=True).steps == ["trust", "experiments", "fingerprints", "watermarks", "pictures"]
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == ["r.prov"]
    migrate(old)
    after = old.read_bytes()
    assert (migrate(old).steps, migrate(old).copy) == ([], None)
    assert old.read_bytes() == after


def test_a_file_in_the_way_of_the_copy_is_never_overwritten(old: Path) -> None:
    copy = old.with_name("r.schema-1.prov")
    copy.write_text("mine")
    before = old.read_bytes()
    with pytest.raises(ProvError, match="in the way"):
        migrate(old)
    assert (copy.read_text(), old.read_bytes()) == ("mine", before)


def test_too_little_disk_is_told_before_anything_is_done(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))  # type: ignore
    with pytest.raises(ProvError, match=r"needs .* bytes of disk, there are 0"):
        migrate(old)
    assert [path.name for path in old.parent.iterdir()] == ["r.prov"]


def test_a_copy_that_a_killed_run_made_is_gone_on_with(old: Path) -> None:
    shutil.copy(old, old.with_name("r.schema-1.prov"))
    assert migrate(old).steps == ["trust", "experiments", "fingerprints", "watermarks", "pictures"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: path.write_bytes(b""), "no prov registry"),
        (lambda path: path.write_bytes(b"neither" * 5000), "no prov registry"),
        (lambda path: path.write_text('{"id": "1", "text": "a row"}\n'), "no prov registry"),
        (lambda path: duckdb.connect(str(path)).close(), "no prov registry"),
        (lambda path: path.symlink_to("nowhere"), "no registry at"),
    ],
    ids=["directory", "empty", "text", "rows", "another database", "dangling link"],
)
def test_what_is_no_registry_is_told_so_in_one_line(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "x.prov")
    for act in (migrate, Registry.open):
        with pytest.raises(ProvError, match=words) as raised:
            act(tmp_path / "x.prov")
        assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "share", [0.001, 0.5, 0.999, *(pytest.param(n / 20, marks=pytest.mark.slow) for n in range(1, 20))]
)
def test_a_truncated_registry_is_told_so_in_one_line_and_left_alone(old: Path, share: float) -> None:
    content = old.read_bytes()
    old.write_bytes(content[: int(len(content) * share)])
    before = old.read_bytes()
    for read_only in (True, False):
        with pytest.raises(ProvError) as raised:
            Registry.open(old, read_only=read_only)
        assert len(str(raised.value).splitlines()) == 1
    assert old.read_bytes() == before


def test_a_newer_schema_wants_a_newer_prov(old: Path) -> None:
    with duckdb.connect(str(old)) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'later', 'x'::BLOB, now()::TIMESTAMP)")
    for act in (migrate, Registry.open):
        with pytest.raises(SchemaMismatch, match=r"has schema 99, .* use a newer prov"):
            act(old)


def test_a_schema_that_was_never_shipped_is_not_migrated(old: Path) -> None:
    with duckdb.connect(str(old)) as connection:
        connection.execute("UPDATE migration SET digest = 'x'::BLOB")
    with pytest.raises(SchemaMismatch, match=r"another schema 1, .* the prov that made it"):
        migrate(old)


def test_a_registry_in_use_is_not_migrated(old: Path) -> None:
    program = f"import duckdb; held = duckdb.connect({str(old)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ProvError, match=f"in use by process {other.pid}"):
            migrate(old)
        other.communicate(b"\n")


STOPS = [(stop, when) for stop in ("_fold_log", "_keep_copy", "_apply") for when in ("before", "after")]


@pytest.mark.parametrize(
    ("stop", "when"), [*(pytest.param(*stop, marks=pytest.mark.slow) for stop in STOPS[:-1]), STOPS[-1]]
)
def test_a_registry_killed_while_it_migrates_migrates_on(old: Path, stop: str, when: str) -> None:
    """Killed outright around each step; after the last one, between its commit and the end of the process."""
    program = (
        "import os, signal, registry.migrate as m\n"
        f"step = m.{stop}\n"
        "def killed(*arguments):\n"
        f"    if {when!r} == 'after': step(*arguments)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"m.{stop} = killed\n"
        f"m.migrate({str(old)!r})\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    migrate(old)
    with Registry.open(old, read_only=True) as held:
        assert verify(held).holds


@pytest.mark.slow
@pytest.mark.parametrize("share", [n / 10 for n in range(1, 11)])
def test_a_registry_killed_at_any_moment_of_migrating_migrates_on(old: Path, schema_1: Path, share: float) -> None:
    trial = Path(shutil.copy(old, old.with_name("trial.prov")))
    command = [sys.executable, "-m", "provenance", "migrate", "--registry"]
    begun = time.monotonic()
    subprocess.run([*command, str(trial)], check=True)
    whole = time.monotonic() - begun
    process = subprocess.Popen([*command, str(old)])
    time.sleep(whole * share)
    process.kill()
    process.wait()
    migrate(old)
    with Registry.open(old, read_only=True) as held:
        assert verify(held).holds
    assert old.with_name("r.schema-1.prov").read_bytes() == schema_1.read_bytes()
