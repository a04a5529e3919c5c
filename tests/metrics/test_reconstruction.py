"""PSNR, SSIM and NMSE against their formulas, written out window by window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from everygroup.errors import PredictionsError
from everygroup.metrics.reconstruction import image_quality, nmse, psnr, ssim


def images(seed: int = 0, n: int = 6, shape: tuple[int, ...] = (14, 16)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.random((n, *shape))
    return true, np.clip(true + rng.normal(0, 0.1, true.shape), 0, 1)


def ssim_by_windows(true: np.ndarray, pred: np.ndarray, white: float) -> float:
    """Wang et al. 2004, every window in a loop."""
    place = np.arange(-5, 6)
    line = np.exp(-(place**2) / (2 * 1.5**2))
    w = np.outer(line, line) / line.sum() ** 2
    c1, c2, found = (0.01 * white) ** 2, (0.03 * white) ** 2, []
    for i in range(5, true.shape[0] - 5):
        for j in range(5, true.shape[1] - 5):
            a, b = (image[i - 5 : i + 6, j - 5 : j + 6] for image in (true, pred))
            m, k = (w * a).sum(), (w * b).sum()
            va, vb, cov = (w * (a - m) ** 2).sum(), (w * (b - k) ** 2).sum(), (w * (a - m) * (b - k)).sum()
            found.append((2 * m * k + c1) * (2 * cov + c2) / ((m * m + k * k + c1) * (va + vb + c2)))
    return float(np.mean(found))


def test_values_are_those_of_the_formulas() -> None:
    true, pred = images()
    found = image_quality(true, pred)
    for i, (t, p) in enumerate(zip(true, pred, strict=True)):
        assert found["psnr"][i] == pytest.approx(-10 * np.log10(np.mean((t - p) ** 2)), abs=1e-10)
        assert found["nmse"][i] == pytest.approx(np.linalg.norm(t - p) ** 2 / np.linalg.norm(t) ** 2)
        assert found["ssim"][i] == pytest.approx(ssim_by_windows(t, p, 1.0), abs=1e-10)
    group = ["a", "a", "b", "b", "b", "b"]
    for metric in (psnr, ssim, nmse):
        measured = metric(true, pred, sensitive_features=group)
        assert measured.value == pytest.approx(found[metric.info.name].mean())
        assert measured.per_group["a"] == pytest.approx(found[metric.info.name][:2].mean())


def test_bytes_count_to_255_and_channels_one_by_one() -> None:
    true, pred = images(1, shape=(12, 13, 3))
    true8, pred8 = (np.round(255 * a).astype(np.uint8) for a in (true, pred))
    found, scaled = image_quality(true8, pred8), image_quality(true8 / 255, pred8 / 255)
    for name in found:
        np.testing.assert_allclose(found[name], scaled[name], atol=1e-10)
    each = [image_quality(true[..., c], pred[..., c])["ssim"] for c in range(3)]
    np.testing.assert_allclose(image_quality(true, pred)["ssim"], np.mean(each, axis=0), atol=1e-12)


def test_volumes_and_images_of_several_sizes() -> None:
    true, pred = images(2, n=2, shape=(12, 13, 14, 1))
    assert 0 < image_quality(true, pred)["ssim"][0] < 1
    small = image_quality([true[0], true[0, :8, :8, 0]], [pred[0], pred[0, :8, :8, 0]])
    assert np.isnan(small["ssim"]).tolist() == [False, True] and np.isfinite(small["psnr"]).all()


def test_what_is_undefined_is_left_out_and_counted() -> None:
    true, pred = images()
    pred[0], true[1] = true[0], 0
    found = psnr(true, pred, sensitive_features=list("aabbbb"))
    assert found.n_undefined == 1 and np.isfinite(found.value)
    dark = nmse(true, pred)
    assert dark.n_undefined == 1 and dark.value == pytest.approx(
        image_quality(true, pred)["nmse"][[0, 2, 3, 4, 5]].mean()
    )
    assert ssim(true[:1], pred[:1]).value == 1.0


def test_more_noise_is_worse() -> None:
    true, _ = images(3)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=true.shape)
    values = [image_quality(true, true + s * noise, data_range=1) for s in (0.01, 0.1, 0.5)]
    for name, sign in (("psnr", -1), ("ssim", -1), ("nmse", 1)):
        assert all((sign * (b[name] - a[name]) > 0).all() for a, b in pairwise(values))
    assert values[0]["psnr"] - values[1]["psnr"] == pytest.approx(20)


@pytest.mark.parametrize(
    ("true", "pred", "said"),
    [
        (np.zeros((2, 12, 12)), np.zeros((3, 12, 12)), "2 true images and 3"),
        (np.zeros((1, 12, 12)), np.zeros((1, 12, 13)), "Image 0: the true one has shape"),
        (np.zeros((1, 12, 12)), np.full((1, 12, 12), np.nan), "neither all uint8"),
        (np.zeros((1, 12, 12), np.uint8), np.zeros((1, 12, 12)), "neither all uint8"),
        (np.zeros((1, 12, 12)), np.full((1, 12, 12), 2.0), "neither all uint8"),
        (np.zeros((1, 5, 5)), np.ones((1, 5, 5)), "11 pixels or more"),
    ],
)
def test_what_does_not_fit_is_refused(true: np.ndarray, pred: np.ndarray, said: str) -> None:
    with pytest.raises(PredictionsError, match=said):
        ssim(true, pred)
    with pytest.raises(PredictionsError, match="data_range = 0"):
        psnr(true, true, data_range=0)
    if said == "neither all uint8" and np.isnan(pred).any():
        with pytest.raises(PredictionsError, match="Image 0 holds values that are not finite"):
            psnr(true, pred, data_range=1)
