"""Labels and groups that are probably one value in several spellings: said by `check`, refused by `fit`."""

from __future__ import annotations

from collections import Counter

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.groups import as_category
from everygroup.errors import CohortError
from everygroup.tables.codings import Coding, codings, in_words


def spellings(cohort: Cohort) -> dict[str, list[Coding]]:
    """Return the codings of the label and of every attribute that is not binned, by column."""
    named = (cohort.label,) if cohort.target in ("classes", "anomaly") else ()
    columns = [*named, *(a for a in cohort.sensitive if a not in cohort.rule.bins)]
    counts = {c: Counter(map(as_category, cohort.table[c])) for c in dict.fromkeys(columns) if c in cohort.table}
    found = {c: codings({v: n for v, n in values.items() if v is not None}) for c, values in counts.items()}
    return {column: several for column, several in found.items() if several}


def about_spellings(cohort: Cohort) -> list[str]:
    """Return a warning for each column of `spellings`."""
    return [in_words(column, several) for column, several in spellings(cohort).items()]


def refuse_spellings(cohort: Cohort) -> None:
    """Refuse to train on groups or classes that are probably one.

    Raises
    ------
    CohortError
        That names all of them, with the options that make one value of each.
    """
    found = spellings(cohort)
    if not found:
        return
    said = [f"{column}: {coding}" for column, several in found.items() for coding in several]
    options = " ".join(coding.map_option(column) for column, several in found.items() for coding in several)
    raise CohortError(
        f"Some labels or groups look like one value in several spellings: {'; '.join(said)}.",
        fix=f"{options}; or --as-they-are if they are different values",
    )
