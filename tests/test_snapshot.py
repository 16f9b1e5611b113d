"""A snapshot is a whole, consistent copy for others to read, whatever its writer does meanwhile."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from provenance.errors import ProvError
from registry import Declared, MixSpec, Registry, real_frac
from registry.copying import tables, workshop_of
from registry.snapshot import MANIFEST, README, TABLES, Taken
from registry.verify import verify

HUMAN = Declared(source="books", origin="human")  # type: ignore[arg-type]
SPEC = MixSpec(strata=real_frac(1.0), size=5, seed=3)


def fill(held: Registry, start: int = 0, rows: int = 10) -> None:
    held.add([{"id": str(n), "text": f"a human wrote {n}", "lang": "en"} for n in range(start, start + rows)], HUMAN)


@pytest.fixture(params=["snap.prov", "snap/"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/{request.param}"


def documents(target: str) -> Any:
    """How many documents plain DuckDB finds in a snapshot, and how many of their texts."""
    question = "SELECT count(*), count(content) FROM {} JOIN {} USING (text_id)"
    if target.endswith("/"):
        with duckdb.connect() as plain:
            return plain.execute(question.format(f"'{target}document.parquet'", f"'{target}text.parquet'")).fetchone()
    with duckdb.connect(target, read_only=True) as plain:
        return plain.execute(question.format("document", "text")).fetchone()


def left_over(target: str) -> list[str]:
    return [entry.name for entry in Path(target).parent.glob(".*")]


def test_a_folder_that_may_not_be_written_is_told_before_anything_is_noted(
    generations: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = generations.stats()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ProvError, match="may not be written"):
        generations.snapshot(tmp_path / "snap.prov")
    assert generations.stats() == before


# -- what is in it


def test_a_snapshot_is_the_registry_with_its_head_and_draws_the_same(generations: Registry, tmp_path: Path) -> None:
    told = generations.snapshot(tmp_path / "snap.prov")
    with Registry.open(tmp_path / "snap.prov", read_only=True) as snap:
        assert snap.stats() == generations.stats()
        assert snap.composition() == generations.composition()
        assert snap.mix(SPEC, dry_run=True).digest == generations.mix(SPEC, dry_run=True).digest
        assert not verify(snap).findings
        assert (told.head, told.documents) == (snap.stats()["head"], snap.stats()["documents"])


def test_a_folder_has_every_table_whole_with_its_columns_explained(generations: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "snap"
    told = generations.snapshot(folder)
    readme, manifest = (folder / README).read_text(encoding="utf-8"), json.loads((folder / MANIFEST).read_text())
    for name in tables(generations):
        rows = generations.connection.table(name)
        assert pq.read_table(folder / f"{name}.parquet").equals(rows.to_arrow_table())
        assert manifest["tables"][name] == len(rows)
        for column in rows.columns:
            assert f"| {column} | " in readme
    assert (manifest["head"], manifest["registry"]) == (told.head, generations.setting("registry_id"))
    assert "| parent_id | BIGINT | document.document_id |" in readme


def test_every_table_is_explained(corpus: Registry) -> None:
    assert tables(corpus) == sorted(TABLES)


def test_without_texts_there_is_all_but_their_contents(corpus: Registry, target: str) -> None:
    fill(corpus)
    corpus.snapshot(target, texts=False)
    assert documents(target) == (10, 0)
    assert corpus.connection.execute("SELECT count(*) FROM handed_out").fetchone() == (0,)
    if not target.endswith("/"):
        with Registry.open(target, read_only=True) as snap:
            assert snap.mix(SPEC, dry_run=True).digest == corpus.mix(SPEC, dry_run=True).digest
            assert not verify(snap).findings


@pytest.mark.slow
def test_a_snapshot_with_texts_is_noted_among_the_files_that_were_handed_out(corpus: Registry, target: str) -> None:
    fill(corpus)
    head = None
    for start in (100, None, 200):
        if start:
            fill(corpus, start)
        corpus.snapshot(target)
        assert start is not None or corpus.head() == head  # nothing came since: it is noted already
        head = corpus.head()
    found = corpus.withdraw("200", reason="asked to").handed_out
    assert {row["path"] for row in found} == {str(Path(target))}


# -- while the writer works


def test_it_is_read_while_the_writer_goes_on(corpus: Registry, target: str) -> None:
    fill(corpus)
    corpus.snapshot(target)
    fill(corpus, 10)
    code = f"""
