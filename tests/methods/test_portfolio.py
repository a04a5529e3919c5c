"""Chains beside each other, and models mixed by group."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Apple, Mixture, Spare, Store, create_method
from everygroup.methods.mixing import mixed
from everygroup.methods.portfolio import labels
from everygroup.settings import TrainSettings


def test_candidates_are_told_apart_by_what_differs() -> None:
    written = ["spare(scale=rank)", "spare", "erm(selection_by=group)", "merge_groups + spare", "group_model"]
    assert labels([create_method(text) for text in written]) == [
        "spare scale=rank",
        "spare scale=none",
        "erm selection_by=group",
        "merge_groups + spare",
        "group_model",
    ]
    for twice in (["spare", "spare"], ["erm"]):
        with pytest.raises(SettingsError, match="more than once"):
            Mixture(candidates=twice)


def test_a_networks_share_is_that_of_all_models_that_answer_with_it(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    settings = vector_settings.but(updates=20)

    def fit(method):  # type: ignore[no-untyped-def]
        return method.fit(two.train, two.validation, settings=settings, store=shared_store)

    models = {"erm": fit(ERM()), "spare": fit(Spare(min_group=10)), "apple": fit(Apple())}
    shares = {"g0": {"erm": 1.0, "apple": 0.0}, "g1": {"erm": 0.2, "spare": 0.3, "apple": 0.5}}
    model = mixed(models, shares)
    assert model.route == {"g0": "pooled", "g1": "mixture[g1]"}
    part = two.test.in_group("g1")
    parts = [share * models[name].predict_proba(part) for name, share in shares["g1"].items()]
    np.testing.assert_allclose(model.predict_proba(part), np.sum(parts, 0), atol=1e-12)
    assert set(model.weights["target_group"]) == {"g1"}
    assert set(model.networks) == {"pooled", "g1: spare", "g1: apple", "group predictor"}
    other = create_method("spare(min_group=10) + group_calibration")
    with pytest.raises(SettingsError, match="differs from ERM in more than its networks: steps"):
        mixed({"erm": models["erm"], "calibrated": fit(other)}, {"g0": {"erm": 1.0}})
