"""Whatever is changed in a registry is found, and named; what was not touched holds."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from provenance.errors import ProvError
from provenance.origin import Origin, document_digest, text_digest
from registry import Declared, MixSpec, Registry, ratio, real_frac
from registry.declare import Statement
from registry.past import past
from registry.store import Batch, Store
from registry.verify import CHECKS, MOST, Act, Verified, carry_out, verify
from registry.where import Where
from registry.writers import Export


def fill(held: Registry, folder: Path) -> None:
    """A row in every table: all acts that there are, on a few texts."""
    held.tokenize(letters(folder / "letters.json"))
    human = [
        {"id": f"h{n}", "text": f"human {n}", "license": ["cc-by", "mit"][n % 2], "lang": "en", "created": "2024-01-02"}
        | {"url": f"https://example.org/{n}"}
        for n in range(24)
    ]
    held.add(
        human, Declared(origin=Origin.HUMAN, source="books", url="https://books.example", by="me", evidence="seen")
    )
    held.add([{"id": f"f{n}", "text": f"far {n}", "generation": 1} for n in range(8)], FAR)
    first = held.mix(MixSpec(strata=ratio("human=0.75,gen1=0.25"), where=Where.parse("words > 1"), size=16, seed=1))
    held.record_model("one", mix=first.mix, spec={"order": 3}, seed=1, path="/weights/one")
    run = held.record_run("one", {"temperature": 1.0}, 1).digest.hex()
    held.add([{"id": f"o{n}", "text": f"one {n}", "prompt_of": f"f{n % 8}"} for n in range(16)], run=run)
    held.record_model("two", base="one", mix=first.mix, seed=2)
    held.annotate([sidecar(folder / "quality.jsonl")])
    held.declare(Statement(origin="unknown", by="they", evidence="told", precedence=1), where=Where.parse("id = 'h3'"))
    held.add([{"id": f"e{n}", "text": f"exam {n}"} for n in range(4)], Declared(source="exams", origin=Origin.HUMAN))
    held.hold_out("test", where=Where.parse("id = 'e1'"))
    held.hold_out("exam", source="exams")
    held.add([{"id": "n1", "text": "EXAM, 2!"}], Declared(source="near", origin=Origin.HUMAN))
    held.withdraw("h5", reason="asked")
    held.withdraw("h6", reason="asked", erase=True)
    strata = real_frac(0.5)
    second = held.mix(MixSpec(strata=strata, size=8, seed=2, where=Where.parse("quality > 1 OR words = 2")))
    held.export(second.mix, Export(folder / "mix.jsonl"))
    measured = {"arm": ["replace"], "generation": [1], "repeat": [0], "metric": ["variance"], "value": [0.5]}
    drawn = pa.table({"arm": ["replace"], "generation": [1], "repeat": [0], "svg": ["<svg/>"]})
    held.measure(b"e" * 32, "first", {"name": "first"}, pa.table(measured), drawn)
    watermark(held)
    merge(held, folder)


FAR = Declared(origin=Origin.MODEL, generator="far", source="far")


def letters(path: Path) -> str:
    made = tokenizers.Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.save(str(path))
    return str(path)


def sidecar(path: Path) -> Path:
    rows = [
        {"id": f"h{n}", "quality": n / 10, "good": n > 3, "note": "x", "seen": "2024-01-02T03:04:05"} for n in range(24)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def watermark(held: Registry) -> None:
    """What detecting and attributing leave behind: a key, what documents score by it, a detector, attributions."""
    documents = held.connection.execute(
        "SELECT document_id FROM document WHERE item IN ('h3', 'o1') ORDER BY item"
    ).fetchall()
    ids = pa.array([document for (document,) in documents], pa.int64())
    with held.batch("detect") as batch:
        batch.documents = len(ids)
        key = {"key_id": ["k1"], "scheme": ["kgw"], "parameters": ["{}"], "tokenizer_digest": [b"t" * 32]}
        held.insert("watermark_key", rows_of(batch, **key))
        scores = {"scored": [12, 30], "score": [0.1 + 0.2, 0.75], "z": [-1.5, 5.0], "p": [0.9, 1e-300]}
        passage = {"first_char": pa.array([None, 2], pa.int64()), "last_char": pa.array([None, 5], pa.int64())}
        held.insert("detection", rows_of(batch, document_id=ids, key_id=["k1", "k1"], **scores, **passage))
    with held.batch("attribute") as batch:
        batch.documents = len(ids)
        held.insert("detector", rows_of(batch, digest=[b"d" * 32], name=["plain"], content=[b"weights"], report=["{}"]))
        said = {"p_model": [0.1, 0.7], "evidence": ['[{"kind":"prior","bits":-1.5}]', "[]"]}
        held.insert("attribution", rows_of(batch, document_id=ids, **said))


def rows_of(batch: Batch, **columns: Any) -> pa.Table:
    """Rows that a batch declares, in the order of their table's columns."""
    count = len(next(iter(columns.values())))
    return pa.table({**columns, "batch_id": pa.repeat(pa.scalar(batch.batch_id, pa.int64()), count)})


