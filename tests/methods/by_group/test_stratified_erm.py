"""Stratified ERM: passes over the group, not updates."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from everygroup.cohort import Cohort, split_cohort
from everygroup.methods import GroupModel, Store, StratifiedERM
from everygroup.settings import TrainSettings


@pytest.mark.parametrize("given", [{"updates": None, "epochs": 4}, {"updates": 50}], ids=str)
def test_a_group_makes_its_share_of_the_updates(
    given: dict[str, int], make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    cohort = make_vectors(300)
    split = split_cohort(cohort.where((cohort.group == 0) | (np.arange(300) % 4 == 0)))
    settings, size = vector_settings.but(batch_size=8, **given), np.bincount(split.train.group)
    made, answers = [], []
    for method in (StratifiedERM(), GroupModel()):
        store = Store()
        model = method.fit(split.train, split.validation, settings=settings, store=store)
        answers.append(model.predict_proba(split.test))
        made.append(store.log.table.groupby("model")["updates"].max().tolist())
    n = len(split.train)
    if settings.updates is None:
        assert made == [[4 * math.ceil(k / 8) for k in size], [4 * math.ceil(n / 8)] * 2]
    else:
        assert made == [[math.ceil(50 * k / n) for k in size], [50, 50]]
    assert not np.array_equal(*answers)
