"""The column of the patient is found by how it behaves, whatever it is called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from everygroup.tables.identifiers import changing, patient_column, stable_columns, twins

N, PATIENTS = 1200, 300
RANDOM = np.random.default_rng(0)
PATIENT = RANDOM.integers(0, PATIENTS, N)
SEX = RANDOM.choice(["m", "f"], PATIENTS)
NAMED = {
    "MRN": 10_000 + PATIENT * 7,
    "Patientennummer": PATIENT + 1,
    "subject": [f"S{k:03d}" for k in PATIENT],
    "case": PATIENT,
    "pid": PATIENT,
    "Fallnummer": 900_000 + PATIENT,
    "PatientID": [hex(k * 7919) for k in PATIENT],
}
BEHAVING = {"x1": PATIENT + 1, "nummer": PATIENT, "code": [f"P{k:04d}" for k in PATIENT]}
OTHERS = {
    "age": RANDOM.integers(18, 90, N),
    "platelets": RANDOM.normal(250, 60, N).astype(int),
    "haemoglobin": RANDOM.normal(13, 2, N).round(1),
    "icd": RANDOM.choice([f"C{k}" for k in range(40)], N),
    "plz": RANDOM.choice([str(k) for k in range(10115, 10315)], N),
    "width": RANDOM.integers(500, 700, N),
    "ward": RANDOM.choice([f"W{k}" for k in range(30)], N),
    "study_date": RANDOM.choice(pd.date_range("2020-01-01", periods=300).astype(str), N),
    "image": [f"i{k}.png" for k in range(N)],
    "site": RANDOM.choice(["a", "b"], N),
}


def rows(**columns: object) -> pd.DataFrame:
    base = {"y": RANDOM.integers(0, 2, N), "sex": SEX[PATIENT]}
    return pd.DataFrame({**base, **columns}).astype(str)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_identifier_is_found(name: str) -> None:
    table = rows(**{name: NAMED[name]}, **OTHERS)
    for columns in (table, table.drop(columns="sex")):
        found = patient_column(columns, ["y"])
        assert found is not None and found.name == name
        assert (found.n_values, found.n_rows) == (len(set(PATIENT)), N)
    assert f"the column {name!r} looks like the patient ({len(set(PATIENT))} values in 1,200 rows)" in str(found)


@pytest.mark.parametrize("name", BEHAVING)
def test_an_identifier_of_any_name_is_found_by_its_behaviour(name: str) -> None:
    found = patient_column(rows(**{name: BEHAVING[name]}, **OTHERS), ["y"])
    assert found is not None and found.name == name


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_patient_is_not_taken_for_one(name: str) -> None:
    assert patient_column(rows(**{name: OTHERS[name]}), ["y"]) is None


def test_the_patient_goes_before_the_study_and_taken_columns_are_left() -> None:
    study = [f"ST{p:03d}{v}" for p, v in zip(PATIENT, RANDOM.integers(0, 2, N), strict=True)]
    table = rows(study_uid=study, patient=PATIENT)
    found = patient_column(table)
    assert found is not None and found.name == "patient"
    assert patient_column(rows(patient=PATIENT), taken=["patient"]) is None
    assert patient_column(rows(patient=range(N))) is None, "it never comes back"


def test_a_column_called_patient_is_one_even_where_sexes_are_at_odds() -> None:
    table = rows(patient=PATIENT, sex=RANDOM.choice(["m", "f"], N))
    found = patient_column(table)
    assert found is not None and found.name == "patient"


def test_patients_whose_sex_changes_are_counted() -> None:
    table = pd.DataFrame({"sex": ["m", "f", "f", "f", "", "m"], "dob": ["1950"] * 6, "age": range(6)})
    units = np.array(["a", "a", "b", "b", "c", "c"])
    assert stable_columns(table) == ["sex", "dob"]
    (said,) = changing(table, units, ["sex", "dob"])
    assert said.startswith("1 of 3 patients have more than one value of 'sex'")
    assert "(the first: a with f, m)" in said


def test_patients_spelled_in_two_ways_are_told_of() -> None:
    (text,) = twins(["P07", "p7", "P8", "007", "7"], "patient_id")
    assert text.startswith("4 values of 'patient_id' differ from another only in case or leading zeros")
    assert "'P07' and 'p7'" in text
    assert twins(["P1", "P10", "P100", "1.10", "1.1", "a-1", "a1"], "patient_id") == []