def merge(held: Registry, folder: Path) -> None:
    with Registry.create(folder / "other.prov") as other:
        other.add([{"id": f"x{n}", "text": f"elsewhere {n}"} for n in range(4)], Declared(source="other"))
        other.add([{"id": f"y{n}", "text": f"elsewhere {n}"} for n in range(4)], Declared(source="other"))
    held.merge(folder / "other.prov")


@pytest.fixture(scope="session")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a registry with rows in every table; copy it, never open it for writing."""
    folder = tmp_path_factory.mktemp("verify")
    with Registry.create(folder / "all.prov") as held:
        fill(held, folder)
    return folder / "all.prov"


@pytest.fixture(scope="module")
def shared(filled_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with rows in every table, for tests that roll back what they change."""
    copy = shutil.copy(filled_once, tmp_path_factory.mktemp("shared") / "all.prov")
    with Registry.open(copy) as held:
        yield held


def tampered(held: Registry, *statements: str) -> Verified:
    """What verifying finds after somebody changed the tables by hand; all is as before afterwards."""
    held.connection.begin()
    try:
        for statement in statements:
            held.connection.execute(statement)
        return verify(held)
    finally:
        held.connection.rollback()


def is_found(held: Registry, statement: str) -> bool:
    """Whether any check finds a change, the quick ones tried first; all is as before afterwards."""
    act = Act(held, lambda done: None, Verified())
    held.connection.begin()
    try:
        held.connection.execute(statement)
        for name, check in sorted(
            CHECKS.items(), key=lambda item: item[0] in ("chain", "texts", "token counts", "mixes")
        ):
            carry_out(act, name, check)
            if act.result.findings:
                return True
        return False
    finally:
        held.connection.rollback()


def places(found: Verified) -> str:
    return "\n".join(map(str, found.findings))


# -- what was not touched


def test_a_registry_with_every_kind_of_row_holds(shared: Registry) -> None:
    found = verify(shared)
    assert (found.findings, found.notes) == ([], [])
    counted = {name: count for (name,) in shared.ask("tables") if (count := len(shared.connection.table(name)))}
    assert counted.keys() == {name for (name,) in shared.ask("tables")}, "a table has no row, so nothing is tried on it"
    assert found.checked["batches"] == counted["batch"]
    assert found.checked["mixes_drawn_again"] == counted["mix"] == 2


def test_three_generations_hold(generations: Registry) -> None:
    found = verify(generations)
    assert (found.findings, found.notes) == ([], [])
    assert found.checked["mixes_drawn_again"] == 3


def test_an_empty_registry_holds(corpus: Registry) -> None:
    assert verify(corpus).holds


def test_verifying_changes_nothing(filled_once: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(filled_once, tmp_path / "r.prov"))
    before = copy.read_bytes()
    with Registry.open(copy, read_only=True) as held:
        assert held.verify().holds
    assert copy.read_bytes() == before


# -- one cell of every table


@dataclass(frozen=True)
class Change:
    """A cell to change, to what, and the words of a finding that names the place."""

    table: str
    column: str
    value: str
    place: str

    @property
    def statement(self) -> str:
        return (
            f"UPDATE {self.table} SET {self.column} = {self.value} WHERE rowid = (SELECT max(rowid) FROM {self.table} "
            f"WHERE {self.column} IS NOT NULL)"
        )

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


