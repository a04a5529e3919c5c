"""What the tests of the loop share: points on a line, a training in one call, a killed training, comparison of bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.cohort import Cohort
from everygroup.networks import build_network
from everygroup.settings import TrainSettings
from everygroup.targets import target_of
from everygroup.training import Batch, Learner, Task, Trained, train, training_key
from everygroup.training.learner import Loss
from everygroup.training.plain import spec_of


class KilledError(Exception):
    pass


def vectors(n: int = 40, seed: int = 0, classes: int = 2) -> Cohort:
    """Points on a line through the origin, one cluster a class; the group alternates."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, 3)) + 3 * y[:, None] - 1.5 * (classes - 1)
    return Cohort.from_arrays(
        x.astype(np.float32),
        y,
        classes=[f"c{k}" for k in range(classes)],
        sensitive_features=["ab"[(i // classes) % 2] for i in range(n)],
        provenance={"name": "points"},
    )


def diagnosis(train: Cohort, validation: Cohort, name: str = "toy", **options: Any) -> Task:
    return Task.diagnosis(name, target_of(train), train, validation, **options)


def toy(n: int = 40, **options: Any) -> Task:
    return diagnosis(vectors(n), vectors(20, seed=9), **options)


def network(task: Task, settings: TrainSettings) -> nn.Module:
    return build_network(spec_of(task.target, task.train.sample_shape, settings))


def learn(
    task: Task,
    settings: TrainSettings,
    learner: Callable[[nn.Module], Learner] = Learner,
    *,
    made: str = "erm",
    folder: Path | None = None,
    n_budget: int | None = None,
    on_epoch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Trained:
    key = training_key(task, settings, n_budget or len(task.train), made)
    return train(
        task,
        settings,
        lambda: learner(network(task, settings)),
        key,
        folder=folder,
        n_budget=n_budget,
        on_epoch=on_epoch,
    )


def same(a: Trained, b: Trained) -> bool:
    """Whether two learners are equal to the last bit, with all that methods added."""
    first, second = a.learner.state_dict(), b.learner.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def same_training(a: Trained, b: Trained) -> bool:
    """Whether, besides, the epochs went the same way."""

    def rows(trained: Trained) -> list[dict[str, Any]]:
        return [{k: v for k, v in r.items() if k != "seconds"} for r in trained.log]

    told = [(t.key, t.selected_epoch, t.updates, rows(t)) for t in (a, b)]
    return told[0] == told[1] and same(a, b)


def kill_after(epochs: int) -> Callable[[list[dict[str, Any]]], None]:
    """Raise when so many epochs are done and kept."""

    def on_epoch(log: list[dict[str, Any]]) -> None:
        if len(log) == epochs:
            raise KilledError

    return on_epoch


class Noisy(Learner):
    """Two optimisers, a buffer, random draws outside the loop's: all that a killed training has to find again.

    A critic tells the group from the outputs; the network is to be right and to keep its outputs near their slow mean.
    """

    mean: torch.Tensor

    def __init__(self, net: nn.Module, views: int | Literal["pairs"] = 1) -> None:
        super().__init__(net)
        self.views = views
        self.critic = nn.Linear(2, 1)
        self.register_buffer("mean", torch.zeros(2))

    def partners(self, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(0, 40, len(index))

    def loss(self, x: torch.Tensor, batch: Batch) -> Loss:
        seen = x if self.views == 1 else (0.7 * x[0] + 0.3 * x[1])
        z = self.net(seen + 0.1 * torch.randn_like(seen))
        batch.notes["mean"] = z.detach().mean(0)
        told = F.binary_cross_entropy_with_logits(self.critic(z)[:, 0], (batch.group == 1).float())
        near = (z.mean(0) - self.mean).square().sum()
        return {"main": batch.loss(z) - 0.2 * told + 0.1 * near, "critic": told}

    def parameter_groups(self) -> list[dict[str, Any]]:
        own = {"params": list(self.critic.parameters()), "optimiser": "critic", "lr_scale": 0.5, "weight_decay": 0.0}
        return [{"params": list(self.net.parameters())}, own]

    def after_update(self, batch: Batch) -> None:
        self.mean.lerp_(batch.notes["mean"], 0.2)
