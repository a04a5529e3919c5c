"""auto: for each group the method that is surely better than ERM on validation, else ERM."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field
from torch import nn

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.methods.by_group._validation_gain import paired_gain
from everygroup.methods.chain import Chain, create_method
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, Part, method, run
from everygroup.models import RoutedModel
from everygroup.networks import predict_outputs

REFERENCE = "erm"
PORTFOLIO = (
    "group_model(small_groups=erm)",
    "spare(small_groups=erm, alpha=0.25)",
    "spare(small_groups=erm, alpha=0.5)",
    "spare(small_groups=erm, alpha=0.0)",
)


@method(
    "auto (a portfolio per group, shrunk toward ERM)",
    "everygroup's own; the candidates are those of Xu et al. Medical Image Analysis 109 (2026) 103950",
    groups=(2, None),
    cost=lambda groups: 7 * groups + 4,
    needs_group_at_test=True,
)
class Auto(ByGroup):
    """A combination of fitted models by group, with shrinkage toward ERM: by default of GroupModel and SPARE.

    The rule, for each group g by itself, on the validation samples of g and nothing else: for each of the C candidates,
    the gain is its macro F1 minus that of ERM on these samples, and low is the (1 - level) / C quantile of the gain
    over a bootstrap of g's patients, both answers drawn together (a one-sided interval; all C together have `level`).
    Candidates with low > 0 are admitted; the one with the largest low answers for g (the first among equals). If none
    is admitted, or g has fewer than `min_patients` validation patients, ERM answers. Samples without a group are routed
    by the first candidate's group predictor, if there is one; by ERM if there is none, or it answers for all groups.

    The epoch of a group's network is chosen on the very samples of the comparison, which favours it. So the ERM it is
    compared with has that advantage too: it is trained once more for each group, with the epoch chosen on that group
    (not where the setting selection is 'last'). The ERM that answers is the usual one.

    Choice and gains are in the model's `info["choice"]`.
    """

    candidates: Sequence[str] = Field(
        PORTFOLIO,
        min_length=1,
        description="methods, or chains of parts, that may answer in the place of ERM; each in quotes where it has "
        "options",
    )
    level: float = Field(0.95, gt=0, lt=1, description="coverage of the one-sided intervals; larger is nearer to ERM")
    n_boot: int = Field(1000, ge=100, description="bootstrap replicates")
    min_patients: int = Field(20, ge=1, description="smallest number of validation patients for a choice")

    def model_post_init(self, context: Any) -> None:
        """Refuse candidates that cannot be."""
        self._portfolio()

    def _portfolio(self) -> dict[str, Chain]:
        """Return the candidates by what tells them apart."""
        chains = [create_method(text) for text in self.candidates]
        names = labels(chains)
        if twice := sorted({name for name in names if names.count(name) > 1 or name == REFERENCE}):
            fix = "name each candidate once, without erm, which is always one"
            raise SettingsError(f"candidates holds {twice[0]!r} more than once.", fix=fix)
        return dict(zip(names, chains, strict=True))

    def cost(self, groups: Sequence[str]) -> float:
        """Return the most networks that may be trained: those of all candidates, ERM, and ERM for every group.

        Networks that candidates share are trained once, but counted for each: 5G + 2 of the default's 7G + 4 are.
        """
        return sum(chain.cost(groups) for chain in self._portfolio().values()) + 1 + len(groups)

    def check(self, lab: Lab) -> None:
        """Refuse, besides, cohorts that a candidate cannot be trained on."""
        super().check(lab)
        for chain in self._portfolio().values():
            chain.check(lab)

    def check_network(self, network: nn.Module) -> None:
        """Refuse a backbone that a candidate cannot work with."""
        for part in self._parts():
            part.check_network(network)

    def _parts(self) -> Iterator[Part]:
        for chain in self._portfolio().values():
            yield from chain

    def model(self, lab: Lab) -> RoutedModel:
        """Train the portfolio and choose."""
        models = {REFERENCE: lab.one_model(REFERENCE, lab.erm())}
        for name, chain in self._portfolio().items():
            models[name] = run(chain.parts, lab)
            _refuse_what_cannot_be_combined(name, models[name], models[REFERENCE])
        asked = lab.merged_from or lab  # patients are routed by the groups there were at first
        answers = {name: asked.answers(model, asked.validation).argmax(1) for name, model in models.items()}
        choice = {}
        for i, g in enumerate(asked.groups):
            if lab.settings.selection != "last" and _patients(asked, i) >= self.min_patients:
                reference = asked.erm(selected_for=g).network
                answers[REFERENCE] = predict_outputs(reference, asked.validation).argmax(1).numpy()
            choice[g] = self._choose(i, answers, asked)
        for g, record in choice.items():
            say(f"  {g}: {record['chosen']}" + (f" ({record['note']})" if record["note"] else ""))
        return combined(models, choice)

    def _choose(self, group: int, answers: Mapping[str, np.ndarray], lab: Lab) -> dict[str, Any]:
        """Apply the rule to one group; the record says what was chosen and why."""
        inside = lab.validation.group == group
        y, units = lab.validation.y[inside], lab.validation.units[inside]
        patients = _patients(lab, group)
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
                n_classes=len(lab.validation.classes),
                level=1 - (1 - self.level) / len(others),
                n_boot=self.n_boot,
                seed=lab.settings.seed,
            )
            low = found.low if math.isfinite(found.low) else None
            record["candidates"][name] = {"gain": found.gain, "low": low}
            if low is not None and low > best:
                record["chosen"], best = name, low
        return record


def labels(chains: Sequence[Chain]) -> list[str]:
    """Name chains by their parts, and of those with the same parts (ERM is always one) by the options that differ."""
    everything = [create_method(REFERENCE), *chains]
    options = [{(part.info.name, k): v for part in chain for k, v in _flat(part)} for chain in everything]
    names = []
    for chain, own in zip(everything, options, strict=True):
        alike = [o for c, o in zip(everything, options, strict=True) if c.name == chain.name]
        apart = [key for key in own if any(other[key] != own[key] for other in alike)]
        names.append(" ".join([chain.name, *(f"{key[1]}={_short(own[key])}" for key in apart)]))
    return names[1:]


def _flat(part: Part) -> Iterator[tuple[str, Any]]:
    for name, value in part.hyperparameters.items():
        yield from value.items() if name in part.nested() else [(name, value)]


def combined(models: Mapping[str, RoutedModel], choice: Mapping[str, Mapping[str, Any]]) -> RoutedModel:
    """Put the chosen networks of several models into one; 'erm' answers where no group is known.

    Parameters
    ----------
    models : fitted models by name, 'erm' among them
    choice : for each group a record that names the model under 'chosen'
    """
    erm = models[REFERENCE]
    names = {"pooled": (erm, str(erm.pooled))}
    route: dict[str, str] = {}
    weights: dict[tuple[str, str], pd.DataFrame] = {}
    for g, record in choice.items():
        model = models[record["chosen"]]
        own = model.route[g]
        route[g] = "pooled" if _key(model, own) == _key(erm, str(erm.pooled)) else f"{own}: {record['chosen']}"
        if route[g] == "pooled":
            continue
        names[route[g]] = (model, own)
        if model.weights is not None and (record["chosen"], own) not in weights:
            part = model.weights[model.weights["target_group"] == own]  # own is a cluster where groups were merged
            weights[record["chosen"], own] = part
    predictor = next((m for m in models.values() if m.group_predictor is not None), None)
    if predictor is not None and set(route.values()) != {"pooled"}:
        names["group predictor"] = (predictor, str(predictor.group_predictor))
    return replace(
        erm,
        networks={name: model.networks[own] for name, (model, own) in names.items()},
        route=route,
        pooled="pooled",
        group_predictor="group predictor" if "group predictor" in names else None,
        info={
            **erm.info,
            "choice": {g: dict(record) for g, record in choice.items()},
            "networks": {name: model.info["networks"][own] for name, (model, own) in names.items()},
        },
        weights=pd.concat(weights.values(), ignore_index=True) if weights else None,
    )


_OF_NETWORKS = {"method", "target", "networks", "route", "pooled", "group_predictor", "info", "weights"}


def _refuse_what_cannot_be_combined(name: str, model: RoutedModel, erm: RoutedModel) -> None:
    """Refuse a candidate that is more than networks, such as images seen in another way: one model does it for all."""
    others = (f.name for f in fields(model) if f.name not in _OF_NETWORKS)
    if differ := [field for field in others if getattr(model, field) != getattr(erm, field)]:
        raise SettingsError(
            f"Candidate {name!r} differs from ERM in more than its networks: {', '.join(differ)}.",
            fix="put what it does around auto, as in `harmonise + auto`, or leave the candidate out",
        )


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _key(model: RoutedModel, network: str) -> str:
    return str(model.info["networks"][network]["key"])


def _patients(lab: Lab, group: int) -> int:
    return len(np.unique(lab.validation.units[lab.validation.group == group]))
