"""The simulated cohort: every dial does what it says, and the truth is the truth."""

from pathlib import Path

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

from everygroup.cohort import split_cohort
from everygroup.datasets import _simulated_photo, simulated
from everygroup.datasets._simulated_paint import Streams, lab_to_srgb, skin_lab
from everygroup.datasets._simulated_rule import LabelRule
from everygroup.datasets.montage import montage
from everygroup.errors import CohortError, SettingsError

SMALL = {"image_size": 16, "seed": 3}


@pytest.fixture(scope="module")
def default() -> simulated.SimulatedCohort:
    return simulated.dermatology(600, **SMALL)


@pytest.fixture(scope="module")
def studio() -> simulated.SimulatedCohort:
    """Pictures without hair, camera faults or differences of presentation."""
    return simulated.dermatology(200, image_size=32, seed=5, acquisition_noise=0, hair=0, presentation_shift=0)


def rule(**changes: object) -> LabelRule:
    values: dict = {
        "prevalence": (0.4, 0.3, 0.2, 0.1),
        "tone_fractions": (0.3, 0.2, 0.1, 0.1, 0.1, 0.2),
        "presentation_shift": 1.2,
        "prevalence_shift": 1.0,
        "ambiguity": 0.25,
    }
    return LabelRule(**(values | changes))


def test_it_is_a_cohort_with_everything_a_clinic_would_hand_over(default: simulated.SimulatedCohort) -> None:
    cohort = default.cohort
    assert cohort.images.shape == (600, 16, 16, 3)
    assert cohort.images.dtype == np.uint8
    assert default.masks.shape == (600, 16, 16)
    assert cohort.classes == simulated.CLASSES
    assert cohort.groups == ("light", "dark")
    assert list(cohort.table.columns) == [
        "image_id",
        "patient_id",
        "diagnosis",
        "tone",
        "skin_type",
        "sex",
        "age",
    ]
    assert (cohort.group >= 0).all()
    assert ((cohort.table["skin_type"] <= 3) == (cohort.table["tone"] == "light")).all()
    assert cohort.table["age"].between(3, 92).all()
    assert set(cohort.table["sex"]) == {"female", "male"}
    assert (default.truth["image_id"] == cohort.table["image_id"]).all()
    assert cohort.provenance["settings"]["seed"] == 3


def test_patients_have_several_images_that_share_their_attributes(default: simulated.SimulatedCohort) -> None:
    joined = default.cohort.table.assign(shade=default.truth["tone"])
    by_patient = joined.groupby("patient_id")
    assert all(len(rows[["tone", "skin_type", "sex", "age", "shade"]].drop_duplicates()) == 1 for _, rows in by_patient)
    assert by_patient.size().mean() == pytest.approx(1.6, abs=0.15)
    single = simulated.dermatology(50, lesions_per_patient=1, **SMALL)
    assert single.cohort.table["patient_id"].is_unique


def test_same_seed_same_bytes_whatever_the_block(
    default: simulated.SimulatedCohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_simulated_photo, "BLOCK", 7)
    again = simulated.dermatology(600, **SMALL)
    npt.assert_array_equal(again.cohort.images, default.cohort.images)
    npt.assert_array_equal(again.masks, default.masks)
    pd.testing.assert_frame_equal(again.truth, default.truth)
    assert again.cohort.content_hash == default.cohort.content_hash
    other = simulated.dermatology(600, image_size=16, seed=4)
    assert (other.cohort.images != default.cohort.images).mean() > 0.5


def test_skin_types_have_the_fractions_asked_for() -> None:
    six = simulated.dermatology(100, tone_fractions=(1, 2, 3, 4, 5, 5), **SMALL)
    counts = six.cohort.table["skin_type"].value_counts().sort_index().tolist()
    assert counts == [5, 10, 15, 20, 25, 25]
    two = simulated.dermatology(100, tone_fractions=(0.9, 0.1), **SMALL)
    assert (two.cohort.table["tone"] == "dark").sum() in (10, 11)
    tone = six.truth["tone"].to_numpy()
    assert (np.floor(tone * 6).astype(int) + 1 == six.cohort.table["skin_type"].to_numpy(int)).all()


