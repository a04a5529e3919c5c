"""Implausible values: spikes that neighbours do not suggest, and none in smooth or heaped ages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from everygroup.check import fingerprint
from everygroup.check.values import spikes
from everygroup.cohort import Cohort


def ages(n: int = 800, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(58, 12, n).round()


def cohort(age: np.ndarray, units: list[str] | None = None) -> Cohort:
    n = len(age)
    images = np.random.default_rng(0).integers(0, 256, (n, 2, 2, 3), dtype=np.uint8)
    extra = pd.DataFrame({"age": age})
    sex = {"sex": (["female", "male"] * n)[:n]}
    return Cohort.from_arrays(images, (["a", "a", "b", "b"] * n)[:n], sensitive_features=sex, extra=extra, units=units)


@pytest.mark.parametrize("seed", range(20))
def test_smooth_ages_have_no_spikes(seed: int) -> None:
    assert spikes(ages(seed=seed)) == []


def test_ages_cut_off_above_are_told() -> None:
    (warning,) = [w for w in fingerprint(cohort(np.minimum(ages(), 75))).warnings if "'age' is 75" in w]
    assert "ages above it are written so" in warning


def test_ages_in_steps_of_five_are_judged_on_their_own_grid() -> None:
    stepped = (ages() / 5).round() * 5
    assert spikes(stepped) == []
    assert [v for v, _ in spikes(np.concatenate([stepped, np.full(90, 20.0)]))] == [20.0]


def test_a_planted_spike_is_found_with_what_its_neighbours_suggest() -> None:
    values = np.concatenate([ages(), np.full(60, 33.0)])
    ((value, expected),) = spikes(values)
    counts = pd.Series(ages()).value_counts()
    assert value == 33
    assert expected == pytest.approx(np.mean([counts.get(float(v), 0) for v in (31, 32, 34, 35)]))


def test_few_distinct_or_fractional_values_say_nothing() -> None:
    assert spikes(np.repeat([30.0, 40, 50], [500, 3, 3])) == []
    assert spikes(np.random.default_rng(0).normal(size=300)) == []


def test_a_patient_with_many_images_is_no_spike_but_many_patients_are() -> None:
    values = np.concatenate([ages(), np.full(60, 20.0)])
    one = [f"p{k}" for k in range(800)] + ["same"] * 60
    assert fingerprint(cohort(values, one)).implausible.empty
    found = fingerprint(cohort(values))
    row = found.implausible.iloc[0]
    assert (row["attribute"], row["what"], row["values"]) == ("age", "spike", "20")
    assert any("'age' is 20 for" in w and "perhaps a placeholder" in w for w in found.warnings)


def test_impossible_and_placeholder_ages_are_counted_by_patient_too() -> None:
    values = ages()
    values[:12] = 0
    values[20:23] = 130
    values[30:40] = 1
    units = [f"p{k // 2}" for k in range(len(values))]
    found = fingerprint(cohort(values, units))
    rows = found.implausible.set_index("what")
    assert rows.loc["0 or less", ["values", "n", "n_units"]].tolist() == ["0", 12, 6]
    assert rows.loc["above 110", ["values", "n"]].tolist() == ["130", 3]
    assert rows.loc["placeholder", ["values", "n", "expected"]].tolist() == ["1", 10, 0.0]


def test_a_text_among_the_ages_hides_no_impossible_one() -> None:
    values = np.array(["-1", "-1", "abc", *ages(200).astype(int).astype(str)], dtype=object)
    found = fingerprint(cohort(values))
    assert any("'age' is 0 or less in 2 rows" in w for w in found.warnings), found.warnings
    assert any("'age' is no number in 1 rows: abc" in w for w in found.warnings)


def test_people_by_age_and_sex() -> None:
    age = np.array([5, 15, 15, 44, 49, np.nan, 300, 60], dtype=float)
    units = ["a", "b", "b", "c", "d", "e", "f", "g"]
    found = fingerprint(cohort(age, units)).ages
    assert list(zip(found["band"], found["sex"], found["n"], strict=True)) == [
        ("0-9", "female", 1),
        ("10-19", "female", 1),
        ("10-19", "male", 1),
        ("40-49", "female", 1),
        ("40-49", "male", 1),
        ("60-69", "male", 1),
    ]
    assert fingerprint(cohort(np.array([np.nan] * 8))).ages.empty
