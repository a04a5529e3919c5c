"""The fingerprint: right counts, right intervals, and every suspicion it should have (and none besides)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from everygroup.check import doubtful_units, refuse_forgotten_unit
from everygroup.check.fingerprint import Fingerprint, fingerprint
from everygroup.cohort import Cohort, split_cohort, split_from_parts
from everygroup.errors import CohortError

DATA = Path(os.environ.get("EVERYGROUP_DATA", Path(__file__).parents[3] / "shared" / "data"))


def cohort(n: int = 120, **changes: Any) -> Cohort:
    """Build a harmless cohort: two labels, two groups, thirty samples a cell, no missing value, no twin."""
    images = np.random.default_rng(0).integers(0, 256, (n, 2, 2, 3), dtype=np.uint8)
    columns: dict[str, Any] = {
        "y": ["benign", "malignant"] * (n // 2),
        "sex": (["female"] * 2 + ["male"] * 2) * (n // 4),
        "units": None,
        "extra": None,
        "bins": None,
        **changes,
    }
    images = columns.pop("images", images)
    sensitive = columns.pop("sensitive", {"sex": columns.pop("sex")})
    columns.pop("sex", None)
    return Cohort.from_arrays(images, sensitive_features=sensitive, provenance={"name": "toy"}, **columns)


def test_a_harmless_cohort_raises_no_suspicion() -> None:
    found = fingerprint(cohort())
    assert isinstance(found, Fingerprint)
    assert found.warnings == ()
    assert "No warnings." in str(found)


def test_cells_count_every_sample_once() -> None:
    sex = ["female", "male", None, "male"] * 30
    found = fingerprint(cohort(sex=sex, y=["a", "b", "a", "a"] * 30))
    n = found.cells.set_index(["label", "group"])["n"]
    assert n.to_dict() == {
        ("a", "female"): 30,
        ("a", "male"): 30,
        ("a", "missing"): 30,
        ("b", "female"): 0,
        ("b", "male"): 30,
        ("b", "missing"): 0,
    }
    assert found.cells["n"].sum() == 120


def test_a_split_is_counted_part_by_part() -> None:
    whole = cohort()
    split = split_cohort(whole, seed=1)
    found = fingerprint(whole, split)
    parts = found.cells.groupby(["label", "group"]).apply(
        lambda t: t.loc[t["part"] != "all", "n"].sum() - t.loc[t["part"] == "all", "n"].sum()
    )
    assert (parts == 0).all()
    assert found.units["part"].tolist() == ["all", "train", "validation", "test"]
    assert found.units["n"].tolist() == [120, 72, 24, 24]
    assert "30 = 18 + 6 + 6" in str(found)
    assert any("cells of the test part with fewer than 10 samples" in w and "(6)" in w for w in found.warnings)
    assert not any("train part" in w for w in found.warnings)


def test_prevalence_has_n_and_an_empty_group_is_undefined() -> None:
    rates = fingerprint(cohort()).prevalence
    female = rates[(rates["group"] == "female") & (rates["label"] == "malignant")].iloc[0]
    assert (female["n"], female["n_positive"], female["rate"]) == (60, 30, 0.5)
    missing = rates[rates["group"] == "missing"]
    assert (missing["n"] == 0).all()
    assert missing["rate"].isna().all(), "undefined, never 0"


def test_missing_values_are_counted_and_left_out_aloud() -> None:
    found = fingerprint(cohort(sex=["female", "male", None, "male", "female"] * 24))
    row = found.missing.iloc[0]
    assert (row["n_missing"], row["share"]) == (24, 0.2)
    assert any("24 of 120 samples (20.0%) belong to no group, because sex is missing" in w for w in found.warnings)
    assert not any("tells about the label" in w for w in found.warnings)


def test_missing_by_label_is_told() -> None:
    y = np.array(["benign", "malignant"] * 60)
    sex = np.where((y == "benign") & (np.arange(120) % 3 > 0), None, "male")
    found = fingerprint(cohort(y=y.tolist(), sex=sex.tolist()))
    row = found.missing.iloc[0]
    from scipy.stats import chi2_contingency

    gone = pd.isna(pd.Series(sex)).to_numpy()
    reference = chi2_contingency(pd.crosstab(gone, y), correction=False)
    np.testing.assert_allclose(row["p_label"], reference.pvalue, rtol=1e-9)
    np.testing.assert_allclose(row["cramers_v"], np.sqrt(reference.statistic / 120))
    (warning,) = [w for w in found.warnings if "tells about the label" in w]
    assert "'sex' is missing in 40 of 60 benign but in 0 of 60 malignant" in warning


def test_values_in_no_set_are_told_apart_from_missing_ones() -> None:
    found = fingerprint(
        cohort(sensitive={"skin": ["1", "2", "9", None] * 30}, bins={"skin": "light:1|dark:2"}, y=["a", "b"] * 60)
    )
    assert found.missing.iloc[0][["n_missing", "n_outside"]].tolist() == [30, 30]
    assert any("30 values of 'skin' lie in none of the sets" in w for w in found.warnings)
    assert any("skin is missing or lies in none of the sets" in w for w in found.warnings)


def test_a_typing_error_in_a_set_is_named() -> None:
    skin = ["light", "dark", "dark", None] * 30
    found = fingerprint(cohort(sensitive={"skin": skin}, bins={"skin": "a:light|b:drk"}, y=["a", "b"] * 60))
    said = "lie in none of the sets given with --bins: 'dark' (60). 'drk' is no value of 'skin'; did you mean 'dark'?"
    assert any(said in w for w in found.warnings), found.warnings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 30, 40, 50], "'age' is 0 or less in 30 rows"),
        ([-3, 30, 40, 50], "'age' is 0 or less in 30 rows"),
        ([150, 30, 40, 50], "'age' is above 110 in 30 rows"),
        ([1, 30, 40, 50], "'age' is 1 in 30 rows but 2 in 0"),
        (["058Y", "150Y", "030Y", None], "'age' is above 110 in 30 rows"),
        (["058Y", "40", "030Y", "89+"], None),
        ([1, 2, 40, 50], None),
        ([20, 30, 40, None], None),
        (["20-29", "30-39", "40+", None], None),
    ],
)
def test_implausible_ages(values: list[Any], expected: str | None) -> None:
    extra = pd.DataFrame({"age": pd.Series(values * 30, dtype=object), "image": "x"})
    found = fingerprint(cohort(extra=extra))
    if expected is None:
        assert found.implausible.empty
        assert not any("placeholder" in w for w in found.warnings)
    else:
        assert any(expected in w for w in found.warnings)
        assert found.implausible["n"].tolist() == [30]


def test_codes_for_unknown_are_told() -> None:
    found = fingerprint(cohort(sensitive={"skin": ["-1", "1", "1", "2"] * 30}, y=["a", "b", "a", "b"] * 30))
    assert any("'skin' is '-1' in 30 rows, which looks like a code for 'not known'" in w for w in found.warnings)


@pytest.mark.parametrize(("column", "word"), [("sex", "unbekannt"), ("sex", "k.A."), ("y", "-")])
def test_words_for_unknown_among_groups_and_labels_are_told(column: str, word: str) -> None:
    values = {"sex": ["f", "m", "f", word] * 30, "y": ["a", "b", "b", "a"] * 30}
    values["y"] = ["a", "b", word, "a"] * 30 if column == "y" else values["y"]
    values["sex"] = ["f", "m", "f", "m"] * 30 if column == "y" else values["sex"]
    found = fingerprint(cohort(**values)).warnings
    name = "label" if column == "y" else "sex"
    assert any(w.startswith(f"{name!r} is {word!r} in 30 rows") and "--missing" in w for w in found)


def test_doubtful_patients_are_told() -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 2, 2, 3), dtype=np.uint8)
    table = pd.DataFrame(
        {
            "id": [f"i{k}" for k in range(120)],
            "patient": [f"{'pP'[k % 2]}{k // 2}" if k > 8 else None for k in range(120)],
            "y": ["a", "b"] * 60,
            "sex": ["f", "f", "m", "m"] * 30,
        }
    )
    whole = Cohort.from_table(images, table, label="y", group="sex", id_column="id", split_by="patient")
    lack, twin = doubtful_units(whole)
    assert lack.startswith("9 of 120 rows have no 'patient': each counts as a patient of its own")
    assert twin.startswith("110 values of 'patient' differ from another only in case")
    assert {lack, twin} <= set(fingerprint(whole).warnings)


def test_identical_images_are_found() -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 2, 2, 3), dtype=np.uint8)
    images[1] = images[0]  # one unit, other label
    images[5] = images[9] = images[4 + 8 * 4]  # three units, one of them of another label
    units = [str(k // 2) for k in range(120)]
    whole = cohort(images=images, units=units)
    found = fingerprint(whole)
    assert found.duplicates == {"sets": 2, "images": 5, "across_units": 1, "conflicting_labels": 2, "across_parts": 0}
    assert any("5 images are byte-identical" in w for w in found.warnings)
    part = np.where(np.arange(120) < 8, "train", np.where(np.arange(120) < 60, "validation", "test"))
    leaking = fingerprint(whole, split_from_parts(whole, part))
    assert leaking.duplicates["across_parts"] == 1
    assert any("a leak" in w for w in leaking.warnings)


def test_a_forgotten_patient_column_is_told() -> None:
    extra = pd.DataFrame({"patient_id": [f"p{k // 2}" for k in range(120)]})
    assert any("give --split-by patient_id" in w for w in fingerprint(cohort(extra=extra)).warnings)
    unique = pd.DataFrame({"patient_id": [f"p{k}" for k in range(120)]})
    assert fingerprint(cohort(extra=unique)).warnings == ()
    said = r"'patient_id' looks like the patient \(60 values in 120 rows\).* a leak"
    with pytest.raises(CohortError, match=said) as error:
        refuse_forgotten_unit(cohort(extra=extra))
    assert "--split-by none" in error.value.fix
    units = extra["patient_id"].tolist()
    found = fingerprint(cohort(extra=extra, units=units))
    assert found.warnings == ()
    assert found.units.iloc[0][["n_units", "most_per_unit"]].tolist() == [60, 2]
    assert "120 images (2 x 2 x 3) of 60 patients or lesions" in str(found)


def test_patients_whose_sex_changes_are_counted() -> None:
    found = fingerprint(cohort(units=[f"p{k // 3}" for k in range(120)]))
    (said,) = found.warnings
    assert said.startswith("40 of 40 patients have more than one value of 'sex'")


def test_small_cells_and_single_groups() -> None:
    found = fingerprint(cohort(sex=["female"] * 117 + ["male"] * 3))
    (warning,) = [w for w in found.warnings if "fewer than 10" in w]
    assert "2 cells with fewer than 10 samples, too few to learn from or to test: benign & male (1)" in warning
    assert any("fewer than two groups" in w for w in fingerprint(cohort(sex=["female"] * 120)).warnings)
    many = fingerprint(cohort(y=[f"class {k % 20}" for k in range(120)]))
    (warning,) = [w for w in many.warnings if "fewer than 10" in w]
    assert warning.endswith(", ....") or warning.endswith("...")
    assert "Share of each label" not in str(many), "too wide to read with 20 labels"


def test_render_and_dict_say_the_same(tmp_path: Path) -> None:
    extra = pd.DataFrame({"age": [0] * 120})
    whole = cohort(extra=extra, sex=["[bold]f[/bold]", "male"] * 60, y=["a", "b", "b", "a"] * 30)
    found = fingerprint(whole, split_cohort(whole))
    with (tmp_path / "out.txt").open("w") as stream:
        found.render(Console(file=stream, width=200))
        fingerprint(cohort()).render(Console(file=stream, width=200))
    shown = (tmp_path / "out.txt").read_text()
    assert "[bold]f[/bold]" in shown, "text from data is no markup"
    assert "! 'age' is 0 or less in 120 rows" in shown
    assert "No warnings." in shown
    value = found.to_dict()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["name"] == "toy"
    assert value["cells"][0] == {"part": "all", "label": "a", "group": "[bold]f[/bold]", "n": 30}
    assert value["warnings"] == list(found.warnings)


def test_one_label_only() -> None:
    found = fingerprint(cohort(y=["a"] * 120, sex=["f", None] * 60))
    assert np.isnan(found.missing.iloc[0]["p_label"])
    assert "All labels are 'a': there is nothing to diagnose." in found.warnings


def test_samples_without_label_are_not_counted_as_one() -> None:
    table = pd.DataFrame({"sex": ["female", "male"] * 10})
    images = np.arange(20 * 12, dtype=np.uint8).reshape(20, 2, 2, 3)
    found = fingerprint(Cohort.from_table(images, table, label=None, group="sex", classes=["a", "b"]))
    assert found.cells["n"].sum() == 0
    assert any("20 of 20 samples have no label" in w for w in found.warnings)


def test_real_sets_show_their_known_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from everygroup.datasets.reader import read_cohort

    for name in ("pad-ufes-20-subset-128", "ham10000"):
        if not (DATA / name / "metadata.csv").exists():
            pytest.skip(f"the data set {name} is not here")
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path))
    pad = read_cohort(DATA / "pad-ufes-20-subset-128", label="label", group="sex", split_by="patient_id", image_size=64)
    found = fingerprint(pad)
    assert found.missing.iloc[0]["n_missing"] == 332
    assert any("missing in 110 of 142 SEK but in 0 of" in w for w in found.warnings)
    ham = read_cohort(DATA / "ham10000", label="label", group="sex", split_by="lesion_id", image_size=28)
    found = fingerprint(ham)
    assert found.duplicates["sets"] == 2
    assert found.duplicates["across_units"] == 0
    assert any("'age' is 0 or less in 39 rows" in w for w in found.warnings)
