"""Masks: overlap, outlines, size and location, against scikit-learn, scipy and brute force."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist, directed_hausdorff
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, jaccard_score

from everygroup.errors import PredictionsError
from everygroup.metrics import location, segmentation, surface
from everygroup.metrics.location import dice_by_location
from everygroup.metrics.masks import mask_pairs, overlap_counts
from everygroup.metrics.segmentation import (
    adjust_for_size,
    dice,
    dice_pooled,
    dice_size_adjusted,
    image_overlap,
    iou,
    iou_pooled,
    overlap,
    pixel_fpr,
    pixel_tpr,
)
from everygroup.metrics.surface import boundary_f1, hd95

NAN = float("nan")


def _masks(seed: int = 0, n: int = 12, shape: tuple[int, ...] = (9, 11), labels: int = 2) -> tuple:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, labels, (n, *shape))
    pred = np.where(rng.random((n, *shape)) < 0.8, true, rng.integers(0, labels, (n, *shape)))
    return true, pred, rng.integers(0, 2, n)


def _images(true: np.ndarray, pred: np.ndarray, name: str = "dice", classes: list[int] | None = None) -> np.ndarray:
    return image_overlap(overlap_counts(mask_pairs(true, pred, classes=classes)), name)


@pytest.mark.parametrize("module", [segmentation, surface, location])
def test_doctests(module) -> None:
    result = doctest.testmod(module)
    assert result.attempted >= 3 and result.failed == 0


@pytest.mark.parametrize("shape", [(9, 11), (4, 5, 6)])
def test_overlap_equals_scikit_learn_per_image_and_pooled(shape: tuple[int, ...]) -> None:
    true, pred, group = _masks(shape=shape)
    for metric, together, name, oracle in (
        (dice, dice_pooled, "dice", f1_score),
        (iou, iou_pooled, "iou", jaccard_score),
    ):
        expected = np.array([oracle(t.ravel(), p.ravel()) for t, p in zip(true, pred, strict=True)])
        np.testing.assert_allclose(_images(true, pred, name), expected, atol=1e-12)
        measured = metric(true, pred, sensitive_features=group)
        assert measured.value == pytest.approx(expected.mean(), abs=1e-12)
        assert measured.per_group[1] == pytest.approx(expected[group == 1].mean(), abs=1e-12)
        pooled = together(true.astype(bool), pred.astype(bool), sensitive_features=group)
        inside = group == 0
        assert pooled.per_group[0] == pytest.approx(oracle(true[inside].ravel(), pred[inside].ravel()), abs=1e-12)


def test_several_classes_are_measured_one_by_one_and_averaged() -> None:
    true, pred, _ = _masks(1, labels=4)
    per_class = [[f1_score(t.ravel() == k, p.ravel() == k) for k in (1, 2, 3)] for t, p in zip(true, pred, strict=True)]
    np.testing.assert_allclose(_images(true, pred), np.mean(per_class, axis=1), atol=1e-12)
    only = _images(true, pred, classes=[2])
    np.testing.assert_allclose(only, np.array(per_class)[:, 1], atol=1e-12)


def test_empty_masks() -> None:
    blank, full = np.zeros((1, 3, 3), bool), np.ones((1, 3, 3), bool)
    both, n = np.concatenate([blank, full]), np.concatenate([blank, full])
    assert dice(both, n).value == 1.0
    measured = dice(both, n, empty=NAN)
    assert measured.value == 1.0 and measured.n_undefined == 1
    assert np.isnan(dice(blank, blank, empty=NAN).value) and dice(blank, full).value == 0.0
    assert iou_pooled(blank, blank).value == 1.0
    assert hd95(blank, blank, spacing=[1, 1]).value == 0.0 and boundary_f1(blank, blank, spacing=[1, 1]).value == 1
    assert hd95(blank, full, spacing=[3, 4]).value == 10.0 and boundary_f1(blank, full, spacing=[1, 1]).value == 0
    assert np.isnan(hd95(full, blank, spacing=[1, 1], one_empty=NAN).value)
    assert np.isnan(hd95(blank, blank, spacing=[1, 1], empty=NAN).value)
    assert np.isnan(boundary_f1(blank, blank, spacing=[1, 1], empty=NAN).value)


def test_pixel_rates_and_identical_masks() -> None:
    true, pred, group = _masks(2)
    inside = group == 1
    hit = (true[inside] == 1) & (pred[inside] == 1)
    assert pixel_tpr(true, pred, sensitive_features=group).per_group[1] == pytest.approx(
        hit.sum() / (true[inside] == 1).sum()
    )
    false = (true[inside] == 0) & (pred[inside] == 1)
    assert pixel_fpr(true, pred, sensitive_features=group).per_group[1] == pytest.approx(
        false.sum() / (true[inside] == 0).sum()
    )
    for metric in (pixel_tpr, pixel_fpr, dice, iou):
        assert metric(true, true, sensitive_features=group).gap == 0.0
    assert hd95(true, true, spacing=[1, 1], sensitive_features=group).gap == 0.0
    assert boundary_f1(true, true, spacing=[1, 1], sensitive_features=group).gap == 0.0
    assert np.isnan(pixel_tpr(np.zeros((1, 2, 2), int), np.zeros((1, 2, 2), int)).value)


# ---- outlines -------------------------------------------------------------------------------------------------------


def _outline(mask: np.ndarray) -> np.ndarray:
    """Pixels with a neighbour along an axis that is outside, found one by one."""
    padded = np.pad(mask, 1)
    keep = []
    for at in np.argwhere(mask):
        middle = at + 1
        sides = [middle + step * np.eye(mask.ndim, dtype=int)[axis] for axis in range(mask.ndim) for step in (-1, 1)]
        if not all(padded[tuple(s)] for s in sides):
            keep.append(at)
    return np.array(keep, dtype=float)


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(bool, (2, 6, 7)), st.sampled_from([(1.0, 1.0), (0.5, 2.0)]))
def test_hd95_and_boundary_f1_equal_brute_force(pair: np.ndarray, spacing: tuple[float, float]) -> None:
    if not pair[0].any() or not pair[1].any():
        return
    a, b = (_outline(m) * spacing for m in pair)
    distance = cdist(a, b)
    expected = max(np.percentile(distance.min(axis=1), 95), np.percentile(distance.min(axis=0), 95))
    assert hd95(pair[:1], pair[1:], spacing=spacing).value == pytest.approx(expected, abs=1e-12)
    largest = max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0])
    assert hd95(pair[:1], pair[1:], spacing=spacing, percentile=100).value == pytest.approx(largest, abs=1e-12)
    recall, precision = (distance.min(axis=1) <= 1).mean(), (distance.min(axis=0) <= 1).mean()
    f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    assert boundary_f1(pair[:1], pair[1:], spacing=spacing, tolerance=1.0).value == pytest.approx(f1)


def test_hd95_of_volumes_with_a_spacing_per_image() -> None:
    true, pred = np.zeros((2, 4, 4, 4), bool), np.zeros((2, 4, 4, 4), bool)
    true[:, 0, 0, 0] = pred[:, 3, 0, 0] = True
    measured = hd95(true, pred, spacing=[[5, 1, 1], [2, 1, 1]], sensitive_features=["a", "b"])
    assert measured.per_group == {"a": 15.0, "b": 6.0}


def test_the_tolerance_follows_the_size_of_the_image() -> None:
    true, pred = np.zeros((1, 300, 400), bool), np.zeros((1, 300, 400), bool)
    true[0, 100:200, 100:200] = True
    pred[0, 103:203, 100:200] = True
    assert boundary_f1(true, pred, spacing=[1, 1]).value == 1.0  # 0.75 % of 500 is 3.7
    assert boundary_f1(true, pred, spacing=[1, 1], tolerance=2).value < 1.0


# ---- size -----------------------------------------------------------------------------------------------------------


def test_size_adjustment_is_the_regression_with_group_intercepts() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 90)
    size = np.exp(rng.normal(4, 1, 90) + group)
    values = 0.4 + 0.05 * np.log(size) + 0.02 * group + rng.normal(0, 0.01, 90)
    design = np.column_stack([np.log(size), *(group == g for g in (1, 2))])
    fit = LinearRegression().fit(design, values)
    adjusted, slope = adjust_for_size(values, size, group)
    assert slope == pytest.approx(fit.coef_[0], abs=1e-10)
    at_mean = np.column_stack([np.full(3, np.log(size).mean()), [0, 1, 0], [0, 0, 1]])
    expected = fit.predict(at_mean)
    assert [adjusted[group == g].mean() for g in range(3)] == pytest.approx(expected.tolist(), abs=1e-10)
    assert adjusted.mean() == pytest.approx(values.mean())


def test_size_adjustment_without_lesions_or_without_spread() -> None:
    adjusted, slope = adjust_for_size(np.array([0.5, 0.7, 1.0, NAN]), np.array([10, 10, 0, 10]), np.array([0, 1, 0, 1]))
    np.testing.assert_array_equal(adjusted, [0.5, 0.7, NAN, NAN])
    assert np.isnan(slope) and np.isnan(adjust_for_size(np.ones(1), np.zeros(1), np.zeros(1, int))[0][0])
    true = np.zeros((4, 8, 8), int)
    for i, edge in enumerate((2, 4, 2, 6)):
        true[i, :edge, :edge] = 1
    pred = np.roll(true, 1, axis=1)
    by = ["a", "a", "b", "b"]
    raw, adjusted = dice(true, pred, sensitive_features=by), dice_size_adjusted(true, pred, sensitive_features=by)
    assert adjusted.gap < raw.gap


# ---- location -------------------------------------------------------------------------------------------------------


def _located(seed: int, n: int = 40, damage: bool = True) -> tuple:
    rng = np.random.default_rng(seed)
    true = (rng.random((n, 16, 16)) < 0.3).astype(int)
    pred = np.where(rng.random(true.shape) < 0.85, true, 1 - true)
    group = np.repeat(["a", "b"], n // 2)
    if damage:
        pred[n // 2 :, :8, :8] = 0
    return true, pred, group


def test_a_place_that_serves_one_group_worse_is_found() -> None:
    true, pred, group = _located(0)
    found = dice_by_location(true, pred, sensitive_features=group, blocks=4, n_perm=200)
    hurt = [i for i, name in enumerate(found.locations) if name in ("0,0", "0,1", "1,0", "1,1")]
    rest = [i for i in range(16) if i not in hurt]
    assert found.shape == (4, 4) and found.dice.shape == (2, 16) and 18 <= found.n.min() <= found.n.max() == 20
    assert (found.p_corrected[hurt] < 0.01).all() and (found.p_cluster[hurt] < 0.01).all()
    assert (found.p_corrected[rest] > 0.05).all()
    assert (found.p_corrected >= found.p).all()
    inside, block = group == "a", (slice(None), slice(4, 8), slice(8, 12))
    expected = f1_score(true[inside][block].ravel(), pred[inside][block].ravel())
    assert found.dice[0, found.locations.index("1,2")] == pytest.approx(expected, abs=1e-12)
    assert (found.low <= found.dice).all() and (found.dice <= found.high).all() and (found.high - found.low < 0.3).all()


def test_without_a_difference_the_corrected_p_keeps_the_error_rate() -> None:
    lowest, clusters = [], []
    for seed in range(60):
        true, pred, group = _located(seed, n=16, damage=False)
        found = dice_by_location(true, pred, sensitive_features=group, blocks=4, n_perm=100, seed=seed)
        lowest.append(found.p_corrected.min())
        clusters.append(np.fmin.reduce(np.append(found.p_cluster, 1.0)))
    assert np.mean(np.array(lowest) <= 0.05) <= 0.13  # 5 % of 60, and three standard errors
    assert np.mean(np.array(clusters) <= 0.05) <= 0.13


def test_regions_of_a_label_map_and_patients() -> None:
    true, pred, group = _located(3)
    regions = np.zeros((16, 16), int)
    regions[:8, :8], regions[8:, 8:] = 7, 9
    group = group.astype(object)
    group[0] = None
    patient = np.repeat(np.arange(20), 2)
    found = dice_by_location(true, pred, sensitive_features=group, regions=regions, cluster=patient, n_perm=99)
    assert found.locations == ("7", "9") and found.shape == () and np.isnan(found.p_cluster).all()
    assert found.n_missing == 1 and found.n.max() == 20 and found.p_corrected[0] <= 0.02 < found.p_corrected[1]


def test_places_without_lesions_and_one_group() -> None:
    true = np.zeros((4, 4, 4), int)
    true[:, :2] = 1
    found = dice_by_location(true, true, sensitive_features=["a", "a", "b", "b"], blocks=[2, 4], n_perm=9)
    assert found.dice[:, 0].tolist() == [1.0, 1.0] and np.isnan(found.dice[:, 1]).all() and found.gap[0] == 0.0
    assert found.p[0] == 1.0 and np.isnan([found.p[1], found.p_corrected[1]]).all()
    alone = dice_by_location(true, true, sensitive_features=["a"] * 4, blocks=2, n_perm=9)
    assert np.isnan(alone.gap).all() and np.isnan(alone.p_corrected).all()
    none = dice_by_location(true, true, sensitive_features=[None] * 4, blocks=2, n_perm=9)
    assert none.groups == () and none.dice.size == 0


# ---- bad input ------------------------------------------------------------------------------------------------------

ONE = np.ones((2, 4, 4), int)


@pytest.mark.parametrize(
    ("true", "pred", "text"),
    [
        (ONE, np.ones((2, 4, 5), int), "Image 0: the true mask has shape"),
        (ONE, ONE[:1], "2 true masks and 1"),
        (ONE, np.full((2, 4, 4), 0.5), "no labels, such as 0.5"),
        (np.full((2, 4, 4), NAN), ONE, "no labels"),
        (ONE, ONE * -1, "label -1"),
        (ONE * 255, ONE, "only label of the true masks is 255"),
        (np.ones(4, int), np.ones(4, int), "shape"),
        ([], [], "empty"),
        (3, 3, "no masks"),
        (np.array([[["x"]]]), np.array([[["x"]]]), "type"),
        ([np.ones((2, 2)), np.ones((2, 2, 2))], [np.ones((2, 2)), np.ones((2, 2, 2))], "dimensions"),
        (np.arange(100).reshape(1, 10, 10), np.arange(100).reshape(1, 10, 10), "99 different labels"),
    ],
)
def test_bad_masks_are_said(true, pred, text: str) -> None:
    with pytest.raises(PredictionsError, match=text):
        dice(true, pred)


def test_floats_that_are_labels_are_taken() -> None:
    assert dice(ONE.astype(float), ONE).value == 1.0
    assert mask_pairs(ONE, ONE).n_dimensions == 2
    assert overlap(overlap_counts(mask_pairs(ONE, ONE)), "iou").tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    "options",
    [
        {"spacing": [1]},
        {"spacing": [1, 0]},
        {"spacing": "x"},
        {"spacing": [1, NAN]},
        {"spacing": [1, 1], "percentile": 101},
        {"spacing": [1, 1], "classes": [1, 1]},
    ],
)
def test_bad_options_of_outlines_are_said(options: dict) -> None:
    with pytest.raises(PredictionsError):
        hd95(ONE, ONE, **options)
    with pytest.raises(PredictionsError):
        boundary_f1(ONE, ONE, **{"spacing": [1, 1], "tolerance": -1.0})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"blocks": 2, "regions": np.ones((4, 4), int)},
        {"blocks": 0},
        {"blocks": [2, 2, 2]},
        {"blocks": 1.5},
        {"regions": np.zeros((4, 4), int)},
        {"regions": np.ones((3, 4), int)},
        {"blocks": 2, "cluster": [1]},
        {"blocks": 2, "n_perm": 0},
    ],
)
def test_bad_options_of_location_are_said(options: dict) -> None:
    with pytest.raises(PredictionsError):
        dice_by_location(ONE, ONE, sensitive_features=["a", "b"], **options)


def test_location_needs_aligned_images() -> None:
    different = [np.ones((4, 4), int), np.ones((5, 4), int)]
    with pytest.raises(PredictionsError, match="align"):
        dice_by_location(different, different, sensitive_features=["a", "b"], blocks=2)
    with pytest.raises(PredictionsError, match="sensitive_features"):
        dice(ONE, ONE, sensitive_features=["a"])


def test_records() -> None:
    true, pred, group = _masks(5)
    for info in (*segmentation.METRICS, *surface.METRICS):
        more = {"spacing": [1, 1]} if info.name in ("hd95", "boundary_f1") else {}
        measured = info.function(true, pred, sensitive_features=group, **more)
        assert info.low <= measured.value <= info.high
        assert info.function(true, true, sensitive_features=group, **more).value == pytest.approx(info.optimum)
        assert info.higher_is_better == (info.name not in ("hd95", "pixel_fpr"))
