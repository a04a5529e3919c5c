"""The counted cost follows the hyper-parameters, so that a plan says what will be trained."""

from __future__ import annotations

import pytest

from everygroup.cohort import Split
from everygroup.methods import (
    ERM,
    Auto,
    Distilled,
    FairMoE,
    FairQuantize,
    Part,
    SCPFairPrune,
    Spare,
    Store,
    create_method,
)
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
        (Auto(candidates=[f"spare(alpha={a})" for a in (0.1, 0.2, 0.3)]), 3 * 5 + 1 + 2),
        (Distilled(teacher="auto", teacher_options={"candidates": ["group_model"]}), 1 + 2 + 1 + 2),
        (Distilled(lam=0.0), 1),
        (ERM(selection_by="group"), 3),
    ],
    ids=lambda v: f"{v.info.name} {v.hyperparameters}" if isinstance(v, Part) else "",
)
def test_cost_follows_the_hyperparameters(method: Part, expected: float) -> None:
    assert method.cost(GROUPS) == pytest.approx(expected)


@pytest.mark.parametrize(
    "written",
    [
        "erm(selection_by=group)",
        "group_model",
        "resampling + spare(min_group=10)",
        "spare(min_group=10, cross_fit=2, pooled=true)",
        "spare(weighting=group_frequency)",
        "spare(min_group=10, sharing=half, temperature=[1, 2])",
        "spare(min_group=10, similarity=none)",
        "spare(min_group=10, sharing=adapters)",
        "spare(sharing=full)",
        "distilled(teacher=group_model)",
        'auto(candidates=["spare(min_group=10, cross_fit=2)"], n_boot=100)',
        'auto(candidates=["group_model"], n_boot=100)',
    ],
)
def test_a_chain_trains_what_it_counts(written: str, two: Split, vector_settings: TrainSettings) -> None:
    store, chain = Store(), create_method(written)
    settings = vector_settings.but(updates=3, backbone="mlp")
    chain.fit(two.train, two.validation, settings=settings, store=store)
    assert len(store._trained) == chain.cost(GROUPS)


def test_auto_counts_shared_networks_for_each_candidate(two: Split, vector_settings: TrainSettings) -> None:
    store, method = Store(), create_method("auto(n_boot=100)")
    settings = vector_settings.but(updates=3, backbone="mlp")
    method.fit(two.train, two.validation, settings=settings, store=store)
    assert len(store._trained) <= 5 * 2 + 2 < method.cost(GROUPS) == 7 * 2 + 4


def test_default_costs_are_those_of_the_registry() -> None:
    for method in (Auto(), Spare(), FairMoE(), FairQuantize(), SCPFairPrune()):
        assert method.cost(GROUPS) == pytest.approx(method.info.cost(2))
