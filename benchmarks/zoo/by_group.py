"""Effects of methods that train by group, each in a small made-up world where it must show."""

from __future__ import annotations

from functools import cache

import numpy as np

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.models import RoutedModel
from zoo.beside import MLP, Measure, cohort, effect
from zoo.worlds import World

FEW = "vectors; 3 % are of group b, and are like the others"
APART = "vectors; 15 % are of group b, whose signs of the diagnosis are at odds with those of group a"
SCARCE = "vectors; 150 samples to train on, which a whole network learns by heart"
SMALL = "vectors; 6 % are of group b, in which another direction tells the diagnosis, too"


@cache
def small(seed: int) -> Split:
    """Vectors (n, 12); what tells the diagnosis is mostly the same in both groups."""
    rng = np.random.default_rng(seed)
    n = 3000
    group, y = (rng.random(n) < 0.06).astype(int), rng.integers(0, 2, n)
    x = rng.standard_normal((n, 12)).astype(np.float32)
    x[:, 0] += 1.6 * y
    x[:, 1] += np.where(group, 1.2, 0.0) * y + 1.0 * group
    return split_cohort(cohort(x, y, group), (0.4, 0.2, 0.4), seed=seed)


@cache
def few(seed: int) -> Split:
    """Vectors (n, 24); 3 % are of group b, and the diagnosis looks the same in both."""
    rng = np.random.default_rng(seed)
    n = 3000
    group, y = (rng.random(n) < 0.03).astype(int), rng.integers(0, 2, n)
    x = rng.standard_normal((n, 24)).astype(np.float32)
    x[:, :3] += 0.9 * y[:, None]
    return split_cohort(cohort(x, y, group), (0.4, 0.2, 0.4), seed=seed)


@cache
def scarce(seed: int) -> World:
    """Vectors (n, 30) of two groups like each other, with 150 samples to train on."""
    rng = np.random.default_rng(seed)

    def part(n: int, name: str) -> Cohort:
        group, y = (rng.random(n) < 0.25).astype(int), rng.integers(0, 2, n)
        x = rng.standard_normal((n, 30)).astype(np.float32)
        x[:, :3] += 0.8 * y[:, None]
        return cohort(x, y, group, name=name)

    return World(part(150, "t"), part(600, "v"), part(1500, "f"))


@cache
def apart(seed: int) -> Split:
    """Vectors (n, 6); in group b (15 %) what tells the diagnosis in a speaks against it, and another direction for."""
    rng = np.random.default_rng(seed)
    n = 3000
    group, y = (rng.random(n) < 0.15).astype(int), rng.integers(0, 2, n)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    x[:, 0] += np.where(group, -0.5, 1.5) * y
    x[:, 1] += np.where(group, 2.0, 0.2) * y
    return split_cohort(cohort(x, y, group), (0.4, 0.2, 0.4), seed=seed)


def accuracy(group: int) -> Measure:
    """Return what measures a group's accuracy."""

    def measure(model: RoutedModel, test: Cohort) -> float:
        own = test.group == group
        return float((model.predict_proba(test).argmax(1) == test.y)[own].mean())

    return measure


def worst_loss(model: RoutedModel, test: Cohort) -> float:
    """The largest mean cross-entropy of a group."""
    return max(loss(g)(model, test) for g in (0, 1))


def loss(group: int) -> Measure:
    """Return what measures a group's mean cross-entropy."""

    def measure(model: RoutedModel, test: Cohort) -> float:
        own = test.group == group
        return float(-np.log(model.predict_proba(test)[own, test.y[own]].clip(1e-6)).mean())

    return measure


LINEAR = MLP.but(backbone="linear", lr=3e-2, optimiser="adamw")
LONG = MLP.but(updates=300, lr=1e-2, selection="last")
_LOSS = "cross-entropy of group b, against"

EFFECTS = [
    effect("swarm", few, FEW, loss(1), f"{_LOSS} its own model", settings=MLP, without="group_model"),
    effect("swarm(q=3)", apart, APART, loss(1), f"{_LOSS} q=0", settings=LINEAR, without="swarm"),
    effect("group_adapters", apart, APART, loss(1), f"{_LOSS} ERM", settings=LINEAR),
    effect("group_adapters", few, FEW, loss(1), f"{_LOSS} its own model", settings=MLP, without="group_model"),
    effect("gated_experts", apart, APART, loss(1), f"{_LOSS} ERM", settings=MLP),
    effect("fair_tune(objective=worst_loss)", scarce, SCARCE, worst_loss, "the larger of the losses", settings=LONG),
]
