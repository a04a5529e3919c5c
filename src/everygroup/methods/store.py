"""The store of what is costly and shared: trained networks and boundary distances, by content."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from everygroup.boundary import Distances, boundary_distances
from everygroup.cohort import Cohort
from everygroup.settings import TrainSettings
from everygroup.training import Learner, RunLog, Task, Trained, train, train_heads
from everygroup.training.checkpoint import StateDict, load_network, save_network
from everygroup.training.distributed import gathered, share, world


class Store:
    """Trains a network or measures distances only if the same was not done before.

    Parameters
    ----------
    folder : Path, optional
        Where results and checkpoints are kept; without it only this object remembers them.
    log : RunLog, optional
        Takes the log of every network.
    """

    def __init__(self, folder: Path | str | None = None, log: RunLog | None = None) -> None:
        self.folder = Path(folder) if folder is not None else None
        self.log = log or RunLog()
        self._trained: dict[str, Trained] = {}

    def network(
        self, task: Task, settings: TrainSettings, build: Callable[[], Learner], key: str, *, n_budget: int
    ) -> Trained:
        """Return the learner of a task, trained now, earlier, or from where a killed run stopped.

        Parameters are those of `everygroup.training.train`; `n_budget` is the size of the whole training cohort.
        """
        if key not in self._trained:
            folder = None if self.folder is None else _folder_of(self.folder / "networks", task.name, key)
            self._trained[key] = train(
                task, settings, build, key, folder=folder, n_budget=n_budget, on_epoch=self.log.update
            )
        trained = self._trained[key]
        self.log.update([{**r, "model": task.name} for r in trained.log], selected_epoch=trained.selected_epoch)
        return trained

    def heads(
        self,
        task: Task,
        settings: TrainSettings,
        build: Callable[[], Learner],
        key: str,
        *,
        candidates: Mapping[str, np.ndarray] | None = None,
    ) -> Trained:
        """Return a linear head, solved now or earlier; see `everygroup.training.train_heads`."""
        if key not in self._trained:
            folder = None if self.folder is None else _folder_of(self.folder / "networks", task.name, key)
            self._trained[key] = train_heads(task, settings, build, key, candidates=candidates, folder=folder)
        trained = self._trained[key]
        self.log.update([{**r, "model": task.name} for r in trained.log], selected_epoch=trained.selected_epoch)
        return trained

    def tensors(self, key: str, make: Callable[[], StateDict]) -> StateDict:
        """Return what `make` computes, or what it computed earlier under the same key."""
        if self.folder is None:
            return make()
        path = self.folder / "tensors" / f"{key}.safetensors"
        if path.exists():
            return load_network(path)[0]
        found = make()
        save_network(path, found, {})
        return found

    def distances(self, network: nn.Module, cohort: Cohort, **options: Any) -> Distances:
        """Return boundary distances of a cohort; see `everygroup.boundary.boundary_distances`."""
        cache = self.folder / "distances" if self.folder is not None else None
        if world() == 1:
            return boundary_distances(network, cohort, cache=cache, **options)
        part = cohort.where(np.arange(len(cohort))[share(len(cohort))])
        return Distances.joined(gathered(boundary_distances(network, part, cache=cache, **options)))


def _folder_of(root: Path, name: str, key: str) -> Path:
    """Return where the network of a key lies or will lie: content decides, whatever it was called when it was made."""
    found = sorted(root.glob(f"*-{key[:12]}"))
    return found[0] if found else root / f"{_slug(name)}-{key[:12]}"


def _slug(name: str) -> str:
    """Turn a name such as 'group_model[<=55]' into one that any file system takes."""
    words = name.replace("<=", "le").replace(">", "gt").replace("&", "and")
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words).strip("_")[:60]
