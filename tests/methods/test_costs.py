"""The counted cost follows the hyper-parameters, so that a plan says what will be trained."""

from __future__ import annotations

import pytest

from everygroup.cohort import Split
from everygroup.methods import Auto, Distilled, FairMoE, FairQuantize, Method, SCPFairPrune, Spare, Store
from everygroup.settings import TrainSettings

GROUPS = ("g0", "g1")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (FairQuantize(), 1.4),
        (FairQuantize(rounds=20, updates_per_round=0.1), 3),
        (FairQuantize(share=0), 1),
        (SCPFairPrune(), 1.5),
        (SCPFairPrune(rounds=10, updates_per_round=0.5), 6),
        (SCPFairPrune(share=0), 1),
        (FairMoE(), 2),
        (FairMoE(experts=4), 4),
        (FairMoE(experts=1), 1),
        (Auto(alphas=[k / 10 for k in range(11)]), 1 + 2 + 1 + 11 * 2 + 2),
        (Distilled(teacher="auto", teacher_options={"alphas": [0.5]}), 1 + 8),
    ],
    ids=lambda v: f"{v.info.name} {v.hyperparameters}" if isinstance(v, Method) else "",
)
def test_cost_follows_the_hyperparameters(method: Method, expected: float) -> None:
    assert method.cost(GROUPS) == pytest.approx(expected)


@pytest.mark.parametrize(
    "hyper",
    [
        {},
        {"alphas": [0.5]},
        {"alphas": [0.0, 1.0], "spare": {"cross_fit": 2}},
        {"alphas": [0.5, 0.0], "spare": {"pooled": True, "suspects": "not_rewarded"}},
        {"alphas": [0.5, 0.0], "spare": {"weighting": "group_frequency"}},
        {"alphas": [0.5, 0.0], "spare": {"sharing": "half", "temperature": [1, 2]}},
        {"alphas": [0.5, 0.25], "spare": {"similarity": "none"}},
        {"alphas": [0.5], "spare": {"sharing": "adapters", "refresh": 1}},
        {"alphas": [0.5], "spare": {"sharing": "full"}},
    ],
    ids=str,
)
def test_auto_trains_what_it_counts(hyper: dict, two: Split, vector_settings: TrainSettings) -> None:
    store = Store()
    further = {"min_group": 10, **hyper.get("spare", {})}
    method = Auto(**{**hyper, "spare": further, "n_boot": 100})
    settings = vector_settings.but(updates=3, backbone="mlp")
    method.fit(two.train, two.validation, settings=settings, store=store)
    assert len(store._trained) == method.cost(GROUPS)


def test_default_costs_are_those_of_the_registry() -> None:
    for method in (Auto(), Spare(), FairMoE(), FairQuantize(), SCPFairPrune()):
        assert method.cost(GROUPS) == pytest.approx(method.info.cost(2))
