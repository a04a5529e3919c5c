"""Methods with a part of their own for each group need samples of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from everygroup.cohort import Cohort, split_cohort
from everygroup.errors import TrainingError
from everygroup.methods import create_method, list_methods, method_class
from everygroup.settings import TrainSettings

EVERY_GROUP = [name for name in list_methods() if method_class(name).info.every_group]


def test_which_they_are() -> None:
    assert {"apple", "domain_independent", "multitask", "fair_moe", "merge_groups"} <= set(EVERY_GROUP)


@pytest.mark.parametrize("name", EVERY_GROUP)
def test_a_group_without_training_samples_is_refused(
    name: str, make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(200))
    train = split.train.where(split.train.group == 0)
    with pytest.raises(TrainingError, match="Group g1 has no training samples"):
        create_method(name).fit(train, split.validation, settings=vector_settings)
