"""Missing values: how many, in which label, and which attributes are missing together."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.groups import as_category
from everygroup.statistics import holm

LEAST_EXPECTED = 5.0
"""Below this smallest expected count chi-square's distribution is not trusted (Cochran 1954): an exact test instead."""
_TABLES = 9_999
_LEVEL, _EFFECT = 0.05, 0.1
# Columns about the person, whose missing values are worth a warning even where they make no groups.
_ABOUT_PEOPLE = re.compile(
    r"(^|[^a-z])(age|sex|gender|race|ethnic\w*|fit[sz]\w*|skin[ _]?(type|tone|colou?r))([^a-z]|$)", re.IGNORECASE
)


def missing_values(cohort: Cohort) -> pd.DataFrame:
    """Return, per attribute, how many values are missing or fall in no bin, and whether labels differ in it.

    The sensitive attributes come first, then every other column of the table that has missing values and known ones.

    Returns
    -------
    DataFrame
        attribute, sensitive, n, n_missing, share, n_outside, test, smallest_expected, p_label, p_holm, cramers_v,
        pattern: attributes with one pattern number are missing in exactly the same rows (-1: nothing missing). The
        test is of missingness by label: chi-square, Fisher's exact test (2 x 2) or Monte Carlo with fixed margins
        where an expected count is below 5. A patient counts once per label, since their images are not independent.
        `p_holm` is corrected over the attributes (Holm 1979), counting attributes with one pattern once.
    """
    rows: list[tuple] = []
    patterns: dict[bytes, tuple[int, tuple[str, float, float, float]]] = {}
    for attribute in [*cohort.sensitive, *_others(cohort)]:
        sensitive = attribute in cohort.sensitive
        missing = _missing(cohort, attribute)
        outside = 0
        if sensitive:
            binned = np.array([v is None for v in cohort.rule.values(cohort.table, attribute)], dtype=bool)
            outside = int((binned & ~missing).sum())
        n, key = int(missing.sum()), missing.tobytes()
        if key not in patterns:
            patterns[key] = (len(patterns), missing_by_label(missing, cohort.outcome.strata, cohort.units))
        pattern, test = patterns[key]
        share = n / max(1, len(cohort))
        rows.append((attribute, sensitive, len(cohort), n, share, outside, *test, pattern if n else -1))
    names = ["attribute", "sensitive", "n", "n_missing", "share", "n_outside"]
    names += ["test", "smallest_expected", "p_label", "cramers_v", "pattern"]
    table = pd.DataFrame(rows, columns=names)
    # The same missing rows make the same test: it counts once.
    first = table[table["pattern"] >= 0].drop_duplicates("pattern").set_index("pattern")["p_label"]
    adjusted = pd.Series(holm(first), index=first.index)
    table.insert(9, "p_holm", table["pattern"].map(adjusted).astype(float))
    return table


def missing_by_label(missing: np.ndarray, y: np.ndarray, units: np.ndarray) -> tuple[str, float, float, float]:
    """Test missingness against the label.

    Parameters
    ----------
    missing, y, units : (n,) whether missing, index of the label (-1: unknown, left out), patient or lesion.

    Returns
    -------
    test, smallest expected count, p, Cramér's V
        Undefined ("" and NaN) where nothing or everything is missing, or only one label occurs.
    """
    undefined = ("", float("nan"), float("nan"), float("nan"))
    known = pd.DataFrame({"m": missing, "y": y, "u": units})[y >= 0].drop_duplicates()
    counts = pd.crosstab(known["m"], known["y"]).to_numpy()
    if min(counts.shape, default=0) < 2:
        return undefined
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    least, effect = float(expected.min()), float(np.sqrt(chi2 / counts.sum()))
    if least >= LEAST_EXPECTED:
        from scipy.special import chdtrc

        return "chi-square", least, float(chdtrc(counts.shape[1] - 1, chi2)), effect
    if counts.shape == (2, 2):
        from scipy.stats import fisher_exact

        return "Fisher", least, float(fisher_exact(counts)[1]), effect
    return "Monte Carlo", least, _monte_carlo(counts, expected, chi2), effect