def test_skin_darkens_with_tone(studio: simulated.SimulatedCohort) -> None:
    corner = studio.cohort.images[:, :3, :3].reshape(200, -1).mean(axis=1)
    rank = np.corrcoef(pd.Series(corner).rank(), studio.truth["tone"].rank())[0, 1]
    assert rank < -0.88  # light varies, too
    lab = skin_lab(np.array([0.0, 1 / 6, 0.5, 5 / 6, 1.0]))
    ita = np.rad2deg(np.arctan2(lab[:, 0] - 50, lab[:, 2]))
    npt.assert_allclose(ita, [66, 55, 28, -30, -55], atol=0.01)  # the published limits of the types


def test_lesions_stand_out_and_follow_the_appearance_plane(studio: simulated.SimulatedCohort) -> None:
    assert 0.03 < studio.masks.mean() < 0.35
    images, masks, truth = studio.cohort.images.astype(float), studio.masks, studio.truth
    inside = np.array([image[mask].mean(axis=0) for image, mask in zip(images, masks, strict=True)])
    outside = np.array([image[~mask].mean(axis=0) for image, mask in zip(images, masks, strict=True)])
    assert (np.abs(inside - outside).max(axis=1) > 8).mean() > 0.97
    redness = (inside[:, 0] - inside[:, 1]) / outside[:, 0]
    darkness = 1 - inside.mean(axis=1) / outside.mean(axis=1)
    angle = truth["appearance_angle"]
    assert np.corrcoef(redness, np.cos(angle - 5 * np.pi / 4))[0, 1] > 0.6  # red towards (-, -)
    assert np.corrcoef(darkness, truth["appearance_u"])[0, 1] > 0.7  # dark towards +u
    perimeter = [(mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum() for mask in masks]
    ragged = np.array(perimeter) / np.sqrt(masks.sum(axis=(1, 2)))
    assert np.corrcoef(ragged, truth["appearance_v"])[0, 1] > 0.4  # irregular towards +v


def test_no_presentation_shift_means_the_same_rule_for_everyone(studio: simulated.SimulatedCohort) -> None:
    truth = studio.truth
    assert (truth["rotation"] == 0).all()
    npt.assert_allclose(truth["usefulness_light"], truth["usefulness_dark"], atol=1e-9)
    shifted = simulated.dermatology(400, presentation_shift=1.5, **SMALL).truth
    assert shifted["rotation"].between(0, 1.5).all()
    assert (np.diff(shifted.sort_values("tone")["rotation"]) >= 0).all()
    light = shifted["tone"] < 0.5
    assert shifted.loc[light, "usefulness_light"].mean() > shifted.loc[light, "usefulness_dark"].mean() + 0.2


def test_near_tones_are_more_useful_than_distant_ones() -> None:
    truth = simulated.dermatology(4000, image_size=16, seed=1, tone_fractions=(1, 1, 1, 1, 1, 1)).truth
    by_type = truth.groupby(np.floor(truth["tone"] * 6))[["usefulness_light", "usefulness_dark"]].mean()
    light, dark = by_type["usefulness_light"].to_numpy(), by_type["usefulness_dark"].to_numpy()
    assert light[3] > light[4] + 0.05 > light[5]
    assert dark[2] > dark[1] + 0.05 > dark[0]


@pytest.mark.parametrize("group", ["light", "dark"])
def test_usefulness_agrees_with_counting(group: str) -> None:
    """P(label | look, group) against the share of labels among many draws of near-equal look."""
    r = rule()
    rng = np.random.default_rng(0)
    share = np.array(r.tone_fractions[:3] if group == "light" else r.tone_fractions[3:])
    n = 400_000
    kind = rng.choice(3, n, p=share / share.sum()) + (0 if group == "light" else 3)
    y, angle, _ = simulated._looks(r, (kind + rng.random(n)) / 6, rng)
    for centre in (0.3, 2.0, 4.4):
        near = np.abs(angle - centre) < 0.02
        counted = np.bincount(y[near], minlength=4) / near.sum()
        npt.assert_allclose(r.group_posterior(np.array([centre]), group)[0], counted, atol=0.03)


def test_best_probability_is_the_accuracy_of_the_best_classifier() -> None:
    r = rule()
    rng = np.random.default_rng(1)
    tone = rng.random(50_000)
    y, angle, _ = simulated._looks(r, tone, rng)
    belief = r.posterior(angle, tone)
    assert (belief.argmax(axis=1) == y).mean() == pytest.approx(belief.max(axis=1).mean(), abs=0.005)
    assert 0.8 < belief.max(axis=1).mean() < 0.95


def test_densities_and_weights_are_normalised() -> None:
    r = rule(ambiguity=0.6)
    circle = np.linspace(0, 2 * np.pi, 2001)[:-1]
    npt.assert_allclose(r.look_density(circle, np.full(1, 0.4)).mean(axis=0) * 2 * np.pi, 1, atol=1e-6)
    tones, weights = r.group_tones("dark")
    assert weights.sum() == pytest.approx(1)
    assert tones.min() > 0.5
    assert tones @ weights == pytest.approx((0.1 * 3.5 + 0.1 * 4.5 + 0.2 * 5.5) / 0.4 / 6)


def test_prevalence_shift_moves_the_odds_by_what_it_says() -> None:
    shares = rule(prevalence_shift=2.0).class_shares(np.array([0.0, 1.0]))
    odds = np.log(shares[:, 0] / shares[:, -1])
    assert odds[0] - odds[1] == pytest.approx(2.0)
    npt.assert_allclose(rule(prevalence_shift=0.0).class_shares(np.array([0.9]))[0], (0.4, 0.3, 0.2, 0.1))


def test_more_ambiguity_lowers_the_ceiling() -> None:
    clear = simulated.dermatology(300, ambiguity=0.05, **SMALL).truth["best_probability"].mean()
    vague = simulated.dermatology(300, ambiguity=0.6, **SMALL).truth["best_probability"].mean()
    assert clear > 0.95 > 0.8 > vague


def test_label_noise_changes_recorded_labels_only() -> None:
    noisy = simulated.dermatology(1000, label_noise={"dark": 0.3}, tone_fractions=(0.5, 0.5), **SMALL)
    changed = noisy.cohort.table["diagnosis"].to_numpy() != noisy.truth["clean_label"].to_numpy()
    npt.assert_array_equal(changed, noisy.truth["mislabelled"])
    dark = noisy.cohort.group == 1
    assert not changed[~dark].any()
    assert changed[dark].mean() == pytest.approx(0.3, abs=0.06)
    wrong = noisy.truth[noisy.truth["mislabelled"]]
    assert wrong["usefulness_dark"].mean() < 0.25  # a wrong label misleads everyone
    everywhere = simulated.dermatology(500, label_noise=0.2, **SMALL).truth
    assert everywhere["mislabelled"].mean() == pytest.approx(0.2, abs=0.06)


def test_acquisition_noise_and_hair_change_pictures_not_truth(studio: simulated.SimulatedCohort) -> None:
    settings = studio.settings | {"prevalence": None}
    grainy = simulated.dermatology(**(settings | {"acquisition_noise": 1.0}))
    hairy = simulated.dermatology(**(settings | {"hair": 1.0}))
    for other in (grainy, hairy):
        npt.assert_array_equal(other.masks, studio.masks)
        pd.testing.assert_frame_equal(other.truth, studio.truth)

    def roughness(sim: simulated.SimulatedCohort) -> float:
        return float(np.abs(np.diff(sim.cohort.images.astype(float), axis=1)).mean())

    assert roughness(grainy) > 1.5 * roughness(studio)
    changed = (hairy.cohort.images != studio.cohort.images).any(axis=(1, 2, 3))
    assert changed.mean() > 0.98
    half = simulated.dermatology(**(settings | {"hair": 0.5}))
    assert 0.35 < (half.cohort.images != studio.cohort.images).any(axis=(1, 2, 3)).mean() < 0.65


def test_missing_attributes_are_missing_and_in_no_group() -> None:
    sim = simulated.dermatology(400, missing=0.3, **SMALL)
    missing = sim.cohort.group == -1
    assert missing.mean() == pytest.approx(0.3, abs=0.08)
    assert sim.cohort.table.loc[missing, ["tone", "skin_type"]].isna().all(axis=None)
    assert sim.cohort.table.loc[~missing, ["tone", "skin_type"]].notna().all(axis=None)
    assert sim.truth["tone"].notna().all()


def test_other_classes() -> None:
    sim = simulated.dermatology(60, classes=["benign", "malignant"], prevalence=(3, 1), **SMALL)
    assert sim.cohort.classes == ("benign", "malignant")
    assert (sim.cohort.y == 0).mean() > 0.5


def test_truth_and_masks_follow_a_part(default: simulated.SimulatedCohort) -> None:
    part = split_cohort(default.cohort, seed=0).test
    truth = default.truth_of(part)
    assert truth["image_id"].tolist() == part.ids.tolist()
    npt.assert_array_equal(default.masks_of(part)[0], default.masks[default.cohort.ids == part.ids[0]][0])
    with pytest.raises(CohortError, match="not a part"):
        default.truth_of(simulated.dermatology(5, **SMALL).cohort)


def test_montage(default: simulated.SimulatedCohort, tmp_path: Path) -> None:
    from PIL import Image

    path = montage(default, tmp_path / "figures" / "montage.png", tile=20, scale=1)
    with Image.open(path) as sheet:
        assert sheet.size == (82 + 6 * 25 + 12, 46 + 4 * 25 + 12)
        assert np.asarray(sheet)[60, 90].tolist() != [255, 255, 255]
    few = simulated.dermatology(3, **SMALL)  # most cells are blank
    assert montage(few, tmp_path / "few.png").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["few.png", "figures"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n = 0"),
        ({"image_size": 8}, "image_size"),
        ({"seed": -1}, "seed"),
        ({"classes": ["one"]}, "classes"),
        ({"classes": ["a", "a"]}, "classes"),
        ({"prevalence": (1, 1)}, "prevalence"),
        ({"prevalence": (1, 1, 0, 1)}, "prevalence"),
        ({"prevalence": (1, -1, 1, 1)}, "no shares"),
        ({"tone_fractions": (1, 1, 1)}, "3 values"),
        ({"tone_fractions": (1, 1, 1, 0, 0, 0)}, "empty"),
        ({"label_noise": 1.5}, "label_noise"),
        ({"label_noise": {"green": 0.1}}, "green"),
        ({"ambiguity": 0.0}, "ambiguity"),
        ({"hair": float("nan")}, "hair"),
        ({"lesions_per_patient": 0.5}, "lesions_per_patient"),
        ({"missing": 2}, "missing"),
        ({"acquisition_noise": -0.1}, "acquisition_noise"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        simulated.dermatology(**({"n": 10, "image_size": 16} | arguments))
    assert caught.value.fix


def test_noise_fields_have_unit_variance_and_colours_are_right() -> None:
    field = Streams(0).field("x", 300, 24, 6)
    assert field.std() == pytest.approx(1, abs=0.05)
    lab = np.array([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18]], np.float32)
    rgb = lab_to_srgb(lab[:, 0], lab[:, 1], lab[:, 2])
    npt.assert_allclose(rgb, [[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]], atol=0.01)
