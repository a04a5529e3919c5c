"""Chest X-ray findings: what a set says of each one becomes a column and a label map of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets.published._adapter import LabelMap
from everygroup.errors import CohortError

HEALTHY = "no finding"
FOURTEEN = (  # of CheXpert and of MIMIC-CXR-JPG, which was labelled by CheXpert's program
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
    "No Finding",
)
ORIENTATION = (
    "'No Finding' is positive for the healthy: here the classes are named 'no finding' and 'finding', and a false "
    "negative is a finding that was missed."
)
_SAID = {"1": "positive", "0": "negative", "-1": "uncertain"}


def column_of(finding: str) -> str:
    """Return the column of a finding in the tidy table: 'Pleural Effusion' is 'pleural_effusion'."""
    return re.sub(r"[^a-z0-9]+", "_", finding.casefold()).strip("_")


def finding_map(mapping: Mapping[str, str | None], note: str) -> LabelMap:
    """Return the map 'finding' of the column of that name: any finding, or none."""
    return LabelMap("finding", 1, "finding", mapping, note)


def presence_maps(findings: Iterable[str], note: str) -> tuple[LabelMap, ...]:
    """Return one map for each finding whose column says 'absent' or 'present'."""
    said: dict[str, str | None] = {"absent": "absent", "present": "present"}
    return tuple(LabelMap(column_of(f), 1, column_of(f), said, note) for f in findings)


def presence(named: Iterable[Collection[str] | None], finding: str) -> pd.Series:
    """Return 'present' where a finding is among those named of an image, else 'absent'; None where nothing is known."""
    said = [None if found is None else "present" if finding in found else "absent" for found in named]
    return pd.Series(said, dtype=object)


def statements(values: Iterable[Any], *, column: str, where: str) -> pd.Series:
    """Translate 1, 0, -1 and blank into 'positive', 'negative', 'uncertain' and 'unmentioned'.

    Raises
    ------
    CohortError
        For any other value, naming its row (the header is row 1).
    """
    given = pd.Series(list(values), dtype=object)
    texts = {value: as_category(value) for value in given.dropna().unique()}
    if odd := {value for value, text in texts.items() if text is not None and text not in _SAID}:
        row = int(given.isin(odd).to_numpy().argmax())
        raise CohortError(
            f"{where}: row {row + 2}: {texts[given[row]]!r} in column {column!r} is none of 1, 0, -1 and blank.",
            fix="give the labels as distributed",
        )
    said = {value: _SAID[text] for value, text in texts.items() if text is not None}
    return given.map(said).fillna("unmentioned").astype(object)


def statement_maps(findings: Sequence[str] = FOURTEEN) -> tuple[LabelMap, ...]:
    """Return the maps of such columns: for each finding what to do about uncertain and unmentioned ones.

    ``NAME`` leaves uncertain images out, ``NAME_zeros`` and ``NAME_ones`` count them as absent or present, and
    ``NAME_mentioned`` uses only what a report states plainly (policies of Irvin et al. 2019).
    """
    maps = [
        finding_map(
            {"positive": HEALTHY, "negative": "finding", "unmentioned": "finding", "uncertain": None},
            f"from the column 'No Finding'. {ORIENTATION} Support devices do not count as a finding",
        )
    ]
    for finding in findings:
        if finding == "No Finding":
            continue
        name = column_of(finding)
        absent = {"negative": "absent", "unmentioned": "absent"}
        maps += [
            _policy(name, name, {**absent, "uncertain": None, "positive": "present"}, "uncertain images are left out"),
            _policy(
                f"{name}_zeros", name, {**absent, "uncertain": "absent", "positive": "present"}, "uncertain is absent"
            ),
            _policy(
                f"{name}_ones", name, {**absent, "uncertain": "present", "positive": "present"}, "uncertain is present"
            ),
            _policy(
                f"{name}_mentioned",
                name,
                {"negative": "absent", "uncertain": None, "unmentioned": None, "positive": "present"},
                "only what is stated plainly: uncertain and unmentioned are left out",
            ),
        ]
    return tuple(maps)


def _policy(name: str, column: str, mapping: Mapping[str, str | None], note: str) -> LabelMap:
    return LabelMap(name, 1, column, mapping, note if name.endswith("mentioned") else f"{note}; unmentioned is absent")


def with_statements(table: pd.DataFrame, *, where: str, findings: Sequence[str] = FOURTEEN) -> pd.DataFrame:
    """Return the table with the columns that `statement_maps` reads, beside the source's own."""
    said = {
        "finding" if f == "No Finding" else column_of(f): statements(table[f], column=f, where=where) for f in findings
    }
    return table.assign(**said)
