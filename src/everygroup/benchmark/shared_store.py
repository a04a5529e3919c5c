"""A store that many processes share: each network is trained, and each distance measured, by one of them only."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from torch import nn

from everygroup.boundary import Distances
from everygroup.boundary.chunks import model_hash
from everygroup.cohort import Cohort
from everygroup.files import hash_json, read_json, write_json, write_text
from everygroup.methods import Store
from everygroup.settings import TrainSettings
from everygroup.training import Learner, RunLog, Task, Trained


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Let one process at a time, on this machine, do what follows; the others wait.

    The operating system holds the lock, so that it falls with its process however that dies: a stale lock cannot be.
    The owner's process and machine are written beside it, for people.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        owner = path.with_suffix(".owner")
        write_text(owner, f"process {os.getpid()} on {socket.gethostname()}\n")
        try:
            yield
        finally:
            owner.unlink(missing_ok=True)


class SharedStore(Store):
    """A `Store` in a folder that processes share, which keeps account of what was used.

    Attributes
    ----------
    networks : list of dict
        Every network used, once each: name, key, updates, passes, parameters, seconds of its training (whoever
        trained it), and whether it was there before.
    searches : list of dict
        Every boundary search used: samples, passes, seconds, and whether it was there before.
    waited : float
        Seconds spent waiting for other processes that made what was asked for.
    """

    def __init__(self, folder: Path, log: RunLog | None = None) -> None:
        super().__init__(folder, log)
        self._root = folder
        self.networks: list[dict[str, Any]] = []
        self.searches: list[dict[str, Any]] = []
        self.waited = 0.0

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        started = time.perf_counter()
        with only_one(self._root / "locks" / f"{key}.lock"):
            self.waited += time.perf_counter() - started
            yield

    def network(
        self, task: Task, settings: TrainSettings, build: Callable[[], Learner], key: str, *, n_budget: int
    ) -> Trained:
        """Return the learner of a task; see `Store.network`. Waits while another process trains it."""
        made = self._root / "made" / f"{key}.json"
        with self._alone(key):
            there = made.exists()
            trained = super().network(task, settings, build, key, n_budget=n_budget)
            if not there:
                write_json(made, {"process": os.getpid(), "machine": socket.gethostname()})
        self._note(task, trained, key, settings, there)
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
        """Return a linear head; see `Store.heads`. Nobody waits: solving it twice costs less than a lock."""
        there = key in self._trained
        trained = super().heads(task, settings, build, key, candidates=candidates)
        self._note(task, trained, key, settings, there)
        return trained

    def _note(self, task: Task, trained: Trained, key: str, settings: TrainSettings, there: bool) -> None:
        if key not in [n["key"] for n in self.networks]:
            self.networks.append(
                {
                    "name": task.name,
                    "key": key,
                    "updates": trained.updates,
                    "passes": trained.updates * settings.batch_size,
                    "parameters": sum(p.numel() for p in trained.learner.parameters() if p.requires_grad),
                    "seconds": round(sum(float(r["seconds"]) for r in trained.log), 3),
                    "reused": there,
                }
            )

    def distances(self, network: nn.Module, cohort: Cohort, **options: Any) -> Distances:
        """Return boundary distances; see `Store.distances`. Waits while another process measures them."""
        key = hash_json([model_hash(network), cohort.content_hash, {k: str(v) for k, v in options.items()}])
        made = self._root / "made" / f"{key}.json"
        with self._alone(key):
            there = made.exists()
            started = time.perf_counter()
            found = super().distances(network, cohort, **options)
            if not there:
                write_json(made, {"process": os.getpid(), "seconds": round(time.perf_counter() - started, 3)})
        self.searches.append(
            {
                "samples": len(cohort),
                "gradient_passes": round(found.gradient_passes * len(cohort)),
                "forward_passes": round(found.forward_passes * len(cohort)),
                "seconds": read_json(made)["seconds"],
                "reused": there,
            }
        )
        return found
