"""Sources of unfairness, as rows of the audit."""

import numpy as np
import pandas as pd
import pytest

from everygroup.audit.engine import Plan
from everygroup.audit.partition import Partition
from everygroup.audit.result import frame_of
from everygroup.audit.sources import source_rows
from everygroup.errors import PredictionsError
from everygroup.metrics.calibration import ece
from everygroup.metrics.label_noise import label_suspect_share
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index

SOURCES = ["representation", "prevalence", "separability", "uncertainty", "calibration", "label noise"]


def partition(p: Predictions, attribute: str = "sex", min_n: int = 10) -> Partition:
    names, index = p.attribute(attribute)
    return Partition.of(attribute, names, index, cluster_index(p.units), min_n=min_n)


def rows_of(p: Predictions, attribute: str = "sex", **options: object) -> pd.DataFrame:
    return frame_of(
        "sources", source_rows(p, partition(p, attribute), plan=Plan(60), **options), data_set="", method="", seed=0
    )


def value(frame: pd.DataFrame, group: str, quantity: str) -> pd.Series:
    found = frame[(frame["group"] == group) & (frame["quantity"] == quantity)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_source_has_values_with_n_and_intervals(make, n_classes: int) -> None:
    p = make(n_classes=n_classes)
    frame = rows_of(p, "group")
    assert list(dict.fromkeys(frame["source"])) == [s for s in SOURCES if s != "separability"]
    assert set(frame["attribute"]) == {"group"}
    plain = ece(p.y_true, p.y_score, sensitive_features=p.table["group"])
    for g in ("young", "old"):
        row = value(frame, g, "ECE")
        assert row["value"] == pytest.approx(plain.per_group[g], abs=1e-9)
        assert row["low"] <= row["value"] + 0.05 and row["n"] == (p.table["group"] == g).sum()
    counted = frame[~frame["quantity"].isin(["samples", "patients", "share of samples"])]
    simulated = counted["quantity"].str.startswith("ECE of a perfect")
    undefined = counted["value"].isna()
    assert counted[~simulated & ~undefined][["low", "high"]].notna().all().all()
    assert (frame.loc[frame["value"].isna(), "note"] != "").all()
    assert value(frame, "gap", "ECE")["note"].startswith("permutation p = ")
    share = label_suspect_share(p.y_true, p.y_score, sensitive_features=p.table["group"]).per_group
    row = value(frame, "old", "label noise suspects (share)")
    assert row["value"] == pytest.approx(share["old"]) and "not a proven error" in row["note"]
    assert value(frame, "old", "share of patients")["low"] < 0.5
    label = "c1" if n_classes == 2 else "c2"
    assert value(frame, "young", f"prevalence[{label}]")["value"] == pytest.approx(
        (p.y_true[p.table["group"] == "young"] == p.classes.index(label)).mean()
    )


def test_separability_needs_features(make) -> None:
    p = make()
    assert rows_of(p).query("source == 'separability'").empty
    sex = (p.table["sex"] == "f").to_numpy()
    features = np.random.default_rng(0).normal(size=(len(p), 4)) + 4 * sex[:, None]
    told = rows_of(p, embeddings=features)
    row = value(told, "overall", "AUC of the group from features")
    assert row["value"] > 0.95 and row["low"] <= row["value"] <= row["high"]
    assert value(told, "m", "AUC of the group from features")["n"] == (~sex).sum()
    with pytest.raises(PredictionsError, match="3 rows"):
        rows_of(p, embeddings=features[:3])
    one = source_rows(p.where(sex), partition(p.where(sex)), embeddings=features[sex], plan=Plan(20))
    assert not any(r["source"] == "separability" for r in one)


def test_conformal_sets_are_calibrated_on_other_rows(make, changed) -> None:
    p, other = make(seed=1), make(seed=2)
    frame = rows_of(p, calibration=other)
    for word in ("one threshold", "one per group"):
        row = value(frame, "f", f"coverage of 90 % sets ({word})")
        assert 0.5 < row["low"] < row["high"] <= 1 and "calibrated on" in row["note"]
        assert 1 <= value(frame, "f", f"size of 90 % sets ({word})")["value"] <= 3
    # without the attribute, or scores, there is nothing to calibrate on
    for unfit in (Predictions(other.table, other.classes, other.groups, ()), make(scores=False), make(n_classes=2)):
        assert not rows_of(p, calibration=unfit)["quantity"].str.contains("sets").any()


def test_small_groups_and_missing_values_are_noted(make, changed) -> None:
    p = make(n_classes=2)
    sex = p.table["sex"].to_numpy().astype(object)
    sex[:4], sex[4:40] = "x", ""
    frame = rows_of(changed(p, "sex", sex))
    assert frame[frame["group"] == "x"]["note"].str.startswith("n too small").all()
    assert not frame[frame["group"] == "missing"]["note"].str.contains("too small").any()
    assert value(frame, "missing", "samples")["value"] == 36


def test_what_cannot_be_measured_has_no_row(make) -> None:
    assert set(rows_of(make(scores=False))["source"]) == set(SOURCES[:2])
    assert "label noise" not in set(rows_of(make(split="train"))["source"])


def test_of_many_classes_the_most_frequent_are_shown(make) -> None:
    p = make(n_classes=15)
    frame = rows_of(p)
    prevalence = frame[frame["source"] == "prevalence"]
    assert prevalence["quantity"].nunique() == 12 and "3 rarer classes" in prevalence["note"].iloc[0]
