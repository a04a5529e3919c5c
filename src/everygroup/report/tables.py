"""Tables for papers: results by group and gaps, as LaTeX (booktabs) and as Markdown, escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from everygroup.audit.words import title_of
from everygroup.errors import OutputError
from everygroup.figures.theme import clean_text, estimate
from everygroup.files import write_text
from everygroup.report.blocks import p_value
from everygroup.report.reading import PREFERRED, AuditLike, Reading

Format = Literal["latex", "markdown"]
Measured = AuditLike | Sequence[AuditLike] | Reading
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
    "…": r"\dots{}",
}
_MAX_METRICS = 4


def latex_text(value: object) -> str:
    """Return text from data as LaTeX that typesets it and runs nothing."""
    return "".join(_LATEX.get(ch, ch) for ch in clean_text(value))


def markdown_text(value: object) -> str:
    """Return text from data as Markdown that shows it: no markup, no HTML, no end of a table's cell."""
    text = clean_text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{ch}" if ch in "\\`*_[]|#!~" else ch for ch in text)


def groups_table(audit: Measured, *, form: Format = "markdown", metrics: Sequence[str] | None = None) -> str:
    """Return every group's n and values with their intervals.

    Parameters
    ----------
    audit : Audit or several, methods side by side.
    form : 'latex' (needs the package booktabs) or 'markdown'.
    metrics : their names; by default the usual ones, at most four.

    Raises
    ------
    OutputError
        If the audit has no rows or not that metric.
    """
    reading = _reading(audit)
    chosen = list(metrics) if metrics else [m for m in PREFERRED if m in reading.metrics]
    chosen = (chosen or reading.metrics)[: None if metrics else _MAX_METRICS]
    missing = [metric for metric in chosen if metric not in reading.metrics]
    if missing:
        raise OutputError(
            f"The audit has no metric {', '.join(missing)}.", fix=f"choose among {', '.join(reading.metrics)}"
        )
    keys = ["attribute", "group", "method"]
    rows = pd.concat([reading.groups(metric) for metric in chosen])
    several = len(reading.methods) > 1
    head = ["Attribute", "Group", *(["Method"] if several else []), "n", *(title_of(m) for m in chosen)]
    lines = []
    for values, part in rows.groupby(keys, sort=False):
        found = {row["metric"]: estimate(row["value"], row["low"], row["high"]) for _, row in part.iterrows()}
        n = part["n"].max()
        names = list(values if several else values[:2])
        count = f"{int(n):,}" if np.isfinite(n) else "–"
        lines.append([*map(str, names), count, *(found.get(metric, "–") for metric in chosen)])
    return _table(head, lines, form, n_names=2 + several, caption="Results by group; in brackets, 95 % intervals.")


def gaps_table(audit: Measured, *, form: Format = "markdown") -> str:
    """Return every gap with its interval, its permutation p and, where known, its chance level.

    Parameters
    ----------
    audit : Audit or several, methods side by side.
    form : 'latex' (needs the package booktabs) or 'markdown'.
    """
    reading = _reading(audit)
    rows = reading.gaps()
    several = len(reading.methods) > 1
    extra = [(c, t) for c, t in (("chance", "By chance"), ("detectable", "Detectable")) if rows[c].notna().any()]
    head = ["Attribute", "Gap in", *(["Method"] if several else []), "Gap", "p", *(title for _, title in extra)]
    lines = []
    for _, row in rows.iterrows():
        names = [row["attribute"], title_of(row["metric"]), *([row["method"]] if several else [])]
        numbers = [estimate(row["value"], row["low"], row["high"]), p_value(row["p"])]
        lines.append([*names, *numbers, *(f"{row[c]:.3f}" if np.isfinite(row[c]) else "–" for c, _ in extra)])
    caption = "Gaps between groups; in brackets, 95 % intervals; p by permutation of the groups."
    return _table(head, lines, form, n_names=2 + several, caption=caption)


def write_tables(folder: Path | str, audit: Measured) -> list[Path]:
    """Write groups.tex, groups.md, gaps.tex and gaps.md into a folder, and return the files."""
    reading = _reading(audit)
    forms: dict[str, Format] = {"tex": "latex", "md": "markdown"}
    written = []
    for suffix, form in forms.items():
        for name, text in (("groups", groups_table(reading, form=form)), ("gaps", gaps_table(reading, form=form))):
            path = Path(folder) / f"{name}.{suffix}"
            write_text(path, text)
            written.append(path)
    return written


def _reading(audit: Measured) -> Reading:
    if isinstance(audit, Reading):
        return audit
    return Reading.of(list(audit) if isinstance(audit, Sequence) else [audit], {})


def _table(head: list[str], lines: list[list[str]], form: Format, *, n_names: int, caption: str) -> str:
    numbers = len(head) - n_names
    if form == "markdown":
        rule = ["---"] * n_names + ["---:"] * numbers
        rows = [[markdown_text(text) for text in line] for line in [head, *lines]]
        return "\n".join(f"| {' | '.join(line)} |" for line in [rows[0], rule, *rows[1:]]) + "\n"
    if form != "latex":
        raise OutputError(f"Cannot write a table as {form!r}.", fix="choose 'latex' or 'markdown'")
    rows = [[latex_text(text) for text in line] for line in [head, *lines]]
    body = [f"{' & '.join(line)} \\\\" for line in rows]
    start = [r"\begin{table}", r"\centering", f"\\caption{{{latex_text(caption)}}}"]
    start += [f"\\begin{{tabular}}{{{'l' * n_names}{'r' * numbers}}}", r"\toprule", body[0], r"\midrule"]
    return "\n".join([*start, *body[1:], r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"
