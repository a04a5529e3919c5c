"""Constraints: the gap between groups that a shortcut makes gets smaller on fresh samples."""

from __future__ import annotations

from zoo.adversarial import WORLD, compared
from zoo.effect import Effect
from zoo.worlds import covariance_gap, odds_gap, parity_gap, worst_cell

METHODS = (
    "fairness_penalty",
    "fairness_penalty(criterion=equal_opportunity)",
    "distribution_matching",
    "distribution_matching(kind=mean)",
    "distribution_matching(of=features)",
    "balanced_softmax",
    "margin_ranking",
    "fairalm",
)
PARITY = ("fairness_penalty(criterion=demographic_parity, lam=5)", "fairness_penalty(criterion=covariance, lam=5)")
ALIKE = "the group is written in the vectors and goes with the diagnosis, in fresh samples, too"
WIDER = "three of eight values spread three times as far in one group"
CORAL = "distribution_matching(of=features, kind=coral, within_class=false, lam=100)"
PSEUDO = "balanced_softmax(pseudo=true)"
WORST = "right answers in the worst cell of diagnosis and group"
GAP, RATES = "gap of the rates within each diagnosis", "gap of the rates of being called positive"
EFFECTS = [
    *(Effect(m, WORLD, GAP, compared(m, odds_gap)) for m in METHODS),
    *(Effect(m, ALIKE, RATES, compared(m, parity_gap, fresh=0.85)) for m in PARITY),
    Effect(CORAL, WIDER, "distance of the features' covariances", compared(CORAL, covariance_gap, wider=3.0)),
    Effect("balanced_softmax", WORLD, WORST, compared("balanced_softmax", worst_cell), "larger"),
    Effect(PSEUDO, WORLD + ", in nine of ten", GAP, compared(PSEUDO, odds_gap, share=0.9)),
]
