"""auto: for each group the method that is surely better than ERM on validation, else ERM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.methods._validation_gain import paired_gain
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.erm import ERM, train_pooled_for
from everygroup.methods.group_model import GroupModel
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.spare import Spare
from everygroup.methods.spare.candidates import networks_of
from everygroup.methods.store import Store
from everygroup.networks import Classifier
from everygroup.settings import TrainSettings
from everygroup.training import predict_logits, resolve_device

REFERENCE = "erm"


@register
class Auto(Method):
    """A portfolio for every group: ERM, GroupModel and SPARE at several alpha, with shrinkage toward ERM.

    The rule, for each group g by itself, on the validation samples of g and nothing else: for each of the C candidates
    but ERM, the gain is its macro F1 minus that of ERM on these samples, and low is the (1 - level) / C quantile of the
    gain over a bootstrap of g's patients, both answers drawn together (a one-sided interval; all C together have
    `level`). Candidates with low > 0 are admitted; the one with the largest low answers for g (the first among equals).
    If none is admitted, or g has fewer than `min_patients` validation patients, ERM answers. Samples without a group
    are answered as by SPARE; by ERM if it answers for all groups.

    The epoch of a group's network is chosen on the very samples of the comparison, which favours it. So the ERM it is
    compared with has that advantage too: it is trained once more for each group, with the epoch chosen on that group
    (not where the setting selection is 'last'). The ERM that answers is the usual one.

    Choice and gains are in the model's `info["choice"]`. Cost: ERM, G group models, the group predictor, G networks for
    every alpha, and G times ERM for the comparison: 5G + 2 by default. What candidates share counts once.

    Parameters
    ----------
    level : float
        Coverage of the one-sided intervals, in (0, 1); larger is nearer to ERM.
    alphas : sequence of float
        SPARE's alphas, in order.
    n_boot : int
        Bootstrap replicates.
    min_patients : int
        Smallest number of validation patients for a choice.
    spare : mapping or None
        Further hyper-parameters of `Spare`, for all its candidates.
    """

    info = MethodInfo(
        name="auto",
        title="auto (a portfolio per group, shrunk toward ERM)",
        paper="everygroup's own; the candidates are those of Xu et al. Medical Image Analysis 109 (2026) 103950",
        family="group-specific",
        min_groups=2,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 5 * groups + 2,
    )

    def __init__(
        self,
        *,
        level: float = 0.95,
        alphas: Sequence[float] = (0.25, 0.5, 0.0),
        n_boot: int = 1000,
        min_patients: int = 20,
        spare: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(level, bool) or not isinstance(level, Real) or not 0 < level < 1:
            raise SettingsError(f"level = {level!r} lies outside (0, 1).", fix="use 0.95")
        for name, value, least in (("n_boot", n_boot, 100), ("min_patients", min_patients, 1)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise SettingsError(f"{name} = {value!r}.", fix=f"give {name} a whole number from {least}")
        if isinstance(alphas, str) or not isinstance(alphas, Sequence):
            raise SettingsError(f"alphas = {alphas!r} is no list of numbers.", fix="write alphas=[0.25, 0.5, 0]")
        self.level: float = level
        self.alphas: Sequence[float] = alphas
        self.n_boot: int = n_boot
        self.min_patients: int = min_patients
        self.spare: Mapping[str, Any] | None = spare
        self._candidates()  # refuses impossible values early

    def cost(self, groups: Sequence[str]) -> float:
        """Return the networks trained with these hyper-parameters; what candidates share counts once."""
        found = {("erm",), *(("group model", g) for g in groups)}
        for method in self._candidates().values():
            if isinstance(method, Spare):
                found |= networks_of(method, groups)
        return len(found) + len(groups)

    def check_network(self, network: Classifier) -> None:
        """Refuse a backbone that a candidate cannot work with; see `Method.check_network`."""
        for method in self._candidates().values():
            method.check_network(network)

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, cohorts that a candidate cannot be trained on."""
        super().check_cohorts(train, validation)
        for method in self._candidates().values():
            method.check_cohorts(train, validation)

    def _candidates(self) -> dict[str, Method]:
        """Return the portfolio by name, ERM first."""
        further = dict(self.spare or {})
        if unknown := [k for k in further if k not in Spare.defaults() or k == "alpha"]:
            raise SettingsError(
                f"spare names {unknown[0]!r}.", fix="give hyper-parameters of method spare but alpha, see alphas"
            )
        portfolio: dict[str, Method] = {REFERENCE: ERM(), "group_model": GroupModel(small_groups="erm")}
        for alpha in self.alphas:
            if isinstance(alpha, str):
                raise SettingsError(f"alphas holds {alpha!r}.", fix="write numbers, as in alphas=[0.25, 0.5, 0]")
            method = Spare(**{"small_groups": "erm", **further, "alpha": alpha})
            method.label = f"alpha={alpha:g}"
            portfolio[f"spare alpha={alpha:g}"] = method
        return portfolio

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Train the portfolio and choose; see `Method.fit`."""
        models = {
            name: method.fit(train, validation, settings=settings, store=store)
            for name, method in self._candidates().items()
        }
        device = resolve_device(settings.device)
        answers = {name: model.predict_proba(validation, device=device).argmax(1) for name, model in models.items()}
        choice = {}
        for i, g in enumerate(train.groups):
            if settings.selection != "last" and _patients(validation, i) >= self.min_patients:
                reference = train_pooled_for(g, train, validation, settings, store)
                answers[REFERENCE] = predict_logits(reference.network, validation).argmax(1).numpy()
            choice[g] = self._choose(i, answers, validation, settings.seed)
        for g, record in choice.items():
            say(f"  {g}: {record['chosen']}" + (f" ({record['note']})" if record["note"] else ""))
        return self._assemble(models, choice)

    def _choose(self, group: int, answers: Mapping[str, np.ndarray], validation: Cohort, seed: int) -> dict[str, Any]:
        """Apply the rule to one group; the record says what was chosen and why."""
        inside = validation.group == group
        y, units = validation.y[inside], validation.units[inside]
        patients = _patients(validation, group)
        record: dict[str, Any] = {"chosen": REFERENCE, "n": int(inside.sum()), "patients": patients, "note": ""}
        record["candidates"] = {}
        if patients < self.min_patients:
            record["note"] = f"fewer than {self.min_patients} validation patients"
            return record
        others = [name for name in answers if name != REFERENCE]
        best = 0.0
        for name in others:
            found = paired_gain(
                y,
                answers[name][inside],
                answers[REFERENCE][inside],
                units,
                n_classes=len(validation.classes),
                level=1 - (1 - self.level) / len(others),
                n_boot=self.n_boot,
                seed=seed,
            )
            low = found.low if math.isfinite(found.low) else None
            record["candidates"][name] = {"gain": found.gain, "low": low}
            if low is not None and low > best:
                record["chosen"], best = name, low
        return record

    def _assemble(self, models: Mapping[str, RoutedModel], choice: Mapping[str, Mapping[str, Any]]) -> RoutedModel:
        """Put the chosen networks of several models into one."""
        erm = models[REFERENCE]
        names = {"pooled": (erm, "pooled")}
        route: dict[str, str] = {}
        weights: dict[tuple[str, str], pd.DataFrame] = {}
        for g, record in choice.items():
            model = models[record["chosen"]]
            own = model.route[g]
            route[g] = own if own == "pooled" else f"{g}: {record['chosen']}"
            names[route[g]] = (model, own)
            if model.weights is not None and route[g] != "pooled" and (record["chosen"], own) not in weights:
                part = model.weights[model.weights["target_group"] == own]  # own is a cluster where groups were merged
                weights[record["chosen"], own] = part
        predictor = next((m for m in models.values() if m.group_predictor is not None), None)
        if predictor is not None and set(route.values()) != {"pooled"}:
            names["group predictor"] = (predictor, str(predictor.group_predictor))
        return RoutedModel(
            self.info.name,
            {name: model.networks[own] for name, (model, own) in names.items()},
            {name: model.specs[own] for name, (model, own) in names.items()},
            route,
            erm.classes,
            erm.groups,
            erm.rule,
            erm.sample_shape,
            "pooled",
            "group predictor" if "group predictor" in names else None,
            {
                "hyperparameters": self.hyperparameters,
                "choice": {g: dict(record) for g, record in choice.items()},
                "networks": {name: model.info["networks"][own] for name, (model, own) in names.items()},
            },
            pd.concat(weights.values(), ignore_index=True) if weights else None,
        )


def _patients(cohort: Cohort, group: int) -> int:
    return len(np.unique(cohort.units[cohort.group == group]))
