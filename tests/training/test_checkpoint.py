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
from everygroup.training import Batch, Task, Trained, train, weighted_cross_entropy
from everygroup.training import checkpoint as module
from everygroup.training.checkpoint import Progress, copy_state, load_checkpoint, load_network, save_checkpoint
from everygroup.training.optimiser import build_optimiser

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = TrainSettings.make({"epochs": 4, "batch_size": 16, "lr": 2e-3, "device": "cpu", "augment": "strong"})
WAYS: list[dict[str, Any]] = [
    {},
    {"optimiser": "sgd", "nesterov": True, "selection": "dto"},
    {"optimiser": "sgd", "momentum": 0, "sampler": "class_balanced", "selection": "last"},
    {"selection": "loss", "class_weighting": "sqrt", "channels_last": False, "amp": "bf16"},
]


class KilledError(Exception):
    pass


@pytest.fixture
def task(tiny_cohort: Callable[..., Cohort]) -> Task:
    return Task.diagnosis("erm", tiny_cohort(40), tiny_cohort(16, seed=1))


def equal(a: Trained, b: Trained) -> bool:
    def rows(trained: Trained) -> list[dict[str, Any]]:
        return [{k: v for k, v in r.items() if k != "seconds"} for r in trained.log]

    first, second = a.network.state_dict(), b.network.state_dict()
    return (
        (a.key, a.selected_epoch, a.updates, rows(a)) == (b.key, b.selected_epoch, b.updates, rows(b))
        and first.keys() == second.keys()
        and all(torch.equal(first[k], second[k]) for k in first)
    )


def kill_after(epochs: int) -> Callable[[list[dict[str, Any]]], None]:
    def on_epoch(log: list[dict[str, Any]]) -> None:
        if len(log) == epochs:
            raise KilledError

    return on_epoch


@pytest.mark.parametrize("changes", WAYS)
def test_a_killed_training_goes_on_to_the_same_result(task: Task, tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = BASE.but(**changes)
    whole = train(task, settings, folder=tmp_path / "whole")
    for epochs in (1, 3):
        with pytest.raises(KilledError):
            train(task, settings, folder=tmp_path / "killed", on_epoch=kill_after(epochs))
        torch.rand(11)
        assert [p.name for p in (tmp_path / "killed").iterdir()] == ["checkpoint.safetensors"]
    resumed = train(task, settings, folder=tmp_path / "killed")
    assert equal(whole, resumed)
    assert equal(whole, train(task, settings))
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["network.safetensors"]


def test_a_training_killed_within_an_epoch(task: Task, tmp_path: Path) -> None:
    calls = 0

    def objective(network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise KilledError
        return weighted_cross_entropy(network, x, batch, settings)

    with pytest.raises(KilledError):
        train(task, BASE, folder=tmp_path, objective=objective)
    resumed = train(task, BASE, folder=tmp_path, objective=objective)
    assert calls == 8 + 6  # epochs of three updates: 1 and 2 were kept, 3 and 4 made anew
    whole = train(task, BASE, objective=objective)
    assert equal(whole, resumed)


def test_a_training_killed_before_its_first_checkpoint(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_file", full)
        with pytest.raises(OutputError, match=r"No space left while writing .*checkpoint"):
            train(task, BASE, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert equal(train(task, BASE, folder=tmp_path), train(task, BASE))


def test_half_a_file_never_appears(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KilledError):
        train(task, BASE, folder=tmp_path, on_epoch=kill_after(1))
    good = (tmp_path / "checkpoint.safetensors").read_bytes()

    def half(tensors: Any, path: Path, **_: Any) -> None:
        Path(path).write_bytes(good[:100])
        raise SafetensorError("Error while serializing: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_file", half)
        with pytest.raises(OutputError, match=r"Cannot write .*No space left"):
            train(task, BASE, folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good
    assert equal(train(task, BASE, folder=tmp_path), train(task, BASE))


def test_a_checkpoint_of_another_training_is_not_gone_on_with(task: Task, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        train(task, BASE, folder=tmp_path, on_epoch=kill_after(1))
    with pytest.raises(OutputError, match="other data or settings"):
        train(task, BASE.but(lr=0.1), folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "network.safetensors"
    if content is None:  # a safetensors file of somebody else
        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(OutputError, match=r"network\.safetensors is damaged or no network"):
        load_network(path)


@pytest.mark.parametrize("changes", [{}, {"optimiser": "sgd"}, {"optimiser": "sgd", "momentum": 0}])
def test_optimiser_states_survive(tmp_path: Path, changes: dict[str, Any]) -> None:
    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        return network, build_optimiser(network, BASE.but(**changes))

    def step(network: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
        optimiser.zero_grad()
        network(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))).square().sum().backward()
        optimiser.step()

    network, optimiser = fresh()
    step(network, optimiser, 0)
    progress = Progress("key", 2, [[0.1, 0.2], [0.3, 0.1]], [{"epoch": 1}, {"epoch": 2}], {1: copy_state(network)})
    save_checkpoint(tmp_path / "c.safetensors", progress, network, optimiser, {"scale": 2.0})
    state = torch.get_rng_state()
    other, other_optimiser = fresh()
    read, scaler = load_checkpoint(tmp_path / "c.safetensors", other, other_optimiser)
    assert torch.equal(torch.get_rng_state(), state)
    assert scaler == {"scale": 2.0}
    assert (read.key, read.epoch, read.history, read.log) == ("key", 2, progress.history, progress.log)
    assert read.candidates.keys() == {1}
    assert all(torch.equal(read.candidates[1][k], v) for k, v in progress.candidates[1].items())
    for seed in (1, 2):
        step(network, optimiser, seed)
        step(other, other_optimiser, seed)
    assert all(torch.equal(a, b) for a, b in zip(copy_state(network).values(), copy_state(other).values(), strict=True))


def test_kept_weights_do_not_move_with_the_network() -> None:
    network = nn.Linear(2, 2)
    kept = copy_state(network)
    before = kept["weight"].clone()
    with torch.no_grad():
        network.weight.add_(1)
    assert torch.equal(kept["weight"], before)
