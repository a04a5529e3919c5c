"""A site whose pictures are negatives of the others is named; mirrored or unlike pictures are not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from everygroup.datasets import simulated
from everygroup.imaging.negatives import centre_and_border, negatives_by_group
from everygroup.imaging.pixel_scale import scale_of_cohort

N = 60
SITE = pd.Series(["A"] * 40 + ["B"] * 20)
SEX = pd.Series(["f", "m"] * 30)
IN_B = (SITE == "B").to_numpy()[:, None, None, None]


def pictures(seed: int = 0) -> np.ndarray:
    """Bright in the middle, noisy."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    middle = 150 * np.exp(-((y - 16) ** 2 + (x - 16) ** 2) / 80)
    grey = np.clip(middle + 30 + rng.normal(0, 15, (N, 32, 32)), 0, 255)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def told(images: np.ndarray) -> list[str]:
    return negatives_by_group(*centre_and_border(images, np.arange(len(images))), {"site": SITE, "sex": SEX})


def test_an_inverted_site_is_named() -> None:
    images = pictures()
    assert told(images) == []
    (text,) = told(np.where(IN_B, 255 - images, images))
    assert text.startswith("All 20 pictures of site B are dark where the others are light, 0 of 40 others: negatives")
    some = IN_B & (np.arange(N) % 4 > 0)[:, None, None, None]
    (text,) = told(np.where(some, 255 - images, images))
    assert text.startswith("15 of 20 pictures of site B")


def test_other_differences_are_no_negatives() -> None:
    images = pictures()
    assert told((np.where(IN_B, images * 0.4, images)).astype(np.uint8)) == []
    left = np.broadcast_to(np.linspace(0, 200, 32)[None, None, :, None], (N, 32, 32, 3)).astype(np.uint8)
    assert told(np.where(IN_B, left[:, :, ::-1], left)) == [], "right breasts are no negatives of left ones"
    noise = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)
    assert told(np.where(IN_B, 255 - noise, noise)) == [] and told(np.zeros_like(noise)) == []
    assert told(images[:, :4, :4]) == [], "too small to have a form"


def test_cohorts_are_looked_at_through_their_rows() -> None:
    assert not scale_of_cohort(simulated.dermatology(600, image_size=32).cohort)
    images = pictures()
    forms, which = centre_and_border(images, np.array([5, 3]))
    np.testing.assert_array_equal(which, [0, 1])
    np.testing.assert_allclose(forms[0], centre_and_border(images, np.arange(N))[0][5])
    np.testing.assert_allclose(np.linalg.norm(forms, axis=1), 1)
