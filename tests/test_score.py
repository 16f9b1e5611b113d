"""Scores: each number is what a person would count by hand, and nothing is written."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from provenance.cli import cli
from provenance.errors import ProvError
from provenance.origin import Origin
from registry import MixSpec, Registry, Stratum, real_frac
from registry.blind import Trial
from registry.rates import brier, calibration_error, rate, reliability, tpr_at
from registry.score import Unscored
from registry.sealed import read_key, unseal
from registry.where import Where

TEXTS = {
    # name: (p_model, words, generator, generation)
    "h1": (0.05, 10, None, 0),
    "h2": (0.15, 40, None, 0),
    "h3": (0.55, 40, None, 0),
    "h4": (0.15, 600, None, 0),
    "m1": (0.95, 10, "parrot", 1),
    "m2": (0.55, 40, "parrot", 1),
    "m3": (0.35, 40, "starling", 2),
    "m4": (1.0, 600, "starling", 2),
}
"""A trial of eight documents; each text repeats its own name."""


class Scene:
    """A blind registry of the texts above, opened for writing, with its truth and its key."""

    def __init__(self, folder: Path) -> None:
        self.truth, self.key = folder / "b.truth", folder / "key"
        self.held = Registry.open(folder / "b.prov")

    def ids(self) -> dict[str, int]:
        """The document of each name, which its text tells."""
        rows = self.held.connection.execute("SELECT document_id, content FROM document JOIN text USING (text_id)")
        return {content.split()[0]: document_id for document_id, content in rows.fetchall()}

    def attribute(self, told: dict[str, float]) -> None:
        ids = self.ids()
        with self.held.batch("attribute") as batch:
            rows = {
                "document_id": [ids[name] for name in told],
                "p_model": list(told.values()),
                "evidence": ["[]"] * len(told),
                "batch_id": [batch.batch_id] * len(told),
            }
            self.held.insert("attribution", pa.table(rows))

    def detect(self, key: str, told: dict[str, float | None]) -> None:
        ids = self.ids()
        with self.held.batch("detect") as batch:
            count = len(told)
            rows = {
                "document_id": [ids[name] for name in told],
                "key_id": [key] * count,
                "scored": [9] * count,
                "score": pa.nulls(count, pa.float64()),
                "z": pa.nulls(count, pa.float64()),
                "p": pa.array(told.values(), pa.float64()),
                "first_char": pa.nulls(count, pa.int64()),
                "last_char": pa.nulls(count, pa.int64()),
                "batch_id": [batch.batch_id] * count,
            }
            self.held.insert("detection", pa.table(rows))

    def score(self, **asked: Any) -> dict[str, Any]:
        return self.held.score(self.truth, read_key(self.key), **asked)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the files of a scene, made once, for copies of it."""
    folder = tmp_path_factory.mktemp("scene")
    rows = [
        {"id": name, "text": " ".join([name] * words), "generator": generator, "generation": generation}
        | {"origin": Origin.MODEL if generator else Origin.HUMAN}
        for name, (_, words, generator, generation) in TEXTS.items()
    ]
    with Registry.create(folder / "r.prov") as held:
        held.add(rows)
        held.blind(Trial(folder / "b.prov", folder / "b.truth", folder / "key"))
    return folder


@pytest.fixture
def scene(files: Path, tmp_path: Path) -> Iterator[Scene]:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    made = Scene(tmp_path)
    with made.held:
        yield made


def said(found: dict[str, Any] | None) -> tuple[int, int] | None:
    """A rate as hits and how many there were."""
    return None if found is None else (found["hits"], found["of"])


def group(rows: Sequence[dict[str, Any]], label: str) -> dict[str, Any]:
    (found,) = (row for row in rows if row["group"] == label)
    return found


# -- attributions, by hand


def test_nothing_inferred_is_scored_as_nothing(scene: Scene) -> None:
    found = scene.score()
    assert {name: found[name] for name in ("documents", "human", "model", "without_truth", "missing")} == {
        "documents": 8,
        "human": 4,
        "model": 4,
        "without_truth": 0,
        "missing": 0,
    }
    assert (found["attribution"], found["detection"], found["mix"]) == (None, None, None)


