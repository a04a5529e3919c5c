"""Weighting strategies: their definitions and the methods they become at their ends."""

from __future__ import annotations

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.errors import SettingsError
from everygroup.spare import WEIGHTINGS, shuffled_within_groups, spare_weights, strategy_weights
from everygroup.spare.weighting import group_frequency_weights, selection_weights

D = np.array([0.1, 0.4, 0.2, 0.8, 1.6, 0.3])
GROUP = np.array([0, 0, 1, 1, 1, -1])

distances = st.lists(st.floats(0, 30).map(lambda v: round(v, 3)), min_size=2, max_size=12).map(np.array)


def weights(name: str, d: np.ndarray = D, **options: object) -> np.ndarray:
    group = GROUP if len(d) == len(GROUP) else np.arange(len(d)) % 2
    return strategy_weights(name, d, group, 0, **options)  # type: ignore[arg-type]


def test_spare_is_the_exponential() -> None:
    npt.assert_array_equal(weights("spare", temperature=2), spare_weights(D, None, alpha=1, temperature=2))


def test_one_weight_a_source_group_and_1_inside() -> None:
    outside = np.exp(-D[2:5]).mean()
    npt.assert_allclose(weights("group_weight"), [1, 1, outside, outside, outside, np.exp(-0.3)])
    assert weights("group_weight", temperature=1e9) == pytest.approx(np.ones(6))


def test_frequency_weights_give_every_group_the_same_mass() -> None:
    w = weights("group_frequency")
    npt.assert_allclose(w[:5], [1, 1, 2 / 3, 2 / 3, 2 / 3])
    assert w[5] == pytest.approx(w[:5].mean())
    assert w[GROUP == 0].sum() == pytest.approx(w[GROUP == 1].sum())
    npt.assert_array_equal(group_frequency_weights([-1, -1]), [1, 1])


def test_selection_from_erm_to_group_model() -> None:
    npt.assert_array_equal(weights("selection", quantile=0.0), np.ones(6))
    npt.assert_array_equal(weights("selection", quantile=1.0), GROUP == 0)
    # outside, from the farthest: 1.6, .8, .3, .2
    npt.assert_array_equal(weights("selection", quantile=0.34), [1, 1, 1, 0, 0, 1])
    npt.assert_array_equal(weights("selection", quantile=0.5, keep_in_group=False), [1, 0, 1, 0, 0, 1])
    npt.assert_array_equal(weights("selection", quantile=1.0, keep_in_group=False), [1, 0, 0, 0, 0, 0])
    npt.assert_array_equal(selection_weights([0.3, 0.5], [True, True], quantile=0.9), [1, 1])


@given(distances, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_keeps_fewer(d: np.ndarray, a: float, b: float) -> None:
    low, high = (weights("selection", d, quantile=q) for q in sorted((a, b)))
    assert (high <= low).all()
    assert set(np.unique(low)) <= {0.0, 1.0}


def test_ranking() -> None:
    npt.assert_allclose(weights("ranking"), [1, 0.4, 0.8, 0.2, 0, 0.6])
    npt.assert_allclose(strategy_weights("ranking", [2.0, 1.0, 2.0], [0, 0, 1], 0), [0.25, 1, 0.25])
    npt.assert_array_equal(strategy_weights("ranking", [3.0], [0], 0), [1])


@given(distances, st.sampled_from([lambda d: d**3, np.exp, np.sqrt]))
def test_ranking_and_selection_do_not_depend_on_a_monotone_map(d: np.ndarray, change: object) -> None:
    for name in ("ranking", "selection"):
        npt.assert_array_equal(weights(name, change(d)), weights(name, d))  # type: ignore[operator]


@given(distances, st.sampled_from(WEIGHTINGS))
def test_weights_lie_in_zero_to_one(d: np.ndarray, name: str) -> None:
    w = weights(name, d)
    assert ((w >= 0) & (w <= 1)).all()


def test_shuffling_stays_within_the_group_and_repeats() -> None:
    group = np.repeat([0, 1, -1], 40)
    w = np.random.default_rng(0).random(120)
    mixed = shuffled_within_groups(w, group, seed=1)
    for g in (0, 1, -1):
        npt.assert_array_equal(np.sort(mixed[group == g]), np.sort(w[group == g]))
        assert (mixed[group == g] != w[group == g]).mean() > 0.8
    npt.assert_array_equal(mixed, shuffled_within_groups(w, group, seed=1))
    assert not np.array_equal(mixed, shuffled_within_groups(w, group, seed=[1, 2]))


def test_what_cannot_be_weighted() -> None:
    with pytest.raises(SettingsError, match="Unknown weighting 'rank'"):
        weights("rank")
    with pytest.raises(SettingsError, match=r"quantile = 1\.5"):
        weights("selection", quantile=1.5)
