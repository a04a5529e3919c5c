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


def save_checkpoint(
    path: Path, progress: Progress, network: nn.Module, optimiser: torch.optim.Optimizer, scaler: dict[str, Any]
) -> None:
    """Write network, optimiser, loss scaler, random state, log and candidate epochs.

    The schedule is a function of the update, batches and augmentation of (seed, update) and (seed, epoch); torch's
    random state is kept as well, for networks that draw outside these.
    """
    state = optimiser.state_dict()
    tensors = {f"network/{k}": v for k, v in copy_state(network).items()}
    for i, entry in state["state"].items():
        tensors.update({f"optimiser/{i}/{k}": v.detach().cpu().contiguous() for k, v in entry.items() if v is not None})
    for epoch, candidate in progress.candidates.items():
        tensors.update({f"candidate/{epoch}/{k}": v for k, v in candidate.items()})
    tensors["random_state"] = torch.get_rng_state()
    header = {
        "key": progress.key,
        "epoch": progress.epoch,
        "history": progress.history,
        "log": progress.log,
        "param_groups": state["param_groups"],
        "scaler": scaler,
    }
    save_network(path, tensors, header)


def load_checkpoint(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Any]]:
    """Restore what `save_checkpoint` wrote; returns the progress and the loss scaler's state."""
    tensors, header = load_network(path)
    network.load_state_dict(_under(tensors, "network/"))
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _under(tensors, "optimiser/").items():
        index, key = name.split("/", 1)
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": header["param_groups"]})
    torch.set_rng_state(tensors["random_state"])
    candidates: dict[int, StateDict] = {}
    for name, value in _under(tensors, "candidate/").items():
        epoch, key = name.split("/", 1)
        candidates.setdefault(int(epoch), {})[key] = value
    progress = Progress(header["key"], header["epoch"], header["history"], header["log"], candidates)
    return progress, header["scaler"]


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
