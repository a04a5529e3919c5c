"""Choose the device and make runs repeatable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from everygroup.errors import SettingsError


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; 'auto' takes cuda, then mps, then cpu.

    Raises
    ------
    SettingsError
        If the device does not exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"No device {name!r} here.", fix="use --device auto or --device cpu") from error
    return device


@contextmanager
def repeatable(deterministic: bool) -> Iterator[None]:
    """Run the block with its own random state, and with deterministic algorithms where they exist."""
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    before, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)
            # Its safety net, filling all fresh memory with NaN, costs time and changes no result here.
            memory.fill_uninitialized_memory = False
            torch.backends.cudnn.benchmark = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warn_only)
            memory.fill_uninitialized_memory = fill
            torch.backends.cudnn.benchmark = benchmark


def seed_torch(*key: int) -> None:
    """Seed torch from several integers, such as (seed, epoch)."""
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
