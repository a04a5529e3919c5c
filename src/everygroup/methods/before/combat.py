"""ComBat: features without the shift and the scale of their site, shrunk by empirical Bayes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from everygroup.cohort import GroupRule
from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method
from everygroup.models.transforms.combat import Combat as Correction
from everygroup.models.transforms.combat import covariates

_ROUNDS, _CLOSE = 500, 1e-4


@method(
    "ComBat harmonisation",
    "Johnson, Li and Rabinovic. Adjusting batch effects in microarray expression data using empirical Bayes methods."
    " Biostatistics 8 (2007) 118-127; Fortin et al. Harmonization of cortical thickness measurements across scanners"
    " and sites. NeuroImage 167 (2018) 104-120",
    targets=("classes", "labels", "number"),
    needs="vectors",
    branch="harmonisation",
)
class ComBat(Before):
    r"""Features y of batch b (a site, a scanner; the group by default) as

    .. math:: s (z - \gamma_b) / \sqrt{\delta_b} + \alpha + x \beta, \quad z = (y - \alpha - x \beta) / s

    alpha, beta and s by least squares on all training samples, gamma and delta of every batch shrunk to the mean over
    features (`shrink`). `keep` names numeric columns x whose effect stays. The numbers are those of training; a batch
    that was not seen is refused, or left as it is. One batch alone is left as it is, too (the formula would contract
    it).

    Never put the diagnosis among the batches; nor among what is kept, since a new patient's is not known. A batch of
    one sample has a shift and no scale.
    """

    batch: str | None = Field(None, description="column of the batches; null: the groups")
    keep: Sequence[str] = Field((), description="numeric columns whose effect is preserved")
    shrink: bool = Field(True, description="empirical Bayes across features")
    mean_only: bool = Field(False, description="correct shifts, and leave scales")
    reference: str | None = Field(None, description="a batch that stays as it is, and that the others are brought to")
    otherwise: Literal["refuse", "reference"] = Field(
        "reference", description="unknown batches: refused, or left alone"
    )

    def prepare(self, lab: Lab) -> Lab:
        """Estimate on training samples, and see features so."""
        rule = lab.train.rule if self.batch is None else GroupRule.make(self.batch)
        names, place = rule.assign(lab.train.table, lab.groups if self.batch is None else None)
        if self.reference is not None and self.reference not in names:
            raise SettingsError(f"combat: no batch {self.reference!r}.", fix=f"choose one of {', '.join(names)}")
        if missing := [c for c in self.keep if c not in lab.train.table]:
            raise SettingsError(f"combat: no column {missing[0]!r}.", fix="correct keep")
        if len(names) < 2:
            return lab
        y = lab.train.batch(slice(None)).astype(np.float64)
        raw = covariates(lab.train.table, self.keep, np.zeros(len(self.keep)))
        means = raw[place >= 0].mean(0) if len(self.keep) else np.zeros(0)
        x = covariates(lab.train.table, self.keep, means)
        known = place >= 0
        at = None if self.reference is None else names.index(self.reference)
        numbers = estimated(
            y[known], place[known], x[known], len(names), shrink=self.shrink, mean_only=self.mean_only, reference=at
        )
        return lab.seen_through(Correction(rule, names, self.keep, {**numbers, "means": means}, self.otherwise))


def estimated(
    y: np.ndarray,
    place: np.ndarray,
    x: np.ndarray,
    n_batches: int,
    *,
    shrink: bool = True,
    mean_only: bool = False,
    reference: int | None = None,
) -> dict[str, np.ndarray]:
    """Return alpha, scale (p,), beta (c, p), gamma, delta (B, p) of features (n, p)."""
    n, p = y.shape
    size = np.bincount(place, minlength=n_batches)
    one_hot = np.eye(n_batches)[place]
    coefficients, *_ = np.linalg.lstsq(np.concatenate([one_hot, x], 1), y, rcond=None)
    own, beta = coefficients[:n_batches], coefficients[n_batches:]
    rest = y - one_hot @ own - x @ beta
    alpha = own[reference] if reference is not None else size / n @ own
    of_scale = rest if reference is None else rest[place == reference]
    scale = np.sqrt(np.maximum((of_scale**2).mean(0), 1e-12))
    z = (y - alpha - x @ beta) / scale
    gamma, delta = np.zeros((n_batches, p)), np.ones((n_batches, p))
    for b in range(n_batches):
        inside = z[place == b]
        if not len(inside) or b == reference:
            continue
        gamma[b] = inside.mean(0)
        if len(inside) > 1 and not mean_only:
            delta[b] = np.maximum(inside.var(0, ddof=1), 1e-12)
        if shrink and p > 1:
            gamma[b], delta[b] = shrunk(inside, gamma[b], delta[b], mean_only=mean_only or len(inside) < 2)
    return {"alpha": alpha, "scale": scale, "beta": beta, "gamma": gamma, "delta": delta}


def shrunk(z: np.ndarray, gamma: np.ndarray, delta: np.ndarray, *, mean_only: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior shift and scale (p,) of a batch (n, p), priors from the spread over features."""
    n, centre, spread = len(z), gamma.mean(), max(float(gamma.var(ddof=1)), 1e-12)
    if mean_only:
        return (spread * n * gamma + delta * centre) / (spread * n + delta), delta
    m, v = delta.mean(), max(float(delta.var(ddof=1)), 1e-12)
    a, b = (2 * v + m**2) / v, (m * v + m**3) / v
    g, d = gamma, delta
    for _ in range(_ROUNDS):
        new_g = (spread * n * gamma + d * centre) / (spread * n + d)
        new_d = (0.5 * ((z - new_g) ** 2).sum(0) + b) / (n / 2 + a - 1)
        moved = max(np.abs((new_g - g) / np.where(g == 0, 1, g)).max(), np.abs((new_d - d) / d).max())
        g, d = new_g, new_d
        if moved < _CLOSE:
            break
    return g, d
