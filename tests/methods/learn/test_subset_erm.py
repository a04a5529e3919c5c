"""ERM on named source groups."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Lab, Store, SubsetERM
from everygroup.settings import TrainSettings


@pytest.fixture(scope="module")
def three(make_vectors: Callable[..., Cohort]) -> Split:
    return split_cohort(make_vectors(300, groups=3, missing=20))


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=30)


def test_none_is_erm(three: Split, settings: TrainSettings) -> None:
    store = Store()
    a, b = (m.fit(three.train, three.validation, settings=settings, store=store) for m in (SubsetERM(), ERM()))
    assert set(store.log.table["model"]) == {"erm"}
    np.testing.assert_array_equal(a.predict_proba(three.test), b.predict_proba(three.test))


@pytest.mark.parametrize("groups", ["g1", ["g0", "g2"], ("g0", "g1", "g2")], ids=str)
def test_only_samples_of_the_named_groups_count_and_everybody_is_answered(
    groups: str | list[str], three: Split, settings: TrainSettings
) -> None:
    method = SubsetERM(groups=groups)
    model = method.fit(three.train, three.validation, settings=settings)
    names = [groups] if isinstance(groups, str) else groups
    inside = np.isin(three.train.group, [three.train.groups.index(g) for g in names])
    assert model.info["n_train"] == inside.sum() < len(three.train)
    lab = Lab(three.train, three.validation, settings)
    expected = lab.but(train=three.train.where(inside)).train_network(budget=len(three.train))
    assert model.info["networks"]["pooled"]["key"] == expected.key
    assert expected.updates == settings.n_updates(len(three.train))
    assert set(model.predict(three.test).table["route"]) == {"pooled"}
    assert model.info["hyperparameters"] == {"groups": groups if isinstance(groups, str) else list(groups)}


def test_groups_that_are_numbers_in_a_file(make_vectors: Callable[..., Cohort]) -> None:
    assert SubsetERM(groups=[1, 2])._names == ["1", "2"]  # type: ignore[list-item]
    assert SubsetERM(groups=3)._names == ["3"]  # type: ignore[arg-type]


@pytest.mark.parametrize("groups", [[], "", 3.5, True, [True]])
def test_impossible_groups(groups: object) -> None:
    with pytest.raises(SettingsError, match="groups"):
        SubsetERM(groups=groups)  # type: ignore[arg-type]


def test_unknown_groups_are_named(three: Split, settings: TrainSettings) -> None:
    with pytest.raises(SettingsError, match="no group 'dark'"):
        SubsetERM(groups=["g0", "dark"]).fit(three.train, three.validation, settings=settings)
