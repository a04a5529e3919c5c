"""The same small benchmark in one process, in two with one killed in mid-run, and on Ray's two-node local cluster.

All must leave the same bytes. Ray is an extra: pip install 'everygroup[ray]'; Dask and Slurm are tried where asked for.

Run: python benchmarks/fan_out.py --clusters local ray --write
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import describe_machine, write_result

from everygroup.benchmark.recipe import Recipe, build_recipe
from everygroup.benchmark.study import run_study
from everygroup.files import read_json

OPTIONS: dict[str, dict[str, Any]] = {
    "local": {},
    "ray": {},
    "dask": {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None},
    "slurm": {"executor": "local", "timeout_min": 10},
}


def recipe(updates: int, seeds: int) -> Recipe:
    """A linear network on the toy: the work is in starting, stopping and sharing."""
    values = {
        "title": "fan-out",
        "cohorts": [{"name": "toy", "source": "toy", "n": 600}],
        "methods": ["erm", "group_model", "multitask", "spare"],
        "backbones": "linear",
        "seeds": list(range(seeds)),
        "settings": {"updates": updates, "batch_size": 8, "lr": 0.01, "augment": "none", "device": "cpu"}
        | {"optimiser": "adamw"},
    }
    return build_recipe(values, where="benchmarks/fan_out.py")


def digest(out: Path) -> str:
    """Hash of all predictions and metrics."""
    found = hashlib.blake2b(digest_size=6)
    for name in ("predictions.csv", "metrics.csv"):
        for path in sorted(out.glob(f"jobs/*/{name}")):
            found.update(path.parent.name.encode() + path.read_bytes())
    return found.hexdigest()


@contextmanager
def killing(out: Path, kills: int) -> Iterator[list[int]]:
    """Kill the processes of running jobs, one after the other, once a job has finished."""
    killed: list[int] = []
    over = threading.Event()

    def hunt() -> None:
        while len(killed) < kills and not over.is_set():
            time.sleep(0.05)
            running = sorted(out.glob("jobs/*/running.json"))
            if not running or not list(out.glob("jobs/*/done")):
                continue
            time.sleep(0.2)  # let it get into its training
            try:
                process = int(read_json(running[0])["process"])
            except (OSError, ValueError):
                continue  # it has finished meanwhile
            if process not in (os.getpid(), *killed):
                os.kill(process, signal.SIGKILL)
                killed.append(process)

    hunter = threading.Thread(target=hunt, daemon=True)
    hunter.start()
    try:
        yield killed
    finally:
        over.set()
        hunter.join()


@contextmanager
def cluster_of(name: str) -> Iterator[None]:
    """Start Ray's two-node local cluster, where Ray is asked for."""
    if name != "ray":
        yield
        return
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
        nodes.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", nargs="+", default=["local"], choices=list(OPTIONS))
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/results/fan_out.md")
    options = parser.parse_args()
    small = recipe(options.updates, options.seeds)
    work = Path(tempfile.mkdtemp(prefix="everygroup-fan-out-"))
    lines = ["| where | killed | finished | failed | seconds | digest |", "|---|---|---|---|---|---|"]
    digests = []
    try:
        rounds = [("one process", "local", 1, 0)]
        rounds += [(f"{name}, two at once", name, 2, k) for name in options.clusters for k in {0, options.kills}]
        for words, name, n_jobs, kills in rounds:
            out = work / f"{name}-{n_jobs}-{kills}"
            with cluster_of(name):
                started = time.perf_counter()
                with killing(out, kills) as killed:
                    study = run_study(small, out, n_jobs=n_jobs, cluster=name, cluster_options=dict(OPTIONS[name]))
                took = time.perf_counter() - started
            digests.append(digest(out))
            there = len(list(out.glob("jobs/*/done")))
            lines.append(f"| {words} | {len(killed)} | {there} | {len(study.failed)} | {took:.0f} | `{digests[-1]}` |")
            print(lines[-1], study.failed or "", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    same = len(set(digests)) == 1
    lines += ["", f"All predictions and metrics byte for byte the same: {'yes' if same else 'NO'}."]
    print(lines[-1])
    if options.write:
        intro = (
            f"{len(small.methods)} methods x {options.seeds} seeds of a linear network on the toy, {options.updates} "
            "updates each; in every second round a process was killed (SIGKILL) while it trained."
        )
        write_result(
            Path("docs/results/fan_out.md"),
            "The same benchmark on other engines",
            [intro, "", *lines, "", describe_machine()],
        )
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
