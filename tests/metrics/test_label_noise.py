"""Confident learning finds flipped labels, and says what it cannot know."""

import doctest

import numpy as np
import pytest

from everygroup.errors import PredictionsError
from everygroup.metrics import label_noise
from everygroup.metrics.label_noise import METRICS, confident_class, label_suspect_share, label_suspects


def flipped(n: int = 3000, noise: float = 0.2, k: int = 3, seed: int = 0) -> tuple[np.ndarray, ...]:
    """True labels with good scores; a share of the labels of group 'b' is then flipped."""
    rng = np.random.default_rng(seed)
    y, group = rng.integers(0, k, n), rng.choice(["a", "b"], n)
    logit = rng.normal(size=(n, k)) + 4 * np.eye(k)[y]
    p = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    wrong = (rng.random(n) < noise) & (group == "b")
    given = np.where(wrong, (y + 1 + rng.integers(0, k - 1, n)) % k, y)
    return given, p, group, wrong


def test_the_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(label_noise)
    assert result.attempted >= 3 and result.failed == 0


def test_flips_of_one_group_are_found_there() -> None:
    y, p, group, wrong = flipped()
    found = label_suspects(y, p, sensitive_features=group, ids=[f"s{i}" for i in range(y.size)], split="test")
    share = found.by_group.set_index("group")
    assert share.loc["b", "low"] <= 0.2 <= share.loc["b", "high"] + 0.02 and share.loc["a", "share"] < 0.03
    suspects = np.zeros(y.size, dtype=bool)
    suspects[found.table["row"]] = True
    assert (suspects & wrong).sum() / suspects.sum() > 0.9  # precision
    assert (suspects & wrong).sum() / wrong.sum() > 0.8  # recall: rows below the mean of every class are left alone
    assert found.table["id"].iloc[0] == f"s{found.table['row'].iloc[0]}"
    assert (np.diff(found.table["margin"]) <= 0).all()
    assert "not a proven error" in found.caveat
    measured = label_suspect_share(y, p, sensitive_features=group)
    assert measured.per_group["b"] == pytest.approx(share.loc["b", "share"])
    assert measured.value == pytest.approx(share.loc["overall", "share"])
    assert found.joint.sum() <= y.size and np.trace(found.joint) > found.joint.sum() * 0.8


def test_clean_labels_give_few_suspects() -> None:
    y, p, group, _ = flipped(noise=0.0)
    assert label_suspect_share(y, p, sensitive_features=group).value < 0.03


def test_a_model_that_fails_a_group_makes_suspects_of_right_labels() -> None:
    y, p, group, _ = flipped(noise=0.0)
    p[group == "b"] = np.roll(p[group == "b"], 1, axis=1)  # confidently wrong there
    share = label_suspect_share(y, p, sensitive_features=group).per_group
    assert share["b"] > 0.5 > share["a"]


def test_names_missing_groups_and_absent_classes() -> None:
    p = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    y = ["x", "y", "x", "x"]
    found = label_suspects(y, p, classes=["x", "y", "z"], sensitive_features=["a", "b", "", "a"])
    assert found.table[["label", "suggested"]].to_numpy().tolist() == []
    assert np.isnan(found.thresholds[2]) and found.by_group["group"].tolist() == ["overall", "a", "b", "missing"]
    more = label_suspects(y, [[0.8, 0.2], [0.2, 0.8], [0.9, 0.1], [0.1, 0.9]])
    assert more.table[["label", "suggested", "group"]].to_numpy().tolist() == [["x", "y", ""]]
    sure, _ = confident_class(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]]))
    assert sure.tolist() == [0, -1, -1, 1]  # 0.6 is below the mean 0.75 of its class
    assert label_suspects(np.zeros(0, dtype=int), np.zeros((0, 2))).table.empty


def test_training_rows_are_refused() -> None:
    with pytest.raises(PredictionsError, match="remembers"):
        label_suspects([0, 1], [0.1, 0.9], split=["train", "test"])
    with pytest.raises(PredictionsError, match="1 values"):
        label_suspects([0, 1], [0.1, 0.9], sensitive_features=["a"])


def test_the_metric_says_what_it_is() -> None:
    assert METRICS[0].higher_is_better is False and METRICS[0].requires == "y_score"


def test_training_rows_are_refused_by_any_of_their_names() -> None:
    for split in ("Train", "training"):
        with pytest.raises(PredictionsError, match="cannot be sought in training rows"):
            label_suspects([0, 0, 1, 1], [0.1, 0.9, 0.8, 0.7], split=split)
