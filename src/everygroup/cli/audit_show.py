"""What an audit prints: one screen that says what was found, and where the rest is; everything with --verbose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everygroup.console import console, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from everygroup.audit import Audit
    from everygroup.audit.findings import Finding
    from everygroup.audit.verdicts import Verdict

MOST_GROUPS, MOST_ATTRIBUTES, MOST_STOPS = 5, 2, 2


def show(result: Audit, *, verbose: bool = False, named: bool = False) -> None:
    """Print what was found on one screen of 24 lines; with `verbose` every number and everything to heed, too.

    With `named` the metrics were asked for by name, and their values are printed as such.
    """
    from everygroup.audit.verdicts import verdicts
    from everygroup.audit.words import listed
    from everygroup.cli.audit_tables import all_tables, value_tables

    if named and not verbose:
        for table in value_tables(result, console.width, result.settings["shown"]):
            console.print(table)
    how_read = result.settings.get("asked", {}).get("how it was read")
    if verbose:
        for line in how_read or ():
            say(line)
        for part in all_tables(result, console.width):
            console.print(part)
    stops = [flag for flag in result.flags if flag.severity == "stop"]
    for flag in stops[:MOST_STOPS]:
        console.print(f"Stop: {flag}", markup=False, style="bold red", soft_wrap=True)
    if verbose:
        for flag in result.flags:
            if flag.severity != "stop":
                console.print(f"! {flag}", markup=False, style="yellow", soft_wrap=True)
    said = verdicts(result)
    say(said.headline)
    first = said.by_attribute[0] if said.by_attribute else None
    if first is not None and first.lead is not None:
        console.print(worst_groups(first))
    others = said.by_attribute[1:]
    clear = [v for v in others if v.lead and v.lead.beyond_chance]
    for verdict in clear[:MOST_ATTRIBUTES]:
        say(f"{verdict.title}: {verdict.sentences[0]}")
    within = [f"{v.title} ({v.lead.chance_number})" for v in others if v.lead and not v.lead.beyond_chance]
    if within:
        say(f"Not told apart from chance: the gaps by {listed(within)}.")
    further = said.further
    if said.moved is not None and not said.moved.all_worse and not further.versions:
        say(said.moved.sentence)
    for line in further.lines:
        say(line)
    more = ["how columns were found"] if how_read and not verbose else []
    if len(clear) > MOST_ATTRIBUTES:
        more.append(f"{len(clear) - MOST_ATTRIBUTES} more attributes")
    untold = [flag for flag in result.flags if flag.severity == "caution" and str(flag) not in further.told]
    cautions = len(untold) + max(0, len(stops) - MOST_STOPS)
    if cautions and not verbose:
        more.append(f"{cautions} caution{'s' if cautions > 1 else ''}")
    if more:
        say(f"Not shown: {listed(more)} (in audit.json and the report; --verbose prints all).")


def worst_groups(verdict: Verdict) -> Table:
    """The groups of the attribute that comes first, the worst in front, with its two findings side by side."""
    from rich.table import Table
    from rich.text import Text

    found = [f for f in (verdict.lead, verdict.other) if f]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text(verdict.title), no_wrap=True, max_width=22, overflow="ellipsis")
    for f in found:
        table.add_column(Text(f.told.heading), max_width=34, overflow="fold")
    places = found[0].places
    for place in places[:MOST_GROUPS]:
        table.add_row(Text(place.group), *(Text(_cell(f, place.group)) for f in found))
    if len(places) > MOST_GROUPS:
        table.add_row(Text(f"{len(places) - MOST_GROUPS} more in summary.csv", style="dim"))
    return table


def _cell(found: Finding, group: str) -> str:
    """Value and interval as they are told, and what they rest on."""
    place = next((p for p in found.places if p.group == group), None)
    if place is None:
        return "undefined"
    return f"{found.told.with_interval(place.value, place.low, place.high, found.values)}  {found.base(place)}"


def show_files(written: Sequence[Path]) -> None:
    """Say in one line what was written, what people read first."""
    if not written:
        return
    names = [path.name for path in written]
    first = [name for name in ("brief.html", "report.html", "summary.csv") if name in names] or names[:1]
    others = len(names) - len(first)
    more = f" and {others} more file{'s' if others > 1 else ''}" if others else ""
    say(f"Wrote {', '.join(first)}{more} to {written[0].parent}")