CHANGES = [
    Change("text", "content", "content || ' '", "text "),
    Change("document", "digest", "unhex(sha256(digest))", "document "),
    Change("document", "words", "words + 1", "words, but its documents say"),
    Change("mix_document", "stratum", "1 - stratum", "drawn again"),
]
SLOW_CHANGES = [
    Change("batch", "content_digest", "unhex(sha256('x'))", "batch "),
    Change("batch", "previous_digest", "unhex(sha256('x'))", "does not follow"),
    Change("batch", "digest", "unhex(sha256('x'))", "batch "),
    Change("batch", "kind", "'mixed'", "batch "),
    Change("batch", "made_at", "made_at + INTERVAL 1 SECOND", "batch "),
    Change("batch", "tool_version", "'9'", "batch "),
    Change("text", "content", "NULL", "no withdrawal erased it"),
    Change("text", "digest", "unhex(sha256(digest))", "text "),
    Change("document", "item", "item || 'x'", "its digest is not that of its text"),
    Change("document", "origin", "'mixed'", "declaration in force"),
    Change("document", "generation", "9", "not what its lineage makes it"),
    Change("document", "generation_exact", "NOT generation_exact", "not what its lineage makes it"),
    Change("document", "declared_generation", "9", "declaration in force"),
    Change("document", "rank", "rank + 1", "its rank"),
    Change("document", "bytes", "bytes + 1", "bytes, but its documents say"),
    Change("document", "url", "'https://elsewhere'", "batch "),
    Change("document", "created_at", "created_at + INTERVAL 1 SECOND", "batch "),
    Change("document", "metadata", """'{"lang":"de"}'""", "batch "),
    Change("declaration", "origin", "'mixed'", "batch "),
    Change("declaration", "declared_by", "'somebody'", "batch "),
    Change("declaration", "precedence", "2", "batch "),
    Change("derivation", "relation", "'quote'", "batch "),
    Change("source", "url", "'https://elsewhere'", "batch "),
    Change("source", "name", "name || 'x'", "its digest is not that of its text"),
    Change("license", "name", "'gpl'", "batch "),
    Change("tokenizer", "content", "content || ' '", "tokenizer letters.json"),
    Change("length", "tokens", "tokens + 1", "tokens of letters.json, not"),
    Change("model", "name", "'another'", "model another"),
    Change("model", "base_model_id", "model_id", "model two"),
    Change("model", "generation", "9", "model "),
    Change("run", "seed", "seed + 1", "run "),
    Change("run", "spec", """'{"temperature":2}'""", "run "),
    Change("mix", "spec", """'{"strata":[]}'""", "mix "),
    Change("mix", "as_of_batch_id", "as_of_batch_id - 1", "mix "),
    Change("mix_document", "position", "position + 1", "numbered without gaps"),
    Change("mix_document", "document_id", "1 + document_id % 20", "its digest is not that of its spec"),
    Change("mix_composition", "documents", "documents + 1", "mix "),
    Change("mix_composition", "as_drawn", "NOT as_drawn", "mix "),
    Change("mix_parent", "steps", "steps + 1", "mix "),
    Change("field", "name", "'language'", "field lang"),
    Change("annotated_field", "kind", "'text'", "batch "),
    Change("annotation", "number", "number + 1", "batch "),
    Change("holdout", "name", "'exams'", "batch "),
    Change("holdout_source", "name", "'exams'", "batch "),
    Change("near_holdout", "jaccard", "0.9", "batch "),
    Change("near_holdout", "near_id", "(SELECT min(text_id) FROM holdout)", "batch "),
    Change("withdrawal", "reason", "'no reason'", "batch "),
    Change("withdrawal", "erased", "false", "no withdrawal erased it"),
    Change("erased", "row_digest", "sha256('x')", "batch "),
    Change("handed_out", "path", "'/elsewhere'", "batch "),
    Change("experiment", "spec", """'{"name":"other"}'""", "batch "),
    Change("measurement", "value", "value + 0.1", "batch "),
    Change("picture", "svg", "'<svg></svg>'", "batch "),
    Change("watermark_key", "parameters", """'{"context":2}'""", "batch "),
    Change("watermark_key", "tokenizer_digest", "unhex(sha256('x'))", "batch "),
    Change("watermark_key", "key_id", "'k2'", "it names watermark_key k1, which is not there"),
    Change("detection", "key_id", "'k2'", "it names watermark_key k2, which is not there"),
    Change("detection", "p", "nextafter(p, 1::DOUBLE)", "batch "),
    Change("detection", "last_char", "last_char + 1", "batch "),
    Change("detector", "content", "encode('others')", "batch "),
    Change("detector", "report", """'{"auc":1}'""", "batch "),
    Change("attribution", "p_model", "nextafter(p_model, 1::DOUBLE)", "batch "),
    Change("attribution", "evidence", """'[{"kind":"prior"}]'""", "batch "),
    Change("attribution", "document_id", "document_id + 1", "batch "),
    Change("merged_batch", "tool_version", "'9'", "of the merged registry"),
    Change("merged_batch", "previous_digest", "unhex(sha256('x'))", "of the merged registry"),
]
HALF_SLOW = [*CHANGES, *(pytest.param(change, marks=pytest.mark.slow) for change in SLOW_CHANGES)]


