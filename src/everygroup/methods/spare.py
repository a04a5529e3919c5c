"""SPARE: group-specific networks trained on everybody's samples, weighted by boundary distances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.console import say, warn
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.cross_fitting import cross_fitted_distances
from everygroup.methods.erm import train_pooled
from everygroup.methods.group_model import pooled_groups, train_in_group
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.spare import SCALES, effective_sample_size, out_of_group_share, spare_weights
from everygroup.training import (
    Task,
    Trained,
    batch_normalised_cross_entropy,
    predict_logits,
    resolve_device,
    weighted_cross_entropy,
)
from everygroup.training.checkpoint import copy_state

_CHOICES: dict[str, tuple[str, ...]] = {
    "scale": tuple(SCALES),
    "search_preset": ("fast", "accurate"),
    "search": ("deepfool", "penalty"),
    "misclassified": ("as_is", "zero_distance", "drop"),
    "use": ("loss", "sampler"),
    "loss_norm": ("mean_1", "sum_w_batch", "none"),
    "initial": ("seed", "group_model", "erm"),
    "small_groups": ("error", "erm"),
}


@register
class Spare(Method):
    """Algorithm 1 of the paper, for any number of groups.

    1. A diagnosis network f_t per group, on the group's own samples. 2. A group predictor f_g on everybody.
    3. Utility distance of every training sample to f_t's boundary and similarity distance to f_g's region of t.
    4. Weights exp(-(alpha d_U + (1 - alpha) d_S)). 5. A network f_t* per group, on everybody with fixed weights.

    Parameters
    ----------
    alpha : float or mapping of group to float
        0 = similarity only, 1 = utility only (no group predictor is trained); the paper uses 0.5.
    scale, temperature : str, float
        See `everygroup.spare.spare_weights`; 'none' and 1 are the paper's.
    search_preset : {'fast', 'accurate'}
        Work of the boundary search; see `everygroup.boundary.minimal_perturbation`.
    search : {'deepfool', 'penalty'}
        'penalty' is the paper's formulation (beta = 100).
    cross_fit : int
        0 = the paper: in-group distances come from networks that were trained on these very samples. k >= 2 measures
        every training sample on networks of a k-fold cross-fit that have not seen its patient.
    misclassified : {'as_is', 'zero_distance', 'drop'}
        What f_t's errors on training samples mean: nothing (paper), utility distance 0, or weight 0.
    min_group : int
        A group with fewer training samples has no reliable f_t; its utility distances come from ERM.
    use : {'loss', 'sampler'}
        Weights multiply the loss (paper), or are probabilities of being drawn.
    loss_norm : {'mean_1', 'sum_w_batch', 'none'}
        Weights are rescaled once to mean 1, so that learning rates mean the same as in ERM; or divided by each
        batch's sum; or taken as they are (the paper's text mentions no rescaling).
    initial : {'seed', 'group_model', 'erm'}
        Initial weights of f_t*: the seed's, as for every method; or a warm start from f_t or ERM.
    small_groups : {'error', 'erm'}
        As in `GroupModel`.
    pooled : bool
        Also train ERM, to answer where no group is known and no group predictor is wanted.
    """

    info = MethodInfo(
        name="spare",
        title="SPARE (subgroup performance aware re-weighting)",
        paper="Xu et al. Rethinking fairness in medical imaging: Maximizing group-specific performance with "
        "application to skin disease diagnosis. Medical Image Analysis 109 (2026) 103950",
        family="group-specific",
        min_groups=2,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 2 * groups + 1,
    )

    def __init__(
        self,
        *,
        alpha: float | Mapping[str, float] = 0.5,
        scale: str = "none",
        temperature: float = 1.0,
        search_preset: str = "fast",
        search: str = "deepfool",
        cross_fit: int = 0,
        misclassified: str = "as_is",
        min_group: int = 100,
        use: str = "loss",
        loss_norm: str = "mean_1",
        initial: str = "seed",
        small_groups: str = "error",
        pooled: bool = False,
    ) -> None:
        self.alpha, self.scale, self.temperature = alpha, scale, temperature
        self.search_preset, self.search, self.cross_fit = search_preset, search, cross_fit
        self.misclassified, self.min_group = misclassified, min_group
        self.use, self.loss_norm, self.initial = use, loss_norm, initial
        self.small_groups, self.pooled = small_groups, pooled
        self._check_types()
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SettingsError(f"{name} = {getattr(self, name)!r}.", fix=f"choose one of {', '.join(allowed)}")
        for value in alpha.values() if isinstance(alpha, Mapping) else [alpha]:
            spare_weights([1.0], [1.0], alpha=value, temperature=temperature)  # refuses impossible values early
        if cross_fit == 1:
            raise SettingsError(f"cross_fit = {cross_fit}.", fix="use 0 for none, or at least 2 folds")

    def _check_types(self) -> None:
        """Refuse words where numbers belong (and true for 1): they come from the command line and from files."""
        alphas = self.alpha if isinstance(self.alpha, Mapping) else {"": self.alpha}
        numbers = {f"alpha[{g}]" if g else "alpha": a for g, a in alphas.items()} | {"temperature": self.temperature}
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise SettingsError(f"{name} = {value!r} is no number.", fix=f"give {name.split('[')[0]} a number")
        for name in ("cross_fit", "min_group"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
                raise SettingsError(f"{name} = {value!r} is no whole number.", fix=f"give {name} 0, 1, 2, ...")
        if not isinstance(self.pooled, bool):
            raise SettingsError(f"pooled = {self.pooled!r}.", fix="write true or false")

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, groups too small for a network of their own or without an alpha."""
        super().check_cohorts(train, validation)
        pooled_groups(train, validation, self.small_groups)
        for g in train.groups:
            self._alpha(g)

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Run Algorithm 1; see `Method.fit`. The result's `weights` holds every distance and weight."""
        alphas = {g: self._alpha(g) for g in train.groups}
        left_out = pooled_groups(train, validation, self.small_groups)
        targets = [g for g in train.groups if g not in left_out]
        small = [g for g in targets if len(train.in_group(g)) < self.min_group]
        if small:
            warn(
                f"Group {', '.join(small)}: fewer than {self.min_group} training samples; "
                "utility distances are measured on ERM instead of the group's own network."
            )
        trained: dict[str, Trained] = {}
        if left_out or small or self.pooled or self.initial == "erm":
            trained["pooled"] = train_pooled(train, validation, settings, store)
        initial = {
            g: trained["pooled"]
            if g in small
            else train_in_group(g, train, validation, settings, store, train_size=len(train))
            for g in targets
        }
        if any(alphas[g] < 1 for g in targets):
            task = Task.group("group_predictor", train, validation)
            trained["group predictor"] = store.network(task, settings, n_budget=len(train))

        tables = []
        for g in targets:
            table = self._weigh(
                g, initial[g], trained.get("group predictor"), train, settings, store, own=g not in small
            )
            tables.append(table)
            inside, weight = (train.group == train.groups.index(g)), table["weight"].to_numpy()
            say(
                f"  {g}: mean weight {weight[inside].mean():.2f} in-group, {weight[~inside].mean():.2f} out-of-group; "
                f"effective sample size {effective_sample_size(weight):.0f} of {len(train)}, "
                f"out-of-group share {out_of_group_share(weight, inside):.0%}"
            )
            trained[g] = self._train_weighted(g, weight, initial[g], trained, train, validation, settings, store)
        return RoutedModel.build(
            self.info.name,
            train,
            trained,
            route={g: "pooled" if g in left_out else g for g in train.groups},
            pooled="pooled" if "pooled" in trained else None,
            group_predictor="group predictor" if "group predictor" in trained else None,
            info={"hyperparameters": self.hyperparameters},
            weights=pd.concat(tables, ignore_index=True) if tables else None,
        )

    def _alpha(self, group: str) -> float:
        if not isinstance(self.alpha, Mapping):
            return self.alpha
        if group not in self.alpha:
            raise SettingsError(f"alpha names no value for group {group!r}.", fix="give one for every group")
        return self.alpha[group]

    def _weigh(
        self,
        target: str,
        initial: Trained,
        predictor: Trained | None,
        train: Cohort,
        settings: TrainSettings,
        store: Store,
        *,
        own: bool,
    ) -> pd.DataFrame:
        """Measure both distances of every training sample for one target group, and weigh."""
        index, alpha = train.groups.index(target), self._alpha(target)
        search = {"preset": self.search_preset, "search": self.search, "device": resolve_device(settings.device)}
        utility = store.distances(initial, train, **search).distance.copy()
        similarity = np.full(len(train), np.nan)
        if predictor is not None and alpha < 1:
            similarity = store.distances(predictor, train, target=index, **search).distance.copy()
        if self.cross_fit:
            if own:
                members = train.group == index
                task = Task.diagnosis(f"group_model[{target}]", train.where(members), train.where(members))
                utility[members] = cross_fitted_distances(task, self.cross_fit, settings, store, len(train), search)
            if predictor is not None and alpha < 1:
                members = train.group >= 0
                task = Task.group("group_predictor", train, train)
                similarity[members] = cross_fitted_distances(
                    task, self.cross_fit, settings, store, len(train), {**search, "target": index}
                )
        dropped = np.zeros(len(train), dtype=bool)
        if self.misclassified != "as_is":
            wrong = predict_logits(initial.network, train).argmax(1).numpy() != train.y
            utility[wrong] = 0.0 if self.misclassified == "zero_distance" else utility[wrong]
            dropped = wrong & (self.misclassified == "drop")
        weight = spare_weights(
            utility,
            similarity if alpha < 1 else None,
            alpha=alpha,
            scale=self.scale,
            temperature=self.temperature,
        )
        weight[dropped] = 0.0
        censored = int(np.isnan(utility).sum()) + (int(np.isnan(similarity).sum()) if alpha < 1 else 0)
        if censored:
            warn(f"{target}: {censored} distances could not be found; they count as the largest found.")
        names = np.array([*train.groups, ""], dtype=object)
        return pd.DataFrame(
            {
                "id": train.ids,
                "unit": train.units,
                "label": np.array(train.classes, dtype=object)[train.y],
                "source_group": names[train.group],
                "target_group": target,
                "utility": utility,
                "similarity": similarity,
                "weight": weight,
            }
        )

    def _train_weighted(
        self,
        target: str,
        weight: np.ndarray,
        initial: Trained,
        trained: Mapping[str, Trained],
        train: Cohort,
        validation: Cohort,
        settings: TrainSettings,
        store: Store,
    ) -> Trained:
        """Train f_t* on everybody with fixed weights; its epoch is chosen on the target group's validation samples."""
        scaled = weight if self.loss_norm == "none" else weight / weight.mean()
        task = Task.diagnosis(
            f"spare[{target}]",
            train,
            validation.in_group(target),
            weights=scaled if self.use == "loss" else None,
            probabilities=scaled if self.use == "sampler" else None,
        )
        start: dict[str, Any] | None = None
        if self.initial != "seed":
            start = copy_state((initial if self.initial == "group_model" else trained["pooled"]).network)
        objective = batch_normalised_cross_entropy if self.loss_norm == "sum_w_batch" else weighted_cross_entropy
        return store.network(task, settings, n_budget=len(train), objective=objective, initial=start)