def test_every_number_of_an_attribution_is_what_one_counts_by_hand(scene: Scene) -> None:
    scene.attribute({name: told for name, (told, *_) in TEXTS.items()})
    found = scene.score()["attribution"]
    overall = found["overall"]
    assert (found["share"], overall["documents"]) == (1.0, 8)
    assert (said(overall["tpr"]), said(overall["fpr"])) == ((3, 4), (1, 4))
    # m1 and m4 beat all 4, m2 beats 3 and draws with h3, m3 beats 3: 14.5 of 16 pairs.
    assert overall["auc"] == 14.5 / 16
    assert said(overall["tpr_at_fpr"]) == (2, 4)  # no human text may be called: from 0.95 on
    assert (overall["tpr_at_fpr"]["threshold"], overall["tpr_at_fpr"]["fpr"]) == (0.95, 0.0)
    missed = [0.05, 0.15, 0.55, 0.15, 0.05, 0.45, 0.65, 0.0]
    assert overall["brier"] == pytest.approx(sum(m * m for m in missed) / 8)
    bins = [(row["from"], row["documents"], round(row["told"], 9), said(row["model"])) for row in found["reliability"]]
    assert bins == [
        (0.0, 1, 0.05, (0, 1)),
        (0.1, 2, 0.15, (0, 2)),
        (0.3, 1, 0.35, (1, 1)),
        (0.5, 2, 0.55, (1, 2)),
        (0.9, 2, 0.975, (2, 2)),
    ]
    by_bin = [1 * 0.05, 2 * 0.15, 1 * 0.65, 2 * 0.05, 2 * 0.025]
    assert overall["calibration_error"] == pytest.approx(sum(by_bin) / 8)


def test_groups_are_counted_by_hand(scene: Scene) -> None:
    scene.attribute({name: told for name, (told, *_) in TEXTS.items()})
    by = scene.score()["attribution"]["by"]
    assert {name: [row["group"] for row in rows] for name, rows in by.items() if name != "entropy"} == {
        "generation": ["0", "1", "2"],
        "generator": ["human", "parrot", "starling"],
        "length": ["0–31 words", "32–63 words", "512 words or more"],
    }
    human, parrot, starling = by["generator"]
    assert (said(human["tpr"]), said(human["fpr"]), human["auc"]) == ((0, 0), (1, 4), None)
    assert (said(parrot["tpr"]), said(parrot["fpr"]), parrot["auc"]) == ((2, 2), (0, 0), 7.5 / 8)
    assert (said(starling["tpr"]), starling["auc"], said(starling["tpr_at_fpr"])) == ((1, 2), 7 / 8, (1, 2))
    assert [row["auc"] for row in by["generation"]] == [None, 7.5 / 8, 7 / 8]
    short, middling, long = by["length"]
    assert (short["documents"], middling["documents"], long["documents"]) == (2, 4, 2)
    assert (said(middling["tpr"]), said(middling["fpr"])) == ((1, 2), (1, 2))
    assert middling["auc"] == 2.5 / 4  # m2 beats h2 and draws with h3, m3 beats h2
    # A text of one word repeated says log2(all words / its words) each time: 600, 40 and 10 of 1,380.
    bits = [math.log2(1380 / words) for _, words, *_ in TEXTS.values()]
    edges = np.quantile(bits, [0.25, 0.5, 0.75])
    counts = [sum(int(np.searchsorted(edges, value)) == n for value in bits) for n in range(4)]
    assert [row["documents"] for row in by["entropy"]] == [count for count in counts if count]
    assert sum(counts) == 8


def test_the_dimensions_and_the_threshold_are_those_asked_for(scene: Scene) -> None:
    scene.attribute({name: told for name, (told, *_) in TEXTS.items()})
    found = scene.score(by=("length",), threshold=0.55)["attribution"]
    assert list(found["by"]) == ["length"]
    assert (said(found["overall"]["tpr"]), said(found["overall"]["fpr"])) == ((3, 4), (1, 4))
    found = scene.score(by=(), threshold=0.56)["attribution"]
    assert found["by"] == {}
    assert (said(found["overall"]["tpr"]), said(found["overall"]["fpr"])) == ((2, 4), (0, 4))


