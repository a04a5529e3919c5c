"""The brief: what a committee reads on one page. An audit goes in, sentences and one picture come out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from everygroup.audit.findings import Finding, Measured
from everygroup.audit.flags import Flag
from everygroup.audit.verdicts import Verdict, Verdicts, verdicts
from everygroup.audit.words import listed
from everygroup.figures import harm_by_group
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Figure, Limits, Table, figure, table
from everygroup.report.labels import labels_table

MOST_WARNINGS, MOST_UNKNOWN, MOST_GROUPS, MOST_CARDS = 3, 4, 12, 6
SIGNED = ("Measured by", "Read by a clinician", "Decided by")
NBSP = "\u00a0"
_UNBROKEN = re.compile(r"\b[np] [=<] [\d.,]+|\d of [\d,]+")
_FACTS = ("predictions", "cohort", "label", "method", "baseline", "threshold")


@dataclass(frozen=True)
class Card:
    """The verdict on one attribute: its title, how sure it is ('clear', 'unclear', 'untested', 'none'), sentences."""

    title: str
    level: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Brief:
    """One page.

    Attributes
    ----------
    headline : what comes first.
    stop : whether the numbers must not be used as they are.
    facts : terms and texts on what was measured.
    cards : one for each attribute, the most urgent first.
    picture : of the first finding, if there is one.
    warnings : at most three, by harm; `left_out` says how many more the appendix has.
    unknown : what cannot be said, and how many patients that would take.
    further : since when a rate changed, what a mix of cases explains, how versions differ.
    labels : missed cases and false alarms label by label, of several labels.
    signed : who has to sign.
    """

    headline: str
    stop: bool
    facts: tuple[tuple[str, str], ...]
    cards: tuple[Card, ...]
    picture: Figure | None
    warnings: tuple[Flag, ...]
    left_out: int
    unknown: tuple[str, ...]
    further: tuple[str, ...] = ()
    labels: Table | None = None
    signed: tuple[str, ...] = SIGNED


def brief_of(
    audit: Measured, flags: Sequence[Flag], question: Mapping[str, Any], limits: Limits
) -> tuple[Brief, Verdicts]:
    """Return the brief of an audit, and the verdicts that it is made of.

    Parameters
    ----------
    audit : its `table`, `comparison` and `settings` are read.
    flags : what to heed.
    question : what was asked; the file's name and the like are told.
    limits : of the page.
    """
    said = verdicts(audit)
    stops = [flag for flag in flags if flag.severity == "stop"]
    ranked = _ranked(flags, said)
    lead = said.by_attribute[0].lead if said.by_attribute else None
    made = Brief(
        headline=_kept(f"Stop: {stops[0]}" if stops else said.headline),
        stop=bool(stops),
        facts=tuple(_facts(audit.settings, question)),
        cards=_cards(said.by_attribute),
        picture=_picture(lead, limits) if lead else None,
        warnings=tuple(replace(flag, text=_kept(str(flag))) for flag in ranked[:MOST_WARNINGS]),
        left_out=max(0, len(ranked) - MOST_WARNINGS),
        unknown=tuple(_kept(text) for text in (*said.unknown[:-1][: MOST_UNKNOWN - 1], *said.unknown[-1:])),
        further=tuple(_kept(text) for text in said.further.lines),
        labels=labels_table(audit, said.by_attribute[0].attribute, limits) if said.by_attribute else None,
    )
    return made, said


def _ranked(flags: Sequence[Flag], said: Verdicts) -> list[Flag]:
    """Flags that warn, the gravest first: stops, then cautions, those on what is told first in front.

    What the lines on time and case mix say is not said again.
    """
    order = {"stop": 0, "caution": 1}
    place = {v.attribute: i for i, v in enumerate(said.by_attribute)}
    warned = [flag for flag in dict.fromkeys(flags) if flag.severity in order and str(flag) not in said.further.told]
    return sorted(warned, key=lambda f: (order[f.severity], place.get(f.attribute, len(place))))


def _kept(text: str) -> str:
    """Text that breaks no line within 'n = 43', 'p = 0.034' or '21 of 100'."""
    return _UNBROKEN.sub(lambda found: found[0].replace(" ", NBSP), clean_text(text))


def _cards(every: Sequence[Verdict]) -> tuple[Card, ...]:
    """One for each attribute; of many the first, and what the others have in common in a last one."""
    if len(every) <= MOST_CARDS:
        return tuple(_card(verdict) for verdict in every)
    rest = every[MOST_CARDS - 1 :]
    clear = [v.title for v in rest if v.lead and v.lead.beyond_chance]
    others = [v.title for v in rest if v.title not in clear]
    said = [f"Gaps that are unlikely to be chance by {listed(clear, len(clear))}."] if clear else []
    said += [f"No gap can be told apart from chance by {listed(others, len(others))}."] if others else []
    last = Card("further attributes", "clear" if clear else "unclear", tuple(_kept(text) for text in said))
    return (*(_card(verdict) for verdict in every[: MOST_CARDS - 1]), last)


def _card(verdict: Verdict) -> Card:
    levels = {True: "clear", False: "unclear", None: "untested"}
    level = levels[verdict.lead.beyond_chance] if verdict.lead else "none"
    return Card(clean_text(verdict.title), level, tuple(_kept(text) for text in verdict.sentences))


def _facts(settings: Mapping[str, Any], question: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = [(name, clean_text(question[name])) for name in _FACTS if question.get(name) not in (None, "", "none")]
    n, patients = settings.get("n"), settings.get("n_clusters")
    if n:
        whose = f" of {int(patients):,} patients" if patients and patients < n else ""
        told.append(("measured on", f"{int(n):,} rows{whose}"))
    if settings.get("positive"):
        told.append(("disease is", clean_text(settings["positive"])))
    if settings.get("critical"):
        told.append(("critical classes", clean_text(", ".join(settings["critical"]))))
    return told


def _picture(found: Finding, limits: Limits) -> Figure:
    """The groups of the first finding, worst first: harm of a hundred where it is counted."""
    places = found.places if len(found.places) <= MOST_GROUPS else (*found.places[: MOST_GROUPS - 1], found.best)
    rows = pd.DataFrame([_row(found, i) for i in (found.places.index(place) for place in places)])
    told = found.told
    name = clean_text(f"{told.short}, of 100 {told.what}" if told.counted else told.heading)
    caption = _kept(f"{name[:1].upper()}{name[1:]} by {clean_text(found.title)}, with 95 % intervals; {found.chance}.")
    behind = table(
        rows.drop(columns=["worst", "shown"]),
        name,
        limits,
        headings={"group": "group", "value": name, "counts": "counted", "n": "n of the group"},
        shown={"value": [told.with_interval(p.value, p.low, p.high, found.values) for p in places]},
        file_name="brief.csv",
    )
    return figure(harm_by_group(rows, name), caption, behind, narrow=harm_by_group(rows, name, narrow=True))


def _row(found: Finding, i: int) -> dict[str, Any]:
    place, told = found.places[i], found.told
    value, low, high = told.harmed(place.value, place.low, place.high)
    counts = told.counts(place.successes, place.trials)
    return {
        "group": place.group,
        "value": value,
        "low": low,
        "high": high,
        "counts": counts,
        "n": place.n,
        "shown": f"{told.with_interval(place.value, place.low, place.high, found.values)}   {found.base(place)}",
        "worst": i == 0,
    }  # fmt: skip
