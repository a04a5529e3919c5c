"""What is said of the files that an audit reads: one line a file, behind which stands how everything was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from everygroup.audit.chosen import Both
from everygroup.console import Detail


def in_lines(details: Sequence[Detail], sizes: Mapping[str, Both]) -> list[str]:
    """Return one line a file, such as 'preds.csv: 2,845 rows of 1,400 patients; label y_true; scores risk'.

    Files that are read like the first stand together.

    Parameters
    ----------
    details : what was found, by file.
    sizes : the rows of every file of predictions.
    """
    found: dict[str, list[str]] = {file: [] for file in sizes}
    for d in details:
        found.setdefault(d.file, []).extend([d.short] if d.short else [])
    first = next(iter(found.values()), [])
    lines: dict[str, list[str]] = {}
    for i, (file, short) in enumerate(found.items()):
        same = i > 0 and bool(short) and set(short) <= set(first)
        told = "; ".join([*([_size(sizes[file])] if file in sizes else []), *(["read likewise"] if same else short)])
        if told:
            lines.setdefault(told, []).append(file)
    return [f"{', '.join(files)}: {told}." for told, files in lines.items()]


def in_full(details: Sequence[Detail]) -> list[str]:
    """Return how everything was found, and how to say otherwise."""
    return [str(d) for d in details if d.text]


def _size(rows: Both) -> str:
    units = rows.table["unit"].nunique()
    return f"{len(rows):,} rows of {units:,} patients" if units < len(rows) else f"{len(rows):,} rows"
