"""Small models and stand-ins shared by the tests of boundary/."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from everygroup import console


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    console.clear_warnings()
    yield
    console.clear_warnings()


@pytest.fixture(scope="session")
def cnn() -> nn.Module:
    """A random CNN with BatchNorm whose four classes all occur on random images."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 16, 4),
    )
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(64, 3, 16, 16))
    return model.eval()


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    """A linear model with these numbers."""
    model = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    with torch.no_grad():
        model.weight.copy_(weight)
        model.bias.copy_(bias)
    return model


@pytest.fixture(scope="session")
def make_linear() -> object:
    return linear
