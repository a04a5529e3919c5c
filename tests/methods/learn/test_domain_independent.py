"""Defining properties of balanced resampling, GroupDRO, stratified ERM and domain-independent training."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from everygroup.methods.group_dro import GroupDROLoss
from everygroup.methods.resampling import balanced_probabilities

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import (
    ERM,
    DomainIndependent,
    GroupDRO,
    GroupModel,
    Resampling,
    RoutedModel,
    Store,
    StratifiedERM,
    create_method,
)
from everygroup.networks import DomainHeads, GroupWeights, NetworkSpec, build_network
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task, predict_logits
from everygroup.training.batches import index_batches


def base(n_outputs: int = 2, *, image: bool = False) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(
        NetworkSpec("small_cnn", n_outputs, (8, 8, 3)) if image else NetworkSpec("mlp", n_outputs, (4,))
    )


def batch(y: list[int], group: list[int]) -> Batch:
    return Batch(torch.tensor(y), torch.ones(len(y)), torch.tensor(group), np.arange(len(y)))


# ---- resampling ---------------------------------------------------------------------------------------------------


def test_groups_and_cells_are_drawn_equally_often_and_missing_ones_as_often_as_they_are() -> None:
    rng = np.random.default_rng(0)
    group = rng.choice([-1, 0, 1, 2], 1000, p=[0.1, 0.6, 0.2, 0.1])
    y = rng.integers(0, 2, 1000)
    names = np.array(["a", "b", "c", ""])[group]
    cohort = Cohort.from_arrays(rng.random((1000, 2), np.float32), y, sensitive_features={"g": names})
    p = balanced_probabilities(cohort)
    batches = index_batches(1000, 100, 0, start=0, stop=400, probabilities=p)
    drawn = np.bincount(cohort.group[np.concatenate(list(batches))] + 1, minlength=4) / 40_000
    known = 1 - (group < 0).mean()
    np.testing.assert_allclose(drawn[1:], known / 3, atol=3 * math.sqrt(0.25 / 40_000))
    cells = balanced_probabilities(cohort, over="cell")
    mass = [cells[(cohort.group == g) & (cohort.y == k)].sum() for g in range(3) for k in range(2)]
    np.testing.assert_allclose(mass, mass[0])
    root = balanced_probabilities(cohort, power=0.5)
    np.testing.assert_allclose(
        root[cohort.group == 2][0] / root[cohort.group == 0][0],
        math.sqrt((cohort.group == 0).sum() / (cohort.group == 2).sum()),
    )


def test_power_0_is_erm(two: Split, vector_settings: TrainSettings) -> None:
    erm = ERM().fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    off = Resampling(power=0).fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    on = Resampling().fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    np.testing.assert_array_equal(off, erm)
    assert not np.array_equal(on, erm)


@pytest.mark.parametrize("wrong", [{"over": "label"}, {"power": 2}])
def test_resampling_refuses_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Resampling(**wrong)  # type: ignore[arg-type]


# ---- GroupDRO -----------------------------------------------------------------------------------------------------


class _Fixed(torch.nn.Module):
    """Logits that are the input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_the_weights_follow_the_exponentiated_update() -> None:
    network = GroupWeights(_Fixed(), start=[0.5, 0.5]).train()  # type: ignore[arg-type]
    # a binary sample of loss 1: log(1 + exp(a)) = 1; one of loss 0: far on the right side
    one = math.log(math.e - 1)
    x = torch.tensor([[0.0, one], [40.0, 0.0]])
    loss = GroupDROLoss(2, False, math.log(2), (0.0, 0.0))
    value = loss(network, x, batch([0, 0], [0, 1]), TrainSettings.make())
    np.testing.assert_allclose(network.q, [2 / 3, 1 / 3], rtol=1e-6)
    assert float(value) == pytest.approx(2 / 3, rel=1e-6)
    # a group that is absent keeps its share relative to a group without loss; validation moves nothing
    loss(network, x[1:], batch([0], [1]), TrainSettings.make())
    np.testing.assert_allclose(network.q, [2 / 3, 1 / 3], rtol=1e-6)
    loss(network.eval(), x, batch([0, 0], [0, 1]), TrainSettings.make())
    np.testing.assert_allclose(network.q, [2 / 3, 1 / 3], rtol=1e-6)


def test_step_size_0_is_the_mean_over_groups_and_missing_groups_keep_their_share() -> None:
    network = GroupWeights(_Fixed(), start=[0.5, 0.5]).train()  # type: ignore[arg-type]
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y, group = [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, -1, -1]
    value = GroupDROLoss(2, False, 0.0, (0.0, 0.0))(network, x, batch(y, group), TrainSettings.make())
    each = F.cross_entropy(x, torch.tensor(y), reduction="none")
    wanted = 4 / 6 * (each[:3].mean() + each[3]) / 2 + each[4:].sum() / 6
    torch.testing.assert_close(value, wanted)
    value.backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_the_margin_favours_small_groups_and_empty_cells_have_no_weight(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    network = GroupWeights(_Fixed(), start=[0.5, 0.5]).train()  # type: ignore[arg-type]
    x = torch.zeros(2, 2)
    GroupDROLoss(2, False, 1.0, (0.1, 0.4))(network, x, batch([0, 0], [0, 1]), TrainSettings.make())
    assert float(network.q[1] / network.q[0]) == pytest.approx(math.exp(0.3), rel=1e-5)
    cohort = make_vectors(200)
    keep = ~((cohort.group == 1) & (cohort.y == 0))
    split = split_cohort(cohort.where(keep))
    model = GroupDRO(over="cell", adjustment=1.0).fit(split.train, split.validation, settings=vector_settings)
    assert np.isfinite(model.predict_proba(split.test)).all()


def test_one_group_is_erm(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> None:
    split = split_cohort(make_vectors(120, groups=1))
    erm = ERM().fit(split.train, split.validation, settings=vector_settings).predict_proba(split.test)
    one = GroupDRO(balanced_batches=False).fit(split.train, split.validation, settings=vector_settings)
    np.testing.assert_allclose(one.predict_proba(split.test), erm, atol=1e-6)
    heads = DomainIndependent().fit(split.train, split.validation, settings=vector_settings)
    np.testing.assert_allclose(heads.predict_proba(split.test), erm, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"over": "label"}, {"step_size": -1}, {"adjustment": math.nan}])
