"""SPARE's last phase: weights of a candidate, the network trained with them, and the choice on validation."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.cohort import Cohort
from everygroup.methods.spare.candidates import Candidate, scale_of, size_factor
from everygroup.methods.spare.distances import Measured
from everygroup.methods.spare.options import ADAPTERS, PAPER_SIZE, SpareOptions
from everygroup.methods.store import Store
from everygroup.networks import Classifier, FrozenTrunk, SharedTrunk
from everygroup.settings import TrainSettings
from everygroup.spare import combined_distance, shuffled_within_groups, strategy_weights
from everygroup.training import (
    Batch,
    Objective,
    Task,
    Trained,
    ValidationPredictions,
    batch_normalised_cross_entropy,
    predict_logits,
    weighted_cross_entropy,
)
from everygroup.training.checkpoint import StateDict, copy_state


@dataclass(frozen=True)
class SharedCrossEntropy:
    """sum_t (1/B) sum_i w_i^t CE(f_t(x_i), y_i): a shared trunk, every sample through every group's layers.

    Parameters
    ----------
    normalised : bool
        Divide each group's sum by the batch's weights instead of by B.
    """

    normalised: bool = False

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch with weights (B, G)."""
        assert isinstance(network, SharedTrunk)
        z = network.heads(x)
        y = batch.y[:, None].expand(z.shape[:2])
        losses = F.cross_entropy(z.transpose(1, 2), y, reduction="none", label_smoothing=settings.label_smoothing)
        total = (losses * batch.weight).sum(0)
        size = batch.weight.sum(0).clamp_min(1e-12) if self.normalised else len(x)
        return (total / size).sum()


@dataclass(frozen=True)
class AdapterCrossEntropy:
    """(1/B) sum_i w_i CE(f(x_i), y_i) of a frozen trunk, whose batch norms take the weights too.

    Parameters
    ----------
    normalised : bool
        Divide by the batch's weights instead of by B.
    """

    normalised: bool = False

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch."""
        assert isinstance(network, FrozenTrunk)
        network.weigh(batch.weight)
        loss = batch_normalised_cross_entropy if self.normalised else weighted_cross_entropy
        return loss(network, x, batch, settings)


@dataclass(frozen=True)
class Outcome:
    """One candidate's weights (n,) for a group, the network trained with them and its validation macro F1."""

    candidate: Candidate
    weight: np.ndarray
    trained: Trained
    f1: float


def weigh(
    spare: SpareOptions, measured: Measured, candidate: Candidate, target: str, train: Cohort, seed: int
) -> np.ndarray:
    """Return a candidate's sample weights for one target group, (n,)."""
    index = train.groups.index(target)
    if spare.weighting == "group_frequency":
        distance = np.zeros(len(train))
    else:
        similarity = measured.similarity if candidate.alpha < 1 else None
        scale = scale_of(spare)
        raw = "none" if scale == PAPER_SIZE else scale
        distance = combined_distance(measured.utility, similarity, alpha=candidate.alpha, scale=raw)
        if scale == PAPER_SIZE:
            distance = distance * size_factor(train.sample_shape)
    weight = strategy_weights(
        spare.weighting,
        distance,
        train.group,
        index,
        temperature=candidate.temperature,
        quantile=candidate.quantile,
        keep_in_group=spare.keep_in_group,
    )
    weight[measured.dropped] = 0.0
    return shuffled_within_groups(weight, train.group, seed=[seed, index + 1]) if spare.shuffle else weight


def weight_table(target: str, weight: np.ndarray, measured: Measured, train: Cohort) -> pd.DataFrame:
    """Return one row a training sample: who it is, its distances to the target group and its weight."""
    missing = np.full(len(train), np.nan)
    return pd.DataFrame(
        {
            "id": train.ids,
            "unit": train.units,
            "label": np.array(train.classes, dtype=object)[train.y],
            "source_group": np.array([*train.groups, ""], dtype=object)[train.group],
            "target_group": target,
            "utility": missing if measured.utility is None else measured.utility,
            "similarity": missing if measured.similarity is None else measured.similarity,
            "weight": weight,
        }
    )


