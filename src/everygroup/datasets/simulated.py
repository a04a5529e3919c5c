"""A simulated dermatology cohort whose truth is known: who is useful to whom, and why.

Stylised skin lesions on skin of six tones. What a diagnosis looks like turns smoothly with the tone of the skin, so
that samples of a near tone help a group's model and samples of a distant tone mislead it: the situation that
group-specific models and sample weights are made for (Xu et al., Medical Image Analysis 109, 2026, 103950). Because
the label rule is a formula, the usefulness of every sample for every target group is computed, not estimated.

The pictures are synthetic. They say nothing about how disease looks on anybody's skin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.datasets._simulated_dials import (
    GROUPS,
    TONE_FRACTIONS,
    check,
    default_prevalence,
    read_shares,
    tone_shares,
)
from everygroup.datasets._simulated_photo import Subjects, photograph
from everygroup.datasets._simulated_rule import GROUP_TYPES, TYPES, LabelRule
from everygroup.errors import CohortError

__all__ = ["CLASSES", "GROUPS", "SimulatedCohort", "dermatology"]

CLASSES = ("naevus", "melanoma", "keratosis", "vascular")
_AGE_EFFECT = (-9.0, 6.0, 11.0, -8.0)  # years against the mean, by diagnosis


@dataclass(frozen=True)
class SimulatedCohort:
    """A simulated cohort and the truth about it.

    Attributes
    ----------
    cohort : Cohort
        n uint8 images (n, S, S, 3) grouped by the column `tone` ('light', 'dark'). Its table holds image_id,
        patient_id, diagnosis, tone, skin_type (1 to 6), sex and age.
    masks : ndarray of bool, (n, S, S)
        True on the lesion.
    truth : DataFrame, n rows
        What nobody can know about real patients:

        - `image_id`, `patient_id`;
        - `tone`: continuous tone of the skin, 0 (lightest) to 1 (darkest); type k is [(k-1)/6, k/6);
        - `rotation`: radians by which looks are turned at this tone;
        - `appearance_angle`, `appearance_strength`: the look in polar coordinates; `appearance_u` (pigment) and
          `appearance_v` (structure) are the same in Cartesian ones;
        - `clean_label`, `mislabelled`: the diagnosis before label noise, and whether noise changed it;
        - `best_probability`: the largest P(diagnosis | look, tone). Its mean is the accuracy of the best possible
          classifier on clean labels;
        - `usefulness_light`, `usefulness_dark`: P(the sample's recorded label | the sample's look, target group),
          the tone being integrated over the target group's own distribution. Near 1: the sample tells the group's
          model the truth. Near 0: it misleads;
        - `helpful_light`, `helpful_dark`: whether the recorded label is the most probable one for that look in the
          target group.
    settings : dict
        The arguments it was made with; JSON-able.
    rule : LabelRule
        The law that tones, diagnoses and looks follow.
    subjects : Subjects
        What was photographed.
    """

    cohort: Cohort
    masks: npt.NDArray[np.bool_]
    truth: pd.DataFrame
    settings: dict[str, Any]
    rule: LabelRule = field(repr=False)
    subjects: Subjects = field(repr=False)

    def truth_of(self, part: Cohort) -> pd.DataFrame:
        """Return the truth of a part of the cohort (a split or selection of it), row for row."""
        return self.truth.iloc[self._rows(part)].reset_index(drop=True)

    def masks_of(self, part: Cohort) -> npt.NDArray[np.bool_]:
        """Return the lesion masks of a part of the cohort, (len(part), S, S)."""
        return self.masks[self._rows(part)]

    def _rows(self, part: Cohort) -> npt.NDArray[np.int64]:
        if part.images is not self.cohort.images:
            raise CohortError(
                "This cohort is not a part of the simulated one.",
                fix="select from `simulated.cohort` with where() or split()",
            )
        return part.rows


def dermatology(
    n: int = 5000,
    *,
    image_size: int = 64,
    seed: int = 0,
    classes: Sequence[str] = CLASSES,
    prevalence: Sequence[float] | None = None,
    tone_fractions: Sequence[float] = TONE_FRACTIONS,
    presentation_shift: float = 1.2,
    prevalence_shift: float = 0.0,
    ambiguity: float = 0.25,
    label_noise: float | Mapping[str, float] = 0.0,
    acquisition_noise: float = 0.3,
    hair: float = 0.25,
    lesions_per_patient: float = 1.6,
    missing: float = 0.0,
) -> SimulatedCohort:
    """Simulate a dermatology cohort.

    Parameters
    ----------
    n : int
        Number of images.
    image_size : int
        Side of the square pictures in pixels, 16 to 512.
    seed : int
        The same seed gives the same bytes.
    classes : sequence of str
        Two to eight diagnoses; each owns an equal sector of the circle of looks, in this order.
    prevalence : sequence of float, optional
        Share of each diagnosis (rescaled to sum 1); by default .32, .22, .26, .20 for four classes, else equal.
    tone_fractions : sequence of float
        Shares of skin types 1 to 6, or of 'light' (1-3) and 'dark' (4-6); rescaled to sum 1. Kept exactly, to the
        nearest image.
    presentation_shift : float
        Radians by which the look of every diagnosis turns from the lightest to the darkest skin. 0: the same look
        for everyone. With four classes pi/2 turns one diagnosis' look into the next one's.
    prevalence_shift : float
        Log-odds of the first diagnosis against the last that is lost from the lightest to the darkest skin. 0: the
        same prevalence for everyone.
    ambiguity : float
        Standard deviation, in radians, of the noise between diagnosis and look. It sets the best possible accuracy.
    label_noise : float or mapping of group to float
        Share of recorded labels that are replaced by another diagnosis, overall or as ``{"dark": 0.1}``.
    acquisition_noise : float
        0 (a studio) to 1 (a poor phone): exposure, colour cast, blur, vignette and sensor noise.
    hair : float
        Share of patients with hair over the lesion.
    lesions_per_patient : float
        Mean number of images of a patient, at least 1. A patient's images share tone, age, sex and hair.
    missing : float
        Share of patients without a recorded skin type (and so without a group).

    Returns
    -------
    SimulatedCohort

    Raises
    ------
    SettingsError
        If an argument is outside its range.
    """
    settings = {k: v for k, v in locals().items() if k not in ("classes", "tone_fractions", "label_noise")}
    classes = tuple(str(c) for c in classes)
    shares = read_shares("prevalence", prevalence if prevalence is not None else default_prevalence(classes))
    fractions = tone_shares(tone_fractions)
    noise = label_noise if isinstance(label_noise, Mapping) else dict.fromkeys(GROUPS, label_noise)
    check(n, image_size, seed, classes, shares, noise, settings)
    settings |= {"classes": list(classes), "prevalence": list(shares), "tone_fractions": list(fractions)}
    settings |= {"label_noise": {str(k): float(v) for k, v in noise.items()}}
    rule = LabelRule(shares, fractions, float(presentation_shift), float(prevalence_shift), float(ambiguity))

    patients_rng, look_rng, noise_rng, attribute_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)
    )
    patient, skin_type = _patients(n, fractions, lesions_per_patient, patients_rng)
    n_patients = int(patient.max()) + 1
    tone = (skin_type - 1 + patients_rng.random(n_patients)[patient]) / TYPES
    y, angle, strength = _looks(rule, tone, look_rng)
    recorded = _mislabel(y, tone, noise, len(classes), noise_rng)
    truth = _truth(rule, classes, tone, angle, strength, y, recorded)
    table, age = _table(patient, skin_type, recorded, y, classes, missing, attribute_rng)
    truth.insert(0, "patient_id", table["patient_id"])
    truth.insert(0, "image_id", table["image_id"])
    subjects = Subjects(
        tone=tone,
        u=truth["appearance_u"].to_numpy(np.float32),
        v=truth["appearance_v"].to_numpy(np.float32),
        age=age,
        undertone=attribute_rng.standard_normal(n_patients).astype(np.float32)[patient],
        hairy=(attribute_rng.random(n_patients) < hair)[patient],
        lesion=np.ones(n, dtype=bool),
    )
    images, masks = photograph(subjects, image_size, acquisition_noise, seed)
    cohort = Cohort.from_table(
        images,
        table,
        label="diagnosis",
        group="tone",
        id_column="image_id",
        split_by="patient_id",
        classes=classes,
        groups=GROUPS,
        provenance={"name": "simulated dermatology", "source": "everygroup.datasets.simulated.dermatology"}
        | {"simulated": True}
        | {"image_size": image_size, "licence": "none needed: no picture of a person", "settings": settings},
    )
    return SimulatedCohort(cohort, masks, truth, settings, rule, subjects)


def _patients(
    n: int, fractions: tuple[float, ...], lesions_per_patient: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Patient index and skin type of every image; exact shares of types, images of a patient not in a row."""
    exact = np.asarray(fractions) * n
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    skin_type = np.repeat(np.arange(1, TYPES + 1), counts)
    sizes = 1 + rng.poisson(lesions_per_patient - 1, n)
    # a new patient starts where the last one's images are used up, and at each change of skin type
    starts = np.zeros(n, dtype=bool)
    starts[np.cumsum(sizes)[np.cumsum(sizes) < n]] = True
    starts[np.flatnonzero(np.diff(skin_type)) + 1] = True
    patient = np.cumsum(starts)
    order = rng.permutation(n)
    return patient[order], skin_type[order]


