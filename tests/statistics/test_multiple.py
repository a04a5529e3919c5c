"""Adjusted p-values against statsmodels, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.errors import EverygroupError
from everygroup.statistics.multiple import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(P_VALUES)
def test_equal_to_statsmodels(p: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-14)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(P_VALUES, st.randoms(use_true_random=False))
def test_order_and_bounds(p: list[float], random: object) -> None:
    values = np.asarray(p)
    shuffle = np.random.default_rng(random.randint(0, 9999)).permutation(values.size)  # type: ignore[attr-defined]
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(values)
        assert ((adjusted >= values) & (adjusted <= 1)).all()
        assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()
        np.testing.assert_array_equal(adjust(values[shuffle]), adjusted[shuffle])
    assert (benjamini_hochberg(values) <= holm(values) + 1e-15).all()


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_undefined_is_kept_and_not_counted(adjust) -> None:
    nan = float("nan")
    got = adjust([[0.01, nan, 0.04], [0.03, 0.2, nan]])
    assert got.shape == (2, 3)
    assert np.isnan(got[0, 1]) and np.isnan(got[1, 2])
    np.testing.assert_array_equal(got[~np.isnan(got)], adjust([0.01, 0.04, 0.03, 0.2]))
    assert np.isnan(adjust([nan, nan])).all()
    assert adjust([]).shape == (0,)
    assert adjust(0.3) == 0.3


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("bad", [-0.1, 1.5, float("inf")])
def test_values_that_are_no_p_values_are_named(adjust, bad: float) -> None:
    with pytest.raises(EverygroupError, match=r"outside \[0, 1\]"):
        adjust([0.2, bad])


def test_error_rates_hold_under_the_null() -> None:
    p = np.random.default_rng(0).random((4000, 8))
    for adjust in (holm, benjamini_hochberg):
        any_rejected = np.mean([(adjust(row) <= 0.05).any() for row in p])
        assert 0.038 < any_rejected < 0.062  # 0.05 within 3.5 standard errors
