"""From a cohort on disk to batches on the device."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from everygroup.cohort import Cohort
from everygroup.imaging.tensors import to_input
from everygroup.targets import Truth

RESIDENT_BYTES = 2 << 30  # stores up to this size are copied to an accelerator once
_ON_THE_HOST = 2  # to the processor's own memory half of it: there a copy saves little, and runs side by side share it
_COPIED = 4096  # images copied at once


class PixelSource:
    """Gives float batches (B, C, H, W) in [0, 1], or (B, D) vectors, on the device.

    A small store is copied to the device once; a large one is read batch by batch, and what was read is let go.
    """

    def __init__(self, cohort: Cohort, device: torch.device) -> None:
        self.cohort, self.device = cohort, device
        size = int(np.prod(cohort.sample_shape)) * cohort.images.itemsize * len(cohort)
        limit = RESIDENT_BYTES if device.type != "cpu" else RESIDENT_BYTES // _ON_THE_HOST
        self._resident = self._copy() if size <= limit else None

    def _copy(self) -> torch.Tensor:
        first = self._read(slice(0, _COPIED))
        copied = torch.empty((len(self.cohort), *first.shape[1:]), dtype=first.dtype, device=self.device)
        copied[: len(first)] = first
        for start in range(len(first), len(copied), _COPIED):
            part = slice(start, start + _COPIED)
            copied[part] = self._read(part)
        return copied

    def _read(self, index: np.ndarray | slice) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.cohort.batch(index)))

    def stored(self, index: np.ndarray) -> torch.Tensor:
        """Return the batch as stored (uint8 NHWC or float32)."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(index).to(self.device)]
        return self._read(index)

    def floats(self, stored: torch.Tensor) -> torch.Tensor:
        """Turn a stored batch into network input on the device."""
        return to_input(stored.to(self.device, non_blocking=True))

    def stream(self, indices: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield (index, stored batch), reading one batch ahead when the store is not on the device."""
        if self._resident is not None:
            for index in indices:
                yield index, self.stored(index)
            return
        with ThreadPoolExecutor(1) as reader:
            ahead = None
            for index in indices:
                following = (index, reader.submit(self.stored, index))
                if ahead is not None:
                    yield ahead[0], ahead[1].result()
                ahead = following
            if ahead is not None:
                yield ahead[0], ahead[1].result()


class TruthSource:
    """Gives the targets of a batch on the device; single values, and pictures that are few, are copied there once."""

    def __init__(self, truth: Truth, device: torch.device) -> None:
        self._truth, self._device = truth, device
        self._resident: torch.Tensor | None = None
        if isinstance(truth, np.ndarray) or len(truth) * truth[slice(0, 1)].nbytes <= RESIDENT_BYTES:
            self._resident = torch.from_numpy(np.ascontiguousarray(truth[:])).to(device)

    def __getitem__(self, index: np.ndarray) -> torch.Tensor:
        if self._resident is not None:
            return self._resident[torch.from_numpy(index).to(self._device)]
        return torch.from_numpy(np.ascontiguousarray(self._truth[index])).to(self._device)


def index_batches(
    n: int,
    batch_size: int,
    seed: int,
    *,
    start: int,
    stop: int,
    probabilities: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yield the sample indices of updates start..stop-1.

    Update u's batch depends on (n, batch_size, seed, u) alone, so that a resumed run draws the same batches. Without
    `probabilities` the data are passed through in a new order each time, with no short last batch: a batch may reach
    into the next pass. With them, every batch is drawn with replacement. With `strata` (n,) a batch has as many samples
    of every cell, drawn with these probabilities; those of cell -1 keep their share.
    """
    if strata is not None:
        for update in range(start, stop):
            yield _stratified(np.random.default_rng([seed, 17, update]), batch_size, strata, probabilities)
        return
    batch_size = min(batch_size, n) if probabilities is None else batch_size
    orders: dict[int, np.ndarray] = {}
    cumulative = None if probabilities is None else np.cumsum(probabilities / probabilities.sum())

    def order(number: int) -> np.ndarray:
        if number not in orders:
            if len(orders) > 1:
                orders.pop(min(orders))
            orders[number] = np.random.default_rng([seed, 1, number]).permutation(n)
        return orders[number]

    for update in range(start, stop):
        if cumulative is not None:
            draw = np.random.default_rng([seed, 2, update]).random(batch_size)
            yield np.minimum(np.searchsorted(cumulative, draw, side="right"), n - 1)
            continue
        first = update * batch_size
        number, offset = divmod(first, n)
        head = order(number)[offset : offset + batch_size]
        yield head if len(head) == batch_size else np.concatenate([head, order(number + 1)[: batch_size - len(head)]])


def _stratified(rng: np.random.Generator, size: int, strata: np.ndarray, p: np.ndarray | None) -> np.ndarray:
    """Draw a batch that has equally many samples of every cell; what does not divide goes to cells at random."""
    p = np.ones(len(strata)) if p is None else p
    cells = [np.flatnonzero(strata == c) for c in np.unique(strata[strata >= 0])]
    rest = np.flatnonzero(strata < 0)
    n_rest = round(size * len(rest) / len(strata))
    count = np.full(len(cells), (size - n_rest) // len(cells))
    count[rng.permutation(len(cells))[: (size - n_rest) % len(cells)]] += 1
    parts = [(inside, int(n)) for inside, n in zip([*cells, rest], [*count, n_rest], strict=True) if n]
    drawn = [rng.choice(inside, n, p=p[inside] / p[inside].sum()) for inside, n in parts]
    batch: np.ndarray = rng.permutation(np.concatenate(drawn))
    return batch
