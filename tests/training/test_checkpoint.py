"""A killed training goes on to bit-identical results; no reader ever meets half a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import OutputError
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Learner, Optimisers, Task
from everygroup.training import checkpoint as module
from everygroup.training.checkpoint import Progress, copy_state, load_network, restore, save_checkpoint

from .worlds import KilledError, diagnosis, kill_after, learn, same_training

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = TrainSettings.make({"epochs": 4, "batch_size": 16, "lr": 2e-3, "device": "cpu", "augment": "strong"})
WAYS: list[dict[str, Any]] = [
    {},
    {"optimiser": "sgd", "nesterov": True, "selection": "dto"},
    {"optimiser": "sgd", "momentum": 0, "sampler": "class_balanced", "selection": "last"},
    {"selection": "loss", "class_weighting": "sqrt", "channels_last": False, "amp": "bf16"},
]


@pytest.fixture
def task(tiny_cohort: Callable[..., Cohort]) -> Task:
    return diagnosis(tiny_cohort(40), tiny_cohort(16, seed=1), "erm")


@pytest.mark.parametrize("changes", WAYS)
def test_a_killed_training_goes_on_to_the_same_result(task: Task, tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = BASE.but(**changes)
    whole = learn(task, settings, folder=tmp_path / "whole")
    for epochs in (1, 3):
        with pytest.raises(KilledError):
            learn(task, settings, folder=tmp_path / "killed", on_epoch=kill_after(epochs))
        torch.rand(11)
        assert [p.name for p in (tmp_path / "killed").iterdir()] == ["checkpoint.safetensors"]
    resumed = learn(task, settings, folder=tmp_path / "killed")
    assert same_training(whole, resumed)
    assert same_training(whole, learn(task, settings))
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["learner.safetensors"]


def test_a_training_killed_within_an_epoch(task: Task, tmp_path: Path) -> None:
    calls = 0

    class Killed(Learner):
        def loss(self, x: torch.Tensor, batch: Batch) -> Any:
            nonlocal calls
            calls += 1
            if calls == 8:
                raise KilledError
            return super().loss(x, batch)

    with pytest.raises(KilledError):
        learn(task, BASE, Killed, folder=tmp_path)
    resumed = learn(task, BASE, Killed, folder=tmp_path)
    assert calls == 8 + 6  # epochs of three updates: 1 and 2 were kept, 3 and 4 made anew
    assert same_training(learn(task, BASE, Killed), resumed)


def test_a_training_killed_before_its_first_checkpoint(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_file", full)
        with pytest.raises(OutputError, match=r"No space left while writing .*checkpoint"):
            learn(task, BASE, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert same_training(learn(task, BASE, folder=tmp_path), learn(task, BASE))


def test_half_a_file_never_appears(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KilledError):
        learn(task, BASE, folder=tmp_path, on_epoch=kill_after(1))
    good = (tmp_path / "checkpoint.safetensors").read_bytes()

    def half(tensors: Any, path: Path, **_: Any) -> None:
        Path(path).write_bytes(good[:100])
        raise SafetensorError("Error while serializing: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_file", half)
        with pytest.raises(OutputError, match=r"Cannot write .*No space left"):
            learn(task, BASE, folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good
    assert same_training(learn(task, BASE, folder=tmp_path), learn(task, BASE))


def test_a_checkpoint_of_another_training_is_not_gone_on_with(task: Task, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        learn(task, BASE, folder=tmp_path, on_epoch=kill_after(1))
    with pytest.raises(OutputError, match="other data or settings"):
        learn(task, BASE.but(lr=0.1), folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "network.safetensors"
    if content is None:  # a safetensors file of somebody else
        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(OutputError, match=r"network\.safetensors is damaged or no network"):
        load_network(path)


@pytest.mark.parametrize("scaled", ["", "cpu"])
@pytest.mark.parametrize("changes", [{}, {"optimiser": "sgd"}, {"optimiser": "sgd", "momentum": 0}])
def test_optimiser_states_survive(tmp_path: Path, changes: dict[str, Any], scaled: str) -> None:
    def fresh() -> tuple[Learner, Optimisers]:
        learner = Learner(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
        return learner, Optimisers(learner, BASE.but(**changes), scaled=scaled)

    def step(learner: Learner, optimisers: Optimisers, seed: int) -> None:
        optimisers.step(learner.net(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))).square().sum())

    learner, optimisers = fresh()
    step(learner, optimisers, 0)
    progress = Progress("key", 2, [[0.1, 0.2], [0.3, 0.1]], [{"epoch": 1}, {"epoch": 2}], {1: copy_state(learner)})
    save_checkpoint(tmp_path / "c.safetensors", progress, learner, optimisers)
    state = torch.get_rng_state()
    torch.rand(3)
    other, other_optimisers = fresh()
    assert other_optimisers.scaler.state_dict() != optimisers.scaler.state_dict() or not scaled
    read = restore(*load_network(tmp_path / "c.safetensors"), other, other_optimisers)
    assert torch.equal(torch.get_rng_state(), state)
    assert (read.key, read.epoch, read.history, read.log) == ("key", 2, progress.history, progress.log)
    assert other_optimisers.scaler.state_dict() == optimisers.scaler.state_dict()
    assert read.candidates.keys() == {1}
    assert all(torch.equal(read.candidates[1][k], v) for k, v in progress.candidates[1].items())
    for seed in (1, 2):
        step(learner, optimisers, seed)
        step(other, other_optimisers, seed)
    assert all(torch.equal(a, b) for a, b in zip(copy_state(learner).values(), copy_state(other).values(), strict=True))


def test_kept_weights_do_not_move_with_the_network() -> None:
    network = nn.Linear(2, 2)
    kept = copy_state(network)
    before = kept["weight"].clone()
    with torch.no_grad():
        network.weight.add_(1)
    assert torch.equal(kept["weight"], before)
