"""Erasing the group from features: covariances, what is kept, and what it costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from everygroup.cohort import Split
from everygroup.methods import Store, create_method
from everygroup.methods.after.feature_edit import erasing_map
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings

RNG = np.random.default_rng(0)
GROUP = RNG.integers(0, 3, 3000)
LABEL = (RNG.random(3000) < 0.3 + 0.2 * GROUP).astype(int)
Z, Y = np.eye(3)[GROUP], np.eye(2)[LABEL]
X = RNG.standard_normal((3000, 8)) @ RNG.standard_normal((8, 8)) + Z @ RNG.standard_normal((3, 8)) + Y[:, :1]


def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a - a.mean(0)).T @ (b - b.mean(0)) / len(a)


def edited(x: np.ndarray, label: np.ndarray | None = None) -> np.ndarray:
    return x - (x - x.mean(0)) @ erasing_map(x, Z, label).T


def test_the_covariance_with_the_group_is_gone_and_that_with_the_label_kept_where_asked() -> None:
    plain, kept = edited(X), edited(X, Y)
    assert np.abs(covariance(X, Z)).max() > 0.05
    for found in (plain, kept):
        assert np.abs(covariance(found, Z)).max() < 1e-10
    assert np.abs(covariance(plain, Y) - covariance(X, Y)).max() > 0.01
    np.testing.assert_allclose(covariance(kept, Y), covariance(X, Y), atol=1e-10)
    root = np.linalg.inv(np.linalg.cholesky(np.cov(X.T)))  # distance in units of the features' covariance
    assert np.square((plain - X) @ root.T).sum() < np.square((kept - X) @ root.T).sum()


def test_features_without_variance_and_a_label_that_is_the_group_are_no_matter() -> None:
    flat = np.concatenate([X, X[:, :2], np.ones((3000, 1))], 1)
    assert np.abs(covariance(edited(flat), Z)).max() < 1e-8
    both = edited(X, Z)  # nothing can be parted
    np.testing.assert_allclose(both, X, atol=1e-6)


def test_models_tell_what_it_cost_survive_saving_and_off_is_erm(
    two: Split, vector_settings: TrainSettings, shared_store: Store, tmp_path: Path
) -> None:
    def fit(name: str) -> RoutedModel:
        return create_method(name).fit(two.train, two.validation, settings=vector_settings, store=shared_store)

    erm, off = fit("erm"), fit("feature_edit(strength=0)")
    np.testing.assert_array_equal(off.predict_proba(two.test), erm.predict_proba(two.test))
    for keep in ("nothing", "label"):
        model = fit(f"feature_edit(keep={keep})")
        facts = model.info["feature_edit"]
        assert facts["group_auc"][0] > 0.85
        assert facts["group_auc"][1] < 0.65
        assert facts["label_auc"][1] > 0.8
        model.save(tmp_path / keep)
        again = RoutedModel.load(tmp_path / keep)
        np.testing.assert_array_equal(again.predict_proba(two.test), model.predict_proba(two.test))
