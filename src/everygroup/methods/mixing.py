"""Several fitted models as one, each group answered by a mean of their answers with shares of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import pandas as pd

from everygroup.boundary.chunks import model_hash
from everygroup.errors import SettingsError
from everygroup.models import RoutedModel

NEGLIGIBLE = 1e-3  # shares below are left out
_OF_NETWORKS = {
    "method",
    "target",
    "networks",
    "route",
    "pooled",
    "group_predictor",
    "info",
    "weights",
    "mixtures",
    "units",
}


def mixed(models: Mapping[str, RoutedModel], shares: Mapping[str, Mapping[str, float]]) -> RoutedModel:
    """Mix models by group.

    Samples without a group are routed by the first model's group predictor that has one; where there is none, or the
    first model answers for all groups, the first model answers them.

    Parameters
    ----------
    models : mapping of str to RoutedModel
        By name, the reference first.
    shares : mapping of group to {name: share}
        They sum to 1 in every group.

    Raises
    ------
    SettingsError
        For models that differ from the first in more than their networks.
    """
    names = list(models)
    first = models[names[0]]
    for name in names[1:]:
        _refuse_what_cannot_be_mixed(name, models[name], first)
    called: dict[str, str] = {}  # content -> name of the network here
    networks, records, units = {}, {}, {}

    def network(model: str, own: str) -> str:
        source = models[model]
        record = source.info["networks"][own]
        name = called.setdefault(model_hash(source.networks[own]), own if model == names[0] else f"{own}: {model}")
        networks[name], records[name] = source.networks[own], record
        if own in source.units:
            units[name] = source.units[own]
        return name

    mixtures: dict[str, dict[str, float]] = {}

    def answerer(name: str, parts: Mapping[str, float]) -> str:
        kept = {part: share for part, share in parts.items() if share >= NEGLIGIBLE}
        if len(kept) == 1:
            return next(iter(kept))
        total = sum(kept.values())
        mixtures[name] = {part: share / total for part, share in kept.items()}
        return name

    def whole(model: str, own: str, share: float, into: dict[str, float]) -> None:
        for part, inner in models[model].shares(own).items():
            key = network(model, part)
            into[key] = into.get(key, 0.0) + share * inner

    everybody: dict[str, float] = {}
    whole(names[0], str(first.pooled), 1.0, everybody)
    pooled = answerer("everybody", everybody)
    route = {}
    for g, own in shares.items():
        parts: dict[str, float] = {}
        for model, share in own.items():
            if share >= NEGLIGIBLE:
                whole(model, models[model].route[g], share, parts)
        route[g] = pooled if parts.keys() == everybody.keys() else answerer(f"mixture[{g}]", parts)
    predictor = None
    source = next((m for m in models.values() if m.group_predictor is not None), None)
    if source is not None and set(route.values()) != {pooled}:
        predictor = "group predictor"
        networks[predictor] = source.networks[str(source.group_predictor)]
        records[predictor] = source.info["networks"][str(source.group_predictor)]
    used = {(model, models[model].route[g]) for g, own in shares.items() for model in own if own[model] >= NEGLIGIBLE}
    tables = [
        part
        for name, m in models.items()
        if m.weights is not None and len(part := m.weights[[(name, t) in used for t in m.weights["target_group"]]])
    ]
    return replace(
        first,
        networks=networks,
        route=route,
        pooled=pooled,
        group_predictor=predictor,
        mixtures=mixtures,
        units=units,
        info={**first.info, "networks": records},
        weights=pd.concat(tables, ignore_index=True) if tables else None,
    )


def _refuse_what_cannot_be_mixed(name: str, model: RoutedModel, first: RoutedModel) -> None:
    """Refuse a model that is more than networks, such as images seen in another way: one model does it for all."""
    others = (f.name for f in fields(model) if f.name not in _OF_NETWORKS)
    if differ := [field for field in others if getattr(model, field) != getattr(first, field)]:
        raise SettingsError(
            f"Candidate {name!r} differs from ERM in more than its networks: {', '.join(differ)}.",
            fix="put what it does around the whole, as in `pca + mixture`, or leave the candidate out",
        )
