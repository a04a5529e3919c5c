"""The training loop: it learns, repeats itself, weighs samples, and leaves torch as it found it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import OutputError, SettingsError, TrainingError
from everygroup.methods.by_group.spare.adapters import Normalised
from everygroup.networks import predict_outputs, rebuild
from everygroup.settings import TrainSettings
from everygroup.targets import Classes
from everygroup.training import SELECTION, Batch, Learner, Task, training_key
from everygroup.training.checkpoint import copy_state
from everygroup.training.loop import weights_and_sampler

from .worlds import diagnosis, learn, same, toy, vectors

pytestmark = pytest.mark.usefixtures("one_thread")

Make = Callable[..., Cohort]
QUICK = TrainSettings.make({"epochs": 3, "batch_size": 16, "lr": 5e-3, "augment": "flip", "device": "cpu"})


@pytest.fixture
def pictures(tiny_cohort: Make) -> Task:
    return diagnosis(tiny_cohort(40), tiny_cohort(16, seed=1), "erm")


@pytest.mark.parametrize("changes", [{}, {"optimiser": "sgd", "lr": 0.05}, {"class_weighting": "balanced"}])
def test_it_learns(pictures: Task, changes: dict[str, Any]) -> None:
    result = learn(pictures, QUICK.but(epochs=8, augment="none", **changes))
    losses = [r["train_loss"] for r in result.log]
    assert losses[-1] < 0.5 * losses[0]
    assert result.log[result.selected_epoch - 1]["validation_accuracy"] == 1
    assert not result.network.training


def test_the_log_tells_every_epoch(pictures: Task) -> None:
    seen: list[int] = []
    result = learn(pictures, QUICK, on_epoch=lambda log: seen.append(len(log)))
    assert seen == [1, 2, 3]
    assert [r["epoch"] for r in result.log] == [1, 2, 3]
    assert [r["updates"] for r in result.log] == [3, 6, 9]
    assert result.updates == 9
    assert {r["model"] for r in result.log} == {"erm"}
    best = max(r["validation_macro_f1"] for r in result.log)
    assert result.log[result.selected_epoch - 1]["validation_macro_f1"] == best


def test_the_chosen_epochs_weights_are_returned(pictures: Task) -> None:
    result = learn(pictures, QUICK.but(selection="loss"))
    logits = predict_outputs(result.network, pictures.validation)
    loss = float(F.cross_entropy(logits, torch.from_numpy(pictures.y_validation)))
    assert loss == pytest.approx(min(r["validation_loss"] for r in result.log), rel=1e-4)


@pytest.mark.parametrize("rule", SELECTION)
def test_every_selection_rule_runs(rule: str) -> None:
    result = learn(toy(), QUICK.but(selection=rule))
    if rule == "last":
        assert result.selected_epoch == 3
    if rule == "loss":
        assert result.selected_epoch == 1 + int(np.argmin([r["validation_loss"] for r in result.log]))


def test_the_seed_decides_everything(pictures: Task) -> None:
    settings = QUICK.but(augment="strong")
    first = learn(pictures, settings)
    torch.rand(7)
    assert same(first, learn(pictures, settings))
    assert not same(first, learn(pictures, settings.but(seed=1)))


@pytest.mark.parametrize("deterministic", [True, False])
def test_torchs_own_state_is_left_alone(deterministic: bool) -> None:
    state = torch.get_rng_state()
    result = learn(toy(), QUICK.but(deterministic=deterministic))
    rebuild(result.network.spec, copy_state(result.network))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("learner", [Learner, Normalised])
def test_equal_weights_give_the_trajectory_of_erm(pictures: Task, learner: type[Learner]) -> None:
    erm = learn(pictures, QUICK)
    weighted = learn(replace(pictures, weights=np.ones(40)), QUICK, learner)
    if learner is Learner:
        assert same(erm, weighted)
    for a, b in zip(erm.log, weighted.log, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
        assert a["validation_loss"] == pytest.approx(b["validation_loss"], rel=1e-3)


def starting_at(value: float, learner: type[Learner] = Learner) -> Callable[[nn.Module], Learner]:
    """Build a linear model with equal weights and no bias."""

    def build(net: nn.Module) -> Learner:
        state = net.state_dict()
        net.load_state_dict({k: torch.full_like(v, value if "weight" in k else 0.0) for k, v in state.items()})
        return learner(net)

    return build


def one_step(weights: np.ndarray | None, learner: type[Learner] = Learner) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a linear model's weight before and after one plain step on the whole training cohort."""
    plain = {"optimiser": "sgd", "momentum": 0, "weight_decay": 0, "clip_norm": None, "warmup": 0, "lr": 0.5}
    settings = QUICK.but(backbone="linear", batch_size=40, updates=1, selection="last", **plain)
    result = learn(toy(weights=weights), settings, starting_at(0.1, learner))
    return torch.full((2, 3), 0.1), result.network.state_dict()["body.head.weight"]


