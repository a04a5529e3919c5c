"""Units that raise the gap: how they are ranked, judged and silenced."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.methods import Store, create_method
from everygroup.methods.after._bias import Judged, best, judged
from everygroup.methods.after.bias_pruning import BiasPruning, unit_shapes
from everygroup.networks import NetworkSpec, build_network
from everygroup.networks.masked import MaskedUnits
from everygroup.settings import TrainSettings


def masked(backbone: str = "mlp", shape: tuple[int, ...] = (4,)) -> MaskedUnits:
    torch.manual_seed(1)
    network = build_network(NetworkSpec(backbone, 2, shape)).eval()
    x = torch.rand(1, *shape) if len(shape) == 1 else torch.rand(1, shape[2], *shape[:2])
    return MaskedUnits(copy.deepcopy(network), layers=unit_shapes(network, x)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(("backbone", "shape"), [("mlp", (4,)), ("small_cnn", (16, 16, 3))])
def test_without_masks_nothing_changes_and_copies_have_their_own(backbone: str, shape: tuple[int, ...]) -> None:
    net = masked(backbone, shape)
    torch.manual_seed(1)
    plain = build_network(NetworkSpec(backbone, 2, shape)).eval()
    x = torch.rand(3, *shape) if len(shape) == 1 else torch.rand(3, shape[2], *shape[:2])
    torch.testing.assert_close(net(x), plain(x), rtol=0, atol=0)
    other = copy.deepcopy(net)
    other.masked[0].mask.zero_()
    assert not torch.equal(other(x), net(x))
    torch.testing.assert_close(net.head(net.features(x)), net(x))


def test_the_ranking_is_the_derivative_of_the_gap() -> None:
    net, x = masked(), torch.randn(40, 4)
    sides = [torch.arange(40) < 25, torch.arange(40) >= 25]
    score, ranking = BiasPruning()._ranking(net, x, sides)
    np.testing.assert_allclose(score, net(x).softmax(1)[:, 1].detach().numpy(), atol=1e-6)

    def gap(bump: torch.Tensor) -> torch.Tensor:
        other = copy.deepcopy(net)
        (layer,) = other.masked
        h = layer(x) + bump
        p = other.head(h.relu()).softmax(1)[:, 1]
        return p[sides[0]].mean() - p[sides[1]].mean()

    bump = torch.zeros(len(ranking), requires_grad=True)
    torch.testing.assert_close(torch.autograd.grad(gap(bump), bump)[0], ranking, atol=1e-6, rtol=1e-4)


def test_the_largest_are_silenced_each_once() -> None:
    net = masked()
    n = net.masked[0].mask.numel()
    part = BiasPruning(share=2 / n)
    score = torch.arange(n, dtype=torch.float32)
    for done in (2, 4):
        part._silence(net, score)
        assert net.masked[0].mask.tolist() == [1.0] * (n - done) + [0.0] * done


def test_bias_is_that_of_decisions_at_the_best_threshold_and_the_fairest_step_that_is_accurate_is_kept() -> None:
    y, group = np.array([1, 1, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 0, 1])
    found = judged(np.array([0.8, 0.7, 0.6, 0.2, 0.4, 0.1]), y, group, "tpr")
    assert (found.balanced_accuracy, found.bias) == (pytest.approx(0.875), pytest.approx(0.5))
    assert 0.4 < found.threshold <= 0.6
    assert np.isnan(judged(np.full(6, 0.5), y, np.zeros(6, int), "parity").bias)
    records = [Judged(0.5, 0.9, 0.2), Judged(0.5, 0.8, -0.1), Judged(0.5, 0.6, 0.0), Judged(0.5, 0.8, np.nan)]
    assert best(records, 0.65) == 1
    assert best(records, 0.95) == best(records, None) == 0


def test_models_answer_with_one_threshold_and_no_step_is_erm(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    settings = vector_settings.but(backbone="mlp", updates=60)
    erm, off, model = (
        create_method(n).fit(two.train, two.validation, settings=settings, store=shared_store)
        for n in ("erm", "bias_pruning(steps=0)", "bias_pruning")
    )
    np.testing.assert_array_equal(off.predict_proba(two.test), erm.predict_proba(two.test))
    records = model.info["bias_pruning"]
    kept = min(
        (r for r in records if r["balanced_accuracy"] >= 0.95 * records[0]["balanced_accuracy"]),
        key=lambda r: abs(r["bias"]),
    )
    (step,) = model.steps
    assert step.scores(np.array([[1 - kept["threshold"], kept["threshold"]]]), np.array([0]))[0] == pytest.approx(0.5)
    assert "validation bias" in model.info["chosen"]["bias_pruning"]