def test_the_newest_attribution_is_in_force_and_what_has_none_is_told(scene: Scene) -> None:
    scene.attribute({"h1": 0.9, "h2": 0.9, "m1": 0.1})
    scene.attribute({"h1": 0.2, "m1": 0.8})
    found = scene.score()["attribution"]
    assert found["share"] == 3 / 8
    assert (said(found["overall"]["tpr"]), said(found["overall"]["fpr"])) == ((1, 1), (1, 2))


# -- detections, by hand


def test_detections_are_called_at_the_rate_corrected_for_the_number_of_keys(scene: Scene) -> None:
    scene.detect("k1", {"h1": 0.5, "h2": 0.004, "m1": 1e-9, "m2": 0.009, "m3": 0.2, "m4": None})
    one = scene.score()["detection"]
    assert (one["share"], one["fpr"], one["overall"]["too_short"]) == (6 / 8, 0.01, 1)
    assert (said(one["overall"]["tpr"]), said(one["overall"]["fpr"])) == ((2, 4), (1, 2))
    scene.detect("k2", {"h1": 0.006, "h2": 0.7, "m1": 0.7, "m2": 0.7, "m3": 0.005, "m4": None})
    both = scene.score()["detection"]  # 0.005 by either key: not m2 any more, but m3, and still h2
    assert (said(both["overall"]["tpr"]), said(both["overall"]["fpr"])) == ((2, 4), (1, 2))
    assert said(group(both["by"]["generator"], "parrot")["tpr"]) == (1, 2)
    assert said(group(both["by"]["generator"], "starling")["tpr"]) == (1, 2)
    assert group(both["by"]["generator"], "starling")["too_short"] == 1
    strict = scene.score(fpr=0.001)["detection"]
    assert (said(strict["overall"]["tpr"]), said(strict["overall"]["fpr"])) == ((1, 4), (0, 2))


def test_of_one_key_the_newest_detection_counts_even_where_it_tells_nothing(scene: Scene) -> None:
    scene.detect("k1", {"m1": 1e-9, "m2": 1e-9})
    scene.detect("k1", {"m1": None, "m2": 0.9})
    found = scene.score()["detection"]["overall"]
    assert (said(found["tpr"]), found["too_short"], found["documents"]) == ((0, 2), 1, 2)


# -- measures against others


@given(st.integers(0, 60), st.integers(0, 60))
def test_intervals_are_exact(hits: int, misses: int) -> None:
    found = rate(hits, hits + misses)
    if not hits + misses:
        assert found["share"] is found["low"] is found["high"] is None
        return
    wanted = stats.binomtest(hits, hits + misses).proportion_ci(0.95, method="exact")
    assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert 0 <= found["low"] <= found["share"] <= found["high"] <= 1


told_of = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=120)


@given(told_of, st.sampled_from([0.0, 0.01, 0.1, 0.29, 0.5, 1.0]))
def test_the_rate_at_few_false_positives_is_the_best_of_all_thresholds(
    rows: list[tuple[int, bool]], fpr: float
) -> None:
    told, is_model = np.array([value / 20 for value, _ in rows]), np.array([model for _, model in rows])
    found = tpr_at(told, is_model, fpr)
    if is_model.all() or not is_model.any():
        assert found is None
        return
    assert found is not None
    best = max(
        float((told[is_model] >= threshold).mean())
        for threshold in [*told, np.inf]
        if (told[~is_model] >= threshold).sum() <= fpr * (~is_model).sum() + 1e-9
    )
    assert found["share"] == best
    assert found["fpr"] <= fpr + 1e-9