@pytest.mark.parametrize("change", HALF_SLOW, ids=str)
def test_one_changed_cell_is_found_and_named(shared: Registry, change: Change) -> None:
    assert change.place in places(tampered(shared, change.statement))


CHAINED = (
    *("batch", "text", "document", "declaration", "derivation", "source", "license", "tokenizer", "length", "model"),
    *("run", "mix", "mix_document", "mix_composition", "mix_parent", "field", "annotated_field", "annotation"),
    *("holdout", "holdout_source", "near_holdout", "withdrawal", "erased", "handed_out", "experiment", "measurement"),
    *("picture", "watermark_key", "detection", "detector", "attribution", "merged_batch"),
)


@pytest.mark.slow
@pytest.mark.parametrize("table", CHAINED)
def test_a_deleted_row_is_found(shared: Registry, table: str) -> None:
    assert is_found(shared, f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")


@pytest.mark.slow
@pytest.mark.parametrize("table", CHAINED)
def test_an_added_row_is_found(shared: Registry, table: str) -> None:
    assert is_found(shared, f"INSERT INTO {table} SELECT * FROM {table} ORDER BY rowid DESC LIMIT 1")


UNCHAINED = {
    ("batch", "input_digest"): "marks a file as done for --commit-each-file; nothing else follows from it",
    ("model", "path"): "weights move",
    ("setting", "name"): "what the registry is called, and how a copy was made",
    ("migration", "name"): "its digest says what was done",
    ("migration", "applied_at"): "its digest says what was done",
    ("migration", "version"): "checked when a registry is opened",
    ("migration", "digest"): "checked when a registry is opened",
}
"""Cells that may change without a finding, and why."""

OTHER_VALUES = {
    "BIGINT": "(SELECT coalesce(max({0}) FILTER ({0} <> held.{0}), held.{0} + 1) FROM {1})",
    "INTEGER": "{0} + 1",
    "UBIGINT": "{0} + 1",
    "UINTEGER[]": "{0} || [1::UINTEGER]",
    "UBIGINT[]": "{0} || [1::UBIGINT]",
    "DOUBLE": "{0} + 0.5",
    "VARCHAR": "{0} || 'x'",
    "BLOB": "unhex(sha256({0}))",
    "BOOLEAN": "NOT {0}",
    "TIMESTAMP": "{0} + INTERVAL 1 SECOND",
    "JSON": """'{{"x":1}}'""",
}
"""Another value of each type; of an id preferably one that stands elsewhere in its column."""


def columns() -> list[tuple[str, str, str]]:
    with Store.empty(":memory:") as store:
        held = [(place, definition) for place, definition in store.ask("schema_objects") if place.startswith("column ")]
        views = {name for (name,) in store.connection.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    split = [
        (*place.removeprefix("column ").split("."), definition.removesuffix(" NOT NULL")) for place, definition in held
    ]
    return [(table, column, kind) for table, column, kind in sorted(split) if table not in views]


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column", "kind"), columns(), ids=lambda value: value)
def test_no_cell_of_any_table_can_be_changed_unseen(shared: Registry, table: str, column: str, kind: str) -> None:
    held = shared.connection.execute(f"SELECT max(rowid) FROM {table} WHERE {column} IS NOT NULL").fetchall()[0][0]
    if held is None:
        pytest.skip("no row has a value there")
    value = OTHER_VALUES[kind].format(column, table)
    found = is_found(shared, f"UPDATE {table} AS held SET {column} = {value} WHERE rowid = {held}")
    assert found == ((table, column) not in UNCHAINED)


# -- what the command says


def prov(registry: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "provenance", "--registry", str(registry), "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_finding_is_a_line_and_exit_3(filled_once: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(filled_once, tmp_path / "r.prov"))
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE document SET url = 'https://elsewhere' WHERE item IN ('h1', 'h2')")
        connection.execute("UPDATE text SET content = content || '!' WHERE content LIKE 'one %'")
    done = prov(copy, "--json")
    assert done.returncode == 3
    said = json.loads(done.stdout)
    assert not said["holds"]
    assert said["findings"][0]["place"].startswith("batch ")
    told = [finding["what"] for finding in said["findings"] if finding["place"].startswith("text ")]
    assert told.count("its content is not the one that its digest names") == MOST
    assert told.count("this and 5 more like these") == 2  # of the contents, and of the token counts


def test_a_head_that_was_kept_is_the_head_or_a_link_or_a_finding(shared: Registry) -> None:
    chain = [link["digest"].hex() for link in shared.ask_records("chain")]
    assert (verify(shared, chain[-1]).findings, verify(shared, chain[-1]).notes) == ([], [])
    (note,) = verify(shared, chain[2][:12]).notes
    assert str(note) == f"head: {chain[2][:12]} was the head, {len(chain) - 3} batches came after"
    (finding,) = verify(shared, "beef" * 16).findings
    assert finding.place == "head"
    merged = shared.ask_records("merged_links")[0]["digest"].hex()
    assert "merged in" in str(verify(shared, merged).notes[0])


def test_a_dropped_or_changed_table_is_found(filled_once: Path, tmp_path: Path) -> None:
    for change, place in (
        ("DROP TABLE annotation", "column annotation.flag"),
        ("ALTER TABLE document ALTER words TYPE INTEGER", "column document.words"),
        ("CREATE OR REPLACE MACRO netstring(value) AS 'x'", "macro netstring"),
    ):
        with Registry.open(shutil.copy(filled_once, tmp_path / "r.prov")) as held:
            held.connection.execute(change)
            assert place in [finding.place for finding in verify(held).findings]


@pytest.mark.slow
def test_a_pending_rewrite_is_found(shared: Registry) -> None:
    assert "erasure was not finished" in places(tampered(shared, "INSERT INTO setting VALUES ('rewrite_pending', '1')"))


# -- the past


@pytest.mark.slow
def test_the_past_is_what_was_before_something_was_declared(generations: Registry) -> None:
    def documents(held: Store) -> list[Any]:
        question = "SELECT digest, origin, generation, generation_exact, model_id FROM document ORDER BY digest"
        return held.connection.execute(question).fetchall()

    before, (batch_id, _) = documents(generations), generations.ask("last_batch")[0]
    generations.declare(Statement(origin="model", generator="nobody", by="me"), where=Where.parse("source = 'wiki'"))
    generations.add([{"id": "later", "text": "later"}])
    assert documents(generations) != before
    with past(generations, batch_id) as then:
        assert documents(then) == before
    assert verify(generations).holds


# -- what DuckDB computes is what Python does


@given(
    st.lists(st.tuples(st.text(), st.none() | st.text(), st.binary(min_size=32, max_size=32), st.text()), min_size=1)
)
@settings(max_examples=30, deadline=None)
def test_sql_identifies_documents_as_python_does(
    shared: Registry, parts: list[tuple[str, str | None, bytes, str]]
) -> None:
    columns = zip(
        *((text_digest(text).hex(), source, run.hex(), item) for text, source, run, item in parts), strict=True
    )
    table = pa.table(
        dict(zip(("text", "source", "run", "item"), (pa.array(c, pa.string()) for c in columns), strict=True))
    )
    with shared.lend(parts=table):
        found = shared.connection.execute("SELECT document_digest(text, source, run, item) FROM parts").fetchall()
    assert [digest for (digest,) in found] == [
        document_digest(text_digest(text), source, run, item) for text, source, run, item in parts
    ]


@pytest.mark.parametrize("act", ["stats", "verify"])
def test_a_damaged_file_is_told_in_one_line_or_found(generations: Registry, act: str) -> None:
    """A byte of each block is turned; what DuckDB reads of it does not fit its checksum any more."""
    generations.close()
    content = bytearray(generations.path.read_bytes())
    for place in range(16_384, len(content), 4_096):
        content[place] ^= 1
    generations.path.write_bytes(content)
    with (
        pytest.raises(ProvError, match=r"damaged file|cannot open") as raised,
        Registry.open(generations.path, read_only=True) as held,
    ):
        getattr(held, act)()
    assert len(str(raised.value).splitlines()) == 1
