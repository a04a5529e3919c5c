"""Several labels in one small table: who fares worst in each, and how the best group fares."""

from __future__ import annotations

import pandas as pd

from everygroup.audit.findings import Finding, Measured, findings
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Table, table

_KINDS = (("recall", "missed, of 100 with it"), ("specificity", "false alarms, of 100 without"))


def labels_table(audit: Measured, attribute: str, limits: Limits) -> Table | None:
    """Missed cases and false alarms of every label over one attribute: the worst group beside the best.

    None where the audit is not of several labels. What was not measured label by label has no column.
    """
    found = {f.metric: f for f in findings(audit) if f.attribute == attribute}
    rows = [
        (str(name), [found.get(f"{kind}[{name}]") for kind, _ in _KINDS]) for name in audit.settings.get("labels", ())
    ]
    rows = [(name, told) for name, told in rows if any(told)]
    if not rows:
        return None
    rows.sort(key=lambda row: next(f.rank for f in row[1] if f))
    texts = {"label": [clean_text(name) for name, _ in rows]}
    headings = {"label": "label"}
    for i, (kind, heading) in enumerate(_KINDS):
        if any(told[i] for _, told in rows):
            texts[kind], headings[kind] = [_worst(told[i]) for _, told in rows], heading
    title = next(f.title for f in found.values())
    caption = f"Label by label: the group by {clean_text(title)} that fares worst, and the one that fares best"
    data = pd.DataFrame(texts)
    return table(data, caption, limits, headings=headings, file_name="labels.csv")


def _worst(f: Finding | None) -> str:
    """'F 45 (71 of 159), M 5 (8 of 150); p < 0.001'."""
    if f is None:
        return "–"
    both = [f"{place.group} {_number(f, place.value)} ({f.base(place)})" for place in (f.worst, f.best)]
    return clean_text(f"{', '.join(both)}; {f.chance_number}")


def _number(f: Finding, value: float) -> str:
    return f.told.number(value).partition(" of ")[0]
