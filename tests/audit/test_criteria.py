"""Which criteria hold, which are violated, which cannot hold together."""

import numpy as np
import pytest

from everygroup import metrics as eg
from everygroup.audit.criteria import HOLDS, UNDECIDED, VIOLATED, criteria_rows
from everygroup.audit.engine import Plan
from everygroup.audit.partition import Partition

PLAN = Plan(n_boot=199, seed=1)


def cohort(rates: dict[str, tuple[int, float, float, float]], seed: int = 0) -> tuple[np.ndarray, ...]:
    """y_true, y_pred and group index from n, prevalence, true and false positive rate of every group, exactly."""
    parts = []
    for g, (n, prevalence, tpr, fpr) in enumerate(rates.values()):
        positive = round(n * prevalence)
        y = np.repeat([1, 0], [positive, n - positive])
        hits, alarms = round(positive * tpr), round((n - positive) * fpr)
        answer = np.repeat([1, 0, 1, 0], [hits, positive - hits, alarms, n - positive - alarms])
        parts.append(np.stack([y, answer, np.full(n, g)]))
    y, answer, group = np.concatenate(parts, axis=1)
    return y, answer, group


def judge(y, answer, group, names=("f", "m"), classes=("benign", "malignant"), score=None, **options):
    cluster = np.arange(len(y))
    part = Partition.of("sex", names, np.asarray(group), cluster, min_n=10)
    rows, flags = criteria_rows(
        np.asarray(y), np.asarray(answer), score, classes, part, cluster, options.pop("plan", PLAN), **options
    )
    return {row["criterion"]: row for row in rows}, [str(flag) for flag in flags]


def test_gaps_are_those_of_the_metrics() -> None:
    rng = np.random.default_rng(0)
    y, answer, group = rng.integers(0, 2, (3, 400))
    rows, _ = judge(y, answer, group)
    for criterion, name in (
        ("demographic parity", "demographic_parity_difference"),
        ("accuracy parity", "accuracy_parity_difference"),
        ("equal opportunity", "equal_opportunity_difference"),
        ("equalized odds", "equalized_odds_difference"),
        ("predictive parity", "predictive_parity_difference"),
    ):
        expected = getattr(eg, name)(y, answer, sensitive_features=group)
        assert rows[criterion]["gap"] == pytest.approx(expected, abs=1e-12)
        assert 0 <= rows[criterion]["low"] <= expected <= rows[criterion]["high"] <= 1
        assert rows[criterion]["attribute"] == "sex"
    assert "calibration" not in rows and "underdiagnosis" not in rows
    several, _ = judge(rng.integers(0, 3, 400), rng.integers(0, 3, 400), group, classes=("a", "b", "c"))
    assert several["equal opportunity"]["quantity"].startswith("recall[")


def test_the_interval_of_one_quantity_is_newcombes_and_two_are_widened() -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    y, answer, group = cohort({"f": (400, 0.5, 0.9, 0.1), "m": (300, 0.5, 0.7, 0.1)})
    rows, _ = judge(y, answer, group)
    low, high = confint_proportions_2indep(180, 200, 105, 150, method="newcomb", compare="diff")
    one, two = rows["equal opportunity"], rows["equalized odds"]
    assert (one["low"], one["high"]) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert two["low"] < one["low"] and two["high"] > one["high"]
    assert one["quantity"] == two["quantity"] == "recall[malignant]"
    assert one["note"] == "highest f 0.900, lowest m 0.700"
    assert one["p"] == two["p"] == pytest.approx(1 / 200)


def test_verdicts_follow_the_tolerance() -> None:
    y, answer, group = cohort({"f": (4000, 0.5, 0.9, 0.1), "m": (4000, 0.5, 0.7, 0.1)})
    rows, _ = judge(y, answer, group)
    assert rows["equal opportunity"]["verdict"] == rows["equalized odds"]["verdict"] == VIOLATED
    assert rows["predictive parity"]["verdict"] == HOLDS
    few_y, few_answer, few_group = cohort({"f": (40, 0.5, 0.9, 0.1), "m": (40, 0.5, 0.8, 0.1)})
    few, _ = judge(few_y, few_answer, few_group)
    assert {row["verdict"] for row in few.values()} == {UNDECIDED}
    assert judge(y, answer, group, tolerance=0.5)[0]["equal opportunity"]["verdict"] == HOLDS


