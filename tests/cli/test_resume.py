"""A run is killed with signal 9, its folder and its data move, and it ends as if nothing had happened."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

Run = Callable[..., tuple[int, str]]
OPTIONS = "--label label --group sex --split-by patient_id --image-size 10 --epochs 30 --batch-size 16 --n-boot 10"
OPTIONS += " --method group_model --compare none"


def killed(folder: Path, out: Path) -> None:
    """Start a run and kill it as soon as it has a checkpoint."""
    command = [sys.executable, "-m", "everygroup", "fit", str(folder), "--out", str(out), *OPTIONS.split()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not any(out.rglob("*.safetensors")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert (out / "config.yaml").exists() and not (out / "done").exists()


def test_a_killed_run_goes_on_elsewhere_to_the_same_bits(folder: Path, everygroup: Run, tmp_path: Path) -> None:
    code, output = everygroup("fit", folder, "--out", tmp_path / "whole", *OPTIONS.split())
    assert code == 0, output
    killed(folder, tmp_path / "cut")
    data = shutil.move(folder, tmp_path / "elsewhere" / "cohort")
    run = shutil.move(tmp_path / "cut", tmp_path / "elsewhere" / "run")
    table = pd.read_csv(Path(data) / "metadata.csv")
    table.assign(age=table["age"] + 1).to_csv(Path(data) / "metadata.csv", index=False)  # nothing the run reads
    code, output = everygroup("fit", data, "--out", run, *OPTIONS.split(), "--resume")
    assert code == 0, output
    columns = ["id", "unit", "y_true", "y_pred", "score_ill", "score_well", "split", "route"]
    whole, again = (pd.read_csv(f / "predictions.csv")[columns] for f in (tmp_path / "whole", Path(run)))
    pd.testing.assert_frame_equal(whole, again, check_exact=True)
    networks = [sorted((f / "model").glob("*.safetensors")) for f in (tmp_path / "whole", Path(run))]
    assert len(networks[0]) > 1
    assert [p.read_bytes() for p in networks[0]] == [p.read_bytes() for p in networks[1]]
    before = {p: p.stat().st_mtime_ns for p in Path(run).rglob("*")}
    code, output = everygroup("fit", data, "--out", run, *OPTIONS.split(), "--resume")  # finished, and moved
    assert (code, "is finished" in " ".join(output.split())) == (0, True), output
    assert {p: p.stat().st_mtime_ns for p in Path(run).rglob("*")} == before


def test_other_data_in_the_same_place_is_refused(folder: Path, everygroup: Run, tmp_path: Path) -> None:
    killed(folder, tmp_path / "cut")
    whole = pd.read_csv(folder / "metadata.csv")
    for column, value, told in (
        ("label", "ill", "cohort_hash"),
        ("sex", "f", "cohort_hash"),
        ("patient_id", "patient99", "split_hash"),
    ):
        table = whole.copy()
        table.loc[np.flatnonzero(table[column] != value)[:2], column] = value
        table.to_csv(folder / "metadata.csv", index=False)
        code, output = everygroup("fit", folder, "--out", tmp_path / "cut", *OPTIONS.split(), "--resume")
        assert code == 2 and told in output, output
