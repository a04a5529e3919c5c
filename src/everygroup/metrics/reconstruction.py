"""How near reconstructed images come to the true ones, by group: PSNR, SSIM, NMSE; per image, then the mean.

Every metric takes

- y_true, y_pred : (n, H, W) or (n, H, W, C) images, (n, H, W, D, C) volumes, or lists of n of them, which may differ in
  size; uint8 or floats, the same in both;
- sensitive_features : (n,) group of every image; missing ones belong to no group;

and raises `PredictionsError` for images that do not fit together or are not finite, which names the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray
from everygroup.metrics.define import Made, of_values
from everygroup.metrics.info import INF, MetricInfo
from everygroup.metrics.means import Means

Images = ArrayLike | Sequence[ArrayLike]
"""(n, H, W), (n, H, W, C) or (n, H, W, D, C) in one array, or n images that may differ in size."""
_SIGMA, _RADIUS = 1.5, 5  # the Gaussian window of 11 x 11 pixels of Wang et al.
_K1, _K2 = 0.01, 0.03
_WANG = "Wang et al., IEEE TIP 2004"
_FASTMRI = "Zbontar et al., fastMRI, arXiv 1811.08839"


def image_pairs(y_true: Images, y_pred: Images) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the true and the reconstructed image of every sample, channels last, as float64.

    Raises
    ------
    PredictionsError
        For different numbers or shapes of images, and values that are not finite.
    """
    if len(y_true) != len(y_pred) or not len(y_true):  # type: ignore[arg-type]
        raise PredictionsError(
            f"There are {len(y_true)} true images and {len(y_pred)} reconstructed ones.",  # type: ignore[arg-type]
            fix="give one of each for every sample",
        )
    for i, pair in enumerate(zip(y_true, y_pred, strict=True)):  # type: ignore[arg-type]
        true, pred = (np.asarray(image, dtype=np.float64) for image in pair)
        if true.shape != pred.shape or true.ndim not in (2, 3, 4) or not true.size:
            raise PredictionsError(
                f"Image {i}: the true one has shape {true.shape}, the reconstructed one {pred.shape}.",
                fix="give images (H, W) or (H, W, C), or volumes (H, W, D, C), of the same size",
            )
        if not (np.isfinite(true).all() and np.isfinite(pred).all()):
            raise PredictionsError(f"Image {i} holds values that are not finite.", fix="leave the image out")
        yield (true[..., None], pred[..., None]) if true.ndim == 2 else (true, pred)


def range_of(y_true: Images, y_pred: Images, data_range: float | None) -> float:
    """Return the distance from black to white: as given; 255 for uint8, 1 for floats within [0, 1].

    Raises
    ------
    PredictionsError
        Where it cannot be told, or is not above 0.
    """
    if data_range is not None:
        if not (np.isfinite(data_range) and data_range > 0):
            raise PredictionsError(f"data_range = {data_range}.", fix="give the largest value less the least possible")
        return float(data_range)
    every = [np.asarray(image) for images in (y_true, y_pred) for image in images]  # type: ignore[union-attr]
    if all(image.dtype == np.uint8 for image in every):
        return 255.0
    if not all(v.dtype.kind == "f" and v.min(initial=0) >= 0 and v.max(initial=0) <= 1 for v in every):
        raise PredictionsError(
            "The images are neither all uint8 nor all floats within [0, 1].",
            fix="give data_range=, the largest value less the least possible",
        )
    return 1.0


def image_psnr(true: FloatArray, pred: FloatArray, data_range: float) -> float:
    """PSNR of one image in dB; NaN for identical ones, whose PSNR has no bound."""
    error = float(np.mean((pred - true) ** 2))
    return 10 * float(np.log10(data_range**2 / error)) if error > 0 else float("nan")


def image_nmse(true: FloatArray, pred: FloatArray) -> float:
    """NMSE of one image; NaN for a true image that is 0 throughout."""
    energy = float(np.sum(true**2))
    return float(np.sum((pred - true) ** 2)) / energy if energy > 0 else float("nan")