class Trainer:
    """Trains weighted networks on everybody, and chooses among candidates by the target group's validation samples.

    Parameters
    ----------
    start : mapping of str to Trained
        Networks a warm start takes its weights from: every target group's first network, and 'pooled'.
    """

    def __init__(
        self,
        spare: SpareOptions,
        train: Cohort,
        validation: Cohort,
        settings: TrainSettings,
        store: Store,
        start: Mapping[str, Trained],
    ) -> None:
        self.spare, self.train, self.validation = spare, train, validation
        self.settings, self.store, self.start = settings, store, start

    def independent(self, target: str, candidates: Sequence[Candidate], measured: Measured, note: str) -> list[Outcome]:
        """Train a group's network f_t* with the weights of each candidate."""
        outcomes = []
        for candidate in candidates:
            weight = weigh(self.spare, measured, candidate, target, self.train, self.settings.seed)
            scaled = self._scaled(weight)
            task = Task.diagnosis(
                _name(f"spare[{target}]", self.spare, candidates, candidate, note),
                self.train,
                self.validation.in_group(target),
                weights=scaled if self.spare.use == "loss" else None,
                probabilities=scaled if self.spare.use == "sampler" else None,
            )
            normalised = self.spare.loss_norm == "sum_w_batch"
            if self.spare.sharing == ADAPTERS:
                trained = self._network(
                    task,
                    objective=AdapterCrossEntropy(normalised),
                    initial=copy_state(on_erm(self.spare, self.start["pooled"], self.settings)),
                    adapter=adapter_of(self.spare),
                ).answering()
            else:
                trained = self._network(
                    task,
                    objective=batch_normalised_cross_entropy if normalised else weighted_cross_entropy,
                    initial=self._warm_start(target),
                )
            f1 = float(trained.log[trained.selected_epoch - 1]["validation_macro_f1"])
            outcomes.append(Outcome(candidate, weight, trained, f1))
        return outcomes

    def shared(
        self, candidates: Mapping[str, Sequence[Candidate]], measured: Mapping[str, Measured], note: str
    ) -> list[dict[str, Outcome]]:
        """Train one network with a shared trunk for each candidate, which all groups then have in common.

        Groups that are not among the candidates' have weight 0 everywhere and layers that learn nothing; the trunk's
        gradient is the mean over the others.
        """
        groups, targets = self.train.groups, list(candidates)
        adapter = {"name": SharedTrunk.name, "n_groups": len(groups), "sharing": self.spare.sharing}
        if len(targets) < len(groups):
            adapter["trained"] = len(targets)
        answered = self.validation.where(np.isin(self.validation.group, [groups.index(g) for g in targets]))
        rounds = []
        for joint in zip(*candidates.values(), strict=True):
            weights = {
                g: weigh(self.spare, measured[g], c, g, self.train, self.settings.seed)
                for g, c in zip(targets, joint, strict=True)
            }
            columns = [self._scaled(weights[g]) if g in weights else np.zeros(len(self.train)) for g in groups]
            name = _name(f"spare {self.spare.sharing}", self.spare, candidates[targets[0]], joint[0], note)
            trained = self._network(
                Task.diagnosis(name, self.train, answered, weights=np.stack(columns, 1)),
                objective=SharedCrossEntropy(self.spare.loss_norm == "sum_w_batch"),
                initial=self._warm_start(None),
                adapter=adapter,
            )
            own = {g: trained.answering(groups.index(g)) for g in targets}
            rounds.append(
                {
                    g: Outcome(c, weights[g], own[g], validation_f1(own[g], answered.in_group(g)))
                    for g, c in zip(targets, joint, strict=True)
                }
            )
        return rounds

    def _network(
        self, task: Task, *, objective: Objective, initial: StateDict | None, adapter: dict[str, Any] | None = None
    ) -> Trained:
        return self.store.network(
            task, self.settings, n_budget=len(self.train), objective=objective, initial=initial, adapter=adapter
        )

    def _scaled(self, weight: np.ndarray) -> np.ndarray:
        return weight if self.spare.loss_norm == "none" else weight / weight.mean()

    def _warm_start(self, target: str | None) -> StateDict | None:
        if self.spare.initial == "seed":
            return None
        if self.spare.initial == "group_model" and target is not None:
            return copy_state(self.start[target].network)
        network = self.start["pooled"].network
        if target is not None:
            return copy_state(network)
        assert isinstance(network, Classifier)
        whole = SharedTrunk(copy.deepcopy(network), n_groups=len(self.train.groups), sharing=self.spare.sharing)
        return copy_state(whole)


def adapter_of(spare: SpareOptions) -> dict[str, Any]:
    """Return the record of what sharing='adapters' makes of the backbone."""
    return {"name": FrozenTrunk.name, "parts": spare.adapter, "rank": spare.rank}


def on_erm(spare: SpareOptions, erm: Trained, settings: TrainSettings) -> FrozenTrunk:
    """Return ERM's network as a frozen trunk, with the parts of one group as they start."""
    assert isinstance(erm.network, Classifier)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)  # additions start at random
        return FrozenTrunk(copy.deepcopy(erm.network), parts=spare.adapter, rank=spare.rank)


def validation_f1(trained: Trained, validation: Cohort) -> float:
    """Return the macro F1 of a plain network on one group's validation samples."""
    score = predict_logits(trained.network, validation).softmax(1).numpy()
    return ValidationPredictions(validation.y, score, validation.group, float("nan")).macro_f1()


def _name(base: str, spare: SpareOptions, candidates: Sequence[Candidate], candidate: Candidate, note: str) -> str:
    chosen = candidate.describe(spare.weighting) if len(candidates) > 1 else ""
    return " ".join(part for part in (base, spare.label, chosen, note) if part)
