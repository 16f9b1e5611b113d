"""Intervals of means that vary by two things at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.intervals import crossed


@pytest.mark.parametrize(
    ("by_row", "by_column", "rest"), [(1.0, 1.0, 1.0), (0.0, 1.0, 0.3), (1.0, 0.0, 0.3), (0, 0, 1)]
)
def test_an_interval_over_seeds_and_articles_holds_the_truth_as_often_as_it_says(
    by_row: float, by_column: float, rest: float
) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        values = (
            by_row * rng.normal(size=(5, 1)) + by_column * rng.normal(size=(1, 40)) + rest * rng.normal(size=(5, 40))
        )
        found = crossed(values)
        held += found.low <= 0 <= found.high
    assert 930 <= held <= 998


@given(st.floats(-1e6, 1e6), st.integers(2, 6), st.integers(2, 6))
def test_what_does_not_vary_is_its_own_interval(value: float, rows: int, columns: int) -> None:
    found = crossed(np.full((rows, columns), value))
    assert found.low == found.high == pytest.approx(value)


def test_differences_of_one_row_alone_are_not_taken_for_those_of_all() -> None:
    values = np.zeros((5, 60))
    values[0] = 1.0
    found = crossed(values)
    assert found.mean == pytest.approx(0.2)
    assert found.low < 0
    assert not found.is_gap
