"""FairTune: what a mask holds, what is searched, and what was chosen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.methods import Lab, Store, create_method
from everygroup.methods.by_group.fair_tune import FairTune, PartlyHeld, Tuning, parts_of
from everygroup.networks import NetworkSpec, build_network
from everygroup.settings import TrainSettings


def learning(mask: list[str]) -> tuple[PartlyHeld, int]:
    learner = PartlyHeld(build_network(NetworkSpec("small_cnn", 2, (16, 16, 3))), mask)
    return learner, sum(p.numel() for p in learner.parameters() if p.requires_grad)


def test_masks_hold_parts_and_the_statistics_of_held_norms() -> None:
    network = build_network(NetworkSpec("small_cnn", 2, (16, 16, 3)))
    parts = sorted(set(parts_of(network).values()))
    assert {p.split("-")[1] for p in parts} >= {"weight", "norm"}
    assert learning(parts)[1] == sum(p.numel() for p in network.parameters())
    nothing, count = learning([])
    assert count == sum(p.numel() for p in network.head.parameters())  # type: ignore[union-attr, operator]
    norms, count = learning([p for p in parts if p.endswith("norm")])
    own = [m for m in norms.net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert count == sum(p.numel() for m in own for p in m.parameters()) + learning([])[1]
    assert all(m.training for m in own)
    for one, moves in ((nothing, False), (norms, True)):
        before = {n: b.clone() for n, b in one.named_buffers()}
        one.train()(torch.rand(4, 3, 16, 16))
        assert any(not torch.equal(b, before[n]) for n, b in one.named_buffers()) == moves


@pytest.mark.parametrize("objective", ["worst_auc", "worst_loss", "accuracy_gap"])
def test_the_best_trial_is_trained_in_full_and_said(
    objective: str, two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    settings = vector_settings.but(backbone="mlp", updates=40)
    part = FairTune(trials=4, objective=objective)  # type: ignore[arg-type]
    model = part.fit(two.train, two.validation, settings=settings, store=shared_store)
    facts = model.info["fair_tune"]
    first, second = facts["trials"][:4], facts["trials"][4:]
    assert (first[0]["rate"], len(second)) == (1.0, 2)
    assert first[1]["mask"] == []
    assert min(t["value"] for t in second if t["mask"] == facts["chosen"]["mask"]) == max(t["value"] for t in second)
    left = sorted(t["value"] for t in first)[-2:]
    assert sorted(t["value"] for t in first if {k: t[k] for k in ("mask", "rate")} in _asked(second)) == left
    assert "of the weights learn" in model.info["chosen"]["fair_tune"]


def _asked(trials: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{k: t[k] for k in ("mask", "rate")} for t in trials]


def test_everything_learns_as_erm_and_without_trials_it_is_erm(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    settings = vector_settings.but(backbone="mlp", updates=40)
    lab = Lab(two.train, two.validation, settings, shared_store)
    parts = tuple(sorted(set(parts_of(lab.erm().network).values())))
    whole = FairTune()._trained(lab, Tuning(parts, 1.0), 1.0).network
    for a, b in zip(whole.state_dict().values(), lab.erm().network.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    erm, off = (
        create_method(n).fit(two.train, two.validation, settings=settings, store=shared_store)
        for n in ("erm", "fair_tune(trials=0)")
    )
    np.testing.assert_array_equal(off.predict_proba(two.test), erm.predict_proba(two.test))