def _looks(
    rule: LabelRule, tone: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw diagnosis, angle of the look in [0, 2 pi), and its strength."""
    n = len(tone)
    y = (rng.random((n, 1)) > np.cumsum(rule.class_shares(tone), axis=1)[:, :-1]).sum(axis=1)
    half = np.pi / rule.n_classes
    angle = rule.centre(y) + rule.rotation(tone) + rng.uniform(-half, half, n) + rule.ambiguity * rng.standard_normal(n)
    return y, angle % (2 * np.pi), rng.uniform(0.75, 1.0, n)


def _mislabel(
    y: npt.NDArray[np.int64],
    tone: npt.NDArray[np.float64],
    noise: Mapping[str, float],
    n_classes: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    rate = np.where(tone < 0.5, noise.get("light", 0.0), noise.get("dark", 0.0))
    other = (y + rng.integers(1, n_classes, len(y))) % n_classes
    return np.where(rng.random(len(y)) < rate, other, y)


def _truth(
    rule: LabelRule,
    classes: tuple[str, ...],
    tone: npt.NDArray[np.float64],
    angle: npt.NDArray[np.float64],
    strength: npt.NDArray[np.float64],
    y: npt.NDArray[np.int64],
    recorded: npt.NDArray[np.int64],
) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "tone": tone,
        "rotation": rule.rotation(tone),
        "appearance_angle": angle,
        "appearance_strength": strength,
        "appearance_u": strength * np.cos(angle),
        "appearance_v": strength * np.sin(angle),
        "clean_label": np.array(classes, dtype=object)[y],
        "mislabelled": recorded != y,
        "best_probability": rule.posterior(angle, tone).max(axis=1),
    }
    for group in GROUPS:
        belief = rule.group_posterior(angle, group)
        columns[f"usefulness_{group}"] = belief[np.arange(len(y)), recorded]
        columns[f"helpful_{group}"] = belief.argmax(axis=1) == recorded
    return pd.DataFrame(columns)


def _table(
    patient: npt.NDArray[np.int64],
    skin_type: npt.NDArray[np.int64],
    recorded: npt.NDArray[np.int64],
    y: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    missing: float,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """Build the table a clinic would hand over, and each image's patient's age."""
    n, n_patients = len(patient), int(patient.max()) + 1
    # age follows from the patient's diagnoses, so that the label rule itself needs no age
    effect = np.resize(_AGE_EFFECT, len(classes))[y]
    mean_effect = np.bincount(patient, effect) / np.bincount(patient)
    age = np.clip(np.round(51 + mean_effect + 15 * rng.standard_normal(n_patients)), 3, 92)[patient]
    sex = np.where(rng.random(n_patients) < 0.5, "female", "male")[patient]
    known = (rng.random(n_patients) >= missing)[patient]
    group = np.where(skin_type <= max(GROUP_TYPES["light"]), "light", "dark").astype(object)
    table = pd.DataFrame(
        {
            "image_id": [f"s{i:06d}" for i in range(n)],
            "patient_id": [f"p{i:06d}" for i in patient],
            "diagnosis": np.array(classes, dtype=object)[recorded],
            "tone": pd.Series(group).where(known, None),
            "skin_type": pd.Series(skin_type, dtype="Int64").where(known),
            "sex": sex,
            "age": age.astype(int),
        }
    )
    return table, age
