"""Missing values: told where they go with the label and where they coincide, silent (at 5 %) where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, fisher_exact

from everygroup.check import fingerprint
from everygroup.check.missing import missing_by_label
from everygroup.cohort import Cohort

SINGLE = np.array([str(k) for k in range(10_000)])


def cohort(n: int, y: list[str], extra: dict[str, Any], units: list[str] | None = None, **attributes: Any) -> Cohort:
    images = np.random.default_rng(0).integers(0, 256, (n, 2, 2, 3), dtype=np.uint8)
    features = attributes or {"sex": (["female", "male"] * n)[:n]}
    return Cohort.from_arrays(images, y, sensitive_features=features, extra=pd.DataFrame(extra), units=units)


def test_chi_square_where_counts_are_large() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    missing = rng.random(300) < np.array([0.1, 0.2, 0.4])[y]
    test, least, p, effect = missing_by_label(missing, y, SINGLE[:300])
    reference = chi2_contingency(pd.crosstab(missing, y), correction=False)
    assert test == "chi-square" and least == pytest.approx(reference.expected_freq.min())
    assert p == pytest.approx(reference.pvalue, rel=1e-9)
    assert effect == pytest.approx(np.sqrt(reference.statistic / 300))


def test_fisher_where_two_labels_are_small() -> None:
    y = np.array([0] * 10 + [1] * 10)
    missing = np.array([True] * 4 + [False] * 16)
    test, least, p, _ = missing_by_label(missing, y, SINGLE[:20])
    assert (test, least) == ("Fisher", 2.0)
    assert p == pytest.approx(fisher_exact(pd.crosstab(missing, y)).pvalue)


def test_monte_carlo_is_near_the_exact_value() -> None:
    """Three labels, one of them rare: all tables with these margins can be listed."""
    y = np.array([0] * 6 + [1] * 6 + [2] * 2)
    missing = np.zeros(14, dtype=bool)
    missing[[0, 1, 2, 12]] = True
    test, _, p, _ = missing_by_label(missing, y, SINGLE[:14])
    assert test == "Monte Carlo"
    from itertools import combinations

    def chi2(rows: tuple[int, ...]) -> float:
        gone = np.zeros(14, dtype=bool)
        gone[list(rows)] = True
        return float(chi2_contingency(pd.crosstab(gone, y), correction=False).statistic)

    table = {}
    for rows in combinations(range(14), 4):
        key = tuple(np.bincount(y[list(rows)], minlength=3))
        table[key] = (table.get(key, (0, 0))[0] + 1, rows)
    seen = chi2((0, 1, 2, 12))
    sizes = [(n, chi2(rows)) for n, rows in table.values()]
    exact = sum(n for n, value in sizes if value >= seen - 1e-9) / sum(n for n, _ in sizes)
    assert p == pytest.approx(exact, abs=0.02)


def test_nothing_to_test_is_undefined() -> None:
    for missing in (np.zeros(10, dtype=bool), np.ones(10, dtype=bool)):
        test, least, p, effect = missing_by_label(missing, np.arange(10) % 2, SINGLE[:10])
        assert test == "" and np.isnan([least, p, effect]).all()
    assert np.isnan(missing_by_label(np.arange(10) < 3, np.zeros(10, dtype=int), SINGLE[:10])[2])


@pytest.mark.parametrize("images_each", [1, 6])
def test_under_independence_five_of_a_hundred_are_told(images_each: int) -> None:
    """Patients' values are missing at random; a patient's images share label and missingness."""
    rng = np.random.default_rng(images_each)
    repeats, n = 400, 120
    rejected = 0
    for _ in range(repeats):
        y, missing = rng.integers(0, 2, n).repeat(images_each), (rng.random(n) < 0.3).repeat(images_each)
        _, _, p, _ = missing_by_label(missing, y, SINGLE[:n].repeat(images_each))
        rejected += p < 0.05
    # 5 % give or take three standard errors
    assert abs(rejected / repeats - 0.05) < 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_columns_missing_together_are_one_pattern_and_told_once() -> None:
    n = 200
    y = ["cancer", "mole"] * (n // 2)
    gone = np.array([k % 2 == 1 and k % 3 > 0 for k in range(n)])  # moles only
    age = np.where(gone, None, 40).tolist()
    extra = {
        "age": age,
        "smoke": np.where(gone, "", "no").tolist(),
        "note": np.where(np.arange(n) < 9, None, "x").tolist(),
    }
    skin = np.where(gone, None, "1").tolist()
    skin[0] = "2"
    found = fingerprint(cohort(n, y, extra, skin=skin))
    missing = found.missing.set_index("attribute")
    assert len(set(missing.loc[["skin", "age", "smoke"], "pattern"])) == 1
    assert missing.loc["note", "pattern"] != missing.loc["age", "pattern"]
    assert missing["sensitive"].to_dict() == {"skin": True, "age": False, "smoke": False, "note": False}
    # Two patterns are two tests: Holm doubles the smaller p and no more.
    assert missing.loc["age", "p_holm"] == pytest.approx(2 * missing.loc["age", "p_label"])
    (together,) = [w for w in found.warnings if "exactly the same" in w]
    assert f"'skin' and 'age' (and of 1 more: smoke) are in exactly the same {gone.sum()} images" in together
    assert f"all of them mole ({gone.sum()})" in together
    told = [w for w in found.warnings if "tells about the label" in w]
    assert len(told) == 1 and told[0].startswith("'skin' and 'age' are missing in") and "smallest expected" in told[0]
    shown = found.missing_by_label.set_index(["attribute", "label"])
    assert shown.loc[("age", "cancer"), ["n", "n_missing"]].tolist() == [100, 0]
    assert shown.loc[("age", "mole"), "share"] == gone.sum() / 100


def test_other_columns_do_not_raise_the_alarm() -> None:
    n = 100
    y = ["a", "a", "b", "b"] * (n // 4)
    remark = [None if label == "a" else "x" for label in y]
    found = fingerprint(cohort(n, y, {"remark": remark}))
    assert found.warnings == ()
    assert found.missing.set_index("attribute").loc["remark", "p_holm"] < 1e-6, "but the table shows it"
