"""One scale for the anomaly scores of several networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from everygroup.cohort import Cohort
from everygroup.models.routed import RoutedModel

_ENOUGH = 10  # normals that a median is taken of


def on_one_scale(
    model: RoutedModel, train: Cohort, validation: Cohort, *, device: str | torch.device = "cpu"
) -> RoutedModel:
    """Return the model with scores in units of each network's median over normals; as it is where nothing is learnt so.

    Networks that are trained apart reconstruct more or less sharply, so that without a common unit a patient's score
    would depend on which of them answers. The median is that of validation normals of the groups a network answers for,
    where there are 10 of them; else of all validation normals, else of all training normals.
    """
    target, learnt = model.target, model.target.used(train)
    if learnt is None:
        return model
    units = {}
    for name in model.networks:
        if name == model.group_predictor:
            continue
        own = [g for g, group in enumerate(model.groups) if name in model.shares(model.route[group])]
        normal = target.used(validation)
        assert normal is not None
        unknown = (validation.group < 0) & (name in model.shares(str(model.pooled)))
        answered = normal & (np.isin(validation.group, own) | unknown)
        rows = answered if answered.sum() >= _ENOUGH else normal
        part = validation.where(rows) if rows.any() else train.where(learnt)
        median = float(target.answers(model.outputs(name, part, device)).double().median())
        units[name] = median if median > 0 else 1.0
    return replace(model, units=units)
