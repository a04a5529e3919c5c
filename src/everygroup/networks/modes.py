"""Eval mode for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module, really: bool = True) -> Iterator[None]:
    """Put a network into eval mode (`really`), and every part of it back into its own afterwards."""
    modes = [(module, module.training) for module in network.modules()] if really else []
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