@given(told_of)
def test_calibration_is_what_it_is_defined_to_be(rows: list[tuple[int, bool]]) -> None:
    told, is_model = np.array([value / 20 for value, _ in rows]), np.array([model for _, model in rows])
    bins = reliability(told, is_model)
    assert sum(row["documents"] for row in bins) == len(rows)
    for row in bins:
        inside = [m for p, m in zip(told, is_model, strict=True) if row["from"] <= p < row["to"] or p == row["to"] == 1]
        assert said(row["model"]) == (sum(inside), len(inside))
    by_hand = sum(row["documents"] / len(rows) * abs(row["told"] - row["model"]["share"]) for row in bins)
    assert calibration_error(bins) == pytest.approx(by_hand)
    squares = [(p - m) ** 2 for p, m in zip(told, is_model.astype(float), strict=True)]
    assert brier(told, is_model) == pytest.approx(sum(squares) / len(rows))


def test_auc_and_brier_are_those_of_scikit_learn(scene: Scene) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scene.attribute({name: told for name, (told, *_) in TEXTS.items()})
    found = scene.score()["attribution"]["overall"]
    told, is_model = [row[0] for row in TEXTS.values()], [row[2] is not None for row in TEXTS.values()]
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(is_model, told))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(is_model, told))


# -- mixes


def drawn(scene: Scene, **spec: Any) -> str:
    """A mix of all documents that count as human, which all of them do."""
    strata = (Stratum(where=Where.equals("origin", "human"), share=1.0),)
    return scene.held.mix(MixSpec(strata=strata, unknown="human", **spec)).mix


def say_of(scene: Scene, mix: str, unknown: str, share: float) -> None:
    """Let a mix have been asked for by another policy and share."""
    told = json.dumps({"unknown": unknown, "strata": _strata(share)})
    scene.held.connection.execute(
        "UPDATE mix SET spec = json_merge_patch(spec, $told::JSON) WHERE hex(digest) LIKE $digest || '%'",
        {"told": told, "digest": mix.upper()},
    )


def _strata(share: float) -> list[dict[str, Any]]:
    shares = {"human": share, "model": round(1 - share, 9)}
    return [{"where": str(Where.equals("origin", origin)), "share": part} for origin, part in shares.items()]


def test_the_real_share_of_a_mix_is_that_of_its_true_human_documents(scene: Scene) -> None:
    mix = drawn(scene, size=8)
    found = scene.score(mix=mix)["mix"]
    assert (found["realised"], found["asked"], found["unit"], found["documents"]) == (0.5, 1.0, "documents", 8)
    assert (found["kept"], found["expected"]) == (None, None)
    for groups in found["by"].values():
        assert sum(row["documents"] for row in groups) == 8
        assert sum(row["documents"] * row["realised"] for row in groups) == pytest.approx(4)
    assert {row["group"]: row["realised"] for row in found["by"]["generation"]}["0"] == 1.0
    by_words = scene.score(mix=drawn(scene, size=1380, unit="words"))["mix"]
    assert by_words["realised"] == pytest.approx((10 + 40 + 40 + 600) / 1380)
    twice = scene.score(mix=drawn(scene, size=16, max_repeats=2))["mix"]
    assert (twice["realised"], twice["documents"]) == (0.5, 16)


@pytest.mark.parametrize(
    ("unknown", "p_model", "share", "kept"),
    [
        ("lower-bound", 0.5, 0.5, True),
        ("lower-bound", 0.5, 0.51, False),
        ("exclude", 0.5, 0.9, None),
        ("expected", 0.5, 0.5, True),
        ("expected", 0.5, 0.6, True),  # 2 of 8 or more are human but in 3.5 % of cases: 4 are no surprise
        ("expected", 0.05, 0.9, False),  # 6 or more are human but in 0.6 % of cases
        ("expected", 0.05, 0.4, True),  # a surprise, and yet what was asked for
    ],
)
def test_what_policies_promise_is_held_against_the_truth(
    scene: Scene, unknown: str, p_model: float, share: float, kept: bool | None
) -> None:
    scene.attribute(dict.fromkeys(TEXTS, p_model))
    mix = drawn(scene, size=8)
    say_of(scene, mix, unknown, share)
    found = scene.score(mix=mix)["mix"]
    assert (found["unknown"], found["asked"], found["kept"]) == (unknown, pytest.approx(share), kept)
    assert (found["realised"], found["expected"]) == (0.5, pytest.approx(1 - p_model))


