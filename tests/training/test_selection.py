"""Rules that choose an epoch, and which epochs need to be kept for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from everygroup.errors import SettingsError
from everygroup.training.selection import SELECTION, ValidationPredictions, non_dominated, selection_rule

Y = np.array([0, 0, 1, 1, 2, 0, 1, 2])
GROUP = np.array([0, 0, 0, 1, 1, 1, -1, -1])
ANSWER = np.array([0, 1, 1, 1, 0, 0, 2, 2])


def seen(answer: np.ndarray = ANSWER, group: np.ndarray = GROUP, loss: float = 0.7) -> ValidationPredictions:
    return ValidationPredictions(Y, np.eye(3)[answer], group, loss)


def test_what_a_rule_may_see_is_validation_only() -> None:
    assert [f.name for f in dataclasses.fields(ValidationPredictions)] == [
        "y_true",
        "answers",
        "group",
        "loss",
        "target",
    ]


def test_values_of_every_rule() -> None:
    first = f1_score(Y[:3], ANSWER[:3], labels=[0, 1], average="macro")  # class 2 is absent from group 0
    second = f1_score(Y[3:6], ANSWER[3:6], average="macro")
    overall = f1_score(Y, ANSWER, average="macro")
    values = {name: list(rule.values(seen())) for name, rule in SELECTION.items()}
    assert values["loss"] == [-0.7]
    assert values["accuracy"] == [pytest.approx(5 / 8)]
    assert values["score"] == [pytest.approx(overall)]
    assert values["dto"] == pytest.approx([first, second])
    assert values["worst_group_score"] == [pytest.approx(min(first, second))]
    assert values["pareto"] == pytest.approx([first, second, overall])
    assert values["worst_class_score"] == pytest.approx([f1_score(Y, ANSWER, average=None).min()])
    assert set(SELECTION) == {*values}
    assert all(rule.help for rule in SELECTION.values())


def test_pareto_takes_the_best_overall_of_what_is_beaten_nowhere() -> None:
    rule = SELECTION["pareto"]
    beaten = [0.6, 0.6, 0.9]  # best overall, but worse in both groups than the next
    assert rule.choose([beaten, [0.7, 0.7, 0.7], [0.9, 0.1, 0.5], [0.1, 0.9, 0.8]]) == 3
    assert rule.choose([[0.7, 0.7, 0.7], [0.7, 0.7, 0.7]]) == 0


def test_without_a_known_group_the_whole_counts_as_one() -> None:
    nobody = seen(group=np.full(8, -1))
    assert nobody.group_scores() == pytest.approx([nobody.score()])


@pytest.mark.parametrize("name", ["loss", "accuracy", "score", "worst_group_score"])
def test_single_values_choose_the_largest_and_the_earliest_of_equals(name: str) -> None:
    rule = SELECTION[name]
    assert rule.choose([[0.1], [0.3], [0.3], [0.2]]) == 1
    worse, better = seen(np.array([1, 1, 0, 0, 0, 1, 0, 0]), loss=2.0), seen(Y, loss=0.1)
    assert rule.choose([list(rule.values(worse)), list(rule.values(better))]) == 1


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_never_chosen(loss: float) -> None:
    rule = SELECTION["loss"]
    history = [list(rule.values(seen(loss=v))) for v in (loss, 3.0, loss)]
    assert rule.choose(history) == 1
    assert non_dominated(history) == [1]


def test_distance_to_the_optimum_worked_example() -> None:
    history = [[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]]
    rule = SELECTION["dto"]
    assert rule.choose(history) == 1
    assert rule.choose([*history, [0.5, 0.5]]) == 1
    assert rule.choose([[0.0, 0.0], [0.0, 0.0]]) == 0
    assert SELECTION["last"].choose([[0.0], [1.0], [2.0]]) == 2


def test_non_dominated_keeps_the_earliest_of_equals() -> None:
    assert non_dominated([[1, 2], [2, 1], [1, 2], [1, 1], [2, 2]]) == [4]
    assert non_dominated([[1, 2], [2, 1], [1, 2], [1, 1]]) == [0, 1]
    assert non_dominated([]) == []


scores = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0, 1 - 1e-9, 1e-20])
histories = st.integers(1, 3).flatmap(
    lambda g: st.lists(st.lists(scores, min_size=g, max_size=g), min_size=1, max_size=8)
)


@given(histories, st.sampled_from(sorted(SELECTION)))
def test_only_kept_epochs_can_be_chosen(history: list[list[float]], name: str) -> None:
    """Dropping an epoch as soon as it is beaten never changes the choice, at any time of the training."""
    rule = SELECTION[name]
    chosen = rule.choose(history)
    kept = set(range(len(history)))
    for end in range(1, len(history) + 1):
        kept &= set(non_dominated(history[:end])) | set(range(end, len(history)))
    assert sorted(kept) == non_dominated(history)
    assert chosen in kept
    order = sorted(kept)
    assert order[rule.choose([history[i] for i in order])] == chosen


def test_an_unknown_rule_names_the_known() -> None:
    assert selection_rule("dto") is SELECTION["dto"]
    with pytest.raises(SettingsError, match="choose one of score, worst_group_score") as caught:
        selection_rule("macro_f1")
    assert "dto" in caught.value.fix