import duckdb
source = {target!r}
if source.endswith("/"):
    print(duckdb.connect().execute(f"SELECT count(*) FROM '{{source}}document.parquet'").fetchone()[0])
else:
    print(duckdb.connect(source, read_only=True).execute("SELECT count(*) FROM document").fetchone()[0])
"""
    reader = [sys.executable, "-c", code]
    assert subprocess.run(reader, capture_output=True, text=True, check=True).stdout == "10\n"
    corpus.snapshot(target)
    assert subprocess.run(reader, capture_output=True, text=True, check=True).stdout == "20\n"


@pytest.mark.slow
def test_a_reader_of_the_old_one_reads_on_when_a_new_one_takes_its_place(corpus: Registry, tmp_path: Path) -> None:
    fill(corpus)
    corpus.snapshot(tmp_path / "snap.prov")
    corpus.snapshot(tmp_path / "snap")
    code = f"""
import duckdb
reading = duckdb.connect({str(tmp_path / "snap.prov")!r}, read_only=True)
with open({str(tmp_path / "snap" / "document.parquet")!r}, "rb") as old:
    print("open", flush=True)
    input()
    print(reading.execute("SELECT count(*) FROM document").fetchone()[0], len(old.read()) > 0)
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        fill(corpus, 10)
        with open(tmp_path / "snap.prov", "rb") as old:
            content = old.read()
            corpus.snapshot(tmp_path / "snap.prov")
            assert old.seek(0) == 0
            assert old.read() == content
        corpus.snapshot(tmp_path / "snap")
        assert reader.communicate("\n")[0] == "10 True\n"
    assert documents(f"{tmp_path}/snap.prov") == documents(f"{tmp_path}/snap/") == (20, 20)


def test_it_shows_what_is_committed_and_nothing_of_an_act_that_goes_on(corpus: Registry, target: str) -> None:
    fill(corpus)
    corpus.snapshot(target)
    seen = []

    def look(rows: int) -> None:
        corpus.snapshot(target, texts=False)  # leaves no note, which would be an act within the act
        seen.append(documents(target)[0])

    rows = ({"id": str(n), "text": f"later {n}"} for n in range(20))
    corpus.add(rows, HUMAN, progress=look)
    assert set(seen) == {10}
    corpus.snapshot(target)
    assert documents(target) == (30, 30)


# -- what it may replace


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("full/", lambda path: (path.mkdir(), (path / "mine.txt").write_text("mine")), "is no snapshot of prov"),
        ("file", lambda path: path.write_text("mine"), "it is a file"),
        ("file.prov", lambda path: path.write_text("mine"), "is no prov registry"),
        ("other.prov", lambda path: Registry.create(path).close(), "it is another registry"),
        ("none/snap.prov", lambda path: None, "make it first"),
    ],
)
def test_what_is_no_snapshot_of_this_registry_is_not_replaced(
    corpus: Registry, tmp_path: Path, name: str, make: Callable[[Path], Any], told: str
) -> None:
    make(tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != corpus.path}
    with pytest.raises(ProvError, match=told):
        corpus.snapshot(f"{tmp_path}/{name}")
    for path, content in before.items():
        assert path.read_bytes() == content
    assert left_over(f"{tmp_path}/{name}") == []


def test_the_registry_itself_and_a_copy_that_has_grown_are_not_replaced(corpus: Registry, tmp_path: Path) -> None:
    fill(corpus)
    with pytest.raises(Taken, match="this very registry"):
        corpus.snapshot(corpus.path)
    corpus.snapshot(tmp_path / "snap.prov")
    with Registry.open(tmp_path / "snap.prov") as copy:
        fill(copy, 10)
    with pytest.raises(Taken, match="grown by itself"):
        corpus.snapshot(tmp_path / "snap.prov")
    assert documents(f"{tmp_path}/snap.prov") == (20, 20)


