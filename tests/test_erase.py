"""An erased text is gone from every file of the registry, its digests stay, and the chain still holds."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import registry.erase
import registry.store
from provenance.errors import ProvError
from provenance.origin import Origin, text_digest
from registry import Declared, Export, MixSpec, Registry, ratio
from registry.audit import find_document
from registry.copying import copy_file
from registry.erase import NotRewritten
from registry.store import REWRITE_PENDING, Store

SECRET, NOTE, KEPT = "Sesame, open thyself up wide", "told by the forty thieves", "A tale that stays where it is"
HUMAN = Declared(origin=Origin.HUMAN, source="tales", license="cc-by")
TALES = MixSpec(strata=ratio("human=1"))


UNCOMPRESSED = registry.store.CONFIG | {"force_compression": "uncompressed"}


@pytest.fixture(scope="session")
def tales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `plain`, made once; copy it, never open it for writing."""
    path = tmp_path_factory.mktemp("tales") / "tales.prov"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry.store, "CONFIG", UNCOMPRESSED)
        with Registry.create(path) as held:
            rows = [{"id": "secret", "text": SECRET, "note": NOTE}, {"id": "kept", "text": KEPT, "note": "fine"}]
            held.add(rows, HUMAN)
            held.mix(TALES)
    return path


@pytest.fixture
def plain(tales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry whose file shows every text as it is: nothing is compressed, now or when it is written anew.

    It holds the secret, with a note in its metadata, a text that stays, and a mix of both.
    """
    monkeypatch.setattr(registry.store, "CONFIG", UNCOMPRESSED)
    with Registry.open(shutil.copy(tales, tmp_path / "plain.prov")) as held:
        yield held


def annotated(held: Registry, item: str, value: str) -> None:
    """Annotate a document, as an act of its own."""
    with held.batch("annotate") as batch:
        document_id = find_document(held, item)
        field = [1, "remark", "text", batch.batch_id]
        held.connection.execute("INSERT INTO annotated_field VALUES (?, ?, ?, ?)", field)
        held.connection.execute(
            "INSERT INTO annotation VALUES (?, 1, ?, ?, NULL, NULL, NULL)", [document_id, batch.batch_id, value]
        )


def bytes_of(folder: Path) -> bytes:
    """All that lies in a folder, hidden and temporary files too."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def chain_holds(held: Registry) -> bool:
    batches = held.connection.execute("SELECT batch_id, made_at, content_digest FROM batch").fetchall()
    return all(held.content_digest(batch_id, made_at) == digest for batch_id, made_at, digest in batches)


def texts(held: Registry, mix: str) -> list[str]:
    return [text for batch in held.texts(mix) for text in batch.column("text").to_pylist()]


def newest_mix(held: Registry) -> str:
    return str(held.list("mixes")[0]["digest"])


def test_erased_bytes_are_gone_from_every_file_and_the_chain_holds(plain: Registry, tmp_path: Path) -> None:
    annotated(plain, "secret", f"once {NOTE}, twice {NOTE}")
    plain.close()
    plain.reconnect()  # what was in the write-ahead log is in the file now
    before = bytes_of(tmp_path)
    assert all(part.encode() in before for part in (SECRET, NOTE, KEPT, "fine"))
    links = plain.list("batches")

    done = plain.withdraw("secret", text=True, erase=True, reason="asked by the author")

    assert done.erasure is not None
    assert (done.erasure.texts, done.erasure.metadata, done.erasure.annotations, done.erasure.refused) == (1, 1, 1, 0)
    for moment in ("open", "closed"):
        after = bytes_of(tmp_path)
        assert KEPT.encode() in after, moment
        assert SECRET[:12].encode() not in after, moment
        assert NOTE[:12].encode() not in after, moment
        if moment == "open":
            assert chain_holds(plain)
            assert plain.list("batches")[1:] == links
            assert plain.show("secret")[0]["text"] is None
            assert plain.show("secret")[0]["text_digest"] == text_digest(SECRET).hex()
            assert plain.setting(REWRITE_PENDING) is None
            plain.add([{"id": "new", "text": "the registry is usable"}], HUMAN)
            plain.close()
    assert {path.name for path in tmp_path.iterdir()} == {"plain.prov"}
    plain.reconnect()


def test_a_text_that_another_document_holds_is_refused_and_the_document_named(plain: Registry) -> None:
    plain.add([{"id": "twin", "text": SECRET, "note": NOTE}], Declared(origin=Origin.HUMAN, source="copies"))
    first = plain.withdraw("secret", erase=True, reason="asked").erasure
    assert first is not None
    assert (first.texts, first.metadata, first.refused) == (0, 0, 1)
    assert [(row["item"], row["source"]) for row in first.kept_by] == [("twin", "copies")]
    assert plain.show("secret")[0]["text"] == SECRET
    second = plain.withdraw("twin", erase=True, reason="asked").erasure
    assert second is not None
    assert (second.texts, second.documents, second.metadata, second.refused) == (1, 2, 2, 0)
    assert chain_holds(plain)


@pytest.mark.parametrize("scope", ["source", pytest.param("license", marks=pytest.mark.slow)])
def test_a_source_or_licence_is_erased_with_all_its_documents(plain: Registry, scope: str) -> None:
    others = [{"id": "shared", "text": KEPT}, {"id": "own", "text": "their own"}]
    plain.add(others, Declared(origin=Origin.HUMAN, source="others", license="mit"))
    value = "tales" if scope == "source" else "cc-by"
    done = plain.withdraw(**{scope: value}, erase=True, reason="revoked").erasure
    assert done is not None
    assert (done.texts, done.refused, [row["item"] for row in done.kept_by]) == (1, 1, ["shared"])
    assert plain.connection.execute("SELECT content FROM text ORDER BY text_id").fetchall() == [
        (None,),
        (KEPT,),
        ("their own",),
    ]
    assert chain_holds(plain)


@pytest.mark.slow
def test_a_withdrawal_may_be_followed_by_the_erasure_and_that_twice_changes_nothing(plain: Registry) -> None:
    plain.withdraw("secret", reason="asked")
    assert plain.show("secret")[0]["text"] == SECRET
    assert plain.withdraw("secret", erase=True, reason="asked").recorded
    head = plain.head()
    again = plain.withdraw("secret", erase=True, reason="asked")
    assert (again.recorded, again.documents, plain.head()) == (False, 1, head)


def test_a_dry_run_tells_all_and_erases_nothing(plain: Registry) -> None:
    head = plain.head()
    done = plain.withdraw("secret", erase=True, reason="asked", dry_run=True)
    assert done.erasure is not None
    assert (done.erasure.texts, done.recorded) == (1, False)
    assert (plain.head(), plain.show("secret")[0]["text"]) == (head, SECRET)
    assert plain.setting(REWRITE_PENDING) is None


@pytest.mark.slow
def test_an_erased_text_stays_erased_when_its_document_comes_again(plain: Registry) -> None:
    plain.withdraw("secret", text=True, erase=True, reason="asked")
    rows = [{"id": "secret", "text": SECRET, "note": NOTE}, {"id": "twin", "text": SECRET}]
    again = plain.add(rows, HUMAN)
    assert (again.known, again.withdrawn, again.added) == (1, 1, 0)
    assert plain.show("secret")[0]["text"] is None


def test_a_text_has_its_content_again_in_a_document_that_no_withdrawal_covers(plain: Registry) -> None:
    plain.withdraw("secret", erase=True, reason="this one alone")
    assert plain.add([{"id": "mine", "text": SECRET}], Declared(origin=Origin.HUMAN, source="mine")).added == 1
    assert plain.show("mine")[0]["text"] == SECRET
    assert plain.show("secret")[0]["metadata"] is None
    assert chain_holds(plain)
    assert plain.mix(TALES).total.documents == 2


# -- exports of older mixes


@pytest.mark.parametrize(
    "name",
    ["folder", *(pytest.param(name, marks=pytest.mark.slow) for name in ("out.jsonl", "out.parquet", "out.txt"))],
)
def test_exports_leave_erased_texts_out(plain: Registry, tmp_path: Path, name: str) -> None:
    import pyarrow.parquet as pq

    mix = newest_mix(plain)
    plain.withdraw("secret", erase=True, reason="asked")
    assert (plain.erased_of_mix(mix), texts(plain, mix)) == (1, [KEPT])
    path = plain.export(mix, Export(tmp_path / name, shards=2 if name == "folder" else 1))
    if name == "out.txt":
        assert path.read_text() == KEPT + "\n\n"
    elif name == "out.jsonl":
        assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == [KEPT]
    else:
        assert pq.read_table(path / "data" if name == "folder" else path).column("text").to_pylist() == [KEPT]
    if name == "folder":
        assert "1 of them were erased since" in (path / "README.md").read_text()


@pytest.mark.slow
def test_ids_are_exported_whole_and_a_mix_without_any_text_left_is_an_error(plain: Registry, tmp_path: Path) -> None:
    mix = newest_mix(plain)
    plain.withdraw(source="tales", erase=True, reason="asked")
    assert len(plain.export(mix, Export(tmp_path / "ids.jsonl", ids=True)).read_text().splitlines()) == 2
    with pytest.raises(ProvError, match="no text of mix"):
        plain.export(mix, Export(tmp_path / "out.jsonl"))


@pytest.mark.slow
def test_a_mix_with_erased_texts_travels_by_its_digest_and_what_is_left_is_taken_in_elsewhere(
    generations: Registry, empty: Path, tmp_path: Path
) -> None:
    first = generations.connection.execute(
        "SELECT item FROM mix_document JOIN document USING (document_id) WHERE mix_id = 1 ORDER BY position"
    ).fetchall()[0][0]
    generations.withdraw(first, text=True, erase=True, reason="asked")
    mix = generations.mix(MixSpec(strata=ratio("gen1=1"))).mix
    folder = generations.export(mix, Export(tmp_path / "whole", with_lineage=True))
    with Registry.open(shutil.copy(empty, tmp_path / "elsewhere.prov")) as elsewhere:
        elsewhere.ingest([folder])
        assert elsewhere.stats()["documents"] == 40 + 29
        models = {row["name"]: row for row in elsewhere.list("models")}
        assert (models["one"]["generation"], models["one"]["generation_exact"]) == (1, False)


# -- a rewrite that does not come to its end


def test_a_failed_rewrite_keeps_the_rules_and_is_made_up_for_at_the_next_opening(
    plain: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Store, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(registry.erase, "copy_file", full)
        with pytest.raises(NotRewritten, match="No space left on device; it needs free disk"):
            plain.withdraw("secret", erase=True, reason="asked")
        assert plain.setting(REWRITE_PENDING)
        assert plain.show("secret")[0]["text"] is None
        assert SECRET.encode() in bytes_of(tmp_path)
        plain.add([{"id": "new", "text": "it works on in the old file"}], HUMAN)
        plain.close()
        with pytest.warns(UserWarning, match="tried again when"), Registry.open(plain.path) as held:
            assert held.setting(REWRITE_PENDING)
    with Registry.open(plain.path, read_only=True) as held:
        assert held.setting(REWRITE_PENDING)
    with Registry.open(plain.path) as held:
        assert held.setting(REWRITE_PENDING) is None
        assert chain_holds(held)
        assert SECRET[:12].encode() not in bytes_of(tmp_path)
    plain.reconnect()


@pytest.mark.slow
def test_a_store_that_something_still_reads_is_not_rewritten_under_it(plain: Registry, tmp_path: Path) -> None:
    mix = newest_mix(plain)
    reading = plain.texts(mix, rows=1)
    next(reading)
    with pytest.raises(NotRewritten):
        plain.withdraw("secret", erase=True, reason="asked")
    assert sum(batch.num_rows for batch in reading) == 1  # what it began to read it reads to the end
    plain.close()
    with Registry.open(plain.path) as held:
        assert held.setting(REWRITE_PENDING) is None
    assert SECRET[:12].encode() not in bytes_of(tmp_path)
    plain.reconnect()


KILLED = """
import os, signal, sys
import registry.erase, registry.store
from registry import Registry
registry.store.CONFIG["force_compression"] = "uncompressed"
whole = registry.erase.copy_file
def dies(source, path):
    if sys.argv[2] == "after":
        whole(source, path)
    os.kill(os.getpid(), signal.SIGKILL)
registry.erase.copy_file = dies
with Registry.open(sys.argv[1]) as held:
    held.withdraw("secret", text=True, erase=True, reason="asked")
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_around_the_rewrite_leaves_a_registry_that_finishes_it(
    plain: Registry, tmp_path: Path, moment: str
) -> None:
    plain.close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(plain.path), moment], cwd=Path(__file__).parent.parent)
    assert killed.returncode == -signal.SIGKILL
    assert (SECRET.encode() in bytes_of(tmp_path)) == (moment == "before")
    with Registry.open(plain.path) as held:
        assert held.show("secret")[0]["text"] is None
        assert chain_holds(held)
        assert held.setting(REWRITE_PENDING) is None
    assert SECRET[:12].encode() not in bytes_of(tmp_path)
    assert KEPT.encode() in bytes_of(tmp_path)
    plain.reconnect()


def test_a_copy_of_a_registry_owes_no_rewrite(plain: Registry, tmp_path: Path) -> None:
    with plain.transaction():
        plain.run("insert_setting", name=REWRITE_PENDING, value="1")
    copy_file(plain, tmp_path / "copy.prov")
    with Registry.open(tmp_path / "copy.prov", read_only=True) as held:
        assert held.setting(REWRITE_PENDING) is None
