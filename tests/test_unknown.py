"""A mix with documents of unknown origin has the real share that it promises, with no more human text than it takes."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from math import prod
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from registry import MixSpec, Registry, Stratum, Where, real_frac
from registry import real_share as module
from registry.draw import Drawn
from registry.mix import PROMISES, Promise, Shortfall, Unpromised, place, round_keys
from registry.real_share import (
    RISK,
    Side,
    best_share,
    fewest_humans,
    poisson_binomial,
    poisson_binomial_plain,
    surely_real,
)
from registry.verify import verify

HUMANS, MODELS, UNKNOWNS, UNATTRIBUTED = 60, 150, 240, 10


def attribute(held: Registry, said: Mapping[str, float]) -> None:
    """Say of documents, by their items, how probably they are a model's."""
    ids = dict(held.connection.execute("SELECT item, document_id FROM document").fetchall())
    with held.batch("attribute") as batch:
        batch.documents = len(said)
        columns = {
            "document_id": pa.array([ids[item] for item in said], pa.int64()),
            "p_model": pa.array(said.values(), pa.float64()),
            "evidence": pa.array(["[]"] * len(said)),
            "batch_id": pa.array([batch.batch_id] * len(said), pa.int64()),
        }
        held.insert("attribution", pa.table(columns))


def p_model(number: int) -> float:
    """How probably the unknown document of a number is a model's: all chances, evenly."""
    return round((number + 0.5) / UNKNOWNS, 3)


def rows(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"id": f"{origin}-{n}", "text": f"{origin} wrote {n}", "origin": origin}
        for origin, count in counts.items()
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unknown") / "filled.prov"
    with Registry.create(path) as held:
        held.add(rows({"human": HUMANS, "model": MODELS, "unknown": UNKNOWNS + UNATTRIBUTED, "mixed": 5}))
        attribute(held, {f"unknown-{n}": p_model(n) for n in range(UNKNOWNS)})
    return path


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Iterator[Registry]:
    """Documents of all origins, most of the unknown ones attributed, by chances of all sizes."""
    with Registry.open(shutil.copy(filled_once, tmp_path / "filled.prov")) as held:
        yield held


def spec(policy: str, share: float = 0.5, size: int = 100, **more: Any) -> MixSpec:
    return MixSpec.model_validate({"strata": real_frac(share), "size": size, "unknown": policy, **more})


def items(held: Registry, drawn: MixSpec) -> list[str]:
    held.mix(drawn, dry_run=True)
    found = held.connection.execute("SELECT item FROM drawn JOIN document USING (document_id) ORDER BY position")
    return [item for (item,) in found.fetchall()]


def told(drawn: Drawn) -> dict[str, Any]:
    promised: dict[str, Any] = drawn.summary()["achieved"]["real_share"]
    return promised


def chance(item: str) -> float:
    """How probably a document is real."""
    origin, _, number = item.partition("-")
    return 1 - p_model(int(number)) if origin == "unknown" else float(origin == "human")


# -- the distribution

chances = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), max_size=9).map(np.array)
many_chances = st.lists(st.floats(0, 1), max_size=150).map(np.array)


def brute(probabilities: NDArray[np.float64]) -> list[float]:
    """How probably so many of some events happen: the sum over everything that may."""
    totals = [0.0] * (len(probabilities) + 1)
    for happened in product([0, 1], repeat=len(probabilities)):
        totals[sum(happened)] += prod(p if it else 1 - p for it, p in zip(happened, probabilities, strict=True))
    return totals


