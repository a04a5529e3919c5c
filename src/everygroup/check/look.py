"""Everything that is found in a cohort's pixels, ready to be added to its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from everygroup.check import Fingerprint
from everygroup.check.odd_images import odd_images
from everygroup.cohort import Cohort, Split
from everygroup.imaging.duplicates import Duplicates, find_duplicates

MAX_PAIRS_TOLD = 500


@dataclass(frozen=True)
class Look:
    """What the pixels of a cohort show.

    Attributes
    ----------
    duplicates : Duplicates
    odd : DataFrame
        Images that stand out; see `odd_images`.
    warnings : tuple of str
    """

    duplicates: Duplicates
    odd: pd.DataFrame
    warnings: tuple[str, ...]

    def added_to(self, fingerprint: Fingerprint) -> Fingerprint:
        """Return the fingerprint with these tables and warnings."""
        tables = {
            "copies": self.duplicates.summary(),
            "pairs_of_copies": self.duplicates.pairs.head(MAX_PAIRS_TOLD),
            "odd_images": self.odd,
        }
        return fingerprint.plus(tables, self.warnings)


def look_at_images(cohort: Cohort, split: Split | None = None, *, seed: int = 0) -> Look:
    """Look for copies, blank images, and outliers of brightness and size.

    Parameters
    ----------
    cohort : Cohort
    split : Split, optional
        Adds which copies lie in different parts of it.
    seed : int
        See `find_duplicates`.

    Examples
    --------
    >>> found = look_at_images(cohort, split).added_to(fingerprint(cohort, split))   # doctest: +SKIP
    """
    duplicates = find_duplicates(cohort, split, seed=seed)
    odd, warnings = odd_images(cohort)
    return Look(duplicates, odd, (*duplicates.warnings(), *warnings))
