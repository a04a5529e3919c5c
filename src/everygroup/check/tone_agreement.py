"""How skin tone from pixels agrees with recorded skin types, with other procedures, and annotators with each other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.check.skin_tone import PROCEDURES, THRESHOLDS, categorise, skin_tone
from everygroup.cohort import Cohort
from everygroup.cohort.groups import as_category
from everygroup.statistics import ordinal_agreement, spearman

_NAME = re.compile(r"skin[ _]?(type|tone)|fit[sz]", re.IGNORECASE)
_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6}
_SIX = tuple(name for name, table in THRESHOLDS.items() if table.categories == ("1", "2", "3", "4", "5", "6"))
_AGREEMENT = ["recorded", "against", "thresholds", "n", "n_units", "spearman", "spearman_low", "spearman_high"]
_AGREEMENT += ["kappa", "kappa_low", "kappa_high", "exact", "within_one"]
GOOD = 0.6
"""Weighted kappa below which the types should not make groups ('substantial' begins here: Landis and Koch 1977)."""


@dataclass(frozen=True)
class Tones:
    """Skin tone from pixels against what was recorded.

    Attributes
    ----------
    angles : DataFrame
        One column a procedure, one row a sample: the angle in degrees, NaN where undefined.
    counts : DataFrame
        procedure, thresholds, category, n: how many images each procedure and table puts into each category; category
        "undefined" where it says nothing.
    agreement : DataFrame
        recorded, against (procedure or another recorded column), thresholds, n, n_units, Spearman's correlation with
        its interval over patients (positive: darker with darker), quadratic weighted kappa with its interval, shares
        of exact and of at most one category apart. Two procedures are compared the same way.
    confusion : DataFrame
        recorded, against, thresholds, recorded_type, estimated_type, n.
    warnings : tuple of str
    """

    angles: pd.DataFrame
    counts: pd.DataFrame
    agreement: pd.DataFrame
    confusion: pd.DataFrame
    warnings: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what goes into a fingerprint; of the confusions those of recorded types."""
        tables = {"skin_tone": self.counts, "skin_tone_agreement": self.agreement}
        recorded = self.confusion[~self.confusion["recorded"].isin(list(PROCEDURES))]
        return tables | ({"skin_tone_confusion": recorded} if len(recorded) else {})


def recorded_types(cohort: Cohort) -> dict[str, NDArray[np.int64]]:
    """Return columns that hold Fitzpatrick types 1 to 6 (or I to VI), by their names, as (n,) with 0 where missing."""
    found = {}
    for column in cohort.table.columns:
        if not _NAME.search(str(column)) or str(column).startswith("ita_"):
            continue
        texts = [as_category(v) for v in cohort.table[column]]
        types = [0 if t is None else _ROMAN.get(t.upper(), int(t) if t.isdecimal() else -1) for t in texts]
        if any(types) and min(types) >= 0 and max(types) <= 6:
            found[str(column)] = np.asarray(types, dtype=np.int64)
    return found


def compare_tones(cohort: Cohort, *, n_boot: int = 500, seed: int = 0) -> Tones:
    """Measure skin tone by every procedure and compare it with every recorded type.

    Parameters
    ----------
    cohort : Cohort
        8-bit colour pictures; its units are resampled.
    n_boot, seed : of the intervals.

    Raises
    ------
    CohortError
        For images without colour.
    """
    angles = pd.DataFrame({name: skin_tone(cohort, name) for name in PROCEDURES})
    recorded = recorded_types(cohort)
    rows: list[tuple] = []
    tables: list[pd.DataFrame] = []

    def compare(name: str, other: str, thresholds: str, a: np.ndarray, b: np.ndarray, ranks: list[np.ndarray]) -> None:
        both = ordinal_agreement(a, b, k=6, units=cohort.units, n_boot=n_boot, seed=seed)
        rho, _, _ = spearman(*ranks, units=cohort.units, n_boot=n_boot, seed=seed)
        kappa = (both.kappa.value, both.kappa.low, both.kappa.high)
        shares = (both.exact, both.within_one)
        rows.append((name, other, thresholds, both.n, both.n_units, rho.value, rho.low, rho.high, *kappa, *shares))
        cells = pd.DataFrame(both.confusion).rename_axis("a").reset_index().melt("a", var_name="b", value_name="n")
        cells = cells.sort_values(["a", "b"], ignore_index=True)
        tables.append(
            pd.DataFrame(
                {
                    "recorded": name,
                    "against": other,
                    "thresholds": thresholds,
                    "recorded_type": cells["a"].astype(int) + 1,
                    "estimated_type": cells["b"].astype(int) + 1,
                    "n": cells["n"].astype(int),
                }
            )
        )

    types = {(p, t): categorise(angles[p].to_numpy(), t) for p in PROCEDURES for t in _SIX}
    named = list(recorded)
    for i, name in enumerate(named):
        known = np.where(recorded[name] > 0, recorded[name], np.nan).astype(float)
        for other in named[i + 1 :]:
            second = np.where(recorded[other] > 0, recorded[other], np.nan).astype(float)
            compare(name, other, "", recorded[name], recorded[other], [known, second])
        for procedure in PROCEDURES:
            for thresholds in _SIX:
                darkness = -angles[procedure].to_numpy()
                compare(name, procedure, thresholds, recorded[name], types[procedure, thresholds], [known, darkness])
    names = list(PROCEDURES)
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            ranks = [angles[name].to_numpy(), angles[other].to_numpy()]
            compare(name, other, _SIX[0], types[name, _SIX[0]], types[other, _SIX[0]], ranks)
    agreement = pd.DataFrame(rows, columns=_AGREEMENT)
    return Tones(angles, _counts(angles), agreement, pd.concat(tables), tuple(_warnings(agreement, named)))


def _counts(angles: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for procedure in angles.columns:
        for name, table in THRESHOLDS.items():
            n = np.bincount(categorise(angles[procedure].to_numpy(), name), minlength=len(table.categories) + 1)
            categories = ("undefined", *table.categories)
            rows += [(procedure, name, c, int(k)) for c, k in zip(categories, n, strict=True)]
    return pd.DataFrame(rows, columns=["procedure", "thresholds", "category", "n"])


def _warnings(agreement: pd.DataFrame, named: list[str]) -> list[str]:
    found = []
    for name in named:
        rows = agreement[(agreement["recorded"] == name) & agreement["against"].isin(list(PROCEDURES))]
        rows = rows.dropna(subset=["kappa"])
        if rows.empty:
            continue
        best = rows.iloc[int(rows["kappa"].to_numpy().argmax())]
        if best["kappa"] < GOOD:
            found.append(
                f"Skin tone from pixels agrees poorly with {name!r}: the best of {len(rows)} procedures and tables "
                f"({best['against']}, {best['thresholds']}) has a weighted kappa of {best['kappa']:.2f} (95 % interval "
                f"{best['kappa_low']:.2f} to {best['kappa_high']:.2f}, n = {best['n']}), and was picked after seeing "
                "all: do not make groups of it."
            )
    return found
