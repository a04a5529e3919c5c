"""Isotonic curves of calibration that are drawn towards another curve."""

from __future__ import annotations

import numpy as np

IDENTITY = np.array([[0.0, 1.0], [0.0, 1.0]])


def isotonic_curve(p: np.ndarray, hit: np.ndarray, *, towards: np.ndarray, pseudo_samples: float) -> np.ndarray:
    """Return w c + (1 - w) towards, (2, m) knots and values; c the isotonic fit, w = n / (n + pseudo_samples).

    Parameters
    ----------
    p : (n,) probabilities
    hit : (n,) 1 where the class was right, else 0
    towards : (2, m) another curve
    """
    from sklearn.isotonic import IsotonicRegression

    if not len(p):
        return towards
    fit = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, hit)
    x = np.union1d(towards[0], fit.X_thresholds_)
    weight = len(p) / (len(p) + pseudo_samples)
    y = weight * np.interp(x, fit.X_thresholds_, fit.y_thresholds_) + (1 - weight) * np.interp(x, *towards)
    return np.stack([x, y])