def missing_in_labels(cohort: Cohort, missing: pd.DataFrame) -> pd.DataFrame:
    """Return n and missing values of every (attribute, label): attribute, label, n, n_missing, share."""
    rows = []
    n = cohort.outcome.counts(np.ones(len(cohort), dtype=bool))
    for attribute in missing.loc[missing["n_missing"] > 0, "attribute"]:
        k = cohort.outcome.counts(_missing(cohort, attribute))
        rows += [
            (attribute, label, int(n[i]), int(k[i]), k[i] / n[i] if n[i] else float("nan"))
            for i, label in enumerate(cohort.outcome.names)
        ]
    return pd.DataFrame(rows, columns=["attribute", "label", "n", "n_missing", "share"])


def about_missing(cohort: Cohort, missing: pd.DataFrame) -> list[str]:
    """Return warnings: missing together, and missing by label."""
    found = []
    rows = missing[missing["pattern"] >= 0]
    for _, same in rows.groupby("pattern", sort=False):
        names = [str(a) for a in same["attribute"]]
        about = [a for a in names if a in cohort.sensitive or _ABOUT_PEOPLE.search(a)]
        if not about:
            continue
        row = same.iloc[0]
        gone = _missing(cohort, names[0])
        if len(names) > 1:
            rest = [a for a in names if a not in about]
            also = f" (and of {len(rest)} more: {', '.join(rest[:6])}{', ...' if len(rest) > 6 else ''})"
            found.append(
                f"The missing values of {_and(about)}{also if rest else ''} are in exactly the same {row['n_missing']} "
                f"images{_labels_of(cohort, gone)}: these were left out together, not one by one at random."
            )
        if row["p_holm"] < _LEVEL and row["cramers_v"] >= _EFFECT:
            found.append(_by_label(cohort, about, row, gone))
    return found


def _by_label(cohort: Cohort, about: list[str], row: pd.Series, gone: np.ndarray) -> str:
    names = cohort.outcome.names
    n, k = (cohort.outcome.counts(rows) for rows in (np.ones(len(gone), dtype=bool), gone))
    share = np.divide(k, n, out=np.full(len(n), np.nan), where=n > 0)
    most, least = int(np.nanargmax(share)), int(np.nanargmin(share))
    p = "< 0.001" if row["p_holm"] < 0.001 else f"= {row['p_holm']:.3f}"
    return (
        f"{_and(about)} {'is' if len(about) == 1 else 'are'} missing in {k[most]} of {n[most]} {names[most]} "
        f"but in {k[least]} of {n[least]} {names[least]} ({row['test']} p {p} after Holm's correction, "
        f"smallest expected count {row['smallest_expected']:.1f}, Cramér's V {row['cramers_v']:.2f}): being missing "
        "tells about the label, so do not fill it in, and expect those left to differ from the rest."
    )


def _labels_of(cohort: Cohort, rows: np.ndarray) -> str:
    """Return which labels these rows have, where they are not all labels."""
    k = cohort.outcome.counts(rows)
    if not k.any() or (k > 0).all() or (k > 0).sum() > 6:
        return ""
    return ", all of them " + ", ".join(f"{cohort.outcome.names[i]} ({k[i]})" for i in np.flatnonzero(k))


def _missing(cohort: Cohort, attribute: str) -> np.ndarray:
    codes, values = pd.factorize(cohort.table[attribute])  # a column has few distinct values: look at each once
    empty = [i for i, value in enumerate(values) if as_category(value) is None]
    return np.asarray((codes < 0) | np.isin(codes, empty), dtype=bool)


def _others(cohort: Cohort) -> list[str]:
    """Return the other columns that have both missing and known values."""
    names = [str(c) for c in cohort.table.columns if c not in cohort.label_columns and c not in cohort.sensitive]
    return [c for c in names if 0 < _missing(cohort, c).sum() < len(cohort)]


def _monte_carlo(counts: np.ndarray, expected: np.ndarray, chi2: float) -> float:
    """Share of tables with the same margins whose chi-square is at least as large; the observed one counts."""
    from scipy.stats import random_table

    drawn = random_table(counts.sum(axis=1), counts.sum(axis=0)).rvs(_TABLES, random_state=0)
    drawn_chi2 = ((drawn - expected) ** 2 / expected).sum(axis=(1, 2))
    return float((1 + (drawn_chi2 >= chi2 * (1 - 1e-12)).sum()) / (1 + _TABLES))


def _and(names: list[str]) -> str:
    quoted = [repr(n) for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
