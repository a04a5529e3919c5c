"""Linear heads that are solved: against scikit-learn, whatever the threads, chosen on validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.methods import Lab, Store
from everygroup.settings import TrainSettings
from everygroup.training.convex import logistic_heads

HEADS = TrainSettings.make({"backbone": "linear", "selection": "loss"})


def samples(n_classes: int, n: int = 400, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_classes)
    x = rng.standard_normal((n, d)) * np.exp(-np.arange(d) / 6)
    return x, (x[:, :n_classes] + rng.standard_normal((n, n_classes)) / 2).argmax(1)


@pytest.fixture(scope="module")
def split() -> Split:
    x, y = samples(2)
    groups = {"a": np.where(x[:, 0] > 0.3, "f", "m").tolist()}
    return split_cohort(Cohort.from_arrays(x.astype(np.float32), y, classes=["n", "p"], sensitive_features=groups))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_heads_are_those_of_an_independent_solver(n_classes: int) -> None:
    x, y = samples(n_classes)
    rng = np.random.default_rng(0)
    weights = np.stack([np.ones(len(y)), rng.random(len(y)), rng.integers(0, 2, len(y))], 1).astype(float)
    fits = [(w, l2) for w in range(3) for l2 in (1e-3, 1e-1)]
    found = logistic_heads(x, np.eye(n_classes)[y], weights[:, [w for w, _ in fits]], np.array([l2 for _, l2 in fits]))
    for i, (w, l2) in enumerate(fits):
        own = weights[:, w] / weights[:, w].mean()
        theirs = LogisticRegression(C=1 / (l2 * len(y)), tol=1e-10, max_iter=10_000).fit(x, y, sample_weight=own)
        p = torch.from_numpy(x @ found.weight[i].T + found.bias[i]).softmax(1).numpy()
        np.testing.assert_allclose(p, theirs.predict_proba(x), atol=1e-4)
        np.testing.assert_allclose(found.loss[i], -(own * np.log(p[np.arange(len(y)), y])).mean(), rtol=1e-9)


def test_the_number_of_threads_changes_no_bit() -> None:
    x, y = samples(3)

    def solve() -> np.ndarray:
        return logistic_heads(x, np.eye(3)[y], np.ones((len(y), 2)), np.array([0.1, 0.01])).weight

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = solve()
        torch.set_num_threads(2)
        np.testing.assert_array_equal(solve(), one)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_validation_chooses_the_penalty_and_a_finished_head_is_read_back(split: Split, tmp_path: Path) -> None:
    lab = Lab(split.train, split.validation, HEADS, Store(tmp_path))
    erm = lab.erm()
    assert [r["l2"] for r in erm.log] == sorted(HEADS.l2, reverse=True)
    losses = [r["validation_loss"] for r in erm.log]
    assert erm.chosen["validation_loss"] == min(losses) < max(losses)
    x, y = split.validation.batch(slice(None)), torch.from_numpy(split.validation.y)
    with torch.inference_mode():
        outputs = erm.network(torch.from_numpy(x))
    assert float(torch.nn.functional.cross_entropy(outputs, y)) == pytest.approx(min(losses), abs=1e-6)
    again = Lab(split.train, split.validation, HEADS, Store(tmp_path)).erm()
    assert again.log == erm.log
    assert all(torch.equal(a, b) for a, b in zip(again.network.parameters(), erm.network.parameters(), strict=True))


def test_the_unit_of_features_changes_nothing(split: Split) -> None:
    def answers(unit: float) -> np.ndarray:
        parts = [
            part.with_images(part.batch(slice(None)) * np.float32(unit)) for part in (split.train, split.validation)
        ]
        lab = Lab(*parts, HEADS)
        return lab.answers(lab.one_model("erm", lab.erm()), parts[1])

    np.testing.assert_allclose(answers(1000.0), answers(1.0), atol=1e-5)


def test_draws_and_class_weights_are_weights(split: Split) -> None:
    lab = Lab(split.train, split.validation, HEADS.but(l2=[0.1]))
    probabilities = np.random.default_rng(0).random(len(split.train))
    drawn, weighted = lab.drawn(probabilities).erm(), lab.train_network(weights=probabilities)
    torch.testing.assert_close(drawn.network.head.weight, weighted.network.head.weight)
    balanced = lab.but(settings=lab.settings.but(class_weighting="balanced")).erm()
    by_hand = lab.train_network(weights=1 / np.bincount(split.train.y)[split.train.y])
    torch.testing.assert_close(balanced.network.head.weight, by_hand.network.head.weight)


def test_only_linear_heads_are_solved_and_not_where_a_gradient_is_asked_for(split: Split) -> None:
    for changes, solved in (({}, True), ({"backbone": "mlp"}, False), ({"optimiser": "adamw"}, False)):
        lab = Lab(split.train, split.validation, HEADS.but(**changes, updates=3))
        assert lab.solves is solved
        assert ("l2" in lab.erm().chosen) is solved


def test_candidates_are_solved_together_and_the_first_among_equals_is_taken(split: Split) -> None:
    lab = Lab(split.train, split.validation, HEADS)
    noise = np.random.default_rng(0).random(len(split.train)) ** 8
    even = np.ones(len(split.train))
    chosen, trained = lab.chosen_network("two", {"noise": noise, "even": even, "again": even})
    assert chosen == "even"
    assert len(trained.log) == 3 * len(HEADS.l2)
    torch.testing.assert_close(trained.network.head.weight, lab.erm().network.head.weight)
    by_gradient = lab.but(settings=HEADS.but(optimiser="adamw", updates=40, lr=0.05))
    assert by_gradient.chosen_network("two", {"noise": noise, "even": even, "again": even})[0] == "even"
