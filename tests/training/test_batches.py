"""Batches depend on the update alone; pixels arrive the same from memory and from disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from everygroup.cohort import Cohort
from everygroup.imaging.tensors import to_input
from everygroup.training import batches
from everygroup.training.batches import PixelSource, index_batches

CPU = torch.device("cpu")


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 3), st.integers(0, 12), st.booleans())
def test_a_resumed_run_draws_the_same_batches(n: int, size: int, seed: int, start: int, weighted: bool) -> None:
    p = np.arange(1.0, n + 1) if weighted else None
    whole = list(index_batches(n, size, seed, start=0, stop=14, probabilities=p))
    rest = list(index_batches(n, size, seed, start=start, stop=14, probabilities=p))
    assert len(rest) == 14 - start
    for a, b in zip(whole[start:], rest, strict=True):
        npt.assert_array_equal(a, b)


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 3))
def test_every_sample_once_a_pass_and_no_short_batch(n: int, size: int, seed: int) -> None:
    used = min(size, n)
    drawn = list(index_batches(n, size, seed, start=0, stop=5 * n))
    assert {len(b) for b in drawn} == {used}
    stream = np.concatenate(drawn)
    for number in range(5):
        npt.assert_array_equal(np.sort(stream[number * n : (number + 1) * n]), np.arange(n))
    if n > 8:
        assert not np.array_equal(stream[:n], stream[n : 2 * n])


def test_seeds_give_other_orders() -> None:
    first, second = (next(index_batches(50, 50, seed, start=0, stop=1)) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_samples_are_drawn_with_their_probabilities() -> None:
    p = np.array([0.0, 1.0, 2.0, 5.0, 0.0])
    drawn = np.concatenate(list(index_batches(5, 100, 0, start=0, stop=80, probabilities=p)))
    assert len(drawn) == 8000
    npt.assert_allclose(np.bincount(drawn, minlength=5) / 8000, p / 8, atol=0.02)
    assert not {0, 4} & set(drawn)


def test_pixels_become_input(tiny_cohort: Callable[..., Cohort]) -> None:
    stored = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    assert to_input(stored).flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert to_input(torch.zeros(2, 4, 5, 3)).shape == (2, 3, 4, 5)
    vectors = torch.randn(2, 7) * 9
    assert to_input(vectors) is vectors


@pytest.mark.parametrize("kind", ["uint8", "float32", "vector", "memmap"])
def test_streamed_and_resident_pixels_are_equal(
    tiny_cohort: Callable[..., Cohort], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    cohort = tiny_cohort(20)
    images: Any = cohort.images
    if kind == "memmap":
        np.save(tmp_path / "images.npy", images)
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
    if kind == "float32":
        images = images.astype(np.float32) / 255
    if kind == "vector":
        images = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    cohort = Cohort.from_arrays(images, cohort.y.tolist(), sensitive_features=cohort.group.tolist()).where(
        np.arange(19, 0, -1)
    )
    indices = list(index_batches(19, 4, 0, start=0, stop=9))
    resident = PixelSource(cohort, CPU)
    assert resident._resident is not None
    monkeypatch.setattr(batches, "RESIDENT_BYTES", 0)
    streamed = PixelSource(cohort, CPU)
    assert streamed._resident is None
    got = list(zip(resident.stream(iter(indices)), streamed.stream(iter(indices)), indices, strict=True))
    assert len(got) == 9
    for (i, a), (j, b), index in got:
        npt.assert_array_equal(i, index)
        npt.assert_array_equal(j, index)
        assert torch.equal(a, b)
        npt.assert_array_equal(a.numpy(), cohort.batch(index))
        assert torch.equal(resident.floats(a), streamed.floats(b))
    assert list(streamed.stream(iter([]))) == []