def test_a_mix_that_was_drawn_by_attributions_keeps_its_promise(scene: Scene) -> None:
    scene.attribute({name: 0.1 if name.startswith("h") else 0.9 for name in TEXTS})
    mix = scene.held.mix(MixSpec(strata=real_frac(0.25), size=4, unknown="lower-bound")).mix
    found = scene.score(mix=mix)["mix"]
    # One of the human side may be none by chance in 7 % of cases, so it takes two.
    assert (found["asked"], found["realised"], found["kept"]) == (0.25, 0.5, True)


def test_a_promise_is_held_against_what_was_known_when_the_mix_was_drawn(scene: Scene) -> None:
    scene.attribute(dict.fromkeys(TEXTS, 0.25))
    mix = drawn(scene, size=8)
    scene.attribute(dict.fromkeys(TEXTS, 0.9))
    assert scene.score(mix=mix)["mix"]["expected"] == 0.75


def test_a_mix_of_documents_without_truth_is_refused(scene: Scene) -> None:
    scene.held.add([{"text": "came later"}])
    mix = drawn(scene, size=9)
    assert scene.score()["without_truth"] == 1
    with pytest.raises(Unscored, match="of 1 documents of mix"):
        scene.score(mix=mix)
    with pytest.raises(ProvError, match="no mix 'abcd'"):
        scene.score(mix="abcd")


# -- files and the command


def prov(*arguments: str) -> Any:
    result = CliRunner().invoke(cli, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_prints_all_of_it_and_writes_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scene.attribute({name: told for name, (told, *_) in TEXTS.items()})
    scene.detect("k1", {name: 1e-6 if generator else 0.5 for name, (_, _, generator, _) in TEXTS.items()})
    mix = drawn(scene, size=8)
    say_of(scene, mix, "lower-bound", 0.4)
    wanted = scene.score(mix=mix)
    scene.held.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    options = ("--truth", "b.truth", "--key-file", "key", "--mix", mix)
    assert json.loads(prov("score", "b.prov", *options, "--json").stdout) == wanted
    shown = prov("score", "b.prov", *options, "--by", "generator, length")
    for words in ("8 documents, 4 human, 4 model", "attributed: 100.0%", "75.0% (19.4%–99.4%)", "0.906", "starling"):
        assert words in shown.stdout
    assert "100.0% (39.8%–100.0%)" in shown.stdout
    assert "50.00% of its documents are human, asked for was 40.00% (--unknown lower-bound)" in shown.stdout
    assert "the promise of lower-bound is kept" in shown.stdout
    assert "entropy" not in shown.stdout
    assert prov("score", "b.prov", *options, "--by", "colour").exit_code == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_copy_of_a_blind_registry_has_the_same_truth_and_another_has_none(scene: Scene, tmp_path: Path) -> None:
    scene.held.snapshot(tmp_path / "copy.prov")
    key = read_key(scene.key)
    with Registry.open(tmp_path / "copy.prov", read_only=True) as copy:
        assert copy.score(scene.truth, key)["documents"] == 8
    with (
        Registry.open(tmp_path / "r.prov", read_only=True) as original,
        pytest.raises(ProvError, match="not about this one"),
    ):
        original.score(scene.truth, key)
    with pytest.raises(ProvError, match="no key file"):
        read_key(tmp_path / "none")


def test_documents_that_are_gone_from_a_blind_registry_are_told(scene: Scene) -> None:
    known = unseal(scene.truth, scene.held.setting("registry_id") or "", read_key(scene.key))
    scene.held.connection.execute(
        "DELETE FROM document WHERE item = $item", {"item": known.column("item").to_pylist()[0]}
    )
    found = scene.score()
    assert (found["documents"], found["missing"]) == (7, 1)
