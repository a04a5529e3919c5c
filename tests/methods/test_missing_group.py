"""Samples without a group are answered by what validation saw when the epoch was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.methods import Lab, create_method
from everygroup.models import RoutedModel
from everygroup.networks import predict_outputs
from everygroup.settings import TrainSettings
from everygroup.training import Trained

TAKE_THE_GROUP = [
    ("apple", {}),
    ("distilled", {"teacher": "erm", "student_group": True}),
    ("domain_independent", {"rule": "known"}),
    ("fair_adabn", {}),
    ("fair_adabn", {"shared_affine": True}),
    ("fair_moe", {}),
    ("multitask", {}),
]


@pytest.mark.parametrize(("name", "hyper"), TAKE_THE_GROUP, ids=str)
def test_what_is_validated_answers(
    name: str,
    hyper: dict[str, object],
    images: Split,
    image_settings: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Trained] = []
    train = Lab.train_network

    def spy(lab: Lab, learn: Any = None, name: str = "erm", **options: Any) -> Trained:
        trained = train(lab, learn, name, **options)
        if learn is not None:
            seen.append(trained)
        return trained

    monkeypatch.setattr(Lab, "train_network", spy)
    settings = image_settings.but(updates=20)
    model = create_method(name, hyper).fit(images.train, images.validation, settings=settings)
    cohort = images.test.where(np.arange(len(images.test)))
    cohort.group[:20] = -1
    learners = {id(trained.learner): trained.learner for trained in seen}
    (learner,) = learners.values()  # what validation saw
    validated = predict_outputs(learner, cohort).softmax(1).double().numpy()
    np.testing.assert_allclose(model.predict_proba(cohort), validated, atol=2e-5)
    model.save(tmp_path)
    np.testing.assert_array_equal(RoutedModel.load(tmp_path).predict_proba(cohort), model.predict_proba(cohort))
