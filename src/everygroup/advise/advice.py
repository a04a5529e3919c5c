"""Advice before training: for which groups may group-specific models or SPARE be worth several times the compute.

A cheap probe answers, not a training of the methods: a logistic regression on small-image features. It looks at the
training and validation parts of a split and never at the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from everygroup.advise.features import FeatureMap, components, network_features, small_images
from everygroup.advise.paired import Contrast, Judged, Point
from everygroup.advise.probe import COMPARED, CURVE, Samples, can_be_probed, cross_validated
from everygroup.advise.verdict import CONTRASTS, detectable_of, verdict_of
from everygroup.check import fingerprint
from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.cohort.split import linked_units
from everygroup.errors import CohortError, PredictionsError, SettingsError
from everygroup.files import plain
from everygroup.methods.by_group.group_model import GroupModel
from everygroup.methods.by_group.spare.spare import Spare
from everygroup.methods.learn.erm import ERM
from everygroup.metrics.separability import Separability, separability
from everygroup.settings import TrainSettings
from everygroup.statistics import detectable_difference, n_for_difference
from everygroup.training.speed import time_training

BUDGETS = {"quick": 2, "normal": 1}
"""Repeats of the five-fold cross-validation. 'normal' trains a short network for each fold."""
WORTHWHILE = 0.05
SHORT_EPOCHS = 8


@dataclass(frozen=True)
class Visible:
    """AUC of telling the group from features, with its 95 % interval; NaN where it cannot be measured."""

    auc: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupAdvice:
    """What the probe found for one group.

    Attributes
    ----------
    group : str
    n, patients : int
        Samples and patients of the training and validation parts.
    verdict, reason : str
        One of `everygroup.advise.verdict.VERDICTS`, and why.
    visible : Visible
        Whether the group can be seen in the images; where it cannot, similarity has nothing to go by.
    curve : dict of diet to Point
        Macro F1 and log-loss on the group, cross-validated.
    contrasts : dict of name to Contrast
        Paired differences between diets; empty where the group is too small to be probed.
    detectable : float
        Smallest difference in macro F1 that would have been seen.
    patients_needed : int or None
        Patients of the group (all groups growing alike) to see a difference of `worthwhile`.
    """

    group: str
    n: int
    patients: int
    verdict: str
    reason: str
    visible: Visible
    curve: dict[str, Point]
    contrasts: dict[str, Contrast]
    detectable: float
    patients_needed: int | None


@dataclass(frozen=True)
class Cost:
    """Networks a method trains, and the minutes expected here on one core; None where not timed."""

    method: str
    networks: float
    minutes: float | None


@dataclass(frozen=True)
class Advice:
    """Advice for every group asked for.

    Attributes
    ----------
    name, grouping : str
        Cohort, and the attribute that makes the groups.
    groups : tuple of GroupAdvice
    costs : tuple of Cost
    warnings : tuple of str
        Of the fingerprint of the parts looked at.
    settings : dict
        Budget, seed and what else the answer depends on; JSON-able.
    """

    name: str
    grouping: str
    groups: tuple[GroupAdvice, ...]
    costs: tuple[Cost, ...]
    warnings: tuple[str, ...]
    settings: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values; NaN becomes None."""
        return dict(plain(asdict(self)))