def test_different_prevalence_and_errors_make_a_conflict_which_a_sentence_tells() -> None:
    y, answer, group = cohort({"f": (20000, 0.5, 0.8, 0.2), "m": (20000, 0.1, 0.8, 0.2)})
    rows, flags = judge(y, answer, group)
    assert rows["equalized odds"]["gap"] == 0 and rows["equalized odds"]["verdict"] == HOLDS
    assert rows["predictive parity"]["verdict"] == rows["demographic parity"]["verdict"] == VIOLATED
    assert len(flags) == 1
    assert "malignant is not equally frequent in the groups (f 0.50, m 0.10)" in flags[0]
    assert "predictive parity (violated) and equalized odds (holds within the interval) cannot both hold" in flags[0]
    assert "Chouldechova 2017" in flags[0]
    # Chouldechova's identity: FPR = p/(1-p) (1-PPV)/PPV TPR in every group
    for g, p in ((0, 0.5), (1, 0.1)):
        ppv = eg.rate(y, answer, name="ppv", positive=1, sensitive_features=group).per_group[g]
        assert p / (1 - p) * (1 - ppv) / ppv * 0.8 == pytest.approx(0.2)
    assert judge(*cohort({"f": (2000, 0.3, 0.8, 0.2), "m": (2000, 0.3, 0.8, 0.2)}))[1] == []
    assert judge(*cohort({"f": (2000, 0.5, 1.0, 0.0), "m": (2000, 0.1, 1.0, 0.0)}))[1] == []


def test_calibration_needs_scores() -> None:
    y, answer, group = cohort({"f": (1000, 0.3, 0.8, 0.2), "m": (1000, 0.3, 0.8, 0.2)})
    high = np.where(group == 0, 0.3, 0.5)
    rows, _ = judge(y, answer, group, score=np.stack([1 - high, high], axis=1))
    row = rows["calibration"]
    assert row["quantity"] == "expected_minus_observed[malignant]"
    assert row["gap"] == pytest.approx(0.2) and row["verdict"] == VIOLATED
    assert row["note"] == "highest m 0.200, lowest f 0.000"


@pytest.mark.parametrize("classes", [("No Finding", "Edema"), ("Edema", "No Finding"), ("a", "No Finding", "b")])
def test_underdiagnosis_is_the_false_positives_of_healthy(classes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(2)
    y, answer = rng.integers(0, len(classes), (2, 600))
    group = rng.integers(0, 2, 600)
    rows, _ = judge(y, answer, group, classes=classes)
    names = np.array(classes)
    expected = eg.underdiagnosis_difference(names[y], names[answer], sensitive_features=group)
    assert rows["underdiagnosis"]["gap"] == pytest.approx(expected, abs=1e-12)
    assert rows["underdiagnosis"]["quantity"] == "fpr[No Finding]"
    expected = eg.equalized_odds_difference(y, answer, sensitive_features=group)
    assert rows["equalized odds"]["gap"] == pytest.approx(expected, abs=1e-12)


def test_what_cannot_be_judged_is_undecided_and_says_why() -> None:
    y, answer, group = cohort({"f": (40, 0.5, 0.9, 0.1), "m": (5, 0.4, 0.5, 0.1)})
    rows, flags = judge(y, answer, group)
    assert {(r["verdict"], r["note"]) for r in rows.values()} == {(UNDECIDED, "fewer than two groups can be compared")}
    assert all(np.isnan(r[c]) for r in rows.values() for c in ("gap", "low", "high", "p")) and flags == []
    y, answer, group = cohort({"f": (60, 0.5, 0.9, 0.1), "m": (60, 0.0, 0.5, 0.1), "d": (60, 0.5, 0.5, 0.1)})
    rows, _ = judge(y, answer, group, names=("f", "m", "d"))
    row = rows["equal opportunity"]
    assert row["gap"] == pytest.approx(0.4, abs=0.01) and np.isnan(row["p"])
    assert "undefined in a group: recall[malignant]" in row["note"]
    y, answer, group = cohort({"f": (60, 0.5, 0.9, 0.1), "m": (60, 0.0, 0.5, 0.1)})
    rows, _ = judge(y, answer, group)
    assert rows["equal opportunity"]["note"] == "undefined in all groups but one"
    nothing = criteria_rows(y * 0, y * 0, None, ["only"], None, y, PLAN)  # type: ignore[arg-type]
    assert nothing == ([], [])


def test_violations_are_rare_where_groups_are_equal() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(40):
        y = rng.integers(0, 3, 300)
        answer = np.where(rng.random(300) < 0.7, y, rng.integers(0, 3, 300))
        rows, _ = judge(
            y, answer, rng.integers(0, 2, 300), classes=("a", "b", "c"), tolerance=0.0, plan=Plan(n_boot=99)
        )
        found += [row["verdict"] == VIOLATED for row in rows.values()]
    assert np.mean(found) < 0.06
