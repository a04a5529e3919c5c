"""SPARE: group-specific networks trained on everybody's samples, weighted by boundary distances. Algorithm 1."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from torch import nn

from everygroup.console import say, warn
from everygroup.errors import SettingsError
from everygroup.methods.by_group.group_model import SmallGroups, pooled_groups
from everygroup.methods.by_group.spare.adapters import AdaptersOn, ByBatchWeight
from everygroup.methods.by_group.spare.candidates import Candidate, candidates_of, weight_table
from everygroup.methods.by_group.spare.distances import Measured, Meter
from everygroup.methods.by_group.spare.options import Distance, Share, Sharing, Weighting, size_factor
from everygroup.methods.by_group.spare.trunk import TrunkOf, specific_steps
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, GroupName, method
from everygroup.models import RoutedModel
from everygroup.networks import FrozenTrunk
from everygroup.spare import effective_sample_size, out_of_group_share
from everygroup.training import Trained
from everygroup.training.loop import judged


@dataclass(frozen=True)
class Outcome:
    """One candidate's weights (n,) for a group, the network trained with them and its validation score."""

    candidate: Candidate
    weight: np.ndarray
    trained: Trained
    score: float


@method(
    "SPARE (subgroup performance aware re-weighting)",
    "Xu et al. Rethinking fairness in medical imaging: Maximizing group-specific performance with application to skin "
    "disease diagnosis. Medical Image Analysis 109 (2026) 103950",
    groups=(2, None),
    cost=lambda groups: 2 * groups + 1,
    needs_group_at_test=True,
    targets=("classes", "labels", "number", "mask", "anomaly"),
    branch="weights by group",
)
class Spare(ByGroup):
    """Algorithm 1 of the paper, for any number of groups.

    1. A diagnosis network f_t per group, on the group's own samples. 2. A group predictor f_g on everybody.
    3. Utility distance of every training sample to f_t's boundary and similarity distance to f_g's region of t.
    4. Weights exp(-(alpha d_U + (1 - alpha) d_S)). 5. A network f_t* per group, on everybody with fixed weights.

    Where alpha, the temperature or selection's quantile is chosen on validation, every candidate is trained with the
    full number of updates, and the one with the largest score (macro F1) on the target group's validation samples is
    taken (the first among equals; with a shared trunk one for all groups, by the mean of their scores). `cost` counts
    them. Where only one group has training samples, no group predictor can be trained, and ERM answers for everybody.
    """

    alpha: Share | Mapping[GroupName, Share] | Literal["validation"] = Field(
        0.5,
        description="0 = similarity only, 1 = utility only (no group predictor is trained); the paper uses 0.5. One "
        "for each group by name; or validation: chosen for each group among `alphas`",
    )
    alphas: Sequence[Share] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0), min_length=1, description="candidates of alpha=validation"
    )
    distance: Distance = Field(Distance(), description="which distances, and how they are measured")
    weighting: Weighting = Field(Weighting(), description="from distances to weights, and what the weights do")
    sharing: Sharing = Field(Sharing(), description="what the groups' networks have in common")
    small_groups: SmallGroups = Field("error", description="as in group_model")
    pooled: bool = Field(
        False,
        description="also train ERM, to answer where no group is known and no group predictor is wanted",
    )

    @model_validator(mode="after")
    def _together(self) -> Spare:
        distance, sharing = self.distance, self.sharing
        for excluded, why in (
            (distance.utility == distance.similarity == "none", "keep utility or similarity, or train method erm"),
            (
                distance.scale == "paper_size" and {distance.utility, distance.similarity} - {"boundary", "none"},
                "scale=paper_size is for boundary distances, one of these is no length in pixels: use scale=median",
            ),
            (distance.cross_fit == 1, "cross_fit is 0 for none, or at least 2 folds"),
            (
                sharing.trunk and self.weighting.use == "sampler",
                f"sharing={sharing.kind} trains all groups on one batch, use=sampler draws one for each: set use=loss",
            ),
        ):
            if excluded:
                raise ValueError(why)
        return self

    # ---- what of the algorithm the options ask for ---------------------------------------------------------------

    def alphas_of(self, group: str) -> tuple[float, ...]:
        """Return a group's candidates of alpha: 1 without a similarity distance, 0 without a utility distance."""
        if isinstance(self.alpha, Mapping) and group not in self.alpha:
            raise SettingsError(f"alpha names no value for group {group!r}.", fix="give one for every group")
        if self.distance.similarity == "none":
            return (1.0,)
        if self.distance.utility == "none":
            return (0.0,)
        if isinstance(self.alpha, str):
            return tuple(self.alphas)
        return (self.alpha[group] if isinstance(self.alpha, Mapping) else self.alpha,)

    def uses_utility(self, group: str) -> bool:
        """Whether utility distances are measured for a group."""
        return self.weighting.map != "group_frequency" and max(self.alphas_of(group)) > 0

    def uses_similarity(self, group: str) -> bool:
        """Whether similarity distances to a group are measured."""
        return self.weighting.map != "group_frequency" and min(self.alphas_of(group)) < 1

    def uses_first_network(self, group: str) -> bool:
        """Whether a group's network f_t is needed."""
        read = self.distance.similarity in ("fcd", "mmd") and self.distance.features == "group_model"
        return (
            self.uses_utility(group) or (self.uses_similarity(group) and read) or self.distance.misclassified == "drop"
        )

    def uses_predictor(self, group: str) -> bool:
        """Whether the group predictor is needed for a group."""
        of_predictor = self.distance.similarity == "boundary" or self.distance.features == "group_predictor"
        return self.uses_similarity(group) and of_predictor

    def cost(self, groups: Sequence[str]) -> float:
        """Return the number of networks trained for these groups with these options, none of them small.

        Each has as many updates as ERM. An update of a shared trunk passes every group's layers besides. One of
        adapters passes the whole network forward, but its gradient is that of the parts alone; it counts as a whole
        one, so that adapters save parameters and memory, not networks.
        """
        if self.sharing.is_erm:
            return 1
        measured = sum(self.uses_utility(g) for g in groups)
        predictor = any(self.uses_predictor(g) for g in groups)
        folds = measured + (predictor and self.distance.similarity == "boundary")
        tried = [len(candidates_of(self.alphas_of(g), self.weighting)) for g in groups]
        return (
            sum(self.uses_first_network(g) for g in groups)
            + predictor
            + folds * self.distance.cross_fit
            + (self.pooled or self.sharing.kind == "adapters")
            + (max(tried) if self.sharing.trunk else sum(tried))
        )

    def check_network(self, network: nn.Module) -> None:
        """Refuse, besides, a backbone that cannot be shared as asked."""
        super().check_network(network)
        if self.sharing.trunk:
            specific_steps(network, self.sharing.kind)
        if self.sharing.kind == "adapters" and not self.sharing.is_erm:
            FrozenTrunk(copy.deepcopy(network), parts=self.sharing.adapter, rank=self.sharing.rank)  # type: ignore[arg-type]

    def check(self, lab: Lab) -> None:
        """Refuse, besides, groups too small for a network or without an alpha, and vectors where images are needed."""
        super().check(lab)
        if self.distance.unit == "paper_size" and self.weighting.map != "group_frequency" and not self.sharing.is_erm:
            size_factor(lab.train.sample_shape)
        if lab.target.name != "classes":
            self._only_classes(lab)
        pooled_groups(lab, self.small_groups)
        for g in lab.groups:
            self.alphas_of(g)

    def _only_classes(self, lab: Lab) -> None:
        target, adapters = lab.target.name, self.sharing.kind == "adapters" and lab.target.form != "vector"
        for wanted, what in (
            (self.distance.utility == "logit_gap", "utility=logit_gap"),
            (self.distance.misclassified != "as_is", f"misclassified={self.distance.misclassified}"),
            (self.sharing.trunk or adapters, f"sharing={self.sharing.kind}"),
            (self.distance.cross_fit and lab.target.used(lab.train) is not None, "cross_fit"),
        ):
            if wanted:
                raise SettingsError(f"{what} is for classes; the target is {target!r}.", fix=f"leave out {what}")

    # ---- Algorithm 1 ---------------------------------------------------------------------------------------------

    def model(self, lab: Lab) -> RoutedModel:
        """Run Algorithm 1. The result's `weights` holds every distance and weight."""
        left_out = pooled_groups(lab, self.small_groups)
        targets = [g for g in lab.groups if g not in left_out]
        if self.sharing.is_erm:
            return lab.one_model(self.info.name, lab.erm())
        if (lab.group_sizes > 0).sum() < 2 and any(self.uses_predictor(g) for g in targets):
            warn(f"Only group {', '.join(targets)} has training samples: no group can be told apart, ERM answers.")
            return lab.one_model(self.info.name, lab.erm())

        # Phase 1: f_t on the group's own samples, f_g on everybody, and the two distances.
        size = dict(zip(lab.groups, lab.group_sizes, strict=True))
        needed = [g for g in targets if self.uses_first_network(g)]
        small = [g for g in needed if size[g] < self.distance.min_group]
        if small:
            warn(
                f"Group {', '.join(small)}: fewer than {self.distance.min_group} training samples; "
                "utility distances are measured on ERM instead of the group's own network."
            )
        trained: dict[str, Trained] = {}
        if left_out or small or self.pooled or self.sharing.kind == "adapters":
            trained["pooled"] = lab.erm()
        first = {g: trained["pooled"] if g in small else lab.group_model(g) for g in needed}
        if any(self.uses_predictor(g) for g in targets):
            trained["group predictor"] = lab.group_predictor()
        measured = {}
        for g in targets:
            meter = Meter(self.distance, g, lab, first.get(g), trained.get("group predictor"), g not in small)
            measured[g] = meter.measure(utility=self.uses_utility(g), similarity=self.uses_similarity(g))

        # Phase 2: f_t* on everybody, weighted; of several candidates the best on the group's validation samples.
        train = self._trunk if self.sharing.trunk else self._independent
        chosen, tried = train(lab, measured, trained.get("pooled")) if targets else ({}, [])
        for g, outcome in chosen.items():
            _describe(g, outcome.weight, lab)
            trained[g] = outcome.trained
        tables = [weight_table(g, outcome.weight, measured[g], lab.train) for g, outcome in chosen.items()]
        return lab.model(
            self.info.name,
            trained,
            {g: "pooled" if g in left_out else g for g in lab.groups},
            pooled="pooled" if "pooled" in trained else None,
            group_predictor="group predictor" if "group predictor" in trained else None,
            info={"scale": self.distance.unit, "candidates": tried, **self._sizes(lab, trained)},
            weights=pd.concat(tables, ignore_index=True) if tables else None,
        )

    def _independent(
        self, lab: Lab, measured: Mapping[str, Measured], erm: Trained | None
    ) -> tuple[dict[str, Outcome], list[dict[str, Any]]]:
        """Train a network for each group and candidate."""
        chosen, records = {}, []
        for g, found in measured.items():
            candidates = candidates_of(self.alphas_of(g), self.weighting)
            outcomes = []
            for candidate in candidates:
                weight = candidate.weigh(found, g, lab.train, self.distance, self.weighting, lab.settings.seed)
                by_loss = self.weighting.use == "loss"
                trained = lab.train_network(
                    self._learns(erm),
                    self._called(f"spare[{g}]", candidates, candidate),
                    validation=lab.validation.in_group(g),
                    weights=self._scaled(weight) if by_loss else None,
                    draws=None if by_loss else self._scaled(weight),
                ).answering(None)
                outcomes.append(Outcome(candidate, weight, trained, trained.score))
            chosen[g] = max(outcomes, key=lambda o: o.score)
            records += [self._record(g, o, o is chosen[g], lab) for o in outcomes]
        return chosen, records

    def _trunk(
        self, lab: Lab, measured: Mapping[str, Measured], erm: Trained | None
    ) -> tuple[dict[str, Outcome], list[dict[str, Any]]]:
        """Train one network with a common trunk for each candidate, which all groups then have in common.

        Groups that are not measured have weight 0 everywhere and layers that learn nothing; the trunk's gradient is the
        mean over the others.
        """
        targets, rounds = list(measured), []
        candidates = {g: candidates_of(self.alphas_of(g), self.weighting) for g in targets}
        learns = TrunkOf(self.sharing.kind, self.weighting.loss_norm == "sum_w_batch", len(targets))
        seen = lab.validation.where(np.isin(lab.validation.group, [lab.groups.index(g) for g in targets]))
        for joint in zip(*candidates.values(), strict=True):
            weights = {
                g: c.weigh(measured[g], g, lab.train, self.distance, self.weighting, lab.settings.seed)
                for g, c in zip(targets, joint, strict=True)
            }
            columns = [self._scaled(weights[g]) if g in weights else np.zeros(len(lab.train)) for g in lab.groups]
            name = self._called(f"spare {self.sharing.kind}", candidates[targets[0]], joint[0])
            trained = lab.train_network(learns, name, validation=seen, weights=np.stack(columns, 1))
            own = {g: trained.answering(lab.groups.index(g)) for g in targets}
            rounds.append(
                {
                    g: Outcome(
                        c, weights[g], own[g], judged(own[g].network, lab.target, lab.validation.in_group(g)).score()
                    )
                    for g, c in zip(targets, joint, strict=True)
                }
            )
        best = max(rounds, key=lambda outcomes: sum(o.score for o in outcomes.values()))
        return best, [self._record(g, o[g], o is best, lab) for g in targets for o in rounds]

    def _learns(self, erm: Trained | None) -> AdaptersOn | ByBatchWeight | None:
        normalised = self.weighting.loss_norm == "sum_w_batch"
        if self.sharing.kind == "adapters":
            assert erm is not None
            return AdaptersOn(erm, self.sharing.adapter, self.sharing.rank, normalised)
        return ByBatchWeight() if normalised else None

    def _scaled(self, weight: np.ndarray) -> np.ndarray:
        return weight if self.weighting.loss_norm == "none" else weight / weight.mean()

    def _called(self, base: str, candidates: Sequence[Candidate], candidate: Candidate) -> str:
        usual = len(candidates) == 1 and self.alpha == type(self).model_fields["alpha"].default
        return base if usual else f"{base} {candidate.describe(self.weighting)}"

    def _record(self, group: str, outcome: Outcome, chosen: bool, lab: Lab) -> dict[str, Any]:
        c = outcome.candidate
        return {
            "group": group,
            "alpha": c.alpha,
            "temperature": c.temperature,
            "quantile": c.quantile if self.weighting.map == "selection" else None,
            **({} if c.level is None else {"level": c.level}),
            f"validation_{lab.target.score}": outcome.score,
            "chosen": chosen,
        }

    def _sizes(self, lab: Lab, trained: Mapping[str, Trained]) -> dict[str, Any]:
        """Say how many parameters each group's adapters have."""
        if self.sharing.kind != "adapters":
            return {}
        whole = AdaptersOn(trained["pooled"], self.sharing.adapter, self.sharing.rank, False).trunk(lab)
        held = sum(p.numel() for p in whole.parameters()) - whole.n_trainable
        say(f"  each group trains {whole.n_trainable:,} parameters; {held:,} are held")
        return {"parameters": {"trained_per_group": whole.n_trainable, "held": held}}


def _describe(group: str, weight: np.ndarray, lab: Lab) -> None:
    inside = lab.train.group == lab.groups.index(group)
    outside = f"{weight[~inside].mean():.2f} out-of-group" if not inside.all() else "nobody out-of-group"
    say(
        f"  {group}: mean weight {weight[inside].mean():.2f} in-group, {outside}; "
        f"effective sample size {effective_sample_size(weight):.0f} of {len(lab.train)}, "
        f"out-of-group share {out_of_group_share(weight, inside):.0%}"
    )
