"""Changes of a picture that depend on nothing but itself: standardised, as edges, behind a mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from everygroup.models.transforms.base import Tensors, Transform, register_transform

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def grey(x: np.ndarray) -> np.ndarray:
    """Return brightness (b, H, W) of floats (b, H, W, C)."""
    bright: np.ndarray = x @ _GREY if x.shape[-1] == 3 else x.mean(-1)
    return bright


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    """Return images (b, H, W, ...) blurred in their plane."""
    return np.asarray(ndimage.gaussian_filter(x, (0, sigma, sigma, *[0] * (x.ndim - 3)), mode="reflect"))


def standardised(x: np.ndarray) -> np.ndarray:
    """Return (x - mean) / sd of each image's pixels above 0 (its foreground), as 0.5 + 0.2 z within [0, 1]."""
    inside = x.max(-1, keepdims=True) > 0
    count = np.maximum(inside.sum((1, 2, 3), keepdims=True), 1) * x.shape[-1]
    mean = (x * inside).sum((1, 2, 3), keepdims=True) / count
    sd = np.sqrt((((x - mean) * inside) ** 2).sum((1, 2, 3), keepdims=True) / count)
    return np.where(inside, np.clip(0.5 + 0.2 * (x - mean) / np.maximum(sd, 1e-6), 0, 1), 0)


def edges(x: np.ndarray, sigma: float = 0.8, k: float = 1.6, p: float = 0.98, phi: float = 10.0) -> np.ndarray:
    """Return a drawing: extended differences of Gaussians (Winnemoeller 2011) of the brightness, dark lines on white.

    D = G_s - p G_ks; 1 where D >= 0, else 1 + tanh(phi D).
    """
    bright = grey(x)
    apart = blurred(bright, sigma) - p * blurred(bright, k * sigma)
    drawn = np.where(apart >= 0, 1.0, 1.0 + np.tanh(phi * apart))
    return np.repeat(drawn[..., None], x.shape[-1], -1)


def without_colour(x: np.ndarray) -> np.ndarray:
    """Return the brightness in every channel."""
    return np.repeat(grey(x)[..., None], x.shape[-1], -1)


def high_frequencies(x: np.ndarray, sigma: float = 4.0) -> np.ndarray:
    """Return what is left of each channel without its blurred image, around 0.5."""
    return np.clip(0.5 + x - blurred(x, sigma), 0, 1)


def lesion(x: np.ndarray) -> np.ndarray:
    """Return the pixels (b, H, W) that differ from the image's border, by Otsu's cut, widened by a twentieth of a side.

    A classical segmenter for one object on an even ground: the colour of the border's median is the ground. An image
    in which fewer than a hundredth or more than nine tenths differ has no mask: all of it is inside.
    """
    side = x.shape[1]
    rim = max(1, side // 16)
    border = np.concatenate([x[:, :rim], x[:, -rim:]], 1).reshape(len(x), -1, x.shape[-1])
    apart = np.linalg.norm(x - np.median(border, 1)[:, None, None], axis=-1)
    inside = np.stack([values > otsu(values) for values in apart])
    inside = np.stack([ndimage.binary_opening(one) for one in inside])
    share = inside.mean((1, 2))
    inside[(share < 0.01) | (share > 0.9)] = True
    steps = max(1, side // 20)
    return np.stack([ndimage.binary_dilation(one, iterations=steps) for one in inside])


def otsu(values: np.ndarray, bins: int = 64) -> float:
    """Return the cut with the largest variance between both sides (Otsu 1979)."""
    count, edge = np.histogram(values, bins)
    middle = (edge[1:] + edge[:-1]) / 2
    below = np.cumsum(count)
    above = below[-1] - below
    mean_below = np.cumsum(count * middle) / np.maximum(below, 1)
    mean_above = (np.sum(count * middle) - np.cumsum(count * middle)) / np.maximum(above, 1)
    return float(edge[1:][int((below * above * (mean_below - mean_above) ** 2).argmax())])


def lesion_alone(x: np.ndarray) -> np.ndarray:
    """Return images with what lies outside the lesion's mask as the image's mean colour."""
    inside = lesion(x)[..., None]
    return np.where(inside, x, x.mean((1, 2), keepdims=True))


def ground_alone(x: np.ndarray) -> np.ndarray:
    """Return images with what lies inside the mask as the image's mean colour: the control."""
    inside = lesion(x)[..., None]
    return np.where(inside & ~inside.all((1, 2), keepdims=True), x.mean((1, 2), keepdims=True), x)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    f.__name__: f for f in (standardised, edges, without_colour, high_frequencies, lesion_alone, ground_alone)
}


@register_transform
class Picture(Transform):
    """One of `KINDS`, of images (b, H, W, C) in [0, 1]."""

    name = "picture"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        x = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        return KINDS[self.kind](x).astype(np.float32)

    def options(self) -> dict[str, Any]:
        """Return the kind."""
        return {"kind": self.kind}

    def tensors(self) -> Tensors:
        """Nothing is estimated."""
        return {}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Picture:
        """Build it again."""
        return cls(options["kind"])
