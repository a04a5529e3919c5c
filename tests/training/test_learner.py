"""Learners with parts of their own: several optimisers, views and pairs, and a kill at any time changes no bit."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.testing as npt
import pytest
import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Learner, Optimisers

from .worlds import KilledError, Noisy, diagnosis, kill_after, learn, same_training, toy

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN = TrainSettings.make({"backbone": "mlp", "batch_size": 16, "augment": "none", "device": "cpu", "lr": 0.02})
WAYS: list[dict[str, Any]] = [
    {},
    {"optimiser": "sgd", "selection": "dto", "clip_norm": None},
    {"optimiser": "sgd", "momentum": 0, "sampler": "replacement", "selection": "loss"},
    {"selection": "last", "clip_norm": 0.1, "schedule": "step"},
]
VIEWS: list[int | Literal["pairs"]] = [1, 2, "pairs"]


def way(seed: int) -> tuple[TrainSettings, int | Literal["pairs"]]:
    return PLAIN.but(epochs=6, seed=seed, **WAYS[seed % len(WAYS)]), VIEWS[seed % len(VIEWS)]


@pytest.mark.parametrize("seed", range(20))
def test_killed_at_any_time_it_goes_on_to_the_same_bits(seed: int, tmp_path: Path) -> None:
    """Killed after a random epoch, then at a random update of a later one; 6 epochs of 3 updates."""
    settings, views = way(seed)
    rng = np.random.default_rng(seed)
    whole = learn(toy(), settings, lambda net: Noisy(net, views))
    epoch = int(rng.integers(1, 5))
    with pytest.raises(KilledError):
        learn(toy(), settings, lambda net: Noisy(net, views), folder=tmp_path, on_epoch=kill_after(epoch))
    left = int(rng.integers(1, 3 * (6 - epoch) + 1))

    class Killed(Noisy):
        def after_update(self, batch: Batch) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KilledError
            super().after_update(batch)

    torch.rand(seed + 1)
    with pytest.raises(KilledError):
        learn(toy(), settings, lambda net: Killed(net, views), folder=tmp_path)
    resumed = learn(toy(), settings, lambda net: Noisy(net, views), folder=tmp_path)
    assert same_training(whole, resumed)
    assert whole.learner.mean.abs().sum() > 0  # type: ignore[operator]


_SCRIPT = """
import os, signal, sys, torch
torch.set_num_threads(1)
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from training.test_learner import way
from training.worlds import Noisy, learn, toy

class Killed(Noisy):
    def after_update(self, batch):
        Killed.left -= 1
        if not Killed.left:
            os.kill(os.getpid(), signal.SIGKILL)
        super().after_update(batch)

