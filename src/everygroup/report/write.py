"""Write a report: one HTML file that stands alone, reads well on paper and on screen, and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.console import warn
from everygroup.errors import OutputError
from everygroup.files import write_text
from everygroup.report import beside, cells, criteria, curves, extras, gaps, notes, sections
from everygroup.report.blocks import FULL, LEAN, Limits
from everygroup.report.brief import brief_of
from everygroup.report.model_card import model_card
from everygroup.report.page import Words, render_page
from everygroup.report.reading import AuditLike, Reading
from everygroup.report.tables import gaps_table, groups_table

MAX_BYTES = 2_000_000
BRIEF = Words(kind="everygroup brief", answer="The finding", answer_link="Brief", skip="Skip to the finding")
WORDS = Words(answer="The finding", answer_link="Brief", skip="Skip to the finding")
_COMMANDS = ("command", "how_to_reproduce")


def write_report(
    path: Path | str,
    *,
    title: str,
    question: Mapping[str, Any],
    audit: AuditLike | Sequence[AuditLike],
    fingerprint: Mapping[str, Any] | None = None,
    log: pd.DataFrame | None = None,
    weights: pd.DataFrame | None = None,
    weight_summary: pd.DataFrame | None = None,
    image_strips: Sequence[tuple[str, bytes]] | None = None,
    of_patients: bool = True,
    methods: Sequence[Mapping[str, Any]] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> Path:
    """Write a report as one self-contained HTML file of at most 2 MB.

    The file loads nothing, so it opens offline. Its one script sorts tables and switches between light and dark; all
    is readable without it, and the page's content policy names its hash, so that no other can run. What comes from
    data is escaped. If everything does not fit, figures and downloads are reduced, which the page then says.

    Parameters
    ----------
    path : path
        The file to write; replaced atomically.
    title : str
        Heading of the page.
    question : mapping
        What was asked, shown as it is: cohort, label, groups, method, seed, split hash, n, and so on. `metric`,
        `method` and `baseline` also choose what stands in front; `command` is how to run it again.
    audit : Audit or sequence of Audit
        The measurements; several for several methods side by side, the baseline first.
    fingerprint : mapping, optional
        `Fingerprint.to_dict()` of the cohort.
    log : DataFrame, optional
        Training log, see `everygroup.figures.training_curves`.
    weights, weight_summary : DataFrame, optional
        SPARE's weights (target_group, source_group, weight, utility, similarity) and their summary by target group.
    image_strips : sequence of (caption, PNG), optional
        Most and least weighted images, from `everygroup.figures.image_strip`.
    of_patients : bool
        Whether these images show patients, so that the page says where to keep it; False for simulated ones.
    methods : sequence of mappings, optional
        What each method is (name, paper, family, ...).
    environment : mapping, optional
        Versions and machine; `command` is how to run it again.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the audit has no rows, or the file cannot be written.
    """
    audits = list(audit) if isinstance(audit, Sequence) else [audit]
    if not audits:
        raise OutputError("There is no audit to report.", fix="audit some predictions first")
    given: dict[str, Any] = {"log": log, "weights": weights, "weight_summary": weight_summary}
    given |= {"image_strips": image_strips, "of_patients": of_patients}
    given |= {"fingerprint": fingerprint, "methods": methods, "environment": environment}
    page = _page(title, question, audits, FULL, **given)
    if len(page.encode()) > MAX_BYTES:
        page = _page(title, question, audits, LEAN, **given)
        if len(page.encode()) > MAX_BYTES:
            warn(f"The report {Path(path).name} is larger than {MAX_BYTES / 1e6:.0f} MB.")
    write_text(path, page)
    return Path(path)


def write_brief(
    path: Path | str, *, title: str, question: Mapping[str, Any], audit: AuditLike | Sequence[AuditLike]
) -> Path:
    """Write the brief alone: the first screen of the report as a file that prints on one or two pages.

    Parameters
    ----------
    path, title, question, audit : as of `write_report`.

    Raises
    ------
    OutputError
        If the audit has no rows, or the file cannot be written.
    """
    reading = Reading.of(list(audit) if isinstance(audit, Sequence) else [audit], question)
    page, _ = brief_of(reading.front, reading.flags, question, FULL)
    write_text(path, render_page(title, brief=page, words=BRIEF))
    return Path(path)


def _page(title: str, question: Mapping[str, Any], audits: list[AuditLike], limits: Limits, **given: Any) -> str:
    reading = Reading.of(audits, question)
    brief, said = brief_of(reading.front, reading.flags, question, limits)
    first = said.by_attribute[0].title if said.by_attribute else ""
    environment = given["environment"] or {}
    command = next((str(m[k]) for m in (environment, question) for k in _COMMANDS if m.get(k)), "")
    card = {"title": title, "question": question} | {k: given[k] for k in ("fingerprint", "methods", "environment")}
    texts = {
        "model-card.md": ("Model card, Markdown", model_card(audits, **card)),
        "groups.tex": ("Results by group, LaTeX", groups_table(reading, form="latex")),
        "groups.md": ("Results by group, Markdown", groups_table(reading)),
        "gaps.tex": ("Gaps, LaTeX", gaps_table(reading, form="latex")),
        "gaps.md": ("Gaps, Markdown", gaps_table(reading)),
    }
    parts = [
        extras.strips(given["image_strips"], limits, of_patients=given["of_patients"]),
        sections.by_group(reading, limits),
        sections.changes(reading, limits),
        beside.over_time(reading, limits),
        beside.versions(reading, limits),
        beside.strata(reading, limits, said),
        beside.references(reading, limits),
        cells.cells(reading, limits),
        cells.intersections(reading, limits),
        gaps.gaps(reading, limits),
        gaps.tradeoff(reading, limits, first),
        curves.curves(reading, limits, first),
        criteria.criteria(reading, limits),
        criteria.sources(reading, limits),
        extras.spare(given["weights"], given["weight_summary"], limits),
        extras.training(given["log"], limits),
        extras.cohort(given["fingerprint"], limits, reading.names),
        notes.heed(reading.flags),
        notes.asked({k: v for k, v in question.items() if k not in _COMMANDS}, lean=limits is LEAN),
        notes.method_notes(reading, given["methods"], limits),
        notes.limits_and_definitions(),
        notes.downloads(reading, texts, limits),
        extras.environment({k: v for k, v in environment.items() if k not in _COMMANDS}, command),
    ]
    return render_page(title, brief=brief, parts=[part for part in parts if part is not None], words=WORDS)
