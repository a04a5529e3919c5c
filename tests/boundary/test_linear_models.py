"""Closed-form distances of linear models against the search and against geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from everygroup.boundary import boundary_distances, minimal_perturbation
from everygroup.boundary.linear import linear_distances
from everygroup.cohort import Cohort
from everygroup.networks import NetworkSpec, build_network


def head(n_classes: int, d: int = 6) -> nn.Linear:
    torch.manual_seed(n_classes)
    return nn.Linear(d, n_classes)


X = np.random.default_rng(0).standard_normal((60, 6)).astype(np.float32)


def test_two_classes_are_the_distance_to_a_plane() -> None:
    layer = head(2)
    distance, answer = linear_distances(layer, X)
    w = (layer.weight[1] - layer.weight[0]).detach().numpy()
    z = X @ w + float((layer.bias[1] - layer.bias[0]).detach())
    np.testing.assert_allclose(distance, np.abs(z) / np.linalg.norm(w), rtol=1e-5)
    np.testing.assert_array_equal(answer, (z > 0).astype(int))
    to_one, _ = linear_distances(layer, X, target=1)
    np.testing.assert_allclose(to_one, np.where(answer == 1, 0, distance), rtol=1e-5)


@pytest.mark.parametrize("n_classes", [3, 6])
@pytest.mark.parametrize("target", [None, 1])
def test_agrees_with_the_search(n_classes: int, target: int | None) -> None:
    layer = head(n_classes)
    distance, answer = linear_distances(layer, X, target=target)
    found = minimal_perturbation(layer, X, target=target, preset="accurate")
    np.testing.assert_allclose(distance, found.distance.numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(answer, found.answer.numpy())


def test_the_nearest_point_of_a_class_is_an_exact_projection() -> None:
    layer = head(5)
    weight, bias = layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy().astype(float)
    distance, answer = linear_distances(layer, X, target=2)
    for x, d in list(zip(X[answer != 2].astype(float), distance[answer != 2], strict=True))[:8]:
        inside = {"type": "ineq", "fun": lambda p: (weight[2] - weight) @ p + bias[2] - bias}
        nearest = minimize(lambda p, x=x: ((p - x) ** 2).sum(), x, constraints=inside, tol=1e-12)
        assert d == pytest.approx(np.sqrt(nearest.fun), rel=1e-4)


def test_a_class_that_is_never_answered_has_no_distance() -> None:
    layer = head(3)
    with torch.no_grad():
        layer.weight[1] = (layer.weight[0] + layer.weight[2]) / 2
        layer.bias[1] = (layer.bias[0] + layer.bias[2]) / 2 - 1
    distance, _ = linear_distances(layer, X, target=1)
    assert np.isnan(distance).all()
    with torch.no_grad():
        layer.weight.zero_()
    assert np.isnan(linear_distances(layer, X)[0]).all()


def test_cohorts_take_it_for_linear_networks_of_vectors() -> None:
    cohort = Cohort.from_arrays(X, ["a", "b"] * 30, sensitive_features=["u", "v"] * 30)
    network = build_network(NetworkSpec("linear", 3, (6,)))
    closed = boundary_distances(network, cohort, target=0)
    assert closed.settings["search"] == "closed form"
    assert closed.gradient_passes == 0
    np.testing.assert_array_equal(closed.distance, linear_distances(network.linear, X, target=0)[0])
    searched = boundary_distances(network, cohort, search="penalty")
    assert searched.settings["search"] == "penalty"
    assert build_network(NetworkSpec("mlp", 3, (6,))).linear is None
