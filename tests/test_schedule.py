"""Schedules: no generation learns from what comes after it, and there is just as much to draw from as it takes."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from provenance.errors import ProvError
from provenance.origin import Origin
from registry.mix import Shortfall, allocate, exact
from trainer.pool import ArrayPool
from trainer.schedule import SCHEDULES, Accumulate, Blend, Schedule, golden, make_schedule
from trainer.testbed import Floats

STEP = 100_000
"""The first sample of generation g is numbered g * STEP."""


@st.composite
def schedules(draw: st.DrawFn, *names: str) -> Schedule:
    """Any schedule, of at most 40 documents."""
    name = draw(st.sampled_from(names or tuple(SCHEDULES)))
    kind, held = SCHEDULES[name]
    parameters: dict[str, Any] = {}
    if issubclass(kind, Blend):
        parameters["real_frac"] = draw(st.sampled_from([0, 0.1, 1 / 3, 0.5, 0.9, 1]) | st.floats(0, 1))
        if "supply" not in held:
            parameters["supply"] = draw(st.sampled_from(["fixed", "redrawn"]))
        if "keep" not in held:  # where all is kept there is none
            parameters["weight"] = draw(st.none() | st.just("golden") | st.floats(0, 1))
    if name == "edit":
        parameters["share"] = draw(st.floats(0.01, 1))
    return make_schedule(name, draw(st.integers(1, 40)), draw(st.integers(0, 5)), parameters)


def numbered(generation: int, size: int) -> Any:
    """Samples that are numbers, each another one, (1, size)."""
    return generation * STEP + np.arange(size)[None]


def played(schedule: Schedule, generations: int, human: int | None = None, lacking: int = 0) -> list[Any]:
    """What each generation draws from samples that are numbers.

    Args:
        human: how many human samples there are.
        lacking: how many fewer the last but one generation writes.
    """
    pool = ArrayPool(0, edited=bool(schedule.edited))
    pool.add(numbered(0, schedule.real(generations) if human is None else human), 0)
    drawn = []
    for generation in range(1, generations + 1):
        drawn.append(pool.draw(schedule.mix(generation)).samples[0])
        pool.add(
            numbered(generation, schedule.writes(generation) - lacking * (generation == generations - 1)), generation
        )
    return drawn


# -- what a generation learns from


@given(schedules(), st.integers(1, 30), st.integers(0, 5))
def test_no_generation_draws_what_it_or_a_later_one_wrote(schedule: Schedule, generation: int, later: int) -> None:
    for stratum in schedule.mix(generation).strata:
        for origin in (Origin.MODEL, Origin.MIXED, Origin.UNKNOWN):
            values: dict[str, str | int] = {
                "origin": origin,
                "generation": generation + later,
                "generation_exact": True,
            }
            assert not stratum.where.holds(values)


@settings(deadline=None, max_examples=50)
@given(schedules(), st.integers(1, 6))
def test_what_is_drawn_was_there_before_the_generation(schedule: Schedule, generations: int) -> None:
    for generation, drawn in enumerate(played(schedule, generations), 1):
        assert (drawn // STEP < generation).all()


@given(schedules(), st.integers(1, 30))
def test_shares_sum_to_one_and_quotas_to_the_size(schedule: Schedule, generation: int) -> None:
    spec = schedule.mix(generation)
    assert spec.size is not None
    assert sum(Decimal(repr(stratum.share)) for stratum in spec.strata) == 1
    quotas = allocate(spec, spec.size)
    assert sum(quotas) == spec.size
    for quota, stratum in zip(quotas, spec.strata, strict=True):
        assert abs(quota - exact(stratum.share) * spec.size) < 1


@settings(deadline=None, max_examples=50)
@given(schedules(), st.integers(1, 6))
def test_each_generation_draws_as_much_as_its_mix_asks_for_and_nothing_twice(schedule: Schedule, last: int) -> None:
    for generation, drawn in enumerate(played(schedule, last), 1):
        assert len(set(drawn.tolist())) == len(drawn) == schedule.mix(generation).size


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(0, 5), st.data())
def test_the_first_generation_of_all_schedules_is_the_same_draw_of_human_texts(
    size: int, seed: int, data: st.DataObject
) -> None:
    made = [make_schedule(name, size, seed, {}) for name in SCHEDULES]
    assert len({schedule.mix(1).canonical() for schedule in made}) == 1
    human = size + data.draw(st.integers(0, 50))
    draws = [played(schedule, 1, human)[0].tolist() for schedule in made]
    assert all(drawn == draws[0] for drawn in draws)
    assert set(draws[0]) <= set(range(human))


@given(schedules(), st.integers(1, 20))
def test_generations_draw_by_seeds_of_their_own_and_arms_of_a_seed_by_the_same(schedule: Schedule, n: int) -> None:
    seeds = [schedule.mix(generation).seed for generation in range(1, n + 1)]
    assert len(set(seeds)) == n
    assert seeds[-1] == make_schedule("accumulate", 7, schedule.seed, {}).mix(n).seed
    assert seeds[-1] != make_schedule("accumulate", 7, schedule.seed + 1, {}).mix(n).seed


# -- how much there has to be


@settings(deadline=None, max_examples=50)
@given(schedules(), st.integers(1, 6))
def test_so_many_human_texts_are_enough_and_one_fewer_are_not(schedule: Schedule, generations: int) -> None:
    needed = schedule.real(generations)
    played(schedule, generations, needed)
    with pytest.raises(Shortfall):
        played(schedule, generations, needed - 1)


@settings(deadline=None, max_examples=50)
@given(schedules(), st.integers(2, 6))
def test_what_is_written_is_what_the_next_generation_takes(schedule: Schedule, generations: int) -> None:
    assume(not (isinstance(schedule, Accumulate) and schedule.subsample))
    drawn = played(schedule, generations)
    for generation in range(1, generations):
        taken = drawn[generation][drawn[generation] // STEP == generation]
        assert len(taken) == schedule.writes(generation)


@settings(deadline=None, max_examples=30)
@given(schedules("replace", "replace-grown", "accumulate", "crawl", "fresh", "edit"), st.integers(2, 5))
def test_one_text_fewer_than_is_to_be_written_falls_short(schedule: Schedule, generations: int) -> None:
    assume(schedule.writes(generations - 1))
    with pytest.raises(Shortfall):
        played(schedule, generations, lacking=1)


@settings(deadline=None, max_examples=30)
@given(schedules("fresh", "weighted"), st.integers(2, 8))
def test_fresh_human_texts_are_met_once(schedule: Schedule, generations: int) -> None:
    met = np.concatenate([drawn[drawn < STEP] for drawn in played(schedule, generations)])
    assert sorted(met.tolist()) == list(range(schedule.real(generations)))


@settings(deadline=None, max_examples=30)
@given(schedules("crawl"), st.integers(2, 8))
def test_a_crawl_keeps_all_it_met_and_meets_new_human_texts(schedule: Schedule, generations: int) -> None:
    drawn = played(schedule, generations)
    for earlier, later in pairwise(drawn):
        assert set(earlier.tolist()) <= set(later.tolist())
        assert (later < STEP).sum() - (earlier < STEP).sum() == schedule.real(2) - schedule.real(1)


@settings(deadline=None, max_examples=30)
@given(st.integers(20, 40), st.floats(0.1, 0.9))
def test_a_fixed_supply_stays_and_a_redrawn_one_changes(size: int, real_frac: float) -> None:
    human: dict[str, list[Any]] = {}
    for supply in ("fixed", "redrawn"):
        schedule = make_schedule("fixed-ratio", size, 0, {"real_frac": real_frac, "supply": supply})
        human[supply] = [set(drawn[drawn < STEP].tolist()) for drawn in played(schedule, 6)]
    first, *later = human["fixed"]
    assert all(held == later[0] and held <= first for held in later)
    assert len(set(map(frozenset, human["redrawn"][1:]))) > 1
    assert all(held <= human["redrawn"][0] for held in human["redrawn"])


@settings(deadline=None, max_examples=30)
@given(st.integers(4, 40), st.floats(0.1, 0.9), st.sampled_from(["labels", "oracle"]), st.integers(2, 6))
def test_a_crawl_curated_by_its_labels_is_the_human_part_of_the_blind_one(
    size: int, real_frac: float, curation: str, generations: int
) -> None:
    for keep in ("all", "latest"):
        parameters = {"real_frac": real_frac, "keep": keep}
        blind = make_schedule("crawl", size, 0, parameters)
        curated = make_schedule("crawl", size, 0, parameters | {"curation": curation})
        assume(blind.real(2) > size)
        assert curated.real(generations) == blind.real(generations)
        for whole, human in zip(played(blind, generations), played(curated, generations), strict=True):
            assert sorted(human.tolist()) == sorted(whole[whole < STEP].tolist())


def test_what_a_curator_judges_is_the_crawl_and_it_may_keep_all_or_the_latest() -> None:
    latest = make_schedule("crawl", 20, 0, {"keep": "latest"})
    for keep, crawls in (("all", range(1, 4)), ("latest", range(3, 4))):
        curated = make_schedule("crawl", 20, 0, {"curation": "watermark", "keep": keep})
        assert curated.mix(3) == latest.mix(3)
        assert curated.crawls(3) == crawls
        assert curated.curated is not None
    assert latest.curated is None


def test_a_crawl_without_a_word_of_curation_is_what_it_was() -> None:
    digest = hashlib.sha256(make_schedule("crawl", 100, 7, {}).mix(5).canonical()).hexdigest()
    assert digest == "f162f7ce6171049564fe8c5e19b86bc894ea36d5483a69ab9a176b32c8106f06"


def test_accumulating_draws_all_and_subsampling_as_much_as_the_first() -> None:
    whole, part = (played(make_schedule(name, 10, 0, {}), 4) for name in ("accumulate", "accumulate-subsample"))
    assert [len(drawn) for drawn in whole] == [10, 20, 30, 40]
    assert [len(drawn) for drawn in part] == [10, 10, 10, 10]
    assert len(set((part[3] // STEP).tolist())) > 1


def test_a_grown_replacement_is_as_large_as_accumulating_and_all_of_the_last_model() -> None:
    drawn = played(make_schedule("replace-grown", 10, 0, {}), 4)
    assert [len(held) for held in drawn] == [10, 20, 30, 40]
    assert [set((held // STEP).tolist()) for held in drawn] == [{0}, {1}, {2}, {3}]


# -- weights


def weights_of(schedule: Schedule) -> Floats:
    pool = ArrayPool(0)
    pool.add(numbered(0, schedule.real(2)), 0)
    pool.add(numbered(1, schedule.writes(1)), 1)
    drawn = pool.draw(schedule.mix(2))
    assert drawn.weights is not None
    return np.array([drawn.weights[drawn.samples[0] < STEP].sum(), drawn.weights[drawn.samples[0] >= STEP].sum()])


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.floats(0.3, 0.7), st.floats(0, 1))
def test_human_text_weighs_in_all_what_is_asked_for(size: int, real_frac: float, weight: float) -> None:
    schedule = make_schedule("fresh", size, 0, {"real_frac": real_frac, "weight": weight})
    assume(len({stratum.weight for stratum in schedule.mix(2).strata}) > 1)
    assert weights_of(schedule) == pytest.approx([weight, 1 - weight])


def test_the_golden_weight_of_equal_parts_is_the_golden_ratio() -> None:
    assert weights_of(make_schedule("weighted", 12, 0, {}))[0] == pytest.approx((np.sqrt(5) - 1) / 2)


@given(st.floats(0.01, 100))
def test_the_golden_weight_solves_its_equation(ratio: float) -> None:
    assert golden(ratio) ** 2 == pytest.approx(ratio * (1 - golden(ratio)))


# -- what is refused


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("replace", {"real_frac": 0.5}),
        ("fresh", {"real_frac": 1.5}),
        ("fresh", {"real_frac": float("nan")}),
        ("fresh", {"weight": -1}),
        ("fresh", {"weight": 2}),
        ("fresh", {"weight": "silver"}),
        ("crawl", {"weight": "golden"}),
        ("crawl", {"curation": "labels", "weight": 0.5}),
        ("crawl", {"curation": "magic"}),
        ("crawl", {"tpr": 0.5}),
        ("crawl", {"rate": 0.5, "curation": "oracle"}),
        ("crawl", {"threshold": 0.5, "curation": "labels"}),
        ("fresh", {"curation": "labels"}),
        ("edit", {"share": 0}),
        ("replce", {}),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused_in_one_line(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ProvError) as refused:
        make_schedule(name, 10, 0, parameters)
    assert "\n" not in str(refused.value)
    assert next(iter(parameters), name) in str(refused.value) or "keep" in str(refused.value)


@pytest.mark.parametrize("size", [0, -1])
def test_a_schedule_without_documents_is_refused(size: int) -> None:
    with pytest.raises(ProvError, match="size"):
        make_schedule("replace", size, 0, {})