def test_group_dro_refuses_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        GroupDRO(**wrong)  # type: ignore[arg-type]


# ---- stratified ERM -----------------------------------------------------------------------------------------------


def test_a_small_group_makes_fewer_updates_unless_the_number_of_updates_is_given(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    cohort = make_vectors(300)
    split = split_cohort(cohort.where((cohort.group == 0) | (np.arange(300) % 4 == 0)))
    by_epochs = TrainSettings.make({**vector_settings.model_dump(), "updates": None, "epochs": 4, "batch_size": 8})

    def score(method: type[GroupModel], settings: TrainSettings) -> np.ndarray:
        return method().fit(split.train, split.validation, settings=settings).predict_proba(split.test)

    assert not np.array_equal(score(StratifiedERM, by_epochs), score(GroupModel, by_epochs))
    same = vector_settings.but(selection="last")
    np.testing.assert_array_equal(score(StratifiedERM, same), score(GroupModel, same))


# ---- domain-independent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [False, True])
def test_heads_and_rules(image: bool) -> None:
    plain = base(3, image=image)
    n_plain = sum(p.numel() for p in plain.parameters())
    n_head = sum(p.numel() for p in plain.head.parameters())
    network = DomainHeads(copy.deepcopy(plain), n_groups=2)
    with torch.no_grad():
        network.weight.add_(torch.randn_like(network.weight))
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trainable == n_plain + n_head  # trunk + G (q + 1) K
    x = torch.rand(5, 3, 8, 8) if image else torch.randn(5, 4)
    z = network.eval().heads(x)
    torch.testing.assert_close(network(x), z.sum(1))
    torch.testing.assert_close(network.answering(None).eval()(x), z.sum(1), rtol=1e-5, atol=1e-5)
    known = network.but(rule="known")
    group = torch.tensor([0, 1, 0, 1, -1])
    torch.testing.assert_close(known(x, group)[:4], z[torch.arange(4), group[:4]])
    torch.testing.assert_close(known.answering(1).eval()(x), z[:, 1], rtol=1e-5, atol=1e-5)
    likely = network.but(rule="sum_probabilities")(x)
    torch.testing.assert_close(likely.exp(), z.softmax(-1).sum(1))
    torch.testing.assert_close(network.but(rule="max")(x), z.amax(1))


def test_only_the_own_head_learns() -> None:
    network = DomainHeads(base(), n_groups=2).train()
    F.cross_entropy(network(torch.randn(6, 4), torch.ones(6, dtype=torch.long)), torch.ones(6).long()).backward()
    assert network.weight.grad[0].abs().sum() == 0
    assert network.weight.grad[1].abs().sum() > 0
    assert all(p.grad is None for p in network.base.head.parameters())
    assert all(p.grad.abs().sum() > 0 for p in network.base.body.trunk.parameters())
    with pytest.raises(ValueError, match="group"):
        network(torch.randn(2, 4))


def test_every_rule_is_saved_and_read_back(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    split = split_cohort(make_vectors(missing=10))
    answers = {}
    for rule in ("sum_logits", "known", "sum_probabilities", "max"):
        model = DomainIndependent(rule=rule).fit(split.train, split.validation, settings=vector_settings)
        answers[rule] = model.predict_proba(split.test)
        folder = tmp_path_factory.mktemp(rule)
        model.save(folder)
        np.testing.assert_array_equal(RoutedModel.load(folder).predict_proba(split.test), answers[rule])
    assert not np.allclose(answers["known"], answers["sum_logits"])
    with pytest.raises(SettingsError, match="rule"):
        DomainIndependent(rule="mean")


def test_predicting_a_network_that_takes_groups_passes_them(make_vectors: Callable[..., Cohort]) -> None:
    cohort = make_vectors(20)
    network = DomainHeads(base(), n_groups=2, rule="known")
    with torch.no_grad():
        network.bias[1] += 5
    z = network.eval().heads(torch.from_numpy(cohort.batch(slice(None))))
    torch.testing.assert_close(predict_logits(network, cohort), z[torch.arange(20), torch.from_numpy(cohort.group)])


@pytest.mark.parametrize("name", ["apple", "domain_independent", "multitask"])
def test_a_group_without_training_samples_is_refused(
    name: str, make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(200))
    train = split.train.where(split.train.group == 0)
    with pytest.raises(TrainingError, match="Group g1 has no training samples"):
        create_method(name).fit(train, split.validation, settings=vector_settings)


def test_the_store_knows_a_network_by_its_content(two: Split, vector_settings: TrainSettings, tmp_path: Path) -> None:
    task = Task.diagnosis("one name", two.train, two.validation)
    settings = vector_settings.but(updates=5)
    Store(tmp_path).network(task, settings, n_budget=len(two.train))
    Store(tmp_path).network(dataclasses.replace(task, name="another"), settings, n_budget=len(two.train))
    assert [p.name.split("-")[0] for p in (tmp_path / "networks").iterdir()] == ["one_name"]