def advise(
    data: Cohort | Split,
    *,
    groups: Sequence[str] | None = None,
    budget: str = "quick",
    seed: int = 0,
    settings: TrainSettings | None = None,
    worthwhile: float = WORTHWHILE,
    curve: bool = True,
    timed: bool = True,
) -> Advice:
    """Say for every group whether group-specific models or SPARE are worth trying.

    Parameters
    ----------
    data : Cohort or Split
        A cohort is split 6:2:2 by patient with `seed`, as `fit` does. Only training and validation parts are read.
    groups : sequence of str, optional
        The groups to advise on; all by default.
    budget : {'quick', 'normal'}
        'quick': principal components of small images; seconds a group for a thousand samples, in proportion for more.
        'normal': the penultimate features of a short network, trained for every fold.
    seed : int
        Of split, folds, bootstrap and short networks: the same seed gives the same advice.
    settings : TrainSettings, optional
        What a training would use: for the cost, and backbone and batch size of the short networks.
    worthwhile : float
        Smallest gain in macro F1 that would be worth the further networks.
    curve : bool
        Also fit the partial diets of the learning curve.
    timed : bool
        Whether a few updates are timed, for the minutes.

    Raises
    ------
    SettingsError
        For an unknown budget or group, fewer than two groups, or an impossible `worthwhile`.
    CohortError
        If the cohort is too small to be split, or a label is missing.
    """
    if budget not in BUDGETS:
        raise SettingsError(f"Unknown budget {budget!r}.", fix=f"choose one of {', '.join(BUDGETS)}")
    if not 0 < worthwhile < 1:
        raise SettingsError(f"worthwhile = {worthwhile} lies outside (0, 1).", fix=f"use {WORTHWHILE}")
    names = data.train.groups if isinstance(data, Split) else data.groups
    wanted = list(names) if groups is None else list(groups)
    if len(names) < 2:
        raise SettingsError(f"There are {len(names)} groups to compare.", fix="name an attribute by --group, or --bins")
    if unknown := [g for g in wanted if g not in names]:
        raise SettingsError(f"Unknown group {unknown[0]!r}.", fix=f"the groups are {', '.join(names)}")
    split = data if isinstance(data, Split) else split_cohort(data, seed=seed)
    settings = (settings or TrainSettings.make()).but(seed=seed)
    seen = _seen(split)
    if (seen.y < 0).any():
        raise CohortError(
            f"{(seen.y < 0).sum()} samples have no label.", fix="leave them out with cohort.where(cohort.y >= 0)"
        )
    costs = _costs(split, settings, timed)  # first: an impossible backbone is told before the long work
    unit = linked_units(seen)
    cheap = components(small_images(seen), seed)
    visible = _separability(seen, cheap, unit, seed)
    features: FeatureMap = lambda _: cheap  # noqa: E731
    if budget == "normal":
        features = network_features(seen, settings.but(epochs=min(SHORT_EPOCHS, settings.epochs), updates=None))
    found = []
    for name in wanted:
        inside = seen.group == seen.groups.index(name)
        samples = Samples(seen.y, unit, inside, seen.group >= 0, len(seen.classes))
        judged: Judged | None = None
        diets = CURVE if curve else COMPARED
        if can_be_probed(samples):
            answers = cross_validated(
                samples, features, repeats=BUDGETS[budget], seed=seed, diets=diets, label=f"probe of {name}"
            )
            judged = Judged(seen.y[inside], unit[inside], answers, seed=seed)
        contrasts = {} if judged is None else {c: judged.contrast(*c.split(" - ")) for c in CONTRASTS}
        verdict, reason = verdict_of(contrasts, worthwhile=worthwhile)
        detectable, patients = detectable_of(contrasts), int(np.unique(unit[inside]).size)
        found.append(
            GroupAdvice(
                name,
                int(inside.sum()),
                patients,
                verdict,
                reason,
                visible[name],
                {} if judged is None else {diet.name: judged.point(diet.name) for diet in diets},
                contrasts,
                detectable,
                _needed(worthwhile, detectable, patients),
            )
        )
    return Advice(
        str(seen.provenance.get("name", "cohort")),
        seen.rule.name,
        tuple(found),
        costs,
        fingerprint(seen).warnings,
        {
            "budget": budget,
            "seed": seed,
            "worthwhile": worthwhile,
            "n": len(seen),
            "n_test_untouched": len(split.test),
            "features": "principal components of small images" if budget == "quick" else "a short network's",
            "backbone": settings.backbone,
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
        },
    )


def _seen(split: Split) -> Cohort:
    """Join training and validation parts; the test part is left where it is."""
    parts = (split.train, split.validation)
    shared = parts[0].images is parts[1].images
    images = parts[0].images if shared else np.concatenate([p.batch(slice(None)) for p in parts])
    rows = np.concatenate([p.rows for p in parts]) if shared else None
    joined: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in parts]) for n in ("y", "group", "ids", "units")}
    first = parts[0]
    return Cohort(
        images,
        pd.concat([p.table for p in parts], ignore_index=True),
        label=first.label,
        classes=first.classes,
        rule=first.rule,
        groups=first.groups,
        rows=rows,
        split_by=first.split_by,
        provenance=first.provenance,
        **joined,
    )


def _separability(seen: Cohort, features: np.ndarray, unit: np.ndarray, seed: int) -> dict[str, Visible]:
    """Return by group how well it can be told from the features."""
    nothing = Visible(np.nan, np.nan, np.nan)
    names = np.array([*seen.groups, None], dtype=object)[seen.group]
    for i in range(len(seen.groups)):
        if np.unique(unit[seen.group == i]).size < 2:
            names[seen.group == i] = None
    try:
        told: Separability = separability(features, names, cluster=unit, n_boot=200, seed=seed)
    except PredictionsError:  # fewer than two groups of two patients
        return dict.fromkeys(seen.groups, nothing)
    return {g: Visible(*told.per_group[g]) if g in told.per_group else nothing for g in seen.groups}


def _needed(worthwhile: float, detectable: float, patients: int) -> int | None:
    """Return the patients with which `worthwhile` would be detectable: errors shrink with the root of their number."""
    return n_for_difference(worthwhile, detectable / float(detectable_difference(1.0)), patients)


def _costs(split: Split, settings: TrainSettings, timed: bool) -> tuple[Cost, ...]:
    """Return the networks of ERM, GroupModel and SPARE, and minutes from a few timed updates."""
    speed = time_training(split, settings) if timed else None
    n, n_validation, groups = len(split.train), len(split.validation), split.train.groups
    updates = settings.n_updates(n)
    epochs = updates / settings.updates_per_epoch(n)
    costs = []
    for method in (ERM(), GroupModel(), Spare()):
        networks = method.cost(groups)
        minutes = None
        if speed is not None:
            seconds = networks * (updates * speed.update + epochs * n_validation * speed.predict)
            seconds += 2 * len(groups) * n * speed.distance if isinstance(method, Spare) else 0.0
            minutes = seconds / 60
        costs.append(Cost(method.info.name, networks, minutes))
    return tuple(costs)
