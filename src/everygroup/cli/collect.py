"""`everygroup collect`: the tables of a benchmark, from its result files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def collect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of `everygroup benchmark`.")],
) -> None:
    """Make the tables of a benchmark again from what its finished jobs left; nothing is trained.

    Example:

        everygroup collect runs/main
    """
    from everygroup.benchmark.collect import collect as make_tables
    from everygroup.console import say

    say("\n".join(f"wrote {path}" for path in make_tables(folder)))
