"""Skin tone from pixels: known colours give known angles, tables give published categories, agreement is measured."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.optimize import least_squares

from everygroup.check import colour
from everygroup.check import skin_tone as room
from everygroup.check.colour import lab, skin_mask, typology_angle, ycbcr
from everygroup.check.skin_tone import PROCEDURES, THRESHOLDS, categorise, skin_tone, with_skin_tone
from everygroup.check.tone_agreement import compare_tones, recorded_types
from everygroup.cohort import Cohort
from everygroup.errors import CohortError

# CIELAB of sRGB colours under D65 (two degrees), as in Bruce Lindbloom's tables.
KNOWN = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (119, 119, 119): (50.03, 0.0, 0.0),
}
SKIN = {"light": (236, 195, 170), "middle": (190, 135, 105), "brown": (120, 75, 55)}


def cohort(images: np.ndarray, **columns: list) -> Cohort:
    n = len(images)
    features = {"sex": ["f", "m"] * (n // 2), **columns}
    return Cohort.from_arrays(images, ["a", "b"] * (n // 2), sensitive_features=features, group="sex")


def flat(*colours: tuple[int, int, int], side: int = 32) -> np.ndarray:
    return np.stack([np.full((side, side, 3), c, dtype=np.uint8) for c in colours])


def test_lab_of_known_colours() -> None:
    for rgb, expected in KNOWN.items():
        np.testing.assert_allclose(lab(np.array(rgb, np.uint8)), expected, atol=0.02)


def test_ycbcr_of_known_colours() -> None:
    np.testing.assert_allclose(
        ycbcr(np.array([[255, 255, 255], [0, 0, 0]], np.uint8)), [[235, 128, 128], [16, 128, 128]]
    )
    np.testing.assert_allclose(ycbcr(np.array([255, 0, 0], np.uint8)), [81.481, 90.203, 240.0], atol=1e-3)


@pytest.mark.parametrize("procedure", list(PROCEDURES))
def test_every_procedure_gives_the_angle_of_a_drawn_colour(procedure: str) -> None:
    images = flat(*SKIN.values(), SKIN["light"])
    angles = skin_tone(cohort(images), procedure)
    for rgb, angle in zip(SKIN.values(), angles, strict=False):
        lightness, _, yellow = lab(np.array(rgb, np.uint8)).tolist()
        if procedure in ("ycbcr_mask", "skin_median") and not skin_mask(np.array(rgb, np.uint8)):
            assert np.isnan(angle), "what the skin rule refuses is undefined, not 0"
        else:
            assert angle == pytest.approx(np.degrees(np.arctan((lightness - 50) / yellow)), abs=0.01)
    assert angles[0] > angles[1]


def test_a_colour_made_for_an_angle_has_it() -> None:
    """Solve for the sRGB colour of L* = 65, b* = 18: the angle is 39.8 degrees."""

    def off(rgb: np.ndarray) -> np.ndarray:
        table = np.interp(rgb, np.arange(256), colour._LINEAR)
        x, y, z = (table @ colour._MATRIX.T) ** (1 / 3)
        return np.array([116 * y - 16 - 65, 500 * (x - y) - 14, 200 * (y - z) - 18])

    rgb = np.round(least_squares(off, [180.0, 150, 130], bounds=(0, 255)).x).astype(int)
    angle = skin_tone(cohort(flat(tuple(rgb), tuple(rgb))), "whole_image")[0]
    assert angle == pytest.approx(39.806, abs=0.7)  # a colour code is a third of a unit of L* and b*


def test_the_lesion_in_the_middle_does_not_count_where_it_should_not() -> None:
    images = flat(SKIN["light"], SKIN["light"], side=64)
    y, x = np.mgrid[:64, :64]
    images[:, np.hypot(y - 32, x - 32) < 18] = (90, 50, 40)
    clean = skin_tone(cohort(flat(SKIN["light"], SKIN["light"])), "whole_image")[0]
    for procedure in ("border_patches", "skin_median", "ycbcr_mask"):
        assert skin_tone(cohort(images), procedure)[0] == pytest.approx(clean, abs=0.05)


def test_the_lightest_patch_counts() -> None:
    images = flat(SKIN["brown"], SKIN["brown"], side=256)
    images[:, 216:236, 20:40] = SKIN["light"]
    light, brown = (skin_tone(cohort(flat(c, c)), "whole_image")[0] for c in (SKIN["light"], SKIN["brown"]))
    angles = skin_tone(cohort(images), "border_patches")
    assert angles[0] == pytest.approx(light, abs=1e-3) and light > brown


def test_bluish_and_skinless_pictures_are_undefined() -> None:
    images = flat((60, 80, 200), (30, 160, 60))
    assert np.isnan(skin_tone(cohort(images), "whole_image")[0])
    for procedure in ("ycbcr_mask", "skin_median"):
        assert np.isnan(skin_tone(cohort(images), procedure)).all()
    assert np.isnan(typology_angle(np.array([60.0]), np.array([0.0]))).all()


@pytest.mark.parametrize(
    ("table", "angles", "categories"),
    [
        ("del_bino", [56, 55, 41, 28, 10, -30, -31], [1, 2, 3, 4, 5, 6, 6]),
        ("kinyanjui", [56, 55, 41, 28, 19, 10, -60], [1, 2, 3, 4, 5, 6, 6]),
        ("kinyanjui_eight", [56, 50, 45, 35, 30, 20, 11, 10], [1, 2, 3, 4, 5, 6, 7, 8]),
        ("groh", [45, 44.9, 28, 17, 5, -20, 90], [1, 2, 3, 4, 5, 6, 1]),
    ],
)
def test_published_tables(table: str, angles: list[float], categories: list[int]) -> None:
    assert categorise(np.array(angles), table).tolist() == categories
    assert categorise(np.array([np.nan]), table).tolist() == [0]
    assert len(THRESHOLDS[table].bounds) + 1 == len(THRESHOLDS[table].categories)
    assert list(THRESHOLDS[table].bounds) == sorted(THRESHOLDS[table].bounds, reverse=True)


def test_columns_are_added_and_undefined_ones_stay_empty() -> None:
    whole = cohort(flat(SKIN["light"], (60, 80, 200)))
    added = with_skin_tone(whole, "whole_image", "kinyanjui")
    assert added.table["ita_whole_image_kinyanjui"].tolist()[1] is None
    assert added.table["ita_whole_image_kinyanjui"].tolist()[0] in THRESHOLDS["kinyanjui"].categories
    assert "ita_whole_image" not in whole.table


def test_mistakes() -> None:
    whole = cohort(flat(SKIN["light"], SKIN["brown"]))
    with pytest.raises(CohortError, match="no procedure 'ita'"):
        skin_tone(whole, "ita")
    with pytest.raises(CohortError, match="no thresholds"):
        with_skin_tone(whole, thresholds="fitz")
    with pytest.raises(CohortError, match="8-bit colour"):
        skin_tone(cohort(np.zeros((2, 8, 8, 1), np.uint8)))


def test_agreement_of_a_perfect_and_of_a_random_record() -> None:
    """Types made from the pixels agree; shuffled ones do not."""
    rng = np.random.default_rng(0)
    base = np.linspace(0, 1, 60)[:, None] * (np.array(SKIN["light"]) - [150, 95, 70]) + [150, 95, 70]
    images = np.repeat(np.repeat(base[:, None, None].astype(np.uint8), 24, axis=1), 24, axis=2)
    types = categorise(skin_tone(cohort(images), "whole_image"), "groh")
    assert len(set(types.tolist())) >= 4
    order = rng.permutation(60)
    whole = cohort(images, skin_type=types.tolist(), fitz_other=types[order].tolist())
    assert list(recorded_types(whole)) == ["skin_type", "fitz_other"]
    found = compare_tones(whole, n_boot=50)
    rows = found.agreement.set_index(["recorded", "against", "thresholds"])
    mine = rows.loc[("skin_type", "whole_image", "groh")]
    assert mine["kappa"] == 1 and mine["exact"] == 1 and mine["n"] == 60 and mine["spearman"] > 0.95
    other = rows.loc[("fitz_other", "whole_image", "groh")]
    assert other["kappa_low"] < 0.3 and other["kappa_low"] <= other["kappa"] <= other["kappa_high"]
    assert ("skin_type", "fitz_other", "") in rows.index
    assert [w for w in found.warnings if "'fitz_other'" in w] and not [w for w in found.warnings if "'skin_type'" in w]
    assert (found.confusion.groupby(["recorded", "against", "thresholds"])["n"].sum() == rows["n"].sort_index()).all()
    sums = found.counts.groupby(["procedure", "thresholds"])["n"].sum()
    assert (sums == 60).all()


def test_recorded_types_in_roman_and_other_columns() -> None:
    images = flat(*[SKIN["light"]] * 4)
    whole = cohort(
        images, fitspatrick=["I", "vi", None, "III"], skin_cancer=["1", "2", "1", "2"], skin_tone=["7", "1", "1", "1"]
    )
    assert {k: v.tolist() for k, v in recorded_types(whole).items()} == {"fitspatrick": [1, 6, 0, 3]}


@pytest.mark.parametrize("module", [colour, room])
def test_examples(module: object) -> None:
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted > 0 and result.failed == 0
