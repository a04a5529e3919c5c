"""What the small worlds of several families share: cohorts from arrays, and a method measured beside another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everygroup.cohort import Cohort, Split
from everygroup.methods import Store, create_method
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings
from zoo.effect import Effect
from zoo.worlds import World

HEADS = TrainSettings.make({"backbone": "linear", "augment": "none", "selection": "loss"})
MLP = TrainSettings.make({"backbone": "mlp", "augment": "none", "updates": 200, "batch_size": 64, "lr": 3e-3})
Measure = Callable[[RoutedModel, Cohort], float]


def cohort(x: np.ndarray, y: np.ndarray, group: np.ndarray, classes: int = 2, name: str = "s") -> Cohort:
    """Name classes and groups."""
    names = [f"c{k}" for k in range(classes)]
    return Cohort.from_arrays(
        x,
        y,
        classes=names,
        sensitive_features={"a": ["ab"[g] for g in group]},
        ids=[f"{name}{i:05d}" for i in range(len(y))],
    )


def compared(
    method: str,
    world: Callable[[int], Split | World],
    measure: Measure,
    settings: TrainSettings = HEADS,
    without: str = "erm",
) -> Callable[[int], tuple[float, float]]:
    """Return what fits ERM and the method and measures both on the test part."""

    def run(seed: int) -> tuple[float, float]:
        split, store = world(seed), Store()
        first, second = (
            measure(
                create_method(name).fit(split.train, split.validation, settings=settings.but(seed=seed), store=store),
                split.test,
            )
            for name in (without, method)
        )
        return first, second

    return run


def effect(
    method: str, world: Callable[[int], Split | World], said: str, measure: Measure, measured: str, **more: Any
) -> Effect:
    """Return what is seen of a method against ERM."""
    better = more.pop("better", "smaller")
    return Effect(method, said, measured, compared(method, world, measure, **more), better)
