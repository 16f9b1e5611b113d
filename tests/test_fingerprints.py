"""Every text of a registry has its fingerprint, however it came in, and none that is gone has one."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pyarrow as pa
import pytest

from provenance.errors import ProvError
from provenance.fingerprint import DEFAULT, Bands, MinHashSpec, sign
from provenance.origin import Origin
from registry import Declared, Registry
from registry import fingerprints as module
from registry.fingerprints import NoFingerprints, wanted_sketcher

WORDS = " ".join(topics.values()).split()
HUMAN = Declared(origin=Origin.HUMAN, source="books")


def some_texts(count: int, length: int = 40) -> list[str]:
    chance = random.Random(count)
    return [" ".join(chance.choices(WORDS, k=length)) for _ in range(count)]


def lines(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    return path


def held_by(corpus: Registry) -> dict[str, tuple[list[int], list[int]]]:
    """The signature and the keys of each text."""
    rows = corpus.connection.sql(
        "SELECT content, signature, keys FROM fingerprint JOIN text USING (text_id)"
    ).fetchall()
    return {content: (signature, keys) for content, signature, keys in rows}


def assert_right(corpus: Registry, texts: list[str], spec: MinHashSpec = DEFAULT) -> None:
    held, bands = held_by(corpus), Bands.choose(spec.threshold, spec.num_perm)
    assert held.keys() == set(texts)
    for text in texts:
        signature = sign(text, spec)
        assert held[text] == (signature.tolist(), bands.keys(signature[None])[0].tolist())


# -- made with every act that brings texts


def test_rows_and_files_bring_texts_with_their_fingerprints(corpus: Registry, tmp_path: Path) -> None:
    texts = some_texts(600)
    corpus.add([{"text": text} for text in texts[:50]], HUMAN)
    corpus.ingest([lines(tmp_path / "rows.jsonl", texts)], HUMAN)  # by the block, 50 of them known
    assert_right(corpus, texts)
    assert corpus.fingerprints()["missing"] == 0
    assert corpus.verify().holds


def test_a_text_that_two_documents_have_has_one_fingerprint(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "the same"}, {"id": "b", "text": "the same"}], HUMAN)
    corpus.add([{"id": "c", "text": "the same"}], HUMAN)
    assert_right(corpus, ["the same"])


def test_a_text_without_a_word_has_an_empty_signature_and_no_keys(corpus: Registry) -> None:
    corpus.add([{"text": "…"}, {"text": "words"}], HUMAN)
    assert held_by(corpus)["…"] == ([2**32 - 1] * 128, [])
    assert corpus.fingerprints()["without_words"] == 1


def test_rows_that_are_left_out_leave_no_fingerprint(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "good"}, {"id": "b", "text": "bad", "parents": ["none such", "b"]}], skip_bad=True)
    assert_right(corpus, ["good"])


def test_a_dry_run_leaves_none(corpus: Registry) -> None:
    corpus.add([{"text": "some words"}], HUMAN, dry_run=True)
    assert held_by(corpus) == {}


def test_an_erased_text_loses_its_fingerprint_and_has_it_again_when_it_comes_back(corpus: Registry) -> None:
    corpus.add([{"id": "a", "text": "gone soon"}, {"id": "b", "text": "here to stay"}], HUMAN)
    corpus.withdraw("a", reason="asked", erase=True)
    assert_right(corpus, ["here to stay"])
    assert corpus.fingerprints()["missing"] == 0
    corpus.add([{"id": "again", "text": "gone soon"}], Declared(origin=Origin.HUMAN, source="elsewhere"))
    assert_right(corpus, ["here to stay", "gone soon"])
    assert corpus.verify().holds


def test_merged_texts_have_fingerprints_as_this_registry_makes_them(tmp_path: Path) -> None:
    theirs = MinHashSpec(num_perm=64, n=3)
    with Registry.create(tmp_path / "theirs.prov", fingerprint=theirs) as other:
        other.add([{"id": "t", "text": text} for text in some_texts(1)], HUMAN)
    with Registry.create(tmp_path / "ours.prov") as ours:
        ours.add([{"id": "o", "text": "our own"}], HUMAN)
        ours.merge(tmp_path / "theirs.prov")
        assert_right(ours, ["our own", *some_texts(1)])


def test_a_registry_that_keeps_none_has_none(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "r.prov", fingerprint=None) as held:
        held.add([{"text": "some words"}], HUMAN)
        assert held_by(held) == {}
        assert held.fingerprints()["spec"] is None
        assert held.stats()["fingerprints"] is None
        assert held.verify().holds
        with pytest.raises(NoFingerprints, match="make them with `prov fingerprint rebuild`"):
            wanted_sketcher(held)


@pytest.mark.parametrize("spec", [MinHashSpec(num_perm=32, n=2, threshold=0.5), MinHashSpec(seed=9, n=1)], ids=str)
def test_a_registry_makes_them_as_its_spec_says(tmp_path: Path, spec: MinHashSpec) -> None:
    with Registry.create(tmp_path / "r.prov", fingerprint=spec) as held:
        held.add([{"text": text} for text in some_texts(5)], HUMAN)
        assert_right(held, some_texts(5), spec)
        assert held.stats()["fingerprints"] == str(spec)


def test_a_snapshot_has_them_and_one_without_texts_finds_no_near_duplicates(corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"text": text} for text in some_texts(3)], HUMAN)
    corpus.snapshot(tmp_path / "whole.prov")
    corpus.snapshot(tmp_path / "bare.prov", texts=False)
    with Registry.open(tmp_path / "whole.prov", read_only=True) as whole:
        assert_right(whole, some_texts(3))
    with Registry.open(tmp_path / "bare.prov", read_only=True) as bare:
        assert bare.fingerprints()["fingerprints"] == 3
        with pytest.raises(ProvError, match="is a copy made without its texts"):
            wanted_sketcher(bare)
    with Registry.open(tmp_path / "bare.prov") as bare:
        with pytest.raises(ProvError, match="is a copy made without its texts"):
            bare.rebuild_fingerprints(DEFAULT)
        assert bare.fingerprints()["fingerprints"] == 3


# -- made anew


def test_missing_ones_are_made_and_others_left_alone(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "r.prov", fingerprint=None) as held:
        held.add([{"text": text} for text in some_texts(20)], HUMAN)
        assert held.rebuild_fingerprints(DEFAULT) == 20
        assert_right(held, some_texts(20))
        assert held.rebuild_fingerprints(DEFAULT) == 0
        assert held.rebuild_fingerprints(DEFAULT, anew=True) == 20


def test_another_spec_makes_all_of_them_anew(corpus: Registry) -> None:
    corpus.add([{"text": text} for text in some_texts(10)], HUMAN)
    other = MinHashSpec(num_perm=64, threshold=0.7)
    assert corpus.rebuild_fingerprints(other) == 10
    assert_right(corpus, some_texts(10), other)
    assert corpus.fingerprints()["recall"]["0.7"] >= 0.95


def test_texts_are_signed_some_at_a_time(corpus: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_A_TIME", 3)
    monkeypatch.setattr(module, "BYTES_AT_A_TIME", 500)
    corpus.add([{"text": text} for text in some_texts(20)], HUMAN)
    counts: list[int] = []
    assert corpus.rebuild_fingerprints(DEFAULT, anew=True, progress=counts.append) == 20
    assert max(counts) <= 3
    assert sum(counts) == 20
    assert_right(corpus, some_texts(20))


@pytest.mark.parametrize("kind", ["signature", "keys"])
def test_a_changed_fingerprint_is_found(corpus: Registry, kind: str) -> None:
    corpus.add([{"text": text} for text in some_texts(3)], HUMAN)
    change = {"signature": "list_transform(signature, lambda x: 1::UINTEGER)", "keys": "[]"}[kind]
    corpus.connection.execute(f"UPDATE fingerprint SET {kind} = {change} WHERE text_id = 2")
    (finding,) = corpus.verify().findings
    assert f"the {kind} of its fingerprint are not those of its text" in str(finding)


def test_a_missing_fingerprint_is_a_note(corpus: Registry) -> None:
    corpus.add([{"text": text} for text in some_texts(3)], HUMAN)
    corpus.connection.execute("DELETE FROM fingerprint WHERE text_id = 2")
    verified = corpus.verify()
    assert verified.holds
    assert "1 texts have none yet" in str(verified.notes[0])
    with pytest.raises(ProvError, match="1 texts have no fingerprint yet"):
        wanted_sketcher(corpus)


@pytest.mark.slow
def test_a_rebuild_that_is_killed_goes_on_where_it_was(corpus: Registry, tmp_path: Path) -> None:
    texts = some_texts(4000)
    corpus.ingest([lines(tmp_path / "rows.jsonl", texts)], HUMAN)
    corpus.close()
    program = (
        "import sys\nfrom provenance.fingerprint import DEFAULT\nfrom registry import Registry, fingerprints\n"
        "fingerprints.AT_A_TIME = 100\n"
        "with Registry.open(sys.argv[1]) as held:\n"
        "    held.rebuild_fingerprints(DEFAULT, True, lambda count: print(count, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(corpus.path)], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for _ in range(3):
            running.stdout.readline()
        time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    corpus.reconnect()
    missing = corpus.fingerprints()["missing"]
    assert 0 < missing < 4000
    assert corpus.rebuild_fingerprints(DEFAULT) == missing
    assert_right(corpus, texts)


@pytest.mark.slow
def test_a_million_documents_of_one_text_are_one_cluster_in_bounded_memory(empty: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(empty, tmp_path / "r.prov"))
    with Registry.open(path) as held:
        rows = pa.table(
            {"id": [f"d{n}" for n in range(1_000_000)], "text": ["one and the same text, again"] * 1_000_000}
        )
        pa.parquet.write_table(rows, tmp_path / "rows.parquet")
        held.ingest([tmp_path / "rows.parquet"], HUMAN)
    program = (
        "import resource, sys\nfrom registry import Registry\nfrom registry.near import Nearness\n"
        "with Registry.open(sys.argv[1], read_only=True) as held:\n"
        "    held.connection.execute(\"SET memory_limit = '500MB'\")\n"
        "    found = held.dedup(Nearness(0.8), max_loss=1.0)\n"
        "print(found['clusters'], found['duplicates'], found['candidates'], "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    clusters, duplicates, candidates, peak_mb = map(int, done.stdout.split())
    assert (clusters, duplicates, candidates) == (1, 999_999, 0)
    assert peak_mb < 1_200


@pytest.mark.slow
def test_a_text_of_50_mb_is_near_to_its_own_beginning(corpus: Registry) -> None:
    chance = random.Random(0)
    long = " ".join(chance.choices(WORDS, k=9_000_000))[:50_000_000]
    corpus.add([{"id": "long", "text": long}, {"id": "short", "text": long[:45_000_000]}], HUMAN)
    from registry.near import Nearness

    found = corpus.dedup(Nearness(0.8), max_loss=1.0)
    assert (found["near_pairs"], found["duplicates"]) == (1, 1)
    assert found["listed"][0]["members"][1]["jaccard"] == pytest.approx(0.9, abs=0.01)
    assert np.isfinite(found["candidates"])
