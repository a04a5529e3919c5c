"""From sRGB pixels to CIELAB and YCbCr, as the skin-tone literature uses them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# sRGB primaries to CIE XYZ, divided by the D65 white point of the 2 degree observer (IEC 61966-2-1).
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])
_MATRIX = (_TO_XYZ / _WHITE[:, None]).astype(np.float32)
_CODE = np.arange(256) / 255
_LINEAR = np.where(_CODE <= 0.04045, _CODE / 12.92, ((_CODE + 0.055) / 1.055) ** 2.4).astype(np.float32)
_KNEE, _SLOPE, _OFFSET = 0.008856, 7.787, 16 / 116  # CIE 15:2004
# ITU-R BT.601, eight-bit studio range: Y 16..235, Cb and Cr 16..240.
_TO_YCBCR = (
    np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32) / 255
)
_YCBCR_ZERO = np.array([16, 128, 128], np.float32)


def lab(rgb: np.ndarray) -> Array:
    """Return CIELAB L*, a*, b* (..., 3) under D65 of sRGB uint8 (..., 3)."""
    xyz = _LINEAR[rgb] @ _MATRIX.T
    f = np.where(xyz > _KNEE, np.cbrt(xyz), _SLOPE * xyz + np.float32(_OFFSET))
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb(colour: np.ndarray) -> NDArray[np.uint8]:
    """Return sRGB uint8 (..., 3) of CIELAB (..., 3) under D65; what sRGB cannot show is cut off."""
    y = (colour[..., 0] + 16) / 116
    f = np.stack([y + colour[..., 1] / 500, y, y - colour[..., 2] / 200], -1)
    xyz = np.where(f**3 > _KNEE, f**3, (f - _OFFSET) / _SLOPE)
    linear = np.clip(xyz @ np.linalg.inv(_TO_XYZ / _WHITE[:, None]).T, 0, 1)
    code = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * np.clip(code, 0, 1)), dtype=np.uint8)


def ycbcr(rgb: np.ndarray) -> Array:
    """Return Y, Cb, Cr (..., 3) of uint8 RGB (..., 3)."""
    return np.asarray(rgb.astype(np.float32) @ _TO_YCBCR.T + _YCBCR_ZERO, dtype=np.float32)


def skin_mask(rgb: np.ndarray) -> NDArray[np.bool_]:
    """Return which pixels (...) of uint8 RGB (..., 3) look like skin: the RGB and YCbCr rules of Groh et al. 2021.

    The rules are those of Kolkur et al., Human skin detection using RGB, HSV and YCbCr color models, 2017, as in the
    code published with Fitzpatrick17k: red at least 95, green 40, blue 20, red the largest and 15 above green, then a
    polygon in Cb and Cr. They were made for lighter skin; much dark skin fails `red at least 95`.
    """
    r, g, b = (rgb[..., k].astype(np.int16) for k in range(3))
    mask = (r >= 95) & (g >= 40) & (b >= 20) & (r >= b) & (r - g >= 15)
    y, cb, cr = np.moveaxis(ycbcr(rgb), -1, 0)
    mask &= (y >= 80) & (cb >= 85) & (cr >= 135)
    mask &= (cr < 1.5862 * cb + 20) & (cr > 0.3448 * cb + 76.2069) & (cr > -4.5652 * cb + 234.5652)
    return np.asarray(mask & (cr < -1.15 * cb + 301.75) & (cr < -2.2857 * cb + 432.85), dtype=bool)


def typology_angle(lightness: np.ndarray, yellow: np.ndarray) -> NDArray[np.float64]:
    """Return the individual typology angle in degrees: arctan((L* - 50) / b*), undefined where b* <= 0.

    Chardon, Cretois, Hourseau, Skin colour typology and suntanning pathways, Int J Cosmet Sci 1991. The angle is
    defined for skin, which is yellowish; for bluish colours published code gives angles that mean nothing.

    Examples
    --------
    >>> typology_angle(np.array([65.0]), np.array([18.0])).round(3).tolist()
    [39.806]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.degrees(np.arctan2(np.asarray(lightness, float) - 50, np.asarray(yellow, float)))
    return np.asarray(np.where(np.asarray(yellow) > 0, angle, np.nan))
