"""The plain network of a target, and its training by empirical risk minimisation."""

from __future__ import annotations

from collections.abc import Sequence

from everygroup.networks import NetworkSpec, build_network, resolve_backbone
from everygroup.networks.weights import pretrained_scaling
from everygroup.settings import TrainSettings
from everygroup.targets import Target
from everygroup.training.learner import Learner
from everygroup.training.loop import Trained, train, training_key
from everygroup.training.task import Task

ERM_KEY = "erm"


def spec_of(target: Target, sample_shape: Sequence[int], settings: TrainSettings) -> NetworkSpec:
    """Say how the plain network of a target is built."""
    backbone = resolve_backbone(settings.backbone, sample_shape, target.form)
    scaling = pretrained_scaling(backbone) if settings.starts_trained and len(sample_shape) == 3 else None
    return NetworkSpec(backbone, target.n_outputs, tuple(sample_shape), settings.small_stem, scaling=scaling)


def train_plain(task: Task, settings: TrainSettings, *, n_budget: int | None = None) -> Trained:
    """Train a plain network without keeping it; `n_budget` as in `train`."""
    spec = spec_of(task.target, task.train.sample_shape, settings)

    def build() -> Learner:
        return Learner(build_network(spec, pretrained=settings.pretrained, weights=settings.weights))

    n = n_budget or len(task.train)
    return train(task, settings, build, training_key(task, settings, n, ERM_KEY), n_budget=n)
