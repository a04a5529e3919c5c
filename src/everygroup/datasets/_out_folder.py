"""Refuse an --out folder in which a prepared cohort would overwrite files of the user."""

from __future__ import annotations

from pathlib import Path

from everygroup.errors import CohortError, OutputError
from everygroup.imaging._store import PROGRESS
from everygroup.imaging.prepare import ARRAY, RECORD

TABLE = "table.csv"
TRUTH = "truth"
"""The folder, within a prepared one, of masks or undegraded images."""


def is_prepared(folder: Path | str) -> bool:
    """Tell whether a folder was written by `prepare_cohort`."""
    return (Path(folder) / RECORD).is_file()


def check_folders(source: Path, out: Path, *, images: Path | None = None) -> None:
    """Refuse a source that is prepared already, and a folder that holds what is not ours to replace.

    Raises
    ------
    CohortError
        If the source is a prepared folder.
    OutputError
        If the original files lie in `out`, or as `check_out`.
    """
    if is_prepared(source):
        raise CohortError(f"{source}: is prepared already.", fix="use it as it is, or give the original files")
    originals = [p if p.is_dir() else p.parent for p in (source, images) if p is not None and p.exists()]
    if out.resolve() in [folder.resolve() for folder in originals]:
        raise OutputError(f"{out}: is the folder of the original files.", fix="give another --out folder")
    check_out(out)


def check_out(out: Path) -> None:
    """Refuse a folder that holds what is not ours to replace.

    Raises
    ------
    OutputError
        If it holds a table.csv, images.npy or truth that no prepared cohort, finished or not, put there.
    """
    if is_prepared(out) or (out / PROGRESS).exists():
        return
    for name in (TABLE, ARRAY, TRUTH):
        if (out / name).exists():
            raise OutputError(
                f"{out / name}: is there already, and no prepared cohort beside it.",
                fix="give another --out folder, or move the file away",
            )