Killed.left = int(sys.argv[4])
settings, views = way(int(sys.argv[3]))
learn(toy(), settings, lambda net: Killed(net, views), folder=Path(sys.argv[2]))
"""


@pytest.mark.parametrize(("seed", "updates"), [(2, 8), (5, 13)])
def test_a_process_that_was_killed_is_gone_on_with(seed: int, updates: int, tmp_path: Path) -> None:
    arguments = [str(Path(__file__).parents[1]), str(tmp_path), str(seed), str(updates)]
    dead = subprocess.run([sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    assert (tmp_path / "checkpoint.safetensors").exists()
    settings, views = way(seed)
    epochs: list[int] = []
    resumed = learn(
        toy(),
        settings,
        lambda net: Noisy(net, views),
        folder=tmp_path,
        on_epoch=lambda log: epochs.append(len(log)),
    )
    assert epochs == list(range(1 + (updates - 1) // 3, 7))
    assert same_training(learn(toy(), settings, lambda net: Noisy(net, views)), resumed)


# ---- optimisers ---------------------------------------------------------------------------------------------------


class Apart(Learner):
    """Two numbers a and b, each with an optimiser; both losses depend on both."""

    def __init__(self) -> None:
        super().__init__(nn.Identity())
        self.a, self.b = (nn.Parameter(torch.tensor(v)) for v in (1.0, 2.0))

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.a]}, {"params": [self.b], "optimiser": "other", "lr_scale": 0.1}]


STILL = PLAIN.but(optimiser="sgd", momentum=0, weight_decay=0, clip_norm=None, lr=0.5)


def test_each_loss_moves_its_own_parameters_and_all_gradients_come_before_any_step() -> None:
    learner = Apart()
    optimisers = Optimisers(learner, STILL)
    optimisers.set_rate(0.5)
    product = learner.a * learner.b
    learner.update({"main": product, "other": product**2}, optimisers)
    # d(ab)/da = 2; d(ab)^2/db = 2 a^2 b = 4 with the a from before the step
    assert learner.a.item() == pytest.approx(1 - 0.5 * 2)
    assert learner.b.item() == pytest.approx(2 - 0.05 * 4)
    assert list(optimisers) == ["main", "other"]
    assert [p is learner.b for p in optimisers.parameters("other")] == [True]


def test_a_single_loss_moves_the_main_parameters_alone() -> None:
    learner = Apart()
    optimisers = Optimisers(learner, STILL)
    optimisers.set_rate(0.5)
    learner.update(learner.a * learner.b, optimisers)
    assert (learner.a.item(), learner.b.item()) == (0.0, 2.0)
    optimisers.step(learner.b**2, "other")
    assert learner.b.item() == pytest.approx(2 - 0.05 * 4)


def test_norms_are_clipped_for_each_optimiser_by_itself() -> None:
    learner = Apart()
    optimisers = Optimisers(learner, STILL.but(clip_norm=1.0))
    optimisers.set_rate(1.0)
    learner.update({"main": 100 * learner.a, "other": 0.5 * learner.b}, optimisers)
    assert learner.a.item() == pytest.approx(0.0, abs=1e-6)
    assert learner.b.item() == pytest.approx(2 - 0.1 * 0.5)


def test_an_optimiser_that_is_not_there_is_told() -> None:
    optimisers = Optimisers(Apart(), STILL)
    with pytest.raises(SettingsError, match="Apart has no optimiser 'critic'") as caught:
        optimisers.step({"critic": torch.zeros((), requires_grad=True)})
    assert "main, other" in caught.value.fix


def test_the_log_tells_the_first_loss_of_several() -> None:
    class Two(Apart):
        def loss(self, x: torch.Tensor, batch: Batch) -> Any:
            return {"main": self.a * 0 + 3, "other": self.b * 0 + 7}

        def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
            return x[:, :2]

    result = learn(toy(), STILL.but(epochs=1), lambda net: Two())
    assert result.log[0]["train_loss"] == pytest.approx(3)


def test_optimisers_may_alternate() -> None:
    class Every(Apart):
        made = 0

        def update(self, loss: Any, optimisers: Optimisers) -> None:
            self.made += 1
            optimisers.step(loss, "other" if self.made % 3 else "main")

    learner = Every()
    optimisers = Optimisers(learner, STILL)
    optimisers.set_rate(1.0)
    moved = []
    for _ in range(6):
        before = learner.a.item(), learner.b.item()
        learner.update(learner.a + learner.b, optimisers)
        moved.append((learner.a.item() != before[0], learner.b.item() != before[1]))
    assert moved == [(False, True), (False, True), (True, False)] * 2


# ---- views --------------------------------------------------------------------------------------------------------


class Watching(Learner):
    """Keeps what it sees; learns from the first view."""

    def __init__(self, net: nn.Module, views: int | Literal["pairs"], seen: list[tuple[torch.Tensor, Batch]]) -> None:
        super().__init__(net)
        self.views, self.seen = views, seen

    def partners(self, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (index + rng.integers(1, 40)) % 40

    def loss(self, x: torch.Tensor, batch: Batch) -> Any:
        self.seen.append((x.clone(), batch))
        return batch.loss(self.net(x if self.views == 1 else x[0]))


def watch(views: int | Literal["pairs"], cohort: Cohort, **changes: Any) -> list[tuple[torch.Tensor, Batch]]:
    seen: list[tuple[torch.Tensor, Batch]] = []
    task = diagnosis(cohort, cohort.where(range(12)))
    learn(task, PLAIN.but(backbone="auto", updates=5, **changes), lambda net: Watching(net, views, seen))
    return seen


def test_views_are_the_same_images_augmented_anew(tiny_cohort: Callable[..., Cohort]) -> None:
    cohort = tiny_cohort(40)
    (one, _), *_ = watch(1, cohort, augment="strong")
    seen = watch(3, cohort, augment="strong")
    assert len(seen) == 5
    assert all(x.shape == (3, 16, 3, 8, 8) and batch.partner is None for x, batch in seen)
    assert torch.equal(seen[0][0][0], one)
    for x, _ in seen:
        assert not torch.equal(x[0], x[1]) and not torch.equal(x[1], x[2])
    for x, batch in watch(2, cohort):
        stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(batch.index))).permute(0, 3, 1, 2) / 255
        torch.testing.assert_close(x[0], stored)
        assert torch.equal(x[0], x[1])


def test_pairs_are_the_partners_images(tiny_cohort: Callable[..., Cohort]) -> None:
    cohort = tiny_cohort(40)
    seen, again = watch("pairs", cohort), watch("pairs", cohort)
    shifts = set()
    for (x, batch), (_, same) in zip(seen, again, strict=True):
        assert batch.partner is not None and same.partner is not None
        npt.assert_array_equal(batch.partner, same.partner)
        stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(batch.partner))).permute(0, 3, 1, 2) / 255
        torch.testing.assert_close(x[1], stored)
        shifts |= set((batch.partner - batch.index) % 40)
    assert len(shifts) > 1  # each update draws its own
    npt.assert_array_equal(seen[0][1].index, watch(1, cohort)[0][1].index)


def test_pairs_of_a_learner_that_does_not_say_which() -> None:
    class Alone(Learner):
        views = "pairs"

    with pytest.raises(NotImplementedError, match="Alone asks for pairs"):
        learn(toy(), PLAIN, Alone)


def test_what_a_loss_notes_is_taken_over_after_the_update() -> None:
    order: list[str] = []

    class Ordered(Learner):
        def before_update(self, batch: Batch) -> None:
            assert not batch.notes
            order.append("before")

        def loss(self, x: torch.Tensor, batch: Batch) -> Any:
            batch.notes["weight"] = self.net.body.head.weight.detach().clone()  # type: ignore[union-attr, operator]
            order.append("loss")
            return super().loss(x, batch)

        def after_update(self, batch: Batch) -> None:
            assert not torch.equal(batch.notes["weight"], self.net.body.head.weight)  # type: ignore[union-attr, arg-type]
            order.append("after")

    learn(toy(), PLAIN.but(updates=2), Ordered)
    assert order == ["before", "loss", "after"] * 2
