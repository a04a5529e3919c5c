"""The verdict of an audit: one for each attribute, the one that comes first, and what cannot be said.

The first sentence is the finding with the strongest evidence; among equal evidence the graver harm, then the larger
difference. Where every group got worse than with the baseline, that comes before any gap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from everygroup.audit.findings import Finding, Measured, findings, leading, n_text, too_small
from everygroup.audit.further import Further, further
from everygroup.audit.moves import Moves, moves
from everygroup.audit.words import FALSE_ALARM, LEVEL, MISSED, listed, plain_number
from everygroup.statistics import n_for_proportions

# The difference that the sentence on numbers needed speaks of: ten of a hundred.
WORTH_FINDING = 0.10


@dataclass(frozen=True)
class Verdict:
    """What is said of one attribute.

    Attributes
    ----------
    attribute, title : the column, and what it is called.
    lead : the finding that comes first; None where no two groups can be compared.
    other : the finding on the other side (false alarms beside missed cases), or the next one.
    sentences : in order, ready to be read; among them
    change : against the baseline, empty without one.
    small : groups that could not be compared, with their n.
    """

    attribute: str
    title: str
    lead: Finding | None
    other: Finding | None
    sentences: tuple[str, ...]
    change: str = ""
    small: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Verdicts:
    """The audit in words.

    Attributes
    ----------
    headline : one or two sentences.
    by_attribute : verdicts, the one to be heard first in front.
    unknown : what cannot be said, and how many patients would be needed.
    moved : against the baseline, in the metric in front; None without one.
    further : what is said of changes over time, of case mix and of versions.
    """

    headline: str
    by_attribute: tuple[Verdict, ...]
    unknown: tuple[str, ...]
    moved: Moves | None = None
    further: Further = field(default_factory=Further)


def verdicts(audit: Measured) -> Verdicts:
    """Return what an audit says.

    Parameters
    ----------
    audit : its `table`, `comparison` and `settings` are read.
    """
    found = leading(findings(audit), audit.settings)
    small = too_small(audit)
    titles: Mapping[str, str] = audit.settings.get("titles", {})
    made = []
    for attribute in dict.fromkeys(audit.table["attribute"].astype(str)):
        own = sorted((f for f in found if f.attribute == attribute), key=lambda f: f.rank)
        title = str(titles.get(attribute, attribute))
        made.append(_verdict(attribute, title, own, tuple(small.get(attribute, ())), audit))
    made.sort(key=lambda v: v.lead.rank if v.lead else (math.inf,))
    moved = _moved(audit, made)
    headline, first = str(audit.settings.get("headline", "")), made[0].attribute if made else ""
    versions = moves(audit.comparison, headline, first, audit.settings)
    beside = further(audit.settings, audit.series, versions, [v.title for v in made])
    return Verdicts(_headline(made, moved), tuple(made), tuple(_unknown(made, found)), moved, beside)


def _verdict(
    attribute: str, title: str, found: list[Finding], small: tuple[tuple[str, float], ...], audit: Measured
) -> Verdict:
    if not found:
        sizes = listed([f"{group} ({n_text(n)})" for group, n in small])
        because = f": {sizes}" if sizes else ""
        said = f"No two groups of {title} are large enough to be compared{because}."
        return Verdict(attribute, title, None, None, (said,), small=small)
    lead, other = found[0], _other(found)
    sentences = [lead.sentence, *([other.sentence] if other else [])]
    changes = [moves(audit.comparison, f.metric, attribute, audit.settings) for f in (lead, other) if f]
    change = next((change.short for change in changes if change), "")
    return Verdict(attribute, title, lead, other, tuple(filter(None, (*sentences, change))), change, small)


def _other(found: Sequence[Finding]) -> Finding | None:
    """The other side of the first finding: false alarms beside missed cases; else the next of another kind."""
    harm = found[0].told.harm
    opposite = {MISSED: FALSE_ALARM, FALSE_ALARM: MISSED}.get(harm)
    across = [f for f in found[1:] if f.told.harm == opposite]
    return next(iter(across or [f for f in found[1:] if f.told.harm != harm]), None)


def _moved(audit: Measured, made: Sequence[Verdict]) -> Moves | None:
    """The change of all groups against the baseline in the first metric in which all fell, else in the one in front."""
    leads = [f for v in made for f in (v.lead, v.other) if f]
    metrics = list(dict.fromkeys([str(audit.settings.get("headline", "")), *(f.metric for f in leads)]))
    found = [m for metric in metrics if metric and (m := moves(audit.comparison, metric, None, audit.settings))]
    return next((m for m in found if m.all_worse), next(iter(found), None))


def _headline(made: Sequence[Verdict], moved: Moves | None) -> str:
    if moved is not None and moved.all_worse:
        return moved.sentence
    leads = [v.lead for v in made if v.lead]
    if not leads:
        return "No two groups are large enough to be compared."
    first = leads[0]
    if first.beyond_chance:
        return first.sentence
    nothing = "No gap between groups can be told apart from chance"
    if first.beyond_chance is None:
        nothing = "Whether the gaps between groups are chance could not be tested"
    return f"{nothing}; that does not show that there is none. The one to look at first: {first.sentence}"


def _unknown(made: Sequence[Verdict], found: Sequence[Finding]) -> list[str]:
    """What cannot be said: groups too small, gaps within chance with the numbers needed, how many looks there were."""
    said = []
    for v in made:
        if v.small and v.lead:
            names = listed([f"{group} ({n_text(n)})" for group, n in v.small])
            said.append(f"By {v.title}, nothing can be said of {names}.")
    said += [sentence for v in made if v.lead for sentence in _needed(v.lead)]
    tested = [f for f in found if math.isfinite(f.p)]
    if len(tested) > 1:
        below = sum(f.p < LEVEL for f in tested)
        said.append(
            f"{len(tested)} gaps were tested, and {below} {'has' if below == 1 else 'have'} p < {LEVEL}; without any "
            f"true gap about {_about(LEVEL * len(tested))} would."
        )
    return said


def _needed(f: Finding) -> list[str]:
    """How many patients it would take, where a gap is within chance."""
    if f.beyond_chance or not math.isfinite(f.detectable):
        return []
    if not f.told.counted:
        smallest_gap = f"{plain_number(f.detectable)} {f.told.what}".strip()
        return [
            f"By {f.title}, gaps in {f.told.short} below {smallest_gap} would often be overlooked with so few; "
            "with four times as many patients, only those below half of that."
        ]
    least = math.ceil(100 * f.detectable - 1e-9)
    text = f"By {f.title}, differences in {f.told.short} below {least} of 100 would often be overlooked with so few"
    best, smallest = f.best.value, min(f.places, key=lambda place: place.trials)
    if not math.isfinite(sum(place.trials for place in f.places)) or f.detectable <= WORTH_FINDING:
        return [f"{text}."]
    need = n_for_proportions(best, best - WORTH_FINDING if best > WORTH_FINDING else best + WORTH_FINDING)
    if need is None or need[0] <= smallest.trials:
        return [f"{text}."]
    return [
        f"{text}: there are {int(smallest.trials):,} {f.told.what} in {f.name(smallest)}. To show a difference of "
        f"{round(100 * WORTH_FINDING)} of 100, about {need[0]:,} in each group are needed."
    ]


def _about(x: float) -> str:
    return f"{x:.0f}" if x >= 1 else f"{x:.1g}"


def in_short(said: Verdicts, heed: Sequence[object]) -> str:
    """Return the audit in a few sentences: what comes first, what moved or changed, the first thing to heed."""
    first = said.by_attribute[0] if said.by_attribute else None
    changed = [first.change or said.moved.sentence] if first and said.moved else []
    if first and said.moved and said.moved.all_worse:
        changed = list(first.sentences[:1])
    changed += filter(None, (said.further.time, said.further.mix))
    heed = [flag for flag in heed if str(flag) not in said.further.told]
    count = len(heed)
    more = [f"{count} thing{'s' if count > 1 else ''} to heed, the first: {heed[0]}"] if count else []
    return " ".join([said.headline, *changed, *more])
