"""What the test patients could have shown: differences between methods when other patients had been drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.results import SETTING, FinishedJob
from everygroup.benchmark.standings import ERM
from everygroup.files import read_json
from everygroup.metrics import OneVsRest, average_rate
from everygroup.statistics import detectable_difference, mcnemar_counts, sign_flip
from everygroup.tables.guard import unguard

N_BOOT = 1000
BY_PATIENTS = ("se_patients", "low_patients", "high_patients", "detectable_patients")


@dataclass(frozen=True)
class _Test:
    """Test answers of one run, by sample id; units are patients of one cohort, the same over all its splits."""

    table: pd.DataFrame  # id, unit, y_true, y_pred (texts), group
    cohort: str


def answers_on_test(job: FinishedJob) -> pd.DataFrame:
    """Return id, unit, y_true, y_pred, group and split of a job's labelled test samples, as texts; no group is ''."""
    wanted = ["id", "unit", "y_true", "y_pred", "group", "split"]
    table = pd.read_csv(job.folder / "predictions.csv", usecols=wanted, dtype=str, keep_default_na=False)
    table = table[(table["split"] == "test") & (table["y_true"] != "")].sort_values("id", ignore_index=True)
    return table.apply(lambda column: column.map(unguard))


def _read(job: FinishedJob) -> _Test:
    table = answers_on_test(job)
    return _Test(table, str(read_json(job.folder / "environment.json").get("cohort_hash", "")))


