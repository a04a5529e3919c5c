"""What a job costs: passes and updates are counted, time and memory are measured."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from everygroup.benchmark.shared_store import SharedStore
from everygroup.files import hash_array
from everygroup.models import RoutedModel


@contextmanager
def measured(device: str) -> Iterator[dict[str, Any]]:
    """Measure wall time and the process's peak memory over the block; fills the mapping it yields at the end.

    On Linux the peak is reset first; elsewhere it is that of the process so far. GPU memory is the allocator's peak.
    """
    import torch

    on_gpu = device.startswith("cuda")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    result: dict[str, Any] = {}
    started, used = time.perf_counter(), time.process_time()
    yield result
    result["wall_seconds"] = round(time.perf_counter() - started, 3)
    result["cpu_seconds"] = round(time.process_time() - used, 3)
    result["peak_memory_mb"] = round(peak_memory() / 2**20, 1)
    result["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1) if on_gpu else None


def peak_memory() -> float:
    """Return the peak resident memory in bytes: since `measured` began where the system can tell. NaN on Windows."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def count(store: SharedStore, model: RoutedModel) -> dict[str, Any]:
    """Count what a job would cost alone: every network and distance it used, whoever made it.

    Returns
    -------
    dict
        networks (each with updates, passes, parameters, seconds), updates and passes in total, distance passes,
        parameters of all networks trained, distinct parameters of those that answer where the group is known (tensors
        that groups share count once), the seconds of the parts that were reused, and those spent waiting for them.
    """
    names = dict.fromkeys(name for own in model.route.values() for name in model.shares(own))
    answering = [model.networks[name] for name in names]
    tensors = {
        (name, hash_array(p.detach().cpu().numpy())): p.numel() for n in answering for name, p in n.named_parameters()
    }
    reused = [part["seconds"] for part in (*store.networks, *store.searches) if part["reused"]]
    return {
        "updates": sum(n["updates"] for n in store.networks),
        "passes": sum(n["passes"] for n in store.networks),
        "distance_gradient_passes": sum(s["gradient_passes"] for s in store.searches),
        "distance_forward_passes": sum(s["forward_passes"] for s in store.searches),
        "networks_trained": len(store.networks),
        "parameters_trained": sum(n["parameters"] for n in store.networks),
        "parameters_answering": sum(tensors.values()),
        "seconds_alone_reused": round(sum(reused), 3),
        "seconds_waited": round(store.waited, 3),
        "networks": store.networks,
        "searches": store.searches,
    }
