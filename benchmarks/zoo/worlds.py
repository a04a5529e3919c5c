"""The small worlds in which effects are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from everygroup.cohort import Cohort
from everygroup.datasets import simulated
from everygroup.methods import create_method
from everygroup.models import RoutedModel
from everygroup.networks import predict_features
from everygroup.settings import TrainSettings

PERCEPTRON = TrainSettings.make(
    {"backbone": "mlp", "augment": "none", "updates": 200, "batch_size": 64, "lr": 1e-2, "selection": "last"}
)


@dataclass(frozen=True)
class World:
    """Samples to learn from, to choose on, and fresh ones."""

    train: Cohort
    validation: Cohort
    test: Cohort

    def fit(self, method: str, seed: int, settings: TrainSettings = PERCEPTRON) -> RoutedModel:
        """Fit a method."""
        return create_method(method).fit(self.train, self.validation, settings=settings.but(seed=seed))


def shortcut(seed: int, *, share: float = 0.85, fresh: float = 0.5, n: int = 900, **more: float) -> World:
    """The group is written in the vectors and goes with the diagnosis in training, and does not in fresh samples.

    Of two classes and groups; `share` of the positives are of group b, and of the negatives of group a (of fresh
    samples `fresh`). More: the last three values of group b spread `wider`; `signal`, how far apart the classes lie.
    """
    wider, signal = more.get("wider", 1.0), more.get("signal", 0.7)
    rng = np.random.default_rng(seed)

    def part(size: int, together: float, name: str) -> Cohort:
        y = rng.integers(0, 2, size)
        group = np.where(rng.random(size) < together, y, 1 - y)
        x = rng.standard_normal((size, 8)).astype(np.float32)
        x[:, :3] += signal * (2 * y[:, None] - 1)
        x[:, 3:5] += 1.2 * (2 * group[:, None] - 1)
        x[:, 5:] *= np.where(group, wider, 1.0)[:, None]
        return Cohort.from_arrays(
            x,
            y,
            classes=["no", "yes"],
            sensitive_features={"site": np.array(["a", "b"])[group]},
            ids=[f"{name}{i}" for i in range(size)],
        )

    return World(part(n, share, "t"), part(n // 3, share, "v"), part(1500, fresh, "f"))


def minority(seed: int, *, share: float = 0.1, n: int = 900) -> World:
    """A tenth of the samples are of group b, in which the diagnosis shows in other values, turned round."""
    rng = np.random.default_rng(seed)

    def part(size: int, small: float, name: str) -> Cohort:
        y, group = rng.integers(0, 2, size), (rng.random(size) < small).astype(int)
        x = rng.standard_normal((size, 8)).astype(np.float32)
        x[:, 0] += 1.5 * (2 * y - 1) * np.where(group, -1, 1)
        x[:, 1] += 1.5 * group
        return Cohort.from_arrays(
            x,
            y,
            classes=["no", "yes"],
            sensitive_features={"site": np.array(["a", "b"])[group]},
            ids=[f"{name}{i}" for i in range(size)],
        )

    return World(part(n, share, "t"), part(n // 3, share, "v"), part(1500, 0.5, "f"))


def lesions(seed: int, *, dark: float = 0.5, n: int = 500) -> World:
    """Simulated lesions on lighter and darker skin; of training samples `dark` are of darker skin, of fresh ones
    half."""
    parts = [
        simulated.dermatology(
            size, image_size=24, seed=1000 * seed + k, tone_fractions=(1 - share, share), ambiguity=0.1, hair=0.0
        ).cohort
        for k, (size, share) in enumerate(((n, dark), (n // 3, dark), (600, 0.5)))
    ]
    named = [part.with_units(np.array([f"{k}-{u}" for u in part.units])) for k, part in enumerate(parts)]
    return World(*named)


def tinted(seed: int) -> World:
    """Simulated lesions, groups being two cameras: the second one moves red to blue, at the same brightness."""
    rng = np.random.default_rng(seed)

    def seen(part: Cohort) -> Cohort:
        camera = rng.integers(0, 2, len(part))
        x = part.batch(slice(None)).astype(np.float32)
        moved = np.float32([-15, 0, 15 * 0.299 / 0.114])  # weights of red and blue in the brightness
        x = np.where(camera[:, None, None, None] == 1, x + moved, x)
        return part.with_images(np.clip(x, 0, 255).round().astype(np.uint8)).with_groups(camera, ("first", "second"))

    world = lesions(seed)
    return World(seen(world.train), seen(world.validation), seen(world.test))


PICTURES = TrainSettings.make(
    {"backbone": "tiny_cnn", "augment": "flip", "updates": 150, "batch_size": 48, "lr": 4e-3, "selection": "last"}
)


def right_on_dark(model: RoutedModel, cohort: Cohort) -> float:
    """Share of right answers on darker skin."""
    dark = cohort.group == cohort.groups.index("dark")
    return float((model.predict_proba(cohort).argmax(1) == cohort.y)[dark].mean())


def right_in_b(model: RoutedModel, cohort: Cohort) -> float:
    """Share of right answers in group b."""
    right = model.predict_proba(cohort).argmax(1) == cohort.y
    return float(right[cohort.group == 1].mean())


def separability(model: RoutedModel, cohort: Cohort) -> float:
    """AUC of a cross-fitted linear probe that reads the group off the features of the network of everybody."""
    (network,) = {id(n): n for n in model.networks.values()}.values()
    for transform in model.transforms:
        cohort = cohort.seen_through(transform)
    h = predict_features(network, cohort)
    h = (h - h.mean(0)) / np.maximum(h.std(0), 1e-6)
    said = cross_val_predict(LogisticRegression(max_iter=500), h, cohort.group, cv=5, method="decision_function")
    return float(roc_auc_score(cohort.group, said))


def accuracy_of_groups(model: RoutedModel, cohort: Cohort) -> np.ndarray:
    """Share of right answers in every cell of class and group, (K, G)."""
    right = model.predict_proba(cohort).argmax(1) == cohort.y
    cells = [[right[(cohort.y == k) & (cohort.group == g)].mean() for g in range(2)] for k in range(2)]
    return np.array(cells)


def worst_cell(model: RoutedModel, cohort: Cohort) -> float:
    """The smallest of them."""
    return float(accuracy_of_groups(model, cohort).min())


def odds_gap(model: RoutedModel, cohort: Cohort) -> float:
    """Mean over classes of the difference between the groups' rates of being called positive."""
    said = model.predict_proba(cohort).argmax(1)
    rates = [[said[(cohort.y == k) & (cohort.group == g)].mean() for g in range(2)] for k in range(2)]
    return float(np.abs(np.diff(np.array(rates), axis=1)).mean())


def parity_gap(model: RoutedModel, cohort: Cohort) -> float:
    """Difference between the groups' rates of being called positive."""
    said = model.predict_proba(cohort).argmax(1)
    return float(abs(said[cohort.group == 0].mean() - said[cohort.group == 1].mean()))


def covariance_gap(model: RoutedModel, cohort: Cohort) -> float:
    """How far the covariances of the groups' features lie apart, in multiples of their mean (Frobenius norms)."""
    (network,) = {id(n): n for n in model.networks.values()}.values()
    h = predict_features(network, cohort)
    a, b = (np.cov(h[cohort.group == g].T) for g in range(2))
    return float(np.linalg.norm(a - b) / np.linalg.norm((a + b) / 2))
