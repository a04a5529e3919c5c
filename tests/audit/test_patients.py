"""The audit says which column looks like the patient, and counts patients whose sex changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit.door import audit_table

N = 600


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    patient = rng.integers(0, 150, N)
    y = rng.integers(0, 2, N)
    score = np.clip(0.3 + 0.4 * y + rng.normal(0, 0.2, N), 0.01, 0.99)
    return pd.DataFrame(
        {
            "image": [f"i{k}" for k in range(N)],
            "y_true": y,
            "y_score": score,
            "sex": np.where(patient % 2, "m", "f"),
            "site": rng.choice(["a", "b"], N),
            "MRN": 7000 + patient * 3,
        }
    )


def flags(table: pd.DataFrame, path: Path, **reading: object) -> list[str]:
    table.to_csv(path / "p.csv", index=False)
    found = audit_table(path / "p.csv", groups=["site"], positive="1", n_boot=50, **reading)  # type: ignore[arg-type]
    return [f"{flag.severity}: {flag}" for flag in found.flags]


@pytest.mark.parametrize("name", ["MRN", "Patientennummer", "x"])
def test_a_patient_that_is_not_named_is_said(table: pd.DataFrame, tmp_path: Path, name: str) -> None:
    n = table["MRN"].nunique()
    (said,) = [f for f in flags(table.rename(columns={"MRN": name}), tmp_path) if "looks like the patient" in f]
    assert said.startswith(f"caution: The column {name!r} looks like the patient ({n} values in 600 rows)")
    assert f"--cluster {name}" in said


def test_a_patient_that_is_named_or_refused_is_not_said(table: pd.DataFrame, tmp_path: Path) -> None:
    for cluster in ("MRN", "none"):
        assert not [f for f in flags(table, tmp_path, cluster=cluster) if "looks like" in f], cluster


def test_patients_whose_sex_changes_are_counted(table: pd.DataFrame, tmp_path: Path) -> None:
    assert not [f for f in flags(table, tmp_path, cluster="MRN") if "more than one value" in f]
    first = int(table.index[table["MRN"].duplicated()][0])
    changed = table.assign(sex=table["sex"].mask(table.index == first, "x"))
    (said,) = [f for f in flags(changed, tmp_path, cluster="MRN") if "more than one value" in f]
    assert said.startswith(f"caution: 1 of {table['MRN'].nunique()} patients have more than one value of 'sex'")


def test_dates_of_birth_are_cut_in_an_audit(table: pd.DataFrame, tmp_path: Path) -> None:
    born = table.assign(birth=np.where(table.index % 3, "24.12.1950", "1990-01-01"), study_date="20200101")
    born.to_csv(tmp_path / "p.csv", index=False)
    found = audit_table(
        tmp_path / "p.csv", groups=["birth"], bins={"birth": "40"}, positive="1", n_boot=50, cluster="none"
    )
    sizes = found.table[found.table["metric"] == "sensitivity"].set_index("group")["n"]
    assert (sizes["<=40"], sizes[">40"]) == (200, 400)
