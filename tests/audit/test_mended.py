"""Named attributes, criteria on few samples, sources in the audit, thin data."""

import numpy as np
import pytest

from everygroup.audit import audit, audit_arrays, measurement, thinning
from everygroup.audit.criteria import UNDECIDED
from everygroup.errors import PredictionsError
from everygroup.metrics import metric_info


def test_a_named_attribute_keeps_its_name_and_intersects(make) -> None:
    p = make()
    age = np.where(p.group == 1, "old", "young")
    p = make(sensitive_features={"age": age, "sex": p.table["sex"].to_numpy()})
    named = audit(p, n_boot=10, attributes=["age", "sex"], intersections=2)
    assert list(dict.fromkeys(named.table["attribute"])) == ["age", "sex"]
    assert set(named.intersections["attribute"]) == {"age", "sex", "age x sex"}
    default = audit(p, n_boot=10, intersections=2)
    assert list(dict.fromkeys(default.table["attribute"])) == ["group", "sex"]
    assert set(default.intersections["attribute"]) == {"group", "sex", "group x sex"}


def test_grouping_settled_by_the_other_attributes_is_not_crossed(make) -> None:
    p = make()
    finer = [f"{g}{i % 2}" for i, g in enumerate(p.group)]
    result = audit(make(sensitive_features={"age": finer}), n_boot=10, intersections=2)
    assert set(result.intersections["attribute"]) == {"age"}


def test_a_rate_on_few_answers_is_not_the_worst_class() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    answer = np.where(rng.random(400) < 0.8, y, 1 - y)
    group = np.repeat(["f", "m"], 200)
    answer[[0, 200]] = 2
    y[[0, 200]] = 2, 0
    result = audit_arrays(y, y_pred=answer, classes=[0, 1, 2], sensitive_features={"sex": group}, n_boot=99)
    row = result.criteria.set_index("criterion").loc["predictive parity"]
    assert row["quantity"] != "precision[2]" and "not judged, too few samples: precision[2] (n = 1 in f)" in row["note"]
    assert row["gap"] < 0.3 and row["verdict"] == UNDECIDED


def test_no_worst_group_without_a_direction(make) -> None:
    result = audit(make(), n_boot=10, metrics=["selection_rate[c1]", "recall[c1]"], attributes=["sex"])
    worst = result.table[result.table["group"] == "worst"]
    assert worst["metric"].tolist() == ["recall[c1]"]
    assert "Misses" in result.summary() and "share answered of c1" not in result.summary()
    info = metric_info("dice_size_adjusted")
    assert info.optimum == 1.0 and info.higher_is_better


def test_sources_are_part_of_the_audit(make) -> None:
    p, other = make(), make(seed=3)
    features = np.random.default_rng(0).normal(size=(len(p), 3))
    result = audit(p, n_boot=20, attributes=["sex"], embeddings=features, calibration=other)
    assert {"separability", "uncertainty", "calibration"} <= set(result.sources["source"])
    assert result.sources["quantity"].str.startswith("coverage of 90 % sets").any()
    with pytest.raises(PredictionsError, match="rows but there are"):
        audit(p, n_boot=5, embeddings=features[:3])
    with pytest.raises(PredictionsError, match="classes of the calibration"):
        audit(p, n_boot=5, calibration=make(n_classes=2))


def test_balanced_accuracy_is_widened_for_its_rarest_class() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 0, 1], [46, 4, 46, 4])
    answer = np.where(rng.random(100) < 0.7, y, 1 - y)
    answer[[46, 96]] = 0
    table = audit_arrays(
        y, y_pred=answer, sensitive_features=["a"] * 50 + ["b"] * 50, n_boot=400, min_n=2, metrics="all"
    ).table
    rows = table[table["group"] == "a"].set_index("metric")
    plain = audit_arrays(
        y,
        y_pred=answer,
        sensitive_features=["a"] * 50 + ["b"] * 50,
        n_boot=400,
        min_n=2,
        metrics="all",
        interval="percentile",
    ).table
    narrow = plain[plain["group"] == "a"].set_index("metric")
    width = rows["high"] - rows["low"]
    assert width["balanced_accuracy"] > 1.15 * (narrow["high"] - narrow["low"])["balanced_accuracy"]


def test_a_resampled_part_is_said_and_leaves_values_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n, most = 3000, 500
    y = rng.integers(0, 2, n)
    p = np.clip(0.5 + 0.25 * (y - 0.5) + 0.2 * rng.normal(size=n), 0.01, 0.99)
    given = {"y_score": p, "sensitive_features": {"site": rng.choice(["a", "b"], n)}, "n_boot": 300}
    full = audit_arrays(y, **given)
    monkeypatch.setattr(measurement, "is_large", lambda *a: thinning.is_large(*a, most=most))
    monkeypatch.setattr(measurement, "Thinned", lambda *a: thinning.Thinned(*a, most=most))
    part = audit_arrays(y, **given)
    assert "resampled_part" not in full.settings
    assert part.settings["resampled_part"]["site"]["clusters"] == 2 * most and any(
        "random part of 1,000" in f for f in map(str, part.flags)
    )
    assert part.table["value"].to_numpy() == pytest.approx(full.table["value"].to_numpy(), nan_ok=True)
    a, b = (t[t["group"].isin(["a", "b"]) & (t["metric"] == "auc")] for t in (full.table, part.table))
    assert (b["high"] - b["low"]).to_numpy() == pytest.approx((a["high"] - a["low"]).to_numpy(), rel=0.3)


@pytest.mark.parametrize("split", ["Train", "training"])
def test_training_rows_are_flagged_by_any_of_their_names(make, split: str) -> None:
    result = audit(make(split=split), n_boot=5)
    assert "These are the training samples" in " ".join(map(str, result.flags))
    noise = result.sources[result.sources["source"] == "label noise"]
    assert noise["value"].isna().all() and noise["note"].str.startswith("skipped").all()


def test_an_id_that_stands_twice_is_shown_plainly(make) -> None:
    double = make(ids=["x", "x", *range(238)])
    with pytest.raises(PredictionsError, match=r"The id 'x' stands"):
        audit(make(ids=range(240)), baseline=double, n_boot=5)
