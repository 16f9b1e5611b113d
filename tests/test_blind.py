"""Blind trials: nothing but the text tells who wrote a document, and the truth opens to its key alone."""

import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from provenance.calibration import auc
from provenance.cli import cli
from provenance.errors import ProvError
from provenance.origin import Origin
from registry import Declared, MixSpec, Registry, real_frac
from registry.blind import NEAR_ENOUGH, Blinded, Trial, largest_gap, match_lengths
from registry.sealed import Key, Unopened, keep_key, read_key, seal, unseal
from registry.where import Where

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

WORDS = [f"{first}{middle}{last}" for first in "bdklmt" for middle in "aeiou" for last in "nrsx"]
HALF = 4_000
"""So many human documents, and as many of a model: chance alone brings an AUC beyond 0.5 ± 0.03 in 3 of 10⁶ cases."""

TELLING = (
    *("SRC-gazette", "LIC-secret", "MODEL-parrot", "MODEL-starling", "https://tell.example", "TOPIC-birds"),
    *("ITEM-human", "ITEM-model", "WHO-declared", "EVIDENCE-given", "FIELD-told", "SPEC-heat", "CONSENT-asked"),
)
"""What stands in the registry besides texts, and may not be found in a blind one."""


def written(chance: random.Random, fewest: int, most: int) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(fewest, most)))


