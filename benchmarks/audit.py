"""The audit against fairlearn's MetricFrame: the same rows, metrics and bootstrap replicates, time and memory.

`python benchmarks/audit.py` prints the table; `--write` keeps it under docs/results. Every measurement runs in a fresh
process on one core. fairlearn resamples rows one replicate after the other; where all replicates would take long it
is given fewer, and its time is scaled by their number, which is said.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

SIZES = (10_000, 100_000, 1_000_000)
N_BOOT, N_CLASSES, N_GROUPS = 1000, 8, 4
METRICS = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
FAIRLEARN_REPLICATES = {10_000: 40, 100_000: 8, 1_000_000: 2}


def sample(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, answers and groups of n rows: 8 classes, 4 groups of unequal size and accuracy."""
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, N_CLASSES, n), rng.choice(N_GROUPS, n, p=[0.4, 0.3, 0.2, 0.1])
    right = rng.random(n) < 0.8 - 0.05 * group
    return y, np.where(right, y, rng.integers(0, N_CLASSES, n)), group


def peak() -> float:
    """Largest memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage gives includes the parent from before the process was its own
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_ours(n: int) -> dict[str, object]:
    """Time the engine and the whole call."""
    from everygroup.audit import audit_arrays
    from everygroup.audit.engine import Plan, Resampler
    from everygroup.audit.measurement import measure
    from everygroup.audit.partition import Partition
    from everygroup.metrics.classification import Classification

    y, pred, group = sample(n)
    names = [f"c{k}" for k in range(N_CLASSES)]
    small = sample(500)
    audit_arrays(small[0], y_pred=small[1], sensitive_features=small[2], n_boot=20)  # imports
    before, cluster = peak(), np.arange(n)

    def prepared(metrics: tuple[str, ...] | str) -> tuple[Partition, Classification]:
        part = Partition.of("g", [f"g{g}" for g in range(N_GROUPS)], group, cluster, min_n=10)
        return part, Classification(y, pred, names, metrics=metrics)  # type: ignore[arg-type]

    start = time.perf_counter()
    part, family = prepared(METRICS)
    resampler = Resampler([family], part, cluster, Plan(n_boot=N_BOOT))
    point, drawn = resampler.point()[0], resampler.replicates()[0]
    for metric in METRICS:
        np.quantile(drawn.performance[metric], [0.025, 0.975], axis=0)
    replicates = time.perf_counter() - start

    start = time.perf_counter()
    part, family = prepared("all")
    measure([family], part, cluster, Plan(n_boot=N_BOOT), label=y)
    engine = time.perf_counter() - start

    features = np.array([f"g{g}" for g in range(N_GROUPS)])[group]
    start = time.perf_counter()
    audit_arrays(y, y_pred=pred, sensitive_features=features, n_boot=N_BOOT, metrics="all")
    return {
        "replicates": replicates,
        "engine": engine,
        "whole": time.perf_counter() - start,
        "n_metrics": len(family.metrics),
        "memory": peak() - before,
        "values": {m: point.performance[m][0].tolist() for m in METRICS},
    }


def run_fairlearn(n: int) -> dict[str, object]:
    """Time MetricFrame with bootstrap on the same rows and metrics."""
    import warnings

    from fairlearn.metrics import MetricFrame
    from sklearn import metrics as sk

    def macro(function):
        return lambda a, b: function(a, b, average="macro", zero_division=0)

    y, pred, group = sample(n)
    functions = {
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "macro_precision": macro(sk.precision_score),
        "macro_recall": macro(sk.recall_score),
        "macro_f1": macro(sk.f1_score),
    }
    n_boot, before = FAIRLEARN_REPLICATES[n], peak()
    columns = {"metrics": functions, "y_true": y, "y_pred": pred, "sensitive_features": group}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        MetricFrame(**columns)
        alone = time.perf_counter() - start
        start = time.perf_counter()
        frame = MetricFrame(**columns, n_boot=n_boot, ci_quantiles=[0.025, 0.975], random_state=0)
        seconds = time.perf_counter() - start
    values = {m: [*frame.by_group[m].tolist(), float(frame.overall[m])] for m in METRICS}
    return {"alone": alone, "seconds": seconds, "n_boot": n_boot, "memory": peak() - before, "values": values}


def in_process(what: str, n: int) -> dict[str, object]:
    """Run one measurement in a fresh process on one core."""
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, "--measure", what, str(n)],
        check=True, capture_output=True, text=True, env={**os.environ, **one_core},
    )  # fmt: skip
    return json.loads(done.stdout)


def measured(n: int) -> dict[str, object]:
    """One row of the table."""
    ours, theirs = in_process("ours", n), in_process("fairlearn", n)
    gap = max(np.abs(np.subtract(ours["values"][m], theirs["values"][m])).max() for m in METRICS)  # type: ignore[index]
    if gap > 1e-12:
        raise SystemExit(f"values differ by {gap} at n = {n}")
    # the frame without bootstrap is paid once
    scaled = theirs["alone"] + (theirs["seconds"] - theirs["alone"]) * N_BOOT / theirs["n_boot"]  # type: ignore[operator]
    return {
        "rows": n,
        "fairlearn_replicates": theirs["n_boot"],
        "fairlearn_measured_s": theirs["seconds"],
        "fairlearn_scaled_s": scaled,
        "replicates_s": ours["replicates"],
        "times_faster": scaled / ours["replicates"],  # type: ignore[operator]
        "engine_all_s": ours["engine"],
        "whole_call_s": ours["whole"],
        "n_metrics": ours["n_metrics"],
        "memory_mib": ours["memory"],
        "fairlearn_memory_mib": theirs["memory"],
        "largest_difference": gap,
    }


def page(table: pd.DataFrame, machine: str) -> list[str]:
    """The results as Markdown."""
    lines = [
        f"{N_CLASSES} classes, {N_GROUPS} groups, {N_BOOT:,} bootstrap replicates stratified by group, on one core; "
        f"{', '.join(METRICS)} for every group and overall, with 95 % percentile intervals.",
        "",
        "| rows | fairlearn, s | everygroup, s | times faster | memory added, MiB: fairlearn | everygroup |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in table.itertuples():
        lines.append(
            f"| {row.rows:,} | {row.fairlearn_scaled_s:,.1f} ({row.fairlearn_replicates} replicates: "
            f"{row.fairlearn_measured_s:.1f}) | {row.replicates_s:.3f} | {row.times_faster:,.0f} | "
            f"{row.fairlearn_memory_mib:.0f} | {row.memory_mib:.0f} |"
        )
    lines += [
        "",
        "fairlearn was given the number of replicates in brackets, and its time for them is scaled to all of them. The "
        f"values of the metrics agree to {max(table['largest_difference'].max(), 1e-16):.0e}.",
        "",
        f"All {table['n_metrics'].iloc[0]} metrics of counts (every rate of every class), with Wilson, BCa and "
        "simultaneous intervals, jackknife, and the permutation nulls of all gaps:",
        "",
        "| rows | engine, s | whole call from arrays to tables, s |",
        "|---:|---:|---:|",
        *(f"| {row.rows:,} | {row.engine_all_s:.2f} | {row.whole_call_s:.2f} |" for row in table.itertuples()),
        "",
        "Rows with the same label, answer and group are one kind, and the bootstrap draws how often each kind occurs. "
        "The cost of a replicate does not depend on the number of rows; what grows is counting them once. The memory "
        "is what the whole call with all metrics adds to the imports.",
        "",
        machine,
    ]
    return lines


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/results/audit-speed.md and .csv")
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), choices=SIZES)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "N"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        what, n = given.measure
        print(json.dumps({"ours": run_ours, "fairlearn": run_fairlearn}[what](int(n))))
        return
    from common import ROOT, describe_machine, write_result

    from everygroup.files import safe_csv

    table = pd.DataFrame([measured(n) for n in given.sizes])
    lines = page(table, describe_machine())
    print("\n".join(lines))
    if given.write:
        write_result(Path("docs/results/audit-speed.md"), "Speed of the audit", lines)
        safe_csv(table, ROOT / "docs/results/audit-speed.csv")


if __name__ == "__main__":
    main()
