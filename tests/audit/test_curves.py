"""Curves of every group, as rows of the audit."""

import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score

from everygroup.audit.curves import curve_rows
from everygroup.audit.partition import Partition
from everygroup.audit.result import frame_of
from everygroup.errors import SettingsError
from everygroup.metrics.curves import LIMIT
from everygroup.statistics import cluster_index


def partition(p, attribute="sex", min_n=10) -> Partition:
    names, index = p.attribute(attribute)
    return Partition.of(attribute, names, index, cluster_index(p.units), min_n=min_n)


def test_two_classes_give_four_curves_of_the_second_class_for_every_group(make) -> None:
    p = make(n_classes=2)
    frame = frame_of("curves", curve_rows(p, partition(p)), data_set="d", method="m", seed=1)
    assert set(frame["group"]) == {"overall", "f", "m"}
    assert set(frame["kind"]) == {"roc", "precision_recall", "calibration", "risk_coverage"}
    assert set(frame[frame["kind"] != "risk_coverage"]["label"]) == {"c1"}
    assert frame.groupby(["group", "kind"]).size().max() <= LIMIT
    female = p.where(p.table["sex"] == "f")
    roc = frame[(frame["kind"] == "roc") & (frame["group"] == "f")]
    assert auc(roc["x"], roc["y"]) == pytest.approx(roc_auc_score(female.y_true, female.y_score[:, 1]), abs=2e-3)
    assert (roc["n"] == len(female)).all()
    assert (frame["low"] <= frame["y"] + 1e-9).all() and (frame["y"] <= frame["high"] + 1e-9).all()
    calibration = frame[(frame["kind"] == "calibration") & (frame["group"] == "f")]
    assert calibration["n"].sum() == len(female)


def test_several_classes_are_averaged_or_one_is_chosen(make) -> None:
    p = make()
    rows = curve_rows(p, partition(p))
    labels = {(r["kind"], r["label"]) for r in rows}
    assert labels == {
        ("roc", "macro"),
        ("precision_recall", "macro"),
        ("calibration", "top label"),
        ("risk_coverage", "answer"),
    }
    roc = [(r["x"], r["y"]) for r in rows if r["kind"] == "roc" and r["group"] == "overall"]
    x, y = np.array(roc).T
    assert auc(x, y) == pytest.approx(roc_auc_score(p.y_true, p.y_score, multi_class="ovr"), abs=0.01)
    one = curve_rows(p, partition(p), label="c2")
    assert {r["label"] for r in one if r["kind"] == "roc"} == {"c2"}
    roc = np.array([(r["x"], r["y"]) for r in one if r["kind"] == "roc" and r["group"] == "overall"])
    assert auc(*roc.T) == pytest.approx(roc_auc_score(p.y_true == 2, p.y_score[:, 2]), abs=2e-3)
    with pytest.raises(SettingsError, match="Unknown class 'x'"):
        curve_rows(p, partition(p), label="x")


def test_small_and_missing_groups_have_no_curve(make, changed) -> None:
    p = make(n_classes=2)
    sex = p.table["sex"].to_numpy().astype(object)
    sex[:3], sex[3:40] = "x", ""
    p = changed(p, "sex", sex)
    assert {r["group"] for r in curve_rows(p, partition(p))} == {"overall", "f", "m"}


def test_patients_with_several_samples_widen_intervals(make) -> None:
    p, q = make(n_classes=2), make(n_classes=2, units=None)

    def width(predictions):
        rows = [r for r in curve_rows(predictions, partition(predictions)) if r["kind"] == "roc"]
        return np.mean([r["high"] - r["low"] for r in rows])

    assert width(p) >= width(q)


def test_without_scores_there_are_no_curves(make) -> None:
    p = make(scores=False)
    assert curve_rows(p, partition(p)) == []
