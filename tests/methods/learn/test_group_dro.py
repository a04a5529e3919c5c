"""GroupDRO: weights of groups that follow their losses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, GroupDRO, Lab
from everygroup.methods.learn.group_dro import Robust
from everygroup.settings import TrainSettings

from ..batches import batch_of


def robust(step_size: float, margin: tuple[float, float] = (0.0, 0.0)) -> Robust:
    """Two groups, logits that are the input."""
    return Robust(torch.nn.Identity(), 2, np.array([0.5, 0.5]), list(margin), step_size, "group")


def test_the_weights_follow_the_exponentiated_update() -> None:
    learner = robust(math.log(2))
    # a binary sample of loss 1: log(1 + exp(a)) = 1; one of loss 0: far on the right side
    one = math.log(math.e - 1)
    x = torch.tensor([[0.0, one], [40.0, 0.0]])
    both, second = batch_of([0, 0], [0, 1], classes=2), batch_of([0], [1], classes=2)
    value = learner.loss(x, both)
    np.testing.assert_array_equal(learner.q, [0.5, 0.5])  # a loss changes nothing
    learner.after_update(both)
    np.testing.assert_allclose(learner.q, [2 / 3, 1 / 3], rtol=1e-6)
    assert float(value) == pytest.approx(2 / 3, rel=1e-6)
    # a group that is absent keeps its share relative to a group without loss
    learner.loss(x[1:], second)
    learner.after_update(second)
    np.testing.assert_allclose(learner.q, [2 / 3, 1 / 3], rtol=1e-6)


def test_step_size_0_is_the_mean_over_groups_and_missing_groups_keep_their_share() -> None:
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y, group = [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, -1, -1]
    value = robust(0.0).loss(x, batch_of(y, group))
    each = F.cross_entropy(x, torch.tensor(y), reduction="none")
    wanted = 4 / 6 * (each[:3].mean() + each[3]) / 2 + each[4:].sum() / 6
    torch.testing.assert_close(value, wanted)
    value.backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_the_margin_favours_small_groups_and_empty_cells_have_no_weight(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    learner, both = robust(1.0, (0.1, 0.4)), batch_of([0, 0], [0, 1], classes=2)
    learner.loss(torch.zeros(2, 2), both)
    learner.after_update(both)
    assert float(learner.q[1] / learner.q[0]) == pytest.approx(math.exp(0.3), rel=1e-5)
    cohort = make_vectors(200)
    keep = ~((cohort.group == 1) & (cohort.y == 0))
    split = split_cohort(cohort.where(keep))
    method = GroupDRO(over="cell", adjustment=1.0)
    lab = Lab(split.train, split.validation, vector_settings)
    start = method.learner(lab)
    trained = lab.train_network(method, "group_dro", draws=method.draws(lab))
    for q in (start.q, trained.learner.q):
        assert q.numpy().shape == (4,) and q[1] == 0 and q.sum() == pytest.approx(1)  # cell 1: no of g1
    assert (trained.learner.q != start.q).any()
    assert np.isfinite(trained.score)


def test_one_group_is_erm(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> None:
    split = split_cohort(make_vectors(120, groups=1))
    erm = ERM().fit(split.train, split.validation, settings=vector_settings).predict_proba(split.test)
    one = GroupDRO(balanced_batches=False).fit(split.train, split.validation, settings=vector_settings)
    np.testing.assert_allclose(one.predict_proba(split.test), erm, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"over": "label"}, {"step_size": -1}, {"adjustment": math.nan}])
def test_group_dro_refuses_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        GroupDRO(**wrong)  # type: ignore[arg-type]
