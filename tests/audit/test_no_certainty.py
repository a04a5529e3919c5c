"""What never varies under resampling is not shown as certain."""

import numpy as np

from everygroup.audit import audit_arrays


def test_one_class_answered_has_no_interval_of_width_zero() -> None:
    y = np.arange(90) % 3
    result = audit_arrays(
        y,
        y_pred=np.zeros(90, dtype=int),
        classes=["a", "b", "c"],
        sensitive_features={"sex": ["f", "m"] * 45, "site": ["x"] * 40 + ["y"] * 50},
        n_boot=50,
        metrics=["macro_recall", "accuracy"],
        intersections=2,
    )
    gaps = result.table[result.table["metric"].isin(["eopp0_lab", "eodds_strict", "macro_recall"])]
    assert (gaps["low"].isna() | (gaps["low"] < gaps["high"])).all()
    assert gaps.loc[gaps["metric"] == "eopp0_lab", "note"].str.startswith("no interval").all()
    assert not (result.table["detectable"] == 0).any()
    crossed = result.intersections[result.intersections["metric"] == "macro_recall"]
    assert crossed["low"].isna().all() and crossed["note"].str.startswith("no interval").all()
    assert sum(flag.startswith("Every sample is answered 'a': ") for flag in map(str, result.flags)) == 1
    # a proportion that is 0 in every resample still has Wilson's interval
    recall = audit_arrays(y, y_pred=y, sensitive_features=["f", "m"] * 45, n_boot=20, metrics=["accuracy"]).table
    own = recall[(recall["metric"] == "accuracy") & recall["group"].isin(["f", "m"])]
    assert (own["low"] < own["high"]).all() and (own["note"] == "").all()