@pytest.mark.parametrize("learner", [Learner, Normalised])
def test_the_gradient_is_weighted(learner: type[Learner]) -> None:
    """One step of a linear model in closed form; samples of weight 0 have no influence."""
    cohort = vectors(40)
    weights = np.where(np.arange(40) < 30, np.linspace(0.2, 1.8, 40), 0.0)
    before, after = one_step(weights, learner)
    x = cohort.images.astype(np.float64)
    logits = x @ before.numpy().astype(np.float64).T
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    total = 40 if learner is Learner else weights.sum()
    gradient = ((p - np.eye(2)[cohort.y]) * weights[:, None]).T @ x / total
    npt.assert_allclose(after.numpy(), before.numpy() - 0.5 * gradient, atol=1e-6)
    assert not torch.equal(one_step(None)[1], after)


def a_batch(y: list[int], weight: list[float], smoothing: float = 0.0) -> Batch:
    return Batch(
        torch.tensor(y),
        torch.tensor(weight),
        torch.zeros(len(y), dtype=torch.long),
        np.arange(len(y)),
        Classes(["c0", "c1"]),
        vectors(len(y)),
        smoothing,
    )


def test_a_batch_of_zero_weights_has_no_loss() -> None:
    loss = Normalised(nn.Linear(3, 2)).loss(torch.randn(2, 3), a_batch([0, 1], [0.0, 0.0]))
    assert loss.item() == 0


def test_clipping_bounds_the_step() -> None:
    settings = QUICK.but(
        backbone="linear", optimiser="sgd", momentum=0, weight_decay=0, lr=1.0, updates=1, warmup=0, selection="last"
    )

    def length(clip: float | None) -> float:
        state = learn(toy(), settings.but(clip_norm=clip), starting_at(0.0)).network.state_dict()
        return float(torch.sqrt(sum((v**2).sum() for v in state.values())))  # type: ignore[arg-type]

    assert length(0.01) == pytest.approx(0.01, rel=1e-3)
    assert length(None) > 0.5
    assert length(1e6) == pytest.approx(length(None))


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_trains_on_a_cpu(pictures: Task, amp: str) -> None:
    result = learn(pictures, QUICK.but(amp=amp, updates=4))
    assert np.isfinite(result.log[-1]["train_loss"])
    assert all(v.dtype != torch.bfloat16 for v in result.network.state_dict().values())


def test_a_loss_that_breaks_down_is_told() -> None:
    class Broken(Learner):
        def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
            return batch.loss(self(x)) * float("nan")

    with pytest.raises(TrainingError, match="toy: the training loss became nan in epoch 1") as caught:
        learn(toy(), QUICK, Broken)
    assert "--lr" in caught.value.fix


def test_a_learner_sees_the_samples_of_its_batch() -> None:
    task = toy(weights=np.linspace(0.1, 2, 40))
    seen: list[np.ndarray] = []

    class Spy(Learner):
        def loss(self, x: torch.Tensor, batch: Batch) -> Any:
            npt.assert_array_equal(x.numpy(), task.train.batch(batch.index))
            npt.assert_array_equal(batch.y.numpy(), task.y_train[batch.index])
            npt.assert_array_equal(batch.group.numpy(), task.train.group[batch.index])
            npt.assert_allclose(batch.weight.numpy(), task.weights[batch.index], rtol=1e-6)  # type: ignore[index]
            npt.assert_array_equal(batch.column("id").astype(str), task.train.ids[batch.index])
            seen.append(batch.index)
            return super().loss(x, batch)

    learn(task, QUICK.but(epochs=2), Spy)
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"class_weighting": "balanced"}, [2 / 3, 2 / 3, 2 / 3, 2]),
        ({"class_weighting": "sqrt"}, None),
    ],
)
def test_class_weights_have_mean_one(changes: dict[str, Any], expected: list[float] | None) -> None:
    cohort = vectors(8).where([0, 2, 4, 1])
    weights, probabilities = weights_and_sampler(diagnosis(cohort, cohort, "t"), QUICK.but(**changes))
    assert probabilities is None
    assert weights.mean() == pytest.approx(1)
    if expected is None:
        assert weights[3] / weights[0] == pytest.approx(3**0.5)
    else:
        assert weights == pytest.approx(expected)


