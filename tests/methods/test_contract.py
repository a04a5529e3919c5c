"""One contract over every registered method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split
from everygroup.errors import EverygroupError, SettingsError
from everygroup.methods import Store, create_method, list_methods, method_class
from everygroup.methods.info import ALL_TARGETS
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings

ALONE = list_methods()
IMAGES = ("batch norm", "convolutions", "images")  # what others need, or nothing, vectors have


def _world(name: str, vectors: tuple[Split, TrainSettings], images: tuple[Split, TrainSettings]) -> Any:
    """The smallest cohort and network that a method can be trained on."""
    needs = method_class(name).info.needs
    if needs == "hidden layer":
        return vectors[0], vectors[1].but(backbone="mlp")
    return images if needs in IMAGES else vectors


@pytest.mark.parametrize("name", ALONE)
def test_trains_predicts_survives_saving_and_beats_chance(
    name: str,
    images: Split,
    image_settings: TrainSettings,
    two: Split,
    vector_settings: TrainSettings,
    shared_store: Store,
    tmp_path: Path,
) -> None:
    split, settings = _world(name, (two, vector_settings), (images, image_settings))
    model = create_method(name).fit(split.train, split.validation, settings=settings, store=shared_store)
    score = model.predict_proba(split.test)
    assert score.shape == (len(split.test), len(split.test.classes))
    assert np.isfinite(score).all()
    np.testing.assert_allclose(score.sum(1), 1, atol=1e-9)
    majority = np.bincount(split.test.y).max() / len(split.test)
    assert (score.argmax(1) == split.test.y).mean() > majority + 0.1

    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(split.test), score)
    assert {p.suffix for p in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("name", ALONE)
def test_same_seed_same_model_other_seed_another(
    name: str, two: Split, images: Split, vector_settings: TrainSettings, image_settings: TrainSettings
) -> None:
    split, settings = _world(name, (two, vector_settings.but(updates=30)), (images, image_settings.but(updates=6)))

    def score(seed: int) -> np.ndarray:
        model = create_method(name).fit(split.train, split.validation, settings=settings.but(seed=seed))
        return model.predict_proba(split.test)

    np.testing.assert_array_equal(score(1), score(1))
    assert not np.array_equal(score(1), score(2))


@pytest.mark.parametrize("name", ALONE)
def test_refuses_cohorts_that_leak_or_do_not_fit(name: str, two: Split, vector_settings: TrainSettings) -> None:
    with pytest.raises(SettingsError, match="in both training and validation"):
        create_method(name).fit(two.train, two.train, settings=vector_settings)
    other = Cohort.from_arrays(
        two.validation.batch(slice(None)), ["a", "b"] * (len(two.validation) // 2), sensitive_features=["u", "v"] * 24
    )
    with pytest.raises(SettingsError, match="differ in classes or groups"):
        create_method(name).fit(two.train, other, settings=vector_settings)


@pytest.mark.parametrize("name", list_methods())
def test_info_is_complete_and_hyperparameters_round_trip(name: str) -> None:
    method = create_method(name)
    (info,) = method.infos
    assert info.name == name
    assert info.paper and info.title and info.branch and info.idea
    assert set(info.targets) <= set(ALL_TARGETS)
    assert info.cost(2) >= 1
    assert info.cost(2) == pytest.approx(method.cost(("a", "b")))
    assert create_method(name, method.hyperparameters).hyperparameters == method.hyperparameters
    assert str(create_method(str(method))) == str(method) == name
    assert info.to_dict()["cost"] == info.cost(2)


@pytest.mark.parametrize("name", [n for n in list_methods() if method_class(n).info.needs_group == "no"])
def test_what_needs_no_group_does_not_look_at_groups(
    name: str, two: Split, images: Split, vector_settings: TrainSettings, image_settings: TrainSettings
) -> None:
    split, settings = _world(name, (two, vector_settings.but(updates=20)), (images, image_settings.but(updates=4)))
    settings = settings.but(selection="loss")
    rng = np.random.default_rng(0)
    other = [part.with_groups(rng.permutation(part.group), part.groups) for part in (split.train, split.validation)]
    told = create_method(name).fit(split.train, split.validation, settings=settings).predict_proba(split.test)
    np.testing.assert_array_equal(create_method(name).fit(*other, settings=settings).predict_proba(split.test), told)


def test_names_and_wildcards() -> None:
    assert {"erm", "group_model", "spare"} <= set(list_methods())
    assert list_methods("group_m*") == ["group_model"]
    with pytest.raises(SettingsError, match="did you mean 'spare'"):
        method_class("spar")
    with pytest.raises(SettingsError, match="did you mean 'alpha'"):
        create_method("spare", {"alpa": 0.3})
    with pytest.raises(EverygroupError, match="'erm' has: selection_by"):
        create_method("erm", {"alpha": 0.3})
