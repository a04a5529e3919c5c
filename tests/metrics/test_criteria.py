"""Group-fairness criteria: fairlearn's values for two classes, a slow definition for more."""

from itertools import product

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup import metrics as eg
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.criteria import CRITERIA, measure_criterion

Y = [0, 0, 1, 1, 2, 2] * 2
ANSWERS = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
GROUP = [0] * 6 + [1] * 6

SHARED = [f"{name}_{form}" for name in ("demographic_parity", "equal_opportunity") for form in ("difference", "ratio")]
ODDS = ["equalized_odds_difference", "equalized_odds_ratio"]


def data(seed: int, n: int, n_groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every group has every (label, answer) once, so that all rates are defined and none is 0/0."""
    rng = np.random.default_rng(seed)
    y, answer, group = np.array(list(product((0, 1), (0, 1), range(n_groups)))).T
    extra = rng.integers(0, 2, (2, n))
    return np.append(y, extra[0]), np.append(answer, extra[1]), np.append(group, rng.integers(0, n_groups, n))


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(2, 5), st.booleans())
def test_equals_fairlearn(seed: int, n: int, n_groups: int, weighted: bool) -> None:
    y, answer, group = data(seed, n, n_groups)
    weight = np.random.default_rng(seed).random(y.size) + 0.1 if weighted else None
    for method in ("between_groups", "to_overall"):
        options = {"sensitive_features": group, "method": method, "sample_weight": weight}
        for name in SHARED:
            expected = getattr(fl, name)(y, answer, **options)
            assert getattr(eg, name)(y, answer, **options) == pytest.approx(expected, abs=1e-12), name
        for name, agg in product(ODDS, ("worst_case", "mean")):
            expected = getattr(fl, name)(y, answer, agg=agg, **options)
            assert getattr(eg, name)(y, answer, agg=agg, **options) == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("name", [*SHARED, *ODDS])
@pytest.mark.parametrize("labels", [(-1, 1), (False, True)])
def test_equals_fairlearn_for_other_labels_and_several_features(name: str, labels: tuple) -> None:
    y, answer, group = data(3, 300, 2)
    names = np.array(labels)
    features = pd.DataFrame({"sex": group, "age": np.random.default_rng(1).integers(0, 3, y.size)})
    expected = getattr(fl, name)(names[y], names[answer], sensitive_features=features)
    assert getattr(eg, name)(names[y], names[answer], sensitive_features=features) == pytest.approx(expected, abs=1e-12)
    as_mapping = dict(features)
    assert getattr(eg, name)(names[y], names[answer], sensitive_features=as_mapping) == pytest.approx(expected)


def test_accuracy_and_predictive_parity_equal_fairlearns_metric_frame() -> None:
    from sklearn.metrics import accuracy_score, precision_score

    y, answer, group = data(5, 200, 4)
    weight = np.random.default_rng(0).random(y.size)
    for name, metric in (("accuracy_parity", accuracy_score), ("predictive_parity", precision_score)):
        frame = fl.MetricFrame(
            metrics=metric,
            y_true=y,
            y_pred=answer,
            sensitive_features=group,
            sample_params={"sample_weight": weight},
        )
        for form, method in product(("difference", "ratio"), ("between_groups", "to_overall")):
            ours = getattr(eg, f"{name}_{form}")(
                y, answer, sensitive_features=group, method=method, sample_weight=weight
            )
            assert ours == pytest.approx(getattr(frame, form)(method=method), abs=1e-12)


def test_a_group_without_positives_is_undefined_where_fairlearn_says_zero() -> None:
    y, answer, group = [1, 1, 0, 0], [1, 1, 0, 1], ["a", "a", "b", "b"]
    assert fl.equal_opportunity_difference(y, answer, sensitive_features=group) == 1.0
    assert np.isnan(eg.equal_opportunity_difference(y, answer, sensitive_features=group))
    assert np.isnan(eg.equalized_odds_difference(y, answer, sensitive_features=group, agg="mean"))
    assert np.isnan(eg.equalized_odds_ratio(y, answer, sensitive_features=group))
    measured = measure_criterion(y, answer, criterion="equalized_odds", sensitive_features=group)
    assert measured.n_undefined == 2 and np.isnan(measured.per_group["b"]) and measured.per_group["a"] == 1.0


def test_one_group_alone_has_no_gap_where_fairlearn_says_equal() -> None:
    assert fl.demographic_parity_difference([0, 1], [0, 1], sensitive_features=["a", "a"]) == 0
    assert np.isnan(eg.demographic_parity_difference([0, 1], [0, 1], sensitive_features=["a", "a"]))
    assert np.isnan(eg.demographic_parity_ratio([0, 1], [0, 1], sensitive_features=["a", "a"]))


def slow(criterion: str, form: str, method: str, over: str, y, answer, group, k: int) -> float:
    """The definition, written with lists of ones and zeros."""

    def rates(name: str, label: int) -> tuple[list[float], float]:
        def one(rows: list[int]) -> float:
            if name == "accuracy":
                picked = [y[i] == answer[i] for i in rows]
            elif name == "selection_rate":
                picked = [answer[i] == label for i in rows]
            elif name == "ppv":
                picked = [y[i] == label for i in rows if answer[i] == label]
            else:
                picked = [answer[i] == label for i in rows if (y[i] == label) == (name == "tpr")]
            return sum(picked) / len(picked) if picked else float("nan")

        everybody = list(range(len(y)))
        return [one([i for i in everybody if group[i] == g]) for g in sorted(set(group))], one(everybody)

    def compared(name: str, label: int) -> float:
        values, overall = rates(name, label)
        if any(v != v for v in values):
            return float("nan")
        pairs = (
            [(a, b) for a in values for b in values] if method == "between_groups" else [(v, overall) for v in values]
        )
        if form == "difference":
            return max(abs(a - b) for a, b in pairs)
        quotients = [min(a, b) / max(a, b) for a, b in pairs if max(a, b) > 0]
        return min(quotients) if quotients and max(values) > 0 else float("nan")

    per_rate = []
    for name in CRITERIA[criterion].rates:
        found = [v for v in (compared(name, label) for label in ([0] if name == "accuracy" else range(k))) if v == v]
        if not found:
            return float("nan")
        worst = max(found) if form == "difference" else min(found)
        per_rate.append({"worst": worst, "mean": sum(found) / len(found), "sum": sum(found)}[over])
    return max(per_rate) if form == "difference" else min(per_rate)


@pytest.mark.parametrize("criterion", CRITERIA)
@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=3, max_size=40))
def test_more_classes_equal_the_slow_definition(criterion: str, rows: list[tuple[int, int, int]]) -> None:
    y, answer, group = (list(c) for c in zip(*rows, strict=True))
    for form, method, over in product(("difference", "ratio"), ("between_groups", "to_overall"), ("worst", "mean")):
        measured = measure_criterion(
            y,
            answer,
            criterion=criterion,
            form=form,  # type: ignore[arg-type]
            method=method,  # type: ignore[arg-type]
            over_classes=over,  # type: ignore[arg-type]
            sensitive_features=group,
            classes=range(3),
        )
        expected = slow(criterion, form, method, over, y, answer, group, 3)
        if len(set(group)) < 2:
            expected = float("nan")
        assert measured.value == pytest.approx(expected, abs=1e-12, nan_ok=True), (form, method, over)


def test_worked_example() -> None:
    def value(name: str, **options: object) -> float:
        return getattr(eg, name)(Y, ANSWERS, sensitive_features=GROUP, **options)

    assert value("demographic_parity_difference", over_classes="sum") == pytest.approx(0.666667, abs=1e-6)
    assert value("accuracy_parity_difference") == pytest.approx(1 / 6)
    assert value("accuracy_parity_ratio") == pytest.approx(0.8)
    assert value("equal_opportunity_difference") == 0.5
    assert value("equal_opportunity_difference", positive=1) == 0.5
    assert value("underdiagnosis_difference", positive=0) == 0.25
    assert value("equalized_odds_difference", agg="mean") == pytest.approx((0.5 + 0.25) / 2)
    assert value("predictive_parity_difference", over_classes="mean") == pytest.approx((0.5 + 1 / 3 + 1 / 3) / 3)


def test_parity_of_predictions_is_not_parity_of_accuracy() -> None:
    # as many are called ill in both groups, but 6 of 10 answers are right in one and 3 of 10 in the other
    y = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] * 2
    answer = [1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]
    y[10:] = [1, 1, 1, 1, 1, 0, 0, 0, 0, 1]
    group = ["a"] * 10 + ["b"] * 10
    assert eg.demographic_parity_difference(y, answer, sensitive_features=group) == 0
    accuracy = eg.accuracy(y, answer, sensitive_features=group)
    assert dict(accuracy.per_group) == {"a": 0.6, "b": 0.3}
    assert eg.accuracy_parity_difference(y, answer, sensitive_features=group) == pytest.approx(0.3)


def test_missing_groups_count_only_in_the_overall_rate() -> None:
    y, answer, group = [1, 1, 1, 1], [1, 0, 1, 1], np.array(["a", "a", "b", None], dtype=object)
    assert eg.equal_opportunity_difference(y, answer, sensitive_features=group) == 0.5
    assert eg.equal_opportunity_difference(y, answer, sensitive_features=group, method="to_overall") == 0.25
    both = pd.DataFrame({"sex": ["f", "f", "m", None], "age": [1, 1, 1, 1]})
    measured = measure_criterion(y, answer, criterion="equal_opportunity", sensitive_features=both)
    assert measured.n_missing == 1 and set(measured.per_group) == {("f", 1), ("m", 1)}


def test_mistakes_are_named() -> None:
    for options, word in (({"method": "x"}, "method"), ({"agg": "x"}, "agg"), ({"over_classes": "x"}, "over_classes")):
        with pytest.raises(SettingsError, match=f"Unknown {word} 'x'"):
            eg.equalized_odds_difference(Y, ANSWERS, sensitive_features=GROUP, **options)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="not added up"):
        eg.demographic_parity_ratio(Y, ANSWERS, sensitive_features=GROUP, over_classes="sum")
    with pytest.raises(PredictionsError, match="Unknown class 'No Finding'"):
        eg.underdiagnosis_ratio(Y, ANSWERS, sensitive_features=GROUP)
    with pytest.raises(PredictionsError, match="sensitive_features 2"):
        eg.demographic_parity_ratio(Y, ANSWERS, sensitive_features=[0, 1])
    with pytest.raises(PredictionsError, match="sample_weight 1"):
        eg.demographic_parity_ratio(Y, ANSWERS, sensitive_features=GROUP, sample_weight=[1.0])
