"""Thresholds: one for each group, so that an error rate is equal, or equalized odds hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from everygroup.console import warn
from everygroup.errors import SettingsError
from everygroup.methods.after._roc import ALWAYS, NEVER, Roc, equal_odds, nearest_lot, rates
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.steps.cut import Cut
from everygroup.models.steps.random_cut import RandomCut

Equal = Literal["tpr", "fpr", "ppv", "benefit", "odds", "vertex"]
_TARGETS = {"tpr": 0.8, "fpr": 0.2, "ppv": 0.8}


@method(
    "Thresholds by group",
    "Hardt, Price and Srebro. Equality of opportunity in supervised learning. NeurIPS 2016",
    needs_group_at_test=True,
    two_classes=True,
    branch="decision rule",
)
class Thresholds(After):
    r"""Of two classes the second where its score reaches the group's threshold t_g, chosen on validation samples.

    - tpr, fpr, ppv: t_g is the largest threshold whose TPR is at least `target`; the smallest whose FPR is at most, or
      whose PPV is at least that. A PPV that no threshold reaches is warned of, and the nearest taken.
    - benefit: the largest sum over groups of balanced accuracies such that TPRs differ by no more than `max_gap`,
      found exactly over all thresholds.
    - odds: equal TPR and equal FPR at the largest balanced accuracy, Hardt's linear programme. t_g is drawn by lot
      between corners of the hull of the group's ROC curve ('never' and 'always' are corners), so that the rates are
      equal in expectation. Lots are drawn by the sample's id: the same patient always gets the same answer, but two
      alike can get different ones, which few clinics would want.
    - vertex: the same without lots: the corner of each group's hull that is nearest to the common (FPR, TPR). The
      rates are then nearly equal.

    A group with fewer than `min_cases` positives (of fpr, negatives; of benefit and odds, of either) gets the threshold
    of everybody, and so do patients without a group; of odds, the lot of everybody's curve nearest to the common rates.

    Equal rates on validation are equal on new patients within the noise of both samples. Where base rates differ, equal
    odds and equal PPV exclude each other, and equality is often bought by making the best-served group worse: see
    `info["thresholds"]`, which has the rates of every group, and audit accuracy beside the gap. Scores are unchanged.
    """

    equal: Equal = Field("tpr", description="what is to be equal")
    target: float | None = Field(
        None, gt=0, le=1, description="rate to be reached by every group; by default TPR and PPV .8, FPR .2"
    )
    max_gap: float = Field(0.05, ge=0, le=1, description="largest difference of TPRs under 'benefit'")
    min_cases: int = Field(10, ge=1, description="samples that a threshold of a group's own needs")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, a cohort without samples to choose on."""
        super().check(lab)
        if self.target is not None and self.equal not in _TARGETS:
            raise SettingsError(f"equal={self.equal} has no target.", fix="leave out target, or choose equal=tpr")
        for k, name in enumerate(lab.target.outputs):
            if not (lab.validation.y == k).any():
                raise SettingsError(
                    f"No validation sample is {name!r}: no threshold can be chosen.", fix="use a larger cohort"
                )

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Choose the thresholds."""
        scores, positive = lab.answers(model, lab.validation)[:, 1], lab.validation.y == 1
        everybody = Roc.of(scores, positive)
        own = [Roc.of(scores[m], positive[m]) for m in (lab.validation.group == i for i in range(len(lab.groups)))]
        able = [g for g, curve in enumerate(own) if self._enough(curve)]
        for g in set(range(len(own))) - set(able):
            warn(
                f"{lab.groups[g]}: {own[g].positives} positive and {own[g].negatives} negative validation samples; "
                "the threshold of everybody is used."
            )
        found, rest = self._chosen([own[g] for g in able], everybody)
        lots = [rest] * len(own)
        for g, lot in zip(able, found, strict=True):
            lots[g] = lot
        facts = {
            name: {"thresholds": lot, "positives": c.positives, "negatives": c.negatives, **rates(c, lot)}
            for name, lot, c in zip(lab.groups, lots, own, strict=True)
        }
        step: Cut | RandomCut
        if self.equal == "odds":
            step = RandomCut(lots, rest, lab.settings.seed)
        else:
            step = Cut([lot[0][0] for lot in lots], rest[0][0])
        said = "; ".join(f"{name} {_said(lot)}" for name, lot in zip(lab.groups, lots, strict=True))
        return model.answering_by(step, thresholds=facts).having_chosen(self.info.name, said)

    def _enough(self, curve: Roc) -> bool:
        needed = {"tpr": curve.positives, "ppv": curve.positives, "fpr": curve.negatives}
        return needed.get(self.equal, min(curve.positives, curve.negatives)) >= self.min_cases

    def _chosen(self, own: Sequence[Roc], everybody: Roc) -> tuple[list[Any], Any]:
        """Return the lots of groups and that of everybody; a threshold is a lot with one ticket."""
        if self.equal in ("odds", "vertex"):
            lots = equal_odds(own or [everybody])
            common = rates((own or [everybody])[0], lots[0])
            if self.equal == "odds":
                return lots[: len(own)], nearest_lot(everybody, **common)
            return [_corner(c, **common) for c in own], _corner(everybody, **common)
        if self.equal == "benefit":
            return [_one(t) for t in best_benefit(own, self.max_gap)], _one(best_benefit([everybody], 1.0)[0])
        target = self.target or _TARGETS[self.equal]
        return [_one(threshold_for(self.equal, target, c)) for c in own], _one(
            threshold_for(self.equal, target, everybody)
        )


def threshold_for(rate: str, target: float, curve: Roc) -> float:
    """Return the threshold at which a rate is `target`, or as little beyond it as may be.

    Examples
    --------
    >>> curve = Roc.of(np.array([0.1, 0.4, 0.6, 0.9, 0.2]), np.array([1, 1, 1, 1, 0], bool))
    >>> threshold_for("tpr", 0.75, curve), threshold_for("fpr", 0.5, curve)
    (0.4, 0.4)
    """
    values = getattr(curve, rate)
    if rate == "tpr":
        return float(curve.threshold[np.flatnonzero(values >= target - 1e-9)[0]])
    reached = values <= target + 1e-9 if rate == "fpr" else values >= target - 1e-9
    if not reached.any():
        warn(f"No threshold has a PPV of {target:g}; the largest is {np.nanmax(values):.2f}.")
        reached = values == np.nanmax(values)
    return float(curve.threshold[np.flatnonzero(reached)[-1]])


def best_benefit(curves: Sequence[Roc], max_gap: float) -> list[float]:
    """Return the thresholds with the largest sum of balanced accuracies whose TPRs differ by at most `max_gap`.

    Of an optimum the smallest TPR is one that some curve reaches: each is tried as the lower end of the range.
    """
    best, chosen = -np.inf, [0] * len(curves)
    for low in np.unique(np.concatenate([c.tpr for c in curves])) if curves else ():
        inside = [(c.tpr >= low - 1e-12) & (c.tpr <= low + max_gap + 1e-12) for c in curves]
        if not all(i.any() for i in inside):
            continue
        places = [int(np.where(i, c.balanced_accuracy, -np.inf).argmax()) for c, i in zip(curves, inside, strict=True)]
        total = sum(c.balanced_accuracy[p] for c, p in zip(curves, places, strict=True))
        if total > best + 1e-12:
            best, chosen = total, places
    return [float(c.threshold[p]) for c, p in zip(curves, chosen, strict=True)]


def _said(lot: Sequence[Sequence[float]]) -> str:
    named = {NEVER: "never", ALWAYS: "always"}
    parts = [(named.get(t, f"{t:.3f}"), p) for t, p in lot]
    return parts[0][0] if len(parts) == 1 else " or ".join(f"{t} ({p:.0%})" for t, p in parts)


def _one(threshold: float) -> list[list[float]]:
    return [[threshold, 1.0]]


def _corner(curve: Roc, fpr: float, tpr: float) -> list[list[float]]:
    hull = curve.hull()
    nearest = int(np.hypot(curve.fpr[hull] - fpr, curve.tpr[hull] - tpr).argmin())
    return _one(float(curve.threshold[hull[nearest]]))