@given(chances)
@settings(max_examples=50)
def test_the_plain_distribution_is_the_sum_over_all_that_may_happen(probabilities: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(poisson_binomial_plain(probabilities), brute(probabilities), atol=1e-12)


@given(many_chances)
def test_the_distribution_is_the_plain_one(probabilities: NDArray[np.float64]) -> None:
    found = poisson_binomial(probabilities)
    np.testing.assert_allclose(found, poisson_binomial_plain(probabilities), atol=1e-13)
    assert (found >= 0).all()


def test_the_distribution_of_many_documents_is_the_plain_one() -> None:
    probabilities = np.random.default_rng(0).random(3_000) ** 3
    np.testing.assert_allclose(poisson_binomial(probabilities), poisson_binomial_plain(probabilities), atol=1e-13)


@given(chances, st.sampled_from([RISK, 0.3]))
def test_the_quantile_is_the_largest_number_that_is_reached_but_for_the_risk(
    probabilities: NDArray[np.float64], risk: float
) -> None:
    count, distribution = surely_real(probabilities, risk), brute(probabilities)
    assert sum(distribution[:count]) < risk + 1e-12
    assert sum(distribution[: count + 1]) >= risk - 1e-12


# -- how few humans


@st.composite
def sides(draw: st.DrawFn) -> tuple[Side, Side, int]:
    human = draw(st.lists(st.floats(0.5, 1, exclude_min=True) | st.just(1.0), max_size=30))
    model = draw(st.lists(st.floats(0, 0.5) | st.just(0.0), max_size=30))
    size = draw(st.integers(1, 40))
    return side(human[:size]), side(model[:size]), size


def side(probabilities: list[float]) -> Side:
    return Side(np.array(probabilities, float), np.array([0 < p < 1 for p in probabilities], bool))


@pytest.mark.parametrize("policy", PROMISES)
@given(sides=sides(), share=st.integers(0, 20).map(lambda n: Fraction(n, 20)))
@settings(max_examples=60)
def test_no_fewer_humans_keep_the_promise(policy: Promise, sides: tuple[Side, Side, int], share: Fraction) -> None:
    human, model, size = sides

    def real(humans: int) -> float:
        drawn = np.concatenate([human.chances[:humans], model.chances[: size - humans]])
        return surely_real(drawn) if policy == "lower-bound" else sum(np.rint(drawn * 1e9)) / 1e9

    enough = [humans for humans in range(min(size, len(human)) + 1) if real(humans) >= share * size - 1e-12]
    assert fewest_humans(policy, share, size, human, model) == (enough[0] if enough else None)
    assert best_share(policy, size, human, model) == pytest.approx(real(min(size, len(human))) / size)


def test_few_guesses_find_the_humans_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    human, model = side(rng.uniform(0.5, 1, 50_000).tolist()), side(rng.uniform(0, 0.5, 50_000).tolist())
    asked = Mock(side_effect=surely_real)
    monkeypatch.setattr(module, "surely_real", asked)
    found = fewest_humans("lower-bound", Fraction(1, 2), 50_000, human, model)
    assert found is not None
    assert asked.call_count < 8
    real = [
        surely_real(np.concatenate([human.chances[:humans], model.chances[: 50_000 - humans]]))
        for humans in (found - 1, found)
    ]
    assert real[0] < 25_000 <= real[1]


# -- what is drawn


@pytest.mark.parametrize("policy", PROMISES)
def test_a_mix_is_the_first_documents_of_each_side(filled: Registry, policy: str) -> None:
    asked = spec(policy, 0.4, seed=5)
    drawn, found = filled.mix(asked, dry_run=True), items(filled, asked)
    digests = dict(filled.connection.execute("SELECT item, digest FROM document").fetchall())
    keys = round_keys(5, "choose")
    wanted = []
    for is_human, quota in zip((True, False), drawn.quotas, strict=True):
        on_side = [
            item
            for item in digests
            if not item.startswith("mixed") and (item.split("-")[0] != "unknown" or int(item[8:]) < UNKNOWNS)
            if (chance(item) > 0.5) == is_human
        ]
        wanted += sorted(on_side, key=lambda item: place(int.from_bytes(digests[item][:8]), keys))[:quota]
    assert sorted(found) == sorted(wanted)
    assert sum(drawn.quotas) == drawn.total.documents == 100


def test_mixes_of_growing_shares_nest_by_side(filled: Registry) -> None:
    found = [items(filled, spec("lower-bound", share, seed=2)) for share in (0.3, 0.45, 0.6)]
    human_sides = [{item for item in drawn if chance(item) > 0.5} for drawn in found]
    model_sides = [{item for item in drawn if chance(item) <= 0.5} for drawn in found]
    assert human_sides[0] < human_sides[1] < human_sides[2]
    assert model_sides[0] > model_sides[1] > model_sides[2]


def test_what_is_told_is_what_was_drawn(filled: Registry) -> None:
    asked = spec("lower-bound", 0.45, seed=3)
    promised, found = told(filled.mix(asked, dry_run=True)), items(filled, asked)
    counts = Counter((chance(item) > 0.5, item.startswith("unknown")) for item in found)
    assert promised["human_side"] == {"declared": counts[True, False], "unknown": counts[True, True]}
    assert promised["model_side"] == {"declared": counts[False, False], "unknown": counts[False, True]}
    real = np.array([chance(item) for item in found])
    assert promised["expected"] == pytest.approx(real.mean())
    assert promised["lower_bound"] == surely_real(real) / 100
    assert (promised["policy"], promised["asked"]) == ("lower-bound", 0.45)
    assert promised["lower_bound"] >= 0.45


def test_a_lower_bound_takes_more_humans_than_the_mean(filled: Registry) -> None:
    mean, sure = (filled.mix(spec(policy, 0.45), dry_run=True) for policy in PROMISES)
    assert sure.quotas[0] > mean.quotas[0]
    assert told(mean)["expected"] == pytest.approx(0.45, abs=0.01)
    assert told(mean)["lower_bound"] < 0.45 <= told(sure)["lower_bound"]


@pytest.mark.parametrize("policy", PROMISES)
def test_without_unknown_documents_it_is_the_mix_that_leaves_them_out(filled: Registry, policy: str) -> None:
    where: dict[str, Any] = {"where": "id LIKE 'human-%' OR id LIKE 'model-%'", "seed": 4}
    assert items(filled, spec(policy, 0.3, **where)) == items(filled, spec("exclude", 0.3, **where))


@pytest.mark.parametrize("policy", PROMISES)
@pytest.mark.parametrize(("share", "quotas"), [(0.0, [0, 100]), (1.0, [100, 0])])
def test_nothing_and_all_may_be_asked_to_be_real(
    filled: Registry, policy: str, share: float, quotas: list[int]
) -> None:
    sure = {f"unknown-{n}": round(p_model(n)) for n in range(UNKNOWNS)}
    attribute(filled, {item: float(p) for item, p in sure.items()})
    assert filled.mix(spec(policy, share), dry_run=True).quotas == quotas


def test_the_newest_attribution_is_in_force(filled: Registry) -> None:
    before = told(filled.mix(spec("expected", 0.4), dry_run=True))
    attribute(filled, {f"unknown-{n}": 0.9 for n in range(UNKNOWNS)})
    after = told(filled.mix(spec("expected", 0.4), dry_run=True))
    assert before["human_side"]["unknown"] > 0
    assert after["human_side"]["unknown"] == 0


def test_edited_texts_are_real_where_they_count_as_human(filled: Registry) -> None:
    asked = spec("expected", 0.5, 4, where="id LIKE 'mixed-%' OR id LIKE 'model-%'", mixed="human")
    drawn = filled.mix(asked, dry_run=True)
    assert (drawn.quotas, told(drawn)["lower_bound"]) == ([2, 2], 0.5)


def test_what_has_no_attribution_is_left_out_and_counted(filled: Registry) -> None:
    drawn = filled.mix(spec("expected"), dry_run=True)
    assert (drawn.excluded["unattributed"], drawn.excluded["unknown"]) == (UNATTRIBUTED, 0)
    excluded = filled.mix(spec("exclude"), dry_run=True).excluded
    assert (excluded["unattributed"], excluded["unknown"]) == (0, UNKNOWNS + UNATTRIBUTED)


def test_the_order_of_the_strata_decides_nothing_but_their_numbers(filled: Registry) -> None:
    asked = spec("lower-bound", 0.4)
    turned = asked.model_copy(update={"strata": asked.strata[::-1]})
    assert sorted(items(filled, asked)) == sorted(items(filled, turned))
    assert filled.mix(turned, dry_run=True).quotas == filled.mix(asked, dry_run=True).quotas[::-1]


# -- what is promised


def real_shares(held: Registry, policy: str, share: float) -> list[float]:
    """The real share of a mix of each of a hundred seeds, where each unknown document is real with its chance."""
    found = []
    for seed in range(100):
        truth = np.random.default_rng(seed)
        drawn = items(held, spec(policy, share, seed=seed))
        found.append(float(np.mean([truth.random() < chance(item) for item in drawn])))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_lower_bound_is_kept_in_93_of_100_worlds(filled: Registry, share: float) -> None:
    found = real_shares(filled, "lower-bound", share)
    assert sum(real >= share for real in found) >= 93
    assert np.mean(found) < share + 0.12  # and it is not kept by taking humans alone


@pytest.mark.slow
def test_an_expected_share_is_kept_on_average(filled: Registry) -> None:
    found = real_shares(filled, "expected", 0.5)
    assert np.mean(found) == pytest.approx(0.5, abs=4 * float(np.std(found)) / 10)
    assert 20 < sum(real >= 0.5 for real in found) < 80


@pytest.mark.slow
def test_to_count_the_likely_as_human_keeps_no_promise(filled: Registry) -> None:
    """Were attributions taken for the truth, half the mix would not be real: the test above can fail."""
    attribute(filled, {f"unknown-{n}": float(round(p_model(n))) for n in range(UNKNOWNS)})
    found = real_shares(filled, "lower-bound", 0.5)
    assert sum(real >= 0.5 for real in found) < 50


# -- what cannot be had


@pytest.mark.parametrize("policy", PROMISES)
def test_the_share_that_is_named_can_be_promised_and_no_more(filled: Registry, policy: str) -> None:
    with pytest.raises(Unpromised) as caught:
        filled.mix(spec(policy, 0.95))
    best = caught.value.best
    assert 0.5 < best < 0.95
    assert told(filled.mix(spec(policy, best), dry_run=True))["human_side"]["declared"] > 0
    with pytest.raises(Unpromised):
        filled.mix(spec(policy, best + 0.01))


def test_what_cannot_be_promised_is_told_with_what_to_do(filled: Registry) -> None:
    with pytest.raises(Unpromised) as caught:
        filled.mix(spec("lower-bound", 0.8, 300))
    best = caught.value.best
    assert str(caught.value) == (
        f"the mix needs a real share of 0.8 of 300 documents, the 180 of the human side can promise {best:g} by "
        f"lower-bound: use --real-frac {best:g} or less, use a smaller --docs, add human documents or better evidence, "
        "infer with `prov attribute` what 10 documents of unknown origin are, or choose another --unknown"
    )


def test_nothing_on_the_human_side_promises_nothing(filled: Registry) -> None:
    with pytest.raises(Unpromised, match="the 0 of the human side can promise 0 by lower-bound: use a smaller --docs"):
        filled.mix(spec("lower-bound", where="id LIKE 'model-%'"))


@pytest.mark.parametrize(
    ("share", "size", "words"),
    [
        (0.1, 400, r"needs 3\d\d documents of origin = 'model', the registry holds 270 and leaves out 10 documents"),
        (0.5, 1000, r"needs 730 documents of origin = 'human', the registry holds 180 and leaves out 10 documents"),
    ],
)
def test_too_few_documents_are_a_shortfall_with_a_hint(filled: Registry, share: float, size: int, words: str) -> None:
    with pytest.raises(Shortfall, match=words) as caught:
        filled.mix(spec("expected", share, size))
    hint = "nothing is inferred of: use a smaller --docs, infer it with `prov attribute`, or ask for other shares"
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("policy", PROMISES)
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"strata": [Stratum(where=Where.parse("words > 1"), share=1)]}, "draw by --real-frac"),
        ({"strata": [Stratum(where=Where.equals("origin", "human"), share=1)]}, "draw by --real-frac"),
        ({"unit": "words"}, "give the size in documents"),
        ({"size": None}, "give the size in documents"),
        ({"max_repeats": 2}, "each document once"),
        ({"strata": [stratum.model_copy(update={"skip": 1}) for stratum in real_frac(0.5)]}, "each document once"),
    ],
)
def test_what_no_share_can_be_promised_of_is_refused(policy: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        spec(policy, **changed)


# -- recorded, verified, on the command line


@pytest.mark.parametrize("policy", PROMISES)
def test_a_mix_is_verified_by_the_attributions_of_its_time(filled: Registry, policy: str) -> None:
    first = filled.mix(spec(policy, 0.4))
    attribute(filled, {f"unknown-{n}": 0.75 for n in range(UNKNOWNS)})
    second = filled.mix(spec(policy, 0.4, 60))
    assert first.spec.unknown == second.spec.unknown == policy
    found = verify(filled)
    assert (found.findings, found.notes, found.checked["mixes_drawn_again"]) == ([], [], 2)
    filled.connection.execute("UPDATE attribution SET p_model = 0.75 WHERE p_model < 0.3 AND batch_id = 2")
    assert f"mix {first.mix}: drawn again as of its batch it is another" in "\n".join(map(str, verify(filled).findings))


def test_a_policy_is_part_of_the_spec_and_its_digest(filled: Registry) -> None:
    digests = {filled.mix(spec(policy, 0.2), dry_run=True).digest for policy in ("exclude", *PROMISES)}
    assert len(digests) == 3
    assert json.loads(spec("lower-bound").canonical())["unknown"] == "lower-bound"


def prov(held: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "provenance", "mix", "--registry", str(held), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_tells_what_is_promised(filled_once: Path, tmp_path: Path) -> None:
    held = Path(shutil.copy(filled_once, tmp_path / "r.prov"))
    asked = ("--real-frac", "0.4", "--docs", "100", "--unknown", "lower-bound")
    done = prov(held, *asked, "--json")
    mix = json.loads(done.stdout)
    assert mix["achieved"]["real_share"]["lower_bound"] >= 0.4
    assert (mix["spec"]["unknown"], mix["requested"]) == ("lower-bound", {"real_frac": 0.4, "size": 100})
    (tmp_path / "spec.json").write_text(json.dumps(mix["spec"]))
    again = prov(held, "--spec", str(tmp_path / "spec.json"), "--dry-run")
    assert f"mix {mix['mix']} (dry run, not recorded)" in again.stdout
    assert "real by lower-bound: 40.00% asked, " in again.stdout
    side = mix["achieved"]["real_share"]["human_side"]
    line = f"human side: {side['declared']} declared documents, {side['unknown']} of unknown origin"
    assert line in again.stdout.splitlines()
    assert again.stdout.splitlines()[-1] == "excluded: 10 unattributed, 5 mixed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ratio", "human=0.5,unknown=0.5", "--docs", "9"], "draw by --real-frac"),
        (["--real-frac", "0.5"], "give the size in documents, as --docs"),
        (["--real-frac", "0.5", "--words", "90"], "give the size in documents, as --docs"),
        (["--real-frac", "0.5", "--docs", "9", "--max-repeats", "2"], "leave out max_repeats"),
        (["--real-frac", "0.9", "--docs", "300"], "or choose another --unknown"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(filled_once: Path, arguments: list[str], words: str) -> None:
    done = prov(filled_once, *arguments, "--unknown", "lower-bound", "--dry-run")
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
