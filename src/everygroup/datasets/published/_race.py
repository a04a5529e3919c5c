"""Race and ethnicity written as free text or in several records of one patient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from everygroup.cohort.groups import as_category

# Parts of words that only an answer without content holds; each electronic record has its own phrase for it.
_NOT_KNOWN = (
    *("unknown", "unable", "unavailable", "unreported", "unrecorded", "unspecified", "undisclosed", "unanswered"),
    *("declin", "refus", "withheld", "missing", "prefer not", "rather not", "choose not", "chose not", "wish not"),
    *(
        "not wish",
        "not want",
        "not answer",
        "no answer",
        "no response",
        "not recorded",
        "not reported",
        "not specified",
    ),
    *("not available", "not known", "not asked", "not provided", "not given", "not stated", "not obtained", "no data"),
    *("not disclose", "not to disclose", "not collected", "not entered", "not applicable", "no information"),
)
_RACES = {
    "white": ("white", "caucasian"),
    "black": ("black", "african"),
    "asian": ("asian",),
    "hispanic": ("hispanic", "latino"),
}
CODING = "white, black, asian, hispanic (where the source gives it as a race), other; unknown and declined are missing"


def race_of(text: Any) -> str | None:
    """Return the race a text begins with ('WHITE - RUSSIAN', 'African American or Black'); None where it is not known.

    The first word decides: 'White, Hispanic' is white. Every other answer is 'other'.
    """
    said = as_category(text)
    if said is None or any(word in said.casefold() for word in _NOT_KNOWN):
        return None
    for race, starts in _RACES.items():
        if said.casefold().startswith(starts):
            return race
    return "other"


def ethnicity_of(text: Any) -> str | None:
    """Return 'hispanic' or 'not hispanic'; None where a text says neither."""
    said = (as_category(text) or "unknown").casefold()
    if any(word in said for word in _NOT_KNOWN) or not any(word in said for word in _RACES["hispanic"]):
        return None
    return "not hispanic" if said.startswith("no") else "hispanic"


def by_majority(patients: Iterable[Any], values: Iterable[str | None]) -> tuple[pd.Series, int]:
    """Return one value a patient: what more than half of the patient's known records say.

    Returns
    -------
    Series
        By patient; patients without a known record, or without a majority, are not in it.
    int
        Patients whose records contradict each other without a majority.
    """
    records = pd.DataFrame({"patient": list(patients), "value": list(values)}).dropna()
    counts = records.groupby(["patient", "value"]).size().rename("n").reset_index()
    total = counts.groupby("patient")["n"].transform("sum")
    settled = counts[counts["n"] * 2 > total].set_index("patient")["value"]
    return settled, int(counts["patient"].nunique() - len(settled))
