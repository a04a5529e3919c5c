"""What is known of a published data set, for reports: whose it is, on which terms, and how its labels were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SET, LICENCE, ACCESS, PAPER = "data set", "licence of the data", "access to the data", "to be cited for the data"
LABEL_MAP, LEFT_OUT = "label map", "rows left out"
DATA_SET = (SET, LICENCE, ACCESS, PAPER, LABEL_MAP, LEFT_OUT)
MADE_LABEL = "label"  # the column a label map makes


def data_set_facts(provenance: Mapping[str, Any], label: str | None) -> dict[str, str]:
    """Return terms and texts of a cohort's provenance; empty for data of which no more than the name is known.

    Parameters
    ----------
    provenance : mapping
        Of a cohort, as `everygroup prepare` records it.
    label : str, optional
        The column used as label: a label map is told only where it made that column.
    """
    values = {
        SET: provenance.get("title", ""),
        LICENCE: provenance.get("licence", ""),
        ACCESS: provenance.get("access", ""),
        PAPER: provenance.get("citation", ""),
        LABEL_MAP: _label_map(provenance.get("label_map")) if label == MADE_LABEL else "",
        LEFT_OUT: _left_out(provenance.get("left_out")),
    }
    return {term: str(value) for term, value in values.items() if value}


def _label_map(record: Mapping[str, Any] | None) -> str:
    if not record:
        return ""
    note = f": {record['note']}" if record.get("note") else ""
    return f"{record['name']}, version {record['version']}, from the column {record['column']}{note}"


def _left_out(counts: Mapping[str, int] | None) -> str:
    return ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in (counts or {}).items() if n)
