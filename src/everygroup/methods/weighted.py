"""A network per group on weighted samples, the weights chosen on the group's validation samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from everygroup.console import say
from everygroup.methods.lab import Lab
from everygroup.models import RoutedModel
from everygroup.training import Trained


def of_groups(
    lab: Lab, name: str, weights: Callable[[int], Mapping[str, np.ndarray]], extra: Mapping[str, Trained] | None = None
) -> RoutedModel:
    """Train the networks; ERM answers for groups without training or validation samples, and where none is known.

    Parameters
    ----------
    lab : Lab
    name : str
        Of the method.
    weights : callable
        Group index -> candidates' sample weights (n_train,) by name. They are rescaled to mean 1, so that learning
        rates mean the same as in ERM.
    extra : mapping, optional
        A trained 'group predictor', which then routes samples without a group.
    """
    trained = {"pooled": lab.erm(), **(extra or {})}
    route, chosen = {}, {}
    for i, g in enumerate(lab.groups):
        checked = lab.validation.in_group(g)
        if not len(checked) or not lab.group_sizes[i]:
            route[g] = "pooled"
            continue
        scaled = {label: weight / weight.mean() for label, weight in weights(i).items()}
        chosen[g], trained[g] = lab.chosen_network(f"{name}[{g}]", scaled, validation=checked)
        route[g] = g
        if len(scaled) > 1:
            say(f"  {g}: {chosen[g]}")
    predictor = "group predictor" if "group predictor" in trained else None
    info = {"weights": chosen}
    return lab.model(name, trained, route, pooled="pooled", group_predictor=predictor, info=info)
