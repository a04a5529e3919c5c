"""Adversaries: the group is harder to read off the features, and the shortcut through it is used less."""

from __future__ import annotations

from collections.abc import Callable

from everygroup.cohort import Cohort
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings
from zoo.effect import Effect
from zoo.worlds import PERCEPTRON, World, odds_gap, separability, shortcut

WORLD = "the group is written in the vectors and goes with the diagnosis in training only"


def compared(
    method: str,
    measure: Callable[[RoutedModel, Cohort], float],
    settings: TrainSettings = PERCEPTRON,
    made: Callable[..., World] = shortcut,
    **options: float,
) -> Callable[[int], tuple[float, float]]:
    """Measure ERM and a method with the same seed on the same fresh samples; `options` are the world's."""

    def run(seed: int) -> tuple[float, float]:
        world = made(seed, **options)
        before, after = (measure(world.fit(name, seed, settings), world.test) for name in ("erm", method))
        return before, after

    return run


METHODS = (
    "adversarial",
    "adversarial(told=label)",
    "laftr",
    "laftr(criterion=demographic_parity)",
    "cfair(mu=1)",
    "confusion(lam=3)",
    "lnl(lam=0.1, mu=1)",
)
READ = "AUC of reading the group off the features"
EFFECTS = [
    *(Effect(m, WORLD, "gap of the rates within each diagnosis", compared(m, odds_gap)) for m in METHODS),
    *(Effect(m, WORLD, READ, compared(m, separability)) for m in ("adversarial", "cfair(mu=1)", "confusion(lam=3)")),
]
