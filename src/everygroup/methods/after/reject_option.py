"""Reject option: near the threshold the group decides, or nobody does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, GroupName, method
from everygroup.models import RoutedModel
from everygroup.models.steps.band import Band

Criterion = Literal["equalized_odds", "equal_opportunity", "demographic_parity"]


@method(
    "Reject option classification",
    "Kamiran, Karim and Zhang. Decision theory for discrimination-aware classification. ICDM 2012",
    groups=(2, None),
    needs_group_at_test=True,
    two_classes=True,
    branch="decision rule",
)
class RejectOption(After):
    """Of two classes the second where p >= theta, but within |p - theta| <= m something else.

    - abstain: nobody is answered there, whatever the group; a person has to look. The audit counts who is left without
      an answer, which can be one group more than another.
    - favour: as in the paper, the unprivileged get the favourable answer there and the others the unfavourable one. In
      a diagnosis no answer is favourable of itself (a missed melanoma, a needless biopsy), so that it has to be named.

    theta and m are searched on validation: 99 thetas .01 to .99, 50 margins from 0 to min(theta, 1 - theta); of those
    whose gap is at most `max_gap`, the pair with the largest balanced accuracy. Of 'abstain' theta is the one with the
    largest balanced accuracy without a margin, and m the smallest that keeps the gap. If there is none, the pair with
    the smallest absolute gap; public code takes the smallest signed one, that is, the most unfair to the other side.
    Abstaining need not make a gap smaller, and can make it larger (Jones et al. Selective classification can magnify
    disparities across groups. ICLR 2021): look at `info["reject_option"]`.

    The gap is between the unprivileged and all others: of equalized odds the larger of the differences in TPR and FPR,
    of equal opportunity that of the favourable class's TPR, of demographic parity that of the share answered so, among
    those answered. With several groups, gaps among those of a side are not looked at. Patients without a group are
    answered by theta.
    """

    then: Literal["abstain", "favour"] = Field("abstain", description="what happens near the threshold")
    favourable: str | None = Field(None, description="the favourable class by name; needed by 'favour'")
    unprivileged: Sequence[GroupName] = Field(
        (),
        description="groups; by default those found less often than the mean (given the favourable class less often)",
    )
    criterion: Criterion = Field("equalized_odds", description="the gap that is bounded")
    max_gap: float = Field(0.05, ge=0, le=1, description="largest gap that is tolerated on validation")
    least_answered: float = Field(0.5, gt=0, le=1, description="smallest share that 'abstain' has to answer")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, names that are not there, and to favour what was not declared."""
        super().check(lab)
        if self.then == "favour" and self.favourable is None:
            raise SettingsError(
                "Which class is favourable was not said.",
                fix=f"set favourable to one of {', '.join(lab.target.outputs)}, or then=abstain",
            )
        for name, known in [(self.favourable, lab.target.outputs), *((g, lab.groups) for g in self.unprivileged)]:
            if name is not None and name not in known:
                raise SettingsError(f"There is no {name!r}.", fix=f"choose from {', '.join(known)}")
        if set(self.unprivileged) == set(lab.groups):
            raise SettingsError("All groups are unprivileged.", fix="leave out those that are not")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Search theta and m."""
        known = lab.validation.group >= 0
        p, y = lab.answers(model, lab.validation)[known, 1], lab.validation.y[known]
        group = lab.validation.group[known]
        favourable = 1 if self.favourable is None else lab.target.outputs.index(self.favourable)
        poor = self._unprivileged(p, y, group, favourable, lab)
        inside = [-1 if self.then == "abstain" else favourable if poor[g] else 1 - favourable for g in range(len(poor))]
        found = self._search(p, y, group, poor, inside, favourable)
        groups = [g for g, is_poor in zip(lab.groups, poor, strict=True) if is_poor]
        facts = {**asdict(found), "then": self.then, "favourable": self.favourable, "unprivileged": groups}
        said = (
            f"threshold {found.theta:.2f}, margin {found.margin:.3f}; on validation {found.answered:.0%} answered, gap "
            f"{found.gap:.3f}"
        )
        step = Band(found.theta, found.margin, inside)
        return model.answering_by(step, reject_option=facts).having_chosen(self.info.name, said)

    def _unprivileged(self, p: np.ndarray, y: np.ndarray, group: np.ndarray, favourable: int, lab: Lab) -> np.ndarray:
        """Return which groups are, (G,) bool."""
        if self.unprivileged:
            return np.isin(lab.groups, list(self.unprivileged))
        given = (p >= 0.5) == favourable
        counted = np.ones(len(y), bool) if self.criterion == "demographic_parity" else y == favourable
        members = [counted & (group == g) for g in range(len(lab.groups))]
        rate = np.array([given[m].mean() if m.any() else np.nan for m in members])
        poor: np.ndarray = rate < np.nanmean(rate)
        if not poor.any():
            poor = np.arange(len(rate)) == np.nanargmin(rate)
        return poor

    def _search(
        self, p: np.ndarray, y: np.ndarray, group: np.ndarray, poor: np.ndarray, inside: list[int], favourable: int
    ) -> Candidate:
        def worth(theta: float, margin: float) -> Candidate:
            told = Band(theta, margin, inside).answers(np.stack([1 - p, p], 1), group, group, group)
            return Candidate(theta, margin, *judged(told, y, poor[group], self.criterion, favourable))

        thetas = [theta / 100 for theta in range(1, 100)]
        if self.then == "abstain":
            thetas = [max(thetas, key=lambda theta: worth(theta, 0.0).balanced_accuracy)]
        found = [worth(t, float(m)) for t in thetas for m in np.linspace(0, min(t, 1 - t), 50)]
        least = self.least_answered if self.then == "abstain" else 0.0
        found = [c for c in found if c.answered >= least and np.isfinite(c.gap)]
        if not found:
            raise SettingsError(
                f"The gap of {self.criterion} is undefined on the validation samples.", fix="use a larger cohort"
            )
        fair = [c for c in found if c.gap <= self.max_gap]
        if not fair:
            return min(found, key=lambda c: (c.gap, -c.balanced_accuracy))
        return max(fair, key=lambda c: (c.answered, c.balanced_accuracy))


@dataclass(frozen=True)
class Candidate:
    """A threshold and a margin, and what their answers are worth: balanced accuracy and gap of those answered."""

    theta: float
    margin: float
    balanced_accuracy: float
    gap: float
    answered: float


def judged(
    told: np.ndarray, y: np.ndarray, poor: np.ndarray, criterion: Criterion, favourable: int
) -> tuple[float, float, float]:
    """Return balanced accuracy and absolute gap of those answered, and their share; NaN where undefined.

    Parameters
    ----------
    told, y : (n,) int
        Answers, -1 for none; classes.
    poor : (n,) bool
        The unprivileged.
    """
    gave = told >= 0

    def rates(where: np.ndarray) -> np.ndarray:
        """Share answered with the favourable class: of it, of the other, of all."""
        parts = [where & (y == favourable), where & (y != favourable), where]
        return np.array([(told[m] == favourable).mean() if m.any() else np.nan for m in parts])

    apart = np.abs(rates(gave & poor) - rates(gave & ~poor))
    whole = rates(gave)
    gap = {"equalized_odds": apart[:2].max(), "equal_opportunity": apart[0], "demographic_parity": apart[2]}[criterion]
    return float((whole[0] + 1 - whole[1]) / 2), float(gap), float(gave.mean())
