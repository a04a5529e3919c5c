"""Tiny worlds that a method can be trained on in a second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.datasets import simulated
from everygroup.methods import Store
from everygroup.settings import TrainSettings

BY_GRADIENT = {"backbone": "linear", "augment": "none", "optimiser": "adamw"}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def images() -> Split:
    """Simulated skin lesions, two groups, a few missing."""
    world = simulated.dermatology(420, image_size=16, seed=1, ambiguity=0.1, acquisition_noise=0.0, hair=0.0)
    return split_cohort(world.cohort)


@pytest.fixture(scope="session")
def image_settings() -> TrainSettings:
    return TrainSettings.make({"updates": 70, "batch_size": 48, "lr": 4e-3, "augment": "flip"})


def vectors(n: int = 240, groups: int = 2, seed: int = 0, *, apart: float = 2.0, missing: int = 0) -> Cohort:
    """Vectors (n, 4): the first value tells the group, the class is a direction that turns a little by group."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    x[:, 0] += apart * group
    angle = 0.4 * group
    y = (x[:, 1] * np.cos(angle) + x[:, 2] * np.sin(angle) + 0.2 * rng.standard_normal(n) > 0).astype(int)
    names = [f"g{g}" for g in group]
    for i in range(missing):
        names[i] = ""
    return Cohort.from_arrays(
        x, y, classes=["no", "yes"], sensitive_features={"a": names}, ids=[f"s{i:04d}" for i in range(n)]
    )


@pytest.fixture(scope="session")
def make_vectors() -> Callable[..., Cohort]:
    return vectors


@pytest.fixture(scope="session")
def two() -> Split:
    return split_cohort(vectors())


@pytest.fixture(scope="session")
def vector_settings() -> TrainSettings:
    return TrainSettings.make({**BY_GRADIENT, "updates": 120, "batch_size": 64, "lr": 3e-2})


@pytest.fixture(scope="session")
def head_settings() -> TrainSettings:
    """Linear heads that are solved."""
    return TrainSettings.make({"backbone": "linear", "selection": "loss"})


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Networks that several tests need are trained once."""
    return Store(tmp_path_factory.mktemp("store"))
