"""Fixtures for every room: tiny cohorts that can be learnt in a second, one torch thread, real data where it lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from everygroup.cohort import Cohort
from everygroup.console import clear_warnings

# A busy machine is slow, and a first call imports: time is no reason for a property to fail.
settings.register_profile("everygroup", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everygroup")

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _fresh_warnings() -> Iterator[None]:
    """Forget recorded warnings, so that every test sees its own."""
    clear_warnings()
    yield
    clear_warnings()


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: tiny tensors are slower on several, and sums are the same everywhere."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_cohort(
    n: int = 48,
    groups: int = 2,
    classes: int = 2,
    size: int = 8,
    *,
    seed: int = 0,
    missing: int = 0,
    images_a_unit: int = 1,
) -> Cohort:
    """Draw n square pictures: the class is the place and colour of a patch, the group the shade of the ground.

    The last `missing` samples have no group. Every cell gets its samples in turn, so that none is empty.
    """
    rng = np.random.default_rng(seed)
    index = np.arange(n)
    y, group = index % classes, (index // classes) % groups
    images = rng.integers(0, 30, (n, size, size, 3)).astype(np.uint8)
    images += (90 + 60 * group[:, None, None, None] // max(1, groups - 1)).astype(np.uint8)
    half = size // 2
    for i in range(n):
        row, column = divmod(y[i] % 4, 2)
        images[i, row * half : (row + 1) * half, column * half : (column + 1) * half, y[i] % 3] = 255
    names = [f"g{g}" for g in group]
    if missing:
        names[-missing:] = [""] * missing
    return Cohort.from_arrays(
        images,
        y,
        classes=[f"c{k}" for k in range(classes)],
        sensitive_features={"tone": names},
        ids=[f"s{i}" for i in index],
        units=[f"p{i // images_a_unit}" for i in index],
        provenance={"name": "tiny"},
    )


@pytest.fixture(scope="session")
def tiny_cohort() -> Callable[..., Cohort]:
    """Give `tiny_cohort(n, groups, classes, size, *, seed, missing, images_a_unit)`; see `make_cohort`."""
    return make_cohort


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Give the folder of real data sets: $EVERYGROUP_DATA, or shared/data beside the repository; skip without it."""
    folder = Path(os.environ.get("EVERYGROUP_DATA", _ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here: set EVERYGROUP_DATA to a folder of published data sets")
    return folder
