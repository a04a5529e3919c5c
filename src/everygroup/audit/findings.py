"""What an audit found over one attribute in one metric: the worst and the best group, the gap, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from everygroup.audit.words import QUALITY, Saying, chance_words, direction, evidence, of_group, p_text, saying
from everygroup.errors import SettingsError
from everygroup.metrics import metric_info

TOO_SMALL, ONE_CLUSTER = "n too small", "one patient or lesion"
_NO_GROUP = ("overall", "gap", "worst", "missing")


class Measured(Protocol):
    """What is read of an audit; `everygroup.audit.Audit` is one."""

    @property
    def table(self) -> pd.DataFrame:
        """Long rows."""

    @property
    def comparison(self) -> pd.DataFrame:
        """Long rows of the change against a baseline, or none."""

    @property
    def series(self) -> pd.DataFrame:
        """Long rows of periods or versions, or none."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was computed."""


@dataclass(frozen=True)
class Place:
    """One group's value with its interval; `successes` of `trials` where it is a proportion, else NaN."""

    group: str
    value: float
    low: float
    high: float
    n: float
    successes: float = math.nan
    trials: float = math.nan


@dataclass(frozen=True)
class Finding:
    """One metric over one attribute.

    Attributes
    ----------
    attribute, title : the column, and what it is called.
    metric : its name; `told` how it is said.
    places : the groups that are compared, the worst first.
    gap, low, high, p, detectable : of the gap between them.
    """

    attribute: str
    title: str
    metric: str
    told: Saying
    places: tuple[Place, ...]
    gap: float
    low: float
    high: float
    p: float
    detectable: float

    @property
    def worst(self) -> Place:
        """The group that fares worst."""
        return self.places[0]

    @property
    def best(self) -> Place:
        """The group that fares best."""
        return self.places[-1]

    @property
    def values(self) -> tuple[float, ...]:
        """Of all places."""
        return tuple(place.value for place in self.places)

    @property
    def beyond_chance(self) -> bool | None:
        """Whether the gap is unlikely to be chance; None where there is no test."""
        return evidence(self.p, self.low)

    @property
    def chance(self) -> str:
        """How the gap stands against chance, in words."""
        return chance_words(self.p, self.low)

    @property
    def chance_number(self) -> str:
        """The p of the gap, or that there is none."""
        return p_text(self.p) or "not tested"

    @property
    def rank(self) -> tuple[float, ...]:
        """Smaller is told first: evidence, then harm, then size."""
        size = self.gap if self.told.counted else self.gap / max(abs(self.worst.value), 1e-12)
        return ({True: 0, None: 1, False: 2}[self.beyond_chance], self.told.harm, -size)

    @property
    def sentence(self) -> str:
        """Return 'Misses 21 of 100 cases in Black patients (9 of 43), 3 of 100 in White patients (2 of 67); …'."""
        worst, best = self.worst, self.best
        values = [worst.value, best.value]
        apart = self.beyond_chance is True
        first = f"{self.told.sentence(worst.value, values, apart=apart)} in {self.name(worst)} ({self.base(worst)})"
        then = f"{self.told.number(best.value, values, apart=apart)} in {self.name(best)} ({self.base(best)})"
        return f"{first}, {then}; {self.chance}."

    def name(self, place: Place) -> str:
        """A group as it is spoken of."""
        return of_group(self.title, place.group)

    def base(self, place: Place) -> str:
        """What a number rests on: '9 of 43', or 'n = 120'."""
        return self.told.counts(place.successes, place.trials) or n_text(place.n)


def findings(audit: Measured) -> list[Finding]:
    """Return every metric over every attribute that has a gap and a direction, as they stand in the audit."""
    table = _regular(audit.table)
    titles = audit.settings.get("titles", {})
    shown = audit.settings.get("shown")
    found = []
    for (attribute, metric), rows in table.groupby(["attribute", "metric"], sort=False):
        better = direction(str(metric))
        if better is None or (shown and metric not in shown):
            continue
        places = places_of(rows, higher_is_better=better)
        gap = rows[rows["group"] == "gap"].dropna(subset=["value"])
        if len(places) < 2 or gap.empty:
            continue
        row = gap.iloc[0]
        numbers = (float(row[name]) for name in ("value", "low", "high", "p", "detectable"))
        told = saying(str(metric), audit.settings)
        title = str(titles.get(attribute, attribute))
        found.append(Finding(str(attribute), title, str(metric), told, tuple(places), *numbers))
    return found


def leading(found: Sequence[Finding], settings: Mapping[str, Any]) -> list[Finding]:
    """Keep what may speak for an attribute.

    That are metrics within a true class, which a difference of case mix between the groups does not move, and the
    headline; all that are no measure of calibration where there is none of these.
    """
    kept = [f for f in found if f.metric == settings.get("headline") or _within_class(f.metric)]
    kept = [f for f in kept if f.told.harm <= QUALITY] or [f for f in found if f.told.harm <= QUALITY]
    return kept or list(found)


def places_of(rows: pd.DataFrame, *, higher_is_better: bool) -> list[Place]:
    """Return the groups that are compared, the worst first."""
    own = rows[~rows["group"].isin(_NO_GROUP) & ~rows["note"].isin([TOO_SMALL, ONE_CLUSTER])].dropna(subset=["value"])
    own = own.sort_values("value", ascending=higher_is_better, kind="stable")
    columns = ["group", "value", "low", "high", "n", "successes", "trials"]
    return [Place(str(group), *map(float, numbers)) for group, *numbers in own[columns].to_numpy().tolist()]


def too_small(audit: Measured) -> dict[str, list[tuple[str, float]]]:
    """Return the groups of every attribute that could not be compared, with their n."""
    table = _regular(audit.table)
    rows = table[table["note"].isin([TOO_SMALL, ONE_CLUSTER])].drop_duplicates(["attribute", "group"])
    found: dict[str, list[tuple[str, float]]] = {}
    for attribute, group, n in rows[["attribute", "group", "n"]].to_numpy().tolist():
        found.setdefault(str(attribute), []).append((str(group), float(n)))
    return found


def n_text(n: float) -> str:
    """Return 'n = 1,234'."""
    return f"n = {int(n):,}" if math.isfinite(n) else "n unknown"


def _within_class(metric: str) -> bool:
    try:
        return metric_info(metric).null == "label"
    except SettingsError:
        return False


def _regular(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that are read, as numbers; one that an audit does not have is NaN."""
    rows = table.copy()
    for name in ("value", "low", "high", "n", "p", "detectable", "successes", "trials"):
        known = pd.to_numeric(rows[name], errors="coerce") if name in rows else pd.Series(np.nan, index=rows.index)
        rows[name] = known.astype("float64")
    rows["note"] = rows["note"].fillna("").astype(str) if "note" in rows else ""
    return rows
