"""A tiny cohort of every target: grey pictures of a bright disc whose place and size are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from everygroup.cohort import Cohort

SIDE = 16
TARGETS = ("labels", "number", "mask", "anomaly", "image")


def world(target: str, n: int = 120, seed: int = 0, missing: int = 0) -> Cohort:
    """Two groups; a disc of radius 2 to 5 px on noise.

    labels: disc, bright left edge (unknown in six samples); number: ten times the radius; mask: the disc; anomaly:
    pictures with a disc; image: the picture without noise of standard deviation 25.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    radius, (y, x) = rng.uniform(2, 5, n), rng.uniform(5, 11, (2, n))
    away = [(at - c[:, None, None]) ** 2 for at, c in ((rows, y), (columns, x))]
    disc = away[0] + away[1] < radius[:, None, None] ** 2
    ground = rng.integers(60, 120, (n, SIDE, SIDE))
    lesion = _pixels(ground + 90 * disc)
    names = [f"g{g}" for g in rng.integers(0, 2, n)]
    names[:missing] = [""] * missing
    common: dict[str, Any] = {
        "sensitive_features": {"site": names},
        "ids": [f"s{i:04d}" for i in range(n)],
        "target": target,
    }
    if target == "mask":
        return Cohort.from_arrays(lesion, truth=disc.astype(np.uint8), classes=["disc"], **common)
    if target == "number":
        return Cohort.from_arrays(lesion, (10 * radius).tolist(), **common)
    if target == "image":
        noisy = _pixels(lesion[..., 0] + rng.normal(0, 25, disc.shape))
        return Cohort.from_arrays(noisy, truth=lesion, **common)
    if target == "anomaly":
        ill = rng.random(n) < 0.3
        pixels = _pixels(ground + 90 * (disc & ill[:, None, None]))
        return Cohort.from_arrays(pixels, np.where(ill, "ill", "fine").tolist(), normal="fine", **common)
    there = rng.random((n, 2)) < 0.5
    edge = (columns < 4) & there[:, 1, None, None]
    findings = there.astype(np.float32)
    findings[:6, 1] = np.nan
    pixels = _pixels(ground + 90 * (disc & there[:, 0, None, None]) + 70 * edge)
    return Cohort.from_arrays(pixels, findings, classes=["disc", "edge"], **common)


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)[..., None]
