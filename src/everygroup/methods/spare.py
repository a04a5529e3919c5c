"""SPARE: group-specific networks trained on everybody's samples, weighted by boundary distances."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.cohort import Cohort
from everygroup.console import say, warn
from everygroup.methods._spare_distances import Measured, measure, train_predictor
from everygroup.methods._spare_merging import fit_merged
from everygroup.methods._spare_options import (
    ADAPTERS,
    PAPER_SIZE,
    alphas_of,
    candidates_of,
    check_options,
    is_erm,
    merges,
    networks_trained,
    scale_of,
    size_factor,
)
from everygroup.methods._spare_training import Outcome, Trainer, on_erm, weight_table
from everygroup.methods.base import Method, MethodInfo, refuse_empty_groups
from everygroup.methods.erm import train_pooled
from everygroup.methods.group_model import pooled_groups, train_in_group
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks import Classifier, FrozenTrunk
from everygroup.networks.shared_trunk import SHARED, specific_steps
from everygroup.settings import TrainSettings
from everygroup.spare import effective_sample_size, out_of_group_share
from everygroup.spare.weighting import QUANTILES
from everygroup.training import Trained


@register
class Spare(Method):
    """Algorithm 1 of the paper, for any number of groups.

    1. A diagnosis network f_t per group, on the group's own samples. 2. A group predictor f_g on everybody.
    3. Utility distance of every training sample to f_t's boundary and similarity distance to f_g's region of t.
    4. Weights exp(-(alpha d_U + (1 - alpha) d_S)). 5. A network f_t* per group, on everybody with fixed weights.

    Where alpha, the temperature or selection's quantile is chosen on validation, every candidate is trained with the
    full number of updates, and the one with the largest macro F1 on the target group's validation samples is taken
    (the first among equals; with a shared trunk one for all groups, by the mean of their macro F1). `cost` counts them.

    Parameters
    ----------
    alpha : float, mapping of group to float, or 'validation'
        0 = similarity only, 1 = utility only (no group predictor is trained); the paper uses 0.5. 'validation': chosen
        for each group among `alphas`.
    scale, temperature : str, float or list of float
        See `everygroup.spare.spare_weights`; 'none' and 1 are the paper's. 'none' becomes 'median' where a boundary
        distance is combined with one of another unit. 'paper_size' multiplies boundary distances by 128 / sqrt(H W),
        since L2 grows with an image's size and the paper's have 128 x 128 pixels. Of several temperatures one is
        chosen on validation.
    search_preset : {'fast', 'accurate'}
        Work of the boundary search; see `everygroup.boundary.minimal_perturbation`.
    search : {'deepfool', 'penalty'}
        'penalty' is the paper's formulation (beta = 100).
    cross_fit : int
        0 = the paper: in-group distances come from networks that were trained on these very samples. k >= 2 measures
        every training sample on networks of a k-fold cross-fit that have not seen its patient (not 'fcd' and 'mmd'). A
        fold without which one class is left is measured on the network that has seen it, with a warning.
    misclassified : {'as_is', 'zero_distance', 'drop'}
        What f_t's errors on training samples mean: nothing (paper), utility distance 0, or weight 0.
    min_group : int
        A group with fewer training samples has no reliable f_t; its utility distances come from ERM (with `cross_fit`
        from k more networks of everybody, which `cost` does not count).
    use : {'loss', 'sampler'}
        Weights multiply the loss (paper), or are probabilities of being drawn.
    loss_norm : {'mean_1', 'sum_w_batch', 'none'}
        Weights are rescaled once to mean 1, so that learning rates mean the same as in ERM; or divided by each
        batch's sum; or taken as they are (the paper's text mentions no rescaling).
    initial : {'seed', 'group_model', 'erm'}
        Initial weights of f_t*: the seed's, as for every method; or a warm start from f_t or ERM.
    small_groups : {'error', 'erm'}
        As in `GroupModel`. Where only one group has training samples, no group predictor can be trained: with 'erm',
        ERM then answers for everybody.
    pooled : bool
        Also train ERM, to answer where no group is known and no group predictor is wanted.
    alphas : sequence of float
        Candidates of alpha='validation'.
    weighting : {'spare', 'group_weight', 'group_frequency', 'selection', 'ranking'}
        Map from distances to weights (Table 4), see `everygroup.spare.strategy_weights`. 'selection' chooses its
        threshold among `quantiles`; 'group_frequency' needs no distance.
    quantiles : sequence of float
    keep_in_group : bool
        Selection keeps all samples of the target group.
    shuffle : bool
        Control: weights are permuted within each source group, by the seed.
    utility : {'boundary', 'logit_gap', 'none'}
        Distance for d_U: to f_t's boundary, or between f_t's two largest probabilities (Table 5).
    similarity : {'boundary', 'fcd', 'mmd', 'none'}
        Distance for d_S: to f_g's region of t; or of features, see `everygroup.spare.centroid_distance` and
        `mean_discrepancy`. 'none' means alpha = 1, and utility 'none' alpha = 0.
    features : {'group_predictor', 'group_model'}
        Whose penultimate features 'fcd' and 'mmd' use: f_g's or f_t's.
    feature_level : {'sample', 'group'}
    suspects : {'as_is', 'not_rewarded'}
        Guard against label noise. A label is suspect if ERM confidently puts the sample into another class: one whose
        probability reaches its mean over the samples labelled so (confident learning), by the network of a 5-fold
        cross-fit that has not seen its patient. 'not_rewarded' raises the utility distance of a suspect to the median
        of the others, where it is below. Where groups' labels conflict, right labels of the smaller group are suspect.
    sharing : {'none', 'half', 'mini', 'adapters', 'full'}
        What the groups' networks have in common (Table 6), see `everygroup.networks.SharedTrunk`; 'full' is ERM,
        without weights. 'adapters' (not in the paper): ERM's network is held, and each group trains small parts of its
        own with its weights, see `everygroup.networks.FrozenTrunk`.
    adapter : {'lora', 'batchnorm', 'head'}
        Those parts: low-rank additions to all convolutions and linear layers, batch norms, or the last layer.
    rank : int
        Rank of 'lora'; 0 adds nothing, which is ERM.
    merge_to : int or None
        With more groups than this, those that look alike are put together first (the paper's outlook), by average
        linkage on the mean similarity distances between groups, symmetrised; Algorithm 1 then has this many groups.
    refresh : int
        Times that distances are measured again, on f_t* instead of f_t, and f_t* trained again.
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
    label = ""  # said beside the networks' names in logs, where one run trains several variants

    def __init__(
        self,
        *,
        alpha: float | Mapping[str, float] | str = 0.5,
        scale: str = "none",
        temperature: float | Sequence[float] = 1.0,
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
        alphas: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
        weighting: str = "spare",
        quantiles: Sequence[float] = QUANTILES,
        keep_in_group: bool = True,
        shuffle: bool = False,
        utility: str = "boundary",
        similarity: str = "boundary",
        features: str = "group_predictor",
        feature_level: str = "sample",
        suspects: str = "as_is",
        sharing: str = "none",
        adapter: str = "lora",
        rank: int = 4,
        merge_to: int | None = None,
        refresh: int = 0,
    ) -> None:
        if isinstance(alpha, Mapping):
            alpha = {str(group): value for group, value in alpha.items()}  # a file's keys may be numbers
        self.alpha, self.alphas, self.scale, self.temperature = alpha, alphas, scale, temperature
        self.search_preset, self.search, self.cross_fit = search_preset, search, cross_fit
        self.misclassified, self.suspects, self.min_group = misclassified, suspects, min_group
        self.use, self.loss_norm, self.initial = use, loss_norm, initial
        self.small_groups, self.pooled = small_groups, pooled
        self.weighting, self.quantiles, self.keep_in_group, self.shuffle = weighting, quantiles, keep_in_group, shuffle
        self.utility, self.similarity, self.features, self.feature_level = utility, similarity, features, feature_level
        self.sharing, self.adapter, self.rank = sharing, adapter, rank
        self.merge_to, self.refresh = merge_to, refresh
        check_options(self)

    def uses_utility(self, group: str) -> bool:
        """Whether utility distances are measured for a group."""
        return self.weighting != "group_frequency" and max(alphas_of(self, group)) > 0

    def uses_first_networks(self, group: str) -> bool:
        """Whether a group's network f_t is needed."""
        read = self.uses_similarity(group) and self.similarity in ("fcd", "mmd") and self.features == "group_model"
        return self.uses_utility(group) or read or self.initial == "group_model" or self.misclassified == "drop"

    def turns(self, groups: Sequence[str]) -> int:
        """How often distances are measured and these groups' last networks trained."""
        return 1 + (self.refresh if any(self.uses_first_networks(g) for g in groups) else 0)

    def uses_similarity(self, group: str) -> bool:
        """Whether similarity distances to a group are measured."""
        return self.weighting != "group_frequency" and min(alphas_of(self, group)) < 1

    def uses_predictor(self, group: str) -> bool:
        """Whether the group predictor is needed for a group."""
        of_predictor = self.similarity == "boundary" or self.features == "group_predictor"
        return self.uses_similarity(group) and of_predictor

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
