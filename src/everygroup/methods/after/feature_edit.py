"""Feature edit: the group is erased from the features of a trained network, linearly and in closed form."""

from __future__ import annotations

import copy
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.console import warn
from everygroup.methods.after._rounds import only_network, with_network
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.networks.edited import EditedFeatures
from everygroup.targets.labels import mean_auc

_SHARED = 1e-3  # sine of the angle below which a direction of the group is one of the label
_NOTED = 0.02  # loss of label AUC that is worth a warning


def erasing_map(x: np.ndarray, z: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    r"""Return M (q, q) such that x - M (x - mean x) has no covariance with z, and is as near to x as can be.

    With W = \Sigma_{xx}^{-1/2} and U an orthonormal basis of the columns of W \Sigma_{xz}, M = W^+ U U^T W (LEACE).
    With y its covariance with x is left as it is: with V a basis of the columns of W \Sigma_{xy} and Q = I - V V^T,
    M = W^+ U (Q U)^+ Q W (SPLICE). Directions that z and y share cannot be parted, and stay.

    Parameters
    ----------
    x : (n, q)
    z, y : (n, G), (n, K)
        One-hot.
    """
    x, z = x - x.mean(0), z - z.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = values > values.max() * 1e-9
    root = np.sqrt(values[kept])
    whiten = (vectors[:, kept] / root) @ vectors[:, kept].T
    back = (vectors[:, kept] * root) @ vectors[:, kept].T
    u = _basis(whiten @ x.T @ z / len(x))
    if y is None:
        taken = u @ u.T
    else:
        v = _basis(whiten @ x.T @ (y - y.mean(0)) / len(x))
        other = np.eye(len(u)) - v @ v.T
        left, sine, right = np.linalg.svd(other @ u, full_matrices=False)
        apart = sine > _SHARED
        taken = u @ (right[apart].T / sine[apart]) @ left[:, apart].T @ other
    found: np.ndarray = back @ taken @ whiten
    return found


def _basis(columns: np.ndarray) -> np.ndarray:
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    return u[:, s > 1e-9]


@method(
    "Feature edit (LEACE, SPLICE)",
    "Belrose et al. LEACE: Perfect linear concept erasure in closed form. NeurIPS 2023; Holstege et al. Preserving "
    "task-relevant information under linear concept removal. 2025",
    groups=(2, None),
    branch="feature editing",
)
class FeatureEdit(After):
    """h -> h - M (h - mean), so that no linear classifier can tell the group from a network's penultimate features, and
    the network's last layer on what is left. The group is needed for the fit, not at prediction.

    - leace: the smallest change that leaves no covariance of features and group. Where group and diagnosis go together
      it takes with the group what tells the diagnosis.
    - splice: leaves the covariance of features and diagnosis as it is, at the price of a larger change. Both take the
      same directions away, so that a new last layer would find as much in either; the old one, which stays, finds more.

    M is made of training features, where covariance is then 0 exactly; on others it is nearly so. What is not linear
    stays: a deep probe may still tell the group. The last layer is as it was trained. That a model is blind to the
    group does not make its errors equal. `info["feature_edit"]` has, on validation samples, before and after: the AUC
    of linear probes for the group and for the diagnosis (one-vs-rest, mean over those defined), and the AUC of the
    model's answers; losing more than .02 of the latter is warned of.
    """

    one_network: ClassVar[bool] = True

    keep: Literal["nothing", "label"] = Field("nothing", description="leace: 'nothing'; splice: 'label'")
    strength: float = Field(1.0, ge=0, le=1, description="share of M that is taken away; 0 edits nothing")

    def check_network(self, network: nn.Module) -> None:
        """Refuse, besides, a backbone whose last layer is not linear."""
        super().check_network(network)
        network.head  # type: ignore[union-attr] # noqa: B018 - asked for to be refused

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Make and apply M."""
        network = only_network(model, self.info.name)
        if not self.strength:
            return model
        known = lab.known
        x = lab.features(network).astype(np.float64)[known]
        z, y = np.eye(len(lab.groups))[lab.train.group[known]], np.eye(lab.target.n_outputs)[lab.train.y[known]]
        edited = EditedFeatures(copy.deepcopy(network))
        with torch.no_grad():
            taken = self.strength * erasing_map(x, z, y if self.keep == "label" else None)
            edited.taken.copy_(torch.from_numpy(taken))
            edited.mean.copy_(torch.from_numpy(x.mean(0)))
        refined = with_network(model, edited.eval())
        before, after = self._facts(network, model, lab), self._facts(edited, refined, lab)
        facts = {name: [before[name], after[name]] for name in before}
        lost = facts["answer_auc"][0] - facts["answer_auc"][1]
        if lost > _NOTED:
            warn(f"Erasing the group cost {lost:.3f} of the AUC of the answers on validation samples.")
        (group, still), (label, left) = facts["group_auc"], facts["answer_auc"]
        said = (
            f"validation AUC of a probe for the group {group:.3f} to {still:.3f}, of answers {label:.3f} to {left:.3f}"
        )
        found = with_network(refined, edited, feature_edit={"keep": self.keep, **facts})
        return found.having_chosen(self.info.name, said)

    def _facts(self, network: nn.Module, model: RoutedModel, lab: Lab) -> dict[str, float]:
        """Return the AUCs on validation samples."""
        x, seen = (lab.features(network, part) for part in (lab.train, lab.validation))
        grouped = lab.validation.group >= 0
        return {
            "group_auc": _probe(x[lab.known], lab.train.group[lab.known], seen[grouped], lab.validation.group[grouped]),
            "label_auc": _probe(x, lab.train.y, seen, lab.validation.y),
            "answer_auc": mean_auc(lab.validation.y, lab.answers(model, lab.validation)),
        }


def _probe(x: np.ndarray, y: np.ndarray, others: np.ndarray, truth: np.ndarray) -> float:
    """Fit a linear probe on features (n, q) and return its AUC on others (m, q)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    probe = LogisticRegression(max_iter=500).fit(scaler.transform(x), y)
    score = np.zeros((len(truth), int(max(y.max(), truth.max(initial=0))) + 1))
    score[:, probe.classes_] = probe.predict_proba(scaler.transform(others))
    return mean_auc(truth, score)
