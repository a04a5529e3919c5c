"""Checkpoints: everything a run needs to go on, in one safetensors file written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from everygroup.errors import OutputError
from everygroup.files import atomic_path
from everygroup.training.optimiser import Optimisers

StateDict = dict[str, torch.Tensor]


@dataclass
class Progress:
    """Where a training run stands.

    Attributes
    ----------
    key : str
        Content hash of the training; a checkpoint of another one is not gone on with.
    epoch : int
        Epochs done.
    history : list of list of float
        The selection rule's values of every epoch.
    log : list of dict
        One record an epoch.
    candidates : dict of int to state dict
        Weights of the epochs that can still be chosen.
    """

    key: str
    epoch: int = 0
    history: list[list[float]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    candidates: dict[int, StateDict] = field(default_factory=dict)


def copy_state(network: nn.Module) -> StateDict:
    """Return a copy of a network's weights on the CPU."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}


def save_checkpoint(path: Path, progress: Progress, learner: nn.Module, optimisers: Optimisers) -> None:
    """Write learner, optimisers, loss scaler, random state, log and candidate epochs.

    The schedule is a function of the update, batches and augmentation of (seed, update) and (seed, epoch); torch's
    random state is kept as well, for learners that draw outside these.
    """
    states = optimisers.state()
    tensors = {f"learner/{k}": v for k, v in copy_state(learner).items()}
    for name, state in states.items():
        for i, entry in state["state"].items():
            values = {k: v.detach().cpu().contiguous() for k, v in entry.items() if v is not None}
            tensors.update({f"optimiser/{name}/{i}/{k}": v for k, v in values.items()})
    for epoch, candidate in progress.candidates.items():
        tensors.update({f"candidate/{epoch}/{k}": v for k, v in candidate.items()})
    tensors["random_state"] = torch.get_rng_state()
    header = {
        "key": progress.key,
        "epoch": progress.epoch,
        "history": progress.history,
        "log": progress.log,
        "param_groups": {name: state["param_groups"] for name, state in states.items()},
        "scaler": optimisers.scaler.state_dict(),
    }
    save_network(path, tensors, header)


def restore(tensors: StateDict, header: dict[str, Any], learner: nn.Module, optimisers: Optimisers) -> Progress:
    """Go on from what `save_checkpoint` wrote and `load_network` read; returns the progress."""
    learner.load_state_dict(_under(tensors, "learner/"))
    states: dict[str, dict[str, Any]] = {}
    for name, groups in header["param_groups"].items():
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in _under(tensors, f"optimiser/{name}/").items():
            index, field_name = key.split("/", 1)
            entries.setdefault(int(index), {})[field_name] = value
        states[name] = {"state": entries, "param_groups": groups}
    optimisers.load_state(states)
    optimisers.scaler.load_state_dict(header["scaler"])
    torch.set_rng_state(tensors["random_state"])
    candidates: dict[int, StateDict] = {}
    for name, value in _under(tensors, "candidate/").items():
        epoch, key = name.split("/", 1)
        candidates.setdefault(int(epoch), {})[key] = value
    return Progress(header["key"], header["epoch"], header["history"], header["log"], candidates)


def save_network(path: Path, state: StateDict, header: dict[str, Any]) -> None:
    """Write weights (or other tensors) with a JSON header, atomically."""
    try:
        with atomic_path(path) as temporary:
            save_file(state, temporary, metadata={"everygroup": json.dumps(header)})
    except SafetensorError as error:  # safetensors hides the operating system's error
        raise OutputError(f"Cannot write {path}: {error}.", fix="check the free disk space and resume") from error


def load_network(path: Path) -> tuple[StateDict, dict[str, Any]]:
    """Read weights and header; loading a safetensors file never runs code.

    Raises
    ------
    OutputError
        If the file is damaged or was not written by everygroup.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["everygroup"])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError) as error:
        raise OutputError(f"{path} is damaged or no network of everygroup.", fix="delete it and train again") from error


def _under(tensors: StateDict, prefix: str) -> StateDict:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
