"""How copies of published sets are passed on: metadata.csv beside images.zip or images-<size>.npz; folders doubled."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Published
from everygroup.datasets.published._coding import read_source

TIDY_TABLE = "metadata.csv"
_OWN = ("image_id", "label")


def is_tidy(folder: Path) -> bool:
    """Tell whether a folder holds metadata.csv with image_id and label, and images.zip or images-<size>.npz beside it.

    An adapter asks this first: such a copy has names of its own, whatever the names of the set as distributed.
    """
    path = folder / TIDY_TABLE
    if not path.is_file() or not (any(folder.glob("images*.npz")) or (folder / "images.zip").is_file()):
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        header = next(csv.reader(handle), [])
    return {name.strip() for name in header} >= set(_OWN)


def read_tidy(
    folder: Path,
    *,
    rename: Mapping[str, str],
    needs: Sequence[str] = (),
    text: Iterable[str] = (),
    column_map: Mapping[str, str] | None = None,
) -> Published:
    """Read such a folder; its columns get the names of the set as distributed, their values stay as they are.

    So that an adapter codes both layouts alike: ``replace(read_tidy(...), table=self._coded(...))``.

    Parameters
    ----------
    folder : Path
        For which `is_tidy` holds.
    rename : mapping of str to str
        Name in metadata.csv: name as distributed, such as {'label': 'dx'}.
    needs : sequence of str
        Columns that must be there, under their new names.
    text : iterable of str
        Columns to read as text, under their names in metadata.csv ('007' keeps its zeros).
    column_map : mapping of str to str, optional
        A user's column name: the new name; goes before `rename`.

    Returns
    -------
    Published
        `image_id` and `image` are the copy's ids; `images` is the folder, among whose archives the wanted size decides.

    Raises
    ------
    CohortError
        For a table that cannot be read, a lacking column, or ids that are missing or not unique.
    """
    path = folder / TIDY_TABLE
    names = {**rename, **(column_map or {})}
    table = read_source(path, needs=["image_id", *needs], text=["image_id", *text], column_map=names)
    check_ids(path, table["image_id"], "image_id")
    return Published(table.assign(image=table["image_id"]), path, folder)


def first_copies(folder: Path, names: Iterable[str], *, suffix: str) -> tuple[list[str], int]:
    """Return the file of each image below a folder, and how many of them lie there more than once.

    Some copies of a set hold its folders twice. The first of several files of one name is taken if all are of the same
    size; else the bare name stands, and the reader of images tells of the conflict. It stands too where there is none.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob(f"*{suffix}")):
        files.setdefault(path.stem, []).append(path)
    chosen, n_doubled = [], 0
    for name in names:
        found = files.get(name, [])
        same = len({p.stat().st_size for p in found}) == 1
        n_doubled += same and len(found) > 1
        chosen.append(found[0].relative_to(folder).as_posix() if same else name)
    return chosen, n_doubled
