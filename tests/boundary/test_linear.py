"""On linear models the distances are known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor, nn

from everygroup.boundary import minimal_perturbation
from everygroup.boundary.projection import nearest_step

MakeLinear = Callable[[Tensor, Tensor], nn.Linear]


def _untargeted(weight: Tensor, logits: Tensor) -> Tensor:
    answer = logits.argmax(1)
    gaps = logits.gather(1, answer[:, None]) - logits
    lengths = (weight[answer][:, None] - weight[None]).norm(dim=2)
    return (gaps / lengths).masked_fill(torch.nn.functional.one_hot(answer, logits.shape[1]).bool(), torch.inf).amin(1)


def _quadratic_programme(normals: np.ndarray, offsets: np.ndarray) -> float:
    """min |d| with normals d + offsets >= 0, by scipy."""
    best = np.inf
    for start in (np.zeros(normals.shape[1]), np.linalg.pinv(normals) @ np.maximum(1 - offsets, 0)):
        found = minimize(
            lambda d: d @ d,
            start,
            jac=lambda d: 2 * d,
            method="SLSQP",
            constraints=[{"type": "ineq", "fun": lambda d: normals @ d + offsets, "jac": lambda d: normals}],
            options={"ftol": 1e-16, "maxiter": 500},
        )
        if (normals @ found.x + offsets).min() > -1e-9:
            best = min(best, float(np.sqrt(found.fun)))
    return best


def test_worked_example(make_linear: MakeLinear) -> None:
    model = make_linear(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), torch.tensor([0.0, 0.5, 0.0]))
    found = minimal_perturbation(model, torch.tensor([[2.0, 1.0]]))
    assert found.answer.item() == 0
    assert found.distance.item() == pytest.approx(0.353553, rel=1e-5)
    far = minimal_perturbation(model, torch.tensor([[2.0, 1.0]]), target=2)
    assert far.distance.item() == pytest.approx(2.266912, rel=1e-5)


@pytest.mark.parametrize("preset", ["fast", "accurate"])
@pytest.mark.parametrize("classes", [2, 3, 7, 12])
def test_untargeted_exact(make_linear: MakeLinear, preset: str, classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    weight = torch.randn(classes, 9, generator=generator, dtype=torch.float64)
    model = make_linear(weight, torch.randn(classes, generator=generator, dtype=torch.float64))
    x = torch.randn(80, 9, generator=generator, dtype=torch.float64)
    exact = _untargeted(weight, model(x).detach())
    found = minimal_perturbation(model, x, preset=preset, tolerance=1e-6)
    assert found.flipped.all() and found.distance.dtype == torch.float64
    torch.testing.assert_close(found.distance, exact, rtol=1e-5, atol=0)
    single = minimal_perturbation(model.float(), x.float(), preset=preset)
    assert single.distance.dtype == torch.float32
    # an image x is known to 1e-7 |x| only
    torch.testing.assert_close(single.distance, exact.float(), rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("groups", [2, 3, 5, 8])
def test_targeted_exact(make_linear: MakeLinear, groups: int) -> None:
    generator = torch.Generator().manual_seed(groups)
    weight = torch.randn(groups, 6, generator=generator, dtype=torch.float64)
    model = make_linear(weight, torch.randn(groups, generator=generator, dtype=torch.float64))
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    logits = model(x).detach()
    for target in (0, groups - 1):
        others = [k for k in range(groups) if k != target]
        normals = (weight[target] - weight[others]).numpy()
        reachable = np.linalg.norm(np.linalg.lstsq(normals, np.ones(groups - 1), rcond=None)[0]) < 1e3
        assert reachable
        found = minimal_perturbation(model, x, target=target, tolerance=1e-6)
        for i in range(len(x)):
            offsets = (logits[i, target] - logits[i, others]).numpy()
            if offsets.min() > 0:
                assert found.distance[i] == 0
                continue
            exact = _quadratic_programme(normals, offsets)
            if np.isfinite(exact):
                assert float(found.distance[i]) == pytest.approx(exact, rel=1e-5, abs=1e-7)
                single = (-offsets / np.linalg.norm(normals, axis=1)).max()
                assert found.distance[i] >= single * (1 - 1e-6)


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_scale(make_linear: MakeLinear, seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    bias = torch.randn(4, generator=generator, dtype=torch.float64)
    x = torch.randn(12, 5, generator=generator, dtype=torch.float64)
    for target in (None, 1):
        plain = minimal_perturbation(make_linear(weight, bias), x, target=target).distance
        logits = minimal_perturbation(make_linear(weight * scale, bias * scale), x, target=target).distance
        inputs = minimal_perturbation(make_linear(weight / scale, bias), x * scale, target=target).distance
        torch.testing.assert_close(logits, plain, rtol=2e-5, atol=1e-9)
        torch.testing.assert_close(inputs, plain * scale, rtol=2e-5, atol=1e-9)


def test_projection_of_contradictory_constraints_is_the_farthest_single_one() -> None:
    gradients = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    step = nearest_step(torch.tensor([[1.0, 3.0]], dtype=torch.float64), gradients)
    torch.testing.assert_close(step, torch.tensor([[3.0, 0.0]], dtype=torch.float64))


def test_projection_drops_a_constraint_that_stops_binding() -> None:
    # the worst constraint enters first, then the other two carry the solution alone
    gradients = -torch.tensor([[[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    step = nearest_step(torch.tensor([[2.9, 2.0, 2.0]], dtype=torch.float64), gradients)
    torch.testing.assert_close(step, torch.tensor([[2.0, 2.0]], dtype=torch.float64))