def image_ssim(true: FloatArray, pred: FloatArray, data_range: float) -> float:
    """SSIM of one image (H, W[, D], C): the mean over channels and over windows that lie within the image.

    Raises
    ------
    PredictionsError
        For an image smaller than the window of 11 pixels.
    """
    if min(true.shape[:-1]) <= 2 * _RADIUS:
        raise PredictionsError(f"SSIM needs images of 11 pixels or more, not {true.shape[:-1]}.", fix="use PSNR")
    window = (_SIGMA,) * (true.ndim - 1) + (0,)

    def local_mean(values: FloatArray) -> FloatArray:
        inside = (slice(_RADIUS, -_RADIUS),) * (true.ndim - 1)
        return np.asarray(gaussian_filter(values, window, radius=_RADIUS)[inside])

    a, b = local_mean(true), local_mean(pred)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    var_a, var_b, cov = local_mean(true**2) - a**2, local_mean(pred**2) - b**2, local_mean(true * pred) - a * b
    similar = (2 * a * b + c1) * (2 * cov + c2) / ((a**2 + b**2 + c1) * (var_a + var_b + c2))
    return float(similar.mean())


def image_quality(y_true: Images, y_pred: Images, *, data_range: float | None = None) -> dict[str, FloatArray]:
    """PSNR, SSIM and NMSE (n,) of every image, by name; images below 11 pixels have no SSIM (NaN)."""
    white = range_of(y_true, y_pred, data_range)
    found: dict[str, list[float]] = {"psnr": [], "ssim": [], "nmse": []}
    for true, pred in image_pairs(y_true, y_pred):
        found["psnr"].append(image_psnr(true, pred, white))
        found["nmse"].append(image_nmse(true, pred))
        large = min(true.shape[:-1]) > 2 * _RADIUS
        found["ssim"].append(image_ssim(true, pred, white) if large else float("nan"))
    return {name: np.array(values) for name, values in found.items()}


def _means(name: str, values: Sequence[float]) -> Made:
    array = np.array(values)
    return Means({name: array}), int(np.isnan(array).sum())


@of_values("Peak signal-to-noise ratio", low=-INF, high=INF, source=_WANG)
def psnr(y_true: Images, y_pred: Images, data_range: float | None = None) -> Made:
    """Peak signal-to-noise ratio: 10 log10(R^2 / mean((y_pred - y_true)^2)) in dB, mean over images; higher is better.

    R is the data range, white less black. Identical images have no bound: they are left out, and counted in
    `n_undefined`.

    >>> measured = psnr([[[0.0, 1.0]], [[0.5, 0.5]]], [[[0.1, 0.9]], [[0.4, 0.51]]], sensitive_features=["a", "b"])
    >>> round(measured.per_group["a"], 9), round(measured.gap, 2)
    (20.0, 2.97)
    """
    white = range_of(y_true, y_pred, data_range)
    return _means("psnr", [image_psnr(true, pred, white) for true, pred in image_pairs(y_true, y_pred)])


@of_values("Structural similarity", low=-1.0, high=1.0, source=_WANG)
def ssim(y_true: Images, y_pred: Images, data_range: float | None = None) -> Made:
    """Structural similarity, mean over images; range [-1, 1], best 1 (Wang et al. 2004).

    In every window, (2 m m' + c1)(2 cov + c2) / ((m^2 + m'^2 + c1)(var + var' + c2)) with c1 = (0.01 R)^2 and
    c2 = (0.03 R)^2; Gaussian windows of sigma 1.5 and 11 pixels that lie within the image, biased variances, channels
    one by one: scikit-image's with ``gaussian_weights=True, use_sample_covariance=False``. fastMRI's are uniform.

    >>> grey = np.linspace(0, 1, 144).reshape(1, 12, 12)
    >>> ssim(grey, grey).value
    1.0
    """
    white = range_of(y_true, y_pred, data_range)
    return _means("ssim", [image_ssim(true, pred, white) for true, pred in image_pairs(y_true, y_pred)])


@of_values("Normalised mean squared error", best="low", high=INF, source=_FASTMRI)
def nmse(y_true: Images, y_pred: Images) -> Made:
    """Squared error over the true image's energy: sum((y_pred - y_true)^2) / sum(y_true^2), mean over images; best 0.

    NaN for a true image that is black throughout. Dark images have a high NMSE at the same error.

    >>> nmse([[[3.0, 4.0]]], [[[3.0, 3.0]]]).value
    0.04
    """
    return _means("nmse", [image_nmse(true, pred) for true, pred in image_pairs(y_true, y_pred)])


METRICS: tuple[MetricInfo, ...] = tuple(m.info for m in (psnr, ssim, nmse))
"""Records of the metrics above."""