def test_samplers_and_sample_weights_multiply() -> None:
    cohort = vectors(8).where([0, 2, 4, 1])
    task = diagnosis(cohort, cohort, "t", weights=np.array([1.0, 2, 3, 4]))
    weights, probabilities = weights_and_sampler(task, QUICK.but(sampler="class_balanced", class_weighting="balanced"))
    assert weights == pytest.approx(np.array([1, 2, 3, 4]) * [2 / 3, 2 / 3, 2 / 3, 2])
    assert probabilities == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert weights_and_sampler(task, QUICK.but(sampler="replacement"))[1] == pytest.approx([1] * 4)
    own = replace(task, probabilities=np.array([4.0, 3, 2, 1]))
    assert weights_and_sampler(own, QUICK)[1] == pytest.approx([4, 3, 2, 1])
    assert weights_and_sampler(own, QUICK.but(sampler="class_balanced"))[1] == pytest.approx([4 / 3, 1, 2 / 3, 1])


def test_label_smoothing_raises_the_loss_of_sure_answers() -> None:
    network = nn.Linear(2, 2, bias=False)
    network.weight.data = 20 * torch.eye(2)
    outputs = network(torch.tensor([[1.0, 0.0]]))
    assert a_batch([0], [1.0]).loss(outputs).item() == pytest.approx(0, abs=1e-6)
    assert a_batch([0], [1.0], 0.2).loss(outputs).item() == pytest.approx(2, rel=1e-3)


def test_a_small_group_gets_the_updates_of_the_whole_cohort() -> None:
    whole = learn(toy(40), QUICK)
    small = learn(toy(12), QUICK, n_budget=40)
    assert whole.updates == small.updates == 9
    assert [r["updates"] for r in small.log] == [3, 6, 9]
    assert learn(toy(12), QUICK).updates == 3


def test_updates_that_do_not_fill_an_epoch() -> None:
    result = learn(toy(), QUICK.but(updates=5))
    assert [r["updates"] for r in result.log] == [3, 5]
    assert result.log[-1]["train_loss"] > 0


def test_the_key_tells_what_the_result_depends_on(pictures: Task) -> None:
    def key(task: Task = pictures, n: int = 40, made: Any = "erm", **changes: Any) -> str:
        return training_key(task, QUICK.but(**changes), n, made)

    assert key() == key(device="auto") == key(replace(pictures, name="other")) == key(updates=9) == key(n=41)
    different = [
        key(),
        key(seed=1),
        key(lr=0.1),
        key(epochs=9),
        key(n=60),
        key(updates=9, n=60),
        key(replace(pictures, weights=np.ones(40))),
        key(replace(pictures, probabilities=np.ones(40))),
        key(made=["erm", 1]),
        key(made=["erm", 2]),
    ]
    assert len(set(different)) == len(different)


def test_a_finished_training_is_read_back(pictures: Task, tmp_path: Path) -> None:
    first = learn(pictures, QUICK, folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["learner.safetensors"]

    class Never(Learner):
        def loss(self, x: torch.Tensor, batch: Batch) -> Any:
            raise AssertionError("trained again")

    state = torch.get_rng_state()
    again = learn(pictures, QUICK, Never, folder=tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first, again)
    assert not again.network.training
    assert (again.log, again.selected_epoch, again.updates, again.key) == (
        first.log,
        first.selected_epoch,
        first.updates,
        first.key,
    )
    assert again.score == first.score == max(r["validation_macro_f1"] for r in first.log)


def test_a_folder_with_another_training_is_refused(pictures: Task, tmp_path: Path) -> None:
    learn(pictures, QUICK, folder=tmp_path)
    with pytest.raises(OutputError, match="other data or settings") as caught:
        learn(pictures, QUICK.but(seed=5), folder=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_unknown_names_are_told_before_the_training() -> None:
    for changes in ({"selection": "best"}, {"backbone": "resnt18"}, {"device": "gpu"}):
        with pytest.raises(SettingsError):
            learn(toy(), QUICK.but(**changes))


def test_predictions_do_not_depend_on_the_batch_and_keep_the_mode(pictures: Task) -> None:
    network = learn(pictures, QUICK).network.train()
    one = predict_outputs(network, pictures.validation, batch_size=1)
    many = predict_outputs(network, pictures.validation)
    torch.testing.assert_close(one, many, atol=1e-5, rtol=1e-5)
    assert network.training
    assert not many.is_inference()
    assert predict_outputs(network, pictures.validation.where([])).shape == (0, 0)
