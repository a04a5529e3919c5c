"""Samples without a group are answered by what validation saw when the epoch was chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from everygroup.methods.base import Method

from everygroup.cohort import Cohort, Split
from everygroup.methods import RoutedModel, Store, create_method
from everygroup.settings import TrainSettings
from everygroup.training import Trained, predict_logits

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
    assemble = Method._network_per_group

    def spy(method: Method, train: Cohort, trained: Trained, **options: bool) -> RoutedModel:
        seen.append(trained)
        return assemble(method, train, trained, **options)

    monkeypatch.setattr(Method, "_network_per_group", spy)
    settings = image_settings.but(updates=20)
    model = create_method(name, hyper).fit(images.train, images.validation, settings=settings, store=Store())
    cohort = images.test.where(np.arange(len(images.test)))
    cohort.group[:20] = -1
    (trained,) = seen
    validated = predict_logits(trained.network, cohort).softmax(1).double().numpy()
    np.testing.assert_allclose(model.predict_proba(cohort), validated, atol=2e-5)
    model.save(tmp_path)
    np.testing.assert_array_equal(RoutedModel.load(tmp_path).predict_proba(cohort), model.predict_proba(cohort))
