"""Arrays in files: the same values, read or mapped, and memory that is given back."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from everygroup import mapped
from everygroup.files import hash_array
from everygroup.mapped import pieces, take, write_npy

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    np.save(tmp_path / "store.npy", np.random.default_rng(0).integers(0, 256, (300, 64, 64, 3), dtype=np.uint8))
    return tmp_path / "store.npy"


def resident() -> int:
    """Bytes of mapped files that count as this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[2]) * 4096


@pytest.mark.parametrize("mode", [None, "r", "r+", "c"])
def test_rows_and_pieces_are_those_of_the_array(store: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None) -> None:
    monkeypatch.setattr(mapped, "_BLOCK_BYTES", 5 * 64 * 64 * 3)
    array = np.load(store, mmap_mode=mode)  # type: ignore[arg-type]
    whole = np.load(store)
    rows = np.random.default_rng(1).integers(0, 300, 17)
    for chosen in (rows, rows[:0], np.arange(300)):
        taken = take(array, chosen)
        np.testing.assert_array_equal(taken, whole[chosen])
        assert type(taken) is np.ndarray and taken.flags.writeable and not np.shares_memory(taken, array)
    np.testing.assert_array_equal(take(array[50:, ::2], rows % 100), whole[50:, ::2][rows % 100])
    np.testing.assert_array_equal(np.concatenate([p.copy() for p in pieces(array)]), whole)
    assert hash_array(np.asarray(array)) == hash_array(whole)


def test_changes_in_memory_are_kept(store: Path) -> None:
    array = np.load(store, mmap_mode="c")
    array[3] = 7
    take(array, np.array([3]))
    assert (array[3] == 7).all() and hash_array(array) != hash_array(np.load(store))


@linux
def test_what_was_read_is_given_back(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((2000, 64, 64, 3), dtype=np.uint8))
    array = np.load(tmp_path / "large.npy", mmap_mode="r")
    before = resident()
    take(array, np.arange(2000))
    assert hash_array(array)
    for _ in pieces(array.reshape(-1)):
        pass
    assert resident() - before < array.nbytes / 4
    assert array.sum() == 0
    assert resident() - before > array.nbytes / 2  # so that the test would see it


def test_arrays_in_memory_are_as_they_were() -> None:
    array = np.arange(12).reshape(4, 3)
    np.testing.assert_array_equal(take(array, np.array([2, 0])), array[[2, 0]])
    assert [p.shape for p in pieces(array)] == [(4, 3)] and list(pieces(array[:0])) == []


def test_a_file_written_in_parts_is_the_array(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    file = tmp_path / "whole.npy"
    write_npy(file, (whole[k : k + 9] for k in range(0, 50, 9)), shape=whole.shape, dtype=np.dtype(np.float16))
    found = np.load(file, mmap_mode="r")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, whole.astype(np.float16))
