"""Devices by name; repeatable blocks."""

from __future__ import annotations

import pytest
import torch

from everygroup.errors import SettingsError
from everygroup.training.device import repeatable, resolve_device, seed_torch


def test_devices_by_name() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_here(name: str) -> None:
    with pytest.raises(SettingsError, match="No device") as caught:
        resolve_device(name)
    assert "--device cpu" in caught.value.fix


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("before", [True, False])
def test_what_was_set_before_is_set_after(deterministic: bool, before: bool) -> None:
    torch.use_deterministic_algorithms(before, warn_only=True)
    state = torch.get_rng_state()
    try:
        with pytest.raises(ZeroDivisionError), repeatable(deterministic):
            assert torch.are_deterministic_algorithms_enabled() == (deterministic or before)
            torch.rand(3)
            raise ZeroDivisionError
        assert torch.are_deterministic_algorithms_enabled() == before
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.use_deterministic_algorithms(False)


def test_seeds_of_several_numbers() -> None:
    def draw(*key: int) -> float:
        seed_torch(*key)
        return float(torch.rand(1))

    with torch.random.fork_rng(devices=[]):
        assert draw(1, 2) == draw(1, 2)
        assert len({draw(1, 2), draw(2, 1), draw(1), draw(1, 3)}) == 4
