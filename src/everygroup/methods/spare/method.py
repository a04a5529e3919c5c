"""SPARE: group-specific networks trained on everybody's samples, weighted by boundary distances."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.cohort import Cohort
from everygroup.console import say, warn
from everygroup.methods.base import MethodInfo, refuse_empty_groups
from everygroup.methods.erm import train_pooled
from everygroup.methods.group_model import pooled_groups, train_in_group
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.spare.candidates import candidates_of, is_erm, merges, networks_trained, scale_of, size_factor
from everygroup.methods.spare.distances import Measured, measure, train_predictor
from everygroup.methods.spare.merging import fit_merged
from everygroup.methods.spare.options import ADAPTERS, PAPER_SIZE, SpareOptions, alphas_of
from everygroup.methods.spare.training import Outcome, Trainer, on_erm, weight_table
from everygroup.methods.store import Store
from everygroup.networks import Classifier, FrozenTrunk
from everygroup.networks.shared_trunk import SHARED, specific_steps
from everygroup.settings import TrainSettings
from everygroup.spare import effective_sample_size, out_of_group_share
from everygroup.training import Trained


@register
class Spare(SpareOptions):
    __doc__ = SpareOptions.__doc__

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

    def cost(self, groups: Sequence[str]) -> int:
        """Return the number of networks trained for these groups with these options, none of them small.

        Each has as many updates as ERM. An update of a shared trunk passes every group's layers besides. One of
        adapters passes the whole network forward, but its gradient is that of the parts alone; it counts as a whole
        one, so that adapters save parameters and memory, not networks.
        """
        return networks_trained(self, groups)

    def check_network(self, network: Classifier) -> None:
        """Refuse, besides, a backbone that cannot be shared as `sharing` asks; see `Method.check_network`."""
        super().check_network(network)
        if self.sharing in SHARED:
            specific_steps(network, self.sharing)
        if self.sharing == ADAPTERS and not is_erm(self):
            FrozenTrunk(copy.deepcopy(network), parts=self.adapter, rank=self.rank)

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, groups too small for a network or without an alpha, and vectors where images are needed."""
        super().check_cohorts(train, validation)
        if scale_of(self) == PAPER_SIZE and self.weighting != "group_frequency" and not is_erm(self):
            size_factor(train.sample_shape)
        if merges(self, train.groups):
            refuse_empty_groups(train)
            return  # the clusters are checked once they are known
        pooled_groups(train, validation, self.small_groups)
        for g in train.groups:
            alphas_of(self, g)

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Run Algorithm 1; see `Method.fit`. The result's `weights` holds every distance and weight."""
        if merges(self, train.groups):
            return fit_merged(self, train, validation, settings, store)
        if is_erm(self):
            return self._one_network(train, train_pooled(train, validation, settings, store))
        left_out = pooled_groups(train, validation, self.small_groups)
        targets = [g for g in train.groups if g not in left_out]
        present = {int(g) for g in train.group if g >= 0}
        if len(present) < 2 and any(self.uses_predictor(g) for g in targets):
            warn(f"Only group {', '.join(targets)} has training samples: no group can be told apart, ERM answers.")
            return self._one_network(train, train_pooled(train, validation, settings, store))
        trained, first = self._first_networks(targets, left_out, train, validation, settings, store)
        trainer = Trainer(self, train, validation, settings, store, {**trained, **first})
        networks = dict(first)
        own = {g: g in first and first[g] is not trained.get("pooled") for g in targets}
        measured: dict[str, Measured] = {}
        outcomes: dict[str, Outcome] = {}
        tried: list[dict[str, Any]] = []
        for turn in range(self.turns(targets) if targets else 0):
            note = f"refreshed {turn}" if turn else ""
            measured = {
                g: measure(
                    self,
                    g,
                    networks.get(g),
                    trained.get("group predictor"),
                    train,
                    settings,
                    store,
                    similarity=self.uses_similarity(g),
                    own=own[g],
                )
                for g in targets
            }
            outcomes, records = self._train(trainer, measured, note)
            tried += [{**record, "refreshed": turn} for record in records]
            networks = {g: outcome.trained for g, outcome in outcomes.items()}
        for g, outcome in outcomes.items():
            self._describe(g, outcome, train)
            trained[g] = outcome.trained
        sizes = {}
        if self.sharing == ADAPTERS and outcomes:
            whole = on_erm(self, trained["pooled"], settings)
            held = sum(p.numel() for p in whole.parameters()) - whole.n_trainable
            sizes["parameters"] = {"trained_per_group": whole.n_trainable, "held": held}
            say(f"  each group trains {whole.n_trainable:,} parameters; {held:,} are held")
        tables = [weight_table(g, outcome.weight, measured[g], train) for g, outcome in outcomes.items()]
        return RoutedModel.build(
            self.info.name,
            train,
            trained,
            route={g: "pooled" if g in left_out else g for g in train.groups},
            pooled="pooled" if "pooled" in trained else None,
            group_predictor="group predictor" if "group predictor" in trained else None,
            info={"hyperparameters": self.hyperparameters, "scale": scale_of(self), "candidates": tried, **sizes},
            weights=pd.concat(tables, ignore_index=True) if tables else None,
        )

    def _first_networks(
        self,
        targets: Sequence[str],
        left_out: Sequence[str],
        train: Cohort,
        validation: Cohort,
        settings: TrainSettings,
        store: Store,
    ) -> tuple[dict[str, Trained], dict[str, Trained]]:
        """Train ERM and the group predictor, where needed, and every target group's first diagnosis network."""
        needed = [g for g in targets if self.uses_first_networks(g)]
        small = [g for g in needed if len(train.in_group(g)) < self.min_group]
        if small:
            warn(
                f"Group {', '.join(small)}: fewer than {self.min_group} training samples; "
                "utility distances are measured on ERM instead of the group's own network."
            )
        trained: dict[str, Trained] = {}
        if left_out or small or self.pooled or self.initial == "erm" or self.sharing == ADAPTERS:
            trained["pooled"] = train_pooled(train, validation, settings, store)
        first = {
            g: trained["pooled"]
            if g in small
            else train_in_group(g, train, validation, settings, store, train_size=len(train))
            for g in needed
        }
        if any(self.uses_predictor(g) for g in targets):
            trained["group predictor"] = train_predictor(train, validation, settings, store)
        return trained, first

    def _train(
        self, trainer: Trainer, measured: Mapping[str, Measured], note: str
    ) -> tuple[dict[str, Outcome], list[dict[str, Any]]]:
        """Train all candidates; returns every group's chosen one, and a record of each."""
        candidates = {g: candidates_of(self, g) for g in measured}
        if self.sharing not in SHARED:
            by_group = {g: trainer.independent(g, candidates[g], measured[g], note) for g in measured}
            chosen = {g: max(tried, key=lambda o: o.f1) for g, tried in by_group.items()}
        else:
            joint = trainer.shared(candidates, measured, note)
            by_group = {g: [outcomes[g] for outcomes in joint] for g in measured}
            chosen = max(joint, key=lambda outcomes: sum(o.f1 for o in outcomes.values()))
        records = [
            {
                "group": g,
                "alpha": o.candidate.alpha,
                "temperature": o.candidate.temperature,
                "quantile": o.candidate.quantile if self.weighting == "selection" else None,
                "validation_macro_f1": o.f1,
                "chosen": o is chosen[g],
            }
            for g, tried in by_group.items()
            for o in tried
        ]
        return chosen, records

    def _describe(self, group: str, outcome: Outcome, train: Cohort) -> None:
        inside, weight = (train.group == train.groups.index(group)), outcome.weight
        outside = f"{weight[~inside].mean():.2f} out-of-group" if not inside.all() else "nobody out-of-group"
        say(
            f"  {group}: mean weight {weight[inside].mean():.2f} in-group, {outside}; "
            f"effective sample size {effective_sample_size(weight):.0f} of {len(train)}, "
            f"out-of-group share {out_of_group_share(weight, inside):.0%}"
        )
