"""Ways to weigh a group's samples, among which validation chooses; and the weights that each gives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.methods.by_group.spare.distances import Measured
from everygroup.methods.by_group.spare.options import Distance, Weighting, size_factor
from everygroup.spare import combined_distance, shuffled_within_groups, strategy_weights


@dataclass(frozen=True)
class Candidate:
    """One way to weigh a group's samples."""

    alpha: float
    temperature: float
    quantile: float
    level: float | None = None

    def describe(self, weighting: Weighting) -> str:
        """Name what can differ between candidates."""
        if weighting.map == "selection":
            return f"alpha={self.alpha:g} quantile={self.quantile:g}"
        level = "" if self.level is None else f" level={self.level:g}"
        return f"alpha={self.alpha:g} temperature={self.temperature:g}{level}"

    def weigh(
        self, measured: Measured, target: str, train: Cohort, distance: Distance, weighting: Weighting, seed: int
    ) -> np.ndarray:
        """Return the sample weights for one target group, (n,)."""
        index = train.groups.index(target)
        if weighting.map == "group_frequency":
            combined = np.zeros(len(train))
        else:
            similarity = measured.similarity if self.alpha < 1 else None
            by_size = distance.unit == "paper_size"
            scale = "none" if by_size else distance.unit
            combined = combined_distance(measured.utility, similarity, alpha=self.alpha, scale=scale)
            if by_size:
                combined = combined * size_factor(train.sample_shape)
        weight = strategy_weights(
            weighting.map,
            combined,
            train.group,
            index,
            temperature=self.temperature,
            quantile=self.quantile,
            keep_in_group=weighting.keep_in_group,
        )
        inside = train.group == index
        if self.level is not None and (outside := weight[~inside]).any():
            weight[~inside] = self.level * outside / outside.mean()
        if weighting.in_group is not None:
            weight[inside] = weighting.in_group
        weight[measured.dropped] = 0.0
        return shuffled_within_groups(weight, train.group, seed=[seed, index + 1]) if weighting.shuffle else weight


def candidates_of(alphas: Sequence[float], weighting: Weighting) -> list[Candidate]:
    """Return what a group's weights are chosen among; one if there is nothing to choose."""
    temperature, quantiles = weighting.temperature, weighting.quantiles
    temperatures = list(temperature) if isinstance(temperature, Sequence) else [temperature]
    if weighting.map == "group_frequency":
        alphas = alphas[:1]
    if weighting.map not in ("spare", "group_weight"):
        temperatures = temperatures[:1]
    if weighting.map != "selection":
        quantiles = quantiles[:1]
    levels = weighting.level if isinstance(weighting.level, Sequence) else [weighting.level]
    return [Candidate(*values) for values in itertools.product(alphas, temperatures, quantiles, levels)]


def weight_table(target: str, weight: np.ndarray, measured: Measured, train: Cohort) -> pd.DataFrame:
    """Return one row a training sample: who it is, its distances to the target group and its weight."""
    missing = np.full(len(train), np.nan)
    labels = {"label": np.array(train.classes, dtype=object)[train.y]} if train.classes and train.y.ndim == 1 else {}
    return pd.DataFrame(
        {
            "id": train.ids,
            "unit": train.units,
            **labels,
            "source_group": np.array([*train.groups, ""], dtype=object)[train.group],
            "target_group": target,
            "utility": missing if measured.utility is None else measured.utility,
            "similarity": missing if measured.similarity is None else measured.similarity,
            "weight": weight,
        }
    )
