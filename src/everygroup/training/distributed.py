"""One training on several processes: torchrun starts them, every rank sees its share of each batch.

Rank 0 alone reads and writes files. All ranks make the same decisions, since they hear of them from rank 0, and hold
the same weights, since gradients are summed over the whole batch. Only a loss that is a mean over samples is shared,
see `Learner.shared`; of any other every rank takes the whole batch, which is right and no faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

T = TypeVar("T")


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This one's number, from 0."""
    return dist.get_rank() if world() > 1 else 0


def started_by_torchrun() -> bool:
    """Whether torchrun started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def group_of_processes() -> Iterator[int]:
    """Join the processes that torchrun started, if it did; yields the rank."""
    if not started_by_torchrun():
        yield 0
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """Do something on rank 0 and give its result to all; an error there is an error everywhere."""
    if world() == 1:
        return make()
    found: list[Any] = [None, None]
    if rank() == 0:
        try:
            found[0] = make()
        except Exception as error:
            found[1] = error
    dist.broadcast_object_list(found, src=0)
    if found[1] is not None:
        raise found[1]
    result: T = found[0]
    return result


def share(n: int) -> slice:
    """Return this rank's part of n things; parts differ by one at most."""
    first, last = (n * (rank() + i) // world() for i in (0, 1))
    return slice(first, last)


def gathered(parts: T) -> list[T]:
    """Return what every rank has, in order of rank."""
    if world() == 1:
        return [parts]
    found: list[Any] = [None] * world()
    dist.all_gather_object(found, parts)
    return found


def summed_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sum gradients over all ranks; a parameter that has none on any rank keeps none."""
    trained = [p for p in parameters if p.requires_grad]
    if world() == 1 or not trained:
        return
    has = torch.tensor([float(p.grad is not None) for p in trained], device=trained[0].device)
    dist.all_reduce(has)
    used = [p for p, n in zip(trained, has.tolist(), strict=True) if n]
    for p in used:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    summed(p.grad for p in used if p.grad is not None)


def summed(tensors: Iterable[torch.Tensor]) -> None:
    """Sum tensors over all ranks, in place, in one message."""
    tensors = list(tensors)
    if world() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()


def averaged_buffers(network: nn.Module) -> None:
    """Average the floating-point buffers over all ranks, such as weights of groups that moved with each one's share."""
    buffers = [b for b in network.buffers() if b.is_floating_point()]
    summed(buffers)
    for buffer in buffers if world() > 1 else []:
        buffer.div_(world())


class _Summed(torch.autograd.Function):
    """The sum over all ranks; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradient: torch.Tensor) -> torch.Tensor:
        total = gradient[0].clone()
        dist.all_reduce(total)
        return total


def _whole_batch(norm: nn.BatchNorm2d | nn.BatchNorm3d, x: torch.Tensor) -> torch.Tensor:
    """Normalise with the statistics of all ranks' samples: what the norm does to the whole batch in one process.

    The input is shifted and scaled so that the norm, which then uses its running statistics, does the rest.
    """
    axes, view = [0, *range(2, x.ndim)], [1, -1, *([1] * (x.ndim - 2))]
    count = torch.tensor(float(x.numel() // x.shape[1]), device=x.device)
    dist.all_reduce(count)
    mean = _Summed.apply(x.sum(axes)) / count
    centred = x - mean.view(view)
    variance = _Summed.apply((centred**2).sum(axes)) / count
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        step = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean, step)
        norm.running_var.lerp_(variance * count / (count - 1).clamp_min(1), step)
    ratio = ((norm.running_var + norm.eps) / (variance + norm.eps)).sqrt()
    return centred * ratio.view(view) + norm.running_mean.view(view)


@contextmanager
def norms_of_whole_batches(network: nn.Module | None) -> Iterator[None]:
    """Let every 2-D and 3-D batch norm of a network see the whole batch while it trains; None has none."""
    changed: set[nn.Module] = set()

    def before(norm: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor] | None:
        if not norm.training:
            return None
        assert isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d)
        x = _whole_batch(norm, args[0])
        norm.training = False  # its running statistics make up for what was done to the input
        changed.add(norm)
        return (x,)

    def after(norm: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if norm in changed:
            norm.training = True
            changed.discard(norm)

    modules = list(network.modules()) if network is not None and world() > 1 else []
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
    handles = [h for m in norms for h in (m.register_forward_pre_hook(before), m.register_forward_hook(after))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