def fill(held: Registry, each: int) -> None:
    """Human texts first, then longer ones of two models, with all that may be known of a document."""
    chance = random.Random(11)
    human = [
        {"id": f"ITEM-human{n}", "text": written(chance, 5, 40), "created": "2020-02-03", "FIELD-told": "TOPIC-birds"}
        for n in range(each)
    ]
    human_says = Declared(
        origin=Origin.HUMAN,
        source="SRC-gazette",
        license="LIC-secret",
        url="https://tell.example",
        consent="CONSENT-asked",
        by="WHO-declared",
        evidence="EVIDENCE-given",
    )
    held.add(human, human_says)
    mix = held.mix(MixSpec(strata=real_frac(1.0), size=each // 2, seed=1))
    for name, begin, end in (("MODEL-parrot", 0, each // 2), ("MODEL-starling", each // 2, each)):
        held.record_model(name, mix=mix.mix, spec={"SPEC-heat": 3}, seed=1)
        rows = [
            {"id": f"ITEM-model{n}", "text": written(chance, 15, 60), "prompt_of": f"ITEM-human{n}"}
            for n in range(begin, end)
        ]
        held.add(rows, run=held.record_run(name, {"SPEC-heat": 2}, 1).digest.hex())


@dataclass(frozen=True)
class Made:
    """A registry, the blind ones that were made of it, and what is true of them by item."""

    registry: Path
    plain: Path
    matched: Path
    key: Path

    def truth(self, blind: Path) -> dict[str, dict[str, Any]]:
        with Registry.open(blind, read_only=True) as held:
            known = opened(held, blind.with_suffix(".truth"), self.key)
        return {row["item"]: row for row in known.to_pylist()}


def opened(held: Registry, truth: Path, key: Path) -> pa.Table:
    return unseal(truth, held.setting("registry_id") or "", read_key(key))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("blind")
    trials = Made(folder / "r.prov", folder / "plain.prov", folder / "matched.prov", folder / "key")
    with Registry.create(trials.registry) as held:
        fill(held, HALF)
        held.blind(Trial(trials.plain, folder / "plain.truth", trials.key))
        held.blind(Trial(trials.matched, folder / "matched.truth", trials.key, match_lengths=True))
    return trials


@pytest.fixture(scope="module")
def small_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `small`, made once; copy it, never open it for writing."""
    path = tmp_path_factory.mktemp("small") / "small.prov"
    with Registry.create(path) as held:
        fill(held, 60)
    return path


@pytest.fixture
def small(small_once: Path, tmp_path: Path) -> Iterator[Registry]:
    """A registry of 60 human and 60 model documents, in ./corpus.prov."""
    with Registry.open(shutil.copy(small_once, tmp_path / "corpus.prov")) as held:
        yield held


def trial_in(folder: Path, **asked: Any) -> Trial:
    return Trial(folder / "b.prov", folder / "b.truth", folder / "key", **asked)


# -- blindness


def described(path: Path) -> tuple[dict[str, Floats], list[str]]:
    """Everything but the text, as numbers: of each document the columns of its rows, whether they are null, and where
    the rows stand in their tables; and the items."""
    with Registry.open(path, read_only=True) as held:
        held.limit(threads=1)
        tables = {name: held.connection.table(name).to_arrow_table() for name in ("document", "declaration", "text")}
        tables["fingerprint"] = held.connection.table("fingerprint").to_arrow_table()
    document = tables["document"]
    features: dict[str, Floats] = {}
    for name, table in tables.items():
        key = "document_id" if "document_id" in table.column_names else "text_id"
        place = {value: row for row, value in enumerate(table.column(key).to_pylist())}
        rows = [place[value] for value in document.column(key).to_pylist()]
        features[f"{name} place"] = np.array(rows, np.float64)
        for column in table.column_names:
            values = table.column(column).take(rows).to_pylist()
            features[f"{name}.{column} null"] = np.array([value is None for value in values], np.float64)
            if column not in ("content", "signature", "keys", "bytes", "words"):
                features[f"{name}.{column}"] = np.array([number_of(value) for value in values])
    return features, document.column("item").to_pylist()


def number_of(value: Any) -> float:
    """A value as a number that keeps the order of its kind."""
    if value is None:
        return -1.0
    if isinstance(value, str | bytes):
        start = (value.encode() if isinstance(value, str) else value)[:7]
        return float(int.from_bytes(start.ljust(7, b"\0")))
    return float(value.timestamp() if hasattr(value, "timestamp") else value)


def aucs(features: dict[str, Floats], is_model: Flags) -> dict[str, float]:
    """How well each feature, and a linear classifier over all of them that was fitted on the other half, tell."""
    found = {name: auc(values, is_model) for name, values in features.items()}
    telling = np.stack([values for values in features.values() if values.std() > 0], 1)  # (documents, features)
    scaled = (telling - telling.mean(0)) / telling.std(0)
    squares = np.column_stack([np.ones(len(scaled)), scaled, scaled**2])
    told = np.empty(len(scaled))
    half = np.random.default_rng(0).random(len(scaled)) < 0.5
    for fitted in (half, ~half):
        weights = np.linalg.lstsq(squares[fitted], np.where(is_model[fitted], 1.0, -1.0), rcond=None)[0]
        told[~fitted] = squares[~fitted] @ weights
    found["all together"] = sum(auc(told[part], is_model[part]) or 0.0 for part in (half, ~half)) / 2
    return {name: value for name, value in found.items() if value is not None}


def test_a_classifier_on_everything_but_the_text_tells_nothing(made: Made) -> None:
    features, items = described(made.plain)
    truth = made.truth(made.plain)
    is_model = np.array([truth[item]["origin"] == Origin.MODEL for item in items])
    assert len(items) == 2 * HALF
    assert is_model.sum() == HALF
    told = aucs(features, is_model)
    assert len(told) > 50
    assert {name: value for name, value in told.items() if abs(value - 0.5) > 0.03} == {}


def test_the_same_classifier_tells_all_of_a_registry_that_is_not_blind(made: Made) -> None:
    features, items = described(made.registry)
    told = aucs(features, np.array([item.startswith("ITEM-model") for item in items]))
    assert told["all together"] > 0.99
    telling = {"document place", "document.document_id", "text.text_id", "document.item", "document.source_id null"}
    assert all(abs(told[name] - 0.5) > 0.4 for name in telling)


def length_auc(made: Made, blind: Path) -> float:
    truth = made.truth(blind)
    with Registry.open(blind, read_only=True) as held:
        rows = held.connection.execute("SELECT item, words FROM document").fetchall()
    is_model = np.array([truth[item]["origin"] == Origin.MODEL for item, _ in rows])
    found = auc(np.array([float(words) for _, words in rows]), is_model)
    assert found is not None
    return found


def test_length_alone_tells_nothing_where_lengths_were_matched_and_much_where_they_were_not(made: Made) -> None:
    assert 0.45 <= length_auc(made, made.matched) <= 0.55
    assert length_auc(made, made.plain) > 0.75
    told = Counter(row["origin"] for row in made.truth(made.matched).values())
    assert told["human"] == told["model"] > HALF // 3


def everything_in(path: Path) -> bytes:
    """All values of all tables of a registry, as text; DuckDB compresses what is in the file."""
    with Registry.open(path, read_only=True) as held:
        names = [name for (name,) in held.ask("tables")]
        rows = [row for name in names for row in held.connection.table(name).fetchall()]
    return "\n".join(
        repr(row) + " ".join(value.hex() for value in row if isinstance(value, bytes)) for row in rows
    ).encode()


def identifying(registry: Path) -> list[bytes]:
    """What tells documents or a registry apart, but for texts and their digests."""
    with Registry.open(registry, read_only=True) as held:
        assert held.setting("registry_id")
        digests = [
            digest
            for table in ("document", "batch", "model", "run", "mix")
            for (digest,) in held.connection.table(table).select("digest").fetchall()
        ]
        registry_id = str(held.setting("registry_id"))
    hexed = [digest.hex().encode() for digest in digests]
    return [*(word.encode() for word in TELLING), registry_id.encode(), *hexed, *digests]


def test_nothing_that_identifies_is_in_the_blind_registry(made: Made, tmp_path: Path) -> None:
    copied = Path(shutil.copy(made.plain, tmp_path / "copy.prov"))
    with Registry.open(copied) as held:
        held.connection.execute("CHECKPOINT")
        (text,) = held.connection.execute("SELECT content FROM text LIMIT 1").fetchall()[0]
    told, dumped = everything_in(made.registry), everything_in(made.plain)
    sought = identifying(made.registry)
    assert text.encode() in dumped
    strings = [word for word in sought if len(word) != 32]
    assert all(word in told for word in strings[:100])  # so that the search can find
    places = [made.plain.read_bytes(), copied.read_bytes(), dumped]
    few = sought[: len(TELLING) + 31] + sought[-30:]
    assert not [word for word in few for place in places if word in place]
    hexed = {dumped[match : match + 64] for match in _hex_runs(dumped)}
    assert not hexed & set(sought)  # all digests at once


def _hex_runs(content: bytes) -> Iterator[int]:
    return (found.start() for found in re.finditer(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", content))


def test_a_blind_registry_has_one_batch_and_texts_of_unknown_origin_and_nothing_else(made: Made) -> None:
    with Registry.open(made.plain, read_only=True) as held:
        filled = {name for (name,) in held.ask("tables") if len(held.connection.table(name))}
        batches = len(held.connection.table("batch"))
        assert held.connection.execute("SELECT DISTINCT origin FROM document").fetchall() == [("unknown",)]
        assert held.verify().findings == []
    assert filled == {"batch", "declaration", "document", "fingerprint", "migration", "setting", "text"}
    assert batches == 1


def test_the_truth_holds_of_each_document_what_the_registry_says(made: Made) -> None:
    truth = made.truth(made.plain)
    with Registry.open(made.registry, read_only=True) as held:
        rows = held.connection.execute(
            "SELECT document.digest, text.digest, origin, document.generation, model.name, source.name, words, bytes"
            " FROM document JOIN text USING (text_id) LEFT JOIN model USING (model_id)"
            " LEFT JOIN source USING (source_id)"
        ).fetchall()
    with Registry.open(made.plain, read_only=True) as held:
        texts = dict(
            held.connection.execute("SELECT item, text.digest FROM document JOIN text USING (text_id)").fetchall()
        )
    names = ("original", "origin", "generation", "generator", "source", "words", "bytes")
    told = {tuple(row[name] for name in names): texts[item] for item, row in truth.items()}
    assert told == {(row[0], *row[2:]): row[1] for row in rows}


# -- lengths


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=2, max_size=300),
    st.integers(0, 2**32 - 1),
)
def test_matched_lengths_are_as_many_of_either_kind_in_each_band(told: list[tuple[int, bool]], seed: int) -> None:
    words, is_model = np.array([row[0] for row in told]), np.array([row[1] for row in told])
    common = set(words[is_model].tolist()) & set(words[~is_model].tolist())
    try:
        (human, model), width = match_lengths(words, is_model, np.random.default_rng(seed))
    except ProvError:
        assert not common
        return
    assert len(set(human.tolist())) == len(human) == len(set(model.tolist())) > 0
    assert not is_model[human].any()
    assert is_model[model].all()
    ratio = np.maximum(words[human], 1) / np.maximum(words[model], 1)
    assert ((ratio < width + 1e-9) & (1 / ratio < width + 1e-9)).all() or width == 1.0
    if width == 1.0:
        np.testing.assert_array_equal(words[human], words[model])
    both = np.concatenate([words[human], words[model]]).astype(np.float64)
    found = auc(both, np.repeat([False, True], len(human)))
    assert found is not None
    assert abs(found - 0.5) <= max(NEAR_ENOUGH, len(human) ** -0.5) + 1e-9


def test_lengths_that_differ_a_little_in_one_band_are_matched_exactly_or_not_at_all() -> None:
    words, is_model = np.repeat([1000, 1003], 500), np.repeat([False, True], 500)
    with pytest.raises(ProvError, match="leave --match-lengths out"):
        match_lengths(words, is_model, np.random.default_rng(0))
    words[:50] = 1003
    (human, model), width = match_lengths(words, is_model, np.random.default_rng(0))
    assert (len(human), width) == (50, 1.0)
    assert set(words[model].tolist()) == {1003}


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_the_gap_of_two_distributions_bounds_what_the_auc_can_tell(one: list[int], other: list[int]) -> None:
    gap = largest_gap(np.array(one), np.array(other))
    by_hand = max(
        abs(sum(x <= at for x in one) / len(one) - sum(x <= at for x in other) / len(other)) for at in range(10)
    )
    found = auc(np.array([*one, *other], np.float64), np.repeat([False, True], [len(one), len(other)]))
    assert gap == pytest.approx(by_hand)
    assert found is not None
    assert abs(found - 0.5) <= gap + 1e-9


# -- which documents


def originals(held: Registry, made: Blinded, folder: Path) -> set[bytes]:
    with Registry.open(made.output, read_only=True) as blind:
        return set(opened(blind, made.truth, folder / "key").column("original").to_pylist())


def test_what_has_no_truth_or_no_text_is_left_out_and_counted(small: Registry, tmp_path: Path) -> None:
    small.add([{"id": f"u{n}", "text": f"who wrote {n}"} for n in range(3)])
    small.add([{"id": f"e{n}", "text": f"edited {n}", "origin": "mixed"} for n in range(4)])
    small.withdraw("ITEM-human0", reason="asked")
    small.withdraw("ITEM-human1", reason="asked")
    small.withdraw("ITEM-model1", reason="asked", erase=True)
    found = small.blind(trial_in(tmp_path))
    assert found.left_out == {"unknown": 3, "mixed": 4, "withdrawn": 3, "erased": 0}
    assert (found.human, found.model) == (58, 59)
    with Registry.open(found.output, read_only=True) as blind:
        assert blind.stats()["documents"] == 117


def test_a_text_that_two_wrote_is_two_documents_each_with_its_own_truth(corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"id": "h", "text": "to be"}], Declared(origin=Origin.HUMAN))
    corpus.add([{"id": "m", "text": "to be"}, {"id": "n", "text": "to be"}], Declared(origin=Origin.MODEL))
    found = corpus.blind(trial_in(tmp_path))
    with Registry.open(found.output, read_only=True) as blind:
        assert (blind.stats()["documents"], blind.stats()["texts"]) == (3, 1)
        known = opened(blind, found.truth, tmp_path / "key").to_pylist()
    assert sorted(row["origin"] for row in known) == ["human", "model", "model"]


def test_a_filter_chooses_and_its_documents_alone_are_counted(small: Registry, tmp_path: Path) -> None:
    small.add([{"text": "who wrote this"}])
    where = Where.parse("origin = 'human' OR generator = 'MODEL-parrot'")
    found = small.blind(trial_in(tmp_path, where=where))
    assert (found.human, found.model, found.left_out["unknown"]) == (60, 30, 0)


def test_the_seed_chooses_and_nothing_else_is_the_same_again(small: Registry, tmp_path: Path) -> None:
    chosen, items = [], []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        folder = tmp_path / name
        folder.mkdir()
        found = small.blind(trial_in(folder, seed=seed, documents=40, match_lengths=True))
        assert (found.human, found.model) == (20, 20)
        chosen.append(originals(small, found, folder))
        with Registry.open(found.output, read_only=True) as blind:
            items.append({item for (item,) in blind.connection.table("document").select("item").fetchall()})
    assert chosen[0] == chosen[1] != chosen[2]
    assert not items[0] & items[1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"documents": 121}, "there are 120: use --docs 120 or less"),
        ({"documents": 118, "match_lengths": True}, "of matching lengths, there are "),
        ({"documents": 7, "match_lengths": True}, "give --docs an even number"),
        ({"where": Where.parse("origin = 'human'")}, "there are none of origin model"),
        ({"where": Where.parse("source = 'nowhere'")}, "there are none of origin human"),
    ],
)
def test_a_trial_that_cannot_be_had_is_told_in_one_line_and_writes_nothing(
    small: Registry, tmp_path: Path, asked: dict[str, Any], words: str
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ProvError) as raised:
        small.blind(trial_in(tmp_path, **asked))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_dry_run_chooses_the_same_and_writes_nothing(small: Registry, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    told = small.blind(trial_in(tmp_path, match_lengths=True), dry_run=True)
    assert {path.name for path in tmp_path.iterdir()} == before
    found = small.blind(trial_in(tmp_path, match_lengths=True))
    assert told.registry is None
    assert {**told.summary(), "registry": None} == {**found.summary(), "registry": None}


def test_entropy_is_the_mean_surprisal_of_the_words_of_a_text(corpus: Registry, tmp_path: Path) -> None:
    corpus.add([{"id": "h", "text": "a a b"}], Declared(origin=Origin.HUMAN))
    corpus.add([{"id": "m", "text": "a c  a\na d"}, {"id": "blank", "text": " "}], Declared(origin=Origin.MODEL))
    found = corpus.blind(trial_in(tmp_path))
    with Registry.open(found.output, read_only=True) as blind:
        known = {row["words"]: row["entropy"] for row in opened(blind, found.truth, tmp_path / "key").to_pylist()}
    a, rare = log2(8 / 5), log2(8)
    assert known == {3: pytest.approx((2 * a + rare) / 3), 5: pytest.approx((3 * a + 2 * rare) / 5), 0: None}


# -- files


def test_the_key_is_for_its_owner_alone_and_never_overwritten(small: Registry, tmp_path: Path) -> None:
    small.blind(trial_in(tmp_path))
    key = tmp_path / "key"
    written = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(written.decode().strip())) == 32
    small.blind(Trial(tmp_path / "c.prov", tmp_path / "c.truth", key))
    assert key.read_bytes() == written
    with Registry.open(tmp_path / "c.prov", read_only=True) as blind:
        assert len(opened(blind, tmp_path / "c.truth", key)) == 120
    assert read_key(key).secret.hex() not in repr(read_key(key))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    keep_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ProvError, match="others can use the key file"):
        read_key(tmp_path / "key")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff" * 32, b"0" * 63, b"0" * 65])
def test_a_file_that_holds_no_key_is_refused_and_left_as_it_is(small: Registry, tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(0o600)
    with pytest.raises(ProvError, match="is no key file: wanted 64 hex digits"):
        small.blind(trial_in(tmp_path))
    assert key.read_bytes() == content
    assert not (tmp_path / "b.prov").exists()


def test_what_exists_is_refused_and_left_as_it_is(small: Registry, tmp_path: Path) -> None:
    for name in ("b.prov", "b.truth"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(ProvError, match=rf"{name} exists already: name another"):
            small.blind(trial_in(tmp_path))
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
        assert not (tmp_path / "key").exists()
    with pytest.raises(ProvError, match="exists already"):
        small.blind(Trial(small.path, tmp_path / "b.truth", tmp_path / "key"))
    with pytest.raises(ProvError, match="three names"):
        small.blind(Trial(tmp_path / "b.prov", tmp_path / "key", tmp_path / "key"))
    with pytest.raises(ProvError, match="make it first"):
        small.blind(trial_in(tmp_path / "nowhere"))


def test_what_is_interrupted_leaves_neither_registry_nor_truth(small: Registry, tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small.blind(trial_in(tmp_path), progress=interrupt)
    assert {path.name for path in tmp_path.iterdir()} - {"corpus.prov.wal"} == {"corpus.prov", "key"}
    assert small.blind(trial_in(tmp_path)).human == 60


def test_a_truth_that_cannot_be_written_leaves_no_registry(small: Registry, tmp_path: Path) -> None:
    blocked = tmp_path / ".b.truth.unfinished"  # where the truth is made
    blocked.write_text("a file where a folder is wanted")
    with pytest.raises(ProvError, match=r"cannot write .*b\.truth"):
        small.blind(trial_in(tmp_path))
    assert not (tmp_path / "b.prov").exists()
    assert not (tmp_path / "b.truth").exists()


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_half_done(made: Made, tmp_path: Path) -> None:
    """Killed at any moment, each file is whole or not there, and no registry is there without its truth."""
    command = [sys.executable, "-m", "provenance", "blind", str(made.registry), "-o", "b.prov", "--key-file", "key"]
    killed = 0
    for delay in np.linspace(0.05, 2.5, 15):
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while running.poll() is None and not (tmp_path / ".b.prov.unfinished").exists():
            time.sleep(0.002)
        with running:
            time.sleep(delay)
            killed += running.poll() is None
            running.send_signal(signal.SIGKILL)
        blind, truth = tmp_path / "b.prov", tmp_path / "b.truth"
        assert truth.exists() or not blind.exists()
        if blind.exists():
            with Registry.open(blind, read_only=True) as held:
                assert held.verify().findings == []
                assert len(opened(held, truth, tmp_path / "key")) == 2 * HALF
        for path in (blind, truth):
            path.unlink(missing_ok=True)
    assert killed >= 3
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"b.prov", "b.truth", "key"}


# -- the sealed truth


def test_the_bytes_of_the_truth_hold_no_plain_text(made: Made) -> None:
    content = made.plain.with_suffix(".truth").read_bytes()
    header, _, sealed = content.partition(b"\n")
    with Registry.open(made.plain, read_only=True) as held:
        wanted = {"kind": "prov-truth", "version": 1, "registry": held.setting("registry_id")}
    assert json.loads(header) == wanted
    few = [word for word in identifying(made.registry)[:300] if word in sealed]
    assert few == []
    assert not [word for word in (b"human", b"model", b"origin", b"ARROW", b"entropy") if word in sealed]
    assert len(zlib.compress(sealed, 9)) >= len(sealed)  # nothing in it is told twice


TABLE = pa.table({"item": ["a", "b"], "origin": ["human", "model"]})


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Key, bytes]:
    folder = tmp_path_factory.mktemp("sealed")
    key = keep_key(folder / "key")
    return folder / "truth", key, seal(TABLE, "registry-1", key)


def test_what_is_sealed_opens_to_its_key_and_is_what_it_was(sealed: tuple[Path, Key, bytes]) -> None:
    path, key, content = sealed
    path.write_bytes(content)
    assert unseal(path, "registry-1", key).equals(TABLE)
    assert seal(TABLE, "registry-1", key) != content


def test_another_key_another_registry_and_no_truth_at_all_are_each_told_as_that(
    sealed: tuple[Path, Key, bytes], tmp_path: Path
) -> None:
    path, key, content = sealed
    path.write_bytes(content)
    other = keep_key(tmp_path / "other")
    told = {
        "does not open": (path, "registry-1", other),
        "about registry registry-1, not about this one, registry-2": (path, "registry-2", key),
        "is no truth file": (key.path, "registry-1", key),
        "no truth file": (tmp_path / "none", "registry-1", key),
        "cannot read": (tmp_path, "registry-1", key),
    }
    for words, asked in told.items():
        with pytest.raises(ProvError, match=words) as raised:
            unseal(*asked)
        assert "\n" not in str(raised.value)
    path.write_bytes(content.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(Unopened, match="use a newer prov"):
        unseal(path, "registry-1", key)
    path.write_bytes(content[:-1])
    with pytest.raises(Unopened, match="is damaged"):
        unseal(path, "registry-1", key)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_goes_unseen(sealed: tuple[Path, Key, bytes], data: st.DataObject) -> None:
    path, key, content = sealed
    if data.draw(st.booleans()):
        at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
        broken = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    else:
        begin = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(begin, len(content)))
        added = data.draw(st.binary(max_size=20))
        broken = content[:begin] + added + content[end:]
    path.write_bytes(broken)
    if broken == content:
        return
    with pytest.raises(Unopened) as raised:
        unseal(path, "registry-1", key)
    assert "\n" not in str(raised.value)


# -- the command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROV_DB", raising=False)
    return tmp_path


def prov(*arguments: str) -> Any:
    result = CliRunner().invoke(cli, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_makes_a_trial_and_notes_where_the_texts_went(here: Path, small: Registry) -> None:
    small.close()
    told = json.loads(prov("blind", "corpus.prov", "-o", "b.prov", "--key-file", "k", "--docs", "30", "--json").stdout)
    assert (told["documents"], told["truth"], told["dry_run"]) == (30, "b.truth", False)
    assert told["human"] + told["model"] == 30
    with Registry.open("corpus.prov", read_only=True) as held:
        went = held.connection.execute("SELECT kind, path FROM handed_out").fetchall()
    assert went == [("copy", str(here / "b.prov"))]
    shown = prov(
        "--registry", "corpus.prov", "blind", "-o", "c.prov", "--truth", "t", "--key-file", "k", "--match-lengths"
    )
    assert "length alone tells them apart with an AUC of 0." in shown.stdout
    assert "matched in bands of" in shown.stdout
    assert "keep both from whoever works on c.prov" in shown.stderr
    assert {"t", "k", "b.prov", "b.truth", "c.prov"} <= set(os.listdir(here))


def test_a_dry_run_of_the_command_notes_nothing(here: Path, small: Registry) -> None:
    small.close()
    before = io.BytesIO((here / "corpus.prov").read_bytes()).getvalue()
    prov("blind", "-o", "b.prov", "--key-file", "k", "--dry-run", "--json")
    assert os.listdir(here) == ["corpus.prov"]
    assert (here / "corpus.prov").read_bytes() == before
