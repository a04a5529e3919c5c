"""Audit of segmentation: from masks and from scores, by size and by location."""

import numpy as np
import pytest

from everygroup.audit.tasks import audit_segmentation
from everygroup.errors import PredictionsError
from everygroup.metrics.segmentation import METRICS, dice
from everygroup.metrics.surface import METRICS as OUTLINES

N = 40


def _masks(seed: int = 0, labels: int = 2, damage: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(1, labels, (N, 12, 12)) * (rng.random((N, 12, 12)) < 0.4)
    pred = np.where(rng.random(true.shape) < 0.85, true, 0)
    group = np.repeat(["a", "b"], N // 2)
    if damage:
        pred[N // 2 :, :6, :6] = 0
    return true, pred, group


def test_values_from_masks_are_those_of_the_metrics() -> None:
    true, pred, group = _masks()
    found = audit_segmentation(
        masks=(true, pred), sensitive_features={"sex": group}, spacing=[0.5, 1.0], n_boot=100, intersections=1
    )
    for info in (*METRICS, *OUTLINES):
        more = {"spacing": [0.5, 1.0]} if info in OUTLINES else {}
        measured = info.function(true, pred, sensitive_features=group, **more)
        assert found.value("sex", "overall", info.name) == pytest.approx(measured.value, abs=1e-12)
        for g in "ab":
            assert found.value("sex", g, info.name) == pytest.approx(measured.per_group[g], abs=1e-12)
    assert found.table[["value", "low", "high"]].notna().all().all()
    assert found.settings["headline"] == "dice" and found.cells.empty and found.comparison.empty
    assert "dice_pooled" in set(found.intersections["metric"])


def test_identical_masks_have_no_gap() -> None:
    true, _, group = _masks(1, labels=3)
    found = audit_segmentation(masks=(true, true), sensitive_features={"sex": group}, spacing=[1, 1], n_boot=50)
    gaps = found.table[found.table["group"] == "gap"]
    assert (gaps["value"] == 0).all() and (gaps["p"] == 1).all()
    constant = gaps["note"].str.startswith("no interval")  # means that no resample changes; proportions have Wilson's
    assert constant.any() and gaps.loc[constant, "low"].isna().all()
    assert (gaps.loc[~constant, "low"] == 0).all() and (gaps.loc[~constant, "high"] > 0).all()


def test_classes_locations_and_baseline() -> None:
    true, pred, group = _masks(2, labels=3, damage=True)
    better = np.where(np.random.default_rng(9).random(true.shape) < 0.85, true, 0)
    found = audit_segmentation(
        masks=(true, pred), sensitive_features={"sex": group}, blocks=6, n_boot=200, baseline=list(better)
    )
    cells = found.cells.set_index(["label", "group"])
    only = dice(true, pred, classes=[2], sensitive_features=group)
    assert cells.loc[("class 2", "b"), "value"] == pytest.approx(only.per_group["b"], abs=1e-12)
    assert cells.loc[("at 0,0", "b"), "value"] == 0 and cells.loc[("at 1,1", "b"), "value"] > 0.8
    assert cells[["low", "high"]].notna().all().all()
    located = [flag for flag in map(str, found.flags) if "at location" in flag]
    assert len(located) == 1 and "0,0" in located[0] and "1,1" not in located[0]
    rows = found.comparison.set_index(["group", "metric"])
    assert rows.loc[("b", "dice"), "high"] < 0 < rows.loc[("gap", "dice"), "low"]
    assert rows.loc[("gap", "dice"), "note"] in ("levelled down", "trade")


def test_regions_and_no_difference() -> None:
    true, pred, group = _masks(3)
    regions = np.ones((12, 12), int)
    found = audit_segmentation(
        masks=(true, pred), sensitive_features={"sex": group}, regions=regions, n_boot=100, cluster=np.arange(N) // 2
    )
    assert found.cells["label"].unique().tolist() == ["at 1"] and not any(
        "location" in f for f in map(str, found.flags)
    )


def test_scores_measured_before_with_size() -> None:
    rng = np.random.default_rng(4)
    group = np.repeat(["a", "b"], 100)
    size = np.exp(rng.normal(5, 1, 200) - 1.5 * (group == "b"))
    measured = np.clip(0.3 + 0.08 * np.log(size) + rng.normal(0, 0.02, 200), 0, 1)
    measured[0] = np.nan
    found = audit_segmentation(
        {"dice": measured, "hd95": 30 - 20 * np.nan_to_num(measured)},
        sensitive_features={"sex": group},
        size=size,
        n_boot=200,
        baseline={"hd95": np.full(200, 5.0), "dice": np.full(200, 0.5)},
    )
    gaps = found.table[found.table["group"] == "gap"].set_index("metric")
    assert gaps.loc["dice", "p"] < 0.01 and gaps.loc["dice", "value"] > 0.08
    assert gaps.loc["dice_size_adjusted", "value"] < 0.02 and gaps.loc["dice_size_adjusted", "p"] > 0.01
    assert "dice is undefined in 1 of 200" in " ".join(map(str, found.flags))
    assert found.value("sex", "a", "dice") == pytest.approx(np.nanmean(measured[:100]), abs=1e-12)
    assert set(found.comparison["metric"]) == {"dice", "hd95", "dice_size_adjusted"}
    alone = audit_segmentation({"hd95": [1.0, 2.0] * 20}, sensitive_features=["a", "b"] * 20, n_boot=50)
    assert alone.settings["headline"] == "hd95" and "Its HD95 is 2.00 in the group b" in alone.summary()


def test_empty_masks_may_be_left_out() -> None:
    true, pred, group = _masks(5)
    true[0], pred[0] = 0, 0
    with_nan = audit_segmentation(
        masks=(true, pred), sensitive_features={"sex": group}, empty=float("nan"), spacing=[1, 1], n_boot=50
    )
    assert "dice is undefined in 1 of 40" in " ".join(map(str, with_nan.flags))
    assert "hd95 is undefined in 1 of 40" in " ".join(map(str, with_nan.flags))
    assert with_nan.settings["empty"] is None


GROUPS = {"sex": ["a", "b"] * 10}
ONES = np.ones((20, 4, 4), int)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({}, "scores or masks"),
        ({"scores": {"dice": [1.0] * 20}, "masks": (ONES, ONES)}, "not both"),
        ({"scores": {}}, "no scores"),
        ({"scores": {"dics": [1.0] * 20}}, "Unknown score 'dics'"),
        ({"scores": {"dice": [1.2] * 20}}, "outside"),
        ({"scores": {"hd95": [-1.0] * 20}}, "outside"),
        ({"scores": {"dice": ["x"] * 20}}, "not numbers"),
        ({"scores": {"dice": [1.0] * 20, "iou": [1.0]}}, "iou"),
        ({"scores": {"dice": [1.0] * 19}}, "samples"),
        ({"scores": {"dice": [1.0] * 20}, "size": [1.0]}, "size"),
        ({"scores": {"dice": [1.0] * 20}, "size": [-1.0] * 20}, "negative"),
        ({"scores": {"dice": [1.0] * 20}, "blocks": 2}, "needs masks"),
        ({"scores": {"dice": [1.0] * 20}, "baseline": ONES}, "different kinds"),
        ({"scores": {"dice": [1.0] * 20}, "baseline": {"iou": [1.0] * 20}}, "The baseline has iou"),
        ({"masks": ONES}, "true, predicted"),
        ({"masks": (ONES, ONES[:, :3])}, "Image 0"),
        ({"masks": (ONES, ONES * 0.5)}, "no labels"),
        ({"masks": (ONES, ONES), "baseline": {"dice": [1.0] * 20}}, "different kinds"),
        ({"masks": (ONES, ONES), "baseline": ONES[:3]}, "20 true masks and 3"),
        ({"masks": (ONES, ONES), "spacing": [1]}, "spacing"),
        ({"masks": (ONES, ONES), "blocks": 0}, "blocks"),
    ],
)
def test_bad_input_is_said(call: dict, text: str) -> None:
    with pytest.raises(PredictionsError, match=text):
        audit_segmentation(**call, sensitive_features=GROUPS, n_boot=20)
