"""Density ratio: a network per group on everybody, each sample weighted by how much likelier it is in that group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from everygroup.console import warn
from everygroup.methods.cross_fitting import cross_fitted
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.methods.weighted import of_groups
from everygroup.models import RoutedModel
from everygroup.networks import predict_outputs
from everygroup.training import Task, Trained


@method(
    "Density-ratio weights",
    "Bickel, Bruckner and Scheffer. Discriminative learning under covariate shift. JMLR 10 (2009) 2137-2155",
    groups=(2, None),
    cost=lambda groups: groups + 7,
    needs_group_at_test=True,
    targets=("classes", "labels", "number", "mask"),
    branch="weights by group",
)
class DensityRatio(ByGroup):
    """Weight 1 for the target group's samples, p(t|x) / (1 - p(t|x)) for all others, at most `clip`.

    p is the group predictor's, cross-fitted by patient: a sample's comes from a network that has not seen its patient.
    The odds are n_t / n_rest times the ratio of the densities, so that the others weigh about as much as the group: the
    natural form of SPARE's similarity, which counts in units of evidence instead of a distance. The clip keeps an
    outsider from counting more than an insider.
    """

    clip: float = Field(1.0, gt=0, description="largest weight of a sample outside the group")
    folds: int = Field(5, ge=2, description="folds of the cross-fit")

    def cost(self, groups: Sequence[str]) -> float:
        """Return a network for each group, the predictor and its folds, and ERM."""
        return len(groups) + self.folds + 2

    def model(self, lab: Lab) -> RoutedModel:
        """Predict the group, weigh, train."""
        if (lab.group_sizes > 0).sum() < 2:
            warn("Only one group has training samples: nobody is weighted, ERM answers.")
            return lab.one_model(self.info.name, lab.erm())
        predictor = lab.group_predictor()
        odds = self._odds(lab, predictor)

        def weights(group: int) -> dict[str, np.ndarray]:
            inside = lab.train.group == group
            return {"": np.where(inside, 1.0, np.minimum(odds[:, group], self.clip))}

        return of_groups(lab, self.info.name, weights, {"group predictor": predictor})

    def _odds(self, lab: Lab, predictor: Trained) -> np.ndarray:
        """Return p / (1 - p) of every sample and group, (n, G); samples without a group are told by the predictor."""
        logits = predict_outputs(predictor.network, lab.train).double().numpy()
        task = Task.group("group_predictor", lab.train, lab.train)
        logits[lab.known] = cross_fitted(
            task, self.folds, lab, lambda net, part: predict_outputs(net, part).double().numpy(), otherwise=predictor
        )
        odds = np.empty_like(logits)
        for g in range(logits.shape[1]):
            rest = np.delete(logits, g, 1)
            top = rest.max(1)
            odds[:, g] = np.exp(np.clip(logits[:, g] - top - np.log(np.exp(rest - top[:, None]).sum(1)), -50, 50))
        return odds
