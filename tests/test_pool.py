"""The pool in memory: draws without replacement, in exact quotas, all sets equally likely."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.mix import MixSpec, Shortfall, Stratum, allocate
from registry.where import Where
from trainer.pool import ArrayPool, distinct

HUMAN = "origin = 'human'"


def filled(sizes: list[int], repeats: int = 3, edited: bool = False) -> ArrayPool:
    """A pool of so many samples of each generation; those of a repeat are numbered from 0."""
    pool = ArrayPool(0, edited=edited)
    start = 0
    for generation, size in enumerate(sizes):
        pool.add(np.tile(np.arange(start, start + size), (repeats, 1)), generation)
        start += size
    return pool


def spec_of(size: int, *strata: tuple[str, float], seed: int = 0) -> MixSpec:
    held = tuple(Stratum(where=Where.parse(where), share=share) for where, share in strata)
    return MixSpec(strata=held, size=size, seed=seed, mixed="mixed")


# -- draws


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.data())
def test_a_draw_repeats_nothing_and_is_of_the_size_asked_for(sizes: list[int], data: st.DataObject) -> None:
    pool = filled(sizes)
    size = data.draw(st.integers(1, max(1, sum(sizes))))
    if size > sum(sizes):
        return
    drawn = pool.draw(spec_of(size, ("generation >= 0", 1))).samples
    assert drawn.shape == (3, size)
    assert all(len(set(held)) == size for held in drawn.tolist())


@given(st.integers(1, 60), st.integers(0, 10))
def test_each_stratum_gets_its_quota_in_every_repeat(size: int, tenths: int) -> None:
    pool = filled([60, 30, 60])
    spec = spec_of(size, (HUMAN, tenths / 10), ("generation = 2", round(1 - tenths / 10, 1)))
    drawn = pool.draw(spec)
    human, written = allocate(spec, size)
    assert ((drawn.samples < 60).sum(axis=1) == human).all()
    assert ((drawn.samples >= 90).sum(axis=1) == written).all()
    assert drawn.counts == {generation: held for generation, held in ((0, human), (2, written)) if held}


def test_repeats_draw_others_and_a_seed_draws_the_same_again() -> None:
    pool, spec = filled([50]), spec_of(20, (HUMAN, 1))
    first = pool.draw(spec).samples
    assert len({frozenset(held) for held in first.tolist()}) == 3
    assert (pool.draw(spec).samples == first).all()
    assert (pool.draw(spec_of(20, (HUMAN, 1), seed=1)).samples != first).any()


def test_all_of_a_generation_comes_in_its_order() -> None:
    pool = filled([4, 6])
    assert pool.draw(spec_of(6, ("generation = 1", 1))).samples.tolist() == [list(range(4, 10))] * 3


def test_human_samples_of_a_seed_go_on_where_others_stopped() -> None:
    pool = filled([30, 10])
    parts = []
    for skip in (0, 10, 20):
        stratum = Stratum(where=Where.parse(HUMAN), share=1, seed=7, skip=skip)
        parts.append(pool.draw(MixSpec(strata=(stratum,), size=10, seed=skip)).samples)
    for repeat in range(3):
        assert sorted(np.concatenate([part[repeat] for part in parts]).tolist()) == list(range(30))
    assert len({tuple(held) for held in parts[0].tolist()}) == 3


@given(st.lists(st.integers(1, 40), min_size=2, max_size=8), st.integers(1, 20))
def test_counts_sum_to_what_was_drawn(sizes: list[int], size: int) -> None:
    size = min(size, sum(sizes))
    pool = filled(sizes, repeats=5)
    drawn = pool.draw(spec_of(size, ("generation >= 0", 1)))
    assert sum(drawn.counts.values()) == size
    edges = np.cumsum(sizes)
    exact = Counter(np.searchsorted(edges, drawn.samples.ravel(), side="right").tolist())
    assert all(abs(drawn.counts.get(generation, 0) - exact[generation] / 5) < 1 for generation in range(len(sizes)))


@given(
    st.recursive(
        st.sampled_from(["generation", "origin"]).flatmap(
            lambda name: (
                st.builds("generation {} {}".format, st.sampled_from(["=", "<", ">=", "<>"]), st.integers(-1, 7))
                if name == "generation"
                else st.sampled_from([HUMAN, "origin = 'model'", "generation IN (1, 3, 6)", "generation > 2.5"])
            )
        ),
        lambda inner: st.builds("({} AND {})".format, inner, inner) | st.builds("NOT ({})".format, inner),
        max_leaves=4,
    )
)
def test_a_stratum_is_what_its_filter_holds_of(where: str) -> None:
    pool = filled([2] * 7, repeats=1)
    origins = ["human", *["model"] * 6]
    wanted = [
        2 * generation + index
        for generation, origin in enumerate(origins)
        if Where.parse(where).holds({"origin": origin, "generation": generation, "generation_exact": True})
        for index in range(2)
    ]
    if wanted:
        assert pool.draw(spec_of(len(wanted), (where, 1))).samples[0].tolist() == wanted
    else:
        with pytest.raises(Shortfall):
            pool.draw(spec_of(1, (where, 1)))


def test_what_edits_is_mixed() -> None:
    assert filled([3, 3], edited=True).draw(spec_of(3, ("origin = 'mixed'", 1))).counts == {1: 3}
    with pytest.raises(Shortfall):
        filled([3, 3], edited=True).draw(spec_of(3, ("origin = 'model'", 1)))


def test_a_pool_keeps_what_it_holds_while_it_grows() -> None:
    pool = ArrayPool(0)
    rng = np.random.default_rng(0)
    blocks = [rng.standard_normal((2, size, 3)) for size in (5, 1, 0, 40, 7)]
    drawn = []
    for generation, block in enumerate(blocks):
        pool.add(block, generation)
        if block.shape[1]:
            drawn.append((block, pool.draw(spec_of(block.shape[1], (f"generation = {generation}", 1))).samples))
    assert all((block == held).all() for block, held in drawn)
    assert (pool.draw(spec_of(53, ("generation >= 0", 1))).samples == np.concatenate(blocks, axis=1)).all()


# -- too little


@pytest.mark.parametrize(("size", "skip"), [(11, 0), (6, 5), (1, 10), (1, 99)])
def test_more_than_there_is_falls_short(size: int, skip: int) -> None:
    stratum = Stratum(where=Where.parse(HUMAN), share=1, seed=0, skip=skip)
    with pytest.raises(Shortfall):
        filled([10, 100]).draw(MixSpec(strata=(stratum,), size=size))


def test_a_generation_that_was_never_written_falls_short() -> None:
    with pytest.raises(Shortfall):
        filled([10]).draw(spec_of(1, ("generation = 1", 1)))


# -- weights


def test_samples_weigh_what_their_stratum_says_and_one_in_all() -> None:
    strata = tuple(
        Stratum(where=Where.parse(where), share=0.5, weight=weight)
        for where, weight in ((HUMAN, 3), ("generation = 1", 1))
    )
    drawn = filled([10, 10]).draw(MixSpec(strata=strata, size=8))
    assert drawn.weights is not None
    assert drawn.weights.tolist() == pytest.approx([3 / 16] * 4 + [1 / 16] * 4)
    assert (drawn.samples[:, :4] < 10).all()


def test_samples_that_weigh_the_same_have_no_weights() -> None:
    assert filled([10, 10]).draw(spec_of(8, (HUMAN, 0.5), ("generation = 1", 0.5))).weights is None


# -- distinct


@pytest.mark.parametrize(("available", "wanted"), [(6, 3), (7, 7), (1, 1), (12, 2), (9, 2), (5, 1)])
def test_every_set_is_equally_likely(available: int, wanted: int) -> None:
    repeats = 20_000
    chosen = distinct(available, wanted, repeats, np.random.default_rng(1))
    assert chosen.shape == (repeats, wanted)
    sets = list(combinations(range(available), wanted))
    found = Counter(map(tuple, np.sort(chosen, axis=1).tolist()))
    assert set(found) <= set(sets)
    expected = repeats / len(sets)
    chi2 = sum((found[held] - expected) ** 2 for held in sets) / expected
    freedom = len(sets) - 1
    assert chi2 <= freedom + 4 * np.sqrt(2 * freedom)


@given(st.integers(0, 200), st.data())
def test_distinct_numbers_are_distinct_and_below(available: int, data: st.DataObject) -> None:
    wanted = data.draw(st.integers(0, available))
    chosen: Any = distinct(available, wanted, 4, np.random.default_rng(0))
    assert chosen.shape == (4, wanted)
    assert all(len(set(held)) == wanted and set(held) <= set(range(available)) for held in chosen.tolist())
