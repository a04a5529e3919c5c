"""What a network is asked to learn, and tasks that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from everygroup.cohort import Cohort
from everygroup.errors import TrainingError
from everygroup.targets import Classes
from everygroup.training import Task

Make = Callable[..., Cohort]
TWO = Classes(["c0", "c1"])


@pytest.fixture
def task(tiny_cohort: Make) -> Task:
    return Task.diagnosis("erm", TWO, tiny_cohort(24), tiny_cohort(12, seed=1))


def test_diagnosis_and_group(tiny_cohort: Make) -> None:
    train, validation = tiny_cohort(24, groups=3, missing=5), tiny_cohort(12, groups=3, missing=1)
    diagnosis = Task.diagnosis("erm", TWO, train, validation, weights=np.ones(24))
    assert diagnosis.target is TWO
    assert diagnosis.y_train is train.y
    group = Task.group("f_g", train, validation)
    assert group.target.outputs == ("g0", "g1", "g2")
    assert (len(group.train), len(group.validation)) == (19, 11)
    assert group.y_train.min() == 0


def test_the_hash_tells_every_change(task: Task, tiny_cohort: Make) -> None:
    weights = np.linspace(0.5, 1, 24)
    versions = [
        task,
        replace(task, weights=weights),
        replace(task, probabilities=weights),
        replace(task, weights=np.ones(24)),
        replace(task, target=Classes(["c1", "c0"])),
        replace(task, y_train=task.y_train[::-1]),
        replace(task, y_validation=1 - task.y_validation),
        Task.diagnosis("erm", TWO, tiny_cohort(24, seed=7), task.validation),
        Task.diagnosis("erm", TWO, task.train, tiny_cohort(12, seed=7)),
    ]
    assert len({t.hash for t in versions}) == len(versions)
    assert replace(task, name="other").hash == task.hash


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_train": np.zeros(3, int)}, "targets do not fit"),
        ({"y_validation": np.zeros(3, int)}, "targets do not fit"),
        ({"weights": np.ones(3)}, "must be finite and one a training sample"),
        ({"weights": np.full(24, np.nan)}, "must be finite"),
        ({"probabilities": np.full(24, np.inf)}, "must be finite"),
        ({"weights": np.r_[-1.0, np.ones(23)]}, "must not be negative, nor all 0"),
        ({"probabilities": np.zeros(24)}, "must not be negative, nor all 0"),
        ({"y_train": np.ones(24, int)}, "all 24 training samples are 'c1'"),
    ],
)
def test_tasks_that_make_no_sense(task: Task, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=f"erm: .*{words}"):
        replace(task, **changes)


def test_empty_parts(tiny_cohort: Make) -> None:
    full, empty = tiny_cohort(12), tiny_cohort(12).where([])
    with pytest.raises(TrainingError, match="12 training and 0 validation"):
        Task.diagnosis("erm", TWO, full, empty)
    with pytest.raises(TrainingError, match="0 training and 12 validation"):
        Task.diagnosis("erm", TWO, empty, full)
