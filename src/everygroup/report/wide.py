"""Tables with two rows of headings, as papers print them: for the page, as Markdown and as LaTeX (booktabs)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import pandas as pd

from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Table, csv_address
from everygroup.report.tables import latex_text, markdown_text


@dataclass(frozen=True)
class WideTable:
    """A table of texts.

    Attributes
    ----------
    caption : str
    columns : list of (block, heading)
        Neighbours of one block stand under one heading; the block of names is ''.
    rows : list of list of str
    names : int
        Columns at the left that are names, not numbers.
    note : str
        Below the table.
    """

    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[str]]
    names: int = 1
    note: str = ""
    file_name: str = field(default="table.csv")

    @property
    def headings(self) -> list[str]:
        """One heading a column."""
        return [f"{block} {heading}".strip() for block, heading in self.columns]


def wide_block(table: WideTable, limits: Limits) -> Table:
    """Return the table as the page shows it."""
    data = pd.DataFrame(table.rows)
    data.columns = pd.Index(table.headings)
    return Table(
        caption=clean_text(f"{table.caption}. {table.note}" if table.note else table.caption),
        header=[clean_text(text) for text in table.headings],
        rows=table.rows[: limits.rows],
        right=[i >= table.names for i in range(len(table.columns))],
        left_out=max(0, len(table.rows) - limits.rows),
        csv=csv_address(data, limits.csv_bytes),
        file_name=table.file_name,
    )


def wide_markdown(table: WideTable) -> str:
    """Return the table as Markdown, its caption as a paragraph above."""
    rule = ["---"] * table.names + ["---:"] * (len(table.columns) - table.names)
    lines = [[markdown_text(text) for text in line] for line in (table.headings, *table.rows)]
    shown = [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]
    parts = [markdown_text(table.caption), "\n".join(shown), *([markdown_text(table.note)] if table.note else [])]
    return "\n\n".join(parts) + "\n"


def wide_latex(table: WideTable) -> str:
    """Return the table as LaTeX, for the packages booktabs and graphicx."""
    spans, at = [], 1
    for block, members in groupby(table.columns, key=lambda column: column[0]):
        size = len(list(members))
        spans.append((block, at, at + size - 1))
        at += size
    lines = [r"\begin{table}", r"\centering", f"\\caption{{{_latex(table.caption)}}}", r"\resizebox{\linewidth}{!}{%"]
    align = "l" * table.names + "r" * (len(table.columns) - table.names)
    lines += [f"\\begin{{tabular}}{{{align}}}", r"\toprule"]
    if any(block for block, *_ in spans):
        heads = [f"\\multicolumn{{{b - a + 1}}}{{c}}{{{_latex(block)}}}" for block, a, b in spans]
        lines.append(" & ".join(heads) + r" \\")
        lines.append(" ".join(f"\\cmidrule(lr){{{a}-{b}}}" for block, a, b in spans if block))
    body = [" & ".join(_latex(text) for text in line) + r" \\" for line in table.rows]
    lines += [" & ".join(_latex(heading) for _, heading in table.columns) + r" \\", r"\midrule", *body]
    lines += [r"\bottomrule", r"\end{tabular}}", *([f"\\par {_latex(table.note)}"] if table.note else [])]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex(text: str) -> str:
    return latex_text(text).replace("±", r"$\pm$")
