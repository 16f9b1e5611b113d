"""Specs, quotas and permutations: what a mix promises before any database is asked."""

import json
import math
import random
import re
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from provenance.errors import ProvError
from registry import MixSpec, Stratum, ratio, real_frac
from registry.mix import Shortfall, allocate, exact, largest, place, quotas, round_keys
from registry.where import Where


def spec_of(parts: Sequence[int], whole: int, size: int | None = None, max_repeats: int = 1) -> MixSpec:
    """A mix of as many strata as parts, each part of the whole; parts sum to the whole, a power of ten."""
    strata = [Stratum(where=Where.equals("source", str(index)), share=part / whole) for index, part in enumerate(parts)]
    return MixSpec(strata=tuple(strata), size=size, max_repeats=max_repeats)


@st.composite
def specs(draw: st.DrawFn, most_strata: int = 5, digits: int = 4) -> MixSpec:
    """Shares with up to so many decimals, zeros among them."""
    whole = 10 ** draw(st.integers(1, digits))
    cuts = sorted(draw(st.lists(st.integers(0, whole), max_size=most_strata - 1)))
    parts = [upper - lower for lower, upper in zip([0, *cuts], [*cuts, whole], strict=True)]
    return spec_of(parts, whole)


def feasible(spec: MixSpec, size: int, available: Sequence[int]) -> bool:
    return all(quota <= held for quota, held in zip(allocate(spec, size), available, strict=True))


# -- quotas


@given(specs(), st.integers(1, 10**15))
def test_quotas_sum_to_the_size_and_are_within_one_of_every_share(spec: MixSpec, size: int) -> None:
    shared = allocate(spec, size)
    assert sum(shared) == size
    assert all(abs(quota - exact(s.share) * size) < 1 for quota, s in zip(shared, spec.strata, strict=True))


@given(specs(), st.integers(1, 10**6))
def test_a_stratum_without_a_share_gets_nothing(spec: MixSpec, size: int) -> None:
    assert all(quota == 0 for quota, s in zip(allocate(spec, size), spec.strata, strict=True) if not s.share)


@given(specs(), st.integers(1, 10**6))
def test_who_is_rounded_up_had_the_larger_remainder_and_of_equals_stands_first(spec: MixSpec, size: int) -> None:
    ideals = [exact(stratum.share) * size for stratum in spec.strata]
    shared = allocate(spec, size)
    up = [(-(ideal % 1), index) for index, ideal in enumerate(ideals) if shared[index] > ideal]
    down = [(-(ideal % 1), index) for index, ideal in enumerate(ideals) if shared[index] < ideal]
    assert all(one < other for one in up for other in down)


@pytest.mark.parametrize(
    ("shares", "size", "wanted"),
    [
        ([0.5, 0.5], 3, [2, 1]),
        ([0.1, 0.9], 1000, [100, 900]),
        ([0.1, 0.9], 4, [0, 4]),
        ([0.25, 0.25, 0.25, 0.25], 2, [1, 1, 0, 0]),
        ([1.0], 7, [7]),
        ([0.0, 1.0], 7, [0, 7]),
        ([0.29, 0.71], 100, [29, 71]),
        ([0.07, 0.93], 10**15, [70_000_000_000_000, 930_000_000_000_000]),
    ],
)
def test_decimal_shares_are_exact_and_ties_go_to_the_earlier(shares: list[float], size: int, wanted: list[int]) -> None:
    strata = tuple(Stratum(where=Where.equals("source", str(n)), share=share) for n, share in enumerate(shares))
    assert allocate(MixSpec(strata=strata), size) == wanted


# -- the largest mix


@given(specs(digits=2), st.data())
def test_largest_is_the_largest_that_brute_force_finds(spec: MixSpec, data: st.DataObject) -> None:
    available = data.draw(st.lists(st.integers(0, 8), min_size=len(spec.strata), max_size=len(spec.strata)))
    asked = [(s.share, held) for s, held in zip(spec.strata, available, strict=True) if s.share]
    if not all(held for _, held in asked):
        assert largest(spec, available) == 0
        return
    above = min(math.ceil((held + 1) / exact(share)) for share, held in asked)
    assert largest(spec, available) == max(size for size in range(above + 1) if feasible(spec, size, available))


@given(specs(most_strata=4, digits=3), st.data())
def test_best_is_feasible_and_one_more_is_not(spec: MixSpec, data: st.DataObject) -> None:
    available = data.draw(st.lists(st.integers(1, 10**6), min_size=len(spec.strata), max_size=len(spec.strata)))
    best = largest(spec, available)
    assert feasible(spec, best, available)
    assert not feasible(spec, best + 1, available)