def compare_patients(
    jobs: Sequence[FinishedJob], against: Mapping[tuple[str, ...], str], *, n_boot: int = N_BOOT, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every method with ERM and with the best baseline on the same test patients.

    Parameters
    ----------
    jobs : sequence of FinishedJob
        Final jobs.
    against : mapping
        (cohort, attribute, backbone, group) -> label of the best baseline.

    Returns
    -------
    errors : DataFrame
        `SETTING`, group, method, baseline, and of the mean difference over seeds in macro F1, when patients are
        resampled and the trained networks kept: se_patients (standard error), low_patients and high_patients (95 %
        percentile interval) and detectable_patients.
    tests : DataFrame
        `SETTING`, group, method, baseline, only_method, only_baseline (samples that one of them alone answered right,
        summed over seeds), accuracy_difference, p, test. 'McNemar' where every answer is another patient's, else
        signs of patients are flipped: the same test with patients, not answers, as units.
    """
    errors: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    by_setting: dict[tuple[str, ...], list[FinishedJob]] = {}
    for job in jobs:
        by_setting.setdefault(tuple(str(job.about[k]) for k in SETTING), []).append(job)
    for setting, mine in by_setting.items():
        read: dict[tuple[str, int], _Test] = {(j.about["method"], j.about["seed"]): _read(j) for j in mine}
        methods = list(dict.fromkeys(m for m, _ in read))
        groups = ["overall", *sorted({g for t in read.values() for g in t.table["group"]} - {""})]
        classes = sorted({c for t in read.values() for column in ("y_true", "y_pred") for c in t.table[column]})
        drawn = _draw(list(read.values()), n_boot, seed)
        replicates = {key: _replicates(test, groups, classes, drawn[test.cohort]) for key, test in read.items()}
        for group in groups:
            bases = dict.fromkeys([ERM, against.get((*setting, group), ERM)])
            for base in bases:
                for method in methods:
                    seeds = [s for m, s in read if m == method and (base, s) in read]
                    if method == base or not seeds:
                        continue
                    about = {**dict(zip(SETTING, setting, strict=True)), "group": group}
                    about |= {"method": method, "baseline": base}
                    moved = np.mean([replicates[method, s][group] - replicates[base, s][group] for s in seeds], axis=0)
                    errors.append({**about, **_scatter(moved)})
                    pairs = [(read[method, s], read[base, s]) for s in seeds]
                    tests.append({**about, **_paired_test(pairs, group, seed)})
    keys = [*SETTING, "group", "method", "baseline"]
    return (
        pd.DataFrame(errors, columns=[*keys, *BY_PATIENTS]),
        pd.DataFrame(
            tests, columns=[*keys, "only_method", "only_baseline", "accuracy_difference", "n", "patients", "p", "test"]
        ),
    )


def _scatter(moved: np.ndarray) -> dict[str, float]:
    """Describe the replicates (R,) of a difference; NaN where most of them are undefined."""
    known = moved[np.isfinite(moved)]
    if known.size <= len(moved) // 2:
        return dict.fromkeys(BY_PATIENTS, float("nan"))
    se, (low, high) = float(known.std(ddof=1)), np.quantile(known, [0.025, 0.975])
    detectable = float(detectable_difference(se)) if se > 0 else float("nan")  # alike for all patients: nothing known
    return dict(zip(BY_PATIENTS, (se, float(low), float(high), detectable), strict=True))


Drawn = tuple[np.ndarray, np.ndarray]  # the patients' names (C,), sorted, and how often each was drawn (R, C)


def _draw(tests: Sequence[_Test], n_boot: int, seed: int) -> dict[str, Drawn]:
    """Draw the patients of every cohort again, once for all methods, seeds and splits: a patient is one throughout."""
    drawn = {}
    for cohort in dict.fromkeys(test.cohort for test in tests):
        names = np.unique(np.concatenate([t.table["unit"].to_numpy(dtype=str) for t in tests if t.cohort == cohort]))
        rng = np.random.default_rng([seed, *cohort.encode()])
        share = np.full(len(names), 1 / max(len(names), 1))
        drawn[cohort] = names, rng.multinomial(len(names), share, size=n_boot).astype(np.float64)
    return drawn


def _replicates(test: _Test, groups: Sequence[str], classes: Sequence[str], drawn: Drawn) -> dict[str, np.ndarray]:
    """Macro F1 (R,) of every group under resampled patients."""
    table, k = test.table, len(classes)
    if table.empty:
        return {group: np.full(len(drawn[1]), np.nan) for group in groups}
    names, unit = np.unique(table["unit"].to_numpy(dtype=str), return_inverse=True)
    times = drawn[1][:, np.searchsorted(drawn[0], names)]
    code = {name: i for i, name in enumerate(classes)}
    y_true, y_pred = (table[c].map(code).to_numpy(dtype=np.int64) for c in ("y_true", "y_pred"))
    found = {}
    for group in groups:
        mask = np.ones(len(table), dtype=bool) if group == "overall" else (table["group"] == group).to_numpy()
        counted = []
        for chosen, label in ((mask & (y_true == y_pred), y_true), (mask, y_true), (mask, y_pred)):
            cells = np.bincount(unit[chosen] * k + label[chosen], minlength=len(names) * k)
            counted.append(times @ cells.reshape(len(names), k).astype(np.float64))
        found[group] = average_rate(OneVsRest(*counted), "f1")
    return found


def _paired_test(pairs: Sequence[tuple[_Test, _Test]], group: str, seed: int) -> dict[str, Any]:
    right: list[tuple[np.ndarray, np.ndarray]] = []
    units: list[np.ndarray] = []
    for a, b in pairs:
        joint = a.table.merge(b.table[["id", "y_pred"]], on="id", suffixes=("", "_base"))
        if group != "overall":
            joint = joint[joint["group"] == group]
        right.append(tuple((joint[c] == joint["y_true"]).to_numpy() for c in ("y_pred", "y_pred_base")))  # type: ignore[arg-type]
        units.append((a.cohort + "/" + joint["unit"]).to_numpy(dtype=str))
    ours, theirs = (np.concatenate([r[i] for r in right]) for i in (0, 1))
    unit = np.concatenate(units)
    patients = len(np.unique(unit))
    only, other = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    if patients == len(unit):
        p, form = mcnemar_counts(only, other).p if len(unit) else np.nan, "McNemar"
    else:
        p, form = sign_flip(ours, theirs, unit, seed=seed).p, "sign flips of patients"
    difference = float(ours.mean() - theirs.mean()) if len(unit) else np.nan
    return {
        **{"only_method": only, "only_baseline": other, "accuracy_difference": difference},
        **{"n": len(unit), "patients": patients, "p": p, "test": form},
    }
