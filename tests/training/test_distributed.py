"""Two processes train what one does: the same updates, one folder, and no process that outlives another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
WORLD = """
import os, sys
import torch
torch.set_num_threads(1)
os.environ["CI"] = "1"
from everygroup.cohort import split_cohort
from everygroup.datasets import simulated
from everygroup.methods import Lab, Store, create_method
from everygroup.settings import TrainSettings
from everygroup.training.distributed import group_of_processes, rank, share, world
split = split_cohort(simulated.dermatology(240, image_size=16, seed=1).cohort)
settings = TrainSettings.make({"updates": 6, "batch_size": 30, "optimiser": "sgd", "lr": 0.01, "augment": "flip",
                               "device": "cpu", "backbone": "tiny_cnn", **SETTINGS})
"""


def run(body: str, processes: int, *args: str, settings: str = "{}") -> None:
    """Run a script on one or more processes."""
    code = WORLD.replace("SETTINGS", settings) + textwrap.dedent(body)
    script = Path(args[0]) / f"script-{processes}.py"
    script.write_text(code)
    start = [sys.executable] if processes == 1 else [*TORCHRUN, str(processes)]
    done = subprocess.run([*start, str(script), *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


TRAIN = """
with group_of_processes() as me:
    store = Store(sys.argv[1] + "/store-" + str(world())) if me == 0 else Store()
    lab = Lab(split.train, split.validation, settings, store)
    trained = {"erm": lab.erm(), "group_dro": create_method("group_dro").fit(split.train, split.validation,
               settings=settings, store=Store())}
    measured = lab.distances(trained["erm"].network, preset="fast").distance
    if me == 0:
        torch.save({"erm": trained["erm"].network.state_dict(), "distances": torch.from_numpy(measured),
                    "group_dro": trained["group_dro"].networks["pooled"].state_dict(),
                    "log": trained["erm"].log}, sys.argv[1] + f"/{world()}.pt")
"""


def test_two_processes_make_the_updates_of_one(tmp_path: Path) -> None:
    for processes in (1, 2):
        run(TRAIN, processes, str(tmp_path))
    one, two = (torch.load(tmp_path / f"{n}.pt") for n in (1, 2))
    for name in ("erm", "group_dro"):  # batch norm sees the whole batch; a loss that is no mean gets it whole
        for key, value in one[name].items():
            torch.testing.assert_close(two[name][key], value, atol=1e-5, rtol=1e-4, msg=f"{name} {key}")
    np.testing.assert_allclose(two["distances"], one["distances"], rtol=0.02, atol=1e-3)
    for a, b in zip(one["log"], two["log"], strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
        assert a["validation_loss"] == pytest.approx(b["validation_loss"], rel=1e-4)


RESUME = """
from everygroup.training import train_plain
import everygroup.training.loop as loop
def stop(log):
    if len(log) == 2 and "stop" in sys.argv:
        raise KeyboardInterrupt
with group_of_processes() as me:
    from everygroup.training import RunLog
    class Log(RunLog):
        def update(self, records, **more):
            super().update(records, **more)
            stop(records)
    store = Store(sys.argv[1] + "/store", Log()) if me == 0 else Store(None, Log())
    try:
        trained = Lab(split.train, split.validation, settings, store).erm()
    except KeyboardInterrupt:
        trained = None
    if trained is not None and me == 0:
        torch.save(trained.network.state_dict(), sys.argv[1] + "/resumed.pt")
"""


def test_a_training_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    settings = '{"updates": 20}'
    run(TRAIN, 1, str(tmp_path), settings=settings)
    run(RESUME, 2, str(tmp_path), "stop", settings=settings)
    checkpoints = list((tmp_path / "store").rglob("checkpoint.safetensors"))
    assert len(checkpoints) == 1 and load_file(checkpoints[0])
    run(RESUME, 1, str(tmp_path), settings=settings)
    whole, resumed = torch.load(tmp_path / "1.pt")["erm"], torch.load(tmp_path / "resumed.pt")
    for key, value in whole.items():
        torch.testing.assert_close(resumed[key], value, atol=1e-4, rtol=1e-3, msg=key)


HANG = """
import json, time
with group_of_processes() as me:
    open(sys.argv[1] + f"/pid-{me}.json", "w").write(json.dumps(os.getpid()))
    settings = settings.but(updates=None, epochs=100000)
    Lab(split.train, split.validation, settings, Store()).erm()
"""


def test_a_killed_process_ends_the_others(tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text(WORLD.replace("SETTINGS", "{}") + textwrap.dedent(HANG))
    started = subprocess.Popen([*TORCHRUN, "2", str(script), str(tmp_path)], stderr=subprocess.DEVNULL)
    files = [tmp_path / f"pid-{i}.json" for i in (0, 1)]
    deadline = time.monotonic() + 120
    while not all(f.exists() and f.read_text() for f in files) and time.monotonic() < deadline:
        time.sleep(0.2)
    pids = [json.loads(f.read_text()) for f in files]
    time.sleep(2)
    os.kill(pids[1], signal.SIGKILL)
    assert started.wait(timeout=120) != 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
