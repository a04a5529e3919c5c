"""Simulated cohorts of every target: what they say of themselves is true, and groups differ by as much as is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.testing as npt
import pytest

from everygroup.check import check_cohort
from everygroup.cohort import split_cohort
from everygroup.cohort.outcome import TARGETS
from everygroup.datasets import simulate, simulated
from everygroup.datasets.simulated_anomalies import anomalies
from everygroup.datasets.simulated_findings import FINDINGS, findings
from everygroup.datasets.simulated_kspace import undersampled
from everygroup.datasets.simulated_masks import lesion_masks
from everygroup.datasets.simulated_severity import severity
from everygroup.errors import CohortError, SettingsError

SMALL: dict[str, Any] = {"image_size": 16, "seed": 3}


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_cohort_that_is_the_same_for_a_seed(target: Any) -> None:
    made, again = simulate(target, n=200, **SMALL), simulate(target, n=200, **SMALL)
    assert made.cohort.target == target and len(made.cohort) == len(made.truth) == 200
    assert made.cohort.content_hash == again.cohort.content_hash
    assert made.cohort.content_hash != simulate(target, n=200, image_size=16, seed=4).cohort.content_hash
    assert len(made.cohort.groups) == 2
    split_cohort(made.cohort)
    check_cohort(made.cohort)


def test_unknown_targets_and_dials_are_refused() -> None:
    with pytest.raises(CohortError, match="Unknown target 'colour'"):
        simulate("colour")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="steepnes"):
        simulate("labels", n=100, steepnes=3)


@pytest.mark.parametrize(
    ("make", "dial"),
    [
        (lesion_masks, {"outline_shift": 0.5}),
        (severity, {"score_noise": -1}),
        (findings, {"steepness": 0}),
        (findings, {"unknown": 0.5}),
        (anomalies, {"healthy": 1}),
        (undersampled, {"acceleration": (0.5, 2)}),
        (undersampled, {"acceleration": (4, 20), "centre": 0.08}),
        (undersampled, {"n": 3}),
        (undersampled, {"fractions": (1, 0)}),
    ],
)
def test_dials_outside_their_range_are_refused(make: Any, dial: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        make(**{"n": 100, **dial})


def test_outlines_grow_with_the_tone_and_only_then() -> None:
    made = lesion_masks(200, image_size=32, seed=3, outline_shift=0.1)
    recorded, true = made.cohort.truth == 1, made.masks  # type: ignore[operator]
    assert (recorded | ~true).all()  # the lesion lies within
    overlap = 2 * true.sum((1, 2)) / (true.sum((1, 2)) + recorded.sum((1, 2)))
    npt.assert_allclose(overlap, made.truth["dice"])
    by_group = made.truth.groupby(made.cohort.table["tone"])["dice"].mean()
    assert by_group["light"] > 0.96 and by_group["dark"] < 0.85
    same = lesion_masks(200, outline_shift=0, **SMALL)
    npt.assert_array_equal(same.cohort.truth, same.masks)
    assert (same.truth["dice"] == 1).all()


def test_a_score_is_what_its_formula_says() -> None:
    made = severity(4000, image_size=16, seed=1, score_noise=5)
    error = made.cohort.y - made.truth["severity"]
    assert abs(error.mean()) < 0.3 and error.std() == pytest.approx(5, rel=0.05)
    # of the same group's own rule the mean error is 0 by construction; of the other group's it is not
    dark = (made.cohort.table["tone"] == "dark").to_numpy()
    own = np.abs(made.truth["severity_dark"] - made.truth["severity"])[dark].mean()
    other = np.abs(made.truth["severity_light"] - made.truth["severity"])[dark].mean()
    assert other > 4 * own
    plain = severity(300, presentation_shift=0, **SMALL).truth
    npt.assert_allclose(plain["severity_light"], plain["severity"])
    npt.assert_allclose(plain["severity_dark"], plain["severity"])


def test_findings_come_as_often_as_their_probabilities_say() -> None:
    made = findings(4000, image_size=16, seed=1)
    for k, name in enumerate(FINDINGS):
        p, y = made.truth[f"p_{name}"].to_numpy(), made.cohort.y[:, k]
        assert abs((y - p).mean()) < 4 * np.sqrt((p * (1 - p)).sum()) / 4000
        sure = p > 0.9
        assert y[sure].mean() == pytest.approx(p[sure].mean(), abs=0.03)
    both = made.cohort.y.sum(axis=1)
    assert all((both == k).mean() > 0.1 for k in (0, 1, 2))
    hidden = findings(1000, unknown=0.2, **SMALL).cohort.y
    assert np.isnan(hidden).mean() == pytest.approx(0.2, abs=0.03) and not np.isnan(hidden).all(axis=1).any()


def test_healthy_skin_is_the_same_picture_without_the_lesion() -> None:
    made, base = anomalies(400, **SMALL), simulated.dermatology(400, **SMALL)
    ill = made.cohort.y == 1
    npt.assert_array_equal(made.cohort.images[ill], base.cohort.images[ill])
    assert not made.masks[~ill].any() and made.masks[ill].any(axis=(1, 2)).all()
    assert (made.cohort.table["diagnosis"][~ill] == "healthy").all()
    assert made.truth["contrast"].isna().to_numpy().tolist() == (~ill).tolist()
    far = ~base.masks[~ill]
    assert np.abs(made.cohort.images[~ill].astype(int) - base.cohort.images[~ill])[far].mean() < 6
    by_tone = made.truth.groupby(made.cohort.table["tone"])["contrast"].mean()
    assert by_tone["dark"] < 0.8 * by_tone["light"]


def test_energy_that_was_not_measured_is_the_error_of_the_picture() -> None:
    """Parseval: NMSE of the zero-filled complex image is the energy lost; its modulus is nearer, rounding aside."""
    made = undersampled(200, image_size=32, seed=2, noise=0)
    full, seen = (a[..., 0] / 255 for a in (made.cohort.truth, made.cohort.images))  # type: ignore[operator]
    nmse = np.square(seen - full).sum((1, 2)) / np.square(full).sum((1, 2))
    lost = made.truth["lost"].to_numpy()
    assert (nmse <= lost + 1e-3).all() and nmse.mean() > 0.5 * lost.mean()
    kept = full[0] @ np.eye(32)
    spectrum = np.fft.fft2(kept, norm="ortho")
    assert np.square(np.abs(spectrum)).sum() == pytest.approx(np.square(kept).sum())


def test_the_faster_hospital_measures_fewer_lines_and_loses_more() -> None:
    made = undersampled(300, image_size=48, seed=2, acceleration=(2, 6))
    rows = made.truth.groupby(made.cohort.table["hospital"])
    assert rows["lines"].unique().map(list).tolist() == [[24], [8]]
    assert rows["lost"].mean()["B"] > 1.5 * rows["lost"].mean()["A"]
    assert made.cohort.by_group["n"].tolist() == [225, 75]
    alike = undersampled(300, acceleration=(4, 4), **SMALL).truth
    assert alike["lines"].nunique() == 1


def test_all_lines_give_the_image_itself() -> None:
    made = undersampled(50, acceleration=(1, 1), noise=0, **SMALL)
    npt.assert_array_equal(made.cohort.images, made.cohort.truth)
    npt.assert_allclose(made.truth["lost"], 0, atol=1e-12)