# -- what goes wrong


CHILD = """
import resource, signal, sys
from registry import Registry
path, target, limit = sys.argv[1:]
with Registry.open(path, read_only=True) as held:
    if int(limit):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        held.snapshot(target, progress=lambda rows: print("going", flush=True) if int(limit) else input("going\\n"))
    except Exception as error:
        print(type(error).__name__, error)
"""


def child(corpus: Registry, target: str, limit: int = 0) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    arguments = [sys.executable, "-c", CHILD, str(corpus.path), target, str(limit)]
    return subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_line_and_the_old_one_stays(corpus: Registry, target: str) -> None:
    fill(corpus, rows=300)
    corpus.snapshot(target)
    fill(corpus, 300, rows=300)
    corpus.close()
    limit = 4096 if Path(target).is_dir() else Path(target).stat().st_size // 2
    with child(corpus, target, limit) as writing:
        output = writing.communicate()[0].splitlines()
    assert output[-1].startswith(f"ProvError cannot write {target.rstrip('/')}: ")
    assert documents(target) == (300, 300)
    assert left_over(target) == []


@pytest.mark.slow
def test_one_that_is_killed_leaves_the_old_one_and_the_next_cleans_up(corpus: Registry, target: str) -> None:
    fill(corpus)
    corpus.snapshot(target)
    fill(corpus, 10)
    corpus.close()
    with child(corpus, target) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == "going\n"
        with (
            Registry.open(corpus.path, read_only=True) as held,
            pytest.raises(ProvError, match="being written already"),
        ):
            held.snapshot(target)
        writing.kill()
    assert documents(target) == (10, 10)
    assert left_over(target) == [workshop_of(Path(target)).name]
    with Registry.open(corpus.path) as held:
        held.snapshot(target)
    assert documents(target) == (20, 20)
    assert left_over(target) == []


def test_an_old_folder_whose_name_a_killed_run_had_taken_away_gets_it_back(corpus: Registry, tmp_path: Path) -> None:
    fill(corpus)
    folder = tmp_path / "snap"
    corpus.snapshot(folder)
    workshop_of(folder).mkdir()
    shutil.move(folder, workshop_of(folder) / "old")
    with pytest.raises(KeyboardInterrupt):
        corpus.snapshot(folder, progress=_interrupt)
    assert documents(f"{folder}/") == (10, 10)


def _interrupt(rows: int) -> None:
    raise KeyboardInterrupt


# -- the command


def prov(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "provenance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.mark.slow
def test_the_command_names_the_writer_that_holds_the_registry(corpus: Registry, tmp_path: Path) -> None:
    fill(corpus)
    holding = (
        f"from registry import Registry; held = Registry.open({str(corpus.path)!r}); print('open', flush=True); input()"
    )
    corpus.close()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", holding], stdin=pipe, stdout=pipe, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        done = prov(tmp_path, "snapshot", "snap.prov", "--registry", str(corpus.path))
        assert (done.returncode, str(writer.pid) in done.stderr, done.stderr.count("\n")) == (1, True, 1)
        writer.communicate("\n")


def test_the_command_publishes_and_says_what(corpus: Registry, tmp_path: Path) -> None:
    fill(corpus)
    corpus.close()
    done = prov(tmp_path, "snapshot", "snap/", "--registry", str(corpus.path), "--json")
    told = json.loads(done.stdout)
    with Registry.open(corpus.path, read_only=True) as held:
        assert (told["documents"], told["head"]) == (10, held.stats()["head"])
        assert held.connection.execute("SELECT kind, path FROM handed_out").fetchall() == [
            ("snapshot", str(tmp_path / "snap"))
        ]
    assert documents(f"{tmp_path}/snap/") == (10, 10)
