"""From the files that finished jobs left to tables and a page, made again at will."""

from __future__ import annotations

from pathlib import Path

from everygroup.benchmark.results import Results
from everygroup.benchmark.study_page import write_all


def collect(out: Path | str) -> list[Path]:
    """Write the tables of a benchmark folder and its page: tables/*.csv, results.md, results.tex, and report.html.

    The same job folders give the same bytes.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        If there is nothing to collect.
    """
    return write_all(Results(out))