@pytest.mark.parametrize("share", [1e-6, 1e-12, 1e-15])
def test_the_largest_mix_with_a_tiny_share_is_found_at_once(share: float) -> None:
    spec = MixSpec(strata=real_frac(share))
    best = largest(spec, [3, 10**18])
    assert feasible(spec, best, [3, 10**18])
    assert not feasible(spec, best + 1, [3, 10**18])
    assert best == math.floor(Fraction(7, 2) / exact(share)) - 1


def test_more_could_be_infeasible_where_less_is_feasible_and_largest_is_not_fooled() -> None:
    """Largest remainder is known for it: one more in all can be one less for a stratum (the Alabama paradox)."""
    spec = spec_of([43, 43, 14], 100)
    sizes = [size for size in range(40) if feasible(spec, size, [100, 100, 1])]
    assert sizes != list(range(len(sizes)))
    assert largest(spec, [100, 100, 1]) == sizes[-1]


# -- shortfall


def test_a_shortfall_says_wanted_held_and_best_in_the_users_unit() -> None:
    spec = MixSpec(strata=real_frac(0.1), size=1000, unit="words")
    with pytest.raises(Shortfall) as caught:
        quotas(spec, [40, 5000])
    error = caught.value
    assert (str(error.stratum), error.wanted, error.held, error.best) == ("origin = 'human'", 100, 40, 404)
    assert str(error) == (
        "the mix needs 100 words of origin = 'human', the registry holds 40 (the most at these shares is 404 words): "
        "use --words 404, allow --max-repeats 3, or ask for other shares"
    )


@given(specs(most_strata=4, digits=3), st.integers(1, 10**5), st.integers(1, 3), st.data())
def test_what_a_shortfall_advises_works(spec: MixSpec, size: int, repeats: int, data: st.DataObject) -> None:
    stock = data.draw(st.lists(st.integers(0, 10**4), min_size=len(spec.strata), max_size=len(spec.strata)))
    spec = spec.model_copy(update={"size": size, "max_repeats": repeats})
    wanted = allocate(spec, size)
    if all(quota <= held * repeats for quota, held in zip(wanted, stock, strict=True)):
        assert quotas(spec, stock) == wanted
        return
    with pytest.raises(Shortfall) as caught:
        quotas(spec, stock)
    error, message = caught.value, str(caught.value)
    assert error.wanted > error.held * repeats
    assert ("use --docs" in message) == bool(error.best)
    if error.best:
        assert sum(quotas(spec.model_copy(update={"size": error.best}), stock)) == error.best
    if advised := re.search(r"--max-repeats (\d+)", message):
        assert quotas(spec.model_copy(update={"max_repeats": int(advised[1])}), stock) == wanted
        with pytest.raises(Shortfall):
            quotas(spec.model_copy(update={"max_repeats": int(advised[1]) - 1}), stock)


def test_an_empty_stratum_is_a_shortfall_even_without_a_size() -> None:
    with pytest.raises(Shortfall, match=r"needs 1 documents of origin = 'model', the registry holds 0"):
        quotas(MixSpec(strata=real_frac(0.1)), [50, 0])


def test_an_empty_stratum_is_none_where_its_share_is_zero() -> None:
    assert quotas(MixSpec(strata=real_frac(1.0)), [50, 0]) == [50, 0]


def test_a_shortfall_tells_of_documents_that_a_policy_leaves_out() -> None:
    with pytest.raises(Shortfall, match=r"leaves out 2,900 documents of unknown or mixed origin .* --unknown"):
        quotas(MixSpec(strata=real_frac(0.1), size=10), [0, 0], {"unknown": 2000, "mixed": 900})


# -- specs


@given(st.floats(0, 1))
def test_any_share_makes_a_mix_of_human_and_model_text(share: float) -> None:
    human, model = MixSpec(strata=real_frac(share)).strata
    assert abs(human.share - share) < 1e-15
    assert exact(human.share) + exact(model.share) == 1


