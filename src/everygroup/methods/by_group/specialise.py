"""Specialise: an ensemble of ERM, every member trained on for a few short passes on the group's own data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.methods.after.group_calibration import GroupCalibration
from everygroup.methods.by_group.ensemble import members
from everygroup.methods.by_group.group_model import too_small
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel
from everygroup.statistics.mixtures import mixture_shares
from everygroup.targets import Classes
from everygroup.targets.labels import mean_auc
from everygroup.training import Learner, Trained
from everygroup.training.loop import judged

_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Continued:
    """How a trained network is trained on."""

    trained: Trained

    @property
    def key(self) -> str:
        """Content hash."""
        return hash_json(["continued", self.trained.key])

    def learner(self, lab: Lab) -> Learner:
        """Start from its weights."""
        return Learner(copy.deepcopy(self.trained.network))


@method(
    "Specialise (an ensemble trained on for each group)",
    "everygroup's own",
    cost=3.3,
    needs_group_at_test=True,
    branch="networks by group",
)
class Specialise(ByGroup):
    """Every member of an ERM ensemble goes on for a few short passes at a fraction of the learning rate on the group's
    own samples; the members are averaged, the ensemble guards them, and the answers are calibrated by group.

    Rate and number of passes (none is one of the choices) are those with the smallest loss on the group's validation
    samples, for each member. The guard mixes the ensemble and the specialised members: shares by likelihood as in
    `mixture`, with 3 pseudo-samples for the ensemble; or of the shares 0, 1/4, ..., 1 the one with the largest AUC, the
    smallest among equals; or none. A group too small for a network of its own is answered by the ensemble.

    `on` names the controls: random samples as many as the group has, or everybody's, for as many updates.
    """

    members: int = Field(3, ge=1, description="networks of the ensemble")
    passes: int = Field(2, ge=1, description="most passes over the group's samples")
    rates: Sequence[Annotated[float, Field(gt=0, le=1)]] = Field(
        (1 / 3,), min_length=1, description="learning rates to choose from, as fractions of ERM's"
    )
    guard: Literal["likelihood", "auc", "none"] = Field(
        "likelihood", description="what chooses the specialised members' share beside the ensemble"
    )
    calibrate: bool = Field(True, description="calibrate by group afterwards, as group_calibration does")
    on: Literal["group", "random", "everybody"] = Field(
        "group", description="whose samples; random and everybody are controls"
    )

    def cost(self, groups: Sequence[str]) -> float:
        """Return the ensemble's networks, and the passes of all rates over everybody in shares of the usual 20."""
        each = len(groups) if self.on == "everybody" else 1
        return self.members * (1 + self.passes * len(self.rates) * each / 20)

    def check(self, lab: Lab) -> None:
        """Refuse, besides, linear heads, which have no learning rate."""
        super().check(lab)
        if lab.solves:
            raise SettingsError(
                "Method 'specialise' trains networks on; linear heads on vectors are solved.",
                fix="use partial_pooling or mixture, or --backbone mlp",
            )

    def model(self, lab: Lab) -> RoutedModel:
        """Train the ensemble, then its members on for each group."""
        trained = {f"member {i}": one for i, one in enumerate(members(lab, self.members), start=1)}
        ensemble = dict.fromkeys(trained, 1 / self.members)
        mixtures, route, record = {"ensemble": ensemble}, {}, {}
        first = list(trained.values())
        for i, g in enumerate(lab.groups):
            route[g] = "ensemble"
            if too_small(lab, g):
                continue
            own = {f"{name}: {g}": self._continued(lab, i, one) for name, one in zip(ensemble, first, strict=True)}
            if all(new is old for new, old in zip(own.values(), first, strict=True)):
                record[g] = {"share": 0.0, "passes": [0] * self.members}
                continue
            share = self._share(lab, g, first, list(own.values()))
            passes = [0 if new is old else new.selected_epoch for new, old in zip(own.values(), first, strict=True)]
            record[g] = {"share": share, "passes": passes}
            if share > 0:
                trained |= own
                route[g] = f"specialised[{g}]"
                parts = {**dict.fromkeys(ensemble, (1 - share) / self.members)} if share < 1 else {}
                mixtures[route[g]] = {**parts, **dict.fromkeys(own, share / self.members)}
            say(f"  {g}: share {share:.2f}, passes {passes}")
        info: dict[str, Any] = {"specialised": record}
        model = lab.model(self.info.name, trained, route, pooled="ensemble", mixtures=mixtures, info=info)
        asked = lab.merged_from or lab
        return GroupCalibration().refine(model, asked) if self.calibrate else model

    def _continued(self, lab: Lab, group: int, member: Trained) -> Trained:
        """Train a member on; the member itself where validation likes no pass better."""
        checked = lab.validation.in_group(lab.groups[group])
        size = int(lab.group_sizes[group])
        where = np.ones(len(lab.train), dtype=bool)
        if self.on == "group":
            where = lab.train.group == group
        elif self.on == "random":
            rng = np.random.default_rng([lab.settings.seed, 12, group])
            where = np.isin(np.arange(len(where)), rng.permutation(len(where))[:size])
        best, loss = member, judged(member.network, lab.target, checked, lab.device).loss
        for rate in self.rates:
            settings = lab.settings.but(
                lr=lab.settings.lr * rate,
                epochs=self.passes,
                updates=None,
                warmup=0.0,
                head_warmup=0.0,
                selection="loss",
            )
            found = lab.train_network(
                Continued(member),
                f"specialise[{lab.groups[group]}]",
                where=where,
                validation=checked,
                settings=settings,
                budget=size,
            )
            if found.chosen["validation_loss"] < loss:
                best, loss = found, found.chosen["validation_loss"]
        return best

    def _share(self, lab: Lab, group: str, ensemble: Sequence[Trained], own: Sequence[Trained]) -> float:
        """Choose the specialised members' share on the group's validation samples."""
        if self.guard == "none":
            return 1.0
        checked = lab.validation.in_group(group)
        means = []
        for part in (ensemble, own):
            mean = {f"{i}": one for i, one in enumerate(part)}
            whole = {"": dict.fromkeys(mean, 1 / len(mean))}
            model = lab.but(merged_from=None).model(
                "mean", mean, dict.fromkeys(lab.groups, ""), pooled="", mixtures=whole
            )
            means.append(lab.answers(model, checked))
        y = lab.target.truth(checked)[:]
        if self.guard == "auc":
            assert isinstance(lab.target, Classes)
            scores = [mean_auc(y, (1 - share) * means[0] + share * means[1]) for share in _GRID]
            return 0.0 if np.isnan(scores).all() else _GRID[int(np.nanargmax(scores))]
        seen = [lab.target.log_likelihood(y, one, means[0]) for one in means]
        return float(mixture_shares(np.stack([s.ravel() for s in seen if s is not None], 1), [3.0, 0.0])[1])
