"""A benchmark that is killed leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from everygroup.benchmark.recipe import Recipe
from everygroup.settings import write_config

Make = Callable[..., Recipe]
PROC = Path("/proc")


def session(leader: int) -> set[int]:
    """Living processes of the session that a process leads, itself left out."""
    found = set()
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(words[3]) == leader and words[0] != "Z" and int(stat.parent.name) != leader:
            found.add(int(stat.parent.name))
    return found


def within(seconds: float, happened: Callable[[], object]) -> bool:
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(happened())


@pytest.mark.skipif(not PROC.is_dir(), reason="processes are counted in /proc")
def test_no_worker_outlives_a_killed_benchmark(recipe: Make, tmp_path: Path) -> None:
    endless = {"updates": 10**6, "batch_size": 8, "lr": 0.01, "augment": "none", "device": "cpu"}
    path, out = tmp_path / "recipe.yaml", tmp_path / "out"
    write_config(path, recipe(settings=endless).model_dump(mode="json", exclude_none=True))
    command = [sys.executable, "-m", "everygroup", "benchmark", str(path), "--out", str(out), "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ)
    )
    try:
        assert within(120, lambda: len(list(out.glob("jobs/*/running.json"))) == 2 or process.poll() is not None)
        assert len(session(process.pid)) >= 2, "two workers train"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert within(10, lambda: not session(process.pid)), "workers live on"
    finally:
        for left in session(process.pid):
            os.kill(left, signal.SIGKILL)
