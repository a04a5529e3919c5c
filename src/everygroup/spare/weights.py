"""SPARE's sample weights: a pure function of two distances.

Source: Xu, Duan, Xia, Chiu, Lemmon, Jin, Shi. Rethinking fairness in medical imaging: Maximizing group-specific
performance with application to skin disease diagnosis. Medical Image Analysis 109 (2026) 103950.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.console import warn
from everygroup.errors import SettingsError

Array = NDArray[np.float64]


def _median(values: Array) -> float:
    return float(np.median(values))


def _quantile(values: Array) -> float:
    return float(np.quantile(values, 0.9))


SCALES: dict[str, Callable[[Array], float] | None] = {
    "none": None,
    "median": _median,
    "quantile": _quantile,
    "rank": None,
}
"""How a distance is scaled. 'none' is the paper's form."""


def combined_distance(
    utility: ArrayLike | None, similarity: ArrayLike | None, *, alpha: float = 0.5, scale: str = "none"
) -> Array:
    """Return d_i = alpha d_U,i + (1 - alpha) d_S,i, (n,); arguments and errors as in `spare_weights`.

    The distance that `alpha` leaves out may be None.
    """
    if not 0 <= alpha <= 1:
        raise SettingsError(f"alpha = {alpha} lies outside [0, 1].", fix="0 is similarity only, 1 utility only")
    if scale not in SCALES:
        raise SettingsError(f"Unknown scale {scale!r}.", fix=f"choose one of {', '.join(SCALES)}")
    if similarity is None and alpha < 1:
        raise SettingsError("alpha < 1 needs similarity distances.", fix="give them, or set alpha=1")
    if utility is None and alpha > 0:
        raise SettingsError("alpha > 0 needs utility distances.", fix="give them, or set alpha=0")
    d_u = None if utility is None else _scaled(_finite(utility, "utility"), scale, positive_only=False, name="utility")
    if similarity is None or alpha == 1:
        d_s = None
    else:
        d_s = _scaled(_finite(similarity, "similarity"), scale, positive_only=True, name="similarity")
    if d_u is None or d_s is None:
        only = d_s if d_u is None else d_u
        assert only is not None
        return only
    if d_u.shape != d_s.shape:
        raise SettingsError(f"{d_u.size} utility but {d_s.size} similarity distances.")
    combined: Array = alpha * d_u + (1 - alpha) * d_s
    return combined


def spare_weights(
    utility: ArrayLike | None,
    similarity: ArrayLike | None,
    *,
    alpha: float = 0.5,
    scale: str = "none",
    temperature: float = 1.0,
) -> Array:
    r"""Return the sample weights of one target group, in (0, 1].

    .. math:: d_i = \alpha d_{U,i} + (1 - \alpha) d_{S,i}, \qquad w_i = \exp(-d_i / \tau)

    Parameters
    ----------
    utility : (n,) or None
        Utility distances d_U: smallest perturbation (L2, [0, 1] pixels) that flips the diagnosis model's answer.
        May be None if `alpha` is 0.
    similarity : (n,) or None
        Similarity distances d_S: smallest perturbation that makes the group predictor answer the target group; 0
        where it does already. May be None if `alpha` is 1.
    alpha : float
        0 = similarity only, 1 = utility only; the paper uses 0.5.
    scale : {'none', 'median', 'quantile', 'rank'}
        'none' is the paper's form: raw distances. The two come from two networks and depend on the image size, so
        that one may drown the other; 'median' divides each by its median (similarity: over its positive values),
        'quantile' by its 0.9 quantile (likewise), 'rank' replaces it by its average rank / n (0 stays 0).
    temperature : float
        tau; the paper has none, that is 1.

    Returns
    -------
    ndarray of float, (n,)
        NaN distances (no perturbation found) count as the largest finite one.

    Raises
    ------
    SettingsError
        For alpha outside [0, 1], an unknown scale, a temperature that is not positive, negative or all-NaN
        distances, or arrays of different length.

    Examples
    --------
    >>> spare_weights([0.0, 0.2], [0.0, 1.0]).round(3)
    array([1.   , 0.549])
    """
    if not temperature > 0:
        raise SettingsError(f"temperature = {temperature} is not positive.", fix="use 1 for the paper's weights")
    return distance_weights(combined_distance(utility, similarity, alpha=alpha, scale=scale), temperature)


def distance_weights(distance: Array, temperature: float = 1.0) -> Array:
    """Return w = exp(-d / temperature), kept positive where exp underflows."""
    return np.maximum(np.exp(-distance / temperature), np.finfo(np.float64).tiny)


def _finite(distances: ArrayLike, name: str) -> Array:
    values = np.array(distances, dtype=np.float64)
    known = np.isfinite(values)
    if values.ndim != 1 or not known.any():
        raise SettingsError(f"The {name} distances hold no finite value.", fix="check that the network was trained")
    if (values[known] < 0).any():
        raise SettingsError(f"Some {name} distances are negative.", fix="use unsigned distances")
    values[~known] = values[known].max()
    return values


def _scaled(values: Array, scale: str, *, positive_only: bool, name: str) -> Array:
    if scale == "rank":
        from scipy.stats import rankdata

        return np.where(values > 0, rankdata(values) / len(values), 0.0)
    reference = SCALES[scale]
    if reference is None:
        return values
    counted = values[values > 0] if positive_only else values
    unit = reference(counted) if len(counted) else 0.0
    if unit <= 1e-12 * values.max():  # zero, or so near to it that the ratio says nothing
        warn(f"The {name} distances have no positive {scale}; they are left unscaled.")
        return values
    return values / unit
