"""Linear heads with offsets by group, solved as one head on vectors with more columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from everygroup.cohort import Cohort
from everygroup.methods.lab import Lab
from everygroup.training import Learner, Trained


def heads_with_offsets(lab: Lab, name: str, *, slopes: float, constants: float) -> dict[str, Trained]:
    r"""Solve W_g = W + s D_g and b_g = b + c e_g under one ridge penalty on W, all D and all e; by group, and 'pooled'.

    The smaller s and c, the dearer is an offset of the same size: 0 leaves it out. 'pooled' has none, and is what a
    sample without a group is trained with and answered by.

    Parameters
    ----------
    lab : Lab
    name : str
        Shown in logs.
    slopes, constants : float
        s and c.
    """
    values = lab.train.batch(slice(None)).astype(np.float64)
    unit = float(values.std()) or 1.0  # so that an indicator has the size of a feature
    wide = lab.but(
        train=_widened(lab.train, slopes, constants * unit),
        validation=_widened(lab.validation, slopes, constants * unit),
        transforms=(),
        merged_from=None,
    )
    trained = wide.train_network(name=name)
    layer = trained.learner.net.head  # type: ignore[union-attr]
    d, count = values.shape[1], len(lab.groups)
    block = d if slopes else 0
    weight = layer.weight.detach().double()  # type: ignore[union-attr, operator]
    shared, own, steps = weight.split([d, count * block, count], 1)
    found = {}
    for g, group in enumerate([*lab.groups, "pooled"]):
        with torch.random.fork_rng(devices=[]):
            network = lab.network()
        w, b = shared, layer.bias.detach().double()  # type: ignore[union-attr, operator]
        if g < count:
            w = w + slopes * own[:, g * d : (g + 1) * d] if slopes else w
            b = b + constants * unit * steps[:, g]
        with torch.no_grad():
            network.head.weight.copy_(w)
            network.head.bias.copy_(b)
        found[group] = replace(trained, learner=Learner(network).eval())
    return found


def _widened(cohort: Cohort, slopes: float, constants: float) -> Cohort:
    """Append to x, for every group, s x and c where the sample is in it, else zeros."""
    x = cohort.batch(slice(None)).astype(np.float32)
    n, count = len(x), len(cohort.groups)
    member = (cohort.group[:, None] == np.arange(count)).astype(np.float32)
    own = (slopes * member[:, :, None] * x[:, None]).reshape(n, -1) if slopes else np.zeros((n, 0), np.float32)
    return cohort.with_images(np.concatenate([x, own, constants * member], 1, dtype=np.float32))
