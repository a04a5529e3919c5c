"""All checks of a cohort together: what `everygroup check` counts, and what a training heeds before it begins."""

from __future__ import annotations

from everygroup.check.fingerprint import Fingerprint, fingerprint
from everygroup.check.look import look_at_images
from everygroup.check.spellings import refuse_spellings
from everygroup.check.suspicions import doubtful_units, forgotten_unit, refuse_forgotten_unit
from everygroup.check.tone_agreement import compare_tones
from everygroup.check.values import unknown_values
from everygroup.cohort import Cohort, split_cohort
from everygroup.console import warn
from everygroup.errors import CohortError
from everygroup.imaging.pixel_scale import scale_of_cohort


def check_cohort(cohort: Cohort, *, seed: int = 0, skin_tone: bool = False) -> Fingerprint:
    """Count a cohort, as a whole and after the 6:2:2 split, and look at its table and pixels for what could mislead.

    Parameters
    ----------
    cohort : Cohort
        One too small to be split is counted as a whole.
    seed : int
        Of the split, and of what is sampled.
    skin_tone : bool
        Also measure skin tone from the pixels and compare it with the recorded skin types; see `compare_tones`.
    """
    try:
        split = split_cohort(cohort, seed=seed)
    except CohortError as error:  # too small to split is a finding, not the end of the check
        warn(f"This cohort cannot be split 6:2:2: {error.message}")
        split = None
    found = look_at_images(cohort, split, seed=seed).added_to(fingerprint(cohort, split))
    if skin_tone:
        tones = compare_tones(cohort, seed=seed)
        found = found.plus(tones.tables(), tones.warnings)
    return found


def refuse_misread(cohort: Cohort, *, as_they_are: bool = False) -> None:
    """Refuse to train on what was read otherwise than meant: a number as groups, one value in several spellings.

    Also where the split would tear patients. `as_they_are` accepts the spellings. Remarks on the groups are told first:
    they may say why.

    Raises
    ------
    CohortError
    """
    cohort.rule.refuse_numbers(cohort.table)
    if not as_they_are:
        refuse_spellings(cohort)
    for text in cohort.rule.remarks(cohort.table):
        warn(text)
    refuse_forgotten_unit(cohort)


def cautions(cohort: Cohort) -> list[str]:
    """Return what a training on this cohort, and the reader of its report, should heed."""
    found = [*forgotten_unit(cohort), *doubtful_units(cohort), *unknown_values(cohort)]
    return [*found, *cohort.rule.remarks(cohort.table), *scale_of_cohort(cohort)]
