"""The chance level of lineage gaps."""

from functools import partial
from itertools import permutations

import numpy as np
import pytest

from everygroup.errors import SettingsError
from everygroup.metrics import chance_level, eopp1, lineage_gap


def many_classes(seed: int, n: int = 1600, accuracy: float = 0.5) -> tuple[np.ndarray, ...]:
    """114 classes, a third of the samples in the smaller group; answers do not depend on the group."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(114, 1.5))
    y = rng.choice(114, n, p=share)
    answer = np.where(rng.random(n) < accuracy, y, rng.choice(114, n, p=share))
    return y, answer, (rng.random(n) < 1 / 3).astype(int)


def test_with_114_classes_chance_is_most_of_the_value() -> None:
    gap = partial(lineage_gap, name="eopp1", variant="lab")
    y, answer, group = many_classes(0)
    fair = chance_level(gap, y, answer, sensitive_features=group, n_permutations=300, classes=range(114))
    assert fair.observed > 0.2 and abs(fair.observed - fair.mean) < 0.03 and fair.p > 0.05
    # one group loses 10 points of recall in every class: still nearly all of the number is chance
    worse = np.random.default_rng(1).random(y.size) < 0.2
    answer = np.where((group == 1) & (answer == y) & worse, (y + 1) % 114, answer)
    unfair = chance_level(gap, y, answer, sensitive_features=group, n_permutations=300, classes=range(114))
    assert unfair.mean > 0.85 * unfair.observed
    few = chance_level(gap, y % 3, np.where(answer == y, y % 3, (y + 1) % 3), sensitive_features=group)
    assert few.mean < 0.5 * few.observed and few.p < 0.05


def test_shuffles_are_those_of_all_permutations_within_the_labels() -> None:
    y, answer, group = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 0, 1]
    gap = partial(lineage_gap, name="eodds", variant="strict")
    every = []
    for first in permutations(group[:3]):
        for second in permutations(group[3:]):
            from everygroup.metrics import eodds

            every.append(eodds(y, answer, sensitive_features=[*first, *second], variant="strict").value)
    chance = chance_level(gap, y, answer, sensitive_features=group, n_permutations=4000)
    assert set(chance.values.round(9)) == set(np.round(every, 9))
    assert chance.mean == pytest.approx(np.mean(every), abs=0.02)


def test_p_is_uniform_without_a_difference() -> None:
    gap = partial(lineage_gap, name="eopp1", variant="lab")
    p = []
    for seed in range(60):
        y, answer, group = many_classes(seed, n=400)
        p.append(chance_level(gap, y, answer, sensitive_features=group, n_permutations=99, seed=seed).p)
    assert np.quantile(p, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.17)


def test_observed_value_missing_groups_blocks_and_free_shuffles(monkeypatch: pytest.MonkeyPatch) -> None:
    y, answer, group = many_classes(3, n=300)
    gap = partial(lineage_gap, name="eopp1", variant="lab")
    chance = chance_level(gap, y, answer, sensitive_features=group, n_permutations=40, classes=range(114))
    assert chance.observed == eopp1(y, answer, sensitive_features=group, classes=range(114)).value
    assert chance.mean <= chance.high <= chance.values.max() and chance.values.size == 40
    with_missing = chance_level(
        gap, [*y, 0], [*answer, 1], sensitive_features=[*group, -1], n_permutations=40, classes=range(114)
    )
    np.testing.assert_array_equal(with_missing.values, chance.values)
    monkeypatch.setattr("everygroup.metrics.chance.BLOCK", 1000)
    assert chance_level(gap, y, answer, sensitive_features=group, n_permutations=40).values.size == 40
    free = chance_level(gap, y, answer, sensitive_features=group, n_permutations=40, within="none")
    assert free.values.std() > 0
    with pytest.raises(SettingsError, match="n_permutations is 0"):
        chance_level(gap, y, answer, sensitive_features=group, n_permutations=0)
