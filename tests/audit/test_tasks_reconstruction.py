"""Audit of reconstructed images, and of what a diagnosis model makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import audit_downstream, audit_table
from everygroup.audit.tasks import audit_reconstruction
from everygroup.cohort import Cohort
from everygroup.datasets import simulate
from everygroup.errors import CohortError, PredictionsError
from everygroup.metrics.reconstruction import METRICS, image_quality
from everygroup.predictions import Predictions

Make = Callable[..., Cohort]


@pytest.fixture(scope="module")
def scans() -> Cohort:
    return simulate("image", n=160, image_size=24, acceleration=(2, 8), centre=0.1).cohort


def test_values_are_those_of_the_metrics(scans: Cohort) -> None:
    full, seen = scans.truth_batch(slice(None)), scans.batch(slice(None))
    hospital = scans.table["hospital"].tolist()
    found = audit_reconstruction(images=(full, seen), sensitive_features={"hospital": hospital}, n_boot=100)
    for info in METRICS:
        measured = info.function(full, seen, sensitive_features=hospital)
        assert found.value("hospital", "overall", info.name) == pytest.approx(measured.value)
        for name in "AB":
            assert found.value("hospital", name, info.name) == pytest.approx(measured.per_group[name])
    assert found.settings["headline"] == "psnr"
    gap = found.table[(found.table["group"] == "gap") & (found.table["metric"] == "psnr")].iloc[0]
    assert gap["p"] < 0.05 and gap["low"] > 0  # the faster hospital is worse off, which is true


def test_scores_and_images_agree_and_the_baseline_is_paired(scans: Cohort) -> None:
    full, seen = scans.truth_batch(slice(None)), scans.batch(slice(None))
    better = ((full.astype(int) + seen) // 2).astype(np.uint8)
    hospital = {"hospital": scans.table["hospital"]}
    by_images = audit_reconstruction(images=(full, better), baseline=seen, sensitive_features=hospital, n_boot=100)
    by_scores = audit_reconstruction(
        image_quality(full, better), baseline=image_quality(full, seen), sensitive_features=hospital, n_boot=100
    )
    pd.testing.assert_frame_equal(by_images.table, by_scores.table)
    pd.testing.assert_frame_equal(by_images.comparison, by_scores.comparison)
    rows = by_images.comparison[by_images.comparison["metric"] == "psnr"]
    assert len(rows) and (rows.loc[rows["group"].isin(["A", "B"]), "change"] > 4).all()


def test_undefined_values_are_told() -> None:
    found = audit_reconstruction({"psnr": [30.0, np.nan] * 20}, sensitive_features={"site": list("AB") * 20}, n_boot=20)
    assert any("psnr is undefined in 20 of 40 images" in flag.text for flag in found.flags)


def test_what_does_not_fit_is_refused() -> None:
    site = {"site": list("AB") * 5}
    with pytest.raises(PredictionsError, match="scores or images, and not both"):
        audit_reconstruction(sensitive_features=site)
    with pytest.raises(PredictionsError, match="Unknown score 'dice'"):
        audit_reconstruction({"dice": [1.0] * 10}, sensitive_features=site)
    with pytest.raises(PredictionsError, match=r"Position 3 of ssim is 1\.5"):
        audit_reconstruction({"ssim": [0.5, 0.5, 0.5, 1.5] + [0.5] * 6}, sensitive_features=site)
    with pytest.raises(PredictionsError, match="different kinds"):
        audit_reconstruction({"psnr": [1.0] * 10}, baseline=np.zeros((10, 12, 12)), sensitive_features=site)
    with pytest.raises(PredictionsError, match="The baseline has ssim of 10 images"):
        audit_reconstruction({"psnr": [1.0] * 10}, baseline={"ssim": [1.0] * 10}, sensitive_features=site)


def test_a_table_of_values_is_known_for_what_it_is(tmp_path: Path, scans: Cohort) -> None:
    values = image_quality(scans.truth_batch(slice(None)), scans.batch(slice(None)))
    pd.DataFrame(values).assign(hospital=scans.table["hospital"]).to_csv(tmp_path / "psnr.csv", index=False)
    found = audit_table(tmp_path / "psnr.csv", groups=["hospital"], n_boot=50)
    assert set(found.table["metric"]) == {"psnr", "ssim", "nmse"}
    inside = (scans.table["hospital"] == "B").to_numpy()
    assert found.value("hospital", "B", "psnr") == pytest.approx(values["psnr"][inside].mean())


class Corner:
    """Reads the class from where a picture is bright, as the tiny cohort's pictures tell it."""

    def predict(self, cohort: Cohort) -> Predictions:
        pixels = cohort.batch(slice(None)).astype(float)
        corner = np.stack([pixels[:, :4, :4].mean((1, 2, 3)), pixels[:, :4, 4:].mean((1, 2, 3))], axis=1)
        score = corner / corner.sum(axis=1, keepdims=True)
        return Predictions.from_arrays(
            cohort.y,
            y_score=score,
            classes=cohort.classes,
            sensitive_features={"tone": cohort.table["tone"]},
            ids=cohort.ids,
            units=cohort.units,
        )


def test_what_reconstruction_costs_a_diagnosis(tiny_cohort: Make) -> None:
    """Group g1's pictures are restored upside down and mirrored: the model is wrong there, and only there."""
    cohort = tiny_cohort(80)
    restored = cohort.batch(slice(None))
    inside = cohort.group == 1
    restored[inside] = restored[inside][:, :, ::-1]
    found = audit_downstream(Corner(), cohort, restored, n_boot=100)
    assert found.value("tone", "g0", "accuracy") == 1.0 and found.value("tone", "g1", "accuracy") == 0.0
    rows = found.comparison.set_index(["group", "metric"])["change"]
    assert rows["g0", "accuracy"] == 0.0 and rows["g1", "accuracy"] == -1.0
    with pytest.raises(CohortError, match="10 images for 80 samples"):
        audit_downstream(Corner(), cohort, restored[:10])
