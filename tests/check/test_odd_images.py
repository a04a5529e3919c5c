"""Images that stand out: blank, dark, of another original size; and mean images only of many patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from everygroup.check import look_at_images, mean_images
from everygroup.check.odd_images import brightness, far_out, odd_images, size_columns
from everygroup.cohort import Cohort
from everygroup.errors import CohortError

N = 60


def cohort(images: np.ndarray | None = None, extra: pd.DataFrame | None = None, **changes: object) -> Cohort:
    if images is None:
        images = np.random.default_rng(0).integers(90, 160, (N, 20, 20, 3), dtype=np.uint8)
    options = {"sensitive_features": {"sex": ["f", "m"] * (len(images) // 2)}, "extra": extra, **changes}
    return Cohort.from_arrays(images, ["a", "b"] * (len(images) // 2), **options)


def test_ordinary_images_are_not_odd() -> None:
    table, warnings = odd_images(cohort())
    assert table.empty and warnings == []
    assert look_at_images(cohort()).warnings == ()


def test_blank_and_dark_images_are_named() -> None:
    images = np.random.default_rng(0).integers(90, 160, (N, 20, 20, 3), dtype=np.uint8)
    images[4] = 200
    images[6] //= 8
    table, warnings = odd_images(cohort(images))
    assert table.set_index("id")["what"].to_dict() == {"4": "blank", "6": "brightness"}
    assert warnings[0] == "1 image is blank, one colour throughout (4)."
    assert warnings[1].startswith("1 image is far darker or brighter")


def test_sizes_of_the_originals() -> None:
    rng = np.random.default_rng(0)
    width, height = rng.integers(400, 600, N), rng.integers(300, 400, N)
    width[3], height[3] = 4000, 3000
    width[5], height[5] = 1800, 95
    width[7], height[7] = 12, 9
    extra = pd.DataFrame({"orig_width": width, "orig_height": height, "width": 20, "height": 20})
    assert size_columns(extra) == [("orig_width", "orig_height")], "equal sizes tell nothing"
    table, warnings = odd_images(cohort(extra=extra))
    assert set(table.loc[table["what"] == "area", "id"]) == {"3", "7"}
    assert set(table.loc[table["what"] == "aspect ratio", "id"]) == {"5"}
    assert table.loc[table["id"] == "3", "value"].item() == pytest.approx(12e6)
    assert any("1 image was smaller than they are stored" in w for w in warnings)


def test_vectors_were_not_enlarged() -> None:
    extra = pd.DataFrame({"orig_width": np.arange(400, 400 + N), "orig_height": np.arange(300, 300 + N)})
    vectors = np.random.default_rng(0).standard_normal((N, 1280)).astype(np.float32)
    assert not any("enlarged" in w for w in odd_images(cohort(vectors, extra))[1])


def test_far_out_is_tukeys_and_silent_where_half_is_equal() -> None:
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100, np.nan])
    odd, low, high = far_out(values)
    q1, q3 = np.percentile(values[:10], [25, 75])
    assert (low, high) == (q1 - 3 * (q3 - q1), q3 + 3 * (q3 - q1))
    assert odd.tolist() == [False] * 9 + [True, False]
    assert not far_out(np.array([5.0] * 20 + [6]))[0].any()
    assert not far_out(np.array([1.0, 100]))[0].any()


def test_vectors_have_no_brightness() -> None:
    table, warnings = odd_images(cohort(np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)))
    assert table.empty and warnings == []


def test_volumes_have_a_brightness_of_all_their_voxels() -> None:
    volumes = np.random.default_rng(0).integers(60, 90, (30, 6, 7, 8, 1)).astype(np.uint8)
    volumes[3], volumes[4] = 17, np.clip(volumes[4], 0, 255) + 120
    found = Cohort.from_arrays(volumes, np.arange(30) % 2, sensitive_features=["a", "b"] * 15, classes=["x", "y"])
    mean, spread = brightness(found)
    np.testing.assert_allclose(mean, volumes.reshape(30, -1).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(spread, volumes.reshape(30, -1).std(axis=1), rtol=1e-4, atol=1e-4)
    odd, _ = odd_images(found)
    assert odd["what"].tolist() == ["blank", "brightness"] and odd["id"].tolist() == ["3", "4"]


def test_mean_images_weigh_patients_equally_and_need_twenty() -> None:
    images = np.zeros((80, 4, 4, 3), dtype=np.uint8)
    images[:40] = 100
    images[0] = 200  # patient 0 has this one image, patient 1 has nineteen
    groups = ["many"] * 60 + ["few"] * 20
    units = ["p0"] + ["p1"] * 19 + [f"p{k}" for k in range(2, 42)] + [f"q{k % 19}" for k in range(20)]
    built = Cohort.from_arrays(images, ["a", "b"] * 40, sensitive_features={"g": groups}, units=units)
    means, names, left_out = mean_images(built)
    assert names == ["many\n42 patients or lesions"] and left_out == ["few"]
    assert (means[0] == round((200 + 100 + 20 * 100) / 42)).all()
    with pytest.raises(CohortError, match="fewer than 20"):
        mean_images(built, least=5)


def test_twelve_bits_in_sixteen_are_told_once() -> None:
    dark = np.random.default_rng(0).integers(0, 17, (N, 20, 20, 3), dtype=np.uint8)
    assert sum("12-bit values" in w for w in odd_images(cohort(dark))[1]) == 1
