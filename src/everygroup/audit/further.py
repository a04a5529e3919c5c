"""What is said beside the gaps: since when a rate changed, what a mix of cases explains, and how versions differ.

The one place that words these: flags, brief, page and terminal take their sentences from here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from everygroup.audit.moves import Moves
from everygroup.audit.words import (
    Saying,
    chance_words,
    direction,
    evidence,
    listed,
    of_group,
    p_text,
    plain_number,
    saying,
    words_of,
)

MOST_GROUPS = 4
_NO_GROUP = ("overall", "gap", "worst", "missing")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class Changed:
    """A rate of one group that changed at some period; `Audit.settings["changes"]` holds them as mappings.

    Attributes
    ----------
    attribute, group, metric : of what.
    since : the first period after it.
    before, after, n_before, n_after : rates, and trials behind them.
    p : corrected for the groups of the attribute.
    """

    attribute: str
    group: str
    metric: str
    since: str
    before: float
    after: float
    n_before: int
    n_after: int
    p: float

    @property
    def worse(self) -> bool:
        """Whether the group fares worse since."""
        return (self.after < self.before) == (direction(self.metric) is not False)

    def sentence(self, settings: Mapping[str, Any]) -> str:
        """Return 'Since August 2025, missed cases rose from 9 to 46 of 100 in women (12 of 132 before, …).'"""
        told = saying(self.metric, settings)
        verb = "rose" if told.harm_of(self.after) > told.harm_of(self.before) else "fell"
        both = [self.before, self.after]
        first, last = (told.number(v, both, apart=True) for v in both)
        counts = [told.counts(v * n, n) for v, n in ((self.before, self.n_before), (self.after, self.n_after))]
        where = of_group(_title(self.attribute, settings), self.group)
        return (
            f"Since {period_words(self.since)}, {_short(self.metric, told)} {verb} from {first.partition(' of ')[0]} "
            f"to {last} in {where} ({counts[0]} before, {counts[1]} since; {p_text(self.p)})."
        )


@dataclass(frozen=True)
class Mixed:
    """A gap as it is, and at one mix of a clinical variable; `Audit.settings["case_mix"]` holds them as mappings.

    Attributes
    ----------
    attribute, metric, within : gap of what, at one mix of which variable.
    crude, crude_low, crude_p : the gap as it is.
    value, low, high, p : at one mix.
    covered : share of the cases in levels where every group has some.
    """

    attribute: str
    metric: str
    within: str
    crude: float
    crude_low: float
    crude_p: float
    value: float
    low: float
    high: float
    p: float
    covered: float

    @property
    def explained(self) -> bool:
        """Whether the gap is clear as it is, and no longer at one mix."""
        return evidence(self.crude_p, self.crude_low) is True and evidence(self.p, self.low) is False

    def sentence(self, settings: Mapping[str, Any]) -> str:
        """Return 'By race, the gap in missed cases is 12 of 100 as it is, and 3 of 100 at one mix of site: …'."""
        told = saying(self.metric, settings)
        crude, value = (_gap(v, told, [self.crude, self.value]) for v in (self.crude, self.value))
        low, high = (_gap(v, told, [self.crude, self.value]).partition(" of ")[0] for v in (self.low, self.high))
        part = "" if self.covered > 0.999 else f", over {self.covered:.0%} of the cases (elsewhere a group has none)"
        return (
            f"By {_title(self.attribute, settings)}, the gap in {_short(self.metric, told)} is {crude} as it is, and "
            f"{value} ({low} to {high}) at one mix of {self.within}{part}: {self._verdict()}."
        )

    def _verdict(self) -> str:
        before, now = evidence(self.crude_p, self.crude_low), evidence(self.p, self.low)
        chance = chance_words(self.p, self.low)
        if now is None:
            return "whether what is left of it is chance could not be tested"
        if now and not before:
            return f"at one mix of {self.within} it is {chance}, as it is not"
        if now:
            return f"{self.within} does not explain it, as what is left of it is {chance}"
        if before:
            return f"{self.within} may explain it, as what is left of it {chance}"
        return f"neither can be told apart from chance ({' and '.join(map(p_text, (self.crude_p, self.p)))})"


@dataclass(frozen=True)
class Further:
    """Lines beside the gaps, the gravest change first.

    Attributes
    ----------
    time, mix, versions : one sentence each, or empty.
    told : texts of flags that these lines say, too.
    """

    time: str = ""
    mix: str = ""
    versions: str = ""
    told: frozenset[str] = frozenset()

    @property
    def lines(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(filter(None, (self.time, self.mix, self.versions)))


def further(
    settings: Mapping[str, Any], series: pd.DataFrame, moved: Moves | None, attributes: Sequence[str]
) -> Further:
    """Return what is said beside the gaps.

    Parameters
    ----------
    settings : of an audit; its `changes`, `case_mix` and `headline` are read.
    series : `Audit.series`.
    attributes : titles, the one that is told first in front.
    moved : how its groups moved against the last baseline in the headline.
    """
    changes = sorted(changes_of(settings), key=lambda c: (not c.worse, c.p, -abs(c.after - c.before)))
    place = {title: i for i, title in enumerate(attributes)}
    mixes = mixes_of(settings)
    mixes.sort(key=lambda m: (not m.explained, place.get(_title(m.attribute, settings), len(place))))
    told = {c.sentence(settings) for c in changes} | {m.sentence(settings) for m in mixes[:1]}
    return Further(
        _over_time(changes, settings),
        mixes[0].sentence(settings) if mixes else "",
        _versions(settings, series, moved, attributes[:1]),
        frozenset(told),
    )


def changes_of(settings: Mapping[str, Any]) -> list[Changed]:
    """The changes that an audit found."""
    return [Changed(**found) for found in settings.get("changes", ())]


def mixes_of(settings: Mapping[str, Any]) -> list[Mixed]:
    """The gaps at one mix that an audit holds."""
    read: list[dict[str, Any]] = [
        {k: math.nan if v is None else v for k, v in found.items()} for found in settings.get("case_mix", ())
    ]
    return [Mixed(**found) for found in read]


def period_words(name: str) -> str:
    """Return a period as it is spoken of.

    Examples
    --------
    >>> period_words("2025-08"), period_words("2025-Q3"), period_words("2025-W07"), period_words("2025")
    ('August 2025', 'quarter 3 of 2025', 'week 7 of 2025', '2025')
    """
    year, _, part = name.partition("-")
    if part[:1] in ("Q", "W"):
        return f"{'quarter' if part[0] == 'Q' else 'week'} {int(part[1:])} of {year}"
    return f"{_MONTHS[int(part) - 1]} {year}" if part else year


def _over_time(changes: Sequence[Changed], settings: Mapping[str, Any]) -> str:
    if not changes:
        return ""
    others: dict[str, list[str]] = {}
    for c in changes[1:]:
        how = f"{'Worse' if c.worse else 'Better'} since {period_words(c.since)}, too"
        others.setdefault(how, []).append(of_group(_title(c.attribute, settings), c.group))
    more = [f"{how}: {listed(groups, MOST_GROUPS)}." for how, groups in others.items()]
    return " ".join([changes[0].sentence(settings), *more])


def _versions(settings: Mapping[str, Any], series: pd.DataFrame, moved: Moves | None, attributes: Sequence[str]) -> str:
    """The headline of every group of one attribute from version to version, and in how many it is clearly another."""
    metric = str(settings.get("headline", ""))
    if series.empty or not attributes:
        return ""
    rows = series[(series["over"] == "version") & (series["metric"] == metric) & ~series["group"].isin(_NO_GROUP)]
    titles = rows["attribute"].map(lambda name: _title(str(name), settings))
    rows = rows[titles == attributes[0]].dropna(subset=["value"]).sort_values("order", kind="stable")
    names = [str(name) for name in dict.fromkeys(rows["period"])]
    groups = {str(g): part for g, part in rows.groupby("group", sort=False) if len(part) == len(names)}
    if len(names) < 2 or not groups:
        return ""
    told = saying(metric, settings)
    said = []
    for group, part in list(groups.items())[:MOST_GROUPS]:
        values = part["value"].astype(float).tolist()
        numbers = [told.number(v, values) for v in values]
        numbers[:-1] = [text.partition(" of ")[0] for text in numbers[:-1]]
        said.append(f"{', '.join(numbers[:-1])} and {numbers[-1]} in {of_group(attributes[0], group)}")
    rest = f"; {len(groups) - MOST_GROUPS} more groups in the report" if len(groups) > MOST_GROUPS else ""
    short = _short(metric, told)
    named = listed([*names[:-1], f"{names[-1]} version" if names[-1] == "this" else names[-1]], len(names))
    line = f"{short[:1].upper()}{short[1:]} over {named}: {'; '.join(said)}{rest}."
    return f"{line} {_against(moved, short)}".strip() if moved and moved.metric == metric else line


def _against(moved: Moves, short: str) -> str:
    """Whether every group got clearly better or worse than with the last version; else how many did."""
    total = moved.better + moved.worse + moved.same
    every = "both groups" if total == 2 else f"all {total} groups"
    for count, verb in ((moved.better, "improved"), (moved.worse, "got worse")):
        if count == total and total > 1:
            return f"Against {moved.baseline}, {short} clearly {verb} in {every}."
    if moved.same == total:
        return f"Against {moved.baseline}, no change is clear in any group."
    counts = f"{moved.better} of {total} groups clearly improved, {moved.worse} clearly got worse"
    return f"Against {moved.baseline}, {counts}."


def _short(metric: str, told: Saying) -> str:
    """What is counted, with the class where one is meant among several."""
    return f"{told.short} ({words_of(metric)})" if metric.endswith("]") else told.short


def _title(attribute: str, settings: Mapping[str, Any]) -> str:
    return str(settings.get("titles", {}).get(attribute, attribute))


def _gap(value: float, told: Saying, beside: Sequence[float]) -> str:
    """A difference: so many of 100, or the number itself."""
    if math.isnan(value):
        return "unknown"
    return f"{round(100 * value)} of 100" if told.counted else plain_number(value, beside)
