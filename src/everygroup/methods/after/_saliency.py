"""What pruning and quantisation for fairness share: second derivatives by group, and who is better served.

The diagonal of the Hessian is estimated by the empirical Fisher information: squared gradients of every sample's
cross-entropy, averaged over samples.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from everygroup.errors import TrainingError
from everygroup.imaging.tensors import to_input
from everygroup.methods.lab import Lab
from everygroup.networks import predict_outputs
from everygroup.training.device import repeatable

Tensors = dict[str, torch.Tensor]
_FLOATS = 1 << 26  # per-sample gradients held at once
_CHUNK = 64


def layer_weights(network: nn.Module) -> list[str]:
    """Name the weights of all convolutions, or of all linear layers where there are none.

    Where convolutions hold fewer weights than the linear layers before the last (transformers, whose only convolution
    is the patch embedding, and ConvNeXts), those layers count as well. Fully connected layers that a backbone writes as
    convolutions (the VGGs of timm) are no convolutions here.
    """
    layers = [(n, m) for n, m in network.named_modules() if "pre_logits" not in n]
    found = [(n, m) for n, m in layers if isinstance(m, nn.Conv2d)]
    linear = [(n, m) for n, m in layers if isinstance(m, nn.Linear)]
    if not found:
        return [f"{n}.weight" for n, _ in linear]
    last = getattr(network, "head", None)
    inner = [(n, m) for n, m in linear if m is not last]
    if sum(m.weight.numel() for _, m in found) < sum(m.weight.numel() for _, m in inner):
        chosen = {n for n, _ in [*found, *inner]}
        found = [(n, m) for n, m in layers if n in chosen]
    return [f"{n}.weight" for n, _ in found]


def diagonal_fisher(network: nn.Module, x: torch.Tensor, y: torch.Tensor, names: Sequence[str]) -> Tensors:
    """Return (1/n) sum_i (d CE(f(x_i), y_i) / d theta)^2 for the named parameters, each of its shape.

    Parameters
    ----------
    network : Module
        In eval mode: batch statistics would tie the samples together.
    x : (n, ...) input
    y : (n,) target index
    names : names of parameters
    """
    state = {n: v.detach() for n, v in [*network.named_parameters(), *network.named_buffers()]}
    chosen = {n: state.pop(n) for n in names}

    def loss(weights: Tensors, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = functional_call(network, {**state, **weights}, (image[None],))
        return F.cross_entropy(logits, target[None])

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))
    total = {n: torch.zeros_like(v) for n, v in chosen.items()}
    chunk = max(1, min(_CHUNK, _FLOATS // sum(v.numel() for v in chosen.values())))
    for start in range(0, len(x), chunk):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="There is a performance drop")  # attention has no batching rule
            gradients = per_sample(chosen, x[start : start + chunk], y[start : start + chunk])
        for n in total:
            total[n] += gradients[n].square().sum(0)
    return {n: v / len(x) for n, v in total.items()}


def group_fishers(network: nn.Module, lab: Lab, names: Sequence[str], samples: int | None) -> dict[int, Tensors]:
    """Return the diagonal of every group that has training samples, on the CPU.

    Of a group with more than `samples` training samples that many are drawn, the same ones in every round.
    """
    train, seed, device = lab.train, lab.settings.seed, lab.device
    network = copy.deepcopy(network).eval().to(device)
    found: dict[int, Tensors] = {}
    with repeatable(lab.settings.deterministic):
        for g in range(len(train.groups)):
            members = np.flatnonzero(train.group == g)
            if samples is not None and len(members) > samples:
                members = np.sort(np.random.default_rng([seed, 3, g]).choice(members, samples, replace=False))
            if not len(members):
                continue
            parts = []
            for start in range(0, len(members), 512):  # a large store is read piece by piece
                index = members[start : start + 512]
                x = to_input(torch.from_numpy(np.ascontiguousarray(train.batch(index))).to(device))
                y = torch.from_numpy(train.y[index]).to(device)
                part = diagonal_fisher(network, x, y, names)
                parts.append({n: v.cpu() * (len(index) / len(members)) for n, v in part.items()})
            found[g] = {n: torch.stack([p[n] for p in parts]).sum(0) for n in names}
    return found


def contrast(fishers: Mapping[int, Tensors], privileged: int, beta: float) -> Tensors:
    """Return H^unprivileged - beta H^privileged.

    With more than two groups the best-served one stands against the rest: H^unprivileged is the mean over the other
    groups, each counting the same whatever its size.
    """
    others = [h for g, h in fishers.items() if g != privileged]
    names = fishers[privileged]
    return {n: torch.stack([h[n] for h in others]).mean(0) - beta * fishers[privileged][n] for n in names}


def privileged_group(network: nn.Module, lab: Lab) -> int:
    """Return the group with the highest validation accuracy (the first of equals) among those with training samples.

    Raises
    ------
    TrainingError
        If fewer than two groups have training samples, or fewer than two have validation samples.
    """
    validation = lab.validation
    outputs = predict_outputs(copy.deepcopy(network).to(lab.device), validation, device=lab.device)
    right = outputs.argmax(1).numpy() == validation.y
    trained = np.flatnonzero(lab.group_sizes).tolist()
    accuracy = {g: right[validation.group == g].mean() for g in trained if (validation.group == g).any()}
    if len(accuracy) < 2:
        raise TrainingError(
            f"Only {len(accuracy)} groups have samples in both training and validation; "
            "two are needed to tell which one is served better.",
            fix="use a larger cohort, or other --bins",
        )
    return max(accuracy, key=lambda g: accuracy[g])


def lowest(score: torch.Tensor, free: torch.Tensor, count: int) -> torch.Tensor:
    """Mark the `count` entries of `free` with the lowest score, by their true rank; of equals the first."""
    marked = torch.zeros(score.numel(), dtype=torch.bool)
    key = torch.where(free, score, torch.inf).flatten()
    marked[key.argsort(stable=True)[: max(0, min(count, int(free.sum())))]] = True
    return marked.view(score.shape)


def share_of(total: int, share: float) -> int:
    """Return the number that a share of a total is, to the nearest."""
    return min(total, int(share * total + 0.5))
