"""A device without float64, such as mps: what is computed exactly is computed on the CPU."""

from __future__ import annotations

from typing import Any

import torch

from everygroup.boundary.projection import nearest_step
from everygroup.methods.learn.multitask import GroupOffsets
from everygroup.networks import Classifier, NetworkSpec, build_network


class OnMps(torch.Tensor):
    """A tensor that says it lies on mps, and has no float64 there."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.double:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype.")
        if func == torch.Tensor.device.__get__:  # type: ignore[attr-defined]
            return torch.device("mps")
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        if func is torch.Tensor.to:
            tensor, other = args
            return tensor.as_subclass(torch.Tensor).float().as_subclass(type(other))
        return super().__torch_function__(func, types, args, kwargs or {})


def test_the_nearest_step_is_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    margins, gradients = torch.rand(5, 3, generator=generator), torch.randn(5, 3, 8, generator=generator)
    there = nearest_step(margins.as_subclass(OnMps), gradients.as_subclass(OnMps))
    assert isinstance(there, OnMps)
    torch.testing.assert_close(there.as_subclass(torch.Tensor), nearest_step(margins, gradients))


def test_the_mean_of_the_groups_statistics_is_the_same() -> None:
    base = build_network(NetworkSpec("small_cnn", 2, (8, 8, 3)))
    assert isinstance(base, Classifier)
    network = GroupOffsets(base, 2, 0.01)
    (name, *_) = (n for n in network._statistics if n.endswith("running_mean"))
    network.get_buffer(network._key(1, name)).fill_(3.0)
    expected = network._mean_over_groups(name)
    for g in range(2):
        key = network._key(g, name)
        setattr(network, key, network.get_buffer(key).as_subclass(OnMps))
    found = network._mean_over_groups(name)
    assert isinstance(found, OnMps)
    assert torch.equal(found.as_subclass(torch.Tensor), expected)
