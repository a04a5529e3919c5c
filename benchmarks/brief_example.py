"""The example of the brief: a cohort in which one group's disease is missed more often, and a model that got worse.

    python benchmarks/brief_example.py OUT          # the tables and the commands
    python benchmarks/brief_example.py OUT --audit  # the audit, too
    python benchmarks/brief_example.py OUT --time   # CPU seconds that its pages take, with five attributes

Simulated chest images of 1,400 patients (2,845 rows), a score for pneumothorax, an older model for the same rows, and
a validation file to choose the threshold on. Sensitivity is lower in Black patients, of whom 43 rows have the disease.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

RACES = {"White": 0.62, "Black": 0.16, "Hispanic": 0.13, "Asian": 0.09}
DISEASED = {"White": 169, "Black": 43, "Hispanic": 40, "Asian": 29}
MISSED = {"White": 0.03, "Black": 0.21, "Hispanic": 0.075, "Asian": 0.07}
MISSED_BEFORE = {"White": 0.04, "Black": 0.10, "Hispanic": 0.05, "Asian": 0.05}
MISSED_IN_VALIDATION = {"White": 0.08, "Black": 0.16, "Hispanic": 0.10, "Asian": 0.10}
N_ROWS, N_PATIENTS = 2_845, 1_400


def people(rng: np.random.Generator, n_patients: int, n_rows: int) -> pd.DataFrame:
    """Rows of patients: everybody once, the rest again; sex, age and race do not change between visits."""
    race = rng.choice(list(RACES), n_patients, p=list(RACES.values()))
    table = pd.DataFrame(
        {
            "patient_id": [f"P{i:05d}" for i in range(n_patients)],
            "sex": rng.choice(["female", "male"], n_patients),
            "age": rng.integers(19, 92, n_patients),
            "race": race,
        }
    )
    again = table.sample(n_rows - n_patients, replace=True, random_state=int(rng.integers(1 << 31)))
    rows = pd.concat([table, again], ignore_index=True).sample(frac=1, random_state=int(rng.integers(1 << 31)))
    return rows.reset_index(drop=True)


def diseased(rng: np.random.Generator, rows: pd.DataFrame, counts: dict[str, int]) -> np.ndarray:
    """Who has the disease: exactly so many rows of each race."""
    sick = np.zeros(len(rows), dtype=bool)
    for race, n in counts.items():
        sick[rng.choice(np.flatnonzero(rows["race"] == race), n, replace=False)] = True
    return sick


def scores(rng: np.random.Generator, rows: pd.DataFrame, sick: np.ndarray, missed: dict[str, float]) -> np.ndarray:
    """Scores of which about the wanted share of the diseased lies below 0.5, and one in twelve of the others above."""
    logit = rng.normal(-2.2, 1.55, len(rows))
    for race, share in missed.items():
        own = np.flatnonzero(sick & (rows["race"] == race).to_numpy())
        low = rng.permutation(own)[: round(share * len(own))]
        logit[own] = np.abs(rng.normal(2.2, 1.0, len(own))) + 0.05
        logit[low] = -np.abs(rng.normal(1.4, 0.8, len(low))) - 0.3
    return 1 / (1 + np.exp(-logit))


def tables(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return the predictions, those of the older model, and the validation rows."""
    rng = np.random.default_rng(seed)
    rows = people(rng, N_PATIENTS, N_ROWS)
    sick = diseased(rng, rows, DISEASED)
    named = np.where(sick, "pneumothorax", "no finding")
    ids = [f"img{i:05d}" for i in range(N_ROWS)]
    base = rows.assign(image_id=ids, y_true=named)
    now = base.assign(score_pneumothorax=scores(rng, rows, sick, MISSED).round(4))
    before = base.assign(score_pneumothorax=scores(rng, rows, sick, MISSED_BEFORE).round(4))
    other = people(rng, 600, 1_200).assign(patient_id=lambda t: "V" + t["patient_id"])
    ill = diseased(rng, other, {race: max(4, n // 2) for race, n in DISEASED.items()})
    validation = other.assign(
        image_id=[f"val{i:05d}" for i in range(len(other))],
        y_true=np.where(ill, "pneumothorax", "no finding"),
        score_pneumothorax=scores(rng, other, ill, MISSED_IN_VALIDATION).round(4),
    )
    return {"preds": now, "old": before, "val": validation}


def seconds_of_pages(folder: Path) -> float:
    """CPU seconds that brief and report of an audit over five attributes take, everything imported before."""
    from everygroup.audit import audit_arrays
    from everygroup.report import write_brief, write_report

    rows = tables()["preds"]
    rng = np.random.default_rng(0)
    features = {
        "race": rows["race"],
        "sex": rows["sex"],
        "age": pd.cut(rows["age"], [0, 40, 65, 120], labels=["up to 40", "41 to 65", "over 65"]).astype(str),
        "site": rng.choice(["North", "South", "West"], len(rows)),
        "scanner": rng.choice(["A", "B", "C", "D"], len(rows)),
    }
    score = rows["score_pneumothorax"].to_numpy()
    found = audit_arrays(
        rows["y_true"],
        y_score=np.column_stack([1 - score, score]),
        classes=["no finding", "pneumothorax"],
        sensitive_features=pd.DataFrame(features),
        cluster=rows["patient_id"],
        n_boot=200,
    )
    asked = {"title": "Audit", "question": {}, "audit": found}
    write_brief(folder / "warm-up.html", **asked)
    start = time.process_time()
    write_brief(folder / "timed-brief.html", **asked)
    write_report(folder / "timed-report.html", **asked)
    return time.process_time() - start


def main() -> None:
    """Write the tables; with --audit run the audit on them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--audit", action="store_true", help="run the audit")
    parser.add_argument("--time", action="store_true", help="measure the drawing of the pages")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables().items():
        table.to_csv(given.out / f"{name}.csv", index=False)
    command = ["everygroup", "audit", str(given.out / "preds.csv"), "--group", "race", "--group", "sex"]
    command += ["--group", "age", "--bins", "age=40,65", "--baseline", str(given.out / "old.csv")]
    command += ["--threshold-from", str(given.out / "val.csv"), "--threshold", "sens:0.9", "--cluster", "patient_id"]
    print(" ".join(command))
    if given.audit:
        subprocess.run([sys.executable, "-m", *command], check=True)
    if given.time:
        print(f"{seconds_of_pages(given.out):.1f} s of CPU for the pages")


if __name__ == "__main__":
    main()