@pytest.mark.parametrize(
    ("shares", "total"),
    [
        ([0.3, 0.3, 0.3], "0.9"),
        ([0.3333333] * 3, "0.9999999"),
        ([0.6, 0.6], "1.2"),
        ([0.0], "0"),
        ([1.0, 1e-9], "1.000000001"),
    ],
)
def test_shares_that_do_not_sum_to_one_are_refused_with_their_sum(shares: list[float], total: str) -> None:
    strata = [{"where": f"source = '{n}'", "share": share} for n, share in enumerate(shares)]
    with pytest.raises(ValidationError, match=f"the shares sum to {re.escape(total)}, they must sum to 1"):
        MixSpec.model_validate({"strata": strata})


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, math.inf])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ProvError, match="give a number from 0 to 1"):
        real_frac(share)
    with pytest.raises(ValidationError):
        Stratum(where=Where.equals("origin", "human"), share=share)


def test_a_budget_of_bytes_without_a_size_is_refused() -> None:
    with pytest.raises(ValidationError, match="a mix in bytes needs a size"):
        MixSpec(strata=real_frac(0.1), unit="bytes")


def test_a_spec_reads_back_from_its_json_and_its_canonical_form_leaves_defaults_out() -> None:
    spec = MixSpec(strata=ratio("human=0.1,gen1=0.9"), size=10, where=Where.parse("bytes > 5"), seed=3)
    assert MixSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert MixSpec.model_validate_json(spec.canonical()) == spec
    assert json.loads(spec.canonical()) == {
        "seed": 3,
        "size": 10,
        "strata": [
            {"share": 0.1, "where": "origin = 'human'"},
            {"share": 0.9, "where": "generation = 1 AND generation_exact = TRUE"},
        ],
        "where": "bytes > 5",
    }


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ("human", "origin = 'human'"),
        ("unknown", "origin = 'unknown'"),
        ("gen12", "generation = 12 AND generation_exact = TRUE"),
        ("source:wiki", "source = 'wiki'"),
        ("source:a=b", "source = 'a=b'"),
        ("generator:it's", "generator = 'it''s'"),
        ("license:cc-by", "license = 'cc-by'"),
    ],
)
def test_a_ratio_names_its_parts(part: str, where: str) -> None:
    (stratum,) = ratio(f" {part} = 1 ")
    assert (str(stratum.where), stratum.share) == (where, 1)


@pytest.mark.parametrize(
    "text", ["", "human", "human=", "=1", "human=2", "human=-1", "human=nan", "human=1,", "gen0=1", "source:=1", "me=1"]
)
def test_a_ratio_that_names_nothing_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ProvError, match=r"--ratio has .*wanted") as caught:
        ratio(text)
    assert len(str(caught.value).splitlines()) == 1


# -- permutations

ranks = st.one_of(st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1))
seeds = st.integers(0, 2**53 - 1)


def unplace(where: int, keys: Sequence[int]) -> int:
    """The rank that stands at a place: the rounds undone, last first."""
    left, right = where >> 32, where & (2**32 - 1)
    for key in reversed(keys):
        product = (left ^ key) * 2654435769
        left, right = right ^ (product >> 32) ^ (product & (2**32 - 1)), left
    return left << 32 | right


@given(ranks, seeds, st.sampled_from(["choose", "order"]), st.integers(0, 5))
def test_place_is_a_permutation_since_it_can_be_undone(rank: int, seed: int, role: str, turn: int) -> None:
    keys = round_keys(seed, role, turn)
    assert 0 <= place(rank, keys) < 2**64
    assert unplace(place(rank, keys), keys) == rank


def test_seeds_roles_and_turns_have_keys_of_their_own() -> None:
    asked = [(seed, role, turn) for seed in range(20) for role in ("choose", "order") for turn in range(5)]
    keys = {key for wanted in asked for key in round_keys(*wanted)}
    assert len(keys) == 4 * len(asked)
    assert all(0 <= key < 2**32 for key in keys)


@settings(deadline=None, max_examples=15)
@given(seeds, seeds, st.integers(1, 7))
def test_places_are_uniform_and_those_of_two_seeds_independent(one: int, other: int, turn: int) -> None:
    """A χ² over the 8 × 8 table of the leading bits of two permutations of random ranks."""
    generator = random.Random(one ^ other)
    drawn = [generator.getrandbits(64) for _ in range(2048)]
    table = [[0] * 8 for _ in range(8)]
    for rank in drawn:
        first, second = place(rank, round_keys(one, "choose")), place(rank, round_keys(other, "choose", turn))
        table[first >> 61][second >> 61] += 1
    expected = len(drawn) / 64
    assert sum((count - expected) ** 2 / expected for row in table for count in row) < 63 + 8 * math.sqrt(2 * 63)
