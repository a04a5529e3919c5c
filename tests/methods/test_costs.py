"""The counted cost follows the hyper-parameters, so that a plan says what will be trained."""

from __future__ import annotations

import pytest

from everygroup.cohort import Split
from everygroup.methods import (
    ERM,
    Auto,
    Distilled,
    Ensemble,
    FairMoE,
    FairQuantize,
    Mixture,
    Part,
    SCPFairPrune,
    Spare,
    Specialise,
    Store,
    create_method,
)
from everygroup.settings import TrainSettings

GROUPS = ("g0", "g1")


def spares(*alphas: float, **further: object) -> dict[str, list[str]]:
    """A portfolio of GroupModel and SPARE at several alpha."""
    more = "".join(f", {name}={value}" for name, value in further.items())
    return {"candidates": ["group_model(small_groups=erm)", *(f"spare(alpha={a}{more})" for a in alphas)]}


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
        (Mixture(**spares(*(k / 10 for k in range(1, 10)))), 1 + 2 + 9 * 5),
        (Distilled(teacher="mixture", teacher_options=spares(0.5)), 1 + 1 + 2 + 5),
        (Distilled(teacher="group_model", lam=0), 1),
        (ERM(selection_by="group"), 3),
    ],
    ids=lambda v: f"{v.info.name} {v.hyperparameters}" if isinstance(v, Part) else "",
)
def test_cost_follows_the_hyperparameters(method: Part, expected: float) -> None:
    assert method.cost(GROUPS) == pytest.approx(expected)


def test_a_chain_costs_what_it_trains_and_what_its_parts_add() -> None:
    assert create_method("group_dro + fairquantize").cost(GROUPS) == pytest.approx(1.4)
    assert create_method("resampling + fair_moe(experts=4)").cost(GROUPS) == 4
    assert create_method("fairprune").cost(GROUPS) == 1


@pytest.mark.parametrize(
    ("portfolio", "trained"),
    [
        (spares(0.25, 0.5, 0.0), 10),
        (spares(0.5), 6),
        (spares(0.0, 1.0, cross_fit=2), None),
        (spares(0.5, 0.0, pooled="true"), 8),
        (spares(0.5, 0.0, weighting="group_frequency"), None),
        (spares(0.5, 0.25, similarity="none"), None),
        (spares(0.5, sharing="full"), 3),
        ({"candidates": ["group_dro", "resampling + erm"]}, 3),
    ],
    ids=str,
)
def test_a_mixture_trains_no_more_than_it_counts(
    portfolio: dict[str, list[str]], trained: int | None, two: Split, vector_settings: TrainSettings
) -> None:
    store, method = Store(), Mixture(**portfolio)
    settings = vector_settings.but(updates=3, backbone="mlp")
    method.fit(two.train, two.validation, settings=settings, store=store)
    assert len(store._trained) <= method.cost(GROUPS)
    if trained is not None:
        assert len(store._trained) == trained


@pytest.mark.parametrize(
    "written",
    [
        "erm(selection_by=group)",
        "resampling + spare(min_group=10)",
        "spare(min_group=10, cross_fit=2, pooled=true)",
        "spare(min_group=10, sharing=half, temperature=[1, 2])",
        "spare(min_group=10, sharing=adapters)",
        "distilled(teacher=group_model)",
        'mixture(candidates=["spare(min_group=10, cross_fit=2)"])',
        "group_weight",
        "density_ratio",
        "blend",
        "ensemble",
        "group_input",
    ],
)
def test_a_chain_trains_what_it_counts(written: str, two: Split, vector_settings: TrainSettings) -> None:
    store, chain = Store(), create_method(written)
    settings = vector_settings.but(updates=3, backbone="mlp")
    chain.fit(two.train, two.validation, settings=settings, store=store)
    assert len(store._trained) == chain.cost(GROUPS)


def test_default_costs_are_those_of_the_registry() -> None:
    for method in (
        Auto(),
        Mixture(),
        Ensemble(),
        Specialise(),
        Spare(),
        FairMoE(),
        FairQuantize(),
        SCPFairPrune(),
        Distilled(),
    ):
        assert method.cost(GROUPS) == pytest.approx(method.info.cost(2))
