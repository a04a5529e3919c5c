"""Pixel scales: what is nearly black, or on another scale, is named by group, and natural differences are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from everygroup.check import look_at_images
from everygroup.cohort import Cohort
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.datasets import simulated
from everygroup.datasets.reader import prepare_cohort
from everygroup.imaging.pixel_scale import greatest_levels, scale_by_group, scale_of_cohort

N = 100
SITE = pd.Series(["A"] * 60 + ["B"] * 40)
IN_B = (SITE == "B").to_numpy()


def pictures(seed: int = 0, n: int = N) -> np.ndarray:
    images = np.random.default_rng(seed).integers(20, 230, (n, 8, 8, 3)).astype(np.uint8)
    images[:, 0, 0] = np.random.default_rng(seed + 1).integers(200, 256, (n, 3))
    return images


def told(images: np.ndarray, **columns: pd.Series) -> list[str]:
    return scale_by_group(greatest_levels(images), {"site": SITE, **columns})


def with_b(factor: float, which: np.ndarray = IN_B) -> np.ndarray:
    return np.where(which[:, None, None, None], pictures() * factor, pictures()).astype(np.uint8)


def test_levels_are_those_of_numpy() -> None:
    images = pictures(n=300)
    rows = np.arange(0, 300, 7)[::-1]
    np.testing.assert_array_equal(greatest_levels(images, rows), images[rows].max(axis=(1, 2, 3)))
    np.testing.assert_array_equal(greatest_levels(images), images.max(axis=(1, 2, 3)))
    assert not scale_by_group(greatest_levels(images[:0]), {})


@pytest.mark.parametrize(("bits", "factor"), [(8, 256), (10, 64), (12, 16)])
def test_a_nearly_black_site_is_named(bits: int, factor: int) -> None:
    (text,) = told(with_b(1 / factor))
    assert text.startswith("All 40 pictures of site B are nearly black, 0 of 60 others (brightest pixel")
    assert f"are probably {bits}-bit values" in text and f"by {factor} and prepare" in text


def test_the_column_that_tells_them_best_is_named() -> None:
    label = pd.Series(np.where(IN_B & (np.arange(N) % 4 > 0), "sick", "well"))
    (text,) = told(with_b(1 / 16), label=label, patient=pd.Series([f"p{i}" for i in range(N)]))
    assert "site B" in text
    part = IN_B & (np.arange(N) % 2 > 0)
    (text,) = told(with_b(1 / 16, part))
    assert text.startswith("20 of 40 pictures of site B are nearly black, 0 of 60 others")


def test_dark_pictures_of_no_group_are_counted() -> None:
    spread = np.arange(N) % 10 == 0
    (text,) = told(with_b(1 / 16, spread))
    assert text.startswith("10 of 100 pictures are nearly black")
    (text,) = told((pictures() / 16).astype(np.uint8))
    assert (
        text.startswith("All 100 pictures are nearly black (brightest pixel 15 of 255)") and "probably 12-bit" in text
    )


def test_fourteen_bits_are_told() -> None:
    (text,) = told(with_b(1 / 4))
    assert text.startswith("Pictures of site B are on a darker scale: their brightest pixel is 60 of 255")
    assert "(n = 40)" in text and "(n = 60; medians)" in text


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), brighter=st.floats(0.8, 1.0))
def test_nothing_is_told_of_like_pictures(seed: int, brighter: float) -> None:
    rng = np.random.default_rng(seed)
    images = (pictures(seed) * np.where(IN_B, brighter, rng.uniform(0.7, 1, N))[:, None, None, None]).astype(np.uint8)
    levels = greatest_levels(images)
    assert not scale_by_group(levels, {"site": SITE, "sex": pd.Series(rng.choice(["f", "m"], N))})


def test_dark_skin_is_no_other_scale() -> None:
    assert not scale_of_cohort(simulated.dermatology(1200, image_size=32).cohort)


def test_check_and_prepare_tell_and_other_samples_have_no_scale(tmp_path: Path) -> None:
    table = pd.DataFrame({"site": SITE, "dx": ["a", "b"] * 50})
    cohort = Cohort.from_table(with_b(1 / 16), table, label="dx", group="site")
    assert sum("All 40 pictures of site B" in text for text in look_at_images(cohort).warnings) == 1
    assert not scale_of_cohort(
        Cohort.from_arrays(np.zeros((4, 3), np.float32), list("abab"), sensitive_features=list("ffmm"))
    )

    (tmp_path / "d" / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(N):
        pixels = np.kron(rng.integers(0, 65536, (4, 4)), np.ones((4, 4), int)) >> (4 if IN_B[i] else 0)
        Image.fromarray(pixels.astype(np.uint16)).save(tmp_path / "d" / "images" / f"x{i}.png")
    table.assign(image_id=[f"x{i}" for i in range(N)]).to_csv(tmp_path / "d" / "metadata.csv", index=False)
    clear_warnings()
    prepare_cohort(tmp_path / "d", tmp_path / "out", label="dx", group="dx", image_size=16)
    (text,) = [w for w in recorded_warnings() if "nearly black" in w]
    assert text.startswith("All 40 pictures of site B are nearly black") and "12-bit values" in text
