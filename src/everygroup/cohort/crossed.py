"""A cohort at a glance: how many samples of every label are in every group, as a data frame and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from everygroup.cohort.outcome import Outcome

MISSING = "missing"


def by_group(outcome: Outcome, group: np.ndarray, units: np.ndarray, groups: Sequence[str]) -> pd.DataFrame:
    """Count the samples of every group.

    Returns
    -------
    DataFrame
        A row a group, and 'missing' last where a sensitive attribute is; columns n, n_units (patients or lesions) and
        one a class. Samples without a label count in n alone.
    """
    names = [*groups, *([MISSING] if (group < 0).any() else [])]
    rows = []
    for index, name in enumerate(names):
        own = group == (index if index < len(groups) else -1)
        counts = {"n": int(own.sum()), "n_units": len(set(units[own].tolist()))}
        labels = dict(zip(outcome.names, outcome.counts(own).tolist(), strict=True))
        rows.append({"group": name, **counts, **labels})
    return pd.DataFrame(rows, columns=["group", "n", "n_units", *outcome.names]).set_index("group")


def html(counts: pd.DataFrame, title: str, facts: Sequence[str]) -> str:
    """The counts as HTML that stands alone, below a title and short facts."""
    heads = "".join(f"<th>{escape(str(name))}</th>" for name in ("group", *counts.columns))
    lines = [
        f"<tr><th>{escape(str(name))}</th>{''.join(f'<td>{int(v):,}</td>' for v in row)}</tr>"
        for name, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    told = "".join(f"<p>{escape(fact)}</p>" for fact in facts)
    return (
        f"<div><p><strong>{escape(title)}</strong></p>{told}"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
